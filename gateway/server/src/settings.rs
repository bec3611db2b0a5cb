//! The settings file: one TOML document, checked whole.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use audit::AuditSettings;
use domain::{Fault, Faults};
use limits::LimitsSettings;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::DeTable;

use crate::edge::settings::ConnectionSettings;

/// The file that is read where none is named.
pub(crate) const DEFAULT_FILE: &str = "portcullis.toml";

/// Names the settings file where the command line does not.
const VARIABLE: &str = "PORTCULLIS_CONFIG";

/// Everything an operator may write, with the default of whatever was left out. Paths are relative to the file.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file itself.
    pub(crate) file: PathBuf,
    /// What entries call this gateway.
    pub(crate) node: String,
    /// Where everything is kept that the gateway writes.
    pub(crate) data: PathBuf,
    /// The folder of API profiles.
    pub(crate) apis: PathBuf,
    /// A folder of guardrails beside the built-in ones, or instead of those whose files have the same name.
    pub(crate) guardrails: Option<PathBuf>,
    /// Threads that serve requests; one for each core where it is left out.
    pub(crate) workers: Option<usize>,
    /// Where it listens.
    pub(crate) listen: Listen,
    /// The certificate; a development one where it is left out.
    pub(crate) tls: Option<TlsSettings>,
    /// Where upstreams are, if elsewhere than their profiles say: by `api`, or `api/host` where a
    /// host has an upstream of its own.
    pub(crate) upstreams: BTreeMap<String, Sent>,
    /// With which access key requests to an upstream are signed, by the same names.
    pub(crate) upstream_keys: BTreeMap<String, UpstreamKey>,
    /// Bounds of connections.
    pub(crate) connections: ConnectionSettings,
    /// Bounds of addresses and counters.
    pub(crate) limits: LimitsSettings,
    /// The log.
    pub(crate) audit: AuditSettings,
    /// Keys.
    pub(crate) keys: identity::Settings,
    /// What is logged: a level, or directives such as `info,pipeline=debug`.
    pub(crate) log: String,
}

/// The `[listen]` table. Port 0 takes any free one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// APIs without TLS: there to refuse them in their own words.
    pub(crate) http: SocketAddr,
    /// APIs over TLS.
    pub(crate) https: SocketAddr,
    /// Health and metrics.
    pub(crate) admin: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { http: loopback(8080), https: loopback(8443), admin: loopback(9090) }
    }
}

/// The `[tls]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsSettings {
    /// The chain, in PEM.
    pub(crate) certificate: PathBuf,
    /// The private key, in PEM.
    pub(crate) key: PathBuf,
}

/// One row of `[upstreams]`.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The upstream as it was written.
    pub(crate) url: String,
    /// Where that stands, as a fault that has yet to be worded.
    pub(crate) place: Fault,
}

fn sent(file: &Path, text: &str, rows: BTreeMap<String, Spanned<String>>) -> BTreeMap<String, Sent> {
    let row = |(name, url): (String, Spanned<String>)| {
        let place = Fault::at_offset(file, text, url.span().start, "");
        (name, Sent { url: url.into_inner(), place })
    };
    rows.into_iter().map(row).collect()
}

/// One row of `[upstream_keys]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamKey {
    /// The public half.
    pub(crate) access_key_id: String,
    /// The file that holds the secret half.
    pub(crate) secret_file: PathBuf,
    /// The region that is signed for.
    #[serde(default = "region")]
    pub(crate) region: String,
    /// The service that is signed for.
    #[serde(default = "service")]
    pub(crate) service: String,
}

fn region() -> String {
    "us-east-1".to_owned()
}

fn service() -> String {
    "s3".to_owned()
}

impl Settings {
    /// The file to read: the one named, the one the environment names, or the default.
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    pub(crate) fn file(named: Option<&Path>) -> PathBuf {
        let named = named.map(Path::to_owned).or_else(|| std::env::var(VARIABLE).ok().map(PathBuf::from));
        named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
    }

    /// Reads the file. Where it was not named and is not there, everything has its default.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Faults> {
        let file = Self::file(named);
        match std::fs::read_to_string(&file) {
            Ok(text) => Self::parse(&file, &text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && file == Path::new(DEFAULT_FILE) => {
                Self::parse(&file, "")
            }
            Err(cause) => Err(vec![Fault::of(&file, format!("the settings cannot be read: {cause}"))]),
        }
    }

