//! The form of a signed token (RFC 7515 section 7.1), read more strictly than it must be.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::BadToken;
use super::json;
use super::keys::MAX_KID;

/// The longest token, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// A token in its three parts. Nobody has verified it yet.
pub(super) struct Signed<'a> {
    alg: String,
    kid: String,
    typ: Option<String>,
    message: &'a str,
    payload: Vec<u8>,
    signature: &'a str,
}

/// The three parts of whatever is signed so. Nobody has looked at what they say yet.
pub(crate) struct Parts<'a> {
    pub(crate) header: Map<String, Value>,
    /// What was signed.
    pub(crate) message: &'a str,
    payload: Vec<u8>,
    /// In base64url.
    pub(crate) signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Takes a text apart that has this many bytes at most.
    pub(crate) fn of(text: &'a str, longest: usize) -> Result<Self, BadToken> {
        if longest < text.len() {
            return Err(BadToken::Malformed("is longer than it may be"));
        }
        let (message, signature) = text.rsplit_once('.').ok_or(THREE)?;
        let (header, payload) = message.split_once('.').ok_or(THREE)?;
        if payload.contains('.') {
            return Err(THREE);
        }
        let header = decode(header)?;
        let payload = decode(payload)?;
        decode(signature)?;
        Ok(Self { header: json::object(&header).ok_or(HEADER)?, message, payload, signature })
    }

    /// What it says, each name once.
    pub(crate) fn claims(&self) -> Option<Map<String, Value>> {
        json::object(&self.payload)
    }
}

impl<'a> Signed<'a> {
    /// Reads it. All three parts must be base64url without padding, and the header must say nothing but which key has
    /// signed what: keys, addresses of keys, compression and extensions that a header may name (`jwk`, `jku`, `x5c`,
    /// `zip`, `b64`, `crit`) are how others were deceived.
    pub(super) fn parse(text: &'a str) -> Result<Self, BadToken> {
        Self::parse_without(text, &[])
    }

    /// Reads one of somebody else, who may name the certificate of a key besides: it is passed over, and names no key.
    pub(super) fn parse_outside(text: &'a str) -> Result<Self, BadToken> {
        Self::parse_without(text, &["x5t", "x5t#S256"])
    }

    fn parse_without(text: &'a str, passed_over: &[&str]) -> Result<Self, BadToken> {
        let Parts { mut header, message, payload, signature } = Parts::of(text, MAX_TOKEN)?;
        let alg = text_of(&mut header, "alg")?.ok_or(BadToken::Malformed("names no algorithm"))?;
        let kid = text_of(&mut header, "kid")?.ok_or(BadToken::Malformed("names no key of its issuer"))?;
        let typ = text_of(&mut header, "typ")?;
        for name in passed_over {
            text_of(&mut header, name)?;
        }
        if !header.is_empty() {
            return Err(BadToken::Malformed("has a header with more than `alg`, `kid` and `typ`"));
        }
        if MAX_KID < kid.len() {
            return Err(BadToken::Malformed("names a key of its issuer in more than 64 bytes"));
        }
        Ok(Self { alg, kid, typ, message, payload, signature })
    }

    /// With what it says that it was signed.
    pub(super) fn alg(&self) -> &str {
        &self.alg
    }

    /// With which key it says that it was signed.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// What kind of token it says that it is.
    pub(super) fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// What was signed.
    pub(super) fn message(&self) -> &'a str {
        self.message
    }

    /// What it says, once it is verified.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signature, in base64url.
    pub(super) fn signature(&self) -> &'a str {
        self.signature
    }
}

const THREE: BadToken = BadToken::Malformed("is not three parts of base64url without padding");
const HEADER: BadToken = BadToken::Malformed("has a header that is no JSON object of texts, each name once");

fn decode(part: &str) -> Result<Vec<u8>, BadToken> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| THREE)
}

fn text_of(header: &mut Map<String, Value>, name: &str) -> Result<Option<String>, BadToken> {
    match header.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(HEADER),
    }
}
