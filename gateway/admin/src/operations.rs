//! Native operations: each asked over a socket that only the edge reaches, and answered for the caller it introduces.

use std::sync::Arc;
use std::time::Duration;

use audit::{Log, Notice, Reading};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use domain::{Clock, Declined, NativeVerb};
use serde_json::json;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::asked::Asked;
use crate::introduction::{INTRODUCTION, Introduced, Introduction, IntroductionKey};
use crate::{audit_list, checkpoints, entries};

/// The header of an answer that says why nothing was done, for the edge to put into the words of the API.
pub const DECLINED: &str = "x-portcullis-declined";

/// What answers are made from.
pub trait Books: Send + Sync {
    /// The log.
    fn log(&self) -> &Log;

    /// The clock.
    fn clock(&self) -> &dyn Clock;
}

/// How much is looked up, so that nobody's questions starve anybody's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many look-ups there may be at once.
    pub at_once: usize,
    /// How long one waits for its turn before it is told to come back.
    pub turn: Duration,
    /// How many bundles of entries one reads. What it has found by then is its answer, with a cursor that goes on.
    pub looks: u32,
    /// For how long it reads. The same then.
    pub patience: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { at_once: 4, turn: Duration::from_secs(2), looks: 4096, patience: Duration::from_secs(5) }
    }
}

/// Everything that the gateway answers itself.
pub struct Operations {
    key: Arc<IntroductionKey>,
    books: Arc<dyn Books>,
    pub(crate) bounds: Bounds,
    turns: Arc<Semaphore>,
}

/// One request, and who makes it.
pub(crate) struct Question {
    pub(crate) introduction: Introduction,
    pub(crate) caller: Introduced,
    pub(crate) asked: Asked,
}

impl Question {
    fn of(introduction: Introduction, query: &str) -> Result<Self, Declined> {
        let asked = Asked::of(query)?;
        let Some(caller) = introduction.caller.clone() else {
            tracing::error!(operation = %introduction.operation, "is open to everybody, and has nothing to say to nobody");
            return Err(Declined::Failed);
        };
        Ok(Self { introduction, caller, asked })
    }

    /// A number that is part of the path.
    pub(crate) fn number(&self, name: &str) -> Result<u64, Declined> {
        let text = self.introduction.parameters.get(name);
        text.and_then(|it| it.parse().ok()).ok_or_else(|| Declined::Parameter(name.to_owned()))
    }
}

impl Operations {
    /// For whoever introduces callers with this key.
    pub fn new(key: Arc<IntroductionKey>, books: Arc<dyn Books>, bounds: Bounds) -> Self {
        Self { key, books, bounds, turns: Arc::new(Semaphore::new(bounds.at_once)) }
    }

    /// Answers on `listener` until `shutdown` resolves and what was asked before is answered.
    pub async fn serve(
        self,
        listener: UnixListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(shutdown).await
    }

    /// One route: what is asked for is in the introduction, not in the path.
    fn router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    async fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        let target = uri.path_and_query().map_or("/", |it| it.as_str());
        let text = headers.get(INTRODUCTION).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let introduced = self.key.recognise(text, method.as_str(), target, self.books.clock().tick());
        let introduction = match introduced {
            Ok(introduction) => introduction,
            Err(cause) => {
                tracing::warn!(%cause, "somebody asked the gateway's own socket");
                return StatusCode::UNAUTHORIZED.into_response();
            }
        };
        let answered = match Question::of(introduction, uri.query().unwrap_or_default()) {
            Ok(question) => self.carry_out(question).await,
            Err(declined) => Err(declined),
        };
        match answered {
            Ok(mut response) => {
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
            Err(declined) => (StatusCode::BAD_REQUEST, [(DECLINED, declined.spoken())]).into_response(),
        }
    }

    async fn carry_out(&self, question: Question) -> Result<Response, Declined> {
        match question.introduction.verb {
            NativeVerb::ListAudit => audit_list::answer(self, &question).await.map(IntoResponse::into_response),
            NativeVerb::ListEntries => entries::list(self, &question).await,
            NativeVerb::GetEntry => entries::get(self, &question).await,
            NativeVerb::ProveEntry => entries::prove(self, &question).await,
            NativeVerb::NewestCheckpoint => checkpoints::newest(self, &question).await,
            NativeVerb::ProveGrowth => checkpoints::prove(self, &question).await,
        }
    }

    pub(crate) fn log(&self) -> &Log {
        self.books.log()
    }

    /// Looks something up on a thread that may wait for the disk, when it is its turn.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn Books) -> Result<T, Declined> + Send + 'static,
    ) -> Result<T, Declined> {
        let turn = timeout(self.bounds.turn, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Declined::Busy) };
        let books = Arc::clone(&self.books);
        let looked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            look(&*books)
        });
        looked.await.unwrap_or_else(|cause| {
            tracing::error!(%cause, "a look-up ended badly");
            Err(Declined::Failed)
        })
    }

    /// Enters who read what, and makes certain of it: before it is shown, so that nothing is read that is not entered.
    pub(crate) async fn enter(&self, question: &Question, read: &Reading) -> Result<(), Declined> {
        let Question { introduction, caller, .. } = question;
        let log = self.books.log();
        log.writable().map_err(|_| Declined::Unrecorded)?;
        let facts = json!({
            "query_digest": read.query_digest,
            "first": read.first.to_string(),
            "end": read.end.to_string(),
            "count": read.count.to_string(),
        });
        let number = log.note(
            &Notice::new("audit.read", self.books.clock().now().wall)
                .of(&caller.tenant)
                .with("action", introduction.verb.as_str())
                .with("actor", read.reader.as_str())
                .with("key", caller.key.as_str())
                .with("api", introduction.api.as_str())
                .with("cause", introduction.request.as_str())
                .with("outcome", "done")
                .with("facts", facts),
        );
        log.durable_up_to(number).await.map_err(|_| Declined::Unrecorded)
    }
}

async fn answer(State(operations): State<Arc<Operations>>, request: Request) -> Response {
    operations.answer(request.method(), request.uri(), request.headers()).await
}

#[cfg(test)]
mod tests;
