//! What the tests of every API need: one API, a clock that stands still, and somebody who asks.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use domain::Clock;
use domain::clock::FixedClock;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::blobs::Blobs;
use crate::gate::Shared;
use crate::objects::UpstreamKey;
use crate::objects::shelf::Shelf;
use crate::pace::Pace;
use crate::surface::Served;
use crate::vouched::Believed;

/// All the APIs under one clock.
pub(crate) struct Bench {
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) served: Vec<Served>,
    _folder: tempfile::TempDir,
}

/// How long an instance is provisioned here.
pub(crate) const PROVISIONING: Duration = Duration::from_secs(90);
/// Half of a scan or a task.
pub(crate) const WORKING: Duration = Duration::from_mins(1);

impl Bench {
    /// At noon of the day of the references' last sample.
    pub(crate) fn new() -> Self {
        Self::believing(None)
    }

    /// The same, where not everybody is believed.
    pub(crate) fn believing(believed: Option<Believed>) -> Self {
        let clock = Arc::new(FixedClock::at("2026-04-26T12:00:00Z".parse().unwrap()));
        let pace = Pace { provisioning: PROVISIONING, working: WORKING, chunk: Duration::from_millis(20) };
        let shared = Arc::new(Shared::new(Arc::clone(&clock) as Arc<dyn Clock>, pace, believed));
        let folder = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::in_folder(&folder.path().join("blobs")).unwrap());
        let shelf = Arc::new(Shelf::new(Arc::clone(&blobs), Arc::clone(&shared.clock)));
        let key = UpstreamKey { id: "AK".to_owned(), secret: "secret".to_owned() };
        let served = crate::clouds::serve_all(&shared, &blobs, &shelf, &key);
        Self { clock, shared, served, _folder: folder }
    }

    /// The API of that name, for a tenant.
    pub(crate) fn api(&self, api: &str, tenant: &str) -> Asker {
        let router = self.served.iter().find(|it| it.api == api).unwrap().router.clone();
        Asker { router, tenant: tenant.to_owned() }
    }
}

/// Somebody for whom the gateway speaks.
#[derive(Clone)]
pub(crate) struct Asker {
    router: Router,
    tenant: String,
}

impl Asker {
    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: http::request::Builder, body: Body) -> Response<Body> {
        let request: Request<Body> = request.header("x-portcullis-tenant", &self.tenant).body(body).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks without a body.
    pub(crate) async fn ask(&self, method: &str, target: &str) -> (u16, Value) {
        read(self.send(Request::builder().method(method).uri(target), Body::empty()).await).await
    }

    /// Asks with a JSON body.
    pub(crate) async fn tell(&self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(target).header("content-type", "application/json");
        read(self.send(request, Body::from(body.to_string())).await).await
    }

    /// The body of what must be a success.
    pub(crate) async fn get(&self, target: &str) -> Value {
        let (status, body) = self.ask("GET", target).await;
        assert_eq!(status, 200, "{target}: {body}");
        body
    }
}

/// Status and JSON body; null where the body is not JSON.
pub(crate) async fn read(response: Response<Body>) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&bytes(response).await).unwrap_or(Value::Null))
}

/// The whole body.
pub(crate) async fn bytes(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}
