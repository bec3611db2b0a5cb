//! What an operator may write about receivers of entries: the rows `[[audit.sinks]]`.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::sinks::{From, Lines, Secret, Wants};
use domain::{Fault, Faults};
use http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use super::nats::{self, Route};
use crate::outward::{Door, HTTP, NATS, Peer, address};

/// How many entries are given at once where nothing else is said, and how many may be.
const USUAL_ENTRIES: usize = 500;
const MOST_ENTRIES: usize = 10_000;

/// From how many bytes on a file is followed by another where nothing else is said, and how few that may be.
const USUAL_BYTES: u64 = 256 * 1024 * 1024;
const LEAST_BYTES: u64 = 4 * 1024;

/// How long a receiver has for one answer where nothing else is said, and how long it may have, in milliseconds.
const USUAL_DEADLINE: u64 = 5_000;
const LONGEST_DEADLINE: u64 = 60_000;

/// How old an entry may be that a required receiver has not accepted where nothing else is said, and how old it may be made,
/// in milliseconds.
const USUAL_LAG: u64 = 60_000;
const SHORTEST_LAG: u64 = 1_000;
const LONGEST_LAG: u64 = 3_600_000;

/// How long a subject or the name of a stream may be.
const LONGEST_SUBJECT: usize = 128;

/// More than anybody needs to give entries to.
const MOST: usize = 16;

/// How long a name may be.
const LONGEST_NAME: usize = 64;

/// The key as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    sinks: Vec<Spanned<Row>>,
}

/// One row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    kind: Kind,
    #[serde(default)]
    format: Lines,
    #[serde(default)]
    from: From,
    classes: Option<BTreeSet<String>>,
    batch_entries: Option<usize>,
    #[serde(default)]
    required: bool,
    required_lag_ms: Option<u64>,
    /// Of a file.
    path: Option<PathBuf>,
    rotate_bytes: Option<u64>,
    /// Of an address.
    url: Option<String>,
    ca: Option<PathBuf>,
    secret_file: Option<PathBuf>,
    deadline_ms: Option<u64>,
    /// Of a stream.
    subject: Option<String>,
    stream: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    File,
    Stdout,
    Https,
    Nats,
}

/// One receiver of entries.
#[derive(Clone, Debug)]
pub(crate) struct SinkSettings {
    pub(crate) name: String,
    pub(crate) wants: Wants,
    pub(crate) from: From,
    pub(crate) place: Place,
    /// How far behind it may be before strict operations are held; nothing where they never are.
    pub(crate) required: Option<Duration>,
    /// Where the row stands, as a fault that has yet to be worded.
    at: Fault,
}

/// Where entries are put.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// At the end of a file, which is followed by another from so many bytes on.
    File { path: PathBuf, rotate_bytes: u64 },
    /// On standard output.
    Stdout,
    /// With somebody elsewhere.
    Https { url: Uri, ca: Option<PathBuf>, secret_file: PathBuf, deadline: Duration },
    /// With a stream of NATS.
    Nats { url: Uri, ca: Option<PathBuf>, secret_file: Option<PathBuf>, deadline: Duration, route: Route },
}

impl SinkSettings {
    /// Which key of the table is meant.
    pub(crate) const KEYS: [&str; 1] = ["sinks"];

    /// What was written becomes what runs; `at` makes a fault of a place in the file.
    pub(crate) fn of(written: Written, folder: &Path, at: impl Fn(usize) -> Fault) -> (Vec<Self>, Faults) {
        let (mut sinks, mut faults): (Vec<Self>, _) = (Vec::new(), Vec::new());
        for row in written.sinks {
            let place = at(row.span().start);
            let row = row.into_inner();
            let (name, mut wrong) = (row.name.clone(), row.faults());
            wrong.extend(sinks.iter().find_map(|it| it.clash(&row, folder)));
            if sinks.len() == MOST {
                wrong.push(format!("there are at most {MOST}"));
            }
            match row.read(folder, &place) {
                Ok(sink) => sinks.push(sink),
                Err(causes) => wrong.extend(causes),
            }
            let word = |it| Fault { message: format!("[[audit.sinks]] `{name}`: {it}"), ..place.clone() };
            faults.extend(wrong.into_iter().map(word));
        }
        (sinks, faults)
    }

