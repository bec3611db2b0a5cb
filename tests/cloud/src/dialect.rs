//! How each API words what it refuses, as its reference shows it.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::{Value, json};

use crate::refused::Refused;

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
        let (status, message) = (refused.kind.status().as_u16(), &refused.message);
        let id = format!("req_{}", request_id.trim_start_matches("req_"));
        match self {
            Self::Novastraxis => {
                json!({ "error_code": novastraxis_code(status), "message": message, "request_id": id })
            }
            Self::CloudNexus => {
                let code = cloudnexus_code(status);
                json!({ "error": { "code": code, "message": message, "request_id": id } })
            }
            Self::CloudNx => json!({ "error": message }),
            Self::Novastack => {
                let (kind, code) = novastack_code(status);
                json!({ "error": { "message": message, "type": kind, "param": refused.param, "code": code } })
            }
        }
    }
}

fn novastraxis_code(status: u16) -> &'static str {
    match status {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        405 => "method_not_allowed",
        409 => "conflict",
        410 => "gone",
        413 => "payload_too_large",
        422 => "unprocessable",
        429 => "rate_limited",
        431 => "headers_too_large",
        400..500 => "invalid_request",
        502 => "bad_gateway",
        503 => "service_unavailable",
        504 => "gateway_timeout",
        _ => "internal_error",
    }
}

fn cloudnexus_code(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "RESOURCE_NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        409 => "CONFLICT",
        410 => "GONE",
        413 => "PAYLOAD_TOO_LARGE",
        422 => "UNPROCESSABLE",
        429 => "RATE_LIMITED",
        431 => "HEADERS_TOO_LARGE",
        400..500 => "INVALID_REQUEST",
        502 => "BAD_GATEWAY",
        503 => "SERVICE_UNAVAILABLE",
        504 => "UPSTREAM_TIMEOUT",
        _ => "INTERNAL_ERROR",
    }
}

/// The codes are those of novastraxis but for three, the types those that clients of this protocol know.
fn novastack_code(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid_api_key"),
        403 => ("permission_error", "insufficient_permissions"),
        409 => ("conflict_error", "conflict"),
        429 => ("rate_limit_error", "rate_limit_exceeded"),
        400..500 => ("invalid_request_error", novastraxis_code(status)),
        _ => ("server_error", novastraxis_code(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refused::Kind;

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
    fn what_fails_as_it_was_told_to_is_called_what_its_api_calls_it() {
        for (status, [novastraxis, cloudnexus, novastack]) in [
            (409, ["conflict", "CONFLICT", "conflict"]),
            (500, ["internal_error", "INTERNAL_ERROR", "internal_error"]),
            (502, ["bad_gateway", "BAD_GATEWAY", "bad_gateway"]),
            (503, ["service_unavailable", "SERVICE_UNAVAILABLE", "service_unavailable"]),
            (504, ["gateway_timeout", "UPSTREAM_TIMEOUT", "gateway_timeout"]),
        ] {
            let refused = Refused::new(Kind::Fault(status), "it fails");
            assert_eq!(Dialect::Novastraxis.body(&refused, "1")["error_code"], novastraxis);
            assert_eq!(Dialect::CloudNexus.body(&refused, "1")["error"]["code"], cloudnexus);
            assert_eq!(Dialect::Novastack.body(&refused, "1")["error"]["code"], novastack);
        }
    }

    #[test]
    fn a_refusal_is_json_with_the_status_of_its_kind() {
        let answer = Dialect::CloudNx.word(&Refused::conflict("taken"), "1");
        assert_eq!(answer.status(), 409);
        assert_eq!(answer.headers()["content-type"], "application/json");
    }
}
