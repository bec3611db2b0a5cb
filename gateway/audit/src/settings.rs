//! What an operator may write about the log.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The most days anybody keeps anything: a century.
const MOST_DAYS: u64 = 36_500;

/// How long a disk may take to answer: less is an ordinary pause of any disk, and after more everybody has left.
const STALLS: RangeInclusive<u64> = 50..=60_000;

/// The `[audit]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// How long entries may stay in memory before they are written, in milliseconds.
    pub flush_ms: u64,
    /// How long written entries may stay unsynced, in milliseconds.
    pub sync_ms: u64,
    /// How long an answer of a strict operation may wait until its entry is on the disk, in milliseconds.
    pub strict_wait_ms: u64,
    /// How long the disk may take to answer before nothing more is promised, in milliseconds.
    #[serde(deserialize_with = "stall")]
    pub stall_ms: u64,
    /// How old a checkpoint may be while there are newer entries, in milliseconds.
    pub checkpoint_ms: u64,
    /// How often the gateway gives a sign of life, in milliseconds.
    pub heartbeat_ms: u64,
    /// How often it is entered how the gateway is, in milliseconds.
    pub health_ms: u64,
    /// How often the configuration is entered although it has not changed, in milliseconds.
    pub snapshot_ms: u64,
    /// How often new entries are looked through for what should not be in them, in milliseconds.
    pub scan_ms: u64,
    /// How much space is kept for the moment when the disk is full, in bytes.
    pub reserve_bytes: u64,
    /// How many bytes of entries may wait in memory before requests wait for the disk.
    pub backlog_bytes: usize,
    /// How many entries may be short of the disk before requests wait for it.
    pub backlog_entries: u64,
    /// How long entries stay.
    pub retention: RetentionSettings,
}

/// The `[audit.retention]` table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenRetention")]
pub struct RetentionSettings {
    keep_days: u64,
    compliance_days: u64,
}

/// The same as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenRetention {
    /// For how many days entries stay; 0 for ever.
    #[serde(deserialize_with = "days")]
    keep_days: u64,
    /// The same of those that compliance is judged by.
    #[serde(deserialize_with = "days")]
    compliance_days: u64,
}

/// Compliance is to be judged by less than is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`compliance_days` is 0, for ever, or at least `keep_days`")]
pub struct KeptShorter;

impl RetentionSettings {
    /// For so many days; 0 for ever.
    pub fn of_days(keep_days: u64, compliance_days: u64) -> Result<Self, KeptShorter> {
        if compliance_days != 0 && compliance_days < keep_days {
            Err(KeptShorter)
        } else {
            Ok(Self { keep_days, compliance_days })
        }
    }

    /// How long entries stay; nothing where they stay for ever.
    pub fn keep(&self) -> Option<Duration> {
        whole(self.keep_days)
    }

    /// How long those stay that compliance is judged by.
    pub fn longer(&self) -> Option<Duration> {
        whole(self.compliance_days)
    }
}

impl Default for RetentionSettings {
    /// 13 months and 6 years.
    fn default() -> Self {
        Self { keep_days: 396, compliance_days: 2192 }
    }
}

impl fmt::Display for RetentionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keep_days {}, compliance_days {}", self.keep_days, self.compliance_days)
    }
}

impl Default for WrittenRetention {
    fn default() -> Self {
        let RetentionSettings { keep_days, compliance_days } = RetentionSettings::default();
        Self { keep_days, compliance_days }
    }
}

impl TryFrom<WrittenRetention> for RetentionSettings {
    type Error = KeptShorter;

    fn try_from(it: WrittenRetention) -> Result<Self, Self::Error> {
        Self::of_days(it.keep_days, it.compliance_days)
    }
}

fn days<'de, D: Deserializer<'de>>(written: D) -> Result<u64, D::Error> {
    let read = u64::deserialize(written)?;
    if read <= MOST_DAYS {
        Ok(read)
    } else {
        Err(D::Error::custom(format!("more than {MOST_DAYS} days is for ever: write 0")))
    }
}

fn stall<'de, D: Deserializer<'de>>(written: D) -> Result<u64, D::Error> {
    let read = u64::deserialize(written)?;
    let (least, most) = STALLS.into_inner();
    let good = (least..=most).contains(&read);
    if good { Ok(read) } else { Err(D::Error::custom(format!("`stall_ms` is {least} to {most}"))) }
}

fn whole(days: u64) -> Option<Duration> {
    (days != 0).then(|| Duration::from_hours(days.saturating_mul(24)))
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            flush_ms: 5,
            sync_ms: 50,
            strict_wait_ms: 1000,
            stall_ms: 500,
            checkpoint_ms: 1000,
            heartbeat_ms: 10_000,
            health_ms: 60_000,
            snapshot_ms: 3_600_000,
            scan_ms: 86_400_000,
            reserve_bytes: 64 * 1024 * 1024,
            backlog_bytes: 16 * 1024 * 1024,
            backlog_entries: 8192,
            retention: RetentionSettings::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_disk_is_waited_for_neither_for_ever_nor_not_at_all() {
        let stall = |ms: u64| serde_json::from_value::<AuditSettings>(json!({ "stall_ms": ms })).map(|it| it.stall_ms);
        assert_eq!((stall(50).unwrap(), stall(60_000).unwrap()), (50, 60_000));
        for ms in [0, 49, 60_001] {
            assert!(stall(ms).unwrap_err().to_string().contains("50 to 60000"));
        }
    }
}
