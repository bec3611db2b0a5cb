//! What a plugin answers.

use crate::bindings::portcullis::plugin::types::{OwnReply, RequestAction, RequestEdit, RequestVerdict};
use crate::{Finding, Header, HeaderOp, Severity};

/// What is to become of a request, and what was found in it.
#[derive(Clone, Debug)]
pub struct Verdict {
    action: Action,
    findings: Vec<Finding>,
}

#[derive(Clone, Debug)]
enum Action {
    Go(Vec<HeaderOp>),
    Respond { status: u16, headers: Vec<Header>, body: Vec<u8> },
}

impl Verdict {
    /// The request goes on as it is.
    pub fn pass() -> Self {
        Self { action: Action::Go(Vec::new()), findings: Vec::new() }
    }

    /// The request goes on, and this header has this value and no other.
    pub fn set(name: &str, value: &str) -> Self {
        Self::pass().and_set(name, value)
    }

    /// The request goes no further: this is answered.
    pub fn respond(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let action = Action::Respond { status, headers: Vec::new(), body: body.into() };
        Self { action, findings: Vec::new() }
    }

    /// The same, and this header has this value and no other: of the request that goes on, or of the answer.
    #[must_use]
    pub fn and_set(self, name: &str, value: &str) -> Self {
        self.header(HeaderOp::Set(header(name, value)))
    }

    /// The same, and this header has this value as well.
    #[must_use]
    pub fn and_append(self, name: &str, value: &str) -> Self {
        self.header(HeaderOp::Append(header(name, value)))
    }

    /// The same, and the request that goes on has no such header. An answer has none that was not set.
    #[must_use]
    pub fn and_remove(self, name: &str) -> Self {
        self.header(HeaderOp::Remove(name.to_owned()))
    }

    fn header(mut self, op: HeaderOp) -> Self {
        match (&mut self.action, op) {
            (Action::Go(ops), op) => ops.push(op),
            (Action::Respond { headers, .. }, HeaderOp::Set(it)) => {
                headers.retain(|other| other.name != it.name);
                headers.push(it);
            }
            (Action::Respond { headers, .. }, HeaderOp::Append(it)) => headers.push(it),
            (Action::Respond { headers, .. }, HeaderOp::Remove(name)) => headers.retain(|it| it.name != name),
        }
        self
    }

    /// The same with evidence for the audit log: a token such as `pii.card`, how bad it is, and the same in words. Write
    /// nothing there that is not meant to be kept.
    #[must_use]
    pub fn finding(self, code: &str, severity: Severity, message: &str) -> Self {
        self.finding_for(code, severity, message, &[])
    }

    /// The same for controls, such as `PCI-DSS-3.4`.
    #[must_use]
    pub fn finding_for(mut self, code: &str, severity: Severity, message: &str, controls: &[&str]) -> Self {
        self.findings.push(Finding {
            code: code.to_owned(),
            severity,
            message: message.to_owned(),
            controls: controls.iter().map(|it| (*it).to_owned()).collect(),
        });
        self
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The changes of headers, of a request that goes on.
    pub fn edits(&self) -> Option<&[HeaderOp]> {
        match &self.action {
            Action::Go(ops) => Some(ops),
            Action::Respond { .. } => None,
        }
    }

    /// Status and body, of a request that is answered.
    pub fn reply(&self) -> Option<(u16, &[u8])> {
        match &self.action {
            Action::Go(_) => None,
            Action::Respond { status, body, .. } => Some((*status, body)),
        }
    }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_ascii_lowercase(), value: value.into() }
}

impl From<Verdict> for RequestVerdict {
    fn from(verdict: Verdict) -> Self {
        let action = match verdict.action {
            Action::Go(headers) if headers.is_empty() => RequestAction::Pass,
            Action::Go(headers) => {
                RequestAction::Edit(RequestEdit { headers, path: None, query: None, upstream: None })
            }
            Action::Respond { status, headers, body } => RequestAction::Respond(OwnReply { status, headers, body }),
        };
        Self { action, findings: verdict.findings }
    }
}
