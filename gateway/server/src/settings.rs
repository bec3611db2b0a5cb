//! The settings file: one TOML document, checked whole.

pub(crate) mod home;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use audit::AuditSettings;
use domain::{Fault, Faults, Upstream};
use limits::LimitsSettings;
use plugins::PluginSettings;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::cosign::settings::WitnessSettings;
use crate::edge::settings::ConnectionSettings;
use crate::faults::Refused;
use crate::settings::reader::Reader;
use crate::sinks::settings::SinkSettings;

/// The file that is read where none is named.
pub(crate) const DEFAULT_FILE: &str = "portcullis.toml";

/// Names the settings file where the command line does not.
const VARIABLE: &str = "PORTCULLIS_CONFIG";

/// Everything an operator may write, with the default of whatever was left out. Paths are relative to the file.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file itself.
    pub(crate) file: PathBuf,
    /// Whether that file was there. Where it was, settings without it would be others.
    pub(crate) written: bool,
    /// What entries call this gateway.
    pub(crate) node: String,
    /// Where everything is kept that the gateway writes.
    pub(crate) data: PathBuf,
    /// The folder of API profiles.
    pub(crate) apis: PathBuf,
    /// A folder of guardrails beside the built-in ones.
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
    /// What plugins may use.
    pub(crate) plugins: PluginSettings,
    /// The log.
    pub(crate) audit: AuditSettings,
    /// Who is asked to stand for it.
    pub(crate) witnesses: WitnessSettings,
    /// Who is given its entries.
    pub(crate) sinks: Vec<SinkSettings>,
    /// Keys.
    pub(crate) keys: identity::Settings,
    /// People.
    pub(crate) people: identity::PeopleSettings,
    /// What is logged: a level, or directives such as `info,pipeline=debug`.
    pub(crate) log: String,
    /// The file as it was written.
    pub(crate) raw: toml::Table,
}

/// What a reload takes anew. The rest waits for a restart.
const RELOADED: [&str; 4] = ["apis", "guardrails", "tls", "upstreams"];

/// More threads than any machine makes use of.
const MAX_WORKERS: usize = 1024;

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

impl Listen {
    /// Two listeners cannot have one address.
    fn clash(&self) -> Option<String> {
        let all = [("http", self.http), ("https", self.https), ("admin", self.admin)];
        let pairs = [(0, 1), (0, 2), (1, 2)];
        pairs.into_iter().find_map(|(one, other)| {
            let ((one, address), (other, same)) = (all.get(one)?, all.get(other)?);
            let clash = address == same && address.port() != 0;
            clash.then(|| format!("`{one}` and `{other}` have the same address"))
        })
    }
}

/// Why a text is no filter of log lines. A bare word that is no level would be taken for the name of a module, and nothing
/// would be logged.
fn unfit_filter(text: &String) -> Option<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let word = text.trim().to_ascii_lowercase();
    let bare = word.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    if bare && !LEVELS.contains(&word.as_str()) {
        return Some(format!("`{text}` is not a level: write one of {}", LEVELS.join(", ")));
    }
    EnvFilter::try_new(text).err().map(|cause| format!("`log`: {cause}"))
}

/// The `[tls]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsSettings {
    /// The chain, in PEM.
    pub(crate) certificate: PathBuf,
    /// The private key, in PEM.
    pub(crate) key: PathBuf,
    /// Where the table stands, as a fault that has yet to be worded.
    #[serde(skip)]
    pub(crate) place: Option<Fault>,
}

/// One row of `[upstreams]`.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Where requests are sent.
    pub(crate) upstream: Upstream,
    /// Where that stands, as a fault that has yet to be worded.
    pub(crate) place: Fault,
}

/// The rows of `[upstreams]`, and the faults of those that lead nowhere.
fn sent(rows: BTreeMap<String, (String, Fault)>) -> (BTreeMap<String, Sent>, Faults) {
    let (mut sent, mut faults) = (BTreeMap::new(), Faults::new());
    for (name, (url, place)) in rows {
        match catalog::upstream(&url) {
            Ok(upstream) => drop(sent.insert(name, Sent { upstream, place })),
            Err(cause) => faults.push(Fault { message: format!("[upstreams] `{name}`: {cause}"), ..place }),
        }
    }
    (sent, faults)
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
    /// Where the row stands, as a fault that has yet to be worded.
    #[serde(skip)]
    pub(crate) place: Option<Fault>,
}

