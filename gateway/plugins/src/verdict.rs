//! What a guest answers, held to what it may. Nothing that it hands over is passed on before it was looked at here.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::PluginSettings;
use crate::headers;
use crate::lent::harmless;
use crate::manifest::Manifest;
use crate::wire;

/// The longest code of a finding, and the longest name of a control.
const LONGEST_CODE: usize = 64;

/// The longest message of a finding, in bytes.
const LONGEST_MESSAGE: usize = 512;

/// How many controls one finding may feed.
const MOST_CONTROLS: usize = 16;

const CONTENT_TYPE: HeaderName = http::header::CONTENT_TYPE;

/// One change of the headers that go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// It has this value and no other.
    Set(HeaderName, HeaderValue),
    /// It has this value too.
    Append(HeaderName, HeaderValue),
    /// There is none.
    Remove(HeaderName),
}

impl HeaderEdit {
    /// Makes the change.
    pub fn apply(&self, to: &mut HeaderMap) {
        match self {
            Self::Set(name, value) => drop(to.insert(name.clone(), value.clone())),
            Self::Append(name, value) => drop(to.append(name.clone(), value.clone())),
            Self::Remove(name) => drop(to.remove(name)),
        }
    }

    /// The header that it changes.
    pub fn name(&self) -> &HeaderName {
        match self {
            Self::Set(name, _) | Self::Append(name, _) | Self::Remove(name) => name,
        }
    }
}

/// What a plugin answers instead of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// What is in the body.
    pub content_type: HeaderValue,
    /// Other headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// Evidence for the log of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was found, as one token.
    pub code: String,
    /// How bad it is.
    pub severity: &'static str,
    /// The same in words.
    pub message: String,
    /// The controls that it feeds.
    pub controls: Vec<String>,
}

/// What is to become of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Pass,
    Edit(Vec<HeaderEdit>),
    Respond(Reply),
}

