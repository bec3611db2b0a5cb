//! Whether the gateway sent a request: its signed word for the caller, as anybody can check it who has its public key.
//!
//! Shares no code with the gateway, on purpose: it is written from what is documented.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Clock;
use http::request::Parts;
use serde::Deserialize;

use crate::refused::{Kind, Refused};
use crate::tenants::TENANT_HEADER;

/// The header that holds the token.
pub(crate) const IDENTITY_HEADER: &str = "x-portcullis-identity";

/// How far the clock of the gateway may be off, in seconds.
const LEEWAY: i64 = 5;

/// The longest a token may be good for, in seconds.
const LONGEST: i64 = 60;

/// Where a connection ended: scheme, address and port, as the gateway names it.
#[derive(Clone, Debug)]
pub(crate) struct Origin(pub(crate) String);

/// Who is believed.
#[derive(Debug)]
pub(crate) struct Believed {
    file: PathBuf,
    /// By the names that tokens have for them.
    keys: Mutex<HashMap<String, Vec<u8>>>,
    /// The machine's, not that of the clouds, which tests move.
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    crv: String,
    alg: String,
    kid: String,
    x: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    alg: String,
    kid: String,
    typ: String,
}

/// What is looked at of what a token says.
#[derive(Deserialize)]
struct Claims {
    aud: String,
    key: String,
    tenant: String,
    api: String,
    scopes: Vec<String>,
    iat: i64,
    exp: i64,
}

impl Believed {
    /// Whoever signs with a key of this file. It may appear later, and is read again for a key that it did not have.
    pub(crate) fn of(file: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { file, keys: Mutex::default(), clock }
    }

    /// Turns away what the gateway did not send, or not here, or not now, or not for whom its other headers say.
    pub(crate) fn check(&self, parts: &Parts) -> Result<(), Refused> {
        let mut lines = parts.headers.get_all(IDENTITY_HEADER).iter();
        let token = match (lines.next(), lines.next()) {
            (None, _) => return Err(stranger("no identity token")),
            (Some(_), Some(_)) => return Err(stranger("more than one identity token")),
            (Some(line), None) => line.to_str().map_err(|_| stranger("an identity token that is no text"))?,
        };
        let claims = self.verify(token)?;
        let here = parts.extensions.get::<Origin>().ok_or_else(|| stranger("nobody knows where this is"))?;
        if claims.aud != here.0 {
            return Err(stranger("an identity token for somebody else"));
        }
        let now = self.clock.now().wall.seconds();
        if claims.exp <= now {
            return Err(stranger("an identity token that has expired"));
        }
        if now + LEEWAY < claims.iat || claims.exp - claims.iat > LONGEST {
            return Err(stranger("an identity token of another time"));
        }
        let says = |name: &str| parts.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let same = says(TENANT_HEADER) == claims.tenant
            && says("x-portcullis-caller") == claims.key
            && says("x-portcullis-api") == claims.api
            && says("x-portcullis-scopes") == claims.scopes.join(",");
        if same { Ok(()) } else { Err(stranger("an identity token that says otherwise than the headers beside it")) }
    }

    fn verify(&self, token: &str) -> Result<Claims, Refused> {
        let unread = || stranger("an identity token that cannot be read");
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| unread());
        let (content, signature) = token.rsplit_once('.').ok_or_else(unread)?;
        let (head, claims) = content.split_once('.').ok_or_else(unread)?;
        let head: Head = serde_json::from_slice(&decode(head)?).map_err(|_| unread())?;
        if (head.alg.as_str(), head.typ.as_str()) != ("EdDSA", "gateway-identity+jwt") {
            return Err(stranger("a token that is no identity token"));
        }
        let key = self.key(&head.kid).ok_or_else(|| stranger("an identity token of an unknown key"))?;
        let signed = UnparsedPublicKey::new(&ED25519, key).verify(content.as_bytes(), &decode(signature)?);
        signed.map_err(|_| stranger("an identity token that its key has not signed"))?;
        serde_json::from_slice(&decode(claims)?).map_err(|_| unread())
    }

    fn key(&self, kid: &str) -> Option<Vec<u8>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.contains_key(kid) {
            let published: Published = serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()?;
            let good = |it: &Key| (it.kty.as_str(), it.crv.as_str(), it.alg.as_str()) == ("OKP", "Ed25519", "EdDSA");
            let read = published.keys.into_iter().filter(good);
            *keys = read.filter_map(|it| Some((it.kid, URL_SAFE_NO_PAD.decode(it.x).ok()?))).collect();
        }
        keys.get(kid).cloned()
    }
}

fn stranger(what: &str) -> Refused {
    Refused::new(Kind::Stranger, format!("the gateway does not vouch for this request: {what}"))
}

#[cfg(test)]
mod tests;
