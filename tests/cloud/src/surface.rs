//! One API: its operations by name, each behind its gate.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use axum::{Router, middleware};
use http::Method;
use serde::Serialize;

use crate::dialect::Dialect;
use crate::gate::{Gate, Shared};
use crate::refused::{Kind, Refused};

/// An API while it is put together. `S` is what its handlers share.
pub(crate) struct Surface<S> {
    gate: Gate,
    router: Router<S>,
    operations: Vec<Operation>,
}

/// An operation as its OpenAPI document names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Operation {
    /// Its `operationId`.
    pub(crate) name: &'static str,
    /// Its method, in upper case.
    pub(crate) method: &'static str,
    /// Its path template.
    pub(crate) path: &'static str,
}

/// An API that is whole.
pub(crate) struct Served {
    /// Its name.
    pub(crate) api: &'static str,
    /// What it answers.
    pub(crate) operations: Vec<Operation>,
    /// How.
    pub(crate) router: Router,
}

impl<S: Clone + Send + Sync + 'static> Surface<S> {
    /// The API `api`, which answers nothing yet.
    pub(crate) fn new(api: &'static str, dialect: Dialect, shared: &Arc<Shared>) -> Self {
        let gate = Gate { shared: Arc::clone(shared), api, dialect: Some(dialect), operation: None };
        Self { gate, router: Router::new(), operations: Vec::new() }
    }

    /// Answers one more operation. A path spelt `{*rest}` takes slashes too.
    pub(crate) fn on<H, T>(mut self, name: &'static str, method: &'static str, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.operations.push(Operation { name, method, path });
        let gate = Gate { operation: Some(name), ..self.gate.clone() };
        let gated = middleware::from_fn(move |request, next| gate.clone().pass(request, next));
        self.router = self.router.route(path, on(filter(method), handler).route_layer(gated));
        self
    }

    /// The whole API, with what its handlers share.
    pub(crate) fn with(self, state: S) -> Served {
        let (unknown, wrong_method) = (self.gate.clone(), self.gate.clone());
        let router = self
            .router
            .fallback(move |request| turn_away(unknown.clone(), request, Kind::NotFound, "no such path"))
            .method_not_allowed_fallback(move |request| {
                turn_away(wrong_method.clone(), request, Kind::Method, "the path does not take this method")
            })
            // Uploads are streamed, and every body that is read whole has a bound of its own.
            .layer(DefaultBodyLimit::disable())
            .with_state(state);
        Served { api: self.gate.api, operations: self.operations, router }
    }
}

async fn turn_away(gate: Gate, request: Request, kind: Kind, message: &'static str) -> Response {
    gate.around(request, async move |_| Refused::new(kind, message).into_response()).await
}

fn filter(method: &'static str) -> MethodFilter {
    Method::from_bytes(method.as_bytes()).ok().and_then(|it| it.try_into().ok()).unwrap_or(MethodFilter::GET)
}
