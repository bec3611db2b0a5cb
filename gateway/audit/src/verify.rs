//! Whether a log is what was signed and witnessed: read by somebody who believes nothing but keys.

mod ahead;
mod deeds;
mod edge;
mod fault;
mod pruned;
mod replay;
mod runs;
mod stated;

use std::io;
use std::path::Path;
use std::time::Duration;

use domain::Timestamp;

pub use fault::{Broken, Verdict};
pub use pruned::PrunedPart;

use crate::cosignature::Quorum;
use crate::minimum::minimum;
use crate::note::Verifier;
use crate::read::ReadError;
use crate::succession::Keys;
use crate::tree::Hash;
use fault::Found;
use pruned::Prunings;
use replay::Replay;
use stated::checkpoints;

/// What is believed, and what the log is held to besides itself.
#[derive(Clone, Debug)]
pub struct Grounds {
    /// A key that must have signed it, or have taken over from one that did, or been followed by one.
    pub key: Verifier,
    /// Whose word makes a checkpoint witnessed. Without anybody's, nothing is.
    pub quorum: Option<Quorum>,
    /// Checkpoints that were kept elsewhere: what each is called, and its note.
    pub kept: Vec<(String, String)>,
    /// How old the newest checkpoint may be, and what time it is.
    pub freshness: Option<(Duration, Timestamp)>,
}

impl Grounds {
    /// Nothing but the key of the log.
    pub fn only(key: Verifier) -> Self {
        Self { key, quorum: None, kept: Vec::new(), freshness: None }
    }
}

/// What was found in a log.
#[derive(Debug)]
pub struct Verified {
    /// The keys that it is signed with, one after another.
    pub keys: Keys,
    /// How many entries there are.
    pub entries: u64,
    /// How many of them are signed for; those after them are not yet.
    pub signed: u64,
    /// The root over the signed ones.
    pub root: Option<Hash>,
    /// How many of them a quorum of witnesses stands for; nothing where no witness was named.
    pub witnessed: Option<u64>,
    /// The time that the last signed entry tells.
    pub signed_at: Option<Timestamp>,
    /// When the quorum last stood for the log.
    pub witnessed_at: Option<Timestamp>,
    /// What was pruned of the entries, if anything was.
    pub pruned: Option<PrunedPart>,
    /// What is wrong, by the first entry that it touches; the first so many faults.
    pub faults: Vec<Broken>,
    /// How many more there are.
    pub more_faults: u64,
    /// What is not as it was left, and costs no proof; the first so many.
    pub remarks: Vec<String>,
}

impl Verified {
    /// Whether nothing is wrong, in this respect.
    pub fn is_good(&self, verdict: Verdict) -> bool {
        !self.faults.iter().any(|it| it.verdict() == verdict)
    }

    /// The first entry that is wrong, as far as it can be told.
    pub fn first_bad(&self) -> Option<u64> {
        self.faults.iter().filter_map(Broken::entry).min()
    }
}

/// Reads the whole log as far as it was not pruned, holds it to its checkpoints and to those that were kept elsewhere, and
/// goes on after a fault to find the others.
pub fn verify(log: &Path, grounds: &Grounds) -> Result<Verified, ReadError> {
    let mut found = Found::default();
    // Before the entries: a gateway may be writing, and those come first there.
    let minimum = match minimum(log) {
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => {
            found.push(Broken::Minimum);
            0
        }
        other => other?,
    };
    let prunings = Prunings::read(log, minimum)?;
    let mut elsewhere = grounds.kept.clone();
    elsewhere.extend(prunings.notes());
    let (stated, keys) = checkpoints(log, grounds, elsewhere, &mut found)?;
    let newest = stated.last_key_value().map(|(size, _)| *size).unwrap_or_default();
    let mut replay = Replay::new(log, newest, prunings, found);
    replay.run(minimum, &stated)?;
    replay.name_inserted()?;
    let entries = replay.size();
    let stood_for = stated.values().flatten().filter(|it| it.witnessed.is_some() && replay.agrees(it));
    let last = stood_for.max_by_key(|it| it.size);
    let (mut found, pruned) = replay.finish(minimum);
    let root = stated.last_key_value().and_then(|(_, all)| all.first()).map(|it| it.root);
    if stated.is_empty() {
        found.push(Broken::Unsigned);
    }
    if entries < newest {
        let file = stated.last_key_value().and_then(|(_, all)| all.first()).map(|it| it.file.clone());
        found.push(Broken::Short { file: file.unwrap_or_default(), signed: newest, found: entries });
    }
    let mut verified = Verified {
        keys,
        entries,
        signed: newest.min(entries),
        root,
        witnessed: grounds.quorum.as_ref().map(|_| last.map(|it| it.size).unwrap_or_default()),
        signed_at: found.signed_at,
        witnessed_at: last.and_then(|it| it.witnessed),
        pruned,
        faults: Vec::new(),
        more_faults: 0,
        remarks: std::mem::take(&mut found.remarks),
    };
    stale(&verified, grounds, &mut found);
    (verified.faults, verified.more_faults) = found.finish();
    Ok(verified)
}

/// How far ahead of ours another's clock may be that is believed.
pub const CLOCKS: Duration = Duration::from_mins(5);

/// Holds the newest checkpoints to the age they may have.
fn stale(verified: &Verified, grounds: &Grounds, found: &mut Found) {
    let Some((most, now)) = grounds.freshness else { return };
    // A log in which nothing happens has old entries; a witness that was asked since says that there are no others.
    let come = |at: &Timestamp| *at <= now + CLOCKS;
    let confirmed = verified.witnessed_at.filter(|at| verified.witnessed == Some(verified.signed) && come(at));
    let mut held = vec![("signed", verified.signed_at.max(confirmed))];
    if verified.witnessed.is_some() {
        held.push(("witnessed", verified.witnessed_at));
    }
    for (what, at) in held {
        match at {
            Some(at) if !come(&at) => found.push(Broken::Ahead { what, at }),
            Some(at) if now.since(at) <= most => {}
            at => found.push(Broken::Stale { what, at }),
        }
    }
}
