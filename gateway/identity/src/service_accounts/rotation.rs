//! Whether a key should have been rotated by now.

use domain::{KeyRecord, Timestamp};

use crate::{Identity, KeyState};

/// How the rotation of a key that is in use stands. A later one is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rotation {
    /// Nothing is to be done.
    Current,
    /// A newer key has taken its place, and it stops at this moment.
    Rotating(Timestamp),
    /// It is older than keys should grow.
    Overdue,
}

impl Rotation {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Rotating(_) => "rotating",
            Self::Overdue => "overdue",
        }
    }
}

impl Identity {
    /// How the rotation of a key stands at this moment; nothing where it has ended.
    pub fn rotation_of(&self, key: &KeyRecord, now: Timestamp) -> Option<Rotation> {
        let due =
            || if key.created + self.settings.rotation_due <= now { Rotation::Overdue } else { Rotation::Current };
        match KeyState::of(key, now) {
            KeyState::Active => Some(due()),
            KeyState::Retiring | KeyState::Suspended => {
                Some(key.overlap.map_or_else(due, |it| Rotation::Rotating(it.until)))
            }
            KeyState::Replaced | KeyState::Expired | KeyState::Revoked => None,
        }
    }
}
