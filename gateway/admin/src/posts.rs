//! What is counted, whether the process lives, whether it should be sent requests, and by which key the APIs behind know
//! what they are told.

use std::fmt;
use std::sync::Arc;

use authn::upstream::IdentityKeySet;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use prometheus::{Registry, TextEncoder};
use serde::Serialize;
use tokio::net::TcpListener;

/// One thing that has to hold before requests are welcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What it is about: `keys`, `audit`, `configuration`.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// Why not, in the operator's words; or how it stands.
    pub detail: String,
}

/// What the listener reads when it is asked.
pub trait Posts: Send + Sync {
    /// Where the meters are.
    fn registry(&self) -> &Registry;

    /// Everything readiness depends on, as it is now.
    fn conditions(&self) -> Vec<Condition>;

    /// What identity tokens are verified with.
    fn identity_keys(&self) -> IdentityKeySet;
}

/// Answers on `listener` until `shutdown` resolves.
pub async fn serve(
    listener: TcpListener,
    posts: Arc<dyn Posts>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(posts)).with_graceful_shutdown(shutdown).await
}

/// The routes of the listener.
pub fn router(posts: Arc<dyn Posts>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/identity/jwks", get(identity_keys))
        .with_state(posts)
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    conditions: Vec<Condition>,
}

async fn readyz(State(posts): State<Arc<dyn Posts>>) -> Response {
    let conditions = posts.conditions();
    let ready = conditions.iter().all(|it| it.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, conditions })).into_response()
}

async fn metrics(State(posts): State<Arc<dyn Posts>>) -> Response {
    match TextEncoder::new().encode_to_string(&posts.registry().gather()) {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()).into_response(),
    }
}

async fn identity_keys(State(posts): State<Arc<dyn Posts>>) -> Response {
    // RFC 7517 section 8.5.
    ([(CONTENT_TYPE, "application/jwk-set+json")], Json(posts.identity_keys())).into_response()
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.ok { "ok" } else { "NOT OK" };
        write!(f, "{}: {sign}: {}", self.name, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use authn::upstream::IdentityKey;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use prometheus::IntCounter;
    use tower::ServiceExt as _;

    use super::*;

    struct Fixed(Registry, bool);

    impl Posts for Fixed {
        fn registry(&self) -> &Registry {
            &self.0
        }

        fn conditions(&self) -> Vec<Condition> {
            vec![Condition { name: "audit", ok: self.1, detail: "disk is full".to_owned() }]
        }

        fn identity_keys(&self) -> IdentityKeySet {
            IdentityKey::from_seed(&[7; 32]).unwrap().public()
        }
    }

    async fn get(path: &str, ready: bool) -> (StatusCode, String) {
        let registry = Registry::new();
        registry.register(Box::new(IntCounter::new("seen_total", "Seen.").unwrap())).unwrap();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(Arc::new(Fixed(registry, ready))).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_process_that_is_not_ready_is_alive_and_says_why() {
        assert_eq!(get("/healthz", false).await.0, StatusCode::OK);
        let (status, body) = get("/readyz", false).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("disk is full"), "{body}");
        assert_eq!(get("/readyz", true).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn every_meter_is_shown() {
        let (status, body) = get("/metrics", true).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("seen_total 0"), "{body}");
    }

    #[tokio::test]
    async fn the_key_of_identity_tokens_is_published_and_only_its_public_half() {
        let (status, body) = get("/identity/jwks", false).await;
        assert_eq!(status, StatusCode::OK);
        let set: serde_json::Value = serde_json::from_str(&body).unwrap();
        let mut members: Vec<&String> = set["keys"][0].as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    }
}
