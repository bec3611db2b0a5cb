//! The secrets of clients: 256 random bits in the form of our keys, shown once.
//!
//! What is kept is a digest, and that is sealed: whoever reads the database can use none, and whoever writes into it can
//! put in none of their own.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use domain::{Timestamp, keyformat};
use serde::{Deserialize, Serialize};

use super::Client;
use crate::store::StoreFault;
use crate::{Identity, Shown};

/// What a digest is sealed as.
const SEALED_AS: &str = "client secret";

/// What is kept of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptSecret {
    /// What it is sealed for besides its client.
    number: u64,
    sealed: Vec<u8>,
    /// When it stops, where another has taken its place.
    until: Option<Timestamp>,
}

impl Identity {
    /// A new secret of a client, and what is kept of it.
    pub(super) fn draw_client_secret(&self, client: &str, number: u64) -> Result<(KeptSecret, Shown), StoreFault> {
        let mut bits = [0; 32];
        self.random.fill(&mut bits);
        let secret = Shown::new(keyformat::write(keyformat::CLIENT_SECRET, &mut bits));
        let digest = digest(&SHA256, secret.reveal().as_bytes());
        let sealed = self.vault.seal(SEALED_AS, &name(client, number), digest.as_ref()).map_err(fault)?;
        Ok((KeptSecret { number, sealed, until: None }, secret))
    }

    /// Whether this is a secret of the client that still works.
    pub fn is_secret_of(&self, client: &Client, shown: &str, now: Timestamp) -> Result<bool, StoreFault> {
        let shown = digest(&SHA256, shown.as_bytes());
        let mut found = false;
        for kept in client.secrets.iter().filter(|it| it.until.is_none_or(|it| now < it)) {
            let opened = self.vault.unseal(SEALED_AS, &name(&client.id, kept.number), &kept.sealed).map_err(fault)?;
            found |= verify_slices_are_equal(&opened, shown.as_ref()).is_ok();
        }
        Ok(found)
    }
}

impl Client {
    /// With another secret, beside which those of before still work for a while; those that do not any more are forgotten.
    pub(super) fn with_secret(&self, secret: KeptSecret, now: Timestamp, overlap: Duration) -> Self {
        let ends = now + overlap;
        let older = self.secrets.iter().cloned().map(|it| {
            let until = Some(it.until.map_or(ends, |it| it.min(ends)));
            KeptSecret { until, ..it }
        });
        let alive = older.filter(|it| it.until.is_none_or(|it| now < it));
        Self { secrets: std::iter::once(secret).chain(alive).collect(), ..self.clone() }
    }

    /// The number that the next secret has.
    pub(super) fn next_secret(&self) -> u64 {
        self.secrets.iter().map(|it| it.number).max().map_or(0, |it| it + 1)
    }

    /// When secrets stop beside which there is a newer one.
    pub fn retiring_secrets(&self, now: Timestamp) -> Vec<Timestamp> {
        self.secrets.iter().filter_map(|it| it.until).filter(|it| now < *it).collect()
    }
}

fn name(client: &str, number: u64) -> String {
    format!("{client}/{number}")
}

fn fault(cause: domain::SealFault) -> StoreFault {
    StoreFault { doing: "opening what is kept of a client's secret", source: cause.into() }
}