    /// What is wrong with the files that it names. Where the gateway keeps what it lives by it writes nothing for others.
    pub(crate) fn unusable(&self, data: &Path) -> Option<Fault> {
        let cause = match &self.place {
            Place::File { path, .. } => unusable_file(path).or_else(|| {
                let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let real = |it: &Path| it.canonicalize().unwrap_or_else(|_| it.to_owned());
                let cause = if folder.is_dir() { "lies in the folder `data`" } else { "is no folder" };
                let bad = !folder.is_dir() || [folder, path].iter().any(|it| real(it).starts_with(real(data)));
                bad.then(|| format!("`{}` {cause}", folder.display()))
            }),
            Place::Stdout => None,
            Place::Https { url, ca, secret_file, .. } => {
                let door = Door::of(url, ca.as_deref()).map(drop);
                door.and_then(|()| secret(secret_file).map(drop)).err().map(|it| format!("{it:#}"))
            }
            Place::Nats { url, ca, secret_file, .. } => {
                let peer = Peer::of(&NATS, url, ca.as_deref()).map(drop);
                peer.and_then(|()| nats::login(secret_file.as_deref()).map(drop)).err().map(|it| format!("{it:#}"))
            }
        };
        Some(Fault { message: format!("[[audit.sinks]] `{}`: {}", self.name, cause?), ..self.at.clone() })
    }

    /// Those that would write into the file of one before them by another name.
    pub(crate) fn sharing(sinks: &[Self]) -> Faults {
        let mut known: Vec<(&str, File)> = Vec::new();
        let mut faults = Vec::new();
        for it in sinks {
            let Place::File { path, .. } = &it.place else { continue };
            let file = File::at(path);
            if let Some((other, _)) = known.iter().find(|(_, known)| *known == file) {
                let message = format!("[[audit.sinks]] `{}`: `{other}` has the same file by another name", it.name);
                faults.push(Fault { message, ..it.at.clone() });
            }
            known.push((&it.name, file));
        }
        faults
    }

    /// What a check could ask for: no path, no address.
    pub(crate) fn facts(&self) -> Value {
        let kind = match self.place {
            Place::File { .. } => "file",
            Place::Stdout => "stdout",
            Place::Https { .. } => "https",
            Place::Nats { .. } => "nats",
        };
        json!({ "name": self.name, "kind": kind, "classes": self.wants.classes, "required": self.required.is_some() })
    }

    /// Two receivers cannot have one name, one file or one output.
    fn clash(&self, row: &Row, folder: &Path) -> Option<String> {
        if self.name == row.name {
            return Some("another one has this name".to_owned());
        }
        let same = match &self.place {
            Place::File { path, .. } => row.path.as_ref().is_some_and(|it| folder.join(it) == *path),
            Place::Stdout => row.kind == Kind::Stdout,
            Place::Https { .. } | Place::Nats { .. } => false,
        };
        same.then(|| format!("`{}` has the same place", self.name))
    }
}

/// Which file a path leads to.
#[derive(PartialEq, Eq)]
enum File {
    There(u64, u64),
    /// It is made with the first lines.
    Absent(PathBuf),
}

impl File {
    fn at(path: &Path) -> Self {
        if let Ok(found) = path.metadata() {
            return Self::There(found.dev(), found.ino());
        }
        // What a link leads to that leads nowhere yet.
        let path = path.read_link().map_or_else(|_| path.to_owned(), |it| path.with_file_name("").join(it));
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self::Absent(path.file_name().map_or_else(|| folder.clone(), |it| folder.join(it)))
    }
}

/// Why nothing can be added to what lies at this path. Waits for nobody: a pipe or a device is no file.
fn unusable_file(path: &Path) -> Option<String> {
    let found = path.metadata().ok()?;
    if !found.is_file() {
        return Some(format!("`{}` is no regular file", path.display()));
    }
    let opened = OpenOptions::new().append(true).open(path);
    opened.err().map(|cause| format!("`{}`: {cause}", path.display()))
}

