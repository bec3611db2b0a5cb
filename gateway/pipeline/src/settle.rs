//! Everything learnt becomes one entry and a few counts.

use audit::{
    AuthSection, DecisionSection, Entry, LimitSection, Outcome, RequestSection, Sealed, TlsSection, UpstreamSection,
};
use domain::Tick;

use crate::Trail;
use crate::facts::{Ending, Secured};
use crate::meters::Times;

/// What is to be written of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It has ended.
    Ended,
    /// Its answer is about to be given, and waits for the entry.
    Answered,
    /// Its answer broke off after it had been entered as answered.
    CutOff,
}

/// Counts a finished request; without an ending, one that was cut off.
pub(crate) fn count(trail: &Trail, ending: Option<Ending>, now: Tick) {
    let duration = now.since(trail.facts.at.tick);
    let status = ending.and_then(|it| it.status);
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(parent: &trail.span, status, micros, whole = ending.is_some_and(|it| it.whole), "settled");
    let asked = (trail.api(), trail.operation.as_ref());
    let arrived = trail.facts.at.tick;
    let times = Times {
        whole: duration,
        own: trail.sent.map_or(duration, |it| it.since(arrived)),
        upstream: trail.sent.zip(trail.answered).map(|(sent, answered)| answered.since(sent)),
    };
    trail.gateway.meters.settled(asked, decision(trail, ending).reason, status, times);
}

/// Writes the entry of a request; without an ending, of one that was cut off. Gives its number in this run.
pub(crate) fn write(trail: &Trail, ending: Option<Ending>, occasion: Occasion, now: Tick) -> u64 {
    let gateway = &trail.gateway;
    let duration = now.since(trail.facts.at.tick);
    let decision = decision(trail, ending);
    let ended = ending.unwrap_or_default();
    let id = trail.facts.id.text();
    let sealed = sealed(trail);
    let source = sealed.is_none().then(|| trail.facts.source.text());
    let trace = trail.facts.trace.map(domain::TraceParent::trace_text);
    let operation = trail.operation.as_deref();
    gateway.log.append(&Entry {
        schema: 1,
        class: if occasion == Occasion::CutOff { "request.cut_off" } else { "request.completed" },
        strict: occasion == Occasion::Answered,
        time: trail.facts.at.wall,
        tenant: trail.tenant().map(domain::TenantId::as_str),
        request: RequestSection {
            id: &id,
            method: &trail.facts.method,
            host: &trail.facts.host,
            path: sealed.is_none().then_some(trail.facts.path.as_str()),
            reads: trail.reads.as_deref().filter(|_| sealed.is_none()),
            source: source.as_deref(),
            tls: trail.facts.source.tls,
            secured: trail.facts.secured.as_ref().map(section),
            labels: operation.map_or(&[][..], |it| it.labels.as_slice()),
            redacted: trail.facts.redacted.names(),
            api: trail.api().map(domain::ApiName::as_str),
            operation: operation.map(|it| it.id.as_str()),
            trace: trace.as_deref(),
        },
        auth: auth(trail),
        sealed: sealed.as_ref(),
        limit: trail
            .whose()
            .zip(trail.remaining)
            .map(|(standing, remaining)| LimitSection { tier: standing.tier.as_str(), remaining }),
        decision,
        plugins: &trail.ran,
        upstream: trail.peer.as_ref().map(|peer| UpstreamSection {
            peer,
            status: trail.upstream_status,
            secured: trail.upstream_secured.as_ref().map(section),
        }),
        status: ended.status,
        bytes_in: ended.bytes_in,
        bytes_out: ended.bytes_out,
        duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
    })
}

fn section(secured: &Secured) -> TlsSection<'_> {
    TlsSection { version: &secured.version, cipher: &secured.cipher }
}

/// What says who asked, where that is known or whose key was shown, sealed with their key. Where it cannot be sealed it is
/// not said at all.
fn sealed(trail: &Trail) -> Option<Sealed> {
    let _ = trail.tenant()?;
    let (key, facts) = (trail.subject.as_ref(), &trail.facts);
    let reads = trail.reads.as_deref();
    let sealed = key.and_then(|it| it.seal(&facts.id.bytes(), &facts.source.text(), &facts.path, reads));
    Some(sealed.unwrap_or_default())
}

fn auth(trail: &Trail) -> Option<AuthSection<'_>> {
    trail.whose().map(|it| AuthSection { key: it.key.as_str(), method: trail.method, repeated: trail.repeated })
}

fn decision(trail: &Trail, ending: Option<Ending>) -> DecisionSection<'_> {
    if let Some(refusal) = &trail.refusal {
        return DecisionSection {
            outcome: refusal.outcome,
            step: Some(refusal.step),
            reason: Some(refusal.reason),
            detail: Some(&refusal.detail),
            blame: Some(refusal.blame),
            policies: &refusal.policies,
            bundle: refusal.bundle.as_deref(),
        };
    }
    let whole = ending.is_some_and(|it| it.whole);
    let (outcome, reason) = match (&trail.permit, whole) {
        (Some(_), true) => (Outcome::Permit, None),
        (Some(_), false) => (Outcome::Fail, Some("cut_off")),
        (None, _) => (Outcome::Abort, Some("cut_off")),
    };
    DecisionSection {
        outcome,
        step: None,
        reason,
        detail: None,
        blame: None,
        policies: trail.permit.as_ref().map_or(&[], |it| it.determining()),
        bundle: trail.permit.as_ref().map(|it| &**it.bundle()),
    }
}
