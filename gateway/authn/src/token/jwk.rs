//! Key sets as issuers publish them (RFC 7517).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json;
use super::keys::VerifyingKey;
use super::{Alg, BadKeySet, KeySet, Numbers, PublicKey};

/// The longest set that is read, in bytes.
const MAX_SET: usize = 256 * 1024;

/// What only a private key or a shared secret has. A set that gives one away is not to be trusted with anything.
const SECRETS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// What a key is called in errors that has no name.
const LONE: &str = "the key";

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

    /// Reads a set of somebody else. A secret or a shared one in it is a fault of the set, and so are two keys of one name;
    /// keys for something else, or of a kind that is not taken here, are passed over. Where a key does not name its
    /// algorithm it is the one of its kind, which is the only one that it is ever used with.
    pub fn from_outside(text: &[u8]) -> Result<Self, BadKeySet> {
        if MAX_SET < text.len() {
            return Err(BadKeySet::Unreadable);
        }
        let set = json::object(text).ok_or(BadKeySet::Unreadable)?;
        let all = set.get("keys").and_then(Value::as_array).ok_or(BadKeySet::Unreadable)?;
        let all: Vec<&Members> =
            all.iter().map(Value::as_object).collect::<Option<_>>().ok_or(BadKeySet::Unreadable)?;
        if let Some(secret) = all.iter().find(|it| has_secrets(it)) {
            return Err(BadKeySet::Secret(member(secret, "kid").unwrap_or_default().chars().take(64).collect()));
        }
        Self::of_those_that_are_good(all.into_iter().filter_map(outside_key))
    }
}

/// A key of somebody else that signatures can be verified with.
fn outside_key(members: &Members) -> Option<PublicKey> {
    let key = PublicKey { kid: member(members, "kid")?.to_owned(), numbers: numbers(members)? };
    let fits = members.get("alg").is_none_or(|it| it == key.alg().as_str());
    (fits && for_signatures(members)).then_some(key)
}

fn has_secrets(members: &Members) -> bool {
    SECRETS.iter().any(|it| members.contains_key(*it))
}

/// The key that comes with what it has signed: public, for signatures, and looked at as those of a set are.
pub(crate) fn lone_key(members: &Members) -> Result<LoneKey, BadKeySet> {
    let kid = || LONE.to_owned();
    if SECRETS.iter().any(|it| members.contains_key(*it)) {
        return Err(BadKeySet::Secret(kid()));
    }
    if !for_signatures(members) {
        return Err(BadKeySet::WrongUse(kid()));
    }
    let key = PublicKey { kid: kid(), numbers: numbers(members).ok_or_else(|| BadKeySet::Unusable(kid()))? };
    let own = key.alg().as_str();
    if members.get("alg").is_some_and(|it| it != own) {
        return Err(BadKeySet::WrongAlg(key.kid));
    }
    Ok(LoneKey { verifying: key.check()?, key })
}

/// A key that was found good.
pub(crate) struct LoneKey {
    key: PublicKey,
    verifying: VerifyingKey,
}

impl LoneKey {
    /// What it verifies.
    pub(crate) fn alg(&self) -> Alg {
        self.key.alg()
    }

    /// Whether it made this signature, which is spelled in base64url.
    pub(crate) fn has_signed(&self, message: &str, signature: &str) -> bool {
        self.verifying.has_signed(message, signature)
    }

    /// What it is known by (RFC 7638): the digest of what it is made of, in one spelling.
    pub(crate) fn thumbprint(&self) -> String {
        let text = |it: &[u8]| URL_SAFE_NO_PAD.encode(it);
        let members = match &self.key.numbers {
            Numbers::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Numbers::P256 { x, y } => format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y)),
            Numbers::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x)),
        };
        text(digest(&SHA256, members.as_bytes()).as_ref())
    }
}

fn key(value: &Value) -> Result<PublicKey, BadKeySet> {
    let members = value.as_object().ok_or(BadKeySet::Unreadable)?;
    let kid = member(members, "kid").ok_or(BadKeySet::Kid)?.to_owned();
    if has_secrets(members) {
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
