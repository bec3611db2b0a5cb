//! Signing in at a provider elsewhere (OpenID Connect), by the connection of a tenant.
//!
//! A user is sent away with a state, a nonce and a challenge that are bound to a cookie of this browser alone, and comes back
//! to an address that is the connection's own, so that the answer of one provider is never brought to another. What comes of
//! it is the session that signing in here makes; it is good in the tenant of the connection and nowhere else.

mod ask;
mod back;
mod known;
mod left;
mod messenger;
mod metadata;
mod page;
mod start;

use std::time::Duration;

use authn::token::{Alg, OutsideRules};
use axum::response::Response;
use domain::{Declined, NativeVerb};
use identity::{Provider, ProviderAlg};

use crate::oauth::{Act, Turned};

pub use messenger::{Errand, Messenger, Reply, Unanswered};

pub(crate) use known::Outside;
pub(crate) use metadata::Metadata;
pub(crate) use page::Stop;
pub(crate) use start::Offer;

/// How long somebody may take at the provider. The browser keeps for longer what this is bound to.
const WAITS: Duration = Duration::from_mins(10);

/// What is kept of somebody who was sent there.
const AWAY: &str = "outside";

/// How many digits a secret has: 256 bits.
const SECRET: usize = 43;

/// What the template of the way back says in the place of the connection.
const PROVIDER: &str = "{provider}";

/// Answers what is asked of providers elsewhere.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other verb is handed on to here")]
pub(crate) async fn answer(act: &mut Act<'_>) -> Result<Response, Turned> {
    match act.question.introduction.verb {
        NativeVerb::OutsideLogin => start::lead(act).await,
        NativeVerb::OutsideBack => back::come(act).await,
        NativeVerb::OutsideLogout => left::hear(act).await,
        _ => Err(Declined::Failed.into()),
    }
}

impl Act<'_> {
    /// Where a provider sends people back to. Each has its own, so that the answer of one is never taken for another's.
    fn way_back(&self, provider: &Provider) -> Result<String, Declined> {
        let place = self.place(NativeVerb::OutsideBack).ok_or(Declined::Failed)?;
        Ok(place.replace(PROVIDER, &provider.id))
    }
}

/// What tokens of a provider may be signed with.
fn algs(provider: &Provider) -> Vec<Alg> {
    let alg = |it: &ProviderAlg| match it {
        ProviderAlg::Rs256 => Alg::Rs256,
        ProviderAlg::Es256 => Alg::Es256,
        ProviderAlg::EdDsa => Alg::EdDsa,
    };
    provider.algs.iter().map(alg).collect()
}

/// Whose tokens are believed.
fn rules<'a>(provider: &'a Provider, algs: &'a [Alg]) -> OutsideRules<'a> {
    OutsideRules { issuer: &provider.issuer, client: &provider.client, algs }
}
