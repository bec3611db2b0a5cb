//! Who asks: the credential rules of the API, and the price of showing bad ones.

use authn::{AuthRules, KeyRules};
use catalog::Profile;
use domain::{Arrival, Call, Caller};

use crate::{Answer, Gateway};

impl Gateway {
    /// Verifies the one credential of a request. From an address that has shown too many bad ones, only credentials that
    /// are cheap and certain to judge are looked at.
    pub(crate) fn authenticate(
        &self,
        profile: &Profile,
        call: &Call,
        arrival: &Arrival,
    ) -> Result<Option<Caller>, Answer> {
        let (address, now) = (arrival.source.address, arrival.at.tick);
        if let Some(spent) = self.limiter.failures_refusal(address, now)
            && !authn::shows_checked_key(arrival)
        {
            return Err(spent.into());
        }
        let rules = rules(profile, call);
        authn::authenticate(&rules, arrival, &self.keys(), &self.secrets).map_err(|why| {
            if why.guessed() {
                self.limiter.failed_credential(address, now);
            }
            Answer::Unauthenticated { told: why.told(&rules), challenge: why.challenge(&rules), why }
        })
    }
}

fn rules<'a>(profile: &'a Profile, call: &'a Call) -> AuthRules<'a> {
    let keys = profile.credentials.api_key.as_ref();
    AuthRules {
        api: &call.operation.api,
        keys: keys.map(|it| KeyRules { prefixes: &it.prefixes, imported: it.imported }),
        tenant_header: profile.tenant_header.as_ref(),
        anonymous: call.operation.requirement.admits_anonymous(),
    }
}
