//! Refresh tokens: a chain of secrets that all come from one seed, so that each is known again however old it is.
//!
//! A token names its grant and its place in the chain, and is proved by an HMAC of that place under the seed. Whoever shows
//! one from before the last is a thief or was robbed, and the grant ends (RFC 9700 section 4.14.2). For half a minute after a
//! token was used, whoever shows it again is given the one at the end of the chain, however many turns that is away, because
//! callers ask twice when an answer is lost, or ask from several tabs at once. There is one chain, and never a branch of it.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ApiName, Change, DeedClass, KeyId, KeyRecord, Scope, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::ended;
use crate::kept::Kept;
use crate::publish::Decision;
use crate::store::StoreFault;
use crate::{Identity, Shown};

/// How long a token is good after the turn that made its successor.
const GRACE: Duration = Duration::from_secs(30);

/// How many turns of the last half minute are remembered. Where there would be more, the token does not turn for a while.
const TURNS: usize = 50;

/// What a seed is sealed as.
const SEALED_AS: &str = "refresh seed";

/// The longest token there can be, in bytes.
const LONGEST: usize = 256;

/// The refresh tokens of one grant.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Chain {
    /// The grant.
    grant: KeyId,
    /// The seed, sealed under the master key.
    seed: Vec<u8>,
    /// Who alone may show its tokens; `None` for whoever holds them.
    client: Option<String>,
    /// The thumbprint of the key that must be proven with each of them, where they are bound to one.
    #[serde(default)]
    key: Option<String>,
    /// How it goes on.
    renewal: Renewal,
    /// The place of the token that is good now.
    place: u64,
    /// When it came to that place.
    turned: Timestamp,
    /// The places from before the last that were left within the grace, and when.
    #[serde(default)]
    left: Vec<(u64, Timestamp)>,
    /// When all of it ends.
    until: Timestamp,
}

impl Kept for Chain {
    const KIND: &'static str = "refresh";

    fn id(&self) -> &str {
        self.grant.as_str()
    }

    fn until(&self) -> Option<Timestamp> {
        // As long as a grant is kept that ends by itself.
        Some(self.until + Duration::from_hours(24))
    }
}

impl Chain {
    /// The change after which no refresh token of a grant is known.
    pub(crate) fn gone_of(grant: &KeyId) -> Change {
        Change::RecordGone(Self::KIND, grant.as_str().to_owned())
    }

    /// Whether the token of a place was used so lately that whoever shows it again may have asked twice.
    fn left_just_now(&self, place: u64, now: Timestamp) -> bool {
        let before = self.left.iter().find(|(it, _)| *it == place).map(|(_, at)| *at);
        let left = if place + 1 == self.place { Some(self.turned) } else { before };
        left.is_some_and(|it| now < it + GRACE)
    }

    /// One place on, where it turns at all.
    fn turn(&self, now: Timestamp) -> Option<Self> {
        let mut left = self.left.clone();
        left.extend(self.place.checked_sub(1).map(|it| (it, self.turned)));
        left.retain(|(_, at)| now < *at + GRACE);
        let turns = self.renewal == Renewal::Turning && left.len() < TURNS;
        turns.then(|| Self { place: self.place + 1, turned: now, left, ..self.clone() })
    }
}

/// Whoever shows a refresh token, or is given the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holder<'a> {
    /// The client, which has shown that it is the one; `None` where a user acts without one.
    pub client: Option<&'a str>,
    /// The thumbprint of the key that it has proven to hold, where it has.
    pub key: Option<&'a str>,
}

/// How refresh tokens follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Renewal {
    /// Each is good once and brings the next: for whoever cannot keep a secret.
    Turning,
    /// One for all of the life of the grant: for a client that authenticates itself.
    Lasting,
}

/// What a refresh token was good for.
#[derive(Debug)]
pub struct Refreshed {
    /// The grant, which is alive.
    pub grant: KeyRecord,
    /// The token to be shown the next time.
    pub token: Shown,
}

