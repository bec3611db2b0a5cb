//! What an operator may write about witnesses, in the `[audit]` table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::cosignature::{BadQuorum, Quorum, WitnessKey};
use domain::{Fault, Faults};
use http::Uri;
use serde::Deserialize;
use toml::Spanned;

use crate::cosign::ask;
use crate::outward;

/// How often the log is witnessed where nothing else is said, and how often it may be, in milliseconds.
const USUAL: u64 = 10_000;
const SHORTEST: u64 = 100;
const LONGEST: u64 = 3_600_000;

/// More than anybody needs to believe.
const MOST: usize = 16;

/// The keys as they are written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    witnesses: Vec<Spanned<Row>>,
    quorum: Option<Spanned<usize>>,
    witness_ms: Option<Spanned<u64>>,
}

/// One row of `witnesses`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Where it is asked: what stands before `/add-checkpoint`.
    url: String,
    /// What is believed, as `name+id+key`.
    vkey: String,
    /// The authority of its certificate, in PEM; those of the system where it is left out.
    ca: Option<PathBuf>,
}

/// Who is asked to stand for the log, and how often.
#[derive(Clone, Debug)]
pub(crate) struct WitnessSettings {
    pub(crate) named: Vec<Named>,
    /// None where nobody is named.
    pub(crate) quorum: Option<Quorum>,
    /// How often each is asked, at most.
    pub(crate) every: Duration,
}

/// A witness, and where it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) url: Uri,
    pub(crate) key: WitnessKey,
    pub(crate) ca: Option<PathBuf>,
    /// Where the row stands, as a fault that has yet to be worded.
    pub(crate) place: Option<Fault>,
}

impl WitnessSettings {
    /// Which keys of the table are meant.
    pub(crate) const KEYS: [&str; 3] = ["witnesses", "quorum", "witness_ms"];

    /// What was written becomes what runs; `at` makes a fault of a place in the file.
    pub(crate) fn of(written: Written, folder: &Path, at: impl Fn(usize) -> Fault) -> (Self, Faults) {
        let (mut named, mut faults) = (Vec::new(), Vec::new());
        let first = written.witnesses.first().map(|it| it.span().start);
        for row in written.witnesses {
            let place = at(row.span().start);
            let Row { url, vkey, ca } = row.into_inner();
            let read = address(&url).and_then(|url| Ok((url, vkey.parse().map_err(|it| format!("{it}"))?)));
            match read {
                Ok((url, key)) => named.push(Named { url, key, ca: ca.map(|it| folder.join(it)), place: Some(place) }),
                Err(cause) => faults.push(Fault { message: format!("[audit] witnesses: {cause}"), ..place }),
            }
        }
        let needed = written.quorum.as_ref().map_or(1, |it| *it.get_ref());
        let asked = written.quorum.as_ref().map(|it| it.span().start);
        let quorum = match Quorum::new(named.iter().map(|it| it.key.clone()).collect(), needed) {
            Ok(quorum) => Some(quorum),
            Err(BadQuorum::Nobody) if asked.is_none() || !faults.is_empty() => None,
            Err(bad) => {
                let (of, start) = match bad {
                    BadQuorum::Twice => ("witnesses", first),
                    BadQuorum::Nobody | BadQuorum::OutOfRange => ("quorum", asked),
                };
                let message = format!("[audit] {of}: {bad}");
                faults.push(Fault { message, ..at(start.unwrap_or_default()) });
                None
            }
        };
        if named.len() > MOST {
            let message = format!("[audit] witnesses: there are at most {MOST}");
            faults.push(Fault { message, ..at(first.unwrap_or_default()) });
        }
        let every = written.witness_ms.map_or(USUAL, |it| {
            if !(SHORTEST..=LONGEST).contains(it.get_ref()) {
                let message = format!("[audit] `witness_ms` is {SHORTEST} to {LONGEST}");
                faults.push(Fault { message, ..at(it.span().start) });
            }
            it.into_inner()
        });
        (Self { named, quorum, every: Duration::from_millis(every) }, faults)
    }

    /// What is wrong with the files that witnesses are believed by.
    pub(crate) fn unusable(&self) -> Faults {
        let bad = |it: &Named| {
            let message = format!("[audit] witnesses: {:#}", ask::Door::of(&it.url, it.ca.as_deref()).err()?);
            Some(Fault { message, ..it.place.clone()? })
        };
        self.named.iter().filter_map(bad).collect()
    }
}

/// Where a witness is asked, if its answer can be believed to be its own: who could forge one could say that the log was cut.
pub(crate) fn address(text: &str) -> Result<Uri, String> {
    outward::address(&outward::HTTP, text, "https://witness.example", "an answer in the clear could be anybody's")
}
