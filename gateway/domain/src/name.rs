//! Names that have been read once and are good wherever they appear.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name there can be, in bytes.
const MAX_LEN: usize = 128;

/// A text that cannot be a name of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a {1}: use 1 to 128 letters, digits, `-`, `_`, `.`, `:` and `/`")]
pub struct BadName(String, &'static str);

fn is_name(text: &str) -> bool {
    (1..=MAX_LEN).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.' | b':' | b'/'))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident is a $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(BadName(text.to_owned(), $what)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// The name of a fronted API: the folder of its profile.
    ApiName is a "API name";
    /// The `operationId` of an operation, unique within its API.
    OperationId is a "operation id";
    /// The organisation or account whose resources these are. Never reused.
    TenantId is a "tenant id";
    /// One API key or access key, as logs, entries and lists name it. Never the key itself.
    KeyId is a "key id";
    /// All keys that came from one by rotation: what limits are counted by.
    LineageId is a "lineage id";
    /// One permission a credential carries, spelled as the OpenAPI document spells it.
    Scope is a "scope";
    /// A named set of scopes that a tenant gives its people.
    RoleName is a "role name";
    /// A named set of rate limits.
    TierName is a "tier name";
}

impl KeyId {
    /// The lineage that this key founds: it bears the name of its first key and shares its memory.
    pub fn founds(&self) -> LineageId {
        LineageId(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_space_a_quote_or_a_control_is_refused() {
        for bad in ["", "a b", "a\"b", "a\u{7f}", "é", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn scopes_of_the_documents_are_names() {
        for good in ["compute", "compute:read", "data.write", "a/b"] {
            assert!(good.parse::<Scope>().is_ok(), "{good:?}");
        }
    }
}
