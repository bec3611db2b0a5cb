//! What was learnt of a request, for the entry alone. Nobody reads it to decide.

use std::sync::Arc;

use audit::{OnHold, Outcome, Place, SubjectKey, UnderWay, Unwritable};
use authz::{Permit, Reason};
use domain::{ApiName, AuthMethod, Blame, Call, Caller, Operation, Standing, TenantId, Tick};
use limits::Allowance;
use plugins::Run;
use tracing::field::Empty;
use tracing::{Span, debug};

use crate::facts::{Ending, Facts, Person, Secured};
use crate::settle::{self, Occasion};
use crate::{Answer, Configuration, Gateway, extend};

/// Collects findings on the way, and leaves an entry behind even if the task dies.
pub struct Trail {
    pub(crate) gateway: Arc<Gateway>,
    /// The one that the request holds: what looks like a secret is what it says, from beginning to end.
    configuration: Arc<Configuration>,
    pub(crate) facts: Facts,
    /// What the log says of the request, step by step, where somebody wants to know. Neither path nor address: whose they are
    /// is sealed in the entry.
    pub(crate) span: Span,
    pub(crate) operation: Option<Arc<Operation>>,
    /// The API that was asked, where no operation says so.
    api: Option<ApiName>,
    pub(crate) standing: Option<Arc<Standing>>,
    /// What seals what the entry says of the caller.
    pub(crate) subject: Option<Arc<SubjectKey>>,
    pub(crate) method: Option<&'static str>,
    /// Whose key was shown, and refused or judged by the operation itself: entries speak of its owner all the same.
    pub(crate) shown: Option<Arc<Standing>>,
    /// Who sits at the browser.
    person: Option<Person>,
    /// The path of what it reads besides its own resource.
    pub(crate) reads: Option<String>,
    /// Whether the signature was seen before.
    pub(crate) repeated: bool,
    pub(crate) remaining: Option<u32>,
    pub(crate) permit: Option<Permit>,
    /// Which plugins have run, as it is entered with the request, and what they have done with it, until that is entered.
    pub(crate) ran: Vec<String>,
    pub(crate) runs: Vec<Run>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) peer: Option<Arc<str>>,
    /// When it was first sent on.
    pub(crate) sent: Option<Tick>,
    /// When the head of the answer came.
    pub(crate) answered: Option<Tick>,
    pub(crate) upstream_status: Option<u16>,
    pub(crate) upstream_secured: Option<Secured>,
    /// Where the next start finds that a strict request was sent on, should this process die.
    place: Option<Place>,
    /// What was entered already, because the answer waited for it.
    recorded: Option<Recorded>,
    settled: bool,
}

/// The answer that was entered before it was given.
#[derive(Clone, Copy)]
struct Recorded {
    status: Option<u16>,
    /// It was the gateway's own.
    refused: bool,
}

/// Why a request was turned away.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) outcome: Outcome,
    pub(crate) step: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
    pub(crate) blame: Blame,
    pub(crate) policies: Vec<Arc<str>>,
    pub(crate) bundle: Option<Arc<str>>,
}

/// Something worth writing down.
pub(crate) trait Finding {
    fn tell(&self, trail: &mut Trail);
}

impl Trail {
    /// Begins with what the head said.
    pub fn begin(gateway: Arc<Gateway>, configuration: Arc<Configuration>, facts: Facts) -> Self {
        gateway.meters.begun.inc();
        gateway.meters.in_flight.inc();
        let span = tracing::debug_span!("request", id = %facts.id, api = Empty, operation = Empty, tenant = Empty, key = Empty);
        debug!(parent: &span, method = facts.method, host = facts.host, tls = facts.source.tls, "begun");
        Self {
            gateway,
            configuration,
            facts,
            span,
            operation: None,
            api: None,
            standing: None,
            subject: None,
            method: None,
            shown: None,
            person: None,
            reads: None,
            repeated: false,
            remaining: None,
            permit: None,
            ran: Vec::new(),
            runs: Vec::new(),
            refusal: None,
            peer: None,
            sent: None,
            answered: None,
            upstream_status: None,
            upstream_secured: None,
            place: None,
            recorded: None,
            settled: false,
        }
    }

    /// Writes a finding down and hands it on.
    pub(crate) fn keep<F: Finding>(&mut self, found: F) -> F {
        found.tell(self);
        found
    }

    /// What is known of the request.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Notes which API words the refusal of a request that named no operation of it.
    pub fn asked_of(&mut self, api: &ApiName) {
        self.span.record("api", api.as_str());
        self.api = Some(api.clone());
    }

    /// The API that was asked, as far as that is known.
    pub(crate) fn api(&self) -> Option<&ApiName> {
        self.operation.as_ref().map(|it| &it.api).or(self.api.as_ref())
    }

