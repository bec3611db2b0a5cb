//! What a refused caller is told; never more.

use std::borrow::Cow;

/// The public half of a refusal. The dialect of the API words the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// One short token, such as `insufficient_scope`: sent in `Refusal-Reason`, written to the entry, counted.
    pub reason: &'static str,
    /// A sentence for a person. Never holds a secret, a value the caller sent, or anything about another tenant.
    pub message: Cow<'static, str>,
    /// The parameter or body field at fault, where there is one: `per_page`, `ssh_keys[2]`.
    pub param: Option<String>,
}

impl Told {
    /// A refusal with a fixed sentence and no field.
    pub const fn new(reason: &'static str, message: &'static str) -> Self {
        Self { reason, message: Cow::Borrowed(message), param: None }
    }

    /// The same refusal, naming the parameter or body field at fault.
    #[must_use]
    pub fn about(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }
}
