//! Following the registry: keys, tenants, and the keys that sign tokens, as other processes change them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use authn::token::{KeySet, Numbers, PublicKey};
use authn::{Keyring, KeyringBuilder};
use domain::{Change, TokenKey, TokenKeyStage, Version};
use identity::{Jwk, JwkNumbers, News};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Office, ROUND, told};

/// How often changes of keys made by other processes are looked for.
const POLL: Duration = Duration::from_millis(200);

/// How often it is looked what is due with the keys that sign tokens.
const TEND: Duration = Duration::from_mins(1);

/// How long verbs have the store to themselves between two parts of what is forgotten.
const BREATH: Duration = Duration::from_millis(10);

impl Office {
    pub(super) async fn watch_keys(&self, mut stopped: watch::Receiver<bool>) {
        let mut poll = interval(POLL);
        let mut round = interval(ROUND);
        // An interval begins at once; there is nothing to write down yet.
        round.reset();
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = told(&mut stopped) => return,
                _ = poll.tick() => self.follow_keys().await,
                _ = round.tick() => self.round().await,
            }
        }
    }

    /// Forgets what has had its time until nothing of it is left, because anybody may have had more kept than one part is.
    async fn sweep(&self, stopped: &watch::Receiver<bool>) {
        while !*stopped.borrow() {
            match self.identity.registry().sweep(self.gateway.clock.now().wall).await {
                Ok(true) => sleep(BREATH).await,
                Ok(false) => return,
                Err(cause) => return tracing::error!(%cause, "what has had its time could not be forgotten"),
            }
        }
    }

    /// Does what is due with the keys that sign tokens until told to stop. Apart from the following of keys, because a key
    /// takes long to draw, and forgetting what has had its time takes long too; what has changed is taken in there like all else.
    pub(super) async fn tend_token_keys(&self, mut stopped: watch::Receiver<bool>) {
        let mut look = interval(TEND);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = told(&mut stopped) => return,
                _ = look.tick() => {
                    if let Err(cause) = self.identity.tend_token_keys(self.gateway.clock.now().wall).await {
                        tracing::error!(%cause, "the keys that sign tokens cannot be looked after");
                    }
                    self.fit_to_roles().await;
                    self.sweep(&stopped).await;
                    if let Err(cause) = self.tend_identity_keys().await {
                        tracing::error!(%cause, "the keys that sign identity tokens cannot be looked after");
                    }
                    if let Err(cause) = self.name_ending().await {
                        tracing::error!(%cause, "it cannot be entered which keys end soon");
                    }
                }
            }
        }
    }

    /// Takes in what other processes have changed. Out of touch, the last known keys stay in force, and it shows.
    async fn follow_keys(&self) {
        if let Err(cause) = self.come_into_force().await {
            tracing::error!(%cause, "keys cannot be followed");
        }
        if let Err(cause) = self.follow_identity_keys() {
            tracing::error!(%cause, "the keys that sign identity tokens cannot be followed");
        }
        if let Err(cause) = self.diary.enter_deeds().await {
            tracing::error!(%cause, "what commands have done cannot be entered");
        }
    }

    /// Takes in whatever was published before this was called.
    pub(crate) async fn come_into_force(&self) -> Result<(), identity::StoreFault> {
        let _following = self.following.lock().await;
        self.diary.hold_registry().await?;
        let newest = self.identity.registry().version().await?;
        loop {
            let seen = self.version.load(Ordering::Acquire);
            let version = self.take_in(seen).await?;
            self.guests.follow(&self.identity, version != seen).await?;
            self.version.store(version, Ordering::Release);
            // There is only so much at a time; and where nothing comes, the registry was replaced by an older one.
            if newest <= version || version == seen {
                break;
            }
        }
        if let Err(cause) = self.followed.up_to(self.version.load(Ordering::Acquire)) {
            tracing::error!(%cause, "commands cannot be told what is in force");
        }
        self.heard.store(self.gateway.clock.tick().nanos(), Ordering::Release);
        Ok(())
    }

    async fn take_in(&self, seen: Version) -> Result<Version, identity::StoreFault> {
        match self.identity.registry().changes_since(seen).await? {
            News::Changes(version, changes) => {
                if !changes.is_empty() {
                    let signs = changes.iter().any(|it| matches!(it, Change::TokenKey(_)));
                    let keyring = self.gateway.keys().apply(changes);
                    if signs {
                        let token_keys = self.identity.token_keys().await?;
                        self.put_in_force(keyring.with_token_keys(key_set(&token_keys)), &token_keys);
                    } else {
                        self.gateway.keyring.store(Arc::new(keyring));
                    }
                }
                Ok(version)
            }
            News::Rewritten => {
                let mut keys = KeyringBuilder::new();
                let version = self.identity.registry().load(&mut |change| keys.add(change)).await?;
                let token_keys = self.identity.token_keys().await?;
                self.put_in_force(keys.finish().with_token_keys(key_set(&token_keys)), &token_keys);
                self.guests.forget();
                tracing::warn!(version, "the registry was replaced; all keys were read anew");
                Ok(version)
            }
        }
    }

    /// First what tokens are verified with, then who signs them: no token is given out before it is good.
    fn put_in_force(&self, keyring: Keyring, token_keys: &[TokenKey]) {
        self.gateway.keyring.store(Arc::new(keyring));
        if let Err(cause) = self.issuer.take_in(token_keys) {
            tracing::error!(%cause, "not every key that signs tokens can be used");
        }
    }
}

/// What tokens are verified with. Where a key is at fault no token is good.
pub(crate) fn key_set(token_keys: &[TokenKey]) -> KeySet {
    let good = token_keys.iter().filter(|it| it.stage.verifies());
    let public = good.filter_map(|it| Jwk::of(it).ok());
    let public = public.map(|it| PublicKey { kid: it.kid().to_owned(), numbers: numbers(it.numbers()) });
    let set = KeySet::of(public).unwrap_or_else(|cause| {
        tracing::error!(%cause, "the keys that sign tokens are not good");
        KeySet::default()
    });
    let withdrawn = token_keys.iter().filter(|it| matches!(it.stage, TokenKeyStage::Withdrawn { .. }));
    set.having_withdrawn(withdrawn.map(|it| it.kid.clone()))
}

fn numbers(of: &JwkNumbers) -> Numbers {
    match of {
        JwkNumbers::Rsa { n, e } => Numbers::Rsa { n: n.clone(), e: e.clone() },
        JwkNumbers::P256 { x, y, .. } => Numbers::P256 { x: *x, y: *y },
        JwkNumbers::Ed25519 { x, .. } => Numbers::Ed25519 { x: *x },
    }
}
