//! Which keys there ever were, in few words: what each sign of life says of them, the next start holds their file to.
//!
//! A file that was emptied, cut or replaced by an older copy has no fault that could be seen in it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use memchr::memmem;
use serde_json::{Value, json};

use super::SubjectKeys;
use crate::deeds::{self, SOURCE, deed};
use crate::minimum::minimum;
use crate::query::{Filter, Found, Query, Way};
use crate::read::ReadError;
use crate::silence::{HEARTBEAT, SIGN_EVERY};
use crate::tree::FULL;
use crate::{prove, view};

/// The field of a sign of life.
const FIELD: &str = "subjects";

/// The class of what is entered when a key was destroyed.
const ERASED: &str = "subject.erased";

/// How many bundles a start reads at most to find what was said last.
const BUNDLES: usize = 256;

const _: () = assert!(2 * SIGN_EVERY <= (BUNDLES * FULL) as u64, "a sign of life may be behind what a start reads");

/// How many keys were drawn, how many of those were destroyed, and a digest of the ids of all in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    drawn: u64,
    erased: u64,
    digest: [u8; 32],
}

/// What a file of keys lacks, as far as the log says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortfall {
    /// Keys are gone that nobody has destroyed.
    pub is_lost: bool,
    /// Keys that were destroyed and are there again, by their ids.
    pub undone: HashSet<String>,
}

impl Roll {
    pub(super) fn of(drawn: &[String], erased: usize) -> Self {
        let mut roll = Self { erased: erased as u64, ..Self::default() };
        for id in drawn {
            roll.draw(id);
        }
        roll
    }

    pub(super) fn draw(&mut self, id: &str) {
        let next = digest(&SHA256, &[&self.digest, id.as_bytes()].concat());
        // INVARIANT: a SHA-256 has 32 bytes.
        self.digest = next.as_ref().try_into().unwrap_or_default();
        self.drawn += 1;
    }

    pub(super) fn erase(&mut self, count: u64) {
        self.erased += count;
    }

    /// As a sign of life has it.
    pub fn said(&self) -> Value {
        json!({ "drawn": self.drawn, "erased": self.erased, "digest": hex::encode(self.digest) })
    }

    fn heard(view: &Value) -> Option<Self> {
        let said = view.get(FIELD)?;
        let mut roll =
            Self { drawn: said.get("drawn")?.as_u64()?, erased: said.get("erased")?.as_u64()?, ..Self::default() };
        hex::decode_to_slice(said.get("digest")?.as_str()?, &mut roll.digest).ok()?;
        Some(roll)
    }
}

/// What the newest entries say, from the last sign of life on that is signed for: what is was on the disk before it was
/// said. At most 65,536 entries are read.
#[derive(Clone, Debug, Default)]
pub struct LastSaid {
    roll: Option<Roll>,
    /// Every entry that there ever was has been read.
    is_all: bool,
    sealed: HashSet<String>,
    erased: HashSet<String>,
    /// The greatest number of a deed that was entered.
    pub deed: Option<u64>,
    /// Up to which number the registry had let go of deeds.
    pub(crate) let_go: Option<u64>,
    /// The deeds that were entered after that sign of life, each with when it was done: whichever of one number is newest.
    pub(crate) deeds: HashMap<u64, String>,
}

impl LastSaid {
    /// Of a log that nobody writes to yet.
    pub fn of(log: &Path) -> Result<Self, ReadError> {
        let signed = prove::newest(log).map_or(0, |(_, it)| it.size);
        let (mut said, mut bundles) = (Self::default(), 0..BUNDLES);
        let query = Query::new(log, 0, Filter::default(), Way::Scan)?;
        query.newest(1, |it| said.take(&it.bytes, it.seq < signed), || bundles.next().is_some())?;
        said.is_all = bundles.next().is_some() && minimum(log).is_ok_and(|it| it == 0);
        Ok(said)
    }

    /// Whether a sign of life was found, or there never was one. Where one may have been and is not found, nothing tells whether
    /// keys were lost, and little whether a registry is an older one.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.roll.is_some() || self.is_all
    }

    /// Takes an entry in. Says whether it is a sign of life that says which keys there are.
    fn take(&mut self, entry: &[u8], is_signed: bool) -> bool {
        // A cheap look first: not every entry says anything of it.
        if ![FIELD, "sealed", ERASED, SOURCE].iter().any(|it| memmem::find(entry, it.as_bytes()).is_some()) {
            return false;
        }
        let Ok(said) = view(entry) else { return false };
        if let Some(number) = deed(&said) {
            self.deed = self.deed.max(Some(number));
            let time = said.get("time").and_then(Value::as_str).unwrap_or_default();
            self.deeds.entry(number).or_insert_with(|| time.to_owned());
        }
        if !is_signed {
            return false;
        }
        self.sealed.extend(said.pointer("/sealed/key").and_then(Value::as_str).map(str::to_owned));
        self.erased.extend(destroyed(&said));
        if said.get("class").is_some_and(|it| it == HEARTBEAT) {
            self.roll = Roll::heard(&said);
            self.let_go = deeds::said(&said);
            self.deed = self.deed.max(self.let_go);
        }
        self.roll.is_some()
    }
}

/// The key that an entry says was destroyed.
fn destroyed(view: &Value) -> Option<String> {
    let done = view.get("class")? == ERASED && view.get("outcome")? == "done";
    view.pointer("/facts/key").filter(|_| done)?.as_str().map(str::to_owned)
}

/// The ids of all keys that were destroyed, as entries say that are there still. What cannot be read is passed over: no start
/// is to wait for it.
fn erased_keys(log: &Path) -> Result<HashSet<String>, ReadError> {
    let filter = Filter { class: Some(ERASED.to_owned()), ..Filter::default() };
    let mut erased = HashSet::new();
    let take = |it: &Found| {
        erased.extend(destroyed(&it.view()));
        false
    };
    Query::new(log, 0, filter, Way::Index)?.newest(1, take, || true)?;
    Ok(erased)
}

impl SubjectKeys {
    /// Holds the keys to what the log said last: to the last sign of life, and to what was sealed and destroyed after it.
    /// Only where fewer keys were destroyed than it says is the whole log asked which.
    pub fn held_to(&self, said: &LastSaid, log: &Path) -> Result<Shortfall, ReadError> {
        let short = said.roll.is_some_and(|it| !self.begins_as(&it));
        let is_lost = short || said.sealed.iter().any(|it| self.is_lost(it));
        let erased = said.roll.map(|it| it.erased + said.erased.len() as u64);
        let fewer = erased.is_none_or(|it| (self.erased.len() as u64) < it);
        let undone = if fewer { self.undone(log)? } else { HashSet::new() };
        Ok(Shortfall { is_lost, undone })
    }

    /// The keys that are there although an entry says that they were destroyed.
    pub fn undone(&self, log: &Path) -> Result<HashSet<String>, ReadError> {
        Ok(erased_keys(log)?.into_iter().filter(|it| self.keys.contains_key(it)).collect())
    }

    /// Whether the first keys that were drawn are those of a roll.
    fn begins_as(&self, roll: &Roll) -> bool {
        let drawn = usize::try_from(roll.drawn).ok().and_then(|it| self.drawn.get(..it));
        drawn.is_some_and(|it| Roll::of(it, 0).digest == roll.digest)
    }
}
