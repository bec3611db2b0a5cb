//! Assertions of clients (RFC 7523): each is good once.

use std::time::Duration;

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use super::Client;
use crate::Identity;
use crate::kept::Kept;
use crate::publish::Decision;
use crate::signing::digest_of;
use crate::store::StoreFault;

/// How much longer than it is good an assertion is remembered: more than clocks differ by.
const REMEMBERED: Duration = Duration::from_mins(1);

/// That an assertion was used.
#[derive(Serialize, Deserialize)]
struct Used {
    id: String,
    until: Timestamp,
}

impl Kept for Used {
    const KIND: &'static str = "assertion";

    fn id(&self) -> &str {
        &self.id
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

impl Identity {
    /// Uses an assertion of a client that is called `jti` and ends then; false where it was used before.
    pub async fn use_assertion(&self, client: &Client, jti: &str, ends: Timestamp) -> Result<bool, StoreFault> {
        // A digest, for the client may write anything and at any length.
        let id = digest_of(&format!("{}\n{jti}", client.id));
        self.settle(|| {
            let used = Used { id: id.clone(), until: ends + REMEMBERED };
            Box::pin(async move {
                let fresh = self.find::<Used>(&used.id).await?.is_none();
                let changes = if fresh { vec![used.kept()?] } else { Vec::new() };
                Ok(Decision { changes, deeds: Vec::new(), outcome: fresh })
            })
        })
        .await
    }
}
