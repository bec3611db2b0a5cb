//! What can be wrong with a log, and what each fault says of it.

use domain::Timestamp;

use crate::note::BadNote;
use crate::silence::Silence;

/// How many faults are told in full. More of the same help nobody.
const MOST: usize = 32;

/// What a log is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The entries are those that were signed for.
    Integrity,
    /// Every checkpoint is the beginning of the next, and of what is there.
    AppendOnly,
    /// No entry of a run is missing, nor its beginning or its end.
    Completeness,
    /// The newest checkpoint is no older than it may be.
    Freshness,
}

/// Something that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// There is no checkpoint: nothing is signed.
    #[error("there is no checkpoint, so that nothing is signed")]
    Unsigned,
    /// The newest checkpoint is gone, while there are others.
    #[error("`checkpoint` is missing, and there are others")]
    NoNewest,
    /// A checkpoint that the key does not stand for, or that a witness is said to stand for and does not.
    #[error("checkpoint `{file}` {cause}")]
    Note {
        /// The file.
        file: String,
        /// What is wrong with it.
        cause: BadNote,
    },
    /// Two keys took over from one.
    #[error("two keys took over from `{0}`: somebody else has had it")]
    TwoHeirs(String),
    /// A checkpoint of another log.
    #[error("checkpoint `{file}` is that of another log, `{origin}`")]
    Foreign {
        /// The file.
        file: String,
        /// The log it speaks of.
        origin: String,
    },
    /// An entry that no gateway wrote.
    #[error("entry {0} is not an entry")]
    NotAnEntry(u64),
    /// An entry that is not the one that was signed for.
    #[error("entry {seq} is not the one that was signed for in checkpoint `{file}`")]
    Altered {
        /// The entry.
        seq: u64,
        /// The checkpoint that agrees with its hash in the tree, and not with its bytes.
        file: String,
    },
    /// An entry that is not the one whose hash its tile has; no checkpoint says which of them was changed.
    #[error("entry {0} is not the one that its tile has the hash of")]
    Unlike(u64),
    /// Entries that cannot be told from each other any more.
    #[error("entry {seq} cannot be read: `{file}` is missing or damaged")]
    Unreadable {
        /// The first of them.
        seq: u64,
        /// The file.
        file: String,
    },
    /// An entry that only a write-ahead file has, and that is not what it was when it was written.
    #[error("entry {seq} in `{file}` was changed")]
    ChangedAhead {
        /// The entry.
        seq: u64,
        /// The file.
        file: String,
    },
    /// A write-ahead file has something between its entries that belongs to none.
    #[error("{bytes} bytes before entry {seq} in `{file}` were put there by somebody; every entry of it is as it was")]
    Inserted {
        /// The entry that comes after them.
        seq: u64,
        /// The file.
        file: String,
        /// How many.
        bytes: usize,
    },
    /// The entries are not those that were signed for.
    #[error("the entries up to {before} are not those of the checkpoint `{file}`; those up to {good} are")]
    Changed {
        /// The checkpoint.
        file: String,
        /// How many entries it covers.
        before: u64,
        /// How many are covered by the last checkpoint that agrees.
        good: u64,
    },
    /// A tile that does not hold the hashes of the entries beneath it.
    #[error("tile `{path}` is not that of entries {first} to {last}")]
    Tile {
        /// The tile.
        path: String,
        /// The first entry beneath it.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A bundle that is not whole and does not hold the entries that were signed for.
    #[error("bundle `{path}` does not hold entries {first} to {last}")]
    Bundle {
        /// The bundle.
        path: String,
        /// The first entry that it should hold.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Fewer entries than were signed for.
    #[error(
        "{signed} entries are signed for, and there are {found}: entry {found} is missing or cannot be read (checkpoint `{file}`)"
    )]
    Short {
        /// The checkpoint.
        file: String,
        /// As many as it says.
        signed: u64,
        /// As many as there are.
        found: u64,
    },
    /// A checkpoint that is not the beginning of this log, while a newer one agrees with it.
    #[error("checkpoint `{file}` of {size} entries is not the beginning of this log, which was signed anew since")]
    Rewritten {
        /// The checkpoint.
        file: String,
        /// How many entries it covers.
        size: u64,
    },
    /// Two checkpoints of one size that disagree.
    #[error("checkpoints `{one}` and `{other}` are of {size} entries, and of two logs")]
    Fork {
        /// How many entries both cover.
        size: u64,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// The numbers that a run of a gateway gave its entries have a gap, or go back.
    #[error("entry {seq} is number {found} of its run, where {expected} was to come")]
    Gap {
        /// The entry.
        seq: u64,
        /// The number it has.
        found: u64,
        /// The number that was to come.
        expected: u64,
    },
    /// A run that does not say that it begins.
    #[error("entry {0} is the first of its run, and does not say that it begins")]
    NoStart(u64),
    /// A run that begins with something to say of the one before it that is not so.
    #[error("entry {seq} says that what was before it ended with `{said}`, which is not so")]
    NoEnd {
        /// The entry that says so.
        seq: u64,
        /// What it says.
        said: String,
    },
    /// What says where the log begins does not.
    #[error("`minimum` does not say where the log begins")]
    Minimum,
    /// Entries are gone, and no entry says that they were pruned.
    #[error("entries {first} to {} are gone, and no entry says that they were pruned", .end - 1)]
    Unsaid {
        /// The first of them.
        first: u64,
        /// The entry after the last one.
        end: u64,
    },
    /// Something that was kept longer is not what was signed for.
    #[error("`{file}` {}", .seq.map_or("does not hold entries that were kept".to_owned(), |it| format!("does not prove entry {it}")))]
    Kept {
        /// The entry, where it can be told.
        seq: Option<u64>,
        /// The file.
        file: String,
    },
    /// Entries that were to be kept longer are gone.
    #[error("{said} of the entries {first} to {} were kept longer, and there are {found}", .end - 1)]
    KeptMissing {
        /// The first entry of the range.
        first: u64,
        /// The entry after its last one.
        end: u64,
        /// As many as were kept.
        said: u64,
        /// As many as there are.
        found: u64,
    },
    /// Nothing new was signed or witnessed for too long.
    #[error("nothing was {what} {}", .at.map_or("ever".to_owned(), |it| format!("since {it}")))]
    Stale {
        /// `signed` or `witnessed`.
        what: &'static str,
        /// When it last was.
        at: Option<Timestamp>,
    },
    /// A time that has not come yet says nothing of how old anything is.
    #[error("what was {what} bears a time that has not come yet: {at}")]
    Ahead {
        /// `signed` or `witnessed`.
        what: &'static str,
        /// What it bears.
        at: Timestamp,
    },
}

