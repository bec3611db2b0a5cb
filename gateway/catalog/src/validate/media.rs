//! Media types, as far as a request body needs them.

/// One media type or range of a document: `application/json`, `image/*`, `*/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    /// Lower case, without parameters.
    pub(crate) essence: String,
}

impl Media {
    /// Reads a key of `content`, or a `Content-Type`, without its parameters.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (kind, form) = essence.split_once('/')?;
        (is_token(kind) && is_token(form)).then_some(Self { essence })
    }

    /// Whether it means JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.essence == "application/json" || self.essence.ends_with("+json")
    }

    /// How many it stands for, from 0 for itself alone: the most specific of a document counts (OpenAPI 3.1, Request Body
    /// Object).
    pub(crate) fn breadth(&self) -> u8 {
        u8::from(self.essence.ends_with("/*")) + u8::from(self.essence == "*/*")
    }

    /// Whether this one of a document covers `other` of a request.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if self.essence == "*/*" || self.essence == other.essence {
            return true;
        }
        let kind = self.essence.strip_suffix("/*");
        kind.is_some_and(|kind| other.essence.split('/').next() == Some(kind))
    }
}

/// Whether a `Content-Type` names a character set that is not UTF-8.
pub(crate) fn names_other_charset(content_type: &str) -> bool {
    content_type.split(';').skip(1).filter_map(|it| it.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset") && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it))
}
