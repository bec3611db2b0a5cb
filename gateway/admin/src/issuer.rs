//! What everybody may know of the issuer of access tokens: its keys, and what it offers.

use authn::dpop::PROVED_WITH;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, NativeVerb};
use identity::{ClientAuth, ClientGrant, Jwk, PERSONAL_SCOPES};
use serde_json::{Map, Value, json};

use crate::oauth::TOKEN_EXCHANGE;
use crate::operations::{Offered, Operations, Question};

/// How long an answer may be kept by whoever asked: far shorter than a key is known before it signs.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// With what a client may sign its assertions.
const ASSERTED_WITH: [&str; 3] = ["RS256", "ES256", "EdDSA"];

/// What ID tokens and `/oauth/userinfo` say of users.
const CLAIMS: [&str; 12] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "name", "preferred_username", "email"];

/// Answers what is asked of the issuer.
pub(crate) fn answer(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let metadata = question.introduction.verb == NativeVerb::IssuerMetadata;
    if metadata { self::metadata(operations, question) } else { Ok(keys(operations)) }
}

/// The public halves of the keys, as a set (RFC 7517).
fn keys(operations: &Operations) -> Response {
    public(json!({ "keys": operations.books().issuer().jwks() }))
}

/// What is offered (RFC 8414, OpenID Connect Discovery), and nothing that is not: where an API gives tokens for access keys
/// alone, there is no grant. Both addresses are told the same.
fn metadata(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let offered = operations.books().offered(&question.introduction.api).ok_or(Declined::Failed)?;
    Ok(public(Value::Object(told(&offered, &signed_with(operations)))))
}

/// What tokens are signed with: the algorithms of all keys that are known, so that whoever reads this when a key of another
/// algorithm is yet to sign knows it by then.
fn signed_with(operations: &Operations) -> Vec<&'static str> {
    let mut algs: Vec<&str> = operations.books().issuer().jwks().iter().map(Jwk::alg).collect();
    algs.sort_unstable();
    algs.dedup();
    algs
}

fn told(offered: &Offered, signed_with: &[&str]) -> Map<String, Value> {
    let mut told = Map::new();
    let mut tell = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
    tell("issuer", offered.issuer.clone().into());
    for (name, verb) in [
        ("jwks_uri", NativeVerb::IssuerKeys),
        ("token_endpoint", NativeVerb::CreateToken),
        ("revocation_endpoint", NativeVerb::RevokeToken),
        ("introspection_endpoint", NativeVerb::IntrospectToken),
        ("pushed_authorization_request_endpoint", NativeVerb::PushRequest),
        ("authorization_endpoint", NativeVerb::Authorize),
        ("device_authorization_endpoint", NativeVerb::BeginDevice),
        ("userinfo_endpoint", NativeVerb::UserInfo),
        ("end_session_endpoint", NativeVerb::Logout),
    ] {
        if let Some(place) = offered.place(verb) {
            tell(name, place.into());
        }
        let lists_methods =
            matches!(verb, NativeVerb::CreateToken | NativeVerb::RevokeToken | NativeVerb::IntrospectToken);
        if lists_methods && offered.place(verb).is_some() {
            // Whoever keeps no secret is told nothing of tokens.
            let known = |it: &ClientAuth| *it != ClientAuth::None || verb != NativeVerb::IntrospectToken;
            let methods: Vec<&str> = ClientAuth::ALL.iter().filter(|it| known(it)).map(|it| it.as_str()).collect();
            tell(&format!("{name}_auth_methods_supported"), methods.into());
            tell(&format!("{name}_auth_signing_alg_values_supported"), ASSERTED_WITH.into());
        }
    }
    let (tokens, users) = (offered.place(NativeVerb::CreateToken), offered.place(NativeVerb::Authorize));
    if offered.place(NativeVerb::CreateToken).is_some() {
        tell("dpop_signing_alg_values_supported", PROVED_WITH.into());
    }
    let grants = ClientGrant::ALL.iter().filter(|it| it.takes().iter().all(|verb| offered.place(*verb).is_some()));
    let exchanged = tokens.map(|_| TOKEN_EXCHANGE);
    tell("grant_types_supported", grants.map(|it| it.as_str()).chain(exchanged).collect::<Vec<_>>().into());
    let mut scopes = offered.scopes.clone();
    if users.is_some() {
        scopes.extend(PERSONAL_SCOPES.map(str::to_owned));
        scopes.sort_unstable();
        scopes.dedup();
        tell("response_types_supported", json!(["code"]));
        tell("response_modes_supported", json!(["query"]));
        tell("code_challenge_methods_supported", json!(["S256"]));
        tell("prompt_values_supported", json!(["none", "login", "consent"]));
        tell("authorization_response_iss_parameter_supported", true.into());
        tell("request_parameter_supported", false.into());
        tell("request_uri_parameter_supported", false.into());
        tell("subject_types_supported", json!(["public"]));
        tell("id_token_signing_alg_values_supported", signed_with.into());
        tell("claims_supported", json!(CLAIMS));
    } else {
        tell("response_types_supported", json!([]));
    }
    tell("scopes_supported", scopes.into());
    told
}

fn public(told: Value) -> Response {
    ([(CACHE_CONTROL, KEPT)], Json(told)).into_response()
}
