//! The path of a request, read from the top down.

use std::net::IpAddr;

use async_trait::async_trait;
use authn::PayloadCheck;
use authz::Permit;
use bytes::Bytes;
use catalog::{Host, Unidentified};
use domain::{Arrival, Body, Call, Caller, Native, Tick};
use limits::{Allowance, Counter};

use crate::forward::{BodyFlow, BodyPlan, Forward};
use crate::recognise::Stray;
use crate::{Answer, Configuration, Gateway, Trail};

/// The longest body that is read before it is known whether the request goes on: what the edge can hand on again.
pub const READ_EARLY: u64 = 64 * 1024;

/// A request body that has not been read yet.
#[async_trait]
pub trait Incoming: Send {
    /// How long it says it is, zero where there is none; `None` where only its end will tell.
    fn declared(&self) -> Option<u64>;

    /// Reads it whole, at most `max` bytes, so that it can still be handed on afterwards.
    async fn read(&mut self, max: u64) -> Result<Bytes, Unread>;
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is longer than it may be.
    TooLarge,
    /// It ended, stalled or broke before it was whole.
    Cut,
}

/// Where a request ended, and how far it had come: the answer carries what was proved on the way.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub answer: Answer,
    /// The operation, once identified.
    pub call: Option<Call>,
    /// Where there is no operation: which API of the catalog the caller is one of.
    pub counted: Option<usize>,
    /// Who asked, once authenticated.
    pub caller: Option<Caller>,
    /// What is left, once counted.
    pub allowance: Option<Allowance>,
}

/// Who asks, as far as anybody must say.
#[derive(Default)]
struct Known {
    caller: Option<Caller>,
    allowance: Option<Allowance>,
    /// The SHA-256 that the caller signed the body by.
    signed: Option<[u8; 32]>,
}

impl From<Answer> for Refused {
    fn from(answer: Answer) -> Self {
        Self { answer, call: None, counted: None, caller: None, allowance: None }
    }
}

/// One request on its way through the steps, and what the steps are taken with.
pub struct Passage<'a> {
    /// What it is decided by.
    pub configuration: &'a Configuration,
    /// The host it was sent to.
    pub host: &'a Host,
    /// The request.
    pub arrival: &'a Arrival,
    /// Its body.
    pub body: &'a mut dyn Incoming,
    /// Where findings are written down.
    pub trail: &'a mut Trail,
}

impl Gateway {
    /// Whether anything that comes from this address is looked at now: what cannot be recorded is not answered for, and
    /// nobody may ask, or be refused, more often than the shield lets them.
    pub fn hear(&self, address: IpAddr, now: Tick) -> Result<(), Answer> {
        self.log.writable()?;
        self.limiter.shield(address, now)?;
        Ok(())
    }

    /// Takes a request through every step up to forwarding it. The first step that refuses ends it.
    pub async fn decide(&self, mut passage: Passage<'_>) -> Result<Forward, Refused> {
        self.log.admit().await.map_err(Answer::from)?;
        let catalog = &passage.configuration.catalog;
        let call = match catalog.identify(passage.host, passage.arrival) {
            Ok(call) => passage.trail.keep(call),
            Err(Unidentified::PlainHttp) => return Err(Answer::from(Unidentified::PlainHttp).into()),
            Err(why) => return Err(self.count_stray(why, &mut passage).await),
        };
        let known = match self.recognise(&call, &mut passage).await {
            Ok(known) => known,
            Err(answer) => return Err(Refused { call: Some(call), ..answer.into() }),
        };
        let Known { caller, allowance, signed } = known;
        match permit(&call, caller.as_ref(), &mut passage).await {
            Ok((permit, flow)) => Ok(Forward::new(call, caller, allowance, permit, BodyPlan { flow, signed })),
            Err(answer) => Err(Refused { answer, call: Some(call), counted: None, caller, allowance }),
        }
    }

