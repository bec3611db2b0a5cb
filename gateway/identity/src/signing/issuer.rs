//! Making access tokens (RFC 9068) with the key that signs now. Knows no store, and is told the time.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Random, Scope, Standing, Timestamp, TokenKey, TokenKeyStage, Vault, keyformat};
use serde::Serialize;

use super::pair::{BadTokenKey, Jwk, Signer};
use crate::Shown;

/// How long a token is good, unless its key ends before.
pub const TOKEN_LIFETIME: Duration = Duration::from_mins(15);

/// How many digits name a token: 131 bits.
const JTI: usize = 22;

/// Who makes tokens.
pub struct Issuer {
    vault: Arc<dyn Vault>,
    keys: RwLock<Arc<Keys>>,
}

/// The keys as they are now.
#[derive(Default)]
struct Keys {
    signer: Option<Signer>,
    jwks: Vec<Jwk>,
}

/// A token to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// In whose name: the public origin of the API that it is for.
    pub issuer: &'a str,
    /// The standing of the key that it is for.
    pub standing: &'a Standing,
    /// What it is to be good for; what of that the key may not do is left out.
    pub scopes: &'a [Scope],
}

/// A token that was just made.
#[derive(Debug)]
pub struct AccessToken {
    /// The token itself.
    pub text: Shown,
    /// How long it is good, in whole seconds.
    pub expires_in: u64,
}

/// No token can be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSigner {
    /// No key signs.
    #[error("there is no key to sign tokens with")]
    None,
    /// The key that a token is for has ended, or ends before a second has passed.
    #[error("the key that the token is for has ended")]
    Ended,
    /// The key that signs does not.
    #[error(transparent)]
    Bad(#[from] BadTokenKey),
}

/// The head of every token.
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
    aud: &'a str,
    sub: &'a str,
    client_id: &'a str,
    tenant: &'a str,
    scope: String,
    jti: String,
    iat: i64,
    exp: i64,
}

impl Issuer {
    /// With no key yet; `vault` opens those that it is given.
    pub fn new(vault: Arc<dyn Vault>) -> Self {
        Self { vault, keys: RwLock::default() }
    }

    /// Takes these keys in the place of all others. Where one is at fault the others are taken all the same.
    pub fn take_in(&self, keys: &[TokenKey]) -> Result<(), BadTokenKey> {
        let mut fault = Ok(());
        let mut next = Keys::default();
        for key in keys.iter().filter(|it| it.stage.verifies()) {
            match Jwk::of(key) {
                Ok(jwk) => next.jwks.push(jwk),
                Err(cause) => fault = Err(cause),
            }
            let TokenKeyStage::InUse { .. } = key.stage else { continue };
            match Signer::open(key, key.sealed.as_deref().unwrap_or_default(), &*self.vault) {
                Ok(signer) => next.signer = Some(signer),
                Err(cause) => fault = Err(cause),
            }
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        fault
    }

    /// The keys by which its tokens are known, those that are yet to sign among them.
    pub fn jwks(&self) -> Vec<Jwk> {
        self.keys().jwks.clone()
    }

    /// Makes a token. Signing is a quarter of a millisecond of hard work: not for a thread that others wait for.
    pub fn mint(&self, new: NewToken<'_>, now: Timestamp, random: &dyn Random) -> Result<AccessToken, NoSigner> {
        let NewToken { issuer, standing, scopes } = new;
        let keys = self.keys();
        let signer = keys.signer.as_ref().ok_or(NoSigner::None)?;
        let iat = now.seconds();
        let exp = (now + TOKEN_LIFETIME).min(standing.expires.unwrap_or(now + TOKEN_LIFETIME)).seconds();
        let expires_in = u64::try_from(exp - iat).ok().filter(|it| *it > 0).ok_or(NoSigner::Ended)?;
        let allowed = scopes.iter().filter(|it| standing.scopes.contains(it)).map(Scope::as_str);
        let claims = Claims {
            iss: issuer,
            aud: issuer,
            sub: standing.owner.as_deref().unwrap_or(standing.key.as_str()),
            client_id: standing.key.as_str(),
            tenant: standing.tenant.as_str(),
            scope: allowed.collect::<Vec<_>>().join(" "),
            jti: keyformat::draw_id("", JTI, random),
            iat,
            exp,
        };
        let head = Head { alg: "RS256", kid: signer.kid(), typ: "at+jwt" };
        let content = format!("{}.{}", part(&head)?, part(&claims)?);
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(&content)?);
        Ok(AccessToken { text: Shown::new(format!("{content}.{signature}")), expires_in })
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn part(of: &impl Serialize) -> Result<String, BadTokenKey> {
    // Texts and numbers are always written.
    serde_json::to_vec(of).map(|it| URL_SAFE_NO_PAD.encode(it)).map_err(|_| BadTokenKey::Undrawn)
}
