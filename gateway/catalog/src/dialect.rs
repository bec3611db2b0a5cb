//! How one API words its refusals.
//!
//! Knows the body, the codes and the headers every refusal carries. Does not know why a request was refused: that is in
//! the [`Told`] it is handed. Built whole from the profile; wording a refusal cannot fail.

mod reasons;
mod template;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use domain::{RequestId, Told};
use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use toml::de::DeValue;

use self::reasons::REASONS;
use self::template::{Filling, Format, Hole, Template};
use crate::settings::headers;
use crate::written::{Placed, Readable, Section, Unreadable, closest, one_of};

/// Every status the gateway itself can answer with; a dialect has a row for each.
pub const STATUSES: [u16; 15] = [400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 431, 500, 502, 503, 504];

/// The header that carries [`Told::reason`].
pub const REFUSAL_REASON: HeaderName = HeaderName::from_static("refusal-reason");

/// The words of one API, or of one host of it.
#[derive(Clone, Debug)]
pub struct Dialect {
    template: Template,
    content_type: HeaderValue,
    request_id_prefix: String,
    request_id_header: Option<HeaderName>,
    statuses: BTreeMap<u16, Row>,
    reasons: HashMap<String, Row>,
    ends_events: bool,
}

/// A refusal as it goes out, but for what only others know: its length, the request id, a challenge, when to come back.
#[derive(Clone, Debug)]
pub struct Worded {
    /// The status of the answer, which may be another than the refusal's own: S3 answers 503 in place of 429.
    pub status: StatusCode,
    /// `application/json` or `application/xml`, unless the dialect says something more particular.
    pub content_type: HeaderValue,
    /// `Cache-Control`, `X-Content-Type-Options`, and `Refusal-Reason` where it may be known.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// What one status or one reason changes.
#[derive(Clone, Debug, Default)]
struct Row {
    code: Option<String>,
    kind: Option<String>,
    message: Option<String>,
    status: Option<StatusCode>,
}

impl Dialect {
    /// The header of every answer under which clients of this API look for its request id, and what it says; `None` where
    /// they look for `X-Request-Id`, which is there besides.
    pub fn request_id(&self, id: &RequestId) -> Option<(HeaderName, HeaderValue)> {
        let name = self.request_id_header.clone()?;
        Some((name, HeaderValue::try_from(self.request_id_text(id)).ok()?))
    }

    fn request_id_text(&self, id: &RequestId) -> String {
        format!("{}{id}", self.request_id_prefix)
    }

    /// Words a refusal of a request for `resource`, the path that was asked for; empty where it has no normal form.
    pub fn word_about(&self, resource: &str, status: StatusCode, told: &Told, id: &RequestId) -> Worded {
        let reason = self.reasons.get(told.reason);
        let row = self.row(reason.and_then(|it| it.status).unwrap_or(status));
        let request_id = self.request_id_text(id);
        let body = self.template.fill(&Filling {
            code: pick(reason, row, |it| it.code.as_deref()).unwrap_or_default(),
            kind: pick(reason, row, |it| it.kind.as_deref()).unwrap_or_default(),
            message: pick(reason, row, |it| it.message.as_deref()).unwrap_or(&told.message),
            request_id: &request_id,
            param: told.param.as_deref(),
            resource: Some(resource),
        });
        let status = pick(reason, row, |it| it.status).unwrap_or(status);
        let content_type = self.content_type.clone();
        // With a status but no code of its own, a reason is meant to look like something else, which its name would betray.
        let disguised = reason.is_some_and(|it| it.status.is_some() && it.code.is_none());
        let shown = (!disguised).then_some(told.reason);
        let mut headers = Self::headers(shown);
        headers.extend(self.request_id(id));
        Worded { status, content_type, headers, body: body.into() }
    }

