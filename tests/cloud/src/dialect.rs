//! How each API words what it refuses, as its reference shows it.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use crate::refused::{Kind, Refused};

/// The wording of one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `{"error_code", "message", "request_id"}`
    Novastraxis,
    /// `{"error": {"code", "message", "request_id"}}`, of both APIs on the CloudNexus host
    CloudNexus,
    /// `{"error": "..."}` and nothing else
    CloudNx,
    /// `{"error": {"message", "type", "param", "code"}}`
    Novastack,
}

impl Dialect {
    /// The answer that says `refused`, bearing the id of its request.
    pub(crate) fn word(self, refused: &Refused, request_id: &str) -> Response {
        let body = self.body(refused, request_id);
        let mut response = (refused.kind.status(), body.to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn body(self, refused: &Refused, request_id: &str) -> Value {
        let (message, id) = (&refused.message, format!("req_{}", request_id.trim_start_matches("req_")));
        match self {
            Self::Novastraxis => {
                json!({ "error_code": novastraxis_code(refused.kind), "message": message, "request_id": id })
            }
            Self::CloudNexus => {
                let code = cloudnexus_code(refused.kind);
                json!({ "error": { "code": code, "message": message, "request_id": id } })
            }
            Self::CloudNx => json!({ "error": message }),
            Self::Novastack => {
                let (kind, code) = novastack_code(refused.kind);
                json!({ "error": { "message": message, "type": kind, "param": refused.param, "code": code } })
            }
        }
    }
}

fn novastraxis_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "invalid_request",
        Kind::Stranger => "unauthorized",
        Kind::NotFound => "not_found",
        Kind::Method => "method_not_allowed",
        Kind::Conflict => "conflict",
        Kind::TooLarge => "payload_too_large",
        Kind::Fault(429) => "rate_limited",
        Kind::Fault(503) => "service_unavailable",
        Kind::Fault(_) => "internal_error",
    }
}

fn cloudnexus_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "INVALID_REQUEST",
        Kind::Stranger => "UNAUTHORIZED",
        Kind::NotFound => "RESOURCE_NOT_FOUND",
        Kind::Method => "METHOD_NOT_ALLOWED",
        Kind::Conflict => "CONFLICT",
        Kind::TooLarge => "PAYLOAD_TOO_LARGE",
        Kind::Fault(429) => "RATE_LIMITED",
        Kind::Fault(503) => "SERVICE_UNAVAILABLE",
        Kind::Fault(_) => "INTERNAL_ERROR",
    }
}

fn novastack_code(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Invalid => ("invalid_request_error", "invalid_request"),
        Kind::Stranger => ("authentication_error", "invalid_api_key"),
        Kind::NotFound => ("invalid_request_error", "not_found"),
        Kind::Method => ("invalid_request_error", "method_not_allowed"),
        Kind::Conflict => ("conflict_error", "conflict"),
        Kind::TooLarge => ("invalid_request_error", "payload_too_large"),
        Kind::Fault(429) => ("rate_limit_error", "rate_limit_exceeded"),
        Kind::Fault(_) => ("server_error", "server_error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_words_the_same_refusal_its_own_way() {
        let refused = Refused::not_found("Instance", "inst_9x7a2b1c");
        let told = "Instance inst_9x7a2b1c does not exist";
        assert_eq!(
            Dialect::Novastraxis.body(&refused, "77"),
            json!({ "error_code": "not_found", "message": told, "request_id": "req_77" })
        );
        assert_eq!(
            Dialect::CloudNexus.body(&refused, "req_77"),
            json!({ "error": { "code": "RESOURCE_NOT_FOUND", "message": told, "request_id": "req_77" } })
        );
        assert_eq!(Dialect::CloudNx.body(&refused, "77"), json!({ "error": told }));
        assert_eq!(
            Dialect::Novastack.body(&Refused::invalid("model", "no"), "77"),
            json!({ "error": { "message": "no", "type": "invalid_request_error", "param": "model", "code": "invalid_request" } })
        );
    }

    #[test]
    fn a_refusal_is_json_with_the_status_of_its_kind() {
        let answer = Dialect::CloudNx.word(&Refused::conflict("taken"), "1");
        assert_eq!(answer.status(), 409);
        assert_eq!(answer.headers()["content-type"], "application/json");
    }
}