/// What no plugin may answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadVerdict {
    /// A path, a query or an upstream.
    #[error("the verdict changes the {0}, which this gateway lets no plugin do")]
    Rewrite(&'static str),
    /// More changes than there may be.
    #[error("the verdict has {0} changes of headers; there may be {1} (`header_ops`)")]
    TooManyOps(usize, u32),
    /// Longer names and values than there may be.
    #[error("the headers of the verdict have {0} bytes; there may be {1} (`header_bytes`)")]
    HeadersTooLong(usize, u32),
    /// No name of a header.
    #[error("`{0}` is no name of a header; help: names are in small letters")]
    BadName(String),
    /// A value with a line break or another byte that cannot be.
    #[error("the value of `{0}` has a byte that no header may have")]
    BadValue(HeaderName),
    /// A header that no plugin may say.
    #[error("`{0}` is for the gateway alone to say")]
    Barred(HeaderName),
    /// Headers by which another operation would be asked for.
    #[error("the changed headers ask for another operation than the one that was decided on")]
    OtherOperation,
    /// A header that this plugin may not say.
    #[error("`{0}` is not granted; help: add it to `headers.write` of `[needs]` in plugin.toml")]
    NotGranted(HeaderName),
    /// A status that ends nothing.
    #[error("{0} is no status of a reply; help: 200 to 599")]
    BadStatus(u16),
    /// A body that is too long.
    #[error("the body of the reply has {0} bytes; there may be {1} (`reply_bytes`)")]
    ReplyTooLong(usize, u32),
    /// A body where there can be none.
    #[error("a reply with status {0} has no body")]
    NoBody(u16),
    /// More findings than there may be.
    #[error("there are {0} findings; there may be {1} (`findings`)")]
    TooManyFindings(usize, u32),
    /// A finding that nobody can use.
    #[error("a finding has {0}")]
    BadFinding(&'static str),
}

/// Looks at what was answered.
pub(crate) fn action(
    written: wire::RequestAction,
    manifest: &Manifest,
    settings: &PluginSettings,
) -> Result<Action, BadVerdict> {
    match written {
        wire::RequestAction::Pass => Ok(Action::Pass),
        wire::RequestAction::Edit(edit) => {
            let rewrites = [("path", &edit.path), ("query", &edit.query), ("upstream", &edit.upstream)];
            if let Some((what, _)) = rewrites.iter().find(|it| it.1.is_some()) {
                return Err(BadVerdict::Rewrite(what));
            }
            let sizes = edit.headers.iter().map(|it| match it {
                wire::HeaderOp::Set(it) | wire::HeaderOp::Append(it) => it.name.len() + it.value.len(),
                wire::HeaderOp::Remove(name) => name.len(),
            });
            fit(edit.headers.len(), sizes.sum(), settings)?;
            edit.headers.into_iter().map(|it| header_edit(it, manifest)).collect::<Result<_, _>>().map(Action::Edit)
        }
        wire::RequestAction::Respond(reply) => own_reply(reply, manifest, settings).map(Action::Respond),
    }
}

fn fit(count: usize, bytes: usize, settings: &PluginSettings) -> Result<(), BadVerdict> {
    if (settings.header_ops as usize) < count {
        return Err(BadVerdict::TooManyOps(count, settings.header_ops));
    }
    if (settings.header_bytes as usize) < bytes {
        return Err(BadVerdict::HeadersTooLong(bytes, settings.header_bytes));
    }
    Ok(())
}

fn header_edit(op: wire::HeaderOp, manifest: &Manifest) -> Result<HeaderEdit, BadVerdict> {
    match op {
        wire::HeaderOp::Set(it) => header(it, manifest).map(|(name, value)| HeaderEdit::Set(name, value)),
        wire::HeaderOp::Append(it) => header(it, manifest).map(|(name, value)| HeaderEdit::Append(name, value)),
        wire::HeaderOp::Remove(it) => granted(&it, manifest).map(HeaderEdit::Remove),
    }
}

fn header(written: wire::Header, manifest: &Manifest) -> Result<(HeaderName, HeaderValue), BadVerdict> {
    let name = granted(&written.name, manifest)?;
    value(&name, written.value).map(|value| (name, value))
}

/// The value, if it has nothing in it that ends a line or could be taken for an end.
fn value(name: &HeaderName, written: Vec<u8>) -> Result<HeaderValue, BadVerdict> {
    HeaderValue::from_maybe_shared(Bytes::from(written)).map_err(|_| BadVerdict::BadValue(name.clone()))
}

fn granted(written: &str, manifest: &Manifest) -> Result<HeaderName, BadVerdict> {
    let bad = || BadVerdict::BadName(harmless(&written.chars().take(LONGEST_CODE).collect::<String>()));
    let name = HeaderName::from_lowercase(written.as_bytes()).map_err(|_| bad())?;
    // First, so that a smuggler is told what it is and not how to be granted it.
    if headers::is_barred(&name) {
        return Err(BadVerdict::Barred(name));
    }
    if manifest.writes.contains(&name) { Ok(name) } else { Err(BadVerdict::NotGranted(name)) }
}

fn own_reply(reply: wire::OwnReply, manifest: &Manifest, settings: &PluginSettings) -> Result<Reply, BadVerdict> {
    let bad = BadVerdict::BadStatus(reply.status);
    let status = StatusCode::from_u16(reply.status).ok().filter(|it| (200..600).contains(&it.as_u16())).ok_or(bad)?;
    if (settings.reply_bytes as usize) < reply.body.len() {
        return Err(BadVerdict::ReplyTooLong(reply.body.len(), settings.reply_bytes));
    }
    if matches!(reply.status, 204 | 205 | 304) && !reply.body.is_empty() {
        return Err(BadVerdict::NoBody(reply.status));
    }
    fit(reply.headers.len(), reply.headers.iter().map(|it| it.name.len() + it.value.len()).sum(), settings)?;
    let mut content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    let mut headers = Vec::new();
    for written in reply.headers {
        // Of a body of its own it may say what it is.
        if written.name == CONTENT_TYPE.as_str() {
            content_type = value(&CONTENT_TYPE, written.value)?;
        } else {
            headers.push(header(written, manifest)?);
        }
    }
    Ok(Reply { status, content_type, headers, body: reply.body.into() })
}

/// Looks at what was found.
pub(crate) fn findings(
    written: impl Iterator<Item = wire::Finding>,
    settings: &PluginSettings,
) -> Result<Vec<Finding>, BadVerdict> {
    let all: Vec<Finding> = written.map(finding).collect::<Result<_, _>>()?;
    if all.len() <= settings.findings as usize {
        Ok(all)
    } else {
        Err(BadVerdict::TooManyFindings(all.len(), settings.findings))
    }
}

fn finding(written: wire::Finding) -> Result<Finding, BadVerdict> {
    let token = |it: &str| {
        let inner = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.' | b'(' | b')');
        (1..=LONGEST_CODE).contains(&it.len()) && it.bytes().all(inner)
    };
    if !token(&written.code) {
        return Err(BadVerdict::BadFinding("a code that is not 1 to 64 letters, digits, `-`, `_`, `.`"));
    }
    if LONGEST_MESSAGE < written.message.len() {
        return Err(BadVerdict::BadFinding("a message of more than 512 bytes"));
    }
    if MOST_CONTROLS < written.controls.len() || !written.controls.iter().all(|it| token(it)) {
        return Err(BadVerdict::BadFinding("more than 16 controls, or one that is no name"));
    }
    Ok(Finding {
        severity: severity(written.severity),
        message: harmless(&written.message),
        code: written.code,
        controls: written.controls,
    })
}

fn severity(of: wire::Severity) -> &'static str {
    match of {
        wire::Severity::Info => "info",
        wire::Severity::Low => "low",
        wire::Severity::Medium => "medium",
        wire::Severity::High => "high",
        wire::Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests;
