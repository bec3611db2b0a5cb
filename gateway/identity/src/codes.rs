//! Codes: what a client is handed over a browser once a user has let it act for them, and brings to the issuer for tokens.
//!
//! A code is good once, for a minute, and only with what it was made for. Who brings it a second time has it from somebody
//! else, or somebody else has: whatever came of it is ended.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use domain::{ApiName, Change, DeedClass, KeyId, KeyRecord, Scope, TenantId, Timestamp, keyformat};
use serde::{Deserialize, Serialize};

use crate::clients::Client;
use crate::grants::{BegunConsent, Consented, Lapsed, ended};
use crate::kept::Kept;
use crate::publish::Decision;
use crate::signing::digest_of;
use crate::store::{Page, StoreFault};
use crate::terms::{ApiTerms, Terms, Unfit};
use crate::{Identity, Shown};

/// How long a code is good.
pub const CODE_LIFETIME: Duration = Duration::from_mins(1);

/// How long it is remembered after that, so that who brings it again is noticed.
const REMEMBERED: Duration = Duration::from_hours(24);

/// How many digits a code has: 256 bits.
const DIGITS: usize = 43;

/// By what those are found that are on their way for a user.
const BY_USER: &str = "user";

/// What a user has allowed, and everything that a code is good with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// The client that it was allowed.
    pub client: String,
    /// Where the user was sent back to.
    pub redirect_uri: String,
    /// What the verifier must come to (RFC 7636, `S256`).
    pub challenge: String,
    /// What the client wants to see again in the ID token.
    pub nonce: Option<String>,
    /// The user.
    pub user: String,
    /// Whose resources the client may reach.
    pub tenant: TenantId,
    /// At which API.
    pub api: ApiName,
    /// What it may do there.
    pub scopes: Vec<Scope>,
    /// When the user showed who they are, where that is known.
    pub authenticated: Option<Timestamp>,
    /// How they did.
    pub methods: Vec<String>,
    /// The thumbprint of the key that must be proven with the code, where the client has named one (RFC 9449 section 10).
    #[serde(default)]
    pub key: Option<String>,
    /// The session of the browser in which they allowed it. With that, it ends.
    #[serde(default)]
    pub session: Option<String>,
}

/// What a client brings for tokens.
#[derive(Clone, Copy)]
pub struct Brought<'a> {
    /// The code.
    pub code: &'a str,
    /// Where it says that the user was sent back to.
    pub redirect_uri: Option<&'a str>,
    /// What the challenge was made from.
    pub verifier: Option<&'a str>,
    /// The thumbprint of the key that it has proven to hold, where it has.
    pub key: Option<&'a str>,
}

/// What a code was good for.
#[derive(Debug)]
pub struct Redeemed {
    /// What was allowed.
    pub allowed: Allowed,
    /// The grant by which the client acts.
    pub grant: KeyRecord,
    /// What keeps it alive, where the client may have that.
    pub refresh: Option<Shown>,
}

/// A code is good for nothing. Whoever brings it is told no more than that.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// No code of ours.
    #[error("it is no code of this issuer")]
    Unknown,
    /// Of another client.
    #[error("it was given to another client")]
    OtherClient,
    /// Its minute is over.
    #[error("it has expired")]
    Expired,
    /// Made for another place.
    #[error("it was given for another redirect URI")]
    OtherPlace,
    /// Without what the challenge was made from.
    #[error("the verifier is not what the challenge was made from")]
    Verifier,
    /// Without the key that was named.
    #[error("it was given for a key that was not proven")]
    OtherKey,
    /// Nothing is left of what was allowed.
    #[error(transparent)]
    Lapsed(#[from] Lapsed),
    /// It was used before. What came of it is ended with that.
    #[error("it was used before: what came of it is ended")]
    Reused,
    /// The API does not take tokens any more.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// A code, as it is kept: all but the code itself.
#[derive(Clone, Serialize, Deserialize)]
struct Code {
    id: String,
    allowed: Allowed,
    until: Timestamp,
    /// What came of it.
    used: Option<KeyId>,
    /// How often it was brought after that.
    #[serde(default)]
    again: u64,
}

impl Kept for Code {
    const KIND: &'static str = "code";

    fn id(&self) -> &str {
        &self.id
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        // Once it was used, what came of it is found by itself.
        self.used.is_none().then(|| (BY_USER, self.allowed.user.clone())).into_iter().collect()
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.until + REMEMBERED)
    }
}

impl Identity {
    /// The changes that forget the codes that are on their way to a client, or to every one, for a user.
    pub(crate) async fn codes_of(&self, user: &str, client: Option<&str>) -> Result<Vec<Change>, StoreFault> {
        let (mut changes, mut page) = (Vec::new(), Page::default());
        loop {
            let some: Vec<Code> = self.list(None, Some((BY_USER, user)), &page).await?;
            let Some(last) = some.last() else { return Ok(changes) };
            page.after = Some(last.id.clone());
            let meant = some.iter().filter(|it| client.is_none_or(|client| client == it.allowed.client));
            changes.extend(meant.map(Kept::gone));
        }
    }

