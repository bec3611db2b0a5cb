//! A file system that fails as it is told, for tests of what must survive it.
//!
//! [`Layer`] stands between a process and its files (`layer.c`): it kills the process at a call, or lets calls fail.
//! [`Disk`] says what a power cut would have left: what was not synced may be there, or in part, or not at all.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "what fails here must stop the test that relies on it, and say where"
)]

mod dice;
mod disk;
mod journal;
mod layer;

pub use dice::{Dice, Seed, number, tell};
pub use disk::Disk;
pub use journal::{Call, Done, journal};
pub use layer::Layer;
