//! What happened: the append-only log of entries.
//!
//! Promises one entry per settled request, numbered and hashed into a Merkle tree whose root is signed each second, so that
//! whoever holds a checkpoint can tell whether anything before it was changed, moved or taken out. Appending never waits
//! for the disk; whoever must be certain waits with [`Log::durable_up_to`]. A log that cannot be written says so, and the
//! requests that need it are refused.

mod cbor;
mod changes;
pub mod cosignature;
mod deeds;
mod derived;
mod disk;
mod doctor;
mod entry;
mod export;
mod extent;
mod field;
mod hold;
mod index;
mod inflight;
mod kept;
mod lifetime;
mod log;
mod losses;
mod minimum;
pub mod note;
mod notice;
mod prove;
mod query;
mod read;
mod reading;
mod recover;
mod reserve;
mod retention;
mod roots;
mod round;
mod scan;
mod sealing;
mod sequencer;
mod settings;
mod shared;
mod show;
mod silence;
pub mod sinks;
mod stall;
mod subjects;
mod succession;
mod tag;
mod tail;
mod thin;
pub mod tree;
mod unsaid;
mod verify;
mod wal;
mod watch;
pub mod witness;
mod writer;

pub use cbor::NotCanonical;
pub use deeds::{KnownDeeds, deeds_from};
pub use doctor::{Examined, examine, mend};
pub use entry::{
    AuthSection, DecisionSection, Entry, LimitSection, Outcome, RequestSection, TlsSection, UpstreamSection, view,
};
pub use export::{
    BadLine, Checked, Doubtful, ExportError, Format, Judge, Manifest, Proof, Totals, Wanted, export, hold_to_newest,
    manifest_of, verify_export,
};
pub use hold::{BadHoldName, Hold, HoldName, holds, place_hold, release_hold};
pub use inflight::{InFlight, Place, UnderWay};
pub use lifetime::{LEAP, Lifetime, clock_at_start, written_last};
pub use log::{Custody, Horizon, Log, Lost, OnHold, OpenError, Unwritable};
pub use notice::{Author, Before, CLASSES, Notice};
pub use prove::{
    Proven, Refuted, Unproven, is_of_growth, newest, prove_entry, prove_growth, prove_growth_to, verify_entry,
    verify_growth,
};
pub use query::{Filter, Found, Newest, Query, Way};
pub use read::{Entries, ReadError};
pub use reading::{Reading, read_of};
pub use recover::{Recovered, Unrecoverable};
pub use retention::{Age, Due, Pruned, Pruning, Unpruned, held_back, prune};
pub use scan::{Finding, Kind, Scan, Scanned, Shapes, keep_scanned, scanned_up_to};
pub use sequencer::MAX_ENTRY;
pub use settings::{AuditSettings, KeptShorter, RetentionSettings};
pub use show::{harmless, harmless_json, harmless_lines, json_line};
pub use silence::{SIGN_EVERY, Silence};
pub use subjects::{Asked, LastSaid, Roll, Sealed, Shortfall, SubjectKey, SubjectKeys, Subjects};
pub use succession::Keys;
pub use tail::Tail;
pub use thin::thin;
pub use verify::{Broken, CLOCKS, Grounds, PrunedPart, Verdict, Verified, verify};
pub use watch::{Home, SoleWriter, is_being_written};