/// A refresh token is good for nothing. Whoever shows it is told no more than that.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// No token of ours.
    #[error("it is no refresh token of this issuer")]
    Unknown,
    /// Of another client.
    #[error("it was given to another client")]
    OtherClient,
    /// Bound to a key that was not proven.
    #[error("it is bound to another key, or to one where none was proven")]
    OtherKey,
    /// Of another API.
    #[error("it was given for another API")]
    OtherApi,
    /// Its time is over, or its grant was ended.
    #[error("it has ended")]
    Ended,
    /// More was asked for than its grant may do. Nothing is used up by that.
    #[error("more was asked for than its grant may do")]
    Beyond,
    /// It was used before, and not just now. Its grant is ended with that.
    #[error("it was used before: its grant is ended")]
    Reused,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// A token as it is shown: `<grant>.<place>.<proof>`.
struct Spelled<'a> {
    grant: KeyId,
    place: u64,
    proof: &'a str,
}

impl<'a> Spelled<'a> {
    fn read(text: &'a str) -> Option<Self> {
        if LONGEST < text.len() {
            return None;
        }
        let mut parts = text.split('.');
        let (grant, place, proof) = (parts.next()?, parts.next()?, parts.next()?);
        // One spelling for one token.
        let canonical = place == "0" || !place.starts_with('0') && place.bytes().all(|it| it.is_ascii_digit());
        if parts.next().is_some() || !canonical {
            return None;
        }
        Some(Self { grant: grant.parse().ok()?, place: place.parse().ok()?, proof })
    }
}

impl Identity {
    /// Begins the refresh tokens of a grant that is about to be published: the change that goes with it, and the first one.
    pub(crate) fn begin_chain(
        &self,
        grant: &KeyRecord,
        holder: Holder<'_>,
        renewal: Renewal,
        now: Timestamp,
    ) -> Result<(Change, Shown), StoreFault> {
        let mut seed = Zeroizing::new([0; 32]);
        self.random.fill(&mut *seed);
        let sealed = self.vault.seal(SEALED_AS, grant.id.as_str(), &*seed).map_err(unsealed)?;
        let chain = Chain {
            grant: grant.id.clone(),
            seed: sealed,
            client: holder.client.map(str::to_owned),
            key: holder.key.map(str::to_owned),
            renewal,
            place: 0,
            turned: now,
            left: Vec::new(),
            until: grant.expires.unwrap_or(now),
        };
        Ok((chain.kept()?, spell(&grant.id, 0, &*seed)))
    }

    /// What a refresh token is good for, shown by this client to this API, if it is good.
    pub async fn refresh(&self, text: &str, client: Option<&str>, api: &ApiName) -> Result<Refreshed, RefreshError> {
        self.refresh_for(text, Holder { client, key: None }, api, &[]).await
    }

    /// The same, shown by a client that has proven to hold a key, or has not, and asks for this much of what its grant may do.
    pub async fn refresh_for(
        &self,
        text: &str,
        holder: Holder<'_>,
        api: &ApiName,
        asked: &[Scope],
    ) -> Result<Refreshed, RefreshError> {
        let shown = &Spelled::read(text).ok_or(RefreshError::Unknown)?;
        let now = self.clock.now().wall;
        let turned = self.settle(|| Box::pin(self.turn(shown, (holder, api, asked), now))).await?;
        turned.ok_or(RefreshError::Reused)
    }

