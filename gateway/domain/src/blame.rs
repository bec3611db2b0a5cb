//! Whose fault a failure is, so that it reaches the right dashboard.

use serde::Serialize;

/// Who has to act before this failure stops happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The request itself: malformed, unauthenticated, not permitted, too much.
    Caller,
    /// The API behind the gateway.
    Upstream,
    /// A policy that could not be evaluated.
    Policy,
    /// A plugin of the caller's tenant.
    Plugin,
    /// What an operator wrote in settings, profiles or documents.
    Operator,
    /// The gateway: a bug, a full disk, a lost dependency.
    Gateway,
}

impl Blame {
    /// The word written to entries and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Upstream => "upstream",
            Self::Policy => "policy",
            Self::Plugin => "plugin",
            Self::Operator => "operator",
            Self::Gateway => "gateway",
        }
    }
}
