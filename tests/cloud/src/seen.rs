//! What the gateway really sent: the last requests of each API, for tests to look at.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use aws_lc_rs::digest::{Context as Digest, SHA256};
use axum::body::{Body, HttpBody};
use bytes::{Buf, Bytes};
use domain::Timestamp;
use http::request::Parts;
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

/// How many requests are remembered, over all APIs.
const REMEMBERED: usize = 2_000;

/// The requests that came, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    count: u64,
    last: VecDeque<Arc<Mutex<Sighting>>>,
}

/// One request as it arrived here, behind the gateway.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sighting {
    /// Counts up from 1, over all APIs.
    pub(crate) number: u64,
    /// When it came, by the clouds' clock.
    pub(crate) at: Timestamp,
    /// The API whose port it came to.
    pub(crate) api: &'static str,
    /// The operation it was taken for.
    pub(crate) operation: Option<&'static str>,
    /// As in the request line.
    pub(crate) method: String,
    /// Path and query as in the request line, byte for byte.
    pub(crate) target: String,
    /// Every header line, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// How many bytes of the body were read.
    pub(crate) body_bytes: u64,
    /// SHA-256 of the body; nothing until it was read to its end.
    pub(crate) body_sha256: Option<String>,
    /// The status that was answered; nothing while it is being answered, or when a fault tore the connection.
    pub(crate) status: Option<u16>,
}

/// A handle on a request that is being answered.
#[derive(Clone, Debug)]
pub(crate) struct Note(Arc<Mutex<Sighting>>);

impl Seen {
    /// Writes down that a request came, and lends what can be learnt of it later.
    pub(crate) fn note(
        &self,
        parts: &Parts,
        at: Timestamp,
        api: &'static str,
        operation: Option<&'static str>,
    ) -> Note {
        let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let mut memory = self.lock();
        memory.count += 1;
        let sighting = Arc::new(Mutex::new(Sighting {
            number: memory.count,
            at,
            api,
            operation,
            method: parts.method.to_string(),
            target: parts.uri.path_and_query().map_or_else(|| parts.uri.to_string(), ToString::to_string),
            headers: parts.headers.iter().map(line).collect(),
            body_bytes: 0,
            body_sha256: None,
            status: None,
        }));
        memory.last.push_back(Arc::clone(&sighting));
        while REMEMBERED < memory.last.len() {
            memory.last.pop_front();
        }
        Note(sighting)
    }

    /// The last `count` requests that came to `api` or to any, the oldest first.
    pub(crate) fn last(&self, api: Option<&str>, count: usize) -> Vec<Sighting> {
        let memory = self.lock();
        let copies = memory.last.iter().rev().map(|it| it.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let mut last: Vec<Sighting> = copies.filter(|it| api.is_none_or(|api| it.api == api)).take(count).collect();
        last.reverse();
        last
    }

    /// Forgets all of them; the next one's number is still one more.
    pub(crate) fn forget(&self) {
        self.lock().last.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Note {
    /// The number under which the request is seen.
    pub(crate) fn number(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).number
    }

    /// Writes down the status that was answered.
    pub(crate) fn answered(&self, status: u16) {
        self.with(|it| it.status = Some(status));
    }

    /// The same body, watched.
    pub(crate) fn watch(&self, body: Body) -> Body {
        let mut watched = Watched { body, note: self.clone(), digest: Some(Digest::new(&SHA256)) };
        if watched.body.is_end_stream() {
            watched.end();
        }
        Body::new(watched)
    }

    fn with(&self, deed: impl FnOnce(&mut Sighting)) {
        deed(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A body that tells its note how much of it was read.
struct Watched {
    body: Body,
    note: Note,
    digest: Option<Digest>,
}

impl Watched {
    fn end(&mut self) {
        if let Some(digest) = self.digest.take() {
            self.note.with(|it| it.body_sha256 = Some(hex::encode(digest.finish())));
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    let length = data.remaining() as u64;
                    if let Some(digest) = &mut self.digest {
                        digest.update(data);
                    }
                    self.note.with(|it| it.body_bytes += length);
                }
                // A body whose length is known is often not polled again after its last byte.
                if self.body.is_end_stream() {
                    self.end();
                }
            }
            Poll::Ready(None) => self.end(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt;

    use super::*;

    fn parts(target: &str) -> Parts {
        Request::get(target).header("x-a", "1").header("x-a", "2").body(()).unwrap().into_parts().0
    }

    #[tokio::test]
    async fn a_request_is_remembered_with_its_headers_and_what_was_read_of_its_body() {
        let seen = Seen::default();
        let note = seen.note(&parts("/a%2Fb?c=d"), Timestamp::from_seconds(7), "cloudnx", Some("listThings"));
        note.watch(Body::from("abc")).collect().await.unwrap();
        note.answered(201);
        let it = seen.last(Some("cloudnx"), 5).remove(0);
        assert_eq!((it.number, it.target.as_str(), it.status), (1, "/a%2Fb?c=d", Some(201)));
        assert_eq!(it.headers, [("x-a".into(), "1".into()), ("x-a".into(), "2".into())]);
        assert_eq!(it.body_bytes, 3);
        assert_eq!(it.body_sha256.unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn only_the_newest_are_kept_and_each_api_has_its_own() {
        let seen = Seen::default();
        for turn in 0..REMEMBERED + 10 {
            seen.note(&parts("/"), Timestamp::from_seconds(0), if turn % 2 == 0 { "a" } else { "b" }, None);
        }
        assert_eq!(seen.last(None, usize::MAX).len(), REMEMBERED);
        let last: Vec<u64> = seen.last(Some("b"), 2).iter().map(|it| it.number).collect();
        assert_eq!(last, [REMEMBERED as u64 + 8, REMEMBERED as u64 + 10]);
        seen.forget();
        assert!(seen.last(None, 1).is_empty());
    }
}
