//! What an operator may write about keys.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

const KEYS_PER_TENANT: NonZeroU32 = NonZeroU32::new(100).unwrap();
const ROTATION_OVERLAP: Duration = Duration::from_hours(24);

/// How keys are issued.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many keys a tenant may have that work; a key and the one it takes the place of are one. Default 100.
    pub keys_per_tenant: NonZeroU32,
    /// How long a rotated key goes on working, such as `24h`. Default one day.
    #[serde(deserialize_with = "duration")]
    pub rotation_overlap: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { keys_per_tenant: KEYS_PER_TENANT, rotation_overlap: ROTATION_OVERLAP }
    }
}

fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let read: Option<jiff::SignedDuration> = text.parse().ok();
    read.and_then(|it| Duration::try_from(it).ok())
        .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a length of time such as `24h`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(toml::from_str::<Settings>("").unwrap(), Settings::default());
        let read: Settings = toml::from_str("keys_per_tenant = 5\nrotation_overlap = \"1h 30m\"").unwrap();
        assert_eq!(read.keys_per_tenant.get(), 5);
        assert_eq!(read.rotation_overlap, Duration::from_mins(90));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in ["keys_per_tenant = 0", "rotation_overlap = \"-1h\"", "rotation_overlap = \"soon\"", "kyes = 1"] {
            assert!(toml::from_str::<Settings>(bad).is_err(), "{bad}");
        }
    }
}
