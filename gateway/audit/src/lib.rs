//! What happened: the append-only log of entries.
//!
//! Promises one line per settled request, in one file, each line bound to the one before it by its SHA-256. Appending
//! never waits for the disk; a log that cannot be written says so, and the requests that need it are refused.

mod chain;
mod entry;
mod json;
mod log;
mod recover;
mod settings;

pub use chain::{Broken, Verified, verify};
pub use entry::{AuthSection, DecisionSection, Entry, LimitSection, Outcome, RequestSection, UpstreamSection};
pub use log::{Log, OpenError, Unwritable};
pub use recover::Recovered;
pub use settings::AuditSettings;