    /// Makes a code for what a user has allowed.
    pub async fn give_code(&self, allowed: &Allowed) -> Result<Shown, StoreFault> {
        let code = Shown::new(keyformat::draw_id("", DIGITS, &*self.random));
        let until = self.clock.now().wall + CODE_LIFETIME;
        let kept = &Code { id: digest_of(code.reveal()), allowed: allowed.clone(), until, used: None, again: 0 };
        self.settle(|| {
            Box::pin(async move {
                Ok::<_, StoreFault>(Decision { changes: vec![kept.kept()?], deeds: Vec::new(), outcome: () })
            })
        })
        .await?;
        Ok(code)
    }

    /// What a code is good for that this client brings, which has shown that it is the one.
    pub async fn redeem_code(
        &self,
        brought: Brought<'_>,
        client: &Client,
        terms: &Terms,
    ) -> Result<Redeemed, RedeemError> {
        let now = self.clock.now().wall;
        let terms = terms.of(&client.api)?;
        let redeemed = self.settle(|| Box::pin(self.use_code(brought, client, terms, now))).await?;
        redeemed.ok_or(RedeemError::Reused)
    }

    /// `None` where what came of it was ended, because it was used before.
    async fn use_code(
        &self,
        brought: Brought<'_>,
        client: &Client,
        terms: &ApiTerms,
        now: Timestamp,
    ) -> Result<Decision<Option<Redeemed>>, RedeemError> {
        let code: Code = self.find(&digest_of(brought.code)).await?.ok_or(RedeemError::Unknown)?;
        if code.allowed.client != client.id {
            return Err(RedeemError::OtherClient);
        }
        if let Some(grant) = &code.used {
            let grant = self.registry.key(grant).await?;
            let end = grant.as_ref().and_then(|it| ended(it, now));
            let again = code.again.saturating_add(1);
            let deed = || {
                let deed = self.deed(DeedClass::SessionEnd, "reuse").of(&client.tenant).on(&client.id);
                deed.with("kind", "code").with("times", again)
            };
            let deeds = is_entered(again).then(deed).into_iter().collect();
            let changes = end.into_iter().chain([Code { again, ..code.clone() }.kept()?]).collect();
            return Ok(Decision { changes, deeds, outcome: None });
        }
        fits(&code, brought, now)?;
        let allowed = &code.allowed;
        let consented = Consented {
            user: &allowed.user,
            scopes: &allowed.scopes,
            authenticated: allowed.authenticated,
            methods: &allowed.methods,
            session: allowed.session.as_deref(),
            key: brought.key,
        };
        let begun = self.begin_consented::<RedeemError>(consented, client, terms, now).await?;
        let BegunConsent { grant, refresh, mut changes, mut deeds } = begun;
        changes.push(Code { used: Some(grant.id.clone()), ..code.clone() }.kept()?);
        let scopes: Vec<&str> = grant.scopes.iter().map(Scope::as_str).collect();
        let deed = self.deed(DeedClass::SessionStart, "grant").of(&grant.tenant).on(&grant.id);
        let deed = deed.with("kind", "consent").with("client", &client.id).with("scopes", scopes.join(" "));
        deeds.push(deed);
        Ok(Decision { changes, deeds, outcome: Some(Redeemed { allowed: code.allowed, grant, refresh }) })
    }
}

/// Whether a code is brought in time, and with all that it was made for.
fn fits(code: &Code, brought: Brought<'_>, now: Timestamp) -> Result<(), RedeemError> {
    let allowed = &code.allowed;
    if code.until <= now {
        return Err(RedeemError::Expired);
    }
    if brought.redirect_uri != Some(allowed.redirect_uri.as_str()) {
        return Err(RedeemError::OtherPlace);
    }
    let verifier = brought.verifier.filter(|it| is_verifier(it)).ok_or(RedeemError::Verifier)?;
    let same = verify_slices_are_equal(digest_of(verifier).as_bytes(), allowed.challenge.as_bytes());
    same.map_err(|_| RedeemError::Verifier)?;
    let bound = allowed.key.is_some() && allowed.key.as_deref() != brought.key;
    if bound { Err(RedeemError::OtherKey) } else { Ok(()) }
}

/// Whether it is entered that a code was brought again for this time: the first, the tenth, the hundredth and so on, so that
/// whoever goes on and on fills no log.
fn is_entered(times: u64) -> bool {
    10_u64.checked_pow(times.ilog10()) == Some(times)
}

/// RFC 7636 section 4.1.
fn is_verifier(text: &str) -> bool {
    let unreserved = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}