/// Reads the secret that a receiver is known by.
pub(super) fn secret(file: &Path) -> anyhow::Result<Secret> {
    use anyhow::Context as _;
    let named = || format!("`{}`", file.display());
    authn::secrets::text(file)?.parse().with_context(named)
}

impl Row {
    /// What is wrong with what every kind has, and what belongs to another kind.
    fn faults(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let fits = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-' || it == b'_';
        if !(1..=LONGEST_NAME).contains(&self.name.len()) || !self.name.bytes().all(fits) {
            wrong.push(format!("a name is 1 to {LONGEST_NAME} of `a` to `z`, `0` to `9`, `-` and `_`"));
        }
        if self.classes.as_ref().is_some_and(BTreeSet::is_empty) {
            wrong.push("`classes` names none: leave it out for all".to_owned());
        }
        let strange = |it: &&String| !audit::CLASSES.contains(&it.as_str());
        let known = audit::CLASSES.join("`, `");
        let stranger = |it: &String| format!("`classes` names `{it}`, which no entry has; there are `{known}`");
        wrong.extend(self.classes.iter().flatten().filter(strange).map(stranger));
        let bounds = [
            ("batch_entries", self.batch_entries.map(|it| it as u64), 1, MOST_ENTRIES as u64),
            ("rotate_bytes", self.rotate_bytes, LEAST_BYTES, u64::MAX),
            ("deadline_ms", self.deadline_ms, 1, LONGEST_DEADLINE),
            ("required_lag_ms", self.required_lag_ms, SHORTEST_LAG, LONGEST_LAG),
        ];
        for (key, written, least, most) in bounds {
            match written {
                Some(it) if it < least => wrong.push(format!("`{key}` is at least {least}")),
                Some(it) if most < it => wrong.push(format!("`{key}` is at most {most}")),
                Some(_) | None => {}
            }
        }
        if self.required_lag_ms.is_some() && !self.required {
            wrong.push("`required_lag_ms` means nothing without `required = true`".to_owned());
        }
        let (file, elsewhere, nats) = ([Kind::File].as_slice(), [Kind::Https, Kind::Nats].as_slice(), [Kind::Nats]);
        let keys = [
            ("path", self.path.is_some(), file),
            ("rotate_bytes", self.rotate_bytes.is_some(), file),
            ("url", self.url.is_some(), elsewhere),
            ("ca", self.ca.is_some(), elsewhere),
            ("secret_file", self.secret_file.is_some(), elsewhere),
            ("deadline_ms", self.deadline_ms.is_some(), elsewhere),
            ("subject", self.subject.is_some(), &nats),
            ("stream", self.stream.is_some(), &nats),
        ];
        let strangers = keys.into_iter().filter(|(_, written, kinds)| *written && !kinds.contains(&self.kind));
        wrong.extend(strangers.map(|(key, ..)| format!("`{key}` means nothing to this kind")));
        wrong
    }

    /// The row as it runs, or everything that it lacks.
    fn read(self, folder: &Path, at: &Fault) -> Result<SinkSettings, Vec<String>> {
        let mut wrong = Vec::new();
        let place = self.place(folder, &mut wrong);
        let Some(place) = place.filter(|_| wrong.is_empty()) else { return Err(wrong) };
        let lag = Duration::from_millis(self.required_lag_ms.unwrap_or(USUAL_LAG));
        let wants = Wants {
            lines: self.format,
            classes: self.classes.unwrap_or_default(),
            entries: self.batch_entries.unwrap_or(USUAL_ENTRIES),
        };
        let required = self.required.then_some(lag);
        Ok(SinkSettings { name: self.name, wants, from: self.from, place, required, at: at.clone() })
    }

