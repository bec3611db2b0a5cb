//! Who asks: the credential rules of the API, and the price of showing bad ones.

use std::sync::Arc;

use authn::{
    AuthRules, Cause, KeyRules, PayloadCheck, SessionRole, SessionRules, Sight, SignatureRules, TokenRules,
    Unauthenticated, dpop::BadProof, sigv4::BodyHash,
};
use catalog::{Catalog, Host, Profile, Surface};
use domain::{Arrival, AuthMethod, Call, Caller, PathMode, Standing};
use http::header::AUTHORIZATION;

use crate::decide::{Incoming, READ_EARLY, unread};
use crate::{Answer, Gateway, Unproven};

/// Who asks for what is not there.
pub(crate) enum Stray {
    /// Nobody who is known.
    Nobody,
    /// Somebody who shows a key of this standing so, which is not good here.
    Refused(Arc<Standing>, Option<AuthMethod>),
    /// A caller, and of which API of the host.
    Known(usize, Box<Caller>),
}

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
        let rules = rules(catalog, call);
        if let Some(spent) = self.limiter.failures_refusal(address, now)
            && !authn::is_quickly_judged(&rules, arrival, &self.keys())
        {
            return Err(spent.into());
        }
        let hash = if rules.signatures.is_some() && body.declared() == Some(0) {
            // Known before it comes. An upstream that sees such a head has all there is, and nothing could be held back.
            Some(BodyHash::of(b""))
        } else if authn::needs_body(&rules, arrival, &self.keys()) {
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
        } else if shows_to_itself(call) {
            return Ok(None);
        } else {
            authn::authenticate(&rules, arrival, hash.as_ref(), &self.keys(), &self.secrets)
        };
        let proven = proven.and_then(|it| match it {
            Some((caller, check)) => self.shown_once(arrival, &caller).map(|()| Some((caller, check))),
            None => Ok(None),
        });
        if let Err(Unauthenticated { cause: Cause::BadProof(BadProof::NoRoom), .. }) = proven {
            return Err(Answer::ReplaysFull);
        }
        proven.map_err(|why| {
            if why.guessed() {
                self.limiter.failed_credential(address, now);
            }
            let (told, challenge) = (why.told(&rules), why.challenge(&rules));
            Answer::Unauthenticated(Box::new(Unproven { why, told, challenge }))
        })
    }

    /// Whether the proof that a bound token was shown with was made lately and is shown for the first time, where there is one.
    fn shown_once(&self, arrival: &Arrival, caller: &Caller) -> Result<(), Unauthenticated> {
        if caller.method != AuthMethod::AccessToken {
            return Ok(());
        }
        let Some(once) = authn::dpop::once(arrival) else { return Ok(()) };
        let why = if self.nonces.holds(once.nonce.as_deref(), arrival.at.wall) {
            match self.replays.proofs.see(once.mark, arrival.at.tick) {
                Sight::First => return Ok(()),
                Sight::Resent | Sight::Repeated => BadProof::Replayed,
                Sight::Full => BadProof::NoRoom,
            }
        } else {
            BadProof::Nonce
        };
        let (standing, method) = (Some(Arc::clone(&caller.standing)), Some(caller.method));
        Err(Unauthenticated { cause: why.into(), standing, method })
    }

    /// Whether a signature that holds was seen before. Where it may not be good again, that is the answer; on objects,
    /// whose clients send the same again when in doubt, it is only noted.
    pub(crate) fn seen_before(&self, catalog: &Catalog, call: &Call, arrival: &Arrival) -> Result<bool, Answer> {
        if arrival.method.is_safe() {
            return Ok(false);
        }
        let rules = rules(catalog, call);
        let Some(signature) = authn::signature(&rules, arrival) else { return Ok(false) };
        let objects = catalog.surface(call).is_some_and(|it| it.paths == PathMode::Objects);
        // Of what came before this process began nobody may know any more.
        let made = rules.signatures.map(|it| arrival.at.wall + signature.lasts() - it.skew);
        if !objects && self.replays.forgotten.get().is_some_and(|begun| made.is_none_or(|made| made < *begun)) {
            self.meters.signature_repeated("api", "forgotten");
            return Err(Answer::Replayed);
        }
        let replays = if objects { &self.replays.objects } else { &self.replays.api };
        let (outcome, answer) = match (replays.see(signature, arrival.at.tick), objects) {
            (Sight::First, _) => return Ok(false),
            (Sight::Resent, _) | (Sight::Repeated, true) => ("passed", Ok(true)),
            (Sight::Repeated, false) => ("refused", Err(Answer::Replayed)),
            (Sight::Full, true) => ("unknown", Ok(false)),
            (Sight::Full, false) => ("unknown", Err(Answer::ReplaysFull)),
        };
        self.meters.signature_repeated(if objects { "objects" } else { "api" }, outcome);
        answer
    }

    /// Who asks for what is not there.
    pub(crate) async fn recognise_stray(
        &self,
        catalog: &Catalog,
        host: &Host,
        arrival: &Arrival,
        body: &mut dyn Incoming,
    ) -> Stray {
        let (address, now) = (arrival.source.address, arrival.at.tick);
        let spent = self.limiter.failures_refusal(address, now).is_some();
        let (mut guessed, mut refused, mut hash) = (false, None, None);
        for (index, surface) in host.surfaces() {
            let Some(profile) = catalog.profiles().get(index) else { continue };
            let rules = rules_of(profile, profile.surfaces.get(surface), true);
            if spent && !authn::is_quickly_judged(&rules, arrival, &self.keys()) {
                continue;
            }
            if hash.is_none() && authn::needs_body(&rules, arrival, &self.keys()) {
                let Ok(whole) = body.read(READ_EARLY).await else { return Stray::Nobody };
                hash = Some(BodyHash::of(&whole));
            }
            match authn::authenticate(&rules, arrival, hash.as_ref(), &self.keys(), &self.secrets) {
                Ok(Some((caller, _))) if self.shown_once(arrival, &caller).is_err() => {
                    return Stray::Refused(caller.standing, Some(caller.method));
                }
                Ok(Some((caller, _))) => return Stray::Known(index, Box::new(caller)),
                Ok(None) => return Stray::Nobody,
                Err(why) => {
                    guessed |= why.guessed();
                    let method = why.method;
                    refused = why.standing.map(|it| (it, method)).or(refused);
                }
            }
        }
        if guessed {
            self.limiter.failed_credential(address, now);
        }
        refused.map_or(Stray::Nobody, |(standing, method)| Stray::Refused(standing, method))
    }
}

