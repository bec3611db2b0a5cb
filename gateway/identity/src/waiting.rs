//! What waits for its answer: requests that a client has left here, and those that a user is asked about.

use std::time::Duration;

use domain::{Timestamp, keyformat};
use serde::{Deserialize, Serialize};

use crate::kept::Kept;
use crate::publish::Decision;
use crate::signing::digest_of;
use crate::store::StoreFault;
use crate::{Identity, Shown};

/// How many digits name what waits: 256 bits, for whoever has the name has what waits.
const HANDLE: usize = 43;

/// Something that waits. Its name is kept as a digest.
#[derive(Serialize, Deserialize)]
struct Waiting {
    id: String,
    what: String,
    /// Who alone may have it.
    whose: String,
    text: String,
    until: Timestamp,
}

impl Kept for Waiting {
    const KIND: &'static str = "waiting";

    fn id(&self) -> &str {
        &self.id
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}

impl Identity {
    /// Keeps something for a while, for this client or user alone. Gives the name by which it is had again.
    pub async fn keep_waiting(
        &self,
        what: &str,
        whose: &str,
        text: &str,
        lasts: Duration,
    ) -> Result<Shown, StoreFault> {
        let handle = Shown::new(keyformat::draw_id("", HANDLE, &*self.random));
        let waiting = &Waiting {
            id: digest_of(handle.reveal()),
            what: what.to_owned(),
            whose: whose.to_owned(),
            text: text.to_owned(),
            until: self.clock.now().wall + lasts,
        };
        self.settle(|| {
            Box::pin(async move {
                Ok::<_, StoreFault>(Decision { changes: vec![waiting.kept()?], deeds: Vec::new(), outcome: () })
            })
        })
        .await?;
        Ok(handle)
    }

    /// What waits under this name, if it is theirs. It goes on waiting.
    pub async fn waiting(&self, what: &str, whose: &str, handle: &str) -> Result<Option<String>, StoreFault> {
        Ok(self.find_waiting(what, whose, handle).await?.map(|it| it.text))
    }

    /// What waited under this name, if it is theirs. It is had once.
    pub async fn take_waiting(&self, what: &str, whose: &str, handle: &str) -> Result<Option<String>, StoreFault> {
        self.settle(|| {
            Box::pin(async move {
                let found = self.find_waiting(what, whose, handle).await?;
                let changes = found.iter().map(Kept::gone).collect();
                Ok(Decision { changes, deeds: Vec::new(), outcome: found.map(|it| it.text) })
            })
        })
        .await
    }

    async fn find_waiting(&self, what: &str, whose: &str, handle: &str) -> Result<Option<Waiting>, StoreFault> {
        let now = self.clock.now().wall;
        let found = self.find::<Waiting>(&digest_of(handle)).await?;
        Ok(found.filter(|it| it.what == what && it.whose == whose && now < it.until))
    }
}