    fn place(&self, folder: &Path, wrong: &mut Vec<String>) -> Option<Place> {
        let mut lacking = |key: &str, lacks: bool| wrong.extend(lacks.then(|| format!("it has no `{key}`")));
        let file = |it: &PathBuf| folder.join(it);
        let deadline = Duration::from_millis(self.deadline_ms.unwrap_or(USUAL_DEADLINE));
        match self.kind {
            Kind::File => {
                lacking("path", self.path.is_none());
                let rotate_bytes = self.rotate_bytes.unwrap_or(USUAL_BYTES);
                Some(Place::File { path: self.path.as_ref().map(file)?, rotate_bytes })
            }
            Kind::Stdout => Some(Place::Stdout),
            Kind::Https => {
                lacking("url", self.url.is_none());
                lacking("secret_file", self.secret_file.is_none());
                let url = self.url.as_deref().map(|it| address(&HTTP, it, "https://collector.example/entries", CLEAR));
                let url = url?.map_err(|it| wrong.push(it)).ok();
                let (ca, secret_file) = (self.ca.as_ref().map(file), self.secret_file.as_ref().map(file));
                Some(Place::Https { url: url?, ca, secret_file: secret_file?, deadline })
            }
            Kind::Nats => {
                lacking("url", self.url.is_none());
                lacking("subject", self.subject.is_none());
                lacking("stream", self.stream.is_none());
                let url = self.url.as_deref().and_then(|it| server(it).map_err(|it| wrong.push(it)).ok());
                let route = Route { subject: self.subject.clone()?, stream: self.stream.clone()? };
                wrong.extend(route.faults(LONGEST_SUBJECT));
                let (ca, secret_file) = (self.ca.as_ref().map(file), self.secret_file.as_ref().map(file));
                Some(Place::Nats { url: url?, ca, secret_file, deadline, route })
            }
        }
    }
}

/// Why entries do not go in the clear.
const CLEAR: &str = "entries in the clear could be read by anybody";

