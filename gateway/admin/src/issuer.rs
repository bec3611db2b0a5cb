//! What everybody may know of the issuer of access tokens: its keys, and what it offers.

use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Json, Response};
use domain::Declined;
use serde_json::{Value, json};

use crate::operations::{Operations, Question};

/// How long an answer may be kept by whoever asked: far shorter than a key is known before it signs.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The public halves of the keys, as a set (RFC 7517).
pub(crate) fn keys(operations: &Operations) -> Response {
    public(json!({ "keys": operations.books().issuer().jwks() }))
}

/// What is offered (RFC 8414), and nothing that is not: no grant is, where tokens are given for access keys alone.
pub(crate) fn metadata(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let offered = operations.books().offered(&question.introduction.api).ok_or(Declined::Failed)?;
    let mut told = json!({
        "issuer": offered.issuer,
        "scopes_supported": offered.scopes,
        "response_types_supported": [],
        "grant_types_supported": [],
    });
    if let (Some(uri), Some(told)) = (offered.keys, told.as_object_mut()) {
        told.insert("jwks_uri".to_owned(), uri.into());
    }
    Ok(public(told))
}

fn public(told: Value) -> Response {
    ([(CACHE_CONTROL, KEPT)], Json(told)).into_response()
}
