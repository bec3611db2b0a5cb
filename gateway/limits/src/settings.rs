//! What an operator may write about counting; the limits themselves are written in each API's profile.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

const COUNTERS: NonZeroU32 = positive(1_000_000);
const ADDRESSES: NonZeroU32 = positive(200_000);
const RATE: NonZeroU32 = positive(1_000);
const BURST: NonZeroU32 = positive(4_000);
const REFUSALS: NonZeroU32 = positive(5);
const MOST_REFUSALS: NonZeroU32 = positive(100);
const FAILURES: NonZeroU32 = positive(20);
const FAILURES_WINDOW: Duration = Duration::from_mins(1);
const LEFT: NonZeroU32 = positive(120);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The table `[limits]` of the settings file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSettings {
    /// How many keys, users and tenants are counted at once; beyond it the one longest idle is forgotten. A counter
    /// with a window of 60 s and one of 10 s takes about 1.3 kB.
    pub counters: NonZeroU32,
    /// What one source address may do before anyone knows who is asking.
    pub shield: ShieldSettings,
}

impl Default for LimitsSettings {
    fn default() -> Self {
        Self { counters: COUNTERS, shield: ShieldSettings::default() }
    }
}

/// The table `[limits.shield]` of the settings file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShieldSettings {
    /// Requests a second that one address (IPv4) or one /64 (IPv6) may keep up.
    pub rate: NonZeroU32,
    /// Requests it may send at once after a pause.
    pub burst: NonZeroU32,
    /// Requests a second beyond that which are refused in words, each with an entry; at most 100. All others get no answer.
    #[serde(deserialize_with = "few")]
    pub refusals: NonZeroU32,
    /// Failed credentials that spend its budget.
    pub failures: NonZeroU32,
    /// How long a failed credential is held against it: `"60s"`.
    #[serde(deserialize_with = "duration")]
    pub failures_window: Duration,
    /// How many requests it may leave at an issuer in as long a time, for users to come back to.
    pub left: NonZeroU32,
    /// How long a name waits at most for its next password after several wrong ones: from one second on twice as long after
    /// each; `"0s"` where nobody is to wait.
    #[serde(deserialize_with = "any_duration")]
    pub longest_delay: Duration,
    /// How many addresses are remembered at once; beyond it the one longest idle is forgotten.
    pub addresses: NonZeroU32,
}

impl ShieldSettings {
    /// The most requests that one address gets into a window of this length.
    pub fn most(&self, window: Duration) -> u64 {
        let steady = u128::from(self.rate.get()) * window.as_millis() / 1_000;
        u64::try_from(steady).unwrap_or(u64::MAX).saturating_add(u64::from(self.burst.get()))
    }
}

impl Default for ShieldSettings {
    fn default() -> Self {
        Self {
            rate: RATE,
            burst: BURST,
            refusals: REFUSALS,
            failures: FAILURES,
            failures_window: FAILURES_WINDOW,
            left: LEFT,
            longest_delay: LONGEST_DELAY,
            addresses: ADDRESSES,
        }
    }
}

/// Zero would be one; no default is zero.
const fn positive(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

fn few<'de, D: Deserializer<'de>>(from: D) -> Result<NonZeroU32, D::Error> {
    let read = NonZeroU32::deserialize(from)?;
    if read <= MOST_REFUSALS { Ok(read) } else { Err(de::Error::custom(format_args!("at most {MOST_REFUSALS}"))) }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let read = any_duration(from)?;
    if read.is_zero() { Err(de::Error::custom("no time at all is not a duration such as `60s`")) } else { Ok(read) }
}

fn any_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    read.ok_or_else(|| de::Error::custom(format_args!("`{text}` is not a duration such as `60s`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_has_its_default() {
        assert_eq!(toml::from_str::<LimitsSettings>("").unwrap(), LimitsSettings::default());
        let read: LimitsSettings = toml::from_str(
            "counters = 5\n[shield]\nrate = 7\nrefusals = 100\nfailures_window = \"2m\"\nlongest_delay = \"0s\"",
        )
        .unwrap();
        assert_eq!((read.counters.get(), read.shield.rate.get(), read.shield.burst), (5, 7, BURST));
        assert_eq!((read.shield.refusals, read.shield.failures_window), (MOST_REFUSALS, Duration::from_mins(2)));
        assert_eq!(read.shield.longest_delay, Duration::ZERO);
    }

    #[test]
    fn one_address_gets_its_burst_and_its_rate_into_a_window() {
        let shield: ShieldSettings = toml::from_str("rate = 200\nburst = 400").unwrap();
        assert_eq!(shield.most(Duration::from_secs(10)), 2_400);
        assert_eq!(shield.most(Duration::from_millis(10)), 402);
        assert_eq!(shield.most(Duration::MAX), u64::MAX);
    }

    #[test]
    fn a_zero_a_misspelt_name_or_a_number_without_a_unit_is_refused() {
        for bad in [
            "counters = 0",
            "counter = 1",
            "[shield]\nrate = 0",
            "[shield]\nrefusals = 0",
            "[shield]\nrefusals = 101",
            "[shield]\nfailures_window = \"0s\"",
            "[shield]\nfailures_window = \"-5s\"",
            "[shield]\nfailures_window = \"60\"",
            "[shield]\nfailures_window = 60",
            "[shield]\nper_second = 1",
        ] {
            assert!(toml::from_str::<LimitsSettings>(bad).is_err(), "{bad}");
        }
    }
}
