//! What a provider elsewhere says: who a user is (OpenID Connect Core, section 2), and that they have left (Back-Channel
//! Logout 1.0). Both are read as strictly as our own tokens, as far as others let us; neither opens anything by itself.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use serde_json::{Map, Value};

use super::assertion::{moment, object, text_of};
use super::signed::Signed;
use super::{Alg, BadToken, KeySet};

/// How far the clock of somebody else may be off.
const LEEWAY: Duration = Duration::from_mins(1);

/// How long before it is shown a token may have been made: an ID token is fetched at once, and who has left is told of soon.
const AGE: Duration = Duration::from_mins(10);

/// The longest name of a user, in bytes (OpenID Connect Core, section 2), and of a session or a token.
const MAX_NAME: usize = 255;

/// How many ways of showing who one is are heard of, and how long each may be, in bytes.
const MAX_METHODS: usize = 10;
const MAX_METHOD: usize = 64;

/// What a token is called that says that somebody has left.
const LOGOUT: &str = "logout+jwt";

/// The one thing that such a token tells of.
const LEFT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Whose tokens are believed.
#[derive(Clone, Copy, Debug)]
pub struct OutsideRules<'a> {
    /// Who must have made them.
    pub issuer: &'a str,
    /// For whom: what the provider calls us.
    pub client: &'a str,
    /// What they may be signed with.
    pub algs: &'a [Alg],
}

/// What an ID token must be an answer to.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// What was sent along with the request.
    pub nonce: &'a str,
    /// The access token that came with it.
    pub access_token: Option<&'a str>,
    /// How long ago the user may have shown who they are, where that was asked for.
    pub max_age: Option<Duration>,
}

/// An ID token of somebody else that was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct OutsideToken {
    /// The user, as the provider calls them for ever.
    pub subject: String,
    /// Their session there, where it says so.
    pub session: Option<String>,
    /// When they showed who they are, where it says so.
    pub authenticated: Option<Timestamp>,
    /// How they did (`amr`), and how much that is worth there (`acr`, behind `acr:`).
    pub methods: Vec<String>,
    /// Everything that it says.
    pub claims: Map<String, Value>,
}

/// That somebody has left, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// Who, everywhere.
    pub subject: Option<String>,
    /// Or which of their sessions.
    pub session: Option<String>,
    /// The name of the token, which is good once.
    pub jti: String,
    /// Until when it could be shown again.
    pub ends: Timestamp,
}

/// The key that a token says that it is signed with. Nobody has verified that yet.
pub fn named_key(text: &str) -> Option<String> {
    Signed::parse_outside(text).ok().map(|it| it.kid().to_owned())
}

