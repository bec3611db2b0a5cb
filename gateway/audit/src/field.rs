//! What of an entry can be asked for, and where entries have it.

use crate::cbor::{self, NotCanonical, Scalar};

/// A field that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Request,
    Tenant,
    Key,
    Actor,
    Api,
    Operation,
    Outcome,
    Class,
}

/// What is found when an entry is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact<'b> {
    /// When it happened, in nanoseconds since 1970.
    Time(i64),
    /// What it says of a field. An entry may say several things of one.
    Says(Field, &'b str),
}

impl Field {
    /// What the digests in index files begin with: they outlive this list's order.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Tenant => "tenant",
            Self::Key => "key",
            Self::Actor => "actor",
            Self::Api => "api",
            Self::Operation => "operation",
            Self::Outcome => "outcome",
            Self::Class => "class",
        }
    }

    /// Of a section and a name. Entries of requests have sections; what is entered about something else has the same
    /// at its top, and the request that caused it as `cause`. Whoever asks is known by their key, and a key at the top is
    /// what something was done to.
    fn at(section: Option<&[u8]>, name: &[u8]) -> &'static [Self] {
        match (section, name) {
            (None, b"tenant") => &[Self::Tenant],
            (None, b"class") => &[Self::Class],
            (Some(b"request"), b"id") | (None, b"cause") => &[Self::Request],
            (Some(b"auth"), b"key") => &[Self::Key, Self::Actor],
            (None, b"key") => &[Self::Key],
            (None, b"actor") => &[Self::Actor],
            (Some(b"request") | None, b"api") => &[Self::Api],
            (Some(b"request") | None, b"operation") => &[Self::Operation],
            (Some(b"decision") | None, b"outcome") => &[Self::Outcome],
            _ => &[],
        }
    }
}

/// Hands over what an entry says that can be asked for.
pub(crate) fn facts<'b>(entry: &'b [u8], mut each: impl FnMut(Fact<'b>)) -> Result<(), NotCanonical> {
    cbor::scalars(entry, |section, name, value| match value {
        Scalar::Number(time) if section.is_none() && name == b"time" => each(Fact::Time(time)),
        Scalar::Number(_) => {}
        Scalar::Text(text) => {
            let fields = Field::at(section, name);
            if !fields.is_empty()
                && let Ok(text) = std::str::from_utf8(text)
            {
                for it in fields {
                    each(Fact::Says(*it, text));
                }
            }
        }
    })
}
