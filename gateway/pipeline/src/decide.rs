//! The path of a request, read from the top down.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use authn::PayloadCheck;
use authn::sigv4::BadChunks;
use authz::Permit;
use bytes::Bytes;
use catalog::{Host, Source, Unidentified};
use domain::{Arrival, AuthMethod, Body, Call, Caller, Native, Standing, Tick};
use limits::{Allowance, Barred, Counter, OverLimit};
use plugins::HeaderEdit;

use crate::extend::{Extended, extend};
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
    /// As much of bodies is held as may be.
    NoRoom,
}

/// A request that is not looked at.
#[derive(Debug)]
pub enum Unheard {
    /// It is told why.
    Told(Answer),
    /// It gets no answer and no entry: its address asks too often, and was told so often enough.
    Silent,
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
    /// What is left to check of the body.
    check: PayloadCheck,
}

/// What was permitted: how its body passes, and what it reads besides its own resource.
struct Permitted {
    permit: Permit,
    flow: BodyFlow,
    source: Option<Source>,
    edits: Vec<HeaderEdit>,
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
    /// nobody may ask, or be refused, more often than the shield lets them. Asked before anything is written down.
    pub fn hear(&self, address: IpAddr, now: Tick) -> Result<(), Unheard> {
        self.log.writable().map_err(|it| Unheard::Told(it.into()))?;
        self.limiter.shield(address, now).map_err(|it| match it {
            Barred::Told(why) => Unheard::Told(why.into()),
            Barred::Silent => Unheard::Silent,
        })
    }

    /// Takes a request through every step up to forwarding it. The first step that refuses ends it.
    pub async fn decide(&self, mut passage: Passage<'_>) -> Result<Forward, Refused> {
        self.log.admit().await.map_err(Answer::from)?;
        let catalog = &passage.configuration.catalog;
        let call = match catalog.identify(passage.host, passage.arrival) {
            Ok(call) => passage.trail.keep(call),
            Err(Unidentified::PlainHttp) => return Err(self.overheard(&mut passage).await.into()),
            Err(why) => return Err(self.count_stray(why, &mut passage).await),
        };
        let known = match self.recognise(&call, &mut passage).await {
            Ok(known) => known,
            Err(refused) => return Err(Refused { call: Some(call), ..refused }),
        };
        let Known { caller, allowance, check } = known;
        // A signature is remembered once it is counted, so that nobody fills the memory faster than its tier lets it.
        let permitted = match self.seen_before(catalog, &call, passage.arrival) {
            Ok(repeated) => {
                passage.trail.repeated = repeated;
                permit(&call, caller.as_ref(), &check, &mut passage).await
            }
            Err(answer) => Err(answer),
        };
        match permitted {
            Ok(Permitted { permit, flow, source, edits }) => {
                let forward = Forward::new(call, caller, allowance, permit, BodyPlan { flow, check });
                Ok(forward.reading(source).editing(edits))
            }
            Err(answer) => Err(Refused { answer, call: Some(call), counted: None, caller, allowance }),
        }
    }

