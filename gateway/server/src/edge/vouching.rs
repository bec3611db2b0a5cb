//! The gateway's signed word for a caller, for the API behind.

use std::sync::Arc;

use authn::upstream::{About, IdentityTokens};
use catalog::UpstreamIdentity;
use domain::{Clock, Random};
use http::{HeaderMap, HeaderName};
use pingora::prelude::{Error, ErrorType};
use pipeline::{Configuration, Forward};

const IDENTITY: HeaderName = HeaderName::from_static("x-portcullis-identity");

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

    /// Vouches for the caller of a request that is about to be sent, if there is one and the API behind is to know.
    pub(crate) fn vouch(
        &self,
        headers: &mut HeaderMap,
        forward: &Forward,
        configuration: &Configuration,
    ) -> pingora::Result<()> {
        let Some(caller) = forward.caller() else { return Ok(()) };
        let (call, catalog) = (forward.call(), &configuration.catalog);
        match catalog.profile(call).upstream_identity {
            UpstreamIdentity::None => return Ok(()),
            UpstreamIdentity::Token => {}
        }
        let about = About { caller, api: &call.operation.api, upstream: catalog.upstream(call) };
        // Not when the request arrived: reading and deciding may have taken half of a token's life.
        let token = self.tokens.token(&about, self.clock.now().wall, &*self.random);
        let unwritten = |_| Error::explain(ErrorType::InternalError, "no word for the caller");
        headers.insert(IDENTITY, token.map_err(unwritten)?);
        Ok(())
    }
}
