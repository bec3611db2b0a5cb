//! The head of a request, as the plugins of its tenant see it, one after the other.

use std::sync::Arc;

use domain::{Arrival, Blame, Call, Caller, Moment};
use http::{HeaderMap, HeaderName};

use crate::lent::{Lent, Lines};
use crate::manifest::OnError;
use crate::plugins::Bound;
use crate::verdict::{self, Action, BadVerdict};
use crate::wire::{self, CallContext, Mode, Peer, RequestHead};
use crate::{Fault, Finding, HeaderEdit, Plugins, Reply};

/// What is asked, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The request.
    pub arrival: &'a Arrival,
    /// The operation.
    pub call: &'a Call,
    /// Who asks: it is their tenant's plugins that run.
    pub caller: &'a Caller,
    /// The header that says at this API whose account is meant, where there is one: no plugin changes it.
    pub tenant_header: Option<&'a HeaderName>,
}

/// What one plugin has done with a request, for its entry.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it is called.
    pub plugin: Arc<str>,
    /// The digest of its component.
    pub digest: Arc<str>,
    /// What it came to.
    pub outcome: Outcome,
    /// The headers that it has changed.
    pub headers: Vec<String>,
    /// What it has found.
    pub findings: Vec<Finding>,
}

/// What a plugin came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request goes on as it was.
    Passed,
    /// It goes on with other headers.
    Edited,
    /// The plugin has answered it.
    Responded,
    /// The plugin has failed, and the request is refused for it.
    Failed(Fault),
    /// The plugin has failed, and the request goes on without it.
    Skipped(Fault),
}

impl Outcome {
    /// As entries write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Edited => "edited",
            Self::Responded => "responded",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }
}

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// A plugin has answered it.
    #[error("plugin `{plugin}` answered with {}", reply.status.as_u16())]
    Replied {
        /// Which one.
        plugin: Arc<str>,
        /// What.
        reply: Reply,
    },
    /// A plugin has failed.
    #[error("plugin `{plugin}`: {fault}")]
    Failed {
        /// Which one.
        plugin: Arc<str>,
        /// How.
        fault: Fault,
    },
}

impl Stopped {
    /// Who has to act before it stops happening.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Replied { .. } => Blame::Plugin,
            Self::Failed { fault, .. } => fault.blame(),
        }
    }
}

/// The headers as they are after the plugins so far, copied once there is a change.
struct Heard<'a> {
    arrived: &'a HeaderMap,
    edited: Option<HeaderMap>,
}

impl Heard<'_> {
    fn now(&self) -> &HeaderMap {
        self.edited.as_ref().unwrap_or(self.arrived)
    }

    fn edit(&mut self, edits: &[HeaderEdit]) {
        let headers = self.edited.get_or_insert_with(|| self.arrived.clone());
        for edit in edits {
            edit.apply(headers);
        }
    }
}

impl Plugins {
    /// Runs the plugins that the caller's tenant has bound to the API, in the order in which they were bound. What each came
    /// to is told in `runs`, also where the request is stopped.
    ///
    /// Computes on the thread that it is called on, for no longer than the deadlines of the plugins together.
    pub fn on_request(&self, asked: &Asked<'_>, runs: &mut Vec<Run>) -> Result<Vec<HeaderEdit>, Stopped> {
        let set = self.in_force();
        let bound = set.of(&asked.caller.standing.tenant, &asked.call.operation.api);
        let mut heard = Heard { arrived: &asked.arrival.headers, edited: None };
        let mut all = Vec::new();
        for plugin in bound.iter().filter(|it| it.runs_on(&asked.arrival.method, asked.arrival.path.as_str())) {
            let mut run = Run {
                plugin: Arc::clone(&plugin.name),
                digest: Arc::clone(&plugin.digest),
                outcome: Outcome::Passed,
                headers: Vec::new(),
                findings: Vec::new(),
            };
            let done = self.run(plugin, asked, heard.now(), &mut run.findings);
            let stopped = match done {
                Ok(Action::Pass) => None,
                Ok(Action::Edit(edits)) => {
                    run.outcome = Outcome::Edited;
                    run.headers = edits.iter().map(|it| it.name().to_string()).collect();
                    heard.edit(&edits);
                    all.extend(edits);
                    None
                }
                Ok(Action::Respond(reply)) => {
                    run.outcome = Outcome::Responded;
                    Some(Stopped::Replied { plugin: Arc::clone(&plugin.name), reply })
                }
                Err(fault) if plugin.on_error() == OnError::Skip => {
                    run.outcome = Outcome::Skipped(fault);
                    None
                }
                Err(fault) => {
                    run.outcome = Outcome::Failed(fault.clone());
                    Some(Stopped::Failed { plugin: Arc::clone(&plugin.name), fault })
                }
            };
            runs.push(run);
            if let Some(stopped) = stopped {
                return Err(stopped);
            }
        }
        Ok(all)
    }

