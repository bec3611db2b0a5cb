//! Who asks: the credential rules of the API, and the price of showing bad ones.

use authn::{AuthRules, Cause, KeyRules, PayloadCheck, SignatureRules, sigv4::BodyHash};
use catalog::Catalog;
use domain::{Arrival, Call, Caller};
use http::header::AUTHORIZATION;

use crate::decide::{Incoming, READ_EARLY, unread};
use crate::{Answer, Gateway, Unproven};

impl Gateway {
    /// Verifies the one credential of a request. From an address that has shown too many bad ones, only credentials that
    /// are cheap and certain to judge are looked at.
    pub(crate) async fn authenticate(
        &self,
        catalog: &Catalog,
        call: &Call,
        arrival: &Arrival,
        body: &mut dyn Incoming,
    ) -> Result<Option<(Caller, PayloadCheck)>, Answer> {
        let (address, now) = (arrival.source.address, arrival.at.tick);
        if let Some(spent) = self.limiter.failures_refusal(address, now)
            && !authn::shows_checked_key(arrival)
        {
            return Err(spent.into());
        }
        let rules = rules(catalog, call);
        let hash = if authn::needs_body(&rules, arrival) {
            let whole = body.read(READ_EARLY).await.map_err(|it| unread(it, READ_EARLY))?;
            Some(BodyHash::of(&whole))
        } else {
            None
        };
        let mut others = arrival.headers.iter().filter(|(name, _)| *name != AUTHORIZATION);
        let proven = if catalog.shows_key(&arrival.target) {
            Err(Cause::InUrl.into())
        } else if others.any(|(_, value)| catalog.holds_key(value)) {
            // Whatever else it was meant for: what stands there goes on to others.
            Err(Cause::Elsewhere.into())
        } else {
            authn::authenticate(&rules, arrival, hash.as_ref(), &self.keys(), &self.secrets)
        };
        proven.map_err(|why| {
            if why.guessed() {
                self.limiter.failed_credential(address, now);
            }
            let (told, challenge) = (why.told(&rules), why.challenge(&rules));
            Answer::Unauthenticated(Box::new(Unproven { why, told, challenge }))
        })
    }
}

fn rules<'a>(catalog: &'a Catalog, call: &'a Call) -> AuthRules<'a> {
    let profile = catalog.profile(call);
    let keys = profile.credentials.api_key.as_ref();
    let signed = profile.credentials.sigv4.as_ref().zip(catalog.surface(call));
    AuthRules {
        api: &call.operation.api,
        keys: keys.map(|it| KeyRules { prefixes: &it.prefixes, imported: it.imported }),
        signatures: signed.and_then(|(sigv4, surface)| {
            let service = surface.sigv4_service.as_deref()?;
            Some(SignatureRules { region: &sigv4.region, service, paths: surface.paths })
        }),
        tenant_header: profile.tenant_header.as_ref(),
        anonymous: call.operation.requirement.admits_anonymous(),
    }
}
