//! Native operations: each asked over a socket that only the edge reaches, and answered for the caller it introduces.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use audit::{Log, Notice, Reading};
use authn::dpop::Nonces;
use authn::{Keyring, Replays, Secrets};
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use domain::{ApiName, Clock, Declined, NativeVerb, Random, TenantId};
use identity::{Identity, Issuer, Membership, Terms};
use limits::Limiter;
use serde_json::json;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::asked::Asked;
use crate::counters::Counter;
use crate::exchange::Exchanged;
use crate::introduction::{INTRODUCTION, Introduced, Introduction, IntroductionKey};
use crate::outside::{Messenger, Outside};
use crate::people::{self, SessionCookies};
use crate::{audit_list, entries, exchange, iam, issuer, oauth, presign, teams};

/// The header of an answer that says why nothing was done, for the edge to put into the words of the API.
pub const DECLINED: &str = "x-portcullis-declined";

/// The header of an answer that is not as the API words its refusals, but as a standard has it: why it was refused, as one
/// token, for the entry.
pub const REFUSED: &str = "x-portcullis-refused";

/// The header of an answer that names the key that was shown in the body, for the entry of the request.
pub const ABOUT: &str = "x-portcullis-about";

/// The header of an answer that names who sits at the browser, for the entry of the request to be sealed as theirs: a tenant
/// of theirs, or `-` where it is that of the key that the answer is about, and their id.
pub const PERSON: &str = "x-portcullis-person";

pub(crate) const ABOUT_NAME: HeaderName = HeaderName::from_static(ABOUT);

/// The same where the tenant is known, or is that of the key that the answer is about.
pub(crate) fn name_person(response: &mut Response, tenant: Option<&TenantId>, user: &str) {
    let named = format!("{} {user}", tenant.map_or("-", TenantId::as_str));
    response.headers_mut().extend(HeaderValue::try_from(named).ok().map(|it| (HeaderName::from_static(PERSON), it)));
}

/// How long a body may be that is read here. What asks for one is short.
const BODY: usize = 16 * 1024;

/// What answers are made from.
#[async_trait]
pub trait Books: Send + Sync {
    /// The log.
    fn log(&self) -> &Log;

    /// The clock.
    fn clock(&self) -> &dyn Clock;

    /// The keys as they are now.
    fn keyring(&self) -> Arc<Keyring>;

    /// What opens what is sealed of them.
    fn secrets(&self) -> &Secrets;

    /// What has been used.
    fn limiter(&self) -> &Limiter;

    /// What proofs of possession must repeat.
    fn nonces(&self) -> &Nonces;

    /// The proofs of possession that were shown and may still be good.
    fn proofs(&self) -> &Replays;

    /// Who makes tokens.
    fn issuer(&self) -> &Issuer;

    /// Who makes, changes and ends what is kept of people, clients and keys.
    fn identity(&self) -> &Identity;

    /// What keys and people of each API may be.
    fn terms(&self) -> Terms;

    /// Has everything in force here that was published before. Until then a token that was just made may be unknown, and a
    /// grant that was just ended may be good.
    async fn come_into_force(&self) -> Result<(), Declined>;

    /// Where randomness comes from.
    fn random(&self) -> &dyn Random;

    /// Who asks providers elsewhere.
    fn messenger(&self) -> &dyn Messenger;

    /// Where the objects of an API are; nothing where it has none that are signed for.
    fn shelf(&self, api: &str) -> Option<Shelf>;

    /// What an API offers of tokens; nothing where it takes none, or is not there any more.
    fn offered(&self, api: &str) -> Option<Offered>;
}

/// What an API offers of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The API.
    pub api: ApiName,
    /// In whose name tokens are made: the public origin of the API.
    pub issuer: String,
    /// Where each operation of the issuer is that its documents have.
    pub places: Vec<(NativeVerb, String)>,
    /// Every scope it knows.
    pub scopes: Vec<String>,
    /// Where it keeps sessions of browsers, if it has any.
    pub session: Option<SessionCookies>,
}