/// Whether what is shown in `Authorization` is meant for the operation: clients of the issuer show it who they are, which
/// is no credential of an API.
fn shows_to_itself(call: &Call) -> bool {
    call.operation.native.served().is_some_and(|it| it.hears().contains(&AUTHORIZATION.as_str()))
}

fn rules<'a>(catalog: &'a Catalog, call: &'a Call) -> AuthRules<'a> {
    let asked = &call.operation.requirement;
    let anonymous = asked.admits_anonymous();
    let rules = rules_of(catalog.profile(call), catalog.surface(call), anonymous);
    // Tokens are good where the document says so, and not wherever the API has them.
    let named = anonymous || asked.names(AuthMethod::AccessToken);
    // Where anybody may ask, a session counts only where the document says what it is good for.
    let role = if asked.names(AuthMethod::Session) {
        SessionRole::Credential
    } else if anonymous {
        SessionRole::Passed
    } else {
        SessionRole::NotTaken
    };
    let sessions = rules.sessions.map(|it| SessionRules { role, ..it });
    AuthRules { tokens: rules.tokens.filter(|_| named), sessions, ..rules }
}

fn rules_of<'a>(profile: &'a Profile, surface: Option<&'a Surface>, anonymous: bool) -> AuthRules<'a> {
    let keys = profile.credentials.api_key.as_ref();
    let signed = profile.credentials.sigv4.as_ref().zip(surface);
    AuthRules {
        api: &profile.api.name,
        keys: keys.map(|it| KeyRules { prefixes: &it.prefixes, imported: it.imported }),
        signatures: signed.and_then(|(sigv4, surface)| {
            let service = surface.sigv4_service.as_deref()?;
            Some(SignatureRules { region: &sigv4.region, service, paths: surface.paths, skew: sigv4.skew })
        }),
        tokens: profile.token_issuer.as_deref().map(|issuer| TokenRules { issuer }),
        tenant_header: profile.tenant_header.as_ref(),
        sessions: profile.credentials.session.as_ref().zip(profile.token_issuer.as_deref()).map(|(it, issuer)| {
            let role = SessionRole::Credential;
            SessionRules { access: &it.access, refresh: &it.refresh, origins: &it.origins, issuer, role }
        }),
        anonymous,
    }
}
