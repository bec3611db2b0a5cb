//! Proofs of possession (RFC 9449): whoever shows a token that is bound to a key signs each of their requests with it, so that
//! the token alone is of no use to anybody.
//!
//! A proof brings its own key. It proves nothing by itself: what counts is that the token names that very key, and that the
//! proof was made for this request, now, and is shown once. Reads no clock and remembers nothing; [`once`] is for whoever does.

mod nonce;
mod refusal;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Arrival, NormalPath, PathMode, Timestamp};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

pub use nonce::{NONCE, Nonces};
pub use refusal::BadProof;

use crate::Signature;
use crate::token::{Alg, Parts, lone_key};

/// The header that carries a proof.
pub const PROOF: &str = "dpop";

/// The scheme of a token that is shown with one.
pub(crate) const SCHEME: &str = "dpop";

/// With what a proof may be signed. One of them has two names (RFC 9864).
pub const PROVED_WITH: [&str; 4] = ["ES256", "EdDSA", "Ed25519", "RS256"];

/// What the header must call a proof.
const TYPE: &str = "dpop+jwt";

/// The longest proof, in bytes: one with an RSA key of 8192 bits fits.
const LONGEST: usize = 4 * 1024;

/// How far the clock of whoever makes a proof may be off, either way.
const WINDOW: Duration = Duration::from_mins(1);

/// The longest name of a proof, in bytes.
const MAX_JTI: usize = 256;

/// How many digits a thumbprint has.
const THUMBPRINT: usize = 43;

/// What a proof must have been made for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// The host that it is sent to.
    pub host: &'a str,
    /// The path, in its one spelling.
    pub path: &'a str,
    /// The token that is shown with it, where one is.
    pub token: Option<&'a str>,
}

/// A proof that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The thumbprint of its key (RFC 7638).
    pub thumbprint: String,
    /// What it is good by for once.
    pub once: Once,
}

/// By what a proof is good now and once, for whoever reads a clock and remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What it is remembered by.
    pub mark: Signature,
    /// The nonce that it repeats.
    pub nonce: Option<String>,
}

impl<'a> Asked<'a> {
    /// What a proof must have been made for that comes with this token.
    pub(crate) fn of(arrival: &'a Arrival, token: &'a str) -> Self {
        Self { method: &arrival.method, host: &arrival.host, path: arrival.path.as_str(), token: Some(token) }
    }
}

/// Whether a text can be the thumbprint of a key.
pub fn is_thumbprint(text: &str) -> bool {
    text.len() == THUMBPRINT && URL_SAFE_NO_PAD.decode(text).is_ok_and(|it| it.len() == 32)
}

/// The proof of a request, if it holds for it at this moment.
pub fn prove(headers: &HeaderMap, asked: &Asked<'_>, now: Timestamp) -> Result<Proof, BadProof> {
    let parts = Parts::of(shown(headers)?, LONGEST).map_err(|_| BadProof::Malformed)?;
    let claims = claims(&parts)?;
    // What costs least comes first: a signature is looked at once all else is as it must be.
    fits(&claims, asked, now)?;
    let header = &parts.header;
    if header.get("typ").and_then(Value::as_str) != Some(TYPE) {
        return Err(BadProof::WrongType);
    }
    let said = |name: &str| matches!(name, "typ" | "alg" | "jwk");
    if header.len() != 3 || !header.keys().all(|it| said(it)) {
        return Err(BadProof::Header);
    }
    let members = header.get("jwk").and_then(Value::as_object).ok_or(BadProof::Key)?;
    let key = lone_key(members).map_err(|_| BadProof::Key)?;
    let alg = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    if alg != key.alg().as_str() && !(key.alg() == Alg::EdDsa && alg == "Ed25519") {
        return Err(BadProof::WrongAlg);
    }
    if !key.has_signed(parts.message, parts.signature) {
        return Err(BadProof::BadSignature);
    }
    let once = once_of(&parts, &claims).ok_or(BadProof::Claim("jti"))?;
    Ok(Proof { thumbprint: key.thumbprint(), once })
}

/// By what the proof of a request is good now and once, where its token is shown with one. Means something only after
/// [`authenticate`](crate::authenticate).
pub fn once(arrival: &Arrival) -> Option<Once> {
    let line = arrival.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, _) = line.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let parts = Parts::of(shown(&arrival.headers).ok()?, LONGEST).ok()?;
    once_of(&parts, &claims(&parts).ok()?)
}

fn once_of(parts: &Parts<'_>, claims: &Map<String, Value>) -> Option<Once> {
    let nonce = claims.get("nonce").and_then(Value::as_str).map(str::to_owned);
    Some(Once { mark: mark_of(parts, claims)?, nonce })
}

/// Its name under its key. Of a signature there may be several for one proof.
fn mark_of(parts: &Parts<'_>, claims: &Map<String, Value>) -> Option<Signature> {
    let (header, _) = parts.message.split_once('.')?;
    let jti = claims.get("jti")?.as_str()?;
    let name = digest(&SHA256, format!("{header}.{jti}").as_bytes());
    // From as early as its own clock may have it to as late as ours may.
    Some(Signature::new(name.as_ref().try_into().ok()?, WINDOW * 2))
}

/// The header, once.
fn shown(headers: &HeaderMap) -> Result<&str, BadProof> {
    let mut lines = headers.get_all(PROOF).iter();
    let line = lines.next().ok_or(BadProof::Missing)?;
    if lines.next().is_some() {
        return Err(BadProof::Twice);
    }
    line.to_str().map_err(|_| BadProof::Malformed)
}

fn claims(parts: &Parts<'_>) -> Result<Map<String, Value>, BadProof> {
    parts.claims().ok_or(BadProof::Malformed)
}

/// Whether what it says is this request, and now.
fn fits(claims: &Map<String, Value>, asked: &Asked<'_>, now: Timestamp) -> Result<(), BadProof> {
    let text = |name: &'static str| claims.get(name).and_then(Value::as_str).ok_or(BadProof::Claim(name));
    let jti = text("jti")?;
    if jti.is_empty() || MAX_JTI < jti.len() {
        return Err(BadProof::Claim("jti"));
    }
    if text("htm")? != asked.method.as_str() {
        return Err(BadProof::WrongMethod);
    }
    if !leads_to(text("htu")?, asked) {
        return Err(BadProof::WrongUri);
    }
    let made = claims.get("iat").and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
    let made = Timestamp::from_seconds(made.ok_or(BadProof::Claim("iat"))?.into());
    if made + WINDOW < now || now + WINDOW < made {
        return Err(BadProof::Stale);
    }
    match asked.token {
        Some(token) if text("ath")? != URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes())) => {
            Err(BadProof::WrongToken)
        }
        _ => Ok(()),
    }
}

/// Whether an address is that of the request: over TLS, host and path in their one spelling, without query and fragment. Ports
/// are not looked at: here they are what happens to be in front of the gateway.
fn leads_to(htu: &str, asked: &Asked<'_>) -> bool {
    let Some(rest) = htu.get(..8).filter(|it| it.eq_ignore_ascii_case("https://")).and_then(|_| htu.get(8..)) else {
        return false;
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host,
        _ => authority,
    };
    let path = if path.is_empty() { "/" } else { path };
    let same = |it: NormalPath| it.as_str() == asked.path;
    host.eq_ignore_ascii_case(asked.host)
        && (path == asked.path || NormalPath::parse(path, PathMode::Api).is_ok_and(same))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
