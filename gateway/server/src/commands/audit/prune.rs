//! `portcullis audit prune`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use audit::{Age, Due, Lifetime, RetentionSettings};
use clap::Args;
use domain::{Deed, DeedClass};
use serde::Serialize;

use crate::commands::audit::asked::{keep_deed, now};
use crate::commands::audit::told::have_done;
use crate::commands::output::Output;
use crate::diary::PRUNE;
use crate::retaining::{CLOCK, CONFIRMED};
use crate::settings::Settings;

/// How long the gateway is waited for once it has begun, and how often it is looked how far it is.
const WAIT: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(200);

/// What is to go.
#[derive(Debug, Args)]
#[command(
    after_help = "What may go is for `[audit.retention]` to say. The gateway prunes by itself what it saw grow old; this \
command goes by the clock of the machine."
)]
pub(crate) struct Prune {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Go by the clock although it is further than a week from when the log was written last: somebody has looked, and it
    /// is right
    #[arg(long)]
    clock_is_right: bool,
}

#[derive(Serialize)]
struct Told {
    status: &'static str,
    /// The first entry that goes, and the one after the last.
    first: u64,
    end: u64,
    /// How many of them are kept longer.
    kept: u64,
    policy: String,
    holds: Vec<String>,
}

impl Prune {
    pub(super) fn run(&self, log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let policy = settings.audit.retention;
        if self.dry_run {
            keep_deed(settings, DeedClass::Read, "prune_dry_run", |it| it)?;
        }
        let due = Due::now(log, &policy, Age::by_clock(now()), u64::MAX)?;
        let leapt = Lifetime::read(log).ok().flatten().and_then(|it| it.leapt(now()));
        let holds: Vec<String> = audit::holds(log)?.into_iter().map(|(name, _)| name).collect();
        let (first, end, kept) = (due.first, due.end, due.kept());
        let told = |status| Told { status, first, end, kept, policy: policy.to_string(), holds: holds.clone() };
        let range = format!("entries {first} to {}, of which {kept} are kept longer", end.saturating_sub(1));
        if let Some(hold) = holds.first() {
            let code = if self.dry_run { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            let words = format!("nothing goes: the legal hold `{hold}` is in force");
            return output.one(&told("held"), &words).map(|()| code);
        }
        if let Some(ahead) = leapt.filter(|_| !self.clock_is_right) {
            let code = if self.dry_run { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            let words = format!(
                "nothing goes by this clock: it is {} days ahead of what the gateway saw pass. Set it, or say \
                 `--clock-is-right` once you know that it is",
                ahead.as_secs() / 86_400
            );
            return output.one(&told("clock_in_doubt"), &words).map(|()| code);
        }
        if first == end && (leapt.is_none() || self.dry_run) {
            let words = format!("nothing is old enough to go ({policy})");
            return output.one(&told("nothing"), &words).map(|()| ExitCode::SUCCESS);
        }
        if self.dry_run {
            return output.one(&told("due"), &format!("would go: {range} ({policy})")).map(|()| ExitCode::SUCCESS);
        }
        let about = |deed: Deed| {
            let deed = deed.with("first", first).with("end", end);
            if self.clock_is_right { deed.with(CLOCK, CONFIRMED) } else { deed }
        };
        if let Some(what) = have_done(settings, DeedClass::Log, PRUNE, about)?.waits_for() {
            return output.one(&told("waiting"), &format!("nothing goes yet: it {what}")).map(|()| ExitCode::SUCCESS);
        }
        if first == end {
            let words = "the gateway goes by the clock again; nothing is old enough to go";
            return output.one(&told("nothing"), words).map(|()| ExitCode::SUCCESS);
        }
        let (status, words) = waited(log, &policy, end)?;
        output.one(&told(status), &format!("{words}: {range}")).map(|()| ExitCode::SUCCESS)
    }
}

/// Waits until all before this entry is gone.
fn waited(log: &Path, policy: &RetentionSettings, end: u64) -> anyhow::Result<(&'static str, &'static str)> {
    let mut left = WAIT;
    while left > Duration::ZERO && Due::now(log, policy, Age::by_clock(now()), 0)?.first < end {
        std::thread::sleep(LOOK);
        left = left.saturating_sub(LOOK);
    }
    Ok(if left > Duration::ZERO {
        ("done", "gone, as entries of class `retention.pruned` say")
    } else {
        ("going_on", "the gateway goes on with it")
    })
}