    /// Runs one plugin, within what its tenant has left, and never while it is left alone.
    fn run(
        &self,
        plugin: &Bound,
        asked: &Asked<'_>,
        headers: &HeaderMap,
        found: &mut Vec<Finding>,
    ) -> Result<Action, Fault> {
        let loaded = plugin.loaded()?;
        let now = asked.arrival.at.tick;
        plugin.quarantine.may_run(now)?;
        let done = plugin.budget.begin(now).and_then(|_running| {
            let lent = plugin.lend(loaded, granted(headers, plugin), asked.arrival.at, &self.random);
            let (context, head) = (context(plugin, asked), head(&lent, asked));
            let ran = loaded.guest.on_request(lent, loaded.manifest.cpu, &context, &head);
            plugin.budget.spend(ran.computed, self.clock.tick());
            self.log(plugin, &ran.lent.lines, asked.arrival.at);
            let Some(verdict) = ran.done? else { return Ok(Action::Pass) };
            let written = ran.lent.findings.into_iter().chain(verdict.findings);
            *found = verdict::findings(written, &self.settings)?;
            let action = verdict::action(verdict.action, &loaded.manifest, &self.settings)?;
            if let (Action::Edit(edits), Some(name)) = (&action, asked.tenant_header)
                && edits.iter().any(|it| it.name() == name)
            {
                return Err(BadVerdict::Barred(name.clone()).into());
            }
            Ok(action)
        });
        match &done {
            Ok(_) => plugin.quarantine.well(),
            Err(fault) => {
                plugin.quarantine.failed(fault, self.clock.tick(), &*self.random);
                tracing::debug!(target: "plugin", plugin = %plugin.name, %fault, "failed");
            }
        }
        done
    }

    /// What a plugin has logged, as far as it may in this second.
    fn log(&self, plugin: &Bound, lines: &Lines, now: Moment) {
        if lines.kept.is_empty() && lines.dropped == 0 {
            return;
        }
        let most = self.settings.log_lines_per_second;
        let room = plugin.lines.take(lines.kept.len(), most, now.tick);
        for line in lines.kept.iter().take(room) {
            let (level, tenant) = (line.level.as_str(), &plugin.binding.tenant);
            tracing::info!(target: "plugin", plugin = %plugin.name, %tenant, level, "{}", line.text);
        }
        let cut = lines.kept.len().saturating_sub(room) + lines.dropped as usize;
        if cut > 0 {
            tracing::debug!(target: "plugin", plugin = %plugin.name, cut, "there was no room for all of its lines");
        }
    }
}

fn context(plugin: &Bound, asked: &Asked<'_>) -> CallContext {
    CallContext {
        request_id: asked.arrival.id.text(),
        tenant: asked.caller.standing.tenant.to_string(),
        api: asked.call.operation.api.to_string(),
        operation: asked.call.operation.id.to_string(),
        plugin_digest: plugin.digest.to_string(),
        config_revision: plugin.binding.revision,
        mode: Mode::Enforce,
        deadline_ms: plugin.deadline_ms(),
    }
}

/// The headers that a plugin was granted, as they are now.
fn granted(headers: &HeaderMap, plugin: &Bound) -> Vec<wire::Header> {
    let of = |name| headers.get_all(name).iter().map(move |it| (name, it));
    let all = plugin.reads().iter().flat_map(of);
    all.map(|(name, it)| wire::Header { name: name.to_string(), value: it.as_bytes().to_vec() }).collect()
}

fn head(lent: &Lent, asked: &Asked<'_>) -> RequestHead {
    let Asked { arrival, call, caller, .. } = *asked;
    let query = arrival.query_without_signature();
    let params = call.operation.parameters.iter().cloned().zip(call.parameters.iter().cloned());
    RequestHead {
        method: arrival.method.to_string(),
        scheme: if arrival.source.tls { "https" } else { "http" }.to_owned(),
        authority: arrival.host.clone(),
        path: arrival.path.to_string(),
        query: (!query.is_empty()).then(|| query.into_owned()),
        params: params.collect(),
        headers: lent.headers.clone(),
        caller: Some(wire::Caller {
            id: caller.standing.key.to_string(),
            kind: caller.method.as_str().to_owned(),
            tier: Some(caller.standing.tier.to_string()),
            claims: Vec::new(),
        }),
        peer: Peer { ip: arrival.source.text(), country: None, tls_client_sha256: None },
    }
}

#[cfg(test)]
mod tests;
