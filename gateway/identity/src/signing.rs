//! The keys that sign access tokens: drawn, published, used, retired; and withdrawn when one is not secret any more.
//!
//! Each is known to everybody for a day before it signs, so that whoever keeps the set of keys has it by then. One signs
//! at a time. Its private half is destroyed when another takes its place, its public half stays until the last token has
//! ended.

mod issuer;
mod pair;
mod schedule;

use domain::{Change, Deed, DeedClass, Timestamp, TokenKey, TokenKeyAlg, TokenKeyStage};

pub use issuer::{AccessToken, Issuer, NewIdToken, NewToken, NoSigner, TOKEN_LIFETIME};
pub use pair::digest_of;
pub use pair::{BadTokenKey, Jwk, JwkNumbers, draw_token_key};

use schedule::Step;

use crate::Identity;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;

/// A key that signs tokens could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeyError {
    /// It could not be drawn, or sealed.
    #[error(transparent)]
    Undrawn(#[from] BadTokenKey),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for TokenKeyError {}

impl Identity {
    /// Every key that signs tokens, did so or will, in the order in which they were made.
    pub async fn token_keys(&self) -> Result<Vec<TokenKey>, StoreFault> {
        self.registry.token_keys().await
    }

    /// Who makes tokens; it knows no key before it is told of some.
    pub fn issuer(&self) -> Issuer {
        Issuer::new(std::sync::Arc::clone(&self.vault))
    }

    /// Does what is due at this moment: publishes the next key, lets it take over, retires the one before. The very first
    /// key signs at once, because nobody holds an older set.
    pub async fn tend_token_keys(&self, now: Timestamp) -> Result<(), TokenKeyError> {
        let period = self.settings.token_key_period;
        loop {
            let keys = self.registry.token_keys().await?;
            let Some(step) = schedule::due(&keys, now, period) else { return Ok(()) };
            let fresh = match step {
                Step::Publish { due } => {
                    let alg = schedule::alg(&keys, self.settings.token_key_alg);
                    Some(self.draw(alg, now, TokenKeyStage::Published { due }).await?)
                }
                Step::Use(_) | Step::Retire(_) => None,
            };
            self.take_token_key_step(&step, fresh.as_ref(), now).await?;
        }
    }

    async fn take_token_key_step(
        &self,
        step: &Step,
        fresh: Option<&TokenKey>,
        now: Timestamp,
    ) -> Result<(), TokenKeyError> {
        self.settle(|| {
            Box::pin(async move {
                let keys = self.registry.token_keys().await?;
                // Read again: somebody else may have done it since.
                let still = schedule::due(&keys, now, self.settings.token_key_period).is_some_and(|it| it == *step);
                let changed = if still { schedule::taken(step, &keys, fresh, now) } else { Vec::new() };
                Ok::<_, TokenKeyError>(self.token_key_decision(changed))
            })
        })
        .await
    }

    /// Has another key take over as soon as everybody can know it, a day from now; one that waits already does so then. It
    /// signs with this algorithm, or with the one of the key that signs now. One that waits and would sign with another is
    /// let go of: it has signed nothing.
    pub async fn rotate_token_key(&self, alg: Option<TokenKeyAlg>) -> Result<TokenKey, TokenKeyError> {
        self.told(self.token_key_deed("publish", alg, None), self.hasten_token_key(alg)).await
    }

    /// Withdraws every key there is and signs with a new one at once: no token that was made before is good any more, and
    /// whoever keeps the set of keys must fetch it anew. For a key that somebody else may have.
    pub async fn replace_token_key(&self, alg: Option<TokenKeyAlg>) -> Result<TokenKey, TokenKeyError> {
        self.told(self.token_key_deed("withdraw", alg, None), self.withdraw_token_keys(alg)).await
    }

    async fn hasten_token_key(&self, alg: Option<TokenKeyAlg>) -> Result<TokenKey, TokenKeyError> {
        let now = self.clock.now().wall;
        let due = now + schedule::KNOWN_BEFORE_USE;
        let (asked, alg) = (alg, self.alg_or_as_now(alg).await?);
        let fresh = &self.draw(alg, now, TokenKeyStage::Published { due }).await?;
        self.settle(|| {
            Box::pin(async move {
                let keys = self.registry.token_keys().await?;
                let next = schedule::hastened(&keys, fresh, asked);
                let mut changed = schedule::given_up(&keys, &next, asked, now);
                changed.extend((!keys.contains(&next)).then(|| next.clone()));
                let Decision { changes, deeds, outcome: () } = self.token_key_decision(changed);
                Ok::<_, TokenKeyError>(Decision { changes, deeds, outcome: next })
            })
        })
        .await
    }

    async fn withdraw_token_keys(&self, alg: Option<TokenKeyAlg>) -> Result<TokenKey, TokenKeyError> {
        let now = self.clock.now().wall;
        let alg = self.alg_or_as_now(alg).await?;
        let fresh = &self.draw(alg, now, TokenKeyStage::InUse { since: now }).await?;
        self.settle(|| {
            Box::pin(async move {
                let keys = self.registry.token_keys().await?;
                let Decision { changes, deeds, outcome: () } =
                    self.token_key_decision(schedule::withdrawn(&keys, fresh, now));
                Ok::<_, TokenKeyError>(Decision { changes, deeds, outcome: fresh.clone() })
            })
        })
        .await
    }

    async fn alg_or_as_now(&self, alg: Option<TokenKeyAlg>) -> Result<TokenKeyAlg, StoreFault> {
        match alg {
            Some(alg) => Ok(alg),
            None => Ok(schedule::alg(&self.registry.token_keys().await?, self.settings.token_key_alg)),
        }
    }

    /// Drawing takes a few tenths of a second of hard work, for which no other task should wait.
    async fn draw(&self, alg: TokenKeyAlg, now: Timestamp, stage: TokenKeyStage) -> Result<TokenKey, BadTokenKey> {
        let vault = std::sync::Arc::clone(&self.vault);
        let drawn = tokio::task::spawn_blocking(move || draw_token_key(&*vault, alg, now, stage)).await;
        drawn.unwrap_or(Err(BadTokenKey::Undrawn))
    }

    fn token_key_decision(&self, keys: Vec<TokenKey>) -> Decision<()> {
        let deeds = keys.iter().map(|it| self.token_key_deed(action(it.stage), Some(it.alg), Some(it))).collect();
        let changes = keys.into_iter().map(|it| Change::TokenKey(Box::new(it))).collect();
        Decision { changes, deeds, outcome: () }
    }

    fn token_key_deed(&self, action: &str, alg: Option<TokenKeyAlg>, key: Option<&TokenKey>) -> Deed {
        let deed = self.deed(DeedClass::Key, action).with("kind", "token_signing");
        let deed = alg.into_iter().fold(deed, |it, alg| it.with("alg", alg.as_str()));
        match key {
            Some(key) => deed.on(&key.kid).with("stage", key.stage.told().0).with("at", key.stage.told().1),
            None => deed,
        }
    }
}

/// What entries call the step that leads to a stage.
fn action(stage: TokenKeyStage) -> &'static str {
    match stage {
        TokenKeyStage::Published { .. } => "publish",
        TokenKeyStage::InUse { .. } => "use",
        TokenKeyStage::Superseded { .. } => "supersede",
        TokenKeyStage::Retired { .. } => "retire",
        TokenKeyStage::Withdrawn { .. } => "withdraw",
    }
}

#[cfg(test)]
mod tests;
