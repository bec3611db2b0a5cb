//! What changes while the gateway runs, and how it is numbered.

use crate::{KeyId, KeyRecord, Record, Tenant, TokenKey};

/// The number of the last change that has been taken in. Grows by at least one with every change; zero is before the
/// first.
pub type Version = u64;

/// A tenant or key as it is from now on. Taking the same change in twice is taking it in once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A tenant was made, renamed, suspended or resumed.
    Tenant(Tenant),
    /// A key was made, replaced or revoked.
    Key(Box<KeyRecord>),
    /// A key that signs tokens was made, came into use or ended.
    TokenKey(Box<TokenKey>),
    /// A key that had ended long ago is kept no more.
    KeyGone(KeyId),
    /// Something else was made or changed. Nobody follows it: whoever needs it reads it.
    Record(Box<Record>),
    /// It is kept no more: its kind and its id.
    RecordGone(&'static str, String),
}