    /// Reads the text of a file, gathering the faults of all its tables.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Faults> {
        let document = DeTable::parse(text).map_err(|cause| vec![fault(file, text, &cause)])?;
        let mut reader = Reader { file, text, table: document.into_inner(), faults: Vec::new() };
        let folder = file.parent().unwrap_or(Path::new(""));
        let at = |path: PathBuf| folder.join(path);
        let settings = Self {
            file: file.to_owned(),
            node: reader.take("node").unwrap_or_else(|| "portcullis".to_owned()),
            data: at(reader.take("data").unwrap_or_else(|| PathBuf::from("portcullis-data"))),
            apis: at(reader.take("apis").unwrap_or_else(|| PathBuf::from("policies/apis"))),
            guardrails: reader.take("guardrails").map(at),
            workers: reader.take("workers"),
            listen: reader.take("listen").unwrap_or_default(),
            tls: reader
                .take("tls")
                .map(|it: TlsSettings| TlsSettings { certificate: at(it.certificate), key: at(it.key) }),
            upstreams: reader.take("upstreams").map(|it| sent(file, text, it)).unwrap_or_default(),
            upstream_keys: reader.take("upstream_keys").map_or_else(
                BTreeMap::new,
                |rows: BTreeMap<String, UpstreamKey>| {
                    rows.into_iter()
                        .map(|(name, it)| (name, UpstreamKey { secret_file: at(it.secret_file), ..it }))
                        .collect()
                },
            ),
            connections: reader.take("connections").unwrap_or_default(),
            limits: reader.take("limits").unwrap_or_default(),
            audit: reader.take("audit").unwrap_or_default(),
            keys: reader.take("keys").unwrap_or_default(),
            log: reader.take("log").unwrap_or_else(|| "info".to_owned()),
        };
        reader.finish().map(|()| settings)
    }
}

/// Takes the tables of a document apart one by one, so that a fault in one hides none in another.
struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    table: DeTable<'a>,
    faults: Faults,
}

impl Reader<'_> {
    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let (_, value) = self.table.remove_entry(name)?;
        match T::deserialize(value.into_deserializer()) {
            Ok(read) => Some(read),
            Err(cause) => {
                self.faults.push(fault(self.file, self.text, &cause));
                None
            }
        }
    }

    fn finish(mut self) -> Result<(), Faults> {
        for (name, _) in &self.table {
            let message = format!("there is no setting `{}`", name.get_ref());
            self.faults.push(Fault::at_offset(self.file, self.text, name.span().start, message));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }
}

fn fault(file: &Path, text: &str, cause: &toml::de::Error) -> Fault {
    let message = cause.message().replace('\n', ", ");
    match cause.span() {
        Some(span) => Fault::at_offset(file, text, span.start, message),
        None => Fault::of(file, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, Vec<String>> {
        let read = Settings::parse(Path::new("etc/portcullis.toml"), text);
        read.map_err(|faults| faults.iter().map(Fault::to_string).collect())
    }

    #[test]
    fn an_empty_file_has_every_default_and_paths_beside_it() {
        let settings = parse("").unwrap();
        assert_eq!(settings.listen.https.port(), 8443);
        assert_eq!(settings.data, Path::new("etc/portcullis-data"));
    }

    #[test]
    fn every_fault_is_found_at_once_with_its_line() {
        let faults = parse("nod = 'x'\nworkers = 'two'\n[listen]\nhttps = '1'\n[audit]\nflush = 1\n").unwrap_err();
        let lines: Vec<&str> = faults.iter().map(|it| it.split(": ").next().unwrap()).collect();
        for line in ["etc/portcullis.toml:1:1", "etc/portcullis.toml:2:11", "etc/portcullis.toml:4:9"] {
            assert!(lines.contains(&line), "{faults:#?}");
        }
        assert_eq!(faults.len(), 4, "{faults:#?}");
    }

    #[test]
    fn a_file_that_is_no_toml_is_one_fault() {
        assert_eq!(parse("a = ").unwrap_err().len(), 1);
    }
}
