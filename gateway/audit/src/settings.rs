//! What an operator may write about the log.

use serde::Deserialize;

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
    /// How old a checkpoint may be while there are newer entries, in milliseconds.
    pub checkpoint_ms: u64,
    /// How often the gateway gives a sign of life, in milliseconds.
    pub heartbeat_ms: u64,
    /// How often the configuration is entered although it has not changed, in milliseconds.
    pub snapshot_ms: u64,
    /// How much space is kept for the moment when the disk is full, in bytes.
    pub reserve_bytes: u64,
    /// How many bytes of entries may wait in memory before requests wait for the disk.
    pub backlog_bytes: usize,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            flush_ms: 5,
            sync_ms: 50,
            strict_wait_ms: 1000,
            checkpoint_ms: 1000,
            heartbeat_ms: 10_000,
            snapshot_ms: 3_600_000,
            reserve_bytes: 64 * 1024 * 1024,
            backlog_bytes: 16 * 1024 * 1024,
        }
    }
}
