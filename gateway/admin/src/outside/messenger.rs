//! Who asks providers elsewhere, for a room that reaches nobody itself.

use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;

/// One question to a provider. It has no `Debug`: it may show our secret.
#[derive(Clone, Copy)]
pub struct Errand<'a> {
    /// Where.
    pub url: &'a str,
    /// The authorities that vouch for it, as PEM; those of the system where there are none.
    pub ca: Option<&'a str>,
    /// Whether it may be at an address that is not public.
    pub private: bool,
    /// What is said in `Authorization`.
    pub authorization: Option<&'a str>,
    /// The form that is posted; where there is none, it is only asked for.
    pub form: Option<&'a str>,
}

/// What was answered. It has no `Debug`: it may hold tokens.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// All of the body.
    pub body: Bytes,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nothing that may be asked.
    #[error("is at no address that may be asked")]
    Place,
    /// Somewhere inside, where the connection does not say that it is.
    #[error("is at an address that is not public, and its connection is not private")]
    Private,
    /// Nobody could be asked, or nobody who is believed.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// There was none in time.
    #[error("did not answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// It broke off, or is longer than any answer has to be.
    #[error("gave an answer that is none, or too long")]
    BadAnswer,
}

/// Who asks. No redirect is followed, and nobody waits for long.
#[async_trait]
pub trait Messenger: Send + Sync {
    /// Asks once.
    async fn ask(&self, errand: Errand<'_>) -> Result<Reply, Unanswered>;
}
