//! What an operator may write about the log.

use std::fmt;
use std::time::Duration;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

/// The most days anybody keeps anything: a century.
const MOST_DAYS: u64 = 36_500;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const MIB: u64 = 1 << 20;

/// The `[audit]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// How long entries may stay in memory before they are written, in milliseconds.
    #[serde(deserialize_with = "within::<0, { 10 * MINUTE }, _, _>")]
    pub flush_ms: u64,
    /// How long written entries may stay unsynced, in milliseconds.
    #[serde(deserialize_with = "within::<0, { 10 * MINUTE }, _, _>")]
    pub sync_ms: u64,
    /// How long an answer of a strict operation may wait until its entry is on the disk, in milliseconds.
    #[serde(deserialize_with = "within::<1, MINUTE, _, _>")]
    pub strict_wait_ms: u64,
    /// How long the disk may take to answer before nothing more is promised, in milliseconds.
    #[serde(deserialize_with = "within::<50, MINUTE, _, _>")]
    pub stall_ms: u64,
    /// How old a checkpoint may be while there are newer entries, in milliseconds.
    #[serde(deserialize_with = "within::<1, { 10 * MINUTE }, _, _>")]
    pub checkpoint_ms: u64,
    /// How often the gateway gives a sign of life, in milliseconds.
    #[serde(deserialize_with = "within::<10, { 10 * MINUTE }, _, _>")]
    pub heartbeat_ms: u64,
    /// How often it is entered how the gateway is, in milliseconds.
    #[serde(deserialize_with = "within::<10, HOUR, _, _>")]
    pub health_ms: u64,
    /// How often the configuration is entered although it has not changed, in milliseconds.
    #[serde(deserialize_with = "within::<10, { 24 * HOUR }, _, _>")]
    pub snapshot_ms: u64,
    /// How often new entries are looked through for what should not be in them, in milliseconds.
    #[serde(deserialize_with = "within::<10, { 7 * 24 * HOUR }, _, _>")]
    pub scan_ms: u64,
    /// How much space is kept for the moment when the disk is full, in bytes.
    #[serde(deserialize_with = "within::<0, { 1024 * 1024 * MIB }, _, _>")]
    pub reserve_bytes: u64,
    /// From how many bytes on a write-ahead file is followed by another: what is read again at a start.
    #[serde(deserialize_with = "within::<{ 1 << 16 }, { 1024 * MIB }, _, _>")]
    pub wal_bytes: u64,
    /// How many bytes of entries may wait in memory before requests wait for the disk.
    #[serde(deserialize_with = "within::<{ 1 << 17 }, { 1024 * MIB }, _, _>")]
    pub backlog_bytes: usize,
    /// How many entries may be short of the disk before requests wait for it.
    #[serde(deserialize_with = "within::<1, { 1 << 20 }, _, _>")]
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

/// A number that is neither too small nor too large for its purpose.
fn within<'de, const LEAST: u64, const MOST: u64, T, D>(written: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let read = u64::deserialize(written)?;
    let good = (LEAST..=MOST).contains(&read).then(|| T::try_from(read).ok()).flatten();
    good.ok_or_else(|| {
        D::Error::invalid_value(Unexpected::Unsigned(read), &format!("a number from {LEAST} to {MOST}").as_str())
    })
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
            wal_bytes: 16 * 1024 * 1024,
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

    /// Of each setting the least and the most that it may be.
    const BOUNDS: [(&str, u64, u64); 13] = [
        ("flush_ms", 0, 600_000),
        ("sync_ms", 0, 600_000),
        ("strict_wait_ms", 1, 60_000),
        ("stall_ms", 50, 60_000),
        ("checkpoint_ms", 1, 600_000),
        ("heartbeat_ms", 10, 600_000),
        ("health_ms", 10, 3_600_000),
        ("snapshot_ms", 10, 86_400_000),
        ("scan_ms", 10, 604_800_000),
        ("reserve_bytes", 0, 1 << 40),
        ("wal_bytes", 65_536, 1 << 30),
        ("backlog_bytes", 131_072, 1 << 30),
        ("backlog_entries", 1, 1_048_576),
    ];

    #[test]
    fn nothing_is_done_without_end_or_never() {
        let read = |name: &str, number: u64| serde_json::from_value::<AuditSettings>(json!({ name: number }));
        for (name, least, most) in BOUNDS {
            assert!(read(name, least).is_ok() && read(name, most).is_ok(), "{name}");
            for number in [least.checked_sub(1), Some(most + 1)].into_iter().flatten() {
                let told = read(name, number).unwrap_err().to_string();
                assert!(told.contains(&format!("a number from {least} to {most}")), "{name}: {told}");
            }
        }
    }

    #[test]
    fn what_nobody_wrote_is_within_its_bounds() {
        let AuditSettings { flush_ms, sync_ms, strict_wait_ms, stall_ms, checkpoint_ms, .. } = AuditSettings::default();
        let AuditSettings { heartbeat_ms, health_ms, snapshot_ms, scan_ms, .. } = AuditSettings::default();
        let AuditSettings { reserve_bytes, wal_bytes, backlog_bytes, backlog_entries, .. } = AuditSettings::default();
        let backlog_bytes = u64::try_from(backlog_bytes).unwrap();
        let numbers = [
            flush_ms,
            sync_ms,
            strict_wait_ms,
            stall_ms,
            checkpoint_ms,
            heartbeat_ms,
            health_ms,
            snapshot_ms,
            scan_ms,
            reserve_bytes,
            wal_bytes,
            backlog_bytes,
            backlog_entries,
        ];
        for ((name, least, most), number) in BOUNDS.into_iter().zip(numbers) {
            assert!((least..=most).contains(&number), "{name}");
        }
    }
}