    fn headers(reason: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::with_capacity(4);
        headers.push((CACHE_CONTROL, HeaderValue::from_static("no-store")));
        headers.push((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
        headers.extend(reason.and_then(|it| HeaderValue::from_str(it).ok()).map(|it| (REFUSAL_REASON, it)));
        headers
    }

    /// The row of a status; one that nobody foresaw is worded as the plainest of its class.
    fn row(&self, status: StatusCode) -> Option<&Row> {
        let plainest = if status.is_client_error() { 400 } else { 500 };
        self.statuses.get(&status.as_u16()).or_else(|| self.statuses.get(&plainest))
    }

    /// The words of the gateway itself, for a host that no API claims.
    pub(crate) fn plain() -> Self {
        Self {
            template: Template::plain(),
            content_type: HeaderValue::from_static("application/json"),
            request_id_prefix: "req_".to_owned(),
            request_id_header: None,
            statuses: BTreeMap::new(),
            reasons: HashMap::new(),
            ends_events: false,
        }
    }

    /// The words of the issuer of this API for clients: an `error` of OAuth for each status, and the request id where it
    /// is looked for at this API.
    pub(crate) fn of_issuer(&self) -> Self {
        let code = |status: u16| match status {
            401 => "invalid_client",
            403 => "access_denied",
            // What has no word where tokens are given is said with those of where users are sent (section 4.1.2.1).
            429 | 503 => "temporarily_unavailable",
            500..=599 => "server_error",
            _ => "invalid_request",
        };
        let row = |status: u16| Row { code: Some(code(status).to_owned()), ..Row::default() };
        Self {
            template: Template::oauth(),
            content_type: HeaderValue::from_static("application/json"),
            request_id_prefix: self.request_id_prefix.clone(),
            request_id_header: self.request_id_header.clone(),
            statuses: STATUSES.iter().map(|it| (*it, row(*it))).collect(),
            reasons: HashMap::new(),
            ends_events: false,
        }
    }

    /// Whether a stream of server-sent events may be ended by a refusal as its last event.
    pub fn ends_events(&self) -> bool {
        self.ends_events
    }

    /// Reads one `[dialect.*]` table.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let format = section.required::<Format>("format");
        let content_type = section.optional::<String>("content_type");
        let prefix = section.value_or("request_id_prefix", String::new());
        let request_id_header = headers::own(section, "request_id_header").map(|it| it.value);
        let body = section.required::<String>("body");
        let ends_events = section.value_or("ends_events", false);
        let table = section.section("status");
        let exceptions = section.optional_section("reason");

        let template = match (&format, &body) {
            (Some(format), Some(body)) => Template::compile(format.value, &body.value)
                .map_err(|why| section.fault(body.place, format!("`body`: {why}")))
                .ok(),
            _ => None,
        };
        let content_type = format.as_ref().and_then(|it| content_type_of(section, it.value, content_type.as_ref()));
        let statuses = statuses(&table?, template.as_ref());
        let reasons = exceptions.map_or_else(|| Some(HashMap::new()), |it| reasons(&it));
        Some(Self {
            template: template?,
            content_type: content_type?,
            request_id_prefix: prefix,
            request_id_header,
            statuses: statuses?,
            reasons: reasons?,
            ends_events,
        })
    }
}

/// A refusal as the last of a stream of server-sent events.
pub fn last_event(worded: &Worded) -> Bytes {
    let mut event = Vec::with_capacity(worded.body.len() + 16);
    for line in worded.body.split(|it| *it == b'\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.push(b'\n');
    }
    event.push(b'\n');
    event.into()
}

/// What bodies are said to be: what the format says, or something more particular that is of that format.
fn content_type_of(section: &Section<'_>, format: Format, written: Option<&Placed<String>>) -> Option<HeaderValue> {
    let name = match format {
        Format::Json => "json",
        Format::Xml => "xml",
    };
    let Some(written) = written else { return HeaderValue::try_from(format!("application/{name}")).ok() };
    let own = written.value.strip_prefix("application/").and_then(|it| it.strip_suffix(name));
    let plain = |it: &str| it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'+'));
    if own.is_none_or(|it| !plain(it) || !(it.is_empty() || it.ends_with('+'))) {
        let message =
            format!("`content_type`: `{}` is no kind of {name} such as `application/problem+{name}`", written.value);
        section.fault(written.place, message);
        return None;
    }
    HeaderValue::try_from(&written.value).ok()
}