    /// A request that names no operation. Whoever shows a good credential is counted for it and told what is left, as for
    /// every other; anybody else is told no more than that there is nothing.
    async fn count_stray(&self, why: Unidentified, passage: &mut Passage<'_>) -> Refused {
        let stray = Refused::from(Answer::from(why));
        let catalog = &passage.configuration.catalog;
        let known = self.recognise_stray(catalog, passage.host, passage.arrival, passage.body).await;
        let known = match known {
            Stray::Known(index, caller) => Some((index, passage.trail.keep(*caller))),
            Stray::Refused(standing) => {
                passage.trail.shown = Some(standing);
                None
            }
            Stray::Nobody => None,
        };
        if let Err(cause) = passage.trail.bind().await {
            return Answer::from(cause).into();
        }
        let Some((index, caller)) = known else { return stray };
        let Some(profile) = catalog.profiles().get(index) else { return stray };
        let counter = Counter::of(&profile.api.name, profile.limits.counted_by, &caller.standing);
        let tier = profile.limits.tier(&caller.standing.tier);
        let (answer, allowance) = match self.limiter.admit(tier, counter, passage.arrival.at) {
            Ok(allowance) => (stray.answer, Some(passage.trail.keep(allowance))),
            Err(over) => (over.into(), None),
        };
        Refused { answer, call: None, counted: Some(index), caller: Some(caller), allowance }
    }

    /// Who asks, and whether that is still within what they may use.
    async fn recognise(&self, call: &Call, passage: &mut Passage<'_>) -> Result<Known, Answer> {
        let Passage { configuration, arrival, .. } = *passage;
        let shown = self.authenticate(&configuration.catalog, call, arrival, passage.body).await;
        let shown = match shown {
            Ok(shown) => shown,
            Err(answer) => return Err(passage.trail.suspect(answer).await),
        };
        let Some((caller, check)) = shown else { return Ok(Known::default()) };
        let caller = passage.trail.keep(caller);
        passage.trail.bind().await?;
        let signed = match check {
            PayloadCheck::Sha256(hash) => Some(hash),
            PayloadCheck::Done | PayloadCheck::Unsigned | PayloadCheck::UnsignedTrailer => None,
        };
        let limits = &configuration.catalog.profile(call).limits;
        let counter = Counter::of(&call.operation.api, limits.counted_by, &caller.standing);
        let allowance = self.limiter.admit(limits.tier(&caller.standing.tier), counter, arrival.at)?;
        Ok(Known { caller: Some(caller), allowance: Some(passage.trail.keep(allowance)), signed })
    }
}

/// Whether they may, and whether they ask properly. In this order, so that who may not ask learns nothing.
async fn permit(call: &Call, caller: Option<&Caller>, passage: &mut Passage<'_>) -> Result<(Permit, BodyFlow), Answer> {
    let Passage { configuration: Configuration { catalog, authorizer }, arrival, .. } = *passage;
    let permit = passage.trail.keep(authorizer.authorize(call, caller, arrival)?);
    passage.trail.may_go_on()?;
    catalog.validate_head(call, arrival)?;
    let declared = passage.body.declared();
    let flow = match call.operation.body {
        Body::Streamed { max } => BodyFlow::Streamed { max },
        Body::Checked { max } if must_be_held(declared, max) => BodyFlow::Held { max },
        Body::Checked { max } => {
            let whole = passage.body.read(max.min(READ_EARLY)).await.map_err(|it| unread(it, max))?;
            catalog.validate_body(call, arrival, &whole)?;
            BodyFlow::Settled
        }
        Body::None if declared == Some(0) => BodyFlow::Settled,
        Body::None => {
            let whole = passage.body.read(READ_EARLY).await.map_err(|it| unread(it, READ_EARLY))?;
            catalog.validate_body(call, arrival, &whole)?;
            BodyFlow::Settled
        }
    };
    if call.operation.native == Native::Unserved {
        return Err(Answer::NotServed(call.operation.id.to_string()));
    }
    passage.trail.send_on().await?;
    Ok((permit, flow))
}

/// Whether a body may be longer than what can be read early and still be handed on.
fn must_be_held(declared: Option<u64>, max: u64) -> bool {
    declared.map_or(max > READ_EARLY, |it| it > READ_EARLY && it <= max)
}

pub(crate) fn unread(why: Unread, max: u64) -> Answer {
    match why {
        Unread::TooLarge => Answer::TooLarge { max },
        Unread::Cut => Answer::BodyCut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_held_only_when_it_may_outgrow_what_can_be_read_early() {
        let megabyte = 1024 * 1024;
        assert!(!must_be_held(Some(10), megabyte));
        assert!(must_be_held(Some(READ_EARLY + 1), megabyte));
        assert!(must_be_held(None, megabyte));
        assert!(!must_be_held(None, READ_EARLY));
        // Longer than the operation takes: read early, and refused at its bound.
        assert!(!must_be_held(Some(megabyte + 1), megabyte));
    }
}
