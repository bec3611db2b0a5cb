//! What an operator may write about keys.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use domain::TokenKeyAlg;
use serde::Deserialize;

const KEYS_PER_TENANT: NonZeroU32 = NonZeroU32::new(100).unwrap();
const ROTATION_OVERLAP: Duration = Duration::from_hours(24);
const ROTATION_DUE: Duration = Duration::from_hours(90 * 24);
const PROOF_NONCE: Duration = Duration::from_mins(5);
const TOKEN_KEY_PERIOD: Duration = Duration::from_hours(30 * 24);

/// How long a key may sign tokens: not less than two days, for each is known for one before it signs; and not more than
/// a year.
const TOKEN_KEY_PERIODS: RangeInclusive<Duration> = Duration::from_hours(2 * 24)..=Duration::from_hours(366 * 24);

/// How long the nonce of a proof of possession may be good: long enough for a slow client to ask again with it.
const PROOF_NONCES: RangeInclusive<Duration> = Duration::from_secs(20)..=Duration::from_hours(24);

/// How keys are issued.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many keys a tenant may have that work; a key and the one it takes the place of are one. Default 100.
    pub keys_per_tenant: NonZeroU32,
    /// How long a rotated key goes on working, such as `24h`. Default one day.
    #[serde(deserialize_with = "duration")]
    pub rotation_overlap: Duration,
    /// How old a key may grow before lists say that its rotation is overdue. Default 90 days.
    #[serde(deserialize_with = "duration")]
    pub rotation_due: Duration,
    /// How long a key signs tokens before another takes its place: 48 to 8784 hours. Default 30 days.
    #[serde(deserialize_with = "token_key_period")]
    pub token_key_period: Duration,
    /// What the very first key signs tokens with: `RS256`, `ES256` or `EdDSA`. Each key after it signs as the one before,
    /// until somebody asks for another. Default `RS256`, which every client knows.
    #[serde(deserialize_with = "token_key_alg")]
    pub token_key_alg: TokenKeyAlg,
    /// For how long the nonce is good at most that a proof of possession has to repeat (RFC 9449 section 8), such as `5m`: 20
    /// seconds to a day, and `0s` where none is asked for. Default five minutes.
    #[serde(deserialize_with = "proof_nonce")]
    pub proof_nonce: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys_per_tenant: KEYS_PER_TENANT,
            rotation_overlap: ROTATION_OVERLAP,
            rotation_due: ROTATION_DUE,
            token_key_period: TOKEN_KEY_PERIOD,
            token_key_alg: TokenKeyAlg::Rs256,
            proof_nonce: PROOF_NONCE,
        }
    }
}

pub(crate) fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let read: Option<jiff::SignedDuration> = text.parse().ok();
    read.and_then(|it| Duration::try_from(it).ok())
        .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a length of time such as `24h`")))
}

fn token_key_period<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let period = duration(from)?;
    let told = || serde::de::Error::custom("a key signs tokens for `48h` to `8784h`");
    if TOKEN_KEY_PERIODS.contains(&period) { Ok(period) } else { Err(told()) }
}

fn proof_nonce<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let lasts = duration(from)?;
    let told =
        || serde::de::Error::custom("the nonce of a proof is good for `20s` to `24h`, or `0s` where there is none");
    if lasts.is_zero() || PROOF_NONCES.contains(&lasts) { Ok(lasts) } else { Err(told()) }
}

fn token_key_alg<'de, D: serde::Deserializer<'de>>(from: D) -> Result<TokenKeyAlg, D::Error> {
    let text = String::deserialize(from)?;
    let told = || serde::de::Error::custom(format!("tokens are signed with `RS256`, `ES256` or `EdDSA`, not `{text}`"));
    TokenKeyAlg::heard(&text).ok_or_else(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(toml::from_str::<Settings>("").unwrap(), Settings::default());
        let read: Settings =
            toml::from_str("keys_per_tenant = 5\nrotation_overlap = \"1h 30m\"\ntoken_key_period = \"48h\"").unwrap();
        assert_eq!(read.keys_per_tenant.get(), 5);
        assert_eq!(read.rotation_overlap, Duration::from_mins(90));
        assert_eq!(read.token_key_period, Duration::from_hours(48));
        let read: Settings = toml::from_str("token_key_alg = \"EdDSA\"").unwrap();
        assert_eq!(read.token_key_alg, TokenKeyAlg::EdDsa);
        for (text, lasts) in [("0s", Duration::ZERO), ("20s", Duration::from_secs(20))] {
            let read: Settings = toml::from_str(&format!("proof_nonce = \"{text}\"")).unwrap();
            assert_eq!(read.proof_nonce, lasts);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "keys_per_tenant = 0",
            "rotation_overlap = \"-1h\"",
            "rotation_overlap = \"soon\"",
            "token_key_period = \"47h\"",
            "token_key_alg = \"HS256\"",
            "token_key_period = \"8785h\"",
            "proof_nonce = \"19s\"",
            "proof_nonce = \"25h\"",
            "kyes = 1",
        ] {
            assert!(toml::from_str::<Settings>(bad).is_err(), "{bad}");
        }
    }
}