fn region() -> String {
    "us-east-1".to_owned()
}

fn service() -> String {
    "s3".to_owned()
}

impl Settings {
    /// What these settings have otherwise than those a gateway was started with, and only a restart puts in force.
    pub(crate) fn waiting(&self, started: &Self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.raw.keys().chain(started.raw.keys()).collect();
        let waits = keys.into_iter().filter(|it| !RELOADED.contains(&it.as_str()));
        let changed = waits.filter(|it| self.raw.get(*it) != started.raw.get(*it));
        changed.flat_map(|it| parts(it, self.raw.get(it), started.raw.get(it))).collect()
    }

    /// The file to read: the one named, the one the environment names, or the default.
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    pub(crate) fn file(named: Option<&Path>) -> PathBuf {
        let named = named.map(Path::to_owned).or_else(|| std::env::var(VARIABLE).ok().map(PathBuf::from));
        named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE))
    }

    /// Reads the file. Where it was not named and is not there, everything has its default.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, Incomplete> {
        let file = Self::file(named);
        match std::fs::read_to_string(&file) {
            Ok(text) => Self::parse(&file, &text),
            Err(cause)
                if cause.kind() == std::io::ErrorKind::NotFound
                    && named.is_none()
                    && file == Path::new(DEFAULT_FILE) =>
            {
                Self::parse(&file, "").map(|it| Self { written: false, ..it })
            }
            Err(cause) => {
                let fault = Fault::of(&file, format!("the settings cannot be read: {cause}"));
                Err(Incomplete { faults: vec![fault], settings: None })
            }
        }
    }

    /// Reads the text of a file, gathering the faults of all its tables.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Incomplete> {
        let mut reader = Reader::of(file, text).map_err(|faults| Incomplete { faults, settings: None })?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let at = |path: PathBuf| folder.join(path);
        let apis = reader.take("apis");
        let known = reader.faults.is_empty();
        let settings = Self {
            file: file.to_owned(),
            written: true,
            node: reader.take("node").unwrap_or_else(|| "portcullis".to_owned()),
            data: at(reader.take("data").unwrap_or_else(|| PathBuf::from("portcullis-data"))),
            apis: at(apis.unwrap_or_else(|| PathBuf::from("policies/apis"))),
            guardrails: reader.take("guardrails").map(at),
            workers: reader.held("workers", |it: &usize| {
                (!(1..=MAX_WORKERS).contains(it)).then(|| format!("`workers` is 1 to {MAX_WORKERS}"))
            }),
            listen: reader.held("listen", Listen::clash).unwrap_or_default(),
            tls: reader.placed("tls").map(|(it, place): (TlsSettings, _)| TlsSettings {
                certificate: at(it.certificate),
                key: at(it.key),
                place: Some(place),
            }),
            upstreams: {
                let (sent, faults) = sent(reader.rows("upstreams"));
                reader.faults.extend(faults);
                sent
            },
            upstream_keys: placed_keys(reader.rows("upstream_keys"), at),
            connections: reader.take("connections").unwrap_or_default(),
            limits: reader.take("limits").unwrap_or_default(),
            plugins: reader.held("plugins", PluginSettings::wrong).unwrap_or_default(),
            // The rest of the table is for the room that writes the log, which asks nobody.
            witnesses: {
                let written = reader.part("audit", &WitnessSettings::KEYS).unwrap_or_default();
                let (witnesses, faults) =
                    WitnessSettings::of(written, folder, |start| Fault::at_offset(file, text, start, ""));
                reader.faults.extend(faults);
                witnesses
            },
            sinks: {
                let written = reader.part("audit", &SinkSettings::KEYS).unwrap_or_default();
                let (sinks, faults) =
                    SinkSettings::of(written, folder, |start| Fault::at_offset(file, text, start, ""));
                reader.faults.extend(faults);
                sinks
            },
            audit: reader.take("audit").unwrap_or_default(),
            keys: reader.take("keys").unwrap_or_default(),
            people: reader.take("people").unwrap_or_default(),
            log: reader.held("log", unfit_filter).unwrap_or_else(|| "info".to_owned()),
            // What can be taken apart into tables has been read by the same parser.
            raw: text.parse().unwrap_or_default(),
        };
        let faults = reader.finish();
        if faults.is_empty() {
            return Ok(settings);
        }
        // Without the folder of the APIs, what is wrong with another one would be told.
        Err(Incomplete { faults, settings: known.then(|| Box::new(settings)) })
    }
}