    /// A request that came in the clear. Anybody on its way may have read the key that it shows, so its entry says which.
    async fn overheard(&self, passage: &mut Passage<'_>) -> Answer {
        let shown = authn::shown_key(passage.arrival, &self.keys(), &self.secrets);
        passage.trail.method = shown.as_ref().map(|_| AuthMethod::ApiKey.as_str());
        match passage.trail.speak_of(shown, None).await {
            Ok(()) => Unidentified::PlainHttp.into(),
            Err(unwritable) => unwritable.into(),
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
            Stray::Refused(standing, method) => {
                passage.trail.shown = Some(standing);
                passage.trail.method = method.map(AuthMethod::as_str);
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
        let tier = profile.limits.tier_of(&caller.standing);
        let (answer, allowance) = match self.limiter.admit(tier, counter, passage.arrival.at) {
            Ok(allowance) => (stray.answer, Some(passage.trail.keep(allowance))),
            Err(over) => (over.into(), None),
        };
        Refused { answer, call: None, counted: Some(index), caller: Some(caller), allowance }
    }

    /// Who asks, and whether that is still within what they may use.
    async fn recognise(&self, call: &Call, passage: &mut Passage<'_>) -> Result<Known, Refused> {
        let Passage { configuration, arrival, .. } = *passage;
        let shown = self.authenticate(&configuration.catalog, call, arrival, passage.body).await;
        let shown = match shown {
            Ok(shown) => shown,
            Err(answer) => return Err(self.count_refused(call, answer, passage).await),
        };
        let Some((caller, check)) = shown else { return Ok(Known::default()) };
        let caller = passage.trail.keep(caller);
        passage.trail.bind().await.map_err(Answer::from)?;
        match self.charge(call, &caller.standing, passage) {
            Ok(allowance) => Ok(Known { caller: Some(caller), allowance: Some(allowance), check }),
            Err(over) => Err(Refused { caller: Some(caller), ..Answer::from(over).into() }),
        }
    }

    /// A credential that is not good here. Whose key is good and who asks for another account is counted for it, so that
    /// accounts cannot be tried faster than anything else.
    async fn count_refused(&self, call: &Call, answer: Answer, passage: &mut Passage<'_>) -> Refused {
        let answer = passage.trail.suspect(answer).await;
        let proven = if let Answer::Unauthenticated(unproven) = &answer { unproven.why.proven() } else { None };
        let Some(standing) = proven.map(Arc::clone) else { return answer.into() };
        match self.charge(call, &standing, passage) {
            Ok(allowance) => Refused { allowance: Some(allowance), ..answer.into() },
            Err(over) => Answer::from(over).into(),
        }
    }

    /// Takes one request from what somebody may ask of the API, and notes what is left.
    fn charge(&self, call: &Call, standing: &Standing, passage: &mut Passage<'_>) -> Result<Allowance, OverLimit> {
        let limits = &passage.configuration.catalog.profile(call).limits;
        let counter = Counter::of(&call.operation.api, limits.counted_by, standing);
        let allowance = self.limiter.admit(limits.tier_of(standing), counter, passage.arrival.at)?;
        Ok(passage.trail.keep(allowance))
    }
}

/// Whether they may, and whether they ask properly. In this order, so that who may not ask learns nothing.
async fn permit(
    call: &Call,
    caller: Option<&Caller>,
    check: &PayloadCheck,
    passage: &mut Passage<'_>,
) -> Result<Permitted, Answer> {
    let Passage { configuration: Configuration { catalog, authorizer }, arrival, .. } = *passage;
    // Of who may not read it, too, it is entered what they asked for.
    let source = catalog.source(passage.host, call, arrival);
    if let Ok(Some(source)) = &source {
        passage.trail.reading(source.arrival.path.as_str());
    }
    let permit = passage.trail.keep(authorizer.authorize(call, caller, arrival)?);
    passage.trail.may_go_on()?;
    catalog.validate_head(call, arrival)?;
    // What is read on the way is asked for like everything else, and needs a permit of its own.
    let source = source?;
    if let Some(source) = &source {
        authorizer.authorize(&source.call, caller, &source.arrival)?;
    }
    let declared = passage.body.declared();
    let flow = match call.operation.body {
        Body::Streamed { max } if length(check).is_some_and(|it| it > max) => return Err(Answer::TooLarge { max }),
        Body::Streamed { .. } if length(check) == Some(0) => {
            // Whatever follows such a head, an upstream may take it for the whole of the request.
            let whole = passage.body.read(READ_EARLY).await.map_err(|it| match it {
                Unread::TooLarge => Answer::BadChunks(BadChunks::Length),
                Unread::Cut | Unread::NoRoom => unread(it, READ_EARLY),
            })?;
            plain(check, whole)?;
            BodyFlow::Settled
        }
        Body::Streamed { max } => BodyFlow::Streamed { max },
        Body::Checked { max } if must_be_held(declared, max) => BodyFlow::Held { max },
        Body::Checked { max } => {
            let whole = passage.body.read(max.min(READ_EARLY)).await.map_err(|it| unread(it, max))?;
            catalog.validate_body(call, arrival, &plain(check, whole)?)?;
            BodyFlow::Settled
        }
        Body::None if declared == Some(0) => BodyFlow::Settled,
        Body::None => {
            let whole = passage.body.read(READ_EARLY).await.map_err(|it| unread(it, READ_EARLY))?;
            catalog.validate_body(call, arrival, &plain(check, whole)?)?;
            BodyFlow::Settled
        }
    };
    if call.operation.native == Native::Unserved {
        return Err(Answer::NotServed(call.operation.id.to_string()));
    }
    let Extended { edits, source } = extend(call, caller, passage, source)?;
    passage.trail.send_on().await?;
    Ok(Permitted { permit, flow, source, edits })
}

/// How long a body in chunks is without them.
fn length(check: &PayloadCheck) -> Option<u64> {
    if let PayloadCheck::Chunks(chunks) = check { Some(chunks.framing().length) } else { None }
}

/// A body that was read, out of its chunks where it came in some.
fn plain(check: &PayloadCheck, whole: Bytes) -> Result<Bytes, Answer> {
    let PayloadCheck::Chunks(chunks) = check else { return Ok(whole) };
    let (mut reader, mut plain) = (chunks.reader(), Vec::new());
    reader.read(&whole, &mut plain)?;
    reader.finish()?;
    Ok(plain.into())
}

/// Whether a body may be longer than what can be read early and still be handed on.
fn must_be_held(declared: Option<u64>, max: u64) -> bool {
    declared.map_or(max > READ_EARLY, |it| it > READ_EARLY && it <= max)
}

pub(crate) fn unread(why: Unread, max: u64) -> Answer {
    match why {
        Unread::TooLarge => Answer::TooLarge { max },
        Unread::Cut => Answer::BodyCut,
        Unread::NoRoom => Answer::NoRoom,
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