    /// `None` where the grant was ended because the token was used before.
    async fn turn(
        &self,
        shown: &Spelled<'_>,
        (holder, api, asked): (Holder<'_>, &ApiName, &[Scope]),
        now: Timestamp,
    ) -> Result<Decision<Option<Refreshed>>, RefreshError> {
        let chain: Chain = self.find(shown.grant.as_str()).await?.ok_or(RefreshError::Unknown)?;
        let seed = self.vault.unseal(SEALED_AS, chain.grant.as_str(), &chain.seed).map_err(unsealed)?;
        let genuine = verify_slices_are_equal(prove(shown.place, &seed).as_bytes(), shown.proof.as_bytes()).is_ok();
        if !genuine || chain.place < shown.place {
            return Err(RefreshError::Unknown);
        }
        if chain.client.as_deref() != holder.client {
            return Err(RefreshError::OtherClient);
        }
        if chain.key.is_some() && chain.key.as_deref() != holder.key {
            return Err(RefreshError::OtherKey);
        }
        let grant = self.registry.key(&chain.grant).await?.ok_or(RefreshError::Ended)?;
        if grant.api != *api {
            return Err(RefreshError::OtherApi);
        }
        let Some(end) = ended(&grant, now) else { return Err(RefreshError::Ended) };
        // Nothing is used up by it: what is suspended may be resumed.
        if !self.is_open(&grant.tenant).await? {
            return Err(RefreshError::Ended);
        }
        if shown.place < chain.place && !chain.left_just_now(shown.place, now) {
            let deed =
                self.deed(DeedClass::SessionEnd, "reuse").of(&grant.tenant).on(&grant.id).with("api", &grant.api);
            return Ok(Decision { changes: vec![end], deeds: vec![deed], outcome: None });
        }
        // Before it turns: whoever asks for too much is told so, and asks again with what they have.
        if asked.iter().any(|it| !grant.scopes.contains(it)) {
            return Err(RefreshError::Beyond);
        }
        let turned = if shown.place == chain.place { chain.turn(now) } else { None };
        let place = turned.as_ref().map_or(chain.place, |it| it.place);
        let changes = turned.iter().map(Kept::kept).collect::<Result<_, _>>()?;
        let token = spell(&grant.id, place, &seed);
        Ok(Decision { changes, deeds: Vec::new(), outcome: Some(Refreshed { grant, token }) })
    }

    /// The grant that a refresh token of this client keeps alive now. Looking at it does not use it.
    pub async fn refreshes(&self, text: &str, client: &str) -> Result<Option<KeyRecord>, StoreFault> {
        let now = self.clock.now().wall;
        let Some(shown) = Spelled::read(text) else { return Ok(None) };
        let Some(grant) = self.grant_behind(text, Some(client)).await? else { return Ok(None) };
        let chain = self.find::<Chain>(shown.grant.as_str()).await?;
        let current = chain.is_some_and(|it| it.place == shown.place);
        Ok(Some(grant).filter(|it| current && ended(it, now).is_some()))
    }

    /// The grant that a refresh token belongs to, whoever has it and whether or not it is good any more. For operators.
    pub async fn grant_of_refresh_token(&self, text: &str) -> Result<Option<KeyRecord>, StoreFault> {
        let Some(shown) = Spelled::read(text) else { return Ok(None) };
        let chain = self.find::<Chain>(shown.grant.as_str()).await?;
        let client = chain.and_then(|it| it.client);
        self.grant_behind(text, client.as_deref()).await
    }

    /// The grant that a refresh token of this client belongs to, whether or not it is good any more. For whoever ends it.
    pub async fn grant_behind(&self, text: &str, client: Option<&str>) -> Result<Option<KeyRecord>, StoreFault> {
        let Some(shown) = Spelled::read(text) else { return Ok(None) };
        let Some(chain) = self.find::<Chain>(shown.grant.as_str()).await? else { return Ok(None) };
        let seed = self.vault.unseal(SEALED_AS, chain.grant.as_str(), &chain.seed).map_err(unsealed)?;
        let genuine = verify_slices_are_equal(prove(shown.place, &seed).as_bytes(), shown.proof.as_bytes()).is_ok();
        if genuine && chain.client.as_deref() == client { self.registry.key(&chain.grant).await } else { Ok(None) }
    }
}

fn spell(grant: &KeyId, place: u64, seed: &[u8]) -> Shown {
    Shown::new(format!("{grant}.{place}.{}", prove(place, seed)))
}

fn prove(place: u64, seed: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, seed);
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, &place.to_be_bytes()))
}

fn unsealed(cause: domain::SealFault) -> StoreFault {
    StoreFault { doing: "opening what refresh tokens are made from", source: cause.into() }
}
