//! What an operator may write about connections.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The `[connections]` table. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConnectionSettings {
    /// How many connections there may be.
    #[serde(deserialize_with = "bound")]
    pub(crate) total: usize,
    /// How many of them from one address (IPv4) or one /64 (IPv6).
    #[serde(deserialize_with = "bound")]
    pub(crate) per_address: usize,
    /// How long a TLS handshake may take.
    #[serde(deserialize_with = "bound")]
    handshake_s: u64,
    /// How long a request head may take on a fresh connection.
    #[serde(deserialize_with = "bound")]
    head_s: u64,
    /// How long a request may take to be decided, the reading of its body among it.
    #[serde(deserialize_with = "bound")]
    decide_s: u64,
    /// How many bytes a second a body must come with, on the whole, once its grace is over.
    #[serde(deserialize_with = "bound")]
    pub(crate) body_rate: u64,
    /// How long a body may take besides.
    #[serde(deserialize_with = "bound")]
    body_grace_s: u64,
    /// How many bytes of bodies that are read before they are sent on may be held, all requests together.
    #[serde(deserialize_with = "bound")]
    pub(crate) held_bytes: u64,
    /// How long a connection may stand idle between requests, and a body between two pieces.
    #[serde(deserialize_with = "bound")]
    idle_s: u64,
    /// How old a connection may grow before it is asked to leave.
    #[serde(deserialize_with = "bound")]
    age_s: u64,
    /// How many requests one HTTP/1 connection may carry.
    #[serde(deserialize_with = "bound")]
    pub(crate) requests: u32,
    /// How many headers a request may have.
    #[serde(deserialize_with = "bound")]
    pub(crate) max_headers: usize,
    /// How many bytes its headers may have together.
    #[serde(deserialize_with = "bound")]
    pub(crate) max_header_bytes: usize,
    /// How long requests in flight are waited for at shutdown.
    drain_s: u64,
}

/// What no machine has.
const BOUNDLESS: u64 = 1_000_000_000_000;

/// A bound of zero would refuse everything, and one beyond all there can be is a slip of the pen.
fn bound<'de, N, D>(written: D) -> Result<N, D::Error>
where
    N: TryFrom<u64>,
    D: Deserializer<'de>,
{
    let read = u64::deserialize(written)?;
    match N::try_from(read) {
        _ if read == 0 => Err(D::Error::custom("0 would refuse everything")),
        Ok(bound) if read <= BOUNDLESS => Ok(bound),
        _ => Err(D::Error::custom(format!("{read} is more than can be held to"))),
    }
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            total: 10_000,
            per_address: 256,
            handshake_s: 10,
            head_s: 10,
            decide_s: 30,
            body_rate: 1024,
            body_grace_s: 10,
            held_bytes: 256 * 1024 * 1024,
            idle_s: 60,
            age_s: 3600,
            requests: 1000,
            max_headers: 100,
            max_header_bytes: 64 * 1024,
            drain_s: 30,
        }
    }
}

impl ConnectionSettings {
    pub(crate) fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_s)
    }

    pub(crate) fn head(&self) -> Duration {
        Duration::from_secs(self.head_s)
    }

    pub(crate) fn decide(&self) -> Duration {
        Duration::from_secs(self.decide_s)
    }

    pub(crate) fn body_grace(&self) -> Duration {
        Duration::from_secs(self.body_grace_s)
    }

    pub(crate) fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_s)
    }

    pub(crate) fn age(&self) -> Duration {
        Duration::from_secs(self.age_s)
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s)
    }
}
