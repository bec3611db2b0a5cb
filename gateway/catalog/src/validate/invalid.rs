//! What is wrong with a request, field by field.

use std::borrow::Cow;
use std::fmt;

use domain::Told;

/// How many faults one refusal names at most.
pub(crate) const MOST: usize = 10;

/// A request that does not agree with the document. Holds at least one fault and at most ten, and is written as all of them:
/// the caller is told the first, and the entry says the rest as well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    first: Wrong,
    others: Vec<Wrong>,
}

/// One thing that is wrong. Never holds a value that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What sort of fault it is.
    pub kind: InvalidKind,
    /// The parameter, header or body field at fault: `per_page`, `Content-Type`, `ssh_keys[2]`; `None` for the whole
    /// body.
    pub field: Option<String>,
    /// What is wrong with it, such as `must be at most 100`.
    pub message: Cow<'static, str>,
}

/// The sorts of faults, as far as they are answered differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvalidKind {
    /// A path, query or header parameter.
    Parameter,
    /// A query parameter or a header that the document does not name, where others are refused.
    Undocumented,
    /// The body, or a body where there should be none.
    Body,
    /// The body's `Content-Type` is missing or not a documented one.
    MediaType,
    /// The body is longer than the operation takes.
    TooLarge,
}

impl Invalid {
    /// The faults found, if there are any; those past the tenth are left out.
    pub(crate) fn gather(wrongs: impl IntoIterator<Item = Wrong>) -> Result<(), Self> {
        let mut wrongs = wrongs.into_iter();
        match wrongs.next() {
            None => Ok(()),
            Some(first) => Err(Self { first, others: wrongs.take(MOST - 1).collect() }),
        }
    }

    /// The fault the caller is told of.
    pub const fn first(&self) -> &Wrong {
        &self.first
    }

    /// The same, as faults of the one parameter that holds what is wrong.
    pub(crate) fn about(mut self, parameter: &str) -> Self {
        self.others.clear();
        let message = format!("names something whose {}", self.first).into();
        self.first = Wrong { kind: InvalidKind::Parameter, field: Some(parameter.to_owned()), message };
        self
    }

    /// Every fault, the first one first.
    pub fn all(&self) -> impl Iterator<Item = &Wrong> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The sort of the first fault.
    pub const fn kind(&self) -> InvalidKind {
        self.first.kind
    }

    /// What the caller is told.
    pub fn told(&self) -> Told {
        Told {
            reason: self.kind().reason(),
            message: Cow::Owned(self.first.to_string()),
            param: self.first.field.clone(),
        }
    }
}

impl From<Wrong> for Invalid {
    fn from(first: Wrong) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl Wrong {
    pub(crate) fn parameter(name: &str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: InvalidKind::Parameter, field: Some(name.to_owned()), message: message.into() }
    }

    pub(crate) fn undocumented(name: &str, message: &'static str) -> Self {
        Self { kind: InvalidKind::Undocumented, field: Some(name.to_owned()), message: message.into() }
    }

    pub(crate) fn body(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: InvalidKind::Body, field: None, message: message.into() }
    }

    pub(crate) fn media_type(message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: InvalidKind::MediaType, field: Some("Content-Type".to_owned()), message: message.into() }
    }

    pub(crate) fn too_large(max: u64) -> Self {
        let message = format!("must not be longer than {max} bytes");
        Self { kind: InvalidKind::TooLarge, field: None, message: message.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.others.iter().try_for_each(|it| write!(f, "; {it}"))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "`{field}` {}", self.message),
            None => write!(f, "the request body {}", self.message),
        }
    }
}

impl InvalidKind {
    /// The token of the refusal.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Parameter => "invalid_parameter",
            Self::Undocumented => "undocumented_parameter",
            Self::Body => "invalid_body",
            Self::MediaType => "wrong_media_type",
            Self::TooLarge => "body_too_large",
        }
    }
}
