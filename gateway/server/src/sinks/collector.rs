//! Giving entries to somebody elsewhere, signed.

use std::time::Duration;

use anyhow::Context as _;
use audit::sinks::{Batch, Secret};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use domain::Timestamp;
use http::header::{CONTENT_TYPE, HeaderName, InvalidHeaderValue};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::Undelivered;
use crate::outward::{Door, Unanswered};

/// Which entries of which gateway are sent.
const BATCH: HeaderName = HeaderName::from_static("portcullis-batch");

/// The headers of Standard Webhooks.
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Somebody who gathers entries over HTTPS.
pub(super) struct Collector {
    door: Door,
    secret: Secret,
    deadline: Duration,
    node: String,
}

impl Collector {
    pub(super) fn new(door: Door, secret: Secret, deadline: Duration, node: &str) -> anyhow::Result<Self> {
        HeaderValue::from_str(node).with_context(|| format!("`node`: `{node}` cannot stand in a header"))?;
        Ok(Self { door, secret, deadline, node: node.to_owned() })
    }

    /// Sends a batch, once.
    pub(super) async fn give(&self, batch: &Batch, range: (u64, u64), now: Timestamp) -> Result<(), Undelivered> {
        let headers = self.headers(&batch.lines, range, now).map_err(|it| Undelivered::Failed(it.to_string()))?;
        let answer = self.door.post(headers, Bytes::copy_from_slice(&batch.lines), self.deadline).await;
        match answer {
            Ok(answer) => judge(answer.status()),
            Err(cause @ Unanswered::Late(_)) => Err(Undelivered::Late(cause.to_string())),
            Err(cause) => Err(Undelivered::Unreachable(cause.to_string())),
        }
    }

    fn headers(&self, body: &[u8], range: (u64, u64), now: Timestamp) -> Result<HeaderMap, InvalidHeaderValue> {
        // By what is sent: the same entries have the same id whenever they are sent, and others never have it.
        let whole = digest(&SHA256, body);
        let id = format!("batch_{}", hex::encode(whole.as_ref().get(..16).unwrap_or_default()));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        headers.insert(BATCH, HeaderValue::try_from(format!("{}/{}-{}", self.node, range.0, range.1))?);
        headers.insert(TIMESTAMP, HeaderValue::from(now.seconds()));
        headers.insert(SIGNATURE, HeaderValue::try_from(self.secret.sign(&id, now, body))?);
        headers.insert(ID, HeaderValue::try_from(id)?);
        Ok(headers)
    }
}

/// What an answer means. One that will be the same next time, until somebody changes something, is refused.
fn judge(status: StatusCode) -> Result<(), Undelivered> {
    let passes = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    match status.as_u16() {
        200..=299 => Ok(()),
        300..=499 if !passes => Err(Undelivered::Refused(format!("answered {status}"))),
        _ => Err(Undelivered::Failed(format!("answered {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_an_operator_can_mend_is_told_from_what_passes() {
        let said = |status: u16| judge(StatusCode::from_u16(status).unwrap()).err().map(|it| it.outcome());
        for status in [200, 202, 204] {
            assert_eq!(said(status), None);
        }
        for status in [301, 307, 400, 401, 403, 404, 410, 413, 422] {
            assert_eq!(said(status), Some("refused"), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 599] {
            assert_eq!(said(status), Some("failed"), "{status}");
        }
    }
}
