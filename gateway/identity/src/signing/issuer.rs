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

/// How long an ID token is good: it is read as soon as it is given.
const ID_TOKEN_LIFETIME: Duration = Duration::from_mins(5);

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
    /// The thumbprint of the key whose holder alone may show it (RFC 9449); nothing for whoever has it.
    pub bound: Option<&'a str>,
}

/// What a client is to be told of the user who has let it act for them (OpenID Connect Core, section 2).
#[derive(Clone, Copy, Debug)]
pub struct NewIdToken<'a> {
    /// In whose name.
    pub issuer: &'a str,
    /// The client.
    pub client: &'a str,
    /// The user.
    pub user: &'a str,
    /// When they showed who they are, where that is known.
    pub authenticated: Option<Timestamp>,
    /// How they did.
    pub methods: &'a [String],
    /// What the client wants to see again.
    pub nonce: Option<&'a str>,
    /// The access token that is given with it.
    pub access_token: &'a str,
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
    /// What the token ends with, where that is not the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<&'a str>,
    tenant: &'a str,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmed<'a>>,
    jti: String,
    iat: i64,
    exp: i64,
}

/// By what whoever shows a token must be known (RFC 7800).
#[derive(Serialize)]
struct Confirmed<'a> {
    jkt: &'a str,
}

/// What an ID token says.
#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    /// Left out where nobody said it: whoever asked for it must not take a guess for it (OpenID Connect Core, section 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
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

    /// Makes a token. Signing with RSA is a quarter of a millisecond of hard work: not for a thread that others wait for.
    pub fn mint(&self, new: NewToken<'_>, now: Timestamp, random: &dyn Random) -> Result<AccessToken, NoSigner> {
        let NewToken { issuer, standing, scopes, bound } = new;
        let keys = self.keys();
        let signer = keys.signer.as_ref().ok_or(NoSigner::None)?;
        let iat = now.seconds();
        let exp = (now + TOKEN_LIFETIME).min(standing.expires.unwrap_or(now + TOKEN_LIFETIME)).seconds();
        let expires_in = u64::try_from(exp - iat).ok().filter(|it| *it > 0).ok_or(NoSigner::Ended)?;
        let allowed = scopes.iter().filter(|it| standing.scopes.contains(it)).map(Scope::as_str);
        let key = standing.key.as_str();
        let client = standing.grant.as_ref().and_then(|it| it.client.as_deref());
        let claims = Claims {
            iss: issuer,
            aud: issuer,
            sub: standing.owner.as_deref().or(client).unwrap_or(key),
            client_id: client.unwrap_or(key),
            grant: client.map(|_| key),
            tenant: standing.tenant.as_str(),
            scope: allowed.collect::<Vec<_>>().join(" "),
            cnf: bound.map(|jkt| Confirmed { jkt }),
            jti: keyformat::draw_id("", JTI, random),
            iat,
            exp,
        };
        Ok(AccessToken { text: Shown::new(signed(signer, "at+jwt", &claims)?), expires_in })
    }

    /// Makes an ID token. It opens nothing, and no gate takes it for an access token.
    pub fn mint_id(&self, new: NewIdToken<'_>, now: Timestamp) -> Result<Shown, NoSigner> {
        let keys = self.keys();
        let signer = keys.signer.as_ref().ok_or(NoSigner::None)?;
        let claims = IdClaims {
            iss: new.issuer,
            aud: new.client,
            sub: new.user,
            iat: now.seconds(),
            exp: (now + ID_TOKEN_LIFETIME).seconds(),
            auth_time: new.authenticated.map(Timestamp::seconds),
            amr: new.methods,
            nonce: new.nonce,
            at_hash: signer.half_of(new.access_token),
        };
        Ok(Shown::new(signed(signer, "JWT", &claims)?))
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn signed(signer: &Signer, typ: &'static str, claims: &impl Serialize) -> Result<String, BadTokenKey> {
    let head = Head { alg: signer.alg(), kid: signer.kid(), typ };
    let content = format!("{}.{}", part(&head)?, part(claims)?);
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(&content)?);
    Ok(format!("{content}.{signature}"))
}

fn part(of: &impl Serialize) -> Result<String, BadTokenKey> {
    // Texts and numbers are always written.
    serde_json::to_vec(of).map(|it| URL_SAFE_NO_PAD.encode(it)).map_err(|_| BadTokenKey::Undrawn)
}