    /// Notes why the request was turned away. The first reason stands: what follows is its consequence.
    pub fn refuse(&mut self, answer: &Answer) {
        if self.refusal.is_some() {
            return;
        }
        let detail = self.printable(&answer.to_string());
        let (mut policies, mut bundle) = (Vec::new(), None);
        if let Answer::Forbidden(refused) = answer {
            policies.extend(refused.determining().iter().chain(refused.erring()).cloned());
            let effect = if refused.reason() == Reason::PolicyError { "forbid" } else { "permit" };
            self.gateway.meters.policies_erred(effect, refused.erring().len());
            bundle = Some(Arc::clone(refused.bundle()));
        }
        let outcome = if self.permit.is_some() && answer.step() == "forward" { Outcome::Fail } else { Outcome::Refuse };
        let (step, reason, blame) = (answer.step(), answer.reason(), answer.blame());
        debug!(parent: &self.span, step, reason, "refused");
        self.refusal = Some(Refusal { outcome, step, reason, detail, blame, policies, bundle });
    }

    /// What is said of a request without the secrets that its sender may have put where a name belongs.
    fn printable(&mut self, detail: &str) -> String {
        let told = self.configuration.catalog.without_keys(detail);
        let redacted = std::mem::take(&mut self.facts.redacted);
        self.facts.redacted = redacted.with("detail", told != detail);
        told.into_owned()
    }

    /// Notes the path of what it reads besides, as every path: without what looks like a secret.
    pub(crate) fn reading(&mut self, path: &str) {
        let told = self.configuration.catalog.without_keys(path);
        let redacted = std::mem::take(&mut self.facts.redacted);
        self.facts.redacted = redacted.with("reads", told != path);
        self.reads = Some(told.into_owned());
    }

    /// Notes that the gateway itself turned the request away in the words of a standard, and why, as one token.
    pub fn refused_inside(&mut self, why: &str) {
        if self.refusal.is_some() {
            return;
        }
        debug!(parent: &self.span, step = "answer", reason = why, "refused");
        self.refusal = Some(Refusal {
            outcome: Outcome::Refuse,
            step: "answer",
            reason: "refused_by_issuer",
            detail: why.to_owned(),
            blame: Blame::Caller,
            policies: Vec::new(),
            bundle: None,
        });
    }

    /// Whom the entry speaks of: the caller, or whose key was shown.
    pub(crate) fn whose(&self) -> Option<&Arc<Standing>> {
        self.standing.as_ref().or(self.shown.as_ref())
    }

    /// Notes whose key was refused, if it is one that is known. Gives what is to be answered.
    pub(crate) async fn suspect(&mut self, answer: Answer) -> Answer {
        if let Answer::Unauthenticated(unproven) = &answer {
            self.shown.clone_from(&unproven.why.standing);
            self.method = unproven.why.method.map(AuthMethod::as_str);
        }
        self.bind().await.map_or_else(Answer::from, |()| answer)
    }

    /// Notes whose key was shown to an operation that judges it itself, and who sits at the browser. Whoever cannot be spoken
    /// of is not answered.
    pub async fn speak_of(&mut self, shown: Option<Arc<Standing>>, person: Option<Person>) -> Result<(), Unwritable> {
        self.shown = shown.or(self.shown.take());
        self.person = person;
        self.bind().await
    }

    /// The tenant whose entry it is.
    pub(crate) fn tenant(&self) -> Option<&TenantId> {
        let of_person = || self.person.as_ref().and_then(|it| it.tenant.as_ref());
        self.whose().map(|it| &it.tenant).or_else(of_person)
    }

    /// Finds the key that seals what the entry says of them: whoever cannot be spoken of so is not answered for.
    pub(crate) async fn bind(&mut self) -> Result<(), Unwritable> {
        let of_key = || self.whose().map(|it| it.owner.as_deref().unwrap_or(it.lineage.as_str()));
        let name = self.person.as_ref().map(|it| it.user.as_str()).or_else(of_key);
        let Some((tenant, name)) = self.tenant().zip(name) else { return Ok(()) };
        let Gateway { log, random, .. } = &*self.gateway;
        let subject = log.subject(tenant.as_str(), name, random).await?;
        self.subject = Some(subject);
        Ok(())
    }

    /// Whether it may go on, where its operation is strict: not while entries do not reach those who must have them.
    pub(crate) fn may_go_on(&self) -> Result<(), OnHold> {
        if self.operation.as_ref().is_some_and(|it| it.strict) { self.gateway.log.may_be_strict() } else { Ok(()) }
    }

    /// Notes on the disk that a strict request is about to be sent on: should the process die before its entry is written,
    /// the next start says so.
    pub(crate) async fn send_on(&mut self) -> Result<(), Unwritable> {
        let Some(operation) = self.operation.as_ref().filter(|it| it.strict) else { return Ok(()) };
        let standing = self.standing.as_ref();
        let under_way = UnderWay {
            id: self.facts.id.text(),
            time: self.facts.at.wall,
            api: operation.api.to_string(),
            operation: operation.id.to_string(),
            tenant: standing.map(|it| it.tenant.to_string()),
            key: standing.map(|it| it.key.to_string()),
        };
        self.place = Some(self.gateway.log.send_on(&under_way).await?);
        Ok(())
    }