/// Keys for upstreams, each with the place where it stands and the path to its secret.
fn placed_keys(
    rows: BTreeMap<String, (UpstreamKey, Fault)>,
    at: impl Fn(PathBuf) -> PathBuf,
) -> BTreeMap<String, UpstreamKey> {
    let key = |it: UpstreamKey, place| UpstreamKey { secret_file: at(it.secret_file), place: Some(place), ..it };
    rows.into_iter().map(|(name, (it, place))| (name, key(it, place))).collect()
}

/// What of a setting is another: of a table, those keys; of anything else, all of it.
fn parts(name: &str, now: Option<&toml::Value>, before: Option<&toml::Value>) -> Vec<String> {
    let table = |it: Option<&toml::Value>| it.map_or_else(|| Some(toml::Table::new()), |it| it.as_table().cloned());
    let Some((now, before)) = table(now).zip(table(before)) else { return vec![name.to_owned()] };
    let keys: BTreeSet<&String> = now.keys().chain(before.keys()).collect();
    let changed = keys.into_iter().filter(|it| now.get(*it) != before.get(*it));
    changed.map(|it| format!("{name}.{it}")).collect()
}

/// What was typed.
pub(crate) fn words() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// Why settings cannot be gone by, and what of them could be read all the same.
#[derive(Debug)]
pub(crate) struct Incomplete {
    /// Everything that is wrong with the file itself, in its order.
    pub(crate) faults: Faults,
    /// Good for one thing: to find out what is wrong with what they name. `None` where it is not known what that is.
    pub(crate) settings: Option<Box<Settings>>,
}

