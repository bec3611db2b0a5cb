//! What the APIs behind are told of a caller, signed, so that they need not believe whoever merely reaches them.
//!
//! An identity token is good for a minute, at one upstream. It is no access token, and the gate of requests refuses it;
//! nothing of what the caller showed is in it. One serves all requests of a caller to an upstream for half of its life, so
//! that a busy caller costs one signature in half a minute: it proves who calls, not which request.

mod kept;
mod key;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ApiName, Caller, Random, Scope, Timestamp, Upstream, keyformat};
use http::HeaderValue;
use serde::Serialize;

pub use key::{BadIdentityKey, IdentityKey, IdentityKeySet};

use kept::KeptTokens;

/// How long a token is good, unless the key of its caller ends before.
pub const LIFETIME: Duration = Duration::from_mins(1);

/// How many seconds a token is good at least: a request that was let in just before the credential of its caller ends is
/// on its way for a moment.
const UNDER_WAY: i64 = 5;

/// What the header calls a token. Nothing else that is signed here is called so.
const TYPE: &str = "gateway-identity+jwt";

/// How many digits name a token: 131 bits.
const JTI: usize = 22;

/// Whom a token is about, and for whom it is.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// The API that is called.
    pub api: &'a ApiName,
    /// Where the request is sent.
    pub upstream: &'a Upstream,
}

/// What an API behind is told of a caller, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The API that is called.
    pub api: HeaderValue,
    /// Whose resources the caller may reach.
    pub tenant: HeaderValue,
    /// The key of the caller.
    pub caller: HeaderValue,
    /// What it may do, with commas between.
    pub scopes: HeaderValue,
    /// The same and more, signed.
    pub token: HeaderValue,
}

/// A token cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no identity token can be written for this caller")]
pub struct Unwritable;

/// Who makes identity tokens, and keeps those that are still good for a while.
pub struct IdentityTokens {
    signing: ArcSwap<Signing>,
    issuer: String,
}

/// The key that signs now, and what it has signed.
struct Signing {
    key: IdentityKey,
    /// The header, which is the same for all, as it is sent.
    head: String,
    kept: KeptTokens,
    /// What is verified with, the key that signs first.
    public: IdentityKeySet,
}

#[derive(Serialize)]
struct Head<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

/// What a token says.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: String,
    sub: &'a str,
    key: &'a str,
    tenant: &'a str,
    api: &'a str,
    scopes: Vec<&'a str>,
    tier: &'a str,
    auth_method: &'static str,
    jti: String,
    iat: i64,
    exp: i64,
}

impl IdentityTokens {
    /// Signs with this key, in this name; the others are known beside it, as in [`Self::take_in`].
    pub fn new(key: IdentityKey, others: &[IdentityKey], issuer: String) -> Result<Self, Unwritable> {
        Ok(Self { signing: ArcSwap::from_pointee(Signing::new(key, others)?), issuer })
    }

    /// Signs with this key from now on. The others are known beside it: the one that is next, and those that signed just now.
    pub fn take_in(&self, key: IdentityKey, others: &[IdentityKey]) -> Result<(), Unwritable> {
        if self.keys() != key.public_beside(others) {
            self.signing.store(Arc::new(Signing::new(key, others)?));
        }
        Ok(())
    }

    /// What its tokens are verified with.
    pub fn keys(&self) -> IdentityKeySet {
        self.signing.load().public.clone()
    }

    /// What the headers say of who calls, the token with at least half of its life before it. Another standing, be it of the
    /// same key, another upstream and another kind of credential have another.
    pub fn word(&self, about: &About<'_>, now: Timestamp, random: &dyn Random) -> Result<Word, Unwritable> {
        let signing = self.signing.load();
        if let Some(kept) = signing.kept.find(about, now) {
            return Ok(kept);
        }
        let iat = now.seconds();
        let ends = about.caller.standing.expires.map_or(now + LIFETIME, |it| it.min(now + LIFETIME));
        // A key may have ended since the request was decided; what was decided is sent all the same.
        let exp = ends.seconds().max(iat + UNDER_WAY);
        let token = signing.sign(&self.claims(about, (iat, exp), random))?;
        let half = Duration::from_secs(exp.abs_diff(iat)) / 2;
        let since = Timestamp::from_seconds(iat);
        let word = Word::of(about, token)?;
        signing.kept.keep(about, word.clone(), (since, since + half));
        Ok(word)
    }

    fn claims<'a>(&'a self, about: &About<'a>, (iat, exp): (i64, i64), random: &dyn Random) -> Claims<'a> {
        let standing = &about.caller.standing;
        Claims {
            iss: &self.issuer,
            aud: about.upstream.origin(),
            sub: standing.owner.as_deref().unwrap_or(standing.key.as_str()),
            key: standing.key.as_str(),
            tenant: standing.tenant.as_str(),
            api: about.api.as_str(),
            scopes: standing.scopes.iter().map(Scope::as_str).collect(),
            tier: standing.tier.as_str(),
            auth_method: about.caller.method.as_str(),
            jti: keyformat::draw_id("", JTI, random),
            iat,
            exp,
        }
    }
}

impl Word {
    fn of(about: &About<'_>, token: HeaderValue) -> Result<Self, Unwritable> {
        let standing = &about.caller.standing;
        let scopes: Vec<&str> = standing.scopes.iter().map(Scope::as_str).collect();
        let said = |text: &str| HeaderValue::from_str(text).map_err(|_| Unwritable);
        Ok(Self {
            api: said(about.api.as_str())?,
            tenant: said(standing.tenant.as_str())?,
            caller: said(standing.key.as_str())?,
            scopes: said(&scopes.join(","))?,
            token,
        })
    }
}

impl Signing {
    fn new(key: IdentityKey, others: &[IdentityKey]) -> Result<Self, Unwritable> {
        let head = part(&Head { alg: "EdDSA", kid: key.kid(), typ: TYPE })?;
        let public = key.public_beside(others);
        Ok(Self { key, head, kept: KeptTokens::default(), public })
    }

    fn sign(&self, claims: &Claims<'_>) -> Result<HeaderValue, Unwritable> {
        let content = format!("{}.{}", self.head, part(claims)?);
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(content.as_bytes()));
        let mut token = HeaderValue::try_from(format!("{content}.{signature}")).map_err(|_| Unwritable)?;
        // Whoever has it may be this caller for a minute, where nobody asks how they came by it.
        token.set_sensitive(true);
        Ok(token)
    }
}

fn part(of: &impl Serialize) -> Result<String, Unwritable> {
    serde_json::to_vec(of).map(|it| URL_SAFE_NO_PAD.encode(it)).map_err(|_| Unwritable)
}

#[cfg(test)]
mod tests;