impl Offered {
    /// Where an operation is, if there is one.
    pub fn place(&self, verb: NativeVerb) -> Option<&str> {
        self.places.iter().find(|(it, _)| *it == verb).map(|(_, place)| place.as_str())
    }
}

/// Where the objects of an API are, and what signatures there are made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// The host.
    pub host: String,
    /// The region.
    pub region: String,
    /// The service.
    pub service: String,
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
    /// How many tokens there may be signed at once, each for a quarter of a millisecond.
    pub signed_at_once: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            at_once: 4,
            turn: Duration::from_secs(2),
            looks: 4096,
            patience: Duration::from_secs(5),
            signed_at_once: 2,
        }
    }
}

/// Everything that the gateway answers itself.
pub struct Operations {
    key: Arc<IntroductionKey>,
    books: Arc<dyn Books>,
    pub(crate) bounds: Bounds,
    turns: Arc<Semaphore>,
    signing: Arc<Semaphore>,
    /// When devices last asked.
    pub(crate) polls: oauth::Polls,
    /// What is known of providers elsewhere.
    pub(crate) outside: Outside,
}

/// One request of somebody, or of anybody where the operation is open to all.
pub(crate) struct Question {
    pub(crate) introduction: Introduction,
    pub(crate) method: Method,
    pub(crate) asked: Asked,
    /// The query as it stands, for those that look at their requests themselves.
    pub(crate) query: String,
    pub(crate) body: Bytes,
    /// What goes on of its head: see [`NativeVerb::hears`].
    pub(crate) headers: HeaderMap,
    /// Whose password somebody has shown a wrong one for: nothing where none was judged, and nobody where it was nobody's.
    pub(crate) meant: OnceLock<Option<String>>,
}