impl Broken {
    /// In which respect the log is broken.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Unsigned
            | Self::NoNewest
            | Self::Note { .. }
            | Self::TwoHeirs(_)
            | Self::NotAnEntry(_)
            | Self::Altered { .. }
            | Self::Unlike(_)
            | Self::Unreadable { .. }
            | Self::ChangedAhead { .. }
            | Self::Inserted { .. }
            | Self::Changed { .. }
            | Self::Kept { .. }
            | Self::Tile { .. }
            | Self::Bundle { .. } => Verdict::Integrity,
            Self::Short { .. } | Self::Rewritten { .. } | Self::Fork { .. } | Self::Foreign { .. } => {
                Verdict::AppendOnly
            }
            Self::Gap { .. }
            | Self::NoStart(_)
            | Self::NoEnd { .. }
            | Self::Minimum
            | Self::Unsaid { .. }
            | Self::KeptMissing { .. } => Verdict::Completeness,
            Self::Stale { .. } | Self::Ahead { .. } => Verdict::Freshness,
        }
    }

    /// The entry that is wrong, where it can be told.
    pub fn entry(&self) -> Option<u64> {
        match self {
            Self::NotAnEntry(seq)
            | Self::Unlike(seq)
            | Self::NoStart(seq)
            | Self::Altered { seq, .. }
            | Self::Unreadable { seq, .. }
            | Self::ChangedAhead { seq, .. }
            | Self::Gap { seq, .. }
            | Self::NoEnd { seq, .. }
            | Self::Unsaid { first: seq, .. }
            | Self::Short { found: seq, .. } => Some(*seq),
            Self::Kept { seq, .. } => *seq,
            Self::Unsigned
            | Self::NoNewest
            | Self::Minimum
            | Self::KeptMissing { .. }
            | Self::Note { .. }
            | Self::TwoHeirs(_)
            | Self::Foreign { .. }
            | Self::Changed { .. }
            | Self::Inserted { .. }
            | Self::Tile { .. }
            | Self::Bundle { .. }
            | Self::Rewritten { .. }
            | Self::Fork { .. }
            | Self::Stale { .. }
            | Self::Ahead { .. } => None,
        }
    }

    /// Where it is told among others: those of checkpoints first, then by their entries.
    fn place(&self) -> (Option<u64>, Verdict) {
        (self.entry(), self.verdict())
    }
}

/// Faults as they are found, and no more of them than anybody reads.
#[derive(Debug, Default)]
pub(super) struct Found {
    faults: Vec<Broken>,
    /// How many more there are.
    pub(super) more: u64,
    /// The time that the last signed entry tells.
    pub(super) signed_at: Option<Timestamp>,
    /// What is not as it was left, and costs no proof: a start makes it anew.
    pub(super) remarks: Vec<String>,
}

impl Found {
    pub(super) fn push(&mut self, fault: Broken) {
        self.faults.push(fault);
        // By their place, so that those that are left out are not the first ones. Seldom: most logs are good.
        if MOST < self.faults.len() {
            self.faults.sort_by_key(Broken::place);
            self.faults.pop();
            self.more += 1;
        }
    }

    /// The same of what may have been found on another way.
    pub(super) fn push_once(&mut self, fault: Broken) {
        if !self.faults.contains(&fault) {
            self.push(fault);
        }
    }

    /// Says of a file that is derived from others that it is not there as it should be.
    pub(super) fn remark(&mut self, file: &str) {
        if self.remarks.len() < MOST {
            self.remarks.push(format!("`{file}` is missing or damaged; what it is made of is there, and a start or `portcullis audit doctor --fix` makes it anew"));
        }
    }

    /// Says that whole entries stand after what is not whole, and were signed for by nobody.
    pub(super) fn remark_beyond(&mut self, file: &str, entries: u64) {
        if self.remarks.len() < MOST {
            self.remarks.push(format!("in `{file}` {entries} whole entries stand after one that is not: a power cut leaves such that were never certain, and so does whoever changes a byte; the next start keeps the file as it is beside it, as `.stray`"));
        }
    }

    /// Says that deeds were never entered. What they were no entry can say.
    pub(super) fn missing_deeds(&mut self, first: u64, end: u64, seq: u64) {
        if self.remarks.len() < MOST {
            let last = end - 1;
            self.remarks.push(format!("before entry {seq} deeds {first} to {last} of the registry were never entered"));
        }
    }

    /// Says of a run that nothing was heard of it for too long. What it did meanwhile no entry can say.
    pub(super) fn silent(&mut self, silence: &Silence) {
        if self.remarks.len() < MOST {
            self.remarks.push(silence.to_string());
        }
    }

    pub(super) fn finish(mut self) -> (Vec<Broken>, u64) {
        self.faults.sort_by_key(Broken::place);
        (self.faults, self.more)
    }
}