    /// Notes whom the request was sent to.
    pub fn sent_to(&mut self, peer: Arc<str>, now: Tick) {
        debug!(parent: &self.span, %peer, "sent on");
        self.sent.get_or_insert(now);
        self.peer = Some(peer);
    }

    /// Notes how the connection to it is secured.
    pub fn sent_over(&mut self, secured: Secured) {
        self.upstream_secured = Some(secured);
    }

    /// Notes what came back.
    pub fn upstream_answered(&mut self, status: u16) {
        debug!(parent: &self.span, status, "answered by the upstream");
        self.answered = Some(self.gateway.clock.tick());
        self.upstream_status = Some(status);
    }

    /// When the head of the answer came.
    pub fn answered(&self) -> Option<Tick> {
        self.answered
    }

    /// The status that the upstream answered.
    pub fn upstream_status(&self) -> Option<u16> {
        self.upstream_status
    }

    /// Leaves the entry of a strict operation before its answer is given, and waits until it is on the disk.
    pub async fn record(&mut self, ending: Ending) -> Result<(), Unwritable> {
        if self.recorded.is_some() || !self.operation.as_ref().is_some_and(|it| it.strict) {
            return Ok(());
        }
        self.gateway.log.writable()?;
        self.enter_runs();
        self.recorded = Some(Recorded { status: ending.status, refused: self.refusal.is_some() });
        let number = settle::write(self, Some(ending), Occasion::Answered, self.gateway.clock.tick());
        self.gateway.log.durable_up_to(number).await
    }

    /// Leaves the entry, after waiting for room in the log's memory.
    pub async fn settle(mut self, ending: Ending) {
        self.gateway.log.room().await;
        self.finish(Some(ending));
    }

    /// Leaves the entry where nothing can be waited for.
    pub fn settle_at_once(mut self, ending: Ending) {
        self.finish(Some(ending));
    }

    /// Enters what plugins have done with it, before the entry of the request itself.
    fn enter_runs(&mut self) {
        let (time, operation) = (self.facts.at.wall, self.operation.as_ref());
        for run in std::mem::take(&mut self.runs) {
            let Some(notice) = extend::notice(&run, time) else { continue };
            let notice = notice.with("cause", self.facts.id.text());
            let notice = operation
                .into_iter()
                .fold(notice, |notice, it| notice.with("api", it.api.as_str()).with("operation", it.id.as_str()));
            let notice = self.tenant().into_iter().fold(notice, |notice, it| notice.of(it.as_str()));
            let _ = self.gateway.log.note(&notice);
        }
    }

    fn finish(&mut self, ending: Option<Ending>) {
        if !std::mem::replace(&mut self.settled, true) {
            self.enter_runs();
            let now = self.gateway.clock.tick();
            settle::count(self, ending, now);
            // A connection that broke before the gateway answered by itself did not break that answer.
            let given = |it: Recorded| ending.is_some_and(|end| end.status == it.status && (end.whole || it.refused));
            match self.recorded {
                Some(recorded) if given(recorded) => {}
                it => {
                    let occasion = if it.is_some() { Occasion::CutOff } else { Occasion::Ended };
                    let _ = settle::write(self, ending, occasion, now);
                }
            }
            if let Some(place) = self.place.take() {
                self.gateway.log.leave(place);
            }
            self.gateway.meters.in_flight.dec();
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.finish(None);
    }
}

impl Finding for Call {
    fn tell(&self, trail: &mut Trail) {
        trail.span.record("api", self.operation.api.as_str()).record("operation", self.operation.id.as_str());
        debug!(parent: &trail.span, "identified");
        trail.operation = Some(Arc::clone(&self.operation));
    }
}

impl Finding for Caller {
    fn tell(&self, trail: &mut Trail) {
        trail.span.record("tenant", self.standing.tenant.as_str()).record("key", self.standing.key.as_str());
        debug!(parent: &trail.span, method = self.method.as_str(), "authenticated");
        trail.standing = Some(Arc::clone(&self.standing));
        trail.method = Some(self.method.as_str());
    }
}

impl Finding for Allowance {
    fn tell(&self, trail: &mut Trail) {
        debug!(parent: &trail.span, remaining = self.remaining(), "within the limit");
        trail.remaining = Some(self.remaining());
    }
}

impl Finding for Permit {
    fn tell(&self, trail: &mut Trail) {
        debug!(parent: &trail.span, policies = ?self.determining(), "permitted");
        trail.gateway.meters.policies_erred("permit", self.erring().len());
        trail.permit = Some(self.clone());
    }
}
