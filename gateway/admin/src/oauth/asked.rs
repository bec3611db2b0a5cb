//! What a user answers to a question of the issuer, on the page that asked it.

use authn::is_same_site;
use domain::Declined;
use identity::BrowserSession;
use serde::de::DeserializeOwned;

use super::{Act, Code, Fault, Form, Turned};

/// Whoever answers what was not asked of them is told no more.
pub(super) const GONE: Fault =
    Fault { code: Code::InvalidRequest, told: "the question is not here any more: go back to the application" };

impl Act<'_> {
    /// Who answers, what, and what they were asked: once, from a page of this issuer, and only in the session that it was kept
    /// for. Who has signed in anew since is asked anew: what comes of an answer ends with the session in which it was asked.
    pub(super) async fn answered<T: DeserializeOwned>(&self, kind: &str) -> Result<(BrowserSession, Form, T), Turned> {
        if !is_same_site(&self.question.headers, [self.offered.issuer.as_str()]) {
            return Err(GONE.into());
        }
        let form = Form::of_body(self.question)?;
        let handle = form.required("asked", "the question is missing")?;
        let session = self.signed_in().await?.ok_or(GONE)?;
        let text = self.identity().take_waiting(kind, &session.id, handle).await?.ok_or(GONE)?;
        let asked = serde_json::from_str(&text).map_err(|_| Declined::Failed)?;
        Ok((session, form, asked))
    }
}
