//! Key sets as issuers publish them (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;
use super::{BadKeySet, KeySet, Numbers, PublicKey};

/// The longest set that is read, in bytes.
const MAX_SET: usize = 256 * 1024;

/// What only a private key or a shared secret has. A set that gives one away is not to be trusted with anything.
const SECRETS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

type Members = Map<String, Value>;

impl KeySet {
    /// Reads a set that an issuer has published, and looks at every key of it as [`KeySet::of`] does. A key that is not
    /// for signatures, or not of a kind that is taken here, is a fault of the set.
    pub fn from_json(text: &[u8]) -> Result<Self, BadKeySet> {
        if MAX_SET < text.len() {
            return Err(BadKeySet::Unreadable);
        }
        let set = json::object(text).ok_or(BadKeySet::Unreadable)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(BadKeySet::Unreadable)?;
        let keys: Vec<PublicKey> = keys.iter().map(key).collect::<Result<_, _>>()?;
        Self::of(keys)
    }
}

fn key(value: &Value) -> Result<PublicKey, BadKeySet> {
    let members = value.as_object().ok_or(BadKeySet::Unreadable)?;
    let kid = member(members, "kid").ok_or(BadKeySet::Kid)?.to_owned();
    if SECRETS.iter().any(|it| members.contains_key(*it)) {
        return Err(BadKeySet::Secret(kid));
    }
    if !for_signatures(members) {
        return Err(BadKeySet::WrongUse(kid));
    }
    let Some(numbers) = numbers(members) else { return Err(BadKeySet::Unusable(kid)) };
    let key = PublicKey { kid, numbers };
    if member(members, "alg") == Some(key.alg().as_str()) { Ok(key) } else { Err(BadKeySet::WrongAlg(key.kid)) }
}

/// Whether it is for verifying signatures. Who says nothing of what a key is for says at least its algorithm.
fn for_signatures(members: &Members) -> bool {
    let used = members.get("use").is_none_or(|it| it == "sig");
    let verifies = |it: &Value| it.as_array().is_some_and(|it| it.iter().any(|it| it == "verify"));
    used && members.get("key_ops").is_none_or(verifies)
}

fn numbers(members: &Members) -> Option<Numbers> {
    let number = |name| URL_SAFE_NO_PAD.decode(member(members, name)?).ok();
    let of_32 = |name| <[u8; 32]>::try_from(number(name)?).ok();
    match (member(members, "kty")?, member(members, "crv")) {
        ("RSA", _) => Some(Numbers::Rsa { n: number("n")?, e: number("e")? }),
        ("EC", Some("P-256")) => Some(Numbers::P256 { x: of_32("x")?, y: of_32("y")? }),
        ("OKP", Some("Ed25519")) => Some(Numbers::Ed25519 { x: of_32("x")? }),
        _ => None,
    }
}

fn member<'a>(members: &'a Members, name: &str) -> Option<&'a str> {
    members.get(name)?.as_str()
}
