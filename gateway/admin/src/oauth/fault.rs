//! What OAuth says where something is wrong (RFC 6749 sections 4.1.2.1 and 5.2).

use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use super::keep_nowhere;
use crate::operations::REFUSED;

/// What is wrong, as one word of the standards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    UnsupportedResponseType,
    AccessDenied,
    LoginRequired,
    ConsentRequired,
    RequestNotSupported,
    InvalidRequestUri,
    AuthorizationPending,
    SlowDown,
    ExpiredToken,
    InvalidDpopProof,
    UseDpopNonce,
    InvalidTarget,
}

impl Code {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::InvalidTarget => "invalid_target",
        }
    }
}

/// What is wrong, and what the developer of a client may know of it. Says nothing that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) told: &'static str,
}

impl Fault {
    pub(crate) fn new(code: Code, told: &'static str) -> Self {
        Self { code, told }
    }

    /// As the answer to a client.
    pub(crate) fn answer(self, issuer: &str) -> Response {
        let status = if self.code == Code::InvalidClient { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let body = Json(json!({ "error": self.code.as_str(), "error_description": self.told }));
        let mut response = (status, [(REFUSED, self.code.as_str())], body).into_response();
        keep_nowhere(&mut response);
        // A 401 names a way to be let in (RFC 9110 section 11.6.1).
        let challenge = HeaderValue::try_from(format!("Basic realm=\"{issuer}\""));
        if let (StatusCode::UNAUTHORIZED, Ok(challenge)) = (status, challenge) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
