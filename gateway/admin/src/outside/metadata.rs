//! What a provider says of itself (OpenID Connect Discovery), as far as it is needed.

use identity::Elsewhere;
use serde_json::{Map, Value};

/// Where a provider does what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Where users sign in.
    pub(super) authorization: String,
    /// Where codes become tokens.
    pub(super) token: String,
    /// Where its keys are.
    pub(super) jwks: String,
    /// Where more is told of a user.
    pub(super) userinfo: Option<String>,
    /// Where users sign out.
    pub(crate) end_session: Option<String>,
    /// Whether it wants our secret in the body and not in the header.
    pub(super) posts_secret: bool,
    /// Whether it names itself in its answers (RFC 9207).
    pub(super) names_itself: bool,
}

/// What a provider says of itself cannot be gone by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMetadata {
    /// Not an object of JSON.
    #[error("what it says of itself is no JSON object")]
    Unreadable,
    /// It says that it is somebody else.
    #[error("what is said there is of another issuer")]
    Issuer,
    /// Something is missing, or is where nobody may be asked.
    #[error("its `{0}` is missing, or at no address that may be asked")]
    Place(&'static str),
}

impl Metadata {
    /// Where it is.
    pub(super) fn place(elsewhere: Elsewhere<'_>) -> String {
        format!("{}/.well-known/openid-configuration", elsewhere.issuer.trim_end_matches('/'))
    }

    pub(super) fn read(text: &[u8], elsewhere: Elsewhere<'_>) -> Result<Self, BadMetadata> {
        let said = said(text, elsewhere)?;
        let place = |name| place(&said, name, elsewhere);
        let methods = said.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let takes = |name: &str| methods.is_some_and(|it| it.iter().any(|it| it == name));
        Ok(Self {
            authorization: place("authorization_endpoint")?,
            token: place("token_endpoint")?,
            jwks: place("jwks_uri")?,
            userinfo: place("userinfo_endpoint").ok(),
            end_session: place("end_session_endpoint").ok(),
            posts_secret: takes("client_secret_post") && !takes("client_secret_basic"),
            names_itself: said.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        })
    }
}

/// Where the keys are of somebody who need not let anybody sign in.
pub(super) fn place_of_keys(text: &[u8], elsewhere: Elsewhere<'_>) -> Result<String, BadMetadata> {
    place(&said(text, elsewhere)?, "jwks_uri", elsewhere)
}

fn said(text: &[u8], elsewhere: Elsewhere<'_>) -> Result<Map<String, Value>, BadMetadata> {
    let said: Map<String, Value> = serde_json::from_slice(text).map_err(|_| BadMetadata::Unreadable)?;
    // To the letter: else one issuer could speak for another.
    let own = said.get("issuer").and_then(Value::as_str) == Some(elsewhere.issuer);
    if own { Ok(said) } else { Err(BadMetadata::Issuer) }
}

fn place(said: &Map<String, Value>, name: &'static str, elsewhere: Elsewhere<'_>) -> Result<String, BadMetadata> {
    let at = said.get(name).and_then(Value::as_str).filter(|it| elsewhere.may_be_at(it));
    at.map(str::to_owned).ok_or(BadMetadata::Place(name))
}
