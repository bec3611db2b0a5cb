//! The gateway's signed word for a caller, for the API behind.

use std::sync::Arc;

use authn::upstream::{About, IdentityTokens, Word};
use catalog::UpstreamIdentity;
use domain::{Clock, Moment, Random};
use pingora::prelude::{Error, ErrorType};
use pipeline::{Configuration, Forward};

/// Who vouches for callers.
pub(crate) struct Vouching {
    tokens: Arc<IdentityTokens>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Vouching {
    /// With these tokens.
    pub(crate) fn with(tokens: Arc<IdentityTokens>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { tokens, clock, random }
    }

    /// What is said of the caller of a request that is about to be sent, if there is one and the API behind is to know it
    /// signed. `at` is when the request arrived.
    pub(crate) fn vouch(
        &self,
        forward: &Forward,
        configuration: &Configuration,
        at: Moment,
    ) -> pingora::Result<Option<Word>> {
        let Some(caller) = forward.caller() else { return Ok(None) };
        let (call, catalog) = (forward.call(), &configuration.catalog);
        match catalog.profile(call).upstream_identity {
            UpstreamIdentity::None => return Ok(None),
            UpstreamIdentity::Token => {}
        }
        let about = About { caller, api: &call.operation.api, upstream: catalog.upstream(call) };
        // Not when the request arrived: reading and deciding may have taken half of a token's life.
        let now = at.wall + self.clock.tick().since(at.tick);
        let unwritten = |_| Error::explain(ErrorType::InternalError, "no word for the caller");
        self.tokens.word(&about, now, &*self.random).map(Some).map_err(unwritten)
    }
}