/// What the reason says, else what the status says.
fn pick<'a, T>(reason: Option<&'a Row>, row: Option<&'a Row>, of: impl Fn(&'a Row) -> Option<T>) -> Option<T> {
    reason.and_then(&of).or_else(|| row.and_then(&of))
}

/// The row of each status; a missing one, and one that is never given, is a fault.
fn statuses(table: &Section<'_>, template: Option<&Template>) -> Option<BTreeMap<u16, Row>> {
    let mut rows = BTreeMap::new();
    let mut good = true;
    let mut unread: Vec<u16> = STATUSES.to_vec();
    for (key, section) in table.named_sections() {
        let row = Row::read(&section);
        let Some(status) = key.value.parse().ok().filter(|it| STATUSES.contains(it)) else {
            let help = format!("the gateway gives {}", listed(&STATUSES));
            section.fault_with(key.place, format!("`{}` is no status the gateway gives", key.value), help);
            good = false;
            continue;
        };
        unread.retain(|it| *it != status);
        let Some(row) = row else {
            good = false;
            continue;
        };
        for (hole, name, value) in [(Hole::Code, "code", &row.code), (Hole::Kind, "type", &row.kind)] {
            if value.is_none() && template.is_some_and(|it| it.has(hole)) {
                section.fault(key.place, format!("status {status} has no `{name}`, which the body shows"));
                good = false;
            }
        }
        rows.insert(status, row);
    }
    if !unread.is_empty() {
        table.fault(table.place(), format!("no row for status {}", listed(&unread)));
    }
    (good && unread.is_empty()).then_some(rows)
}

fn reasons(table: &Section<'_>) -> Option<HashMap<String, Row>> {
    let rows: Vec<Option<(String, Row)>> = table
        .named_sections()
        .into_iter()
        .map(|(key, section)| {
            let row = Row::read(&section);
            let token = key.value.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
            if !token || key.value.is_empty() {
                section.fault(key.place, format!("`{}` is not a reason: use a-z, 0-9 and `_`", key.value));
            } else if REASONS.binary_search(&key.value).is_err() {
                let near = closest(key.value, &REASONS).map(|it| format!("did you mean `{it}`?"));
                let help = near.unwrap_or_else(|| format!("there are: {}", REASONS.join(", ")));
                section.fault_with(key.place, format!("no refusal has the reason `{}`", key.value), help);
            }
            row.filter(|_| token).map(|it| (key.value.to_owned(), it))
        })
        .collect();
    rows.into_iter().collect()
}

impl Row {
    fn read(section: &Section<'_>) -> Option<Self> {
        let code = section.optional::<String>("code");
        let kind = section.optional::<String>("type");
        let message = section.optional::<String>("message");
        let status = section.optional::<u32>("status");
        Some(Self {
            code: code.map(|it| it.value),
            kind: kind.map(|it| it.value),
            message: message.map(|it| it.value),
            status: match status {
                Some(written) => Some(error_status(section, &written)?),
                None => None,
            },
        })
    }
}

/// A status that cannot pass for success.
fn error_status(section: &Section<'_>, written: &Placed<u32>) -> Option<StatusCode> {
    let status = u16::try_from(written.value).ok().and_then(|it| StatusCode::from_u16(it).ok());
    let status = status.filter(|it| it.is_client_error() || it.is_server_error());
    if status.is_none() {
        section.fault(written.place, format!("`{}` is not a status from 400 to 599", written.value));
    }
    status
}

fn listed(statuses: &[u16]) -> String {
    let words: Vec<String> = statuses.iter().map(u16::to_string).collect();
    words.join(", ")
}

impl Readable for Format {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        one_of(value, &[("json", Self::Json), ("xml", Self::Xml)])
    }
}

#[cfg(test)]
mod tests;
