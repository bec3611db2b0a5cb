//! What the body of a request must be: there or not, how long, of which media type, and as JSON of which schema.

use domain::{Arrival, Body};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use jsonschema::{ValidationError, Validator as Schema};

use super::json::Broken;
use super::media::names_other_charset;
use super::{Invalid, InvalidKind, Media, Wrong, json, words};

/// The longest body in which more than the first fault is looked for, in bytes: every fault of a body is found before
/// ten of them are told, and a hostile body is all faults.
const SURVEYED: usize = 8 * 1024;

/// What the document says of an operation's body.
#[derive(Clone, Debug)]
pub(crate) struct BodyRule {
    /// Whether there is one, and whether it is read whole.
    pub(crate) treatment: Body,
    /// Whether a request without one is refused.
    pub(crate) required: bool,
    /// The documented media types, the most specific first; at least one unless there is no body.
    pub(crate) media: Vec<MediaRule>,
}

/// One documented media type of a body.
#[derive(Clone, Debug)]
pub(crate) struct MediaRule {
    /// The type or range.
    pub(crate) media: Media,
    /// What JSON of this type or range must be; `None` where it has no schema, or stands for one type that is not JSON.
    pub(crate) schema: Option<Schema>,
}

impl BodyRule {
    /// Adds what the head of a request shows to be wrong with its body.
    pub(crate) fn head(&self, arrival: &Arrival, wrongs: &mut Vec<Wrong>) {
        let length: Option<u64> =
            arrival.headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()).and_then(|it| it.parse().ok());
        let max = match self.treatment {
            Body::None => {
                if length.is_some_and(|it| it > 0) {
                    wrongs.push(Wrong::body("must be empty"));
                }
                return;
            }
            Body::Checked { max } | Body::Streamed { max } => max,
        };
        match length {
            Some(0) if self.lacks(0) => wrongs.push(Wrong::body("is required")),
            Some(0) if !self.required => {}
            Some(length) if length > max => wrongs.push(Wrong::too_large(max)),
            _ => {
                // Over HTTP/2 a body may come unannounced; then `whole` has the last word.
                let announced = length.is_some() || arrival.headers.contains_key(TRANSFER_ENCODING);
                let absent = !announced && !self.required && !arrival.headers.contains_key(CONTENT_TYPE);
                if !absent {
                    wrongs.extend(self.media_of(arrival).err());
                }
            }
        }
    }

    /// Whether a whole body is as documented.
    pub(crate) fn whole(&self, arrival: &Arrival, body: &[u8]) -> Result<(), Invalid> {
        let max = match self.treatment {
            Body::None if body.is_empty() => return Ok(()),
            Body::None => return Err(Wrong::body("must be empty").into()),
            Body::Checked { max } | Body::Streamed { max } => max,
        };
        if self.lacks(body.len()) {
            return Err(Wrong::body("is required").into());
        }
        if body.is_empty() {
            return Ok(());
        }
        if u64::try_from(body.len()).map_or(true, |it| it > max) {
            return Err(Wrong::too_large(max).into());
        }
        let rule = self.media_of(arrival)?;
        let json = sent(arrival).as_ref().unwrap_or(&rule.media).is_json();
        if matches!(self.treatment, Body::Streamed { .. }) || !json {
            return Ok(());
        }
        let value = json::parse(body).map_err(malformed)?;
        match &rule.schema {
            Some(schema) if schema.is_valid(&value) => Ok(()),
            Some(schema) if body.len() > SURVEYED => schema.validate(&value).map_err(|it| misfit(&it).into()),
            Some(schema) => Invalid::gather(schema.iter_errors(&value).map(|it| misfit(&it))),
            None => Ok(()),
        }
    }

    /// Whether a body of this length is none where there must be one. Of what is passed on as it arrives, such as an object,
    /// nothing at all is as good as anything.
    fn lacks(&self, length: usize) -> bool {
        length == 0 && self.required && matches!(self.treatment, Body::Checked { .. })
    }

    /// The documented media type that the request's `Content-Type` falls under.
    fn media_of(&self, arrival: &Arrival) -> Result<&MediaRule, Wrong> {
        let mut sent = arrival.headers.get_all(CONTENT_TYPE).iter();
        // Bytes without a type are bytes of any type (RFC 9110, section 8.3).
        let any = self.media.iter().find(|it| it.media.essence == "*/*");
        if let (Some(any), false) = (any, arrival.headers.contains_key(CONTENT_TYPE)) {
            return Ok(any);
        }
        let (Some(content_type), None) = (sent.next(), sent.next()) else {
            let missing = !arrival.headers.contains_key(CONTENT_TYPE);
            return Err(Wrong::media_type(if missing { "is required" } else { "must be given once" }));
        };
        let content_type = content_type.to_str().unwrap_or_default();
        let media = Media::parse(content_type);
        let covering = |media: &Media| self.media.iter().find(|it| it.media.covers(media));
        let Some(rule) = media.as_ref().and_then(covering) else {
            let listed: Vec<&str> = self.media.iter().map(|it| it.media.essence.as_str()).collect();
            return Err(Wrong::media_type(format!("must be {}", listed.join(" or "))));
        };
        let read = matches!(self.treatment, Body::Checked { .. });
        if read && media.is_some_and(|it| it.is_json()) && names_other_charset(content_type) {
            return Err(Wrong::media_type("must not name a charset other than utf-8"));
        }
        let mut encodings = arrival.headers.get_all(CONTENT_ENCODING).iter();
        if read && encodings.any(|it| !it.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Wrong::parameter("Content-Encoding", "must not be set: this body is read as it arrives"));
        }
        Ok(rule)
    }
}

/// The media type that a request says its body is of.
fn sent(arrival: &Arrival) -> Option<Media> {
    arrival.headers.get(CONTENT_TYPE).and_then(|it| Media::parse(it.to_str().ok()?))
}

fn misfit(error: &ValidationError<'_>) -> Wrong {
    let (field, message) = words::describe(None, error);
    Wrong { kind: InvalidKind::Body, field, message }
}

fn malformed(broken: Broken) -> Invalid {
    let message = broken.message();
    let field = match broken {
        Broken::Twice(key) => Some(key).filter(|it| words::is_plain_path(it)),
        Broken::NotUtf8 | Broken::TooDeep | Broken::Syntax(..) => None,
    };
    Wrong { kind: InvalidKind::Body, field, message }.into()
}
