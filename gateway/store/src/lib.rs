//! Where control state is kept: the SQL adapters.
//!
//! Each adapter keeps the promises of `identity::Registry` and is held to them by the same tests. Knows SQL; does not
//! know what a key is good for.

mod sqlite;

pub use sqlite::{OpenError, Sqlite};

#[cfg(test)]
mod contract;