/// Where a server of NATS is.
fn server(text: &str) -> Result<Uri, String> {
    let example = "tls://nats.example:4222";
    let url = address(&NATS, text, example, CLEAR)?;
    if matches!(url.path(), "" | "/") {
        Ok(url)
    } else {
        Err(format!("`{text}` is not an address such as `{example}`"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::settings::Settings;

    fn parse(text: &str) -> Result<Settings, Vec<String>> {
        let read = Settings::parse(Path::new("etc/p.toml"), text).map_err(|it| it.faults);
        read.map_err(|faults| faults.iter().map(Fault::to_string).collect())
    }

    const FILE: &str = "[[audit.sinks]]\nname = 'a'\nkind = 'file'\npath = 'out/a.jsonl'\n";
    const HTTPS: &str =
        "[[audit.sinks]]\nname = 'b'\nkind = 'https'\nurl = 'https://c.example/in'\nsecret_file = 's'\n";

    #[test]
    fn what_is_left_out_has_its_default_and_paths_are_beside_the_file() {
        let read = parse(&format!("[audit]\nsync_ms = 7\n{FILE}{HTTPS}")).unwrap();
        assert_eq!((read.sinks.len(), read.audit.sync_ms), (2, 7));
        assert_eq!((read.sinks[0].wants.entries, read.sinks[0].wants.lines), (500, Lines::Json));
        assert_eq!(read.sinks[0].from, From::Beginning);
        assert!(matches!(&read.sinks[0].place, Place::File { path, rotate_bytes: USUAL_BYTES }
            if path == Path::new("etc/out/a.jsonl")));
        assert!(matches!(&read.sinks[1].place, Place::Https { deadline, secret_file, .. }
            if deadline.as_secs() == 5 && secret_file == Path::new("etc/s")));
    }

    const STREAM: &str =
        "[[audit.sinks]]\nname = 'c'\nkind = 'nats'\nurl = 'tls://n.example'\nsubject = 'p.audit'\nstream = 'S'\n";

    #[test]
    fn a_stream_needs_no_secret_and_only_who_is_required_has_a_bound() {
        let read = parse(&format!("{STREAM}required = true\n{FILE}")).unwrap();
        assert!(matches!(&read.sinks[0].place, Place::Nats { url, secret_file: None, route, .. }
            if url.host() == Some("n.example") && route.subject == "p.audit" && route.stream == "S"));
        assert_eq!(read.sinks[0].required, Some(Duration::from_mins(1)));
        assert_eq!(read.sinks[1].required, None);
        let read = parse(&format!("{FILE}required = true\nrequired_lag_ms = 1000\n")).unwrap();
        assert_eq!(read.sinks[0].required, Some(Duration::from_secs(1)));
    }

    #[test]
    fn all_faults_of_a_row_are_named_at_once() {
        let named = |text: &str| {
            let faults = parse(text).unwrap_err();
            let own = |it: &String| it.strip_prefix("etc/p.toml:1:1: [[audit.sinks]] `c`: ").unwrap().to_owned();
            faults.iter().map(own).collect::<Vec<_>>()
        };
        let bare = "[[audit.sinks]]\nname = 'c'\nkind = 'nats'\n";
        assert_eq!(named(bare), ["it has no `url`", "it has no `subject`", "it has no `stream`"]);
        let wrong = STREAM.replace("p.audit", "p.>").replace("'S'", "'a.b'").replace("tls:", "nats:");
        let wrong = format!("{wrong}required = true\nrequired_lag_ms = 3600001\npath = 'x'\n");
        assert_eq!(
            named(&wrong),
            [
                "`required_lag_ms` is at most 3600000",
                "`path` means nothing to this kind",
                "`nats://n.example`: entries in the clear could be read by anybody: write `tls`, or a loopback address",
                "`subject` is parts of letters, digits, `-` and `_`, parted by dots, 128 at most",
                "`stream` is 128 letters, digits, `-` and `_` at most",
            ]
        );
        assert_eq!(
            named(&format!("{STREAM}required_lag_ms = 5000")),
            ["`required_lag_ms` means nothing without `required = true`"]
        );
        for url in ["tls://n.example/x", "https://n.example", "n.example", ""] {
            let said = named(&STREAM.replace("tls://n.example", url));
            assert_eq!(said, [format!("`{url}` is not an address such as `tls://nats.example:4222`")]);
        }
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        let line = |text: &str| format!("etc/p.toml:1:1: [[audit.sinks]] `a`: {text}");
        let known = audit::CLASSES.join("`, `");
        for (more, expected) in [
            ("url = 'https://x.example'", line("`url` means nothing to this kind")),
            ("deadline_ms = 5", line("`deadline_ms` means nothing to this kind")),
            ("rotate_bytes = 1", line("`rotate_bytes` is at least 4096")),
            ("batch_entries = 0", line("`batch_entries` is at least 1")),
            ("batch_entries = 10001", line("`batch_entries` is at most 10000")),
            ("classes = []", line("`classes` names none: leave it out for all")),
            (
                "classes = ['audit.read', 'key.', 'request.complete']",
                line(&format!("`classes` names `key.`, which no entry has; there are `{known}`")),
            ),
        ] {
            assert_eq!(parse(&format!("{FILE}{more}\n")).unwrap_err()[0], expected, "{more}");
        }
        for (text, expected) in [
            (FILE.replace("'a'", "'A.'"), "`A.`: a name is 1 to 64 of `a` to `z`, `0` to `9`, `-` and `_`"),
            (FILE.replace("path", "#"), "`a`: it has no `path`"),
            (HTTPS.replace("secret_file", "#"), "`b`: it has no `secret_file`"),
            (
                HTTPS.replace("https:", "http:"),
                "`b`: `http://c.example/in`: entries in the clear could be read by anybody: write `https`, or a loopback address",
            ),
            (format!("{HTTPS}deadline_ms = 60001"), "`b`: `deadline_ms` is at most 60000"),
        ] {
            assert_eq!(parse(&text).unwrap_err(), [format!("etc/p.toml:1:1: [[audit.sinks]] {expected}")], "{text}");
        }
        for (text, expected) in [
            (format!("{FILE}{FILE}"), "`a`: another one has this name"),
            (format!("{FILE}{}", FILE.replace("'a'", "'c'")), "`c`: `a` has the same place"),
        ] {
            assert_eq!(parse(&text).unwrap_err(), [format!("etc/p.toml:5:1: [[audit.sinks]] {expected}")]);
        }
        assert!(parse(&format!("{FILE}pth = 'x'")).unwrap_err()[0].contains("etc/p.toml:5:1: unknown field `pth`"));
        let many: String =
            (0..17).map(|it| FILE.replace("a'", &format!("a{it}'")).replace("a.jsonl", &format!("{it}"))).collect();
        assert_eq!(parse(&many).unwrap_err(), ["etc/p.toml:65:1: [[audit.sinks]] `a16`: there are at most 16"]);
    }

    #[test]
    fn files_that_cannot_be_used_are_found_before_anything_runs() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let unusable = |text: &str| {
            let read = Settings::parse(&at("p.toml"), text).unwrap();
            read.sinks[0].unusable(&at("data")).map(|it| it.message)
        };
        assert_eq!(unusable(&FILE.replace("out/", "")), None);
        assert!(unusable(FILE).unwrap().ends_with("out` is no folder"));
        std::fs::create_dir_all(at("data/secrets")).unwrap();
        std::os::unix::fs::symlink(at("data/secrets"), at("link")).unwrap();
        for path in ["data/a.jsonl", "data/secrets/audit.key", "link/audit.key"] {
            let said = unusable(&FILE.replace("out/a.jsonl", path)).unwrap();
            assert!(said.ends_with("lies in the folder `data`"), "{said}");
        }
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for path in ["pipe", "/dev/full", "/dev/null", "data"] {
            let said = unusable(&FILE.replace("out/a.jsonl", path)).unwrap();
            assert!(said.ends_with("is no regular file"), "{said}");
        }
        std::fs::write(at("data/secrets/key"), "").unwrap();
        std::os::unix::fs::symlink(at("data/secrets/key"), at("key")).unwrap();
        assert!(unusable(&FILE.replace("out/a.jsonl", "key")).unwrap().ends_with("lies in the folder `data`"));
        let local = HTTPS.replace("https:", "http:").replace("c.example", "localhost");
        assert!(unusable(&local).unwrap().contains("No such file"));
        std::fs::write(at("s"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let allow = |mode| std::fs::set_permissions(at("s"), std::fs::Permissions::from_mode(mode)).unwrap();
        allow(0o604);
        assert!(unusable(&local).unwrap().contains("has mode 604"));
        allow(0o600);
        assert_eq!(unusable(&local), None);
        std::fs::write(at("s"), "hunter2").unwrap();
        let said = unusable(&local).unwrap();
        assert!(said.contains("a secret is `whsec_`") && !said.contains("hunter2"), "{said}");
    }
    #[test]
    fn one_file_under_two_names_is_found_whether_or_not_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("there"), "").unwrap();
        std::fs::hard_link(at("there"), at("hard")).unwrap();
        std::fs::create_dir(at("out")).unwrap();
        let link = |from: &str, to: &str| std::os::unix::fs::symlink(at(to), at(from)).unwrap();
        link("soft", "there");
        link("loose", "out/absent");
        link("elsewhere", "out");
        let shared = |one: &str, other: &str| {
            let row =
                |name: &str, path: &str| format!("[[audit.sinks]]\nname = '{name}'\nkind = 'file'\npath = '{path}'\n");
            let read = Settings::parse(&at("p.toml"), &(row("a", one) + &row("b", other))).unwrap();
            SinkSettings::sharing(&read.sinks).into_iter().map(|it| it.message).collect::<Vec<_>>()
        };
        for (one, other) in [("there", "hard"), ("there", "soft"), ("out/absent", "loose"), ("out/x", "elsewhere/x")] {
            assert_eq!(shared(one, other), ["[[audit.sinks]] `b`: `a` has the same file by another name"]);
        }
        assert_eq!(shared("there", "out/x"), [""; 0]);
    }
}