impl Question {
    /// Who makes it. What is told only to somebody is told to nobody where a document says that anybody may ask.
    pub(crate) fn caller(&self) -> Result<&Introduced, Declined> {
        self.introduction.caller.as_ref().ok_or_else(|| {
            let operation = &self.introduction.operation;
            tracing::error!(%operation, "is open to everybody, and has nothing to say to nobody");
            Declined::Failed
        })
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
        let (turns, signing) = (Semaphore::new(bounds.at_once), Semaphore::new(bounds.signed_at_once));
        let (outside, polls) = (Outside::default(), oauth::Polls::default());
        Self { key, books, bounds, turns: Arc::new(turns), signing: Arc::new(signing), polls, outside }
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

    async fn answer(&self, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let Some(introduction) = self.introduced(&head.method, &head.uri, &head.headers) else {
            return StatusCode::UNAUTHORIZED.into_response();
        };
        let body = to_bytes(body, BODY).await.map_err(|_| Declined::Parameter("body".to_owned()));
        let query = head.uri.query().unwrap_or_default().to_owned();
        let read = if introduction.verb.words_refusals() { "" } else { &query };
        let asked = Asked::of(read);
        match body.and_then(|body| {
            let (method, headers) = (head.method, head.headers);
            Ok(Question { introduction, method, asked: asked?, query, body, headers, meant: OnceLock::new() })
        }) {
            Ok(question) => self.carry_out(question).await,
            Err(declined) => spoken(&declined),
        }
    }

    /// What the edge says of a request; nothing where somebody came without it.
    fn introduced(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Introduction> {
        let target = uri.path_and_query().map_or("/", |it| it.as_str());
        let text = headers.get(INTRODUCTION).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let introduced = self.key.recognise(text, method.as_str(), target, self.books.clock().tick());
        introduced.inspect_err(|cause| tracing::warn!(%cause, "somebody asked the gateway's own socket")).ok()
    }

    async fn carry_out(&self, question: Question) -> Response {
        let verb = question.introduction.verb;
        if verb == NativeVerb::ExchangeKey || verb.words_refusals() {
            // They are about a key even where they are declined.
            let Exchanged { answer, about } = if verb.words_refusals() {
                oauth::answer(self, &question).await
            } else {
                exchange::answer(self, question).await
            };
            let mut response = answer.unwrap_or_else(|it| spoken(&it));
            response.headers_mut().extend(about.and_then(|it| Some((ABOUT_NAME, it.as_str().parse().ok()?))));
            return response;
        }
        let mut response = self.tell(&question).await.unwrap_or_else(|it| spoken(&it));
        if let Some(meant) = question.meant.get() {
            self.name_meant(&mut response, meant.as_deref()).await;
        }
        response
    }

    /// Has the entry of a password that was wrong be sealed as that of whose it should have been. The same is looked for where
    /// it was nobody's; and where entries have not spoken of them before nothing is drawn for them, because that waits for the
    /// disk and would show who is known.
    async fn name_meant(&self, response: &mut Response, user: Option<&str>) {
        let user = user.unwrap_or_default();
        let memberships = self.books.identity().memberships(user).await.unwrap_or_default();
        let spoken_of = |it: &&Membership| self.log().subjects().known(it.tenant.as_str(), user).is_some();
        if let Some(first) = memberships.iter().find(spoken_of) {
            name_person(response, Some(&first.tenant), user);
        }
    }

    /// Has the entry of a request be sealed as that of whoever sits at the browser. Who belongs nowhere has no entries that
    /// could be erased.
    pub(crate) async fn name_person(&self, response: &mut Response, user: &str) -> Result<(), Declined> {
        let memberships = self.books.identity().memberships(user).await.map_err(people::failed)?;
        if let Some(first) = memberships.first() {
            name_person(response, Some(&first.tenant), user);
        }
        Ok(())
    }

    async fn tell(&self, question: &Question) -> Result<Response, Declined> {
        let mut response = match Counter::of(question.introduction.verb) {
            Counter::Audit => audit_list::answer(self, question).await.map(IntoResponse::into_response)?,
            Counter::Log => entries::answer(self, question).await?,
            Counter::Issuer => return issuer::answer(self, question),
            Counter::Objects => presign::answer(self, question).await?,
            Counter::People => people::answer(self, question).await?,
            Counter::Iam => iam::answer(self, question).await?,
            Counter::Teams => teams::answer(self, question).await?,
            Counter::Clients => return Err(Declined::Failed),
        };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    pub(crate) fn log(&self) -> &Log {
        self.books.log()
    }

    pub(crate) fn books(&self) -> &dyn Books {
        &*self.books
    }

    /// Looks something up on a thread that may wait for the disk, when it is its turn.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn Books) -> Result<T, Declined> + Send + 'static,
    ) -> Result<T, Declined> {
        self.take_turn(&self.turns, look).await
    }

    /// Signs something on a thread that may be busy, when it is its turn. Who reads the log keeps nobody from signing.
    pub(crate) async fn sign<T: Send + 'static>(
        &self,
        sign: impl FnOnce(&dyn Books) -> Result<T, Declined> + Send + 'static,
    ) -> Result<T, Declined> {
        self.take_turn(&self.signing, sign).await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        take: impl FnOnce(&dyn Books) -> Result<T, Declined> + Send + 'static,
    ) -> Result<T, Declined> {
        let turn = timeout(self.bounds.turn, Arc::clone(turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Declined::Busy) };
        let books = Arc::clone(&self.books);
        let taken = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            take(&*books)
        });
        taken.await.unwrap_or_else(|cause| {
            tracing::error!(%cause, "an operation ended badly");
            Err(Declined::Failed)
        })
    }

    /// Enters who read what, and makes certain of it: before it is shown, so that nothing is read that is not entered.
    pub(crate) async fn enter(&self, question: &Question, read: &Reading) -> Result<(), Declined> {
        let (introduction, caller) = (&question.introduction, question.caller()?);
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

/// Why nothing was done, for the edge.
fn spoken(declined: &Declined) -> Response {
    (StatusCode::BAD_REQUEST, [(DECLINED, declined.spoken())]).into_response()
}

async fn answer(State(operations): State<Arc<Operations>>, request: Request) -> Response {
    operations.answer(request).await
}

#[cfg(test)]
mod tests;