/// Reads the ID token that answers a request of ours.
pub fn id_token(
    text: &str,
    rules: OutsideRules<'_>,
    keys: &KeySet,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<OutsideToken, BadToken> {
    let signed = Signed::parse_outside(text)?;
    if signed.typ().is_some_and(|it| !it.eq_ignore_ascii_case("JWT")) {
        return Err(BadToken::WrongType);
    }
    let said = verified(&signed, rules, keys, now)?;
    if text_of(&said, "nonce")? != expected.nonce {
        return Err(BadToken::Claim("nonce"));
    }
    holds_access_token(&said, signed.alg(), expected.access_token)?;
    let authenticated = if said.contains_key("auth_time") { Some(moment(&said, "auth_time")?) } else { None };
    if let Some(most) = expected.max_age
        && authenticated.is_none_or(|it| most.saturating_add(LEEWAY) < now.since(it))
    {
        return Err(BadToken::Claim("auth_time"));
    }
    let methods = methods(&said);
    let subject = name(&said, "sub")?.ok_or(BadToken::Claim("sub"))?;
    Ok(OutsideToken { subject, session: name(&said, "sid")?, authenticated, methods, claims: said })
}

/// Reads what says that somebody has left.
pub fn logout_token(
    text: &str,
    rules: OutsideRules<'_>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<LogoutToken, BadToken> {
    let signed = Signed::parse_outside(text)?;
    if signed.typ().is_some_and(|it| !["JWT", LOGOUT].iter().any(|known| known.eq_ignore_ascii_case(it))) {
        return Err(BadToken::WrongType);
    }
    let said = verified(&signed, rules, keys, now)?;
    let tells = said.get("events").and_then(|it| it.get(LEFT)).is_some_and(Value::is_object);
    if !tells {
        return Err(BadToken::Claim("events"));
    }
    // An ID token has one, and would otherwise end the session of its user.
    if said.contains_key("nonce") {
        return Err(BadToken::WrongType);
    }
    let (subject, session) = (name(&said, "sub")?, name(&said, "sid")?);
    if subject.is_none() && session.is_none() {
        return Err(BadToken::Claim("sub"));
    }
    let jti = name(&said, "jti")?.ok_or(BadToken::Claim("jti"))?;
    Ok(LogoutToken { subject, session, jti, ends: now + AGE + LEEWAY + LEEWAY })
}

/// What a token says that one of the keys has signed, for us, for now.
fn verified(
    signed: &Signed<'_>,
    rules: OutsideRules<'_>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<Map<String, Value>, BadToken> {
    if !rules.algs.iter().any(|it| it.as_str() == signed.alg()) {
        return Err(BadToken::WrongAlg);
    }
    keys.verify(signed)?;
    let said = object(signed)?;
    if text_of(&said, "iss")? != rules.issuer {
        return Err(BadToken::WrongIssuer);
    }
    // For us alone: what was meant for others as well, they could have brought here.
    let audience = match said.get("aud") {
        Some(Value::Array(all)) if all.len() == 1 => all.first().and_then(Value::as_str),
        Some(other) => other.as_str(),
        None => None,
    };
    let party = said.get("azp").map_or(Some(rules.client), Value::as_str);
    if audience != Some(rules.client) || party != Some(rules.client) {
        return Err(BadToken::WrongAudience);
    }
    let (issued, ends) = (moment(&said, "iat")?, moment(&said, "exp")?);
    if ends + LEEWAY <= now {
        return Err(BadToken::Expired);
    }
    let begins = if said.contains_key("nbf") { moment(&said, "nbf")?.max(issued) } else { issued };
    if now + LEEWAY < begins {
        return Err(BadToken::NotYetValid);
    }
    if issued + AGE + LEEWAY <= now {
        return Err(BadToken::Expired);
    }
    Ok(said)
}

/// Whether the access token that came along is the one that it was made with, where it says so.
fn holds_access_token(said: &Map<String, Value>, alg: &str, token: Option<&str>) -> Result<(), BadToken> {
    if !said.contains_key("at_hash") {
        return Ok(());
    }
    let token = token.ok_or(BadToken::Claim("at_hash"))?;
    // Ed25519 hashes with SHA-512, and so is its half of a hash.
    let (algorithm, half) = if alg == Alg::EdDsa.as_str() { (&SHA512, 32) } else { (&SHA256, 16) };
    let whole = digest(algorithm, token.as_bytes());
    let made = URL_SAFE_NO_PAD.encode(whole.as_ref().get(..half).unwrap_or_default());
    if text_of(said, "at_hash")? == made { Ok(()) } else { Err(BadToken::Claim("at_hash")) }
}

fn name(said: &Map<String, Value>, claim: &'static str) -> Result<Option<String>, BadToken> {
    if !said.contains_key(claim) {
        return Ok(None);
    }
    let text = text_of(said, claim)?;
    let fits = text.len() <= MAX_NAME && !text.contains(char::is_control);
    if fits { Ok(Some(text.to_owned())) } else { Err(BadToken::Claim(claim)) }
}

/// What is said of how somebody showed who they are, as far as it can be one of the words that are used for it.
fn methods(said: &Map<String, Value>) -> Vec<String> {
    let word = |it: &str| (1..=MAX_METHOD).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_graphic());
    let all = said.get("amr").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut methods: Vec<String> = all.filter(|it| word(it)).take(MAX_METHODS).map(str::to_owned).collect();
    let class = said.get("acr").and_then(Value::as_str).filter(|it| word(it));
    methods.extend(class.map(|it| format!("acr:{it}")));
    methods
}

#[cfg(test)]
mod tests;
