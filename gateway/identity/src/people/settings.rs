//! What an operator may write about people.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::settings::duration;

const PASSWORD_MIN: usize = 12;
const TRIES: NonZeroU32 = NonZeroU32::new(10).unwrap();
const LOCKOUT: Duration = Duration::from_mins(30);
const HASHES_AT_ONCE: NonZeroU32 = NonZeroU32::new(2).unwrap();

/// What may be asked of a password at least: shorter ones are guessed, longer ones are written on paper.
const PASSWORD_MINS: RangeInclusive<usize> = 8..=64;

/// How people are let in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeopleSettings {
    /// How many characters a password has at least: 8 to 64. Default 12.
    #[serde(deserialize_with = "password_min")]
    pub password_min: usize,
    /// After how many wrong passwords in a row a user is locked out. Default 10.
    pub tries: NonZeroU32,
    /// For how long, such as `30m`; `0s` where nobody is to be locked out. Default half an hour.
    #[serde(deserialize_with = "duration")]
    pub lockout: Duration,
    /// How many passwords are hashed at once, each with 19 MiB and on a thread of its own. Default 2.
    pub hashes_at_once: NonZeroU32,
}

impl Default for PeopleSettings {
    fn default() -> Self {
        Self { password_min: PASSWORD_MIN, tries: TRIES, lockout: LOCKOUT, hashes_at_once: HASHES_AT_ONCE }
    }
}

fn password_min<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let least = usize::deserialize(from)?;
    let told = || serde::de::Error::custom("a password has at least 8 to 64 characters");
    if PASSWORD_MINS.contains(&least) { Ok(least) } else { Err(told()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default_and_what_makes_no_sense_is_refused() {
        assert_eq!(toml::from_str::<PeopleSettings>("").unwrap(), PeopleSettings::default());
        let read: PeopleSettings = toml::from_str("password_min = 8\ntries = 3\nlockout = \"0s\"").unwrap();
        assert_eq!((read.password_min, read.tries.get(), read.lockout), (8, 3, Duration::ZERO));
        for bad in ["password_min = 7", "password_min = 65", "tries = 0", "lockout = \"-1m\"", "hashes_at_once = 0"] {
            assert!(toml::from_str::<PeopleSettings>(bad).is_err(), "{bad}");
        }
    }
}
