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
mod tests;
