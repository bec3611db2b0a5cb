//! What every request passes on its way into an API and out: it is written down, turned away where the gateway does not
//! vouch for it, struck by a fault if one is armed, and a refusal is worded in the API's dialect.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use domain::Clock;
use futures::StreamExt;
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;

use crate::dialect::Dialect;
use crate::faults::{Ailment, Fault, Faults};
use crate::objects;
use crate::pace::Pace;
use crate::refused::{Kind, Refused};
use crate::seen::Seen;
use crate::vouched::Believed;
use crate::wire::{Script, Then, Wire};

/// What all APIs share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The clouds' time.
    pub(crate) clock: Arc<dyn Clock>,
    /// How long things take.
    pub(crate) pace: Pace,
    /// What goes wrong.
    pub(crate) faults: Faults,
    /// What came.
    pub(crate) seen: Seen,
    /// Who is believed; everybody where nobody is named.
    pub(crate) believed: Option<Believed>,
}

impl Shared {
    /// Nothing armed and nothing seen.
    pub(crate) fn new(clock: Arc<dyn Clock>, pace: Pace, believed: Option<Believed>) -> Self {
        Self { clock, pace, faults: Faults::default(), seen: Seen::default(), believed }
    }
}

/// The way in and out of one operation.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    /// What all APIs share.
    pub(crate) shared: Arc<Shared>,
    /// The API's name.
    pub(crate) api: &'static str,
    /// Its wording; nothing where the answer words itself, as S3 does.
    pub(crate) dialect: Option<Dialect>,
    /// The operation behind this gate.
    pub(crate) operation: Option<&'static str>,
}

impl Gate {
    /// Lets a request through to what `next` is, unless a fault strikes it.
    pub(crate) async fn pass(self, request: Request, next: Next) -> Response {
        self.around(request, async move |request| next.run(request).await).await
    }

    /// Does the same around any answer.
    pub(crate) async fn around(self, request: Request, answer: impl AsyncFnOnce(Request) -> Response) -> Response {
        let (mut parts, body) = request.into_parts();
        let note = self.shared.seen.note(&parts, self.shared.clock.now().wall, self.api, self.operation);
        let id = request_id(&parts.headers).unwrap_or_else(|| format!("{:032x}", note.number()));
        let wire = parts.extensions.remove::<Wire>();
        let believed = self.shared.believed.as_ref().map_or(Ok(()), |it| it.check(&parts));
        let request = Request::from_parts(parts, note.watch(body));
        let response = match believed.map(|()| self.shared.faults.strike(self.api, self.operation)) {
            Err(refused) if self.dialect.is_none() => objects::denied(&refused),
            Err(refused) => refused.into_response(),
            Ok(None) => answer(request).await,
            Ok(Some(fault)) => strike(&fault, wire, request, answer).await,
        };
        let response = self.worded(response, &id);
        note.answered(response.status().as_u16());
        response
    }

    fn worded(&self, response: Response, id: &str) -> Response {
        let mut response = match (response.extensions().get::<Refused>(), self.dialect) {
            (Some(refused), Some(dialect)) => {
                let mut worded = dialect.word(refused, id);
                for name in [header::ALLOW, header::RETRY_AFTER] {
                    worded.headers_mut().extend(response.headers().get(&name).map(|it| (name, it.clone())));
                }
                worded
            }
            (Some(_) | None, _) => response,
        };
        if let Ok(id) = HeaderValue::from_str(id) {
            response.headers_mut().entry("x-request-id").or_insert(id);
        }
        response
    }
}

/// The gateway's id of the request, if it has one.
fn request_id(headers: &http::HeaderMap) -> Option<String> {
    headers.get("x-request-id").and_then(|it| it.to_str().ok()).map(str::to_owned)
}

async fn strike(
    fault: &Fault,
    wire: Option<Wire>,
    request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let length = Duration::from_millis(fault.ms);
    let script = match fault.kind {
        Ailment::Slow => {
            tokio::time::sleep(length).await;
            return answer(request).await;
        }
        Ailment::Fail => {
            let refused = Refused::new(Kind::Fault(fault.status), "the fault that was asked for").into_response();
            // As documented: who is to come back is told when.
            let later = matches!(fault.status, 429 | 503).then_some([(header::RETRY_AFTER, "1")]);
            return (later, refused).into_response();
        }
        Ailment::SlowDrip => return drip(answer(request).await, length),
        Ailment::Hang => {
            tokio::time::sleep(length).await;
            Script { bytes: Bytes::new(), then: Then::Close }
        }
        Ailment::Garbage => Script { bytes: Bytes::from_static(GARBAGE), then: Then::Close },
        Ailment::Reset => Script { bytes: Bytes::new(), then: Then::Reset },
        Ailment::Truncate => {
            let (head, body) = spell(answer(request).await, |length| length).await;
            Script { bytes: joined(&head, body.get(..body.len() / 2).unwrap_or_default()), then: Then::Close }
        }
        Ailment::WrongLength => {
            let (head, body) = spell(answer(request).await, |length| length / 2).await;
            Script { bytes: joined(&head, &body), then: Then::Keep }
        }
    };
    match wire {
        None => (StatusCode::NOT_IMPLEMENTED, "this fault needs a connection of its own").into_response(),
        Some(wire) => {
            wire.play(script);
            // Swallowed by the script; it has no body so that it is one write.
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

/// Not HTTP in any version, and not TLS.
const GARBAGE: &[u8] = b"\x00\xff\xfe{garbage}\r\n\r\n\x16\x03\x07 HTTP/9.9 what\r\nContent-Length: -1\r\n\r\n";

fn drip(response: Response, pause: Duration) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = body.into_data_stream().flat_map(|chunk| {
        let singles = chunk.map(|it| it.iter().map(|byte| Bytes::copy_from_slice(&[*byte])).collect::<Vec<_>>());
        let singles: Vec<Result<Bytes, axum::Error>> = match singles {
            Ok(singles) => singles.into_iter().map(Ok).collect(),
            Err(fault) => vec![Err(fault)],
        };
        futures::stream::iter(singles)
    });
    let paced = bytes.then(move |byte| async move {
        tokio::time::sleep(pause).await;
        byte
    });
    // A length that is kept would be honest; chunks are what a slow upstream most often sends.
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from_stream(paced))
}

/// The head as HTTP/1.1 spells it, declaring what `declared` makes of the body's length, and the body.
async fn spell(response: Response, declared: impl Fn(usize) -> usize) -> (Bytes, Bytes) {
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(declared(body.len())));
    let mut head = BytesMut::new();
    let reason = parts.status.canonical_reason().unwrap_or_default();
    head.put_slice(format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_u16()).as_bytes());
    for (name, value) in &parts.headers {
        head.put_slice(name.as_str().as_bytes());
        head.put_slice(b": ");
        head.put_slice(value.as_bytes());
        head.put_slice(b"\r\n");
    }
    head.put_slice(b"\r\n");
    (head.freeze(), body)
}

fn joined(head: &[u8], body: &[u8]) -> Bytes {
    [head, body].concat().into()
}

#[cfg(test)]
mod tests;
