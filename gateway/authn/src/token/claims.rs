//! What a token says: the claims that our issuer writes, every one of them required.

use domain::{KeyId, Scope, TenantId, Timestamp};
use serde_json::{Map, Value};

use super::{BadToken, LEEWAY, MAX_LIFETIME, json};
use crate::dpop::is_thumbprint;

/// How many digits a token's own name has.
const JTI_LEN: usize = 22;

/// The claims of a token that was verified.
pub(super) struct Claims {
    /// The key or grant that it was made for.
    pub(super) key: KeyId,
    /// Of whom it speaks.
    pub(super) subject: String,
    /// Who shows it: the client, where one acts by a grant, or else the key.
    pub(super) client: String,
    /// Its own name.
    pub(super) jti: String,
    /// Whose resources that key reached then.
    pub(super) tenant: TenantId,
    /// What it gives at most; sorted, without repeats.
    pub(super) scopes: Vec<Scope>,
    /// Who issued it.
    pub(super) issuer: String,
    /// When it ends.
    pub(super) expires: Timestamp,
    /// The thumbprint of the key whose holder alone may show it, where it is bound to one.
    pub(super) bound: Option<String>,
    /// When it was made.
    pub(super) issued: Timestamp,
    audience: String,
    not_before: Option<Timestamp>,
}

impl Claims {
    /// Reads them. A claim of another type than ours is not converted: a list of issuers is no issuer, and a text that
    /// looks like a number is no number.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, BadToken> {
        let said = json::object(payload)
            .ok_or(BadToken::Malformed("has a payload that is no JSON object, each name once at any depth"))?;
        let subject = text(&said, "sub")?.to_owned();
        let jti = text(&said, "jti")?;
        if jti.len() != JTI_LEN || !jti.bytes().all(|it| it.is_ascii_alphanumeric()) {
            return Err(BadToken::Claim("jti"));
        }
        let not_before = if said.contains_key("nbf") { Some(moment(&said, "nbf")?) } else { None };
        let client = text(&said, "client_id")?;
        // Where a client acts by a grant, the grant is what the token was made for.
        let (name, key) =
            if said.contains_key("grant") { ("grant", text(&said, "grant")?) } else { ("client_id", client) };
        Ok(Self {
            key: key.parse().map_err(|_| BadToken::Claim(name))?,
            subject,
            client: client.to_owned(),
            jti: jti.to_owned(),
            tenant: text(&said, "tenant")?.parse().map_err(|_| BadToken::Claim("tenant"))?,
            scopes: scopes(said.get("scope")).ok_or(BadToken::Claim("scope"))?,
            issuer: text(&said, "iss")?.to_owned(),
            expires: moment(&said, "exp")?,
            bound: bound(&said)?,
            audience: text(&said, "aud")?.to_owned(),
            issued: moment(&said, "iat")?,
            not_before,
        })
    }

    /// Whether they hold at this moment, for this issuer.
    pub(super) fn hold(&self, issuer: &str, now: Timestamp) -> Result<(), BadToken> {
        if self.issuer != issuer {
            return Err(BadToken::WrongIssuer);
        }
        if self.audience != issuer {
            return Err(BadToken::WrongAudience);
        }
        if self.expires <= self.issued || self.issued + MAX_LIFETIME < self.expires {
            return Err(BadToken::TooLong);
        }
        let begins = self.not_before.map_or(self.issued, |it| it.max(self.issued));
        if now + LEEWAY < begins {
            return Err(BadToken::NotYetValid);
        }
        if self.expires + LEEWAY <= now {
            return Err(BadToken::Expired);
        }
        Ok(())
    }
}

fn text<'a>(said: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, BadToken> {
    said.get(name).and_then(Value::as_str).filter(|it| !it.is_empty()).ok_or(BadToken::Claim(name))
}

/// Nothing but the thumbprint of a key (RFC 9449 section 6.1). What else may confirm a token is not known here, and a token
/// that wants to be confirmed in another way must not be taken for one that does not.
fn bound(said: &Map<String, Value>) -> Result<Option<String>, BadToken> {
    let Some(confirmed) = said.get("cnf") else { return Ok(None) };
    let members = confirmed.as_object().filter(|it| it.len() == 1).ok_or(BadToken::Claim("cnf"))?;
    let thumbprint = members.get("jkt").and_then(Value::as_str).filter(|it| is_thumbprint(it));
    thumbprint.map(|it| Some(it.to_owned())).ok_or(BadToken::Claim("cnf"))
}

/// Whole seconds since 1970, and few enough that sums with them stay sums.
fn moment(said: &Map<String, Value>, name: &'static str) -> Result<Timestamp, BadToken> {
    let seconds = said.get(name).and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
    seconds.map(|it| Timestamp::from_seconds(it.into())).ok_or(BadToken::Claim(name))
}

/// Names with one space between two of them (RFC 8693 section 4.2); none at all where the key has none.
fn scopes(said: Option<&Value>) -> Option<Vec<Scope>> {
    let text = said?.as_str()?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut scopes: Vec<Scope> = text.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    scopes.sort_unstable();
    scopes.dedup();
    Some(scopes)
}
