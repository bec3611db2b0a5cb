//! Access tokens (RFC 9068): what an issuer says of a caller, signed, for minutes.
//!
//! A gate stands before the signature: whatever is not exactly as our issuer writes it is refused, even where a lenient
//! reader would find a way to understand it. And a token never stands instead of the key it was made for: it names that
//! key, and whoever is recognised by it has that key's standing as it is now, cut to the scopes of the token.

mod assertion;
mod claims;
mod inspect;
mod json;
mod jwk;
mod keys;
mod known;
mod outside;
mod refusal;
mod roca;
mod signed;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use domain::{Standing, Timestamp, TokenShown};

pub use assertion::{Asserted, Hint, assertion, claimed_subject, hint};
pub use inspect::{Inspected, inspect};
pub(crate) use jwk::lone_key;
pub use keys::{Alg, BadKeySet, KeySet, Numbers, PublicKey};
pub use outside::{Expected, LogoutToken, OutsideRules, OutsideToken, id_token, logout_token, named_key};
pub use refusal::BadToken;
pub(crate) use signed::Parts;
pub use workload::{Workload, claimed_issuer, workload};

use claims::Claims;
use known::Known;
use signed::Signed;

use crate::{Cause, Entry, Keyring, Unauthenticated};

/// How far the clock of the issuer may be off. It is our own, on this machine or on one beside it.
const LEEWAY: Duration = Duration::from_secs(5);

/// The longest a token may be good for.
const MAX_LIFETIME: Duration = Duration::from_mins(15);

/// What the header must call a token. Other things that our issuer signs are called otherwise.
const TYPE: &str = "at+jwt";

/// Which access tokens an API takes.
#[derive(Clone, Copy, Debug)]
pub struct TokenRules<'a> {
    /// Who must have issued them, and for whom: the public origin of the API, `https://api.novastraxis.com`.
    pub issuer: &'a str,
}

/// What a token is good for now.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What the key or grant behind it may do by it.
    pub standing: Arc<Standing>,
    /// Of whom it speaks.
    pub subject: String,
    /// Who shows it.
    pub client: String,
    /// Its own name.
    pub jti: String,
    /// The thumbprint of the key whose holder alone may show it, where it is bound to one.
    pub bound: Option<String>,
    /// When it was made.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// Looks at a token that is not the credential of the request. Nothing where it opens nothing.
pub fn examine(text: &str, rules: TokenRules<'_>, now: Timestamp, keyring: &Keyring) -> Option<Examined> {
    let known = recall_or_verify(text, rules, now, keyring).ok()?;
    let claims = known.claims();
    let entry = keyring.by_id(&claims.key)?;
    let alive = *entry.tenant() == claims.tenant && entry.alive(now).is_ok() && !entry.standing().suspended;
    alive.then(|| Examined {
        standing: known.standing(entry),
        subject: claims.subject.clone(),
        client: claims.client.clone(),
        jti: claims.jti.clone(),
        bound: claims.bound.clone(),
        issued: claims.issued,
        expires: claims.expires,
    })
}

/// What a token that holds was made for.
pub(crate) struct Proven<'k> {
    /// The key or grant.
    pub(crate) entry: &'k Arc<Entry>,
    /// What the token gives of what that may do.
    pub(crate) standing: Arc<Standing>,
    known: Arc<Known>,
}

/// Finds the key that a token was made for, and what of its standing the token gives. Whether the key still opens
/// anything is not asked here: the caller asks its entry, as for every other credential.
pub(crate) fn prove<'k>(
    text: &str,
    rules: TokenRules<'_>,
    now: Timestamp,
    keyring: &'k Keyring,
) -> Result<Proven<'k>, Unauthenticated> {
    let known = recall_or_verify(text, rules, now, keyring)?;
    let claims = known.claims();
    let entry = keyring.by_id(&claims.key).ok_or(Cause::BadToken(BadToken::UnknownKey))?;
    if *entry.tenant() != claims.tenant {
        return Err(Unauthenticated::of(Cause::BadToken(BadToken::WrongTenant), entry));
    }
    Ok(Proven { standing: known.standing(entry), entry, known })
}

impl Proven<'_> {
    /// What matters of the token itself.
    pub(crate) fn shown(&self) -> Arc<TokenShown> {
        self.known.shown()
    }

    /// The thumbprint of the key whose holder alone may show the token, where it is bound to one.
    pub(crate) fn bound(&self) -> Option<&str> {
        self.known.claims().bound.as_deref()
    }
}

/// Whether a token was verified for this issuer a moment ago, so that nothing of it is left to be verified.
pub(crate) fn is_known(text: &str, rules: TokenRules<'_>, now: Timestamp, keyring: &Keyring) -> bool {
    let known = keyring.token_keys().known();
    known.mark(text).is_some_and(|it| known.find(&it, rules.issuer, now).is_some())
}

fn recall_or_verify(
    text: &str,
    rules: TokenRules<'_>,
    now: Timestamp,
    keyring: &Keyring,
) -> Result<Arc<Known>, Unauthenticated> {
    let keys = keyring.token_keys();
    let mark = keys.known().mark(text);
    if let Some(known) = mark.and_then(|it| keys.known().find(&it, rules.issuer, now)) {
        return Ok(known);
    }
    let (claims, signer) = verify(text, keys)?;
    claims.hold(rules.issuer, now).map_err(|why| named(&claims, why, keyring))?;
    let known = Arc::new(Known::new(claims, signer, now));
    if let Some(mark) = mark {
        keys.known().keep(mark, Arc::clone(&known), now);
    }
    Ok(known)
}

/// What the token says, where a key of the set has signed it, and which.
fn verify(text: &str, keys: &KeySet) -> Result<(Claims, String), Cause> {
    let signed = Signed::parse(text)?;
    if signed.typ() != Some(TYPE) {
        return Err(BadToken::WrongType.into());
    }
    keys.verify(&signed)?;
    Ok((Claims::parse(signed.payload())?, signed.kid().to_owned()))
}

/// Our issuer has signed it, so it is known whose it is.
fn named(claims: &Claims, why: BadToken, keyring: &Keyring) -> Unauthenticated {
    match keyring.by_id(&claims.key) {
        Some(entry) => Unauthenticated::of(why.into(), entry),
        None => Cause::from(why).into(),
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
