//! What the caller's tenant has its own code do with a request that may go on.
//!
//! An edit never escapes the decision that was made: a request with other headers is identified, authorized and validated
//! once more, as it will be sent on. That second time no plugin runs.

use std::sync::Arc;

use audit::Notice;
use catalog::Source;
use domain::{Call, Caller, Native, Timestamp};
use plugins::{Asked, BadVerdict, Fault, HeaderEdit, Outcome, Run, Stopped};
use serde_json::{Value, json};

use crate::decide::Passage;
use crate::{Answer, Configuration};

/// How a request goes on that plugins have seen.
#[derive(Debug)]
pub(crate) struct Extended {
    /// What is changed of its headers.
    pub(crate) edits: Vec<HeaderEdit>,
    /// What it reads besides its own resource.
    pub(crate) source: Option<Source>,
}

/// Runs the plugins of the caller's tenant on a request that would read this besides its own resource. What the gateway
/// answers itself none of them sees: whoever has bound one that fails must come to what takes it away.
pub(crate) fn extend(
    call: &Call,
    caller: Option<&Caller>,
    passage: &mut Passage<'_>,
    source: Option<Source>,
) -> Result<Extended, Answer> {
    let has_any = call.operation.native == Native::No && !passage.trail.gateway.plugins.is_idle();
    let Some(caller) = caller.filter(|_| has_any) else { return Ok(Extended { edits: Vec::new(), source }) };
    let tenant_header = passage.configuration.catalog.profile(call).tenant_header.as_ref();
    let asked = Asked { arrival: passage.arrival, call, caller, tenant_header };
    let mut runs = Vec::new();
    let done = passage.trail.gateway.plugins.on_request(&asked, &mut runs);
    let again = match (&done, runs.iter_mut().rev().find(|it| it.outcome == Outcome::Edited)) {
        (Ok(edits), Some(last)) => decide_again(call, caller, edits, passage, last),
        (Ok(_) | Err(_), _) => Ok(source),
    };
    for run in &runs {
        passage.trail.gateway.meters.plugin_ran(run);
    }
    let words = |it: &Run| format!("{} {} {}", it.plugin, it.digest, it.outcome.as_str());
    passage.trail.ran = runs.iter().map(words).collect();
    passage.trail.runs = runs;
    let edits = done.map_err(|it| Answer::Plugin(Box::new(it)))?;
    Ok(Extended { edits, source: again? })
}

/// Whether the request may go on as it is now, which the `last` plugin that has changed it has made of it. Gives what it
/// reads besides.
fn decide_again(
    call: &Call,
    caller: &Caller,
    edits: &[HeaderEdit],
    passage: &Passage<'_>,
    last: &mut Run,
) -> Result<Option<Source>, Answer> {
    let Configuration { catalog, authorizer } = passage.configuration;
    let mut edited = passage.arrival.clone();
    for edit in edits {
        edit.apply(&mut edited.headers);
    }
    let again = catalog.identify(passage.host, &edited);
    if !again.is_ok_and(|it| it.operation.id == call.operation.id && it.parameters == call.parameters) {
        let fault = Fault::Verdict(BadVerdict::OtherOperation);
        last.outcome = Outcome::Failed(fault.clone());
        return Err(Answer::Plugin(Box::new(Stopped::Failed { plugin: Arc::clone(&last.plugin), fault })));
    }
    authorizer.authorize(call, Some(caller), &edited)?;
    catalog.validate_head(call, &edited)?;
    let source = catalog.source(passage.host, call, &edited)?;
    if let Some(source) = &source {
        authorizer.authorize(&source.call, Some(caller), &source.arrival)?;
    }
    Ok(source)
}

/// What is entered of one run: nothing where a plugin has let a request pass and found nothing.
pub(crate) fn notice(run: &Run, time: Timestamp) -> Option<Notice> {
    let of_run = |class| Notice::new(class, time).with("plugin", &*run.plugin).with("digest", &*run.digest);
    match &run.outcome {
        Outcome::Failed(fault) => Some(of_fault(of_run("plugin.fault"), fault, "blocked")),
        Outcome::Skipped(fault) => Some(of_fault(of_run("plugin.fault"), fault, "skipped")),
        Outcome::Passed if run.findings.is_empty() => None,
        Outcome::Passed | Outcome::Edited | Outcome::Responded => {
            let notice = of_run("plugin.verdict").with("outcome", run.outcome.as_str());
            let notice = if run.headers.is_empty() { notice } else { notice.with("headers", run.headers.clone()) };
            let findings: Vec<Value> = run.findings.iter().map(finding).collect();
            Some(if findings.is_empty() { notice } else { notice.with("findings", findings) })
        }
    }
}

fn of_fault(notice: Notice, fault: &Fault, effect: &'static str) -> Notice {
    let notice = notice.with("kind", fault.kind()).with("detail", fault.to_string());
    notice.with("blame", fault.blame().as_str()).with("effect", effect)
}

fn finding(it: &plugins::Finding) -> Value {
    json!({ "code": it.code, "severity": it.severity, "message": it.message, "controls": it.controls })
}
