//! The path of a request, read from the top down.

use async_trait::async_trait;
use authn::PayloadCheck;
use authz::Permit;
use bytes::Bytes;
use catalog::Host;
use domain::{Arrival, Body, Call, Caller};
use limits::{Allowance, Counter};

use crate::forward::{BodyFlow, BodyPlan, Forward};
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
        Self { answer, call: None, caller: None, allowance: None }
    }
}

impl Gateway {
    /// Takes a request through every step up to forwarding it. The first step that refuses ends it.
    pub async fn decide(
        &self,
        configuration: &Configuration,
        host: &Host,
        arrival: &Arrival,
        body: &mut dyn Incoming,
        trail: &mut Trail,
    ) -> Result<Forward, Refused> {
        let call = trail.keep(configuration.catalog.identify(host, arrival).map_err(Answer::from)?);
        let known = match self.recognise(configuration, &call, arrival, body, trail).await {
            Ok(known) => known,
            Err(answer) => return Err(Refused { call: Some(call), ..answer.into() }),
        };
        let Known { caller, allowance, signed } = known;
        match self.permit(configuration, &call, caller.as_ref(), arrival, body, trail).await {
            Ok((permit, flow)) => Ok(Forward::new(call, caller, allowance, permit, BodyPlan { flow, signed })),
            Err(answer) => Err(Refused { answer, call: Some(call), caller, allowance }),
        }
    }

    /// Who asks, and whether that is still within what they may use.
    async fn recognise(
        &self,
        configuration: &Configuration,
        call: &Call,
        arrival: &Arrival,
        body: &mut dyn Incoming,
        trail: &mut Trail,
    ) -> Result<Known, Answer> {
        self.log.writable()?;
        self.limiter.shield(arrival.source.address, arrival.at.tick)?;
        let shown = self.authenticate(&configuration.catalog, call, arrival, body).await?;
        let Some((caller, check)) = shown else { return Ok(Known::default()) };
        let caller = trail.keep(caller);
        let signed = match check {
            PayloadCheck::Sha256(hash) => Some(hash),
            PayloadCheck::Done | PayloadCheck::Unsigned | PayloadCheck::UnsignedTrailer => None,
        };
        let limits = &configuration.catalog.profile(call).limits;
        let counter = Counter::of(&call.operation.api, limits.counted_by, &caller.standing);
        let allowance = self.limiter.admit(limits.tier(&caller.standing.tier), counter, arrival.at)?;
        Ok(Known { caller: Some(caller), allowance: Some(trail.keep(allowance)), signed })
    }

    /// Whether they may, and whether they ask properly. In this order, so that who may not ask learns nothing.
    async fn permit(
        &self,
        configuration: &Configuration,
        call: &Call,
        caller: Option<&Caller>,
        arrival: &Arrival,
        body: &mut dyn Incoming,
        trail: &mut Trail,
    ) -> Result<(Permit, BodyFlow), Answer> {
        let permit = trail.keep(configuration.authorizer.authorize(call, caller, arrival)?);
        configuration.catalog.validate_head(call, arrival)?;
        let flow = match call.operation.body {
            Body::Streamed { max } => BodyFlow::Streamed { max },
            Body::Checked { max } if must_be_held(body.declared(), max) => BodyFlow::Held { max },
            Body::Checked { max } => {
                let whole = body.read(max.min(READ_EARLY)).await.map_err(|it| unread(it, max))?;
                configuration.catalog.validate_body(call, arrival, &whole)?;
                BodyFlow::Settled
            }
            Body::None if body.declared() == Some(0) => BodyFlow::Settled,
            Body::None => {
                let whole = body.read(READ_EARLY).await.map_err(|it| unread(it, READ_EARLY))?;
                configuration.catalog.validate_body(call, arrival, &whole)?;
                BodyFlow::Settled
            }
        };
        if call.operation.native {
            return Err(Answer::NotServed(call.operation.id.to_string()));
        }
        Ok((permit, flow))
    }
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
