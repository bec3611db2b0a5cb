//! What a cloud answers instead of success, before any API has worded it.
//!
//! Handlers say what is wrong; `dialect` knows how each API says it.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// A request that is turned away, with what its sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What is wrong.
    pub(crate) kind: Kind,
    /// The sentence its sender reads.
    pub(crate) message: String,
    /// The parameter or field at fault.
    pub(crate) param: Option<String>,
}

/// The ways to be turned away. Each dialect has a status and a code for every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A parameter or a body that does not fit: 400.
    Invalid,
    /// No tenant was named, so the request did not come through the gateway: 401.
    Stranger,
    /// Not there, deleted, or another tenant's: 404.
    NotFound,
    /// The path exists, the method does not: 405.
    Method,
    /// The state of the resource forbids it: 409.
    Conflict,
    /// More bytes than are taken: 413.
    TooLarge,
    /// Asked for by `/control/faults`, with the status given there.
    Fault(u16),
}

impl Kind {
    /// The status every dialect gives it.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Stranger => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Fault(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

impl Refused {
    /// Turned away for `kind`, told `message`.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), param: None }
    }

    /// 400 for the parameter or field `param`.
    pub(crate) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self { kind: Kind::Invalid, message: message.into(), param: Some(param.to_owned()) }
    }

    /// 404 for a resource, which may well be another tenant's.
    pub(crate) fn not_found(noun: &str, id: &str) -> Self {
        Self::new(Kind::NotFound, format!("{noun} {id} does not exist"))
    }

    /// 409, told why.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }
}

impl IntoResponse for Refused {
    /// Carries itself in the extensions: the gate words it, since only the gate knows the API and the request's id.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.kind.status();
        response.extensions_mut().insert(self);
        response
    }
}