impl From<Incomplete> for Refused {
    fn from(it: Incomplete) -> Self {
        Self(it.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, Vec<String>> {
        let read = Settings::parse(Path::new("etc/portcullis.toml"), text);
        read.map_err(|it| it.faults.iter().map(Fault::to_string).collect())
    }

    #[test]
    fn an_empty_file_has_every_default_and_paths_beside_it() {
        let settings = parse("").unwrap();
        assert_eq!(settings.listen.https.port(), 8443);
        assert_eq!(settings.data, Path::new("etc/portcullis-data"));
    }

    #[test]
    fn every_fault_is_found_at_once_with_its_line() {
        let text = "nod = 'x'\nworkers = 'two'\n[listen]\nhttps = '1'\nhttp = '2'\n[audit]\nflush = 1\nsync_ms = 'a'\n\
            sinks = [{ name = 1, kind = 'stdout' }, { name = 'b', kind = 'c' }]\n[tls]\nkey = 1\n\
            [upstreams]\na = 'ftp://a'\nb = 1\n[upstream_keys.c]\naccess_key_id = 'd'\n";
        let faults = parse(text).unwrap_err();
        let places: Vec<&str> = faults.iter().map(|it| it.trim_start_matches("etc/portcullis.toml:")).collect();
        let places: Vec<&str> = places.iter().map(|it| it.split(": ").next().unwrap()).collect();
        let expected =
            ["1:1", "2:11", "4:9", "5:8", "7:1", "8:11", "9:19", "9:62", "10:1", "11:7", "13:5", "14:5", "15:1"];
        assert_eq!(places, expected, "{faults:#?}");
    }

    #[track_caller]
    fn refuses(text: &str, expected: &str) {
        assert_eq!(parse(text).unwrap_err(), [format!("etc/portcullis.toml:{expected}")], "{text}");
    }

    #[test]
    fn what_no_type_can_say_is_said_with_its_line() {
        refuses("\nworkers = 0", "2:11: `workers` is 1 to 1024");
        refuses("workers = 100000000", "1:11: `workers` is 1 to 1024");
        refuses(
            "[listen]\nhttp = '127.0.0.1:1'\nadmin = '127.0.0.1:1'",
            "1:1: `http` and `admin` have the same address",
        );
        refuses("log = 'loud'", "1:7: `loud` is not a level: write one of off, error, warn, info, debug, trace");
        assert_eq!(parse("log = 'nonsense['").unwrap_err().len(), 1);
        for good in ["info", "DEBUG", "info,pipeline=debug", "pipeline=debug", "off"] {
            assert!(parse(&format!("log = '{good}'")).is_ok(), "{good}");
        }
        refuses("[audit.retention]\nkeep_days = 40000", "2:13: more than 36500 days is for ever: write 0");
        refuses("[connections]\ntotal = 0", "2:9: 0 would refuse everything");
        refuses("[connections]\ntotal = 9000000000000000000", "2:9: 9000000000000000000 is more than can be held to");
    }

    #[test]
    fn witnesses_are_held_to_what_makes_them_of_use() {
        let key = |seed: u8| audit::cosignature::Cosigner::from_seed("w", &[seed; 32]).unwrap().witness().to_string();
        let row = |url: &str, key: &str| format!("{{ url = '{url}', vkey = '{key}' }}");
        let (one, two) = (key(1), key(2));
        let good =
            format!("[audit]\nwitnesses = [{}]\nwitness_ms = 500\nsync_ms = 7", row("http://localhost:1/w", &one));
        let read = parse(&good).unwrap();
        assert_eq!((read.witnesses.named.len(), read.audit.sync_ms), (1, 7));
        assert_eq!(read.witnesses.quorum.map(|it| it.needed()), Some(1));
        assert!(parse("").unwrap().witnesses.quorum.is_none());
        let rows = |rows: &[String]| format!("[audit]\nwitnesses = [{}]", rows.join(", "));
        let line = "2:14: [audit] witnesses:";
        refuses(
            &rows(&[row("http://w.example/", &one)]),
            &format!(
                "{line} `http://w.example/`: an answer in the clear could be anybody's: write `https`, or a loopback address"
            ),
        );
        refuses(
            &rows(&[row("ftp://w.example/", &one)]),
            &format!("{line} `ftp://w.example/` is not an address such as `https://witness.example`"),
        );
        refuses(&rows(&[row("https://w.example", "no")]), &format!("{line} `no` is not a verifier key"));
        let twice = rows(&[row("https://a.example", &one), row("https://b.example", &one)]);
        refuses(&twice, &format!("{line} two of the witnesses have the same key"));
        let both = rows(&[row("https://a.example", &one), row("https://b.example", &two)]);
        refuses(
            &format!("{both}\nquorum = 3"),
            "3:10: [audit] quorum: a quorum is at least 1 of the witnesses that are named, and at most all of them",
        );
        refuses("[audit]\nquorum = 1", "2:10: [audit] quorum: no witness is named");
        refuses("[audit]\nwitness_ms = 1", "2:14: [audit] `witness_ms` is 100 to 3600000");
        assert_eq!(parse("[audit]\nwitnesses = [{ ulr = 'x' }]\nsync = 1").unwrap_err().len(), 3);
    }

    #[test]
    fn what_waits_for_a_restart_is_named() {
        let waiting = |before: &str, now: &str| parse(now).unwrap().waiting(&parse(before).unwrap());
        let text = "log = 'info'\napis = 'a'\n[audit]\nsync_ms = 7\nflush_ms = 1\n[upstreams]\na = 'http://a'\n";
        assert!(waiting(text, &format!("# The same.\n{text}")).is_empty());
        let other = text.replace("'a'", "'b'").replace("http://a", "http://b");
        assert!(waiting(text, &other).is_empty());
        let other =
            format!("workers = 2\n{}[limits.shield]\nrate = 9\n", text.replace("info", "warn").replace('7', "8"));
        assert_eq!(waiting(text, &other), ["audit.sync_ms", "limits.shield", "log", "workers"]);
        assert_eq!(waiting(&other, text), ["audit.sync_ms", "limits.shield", "log", "workers"]);
    }

    #[test]
    fn a_file_that_is_no_toml_is_one_fault() {
        assert_eq!(parse("a = ").unwrap_err().len(), 1);
    }
}
