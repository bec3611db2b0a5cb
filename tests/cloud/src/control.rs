//! The control port: arms faults, shows what was seen, moves the clock.
//!
//! It is a port of its own, which the gateway is never told of, so no client can reach it through the gateway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::Clock;
use http::StatusCode;
use serde_json::{Value, json};

use crate::clock::AheadClock;
use crate::faults::Fault;
use crate::fields::Fields;
use crate::gate::Shared;
use crate::query::Query;
use crate::refused::Refused;
use crate::surface::Operation;

/// What the control port may touch.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    /// What all APIs share.
    pub(crate) shared: Arc<Shared>,
    /// Their clock.
    pub(crate) clock: Arc<AheadClock>,
    /// The APIs and what each answers, so that a misspelt name is refused.
    pub(crate) apis: BTreeMap<&'static str, Vec<Operation>>,
}

/// How many sightings are shown when nobody says.
const SHOWN: usize = 50;

impl Control {
    /// The paths of the control port.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/control/health", get(async || Json(json!({ "status": "ok" }))))
            .route("/control/operations", get(operations))
            .route("/control/faults", get(faults).post(arm).delete(disarm))
            .route("/control/seen", get(seen).delete(forget))
            .route("/control/clock", post(advance).get(now))
            .with_state(self)
    }

    fn known(&self, api: &str) -> Result<(), Told> {
        let names: Vec<&str> = self.apis.keys().copied().collect();
        let unknown = || Told(format!("api must be one of {}", names.join(", ")));
        if names.contains(&api) { Ok(()) } else { Err(unknown()) }
    }

    fn known_operation(&self, api: &str, operation: Option<&str>) -> Result<(), Told> {
        let named = |it: &Operation| operation.is_none_or(|name| it.name == name);
        let known = self.apis.get(api).is_some_and(|all| all.iter().any(named));
        if known { Ok(()) } else { Err(Told("no such operation: see /control/operations".to_owned())) }
    }

    fn asked_api(&self, query: &Query) -> Result<Option<String>, Told> {
        let api = query.text("api")?.map(str::to_owned);
        api.as_deref().map_or(Ok(()), |it| self.known(it))?;
        Ok(api)
    }
}

/// What the control port says to whoever asked it wrongly.
struct Told(String);

impl From<Refused> for Told {
    fn from(refused: Refused) -> Self {
        Self(refused.message)
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.0 }))).into_response()
    }
}

async fn operations(State(control): State<Control>) -> Json<Value> {
    Json(json!(control.apis))
}

async fn faults(State(control): State<Control>) -> Json<Value> {
    Json(json!({ "faults": control.shared.faults.armed() }))
}

async fn arm(State(control): State<Control>, body: String) -> Result<Response, Told> {
    let fault: Fault = serde_json::from_str(&body).map_err(|fault| Told(fault.to_string()))?;
    control.known(&fault.api)?;
    control.known_operation(&fault.api, fault.operation.as_deref())?;
    control.shared.faults.arm(fault.clone());
    Ok((StatusCode::CREATED, Json(fault)).into_response())
}

async fn disarm(State(control): State<Control>, query: Query) -> Result<StatusCode, Told> {
    control.shared.faults.disarm(control.asked_api(&query)?.as_deref());
    Ok(StatusCode::NO_CONTENT)
}

async fn seen(State(control): State<Control>, query: Query) -> Result<Json<Value>, Told> {
    let count = query.number("last", 1..=10_000)?.unwrap_or(SHOWN);
    let api = control.asked_api(&query)?;
    Ok(Json(json!({ "seen": control.shared.seen.last(api.as_deref(), count) })))
}

async fn forget(State(control): State<Control>) -> StatusCode {
    control.shared.seen.forget();
    StatusCode::NO_CONTENT
}

async fn advance(State(control): State<Control>, body: String) -> Result<Json<Value>, Told> {
    let fields = Fields::read(body.as_bytes())?;
    let by = fields.number("advance_ms", 0..=u64::from(u32::MAX))?.unwrap_or(0);
    control.clock.advance(Duration::from_millis(by));
    Ok(now(State(control)).await)
}

async fn now(State(control): State<Control>) -> Json<Value> {
    Json(json!({ "now": control.clock.now().wall }))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::pace::Pace;

    async fn ask(control: &Control, method: &str, target: &str, body: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(target).body(Body::from(body.to_owned())).unwrap();
        let response = control.clone().router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    fn control() -> Control {
        let clock = Arc::new(AheadClock::default());
        let volumes = Operation { name: "listVolumes", method: "GET", path: "/compute/volumes" };
        let shared = Arc::new(Shared::new(Arc::clone(&clock) as Arc<dyn Clock>, Pace::default(), None));
        Control { shared, clock, apis: BTreeMap::from([("cloudnx", vec![volumes]), ("novastack", Vec::new())]) }
    }

    #[tokio::test]
    async fn a_fault_is_armed_shown_and_disarmed() {
        let control = control();
        let fault = r#"{"api":"cloudnx","operation":"listVolumes","kind":"slow","ms":5,"times":1}"#;
        assert_eq!(ask(&control, "POST", "/control/faults", fault).await.0, 201);
        assert_eq!(ask(&control, "GET", "/control/faults", "").await.1["faults"][0]["operation"], "listVolumes");
        assert_eq!(ask(&control, "DELETE", "/control/faults?api=novastack", "").await.0, 204);
        assert_eq!(control.shared.faults.armed().len(), 1);
        assert_eq!(ask(&control, "DELETE", "/control/faults", "").await.0, 204);
        assert!(control.shared.faults.armed().is_empty());
    }

    #[tokio::test]
    async fn a_misspelt_api_or_fault_is_refused() {
        let control = control();
        assert_eq!(ask(&control, "POST", "/control/faults", r#"{"api":"cloudny","kind":"slow"}"#).await.0, 400);
        assert_eq!(ask(&control, "POST", "/control/faults", r#"{"api":"cloudnx","kind":"slower"}"#).await.0, 400);
        let odd = r#"{"api":"cloudnx","operation":"listVolume","kind":"slow"}"#;
        assert_eq!(ask(&control, "POST", "/control/faults", odd).await.0, 400);
        assert_eq!(ask(&control, "GET", "/control/seen?api=cloudny", "").await.0, 400);
        assert!(control.shared.faults.armed().is_empty());
    }

    #[tokio::test]
    async fn the_clock_moves_when_it_is_told() {
        let control = control();
        let before = control.clock.now().wall;
        assert_eq!(ask(&control, "POST", "/control/clock", r#"{"advance_ms":60000}"#).await.0, 200);
        assert!(control.clock.now().wall.since(before) >= Duration::from_mins(1));
        assert_eq!(ask(&control, "POST", "/control/clock", r#"{"advance_ms":-1}"#).await.0, 400);
    }
}
