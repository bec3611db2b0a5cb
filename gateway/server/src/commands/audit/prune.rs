//! `portcullis audit prune`

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use audit::Due;
use clap::Args;
use domain::DeedClass;
use serde::Serialize;

use crate::commands::audit::asked::now;
use crate::commands::audit::told::have_done;
use crate::commands::output::Output;
use crate::settings::Settings;

/// How long the gateway is waited for once it has begun, and how often it is looked how far it is.
const WAIT: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(200);

/// What is to go.
#[derive(Debug, Args)]
#[command(after_help = "What may go is for `[audit.retention]` to say. The gateway prunes by itself once a day.")]
pub(crate) struct Prune {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
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
        let due = Due::now(log, &policy, now(), u64::MAX)?;
        let holds: Vec<String> = audit::holds(log)?.into_iter().map(|(name, _)| name).collect();
        let (first, end, kept) = (due.first, due.end, due.kept());
        let told = |status| Told { status, first, end, kept, policy: policy.to_string(), holds: holds.clone() };
        let range = format!("entries {first} to {}, of which {kept} are kept longer", end.saturating_sub(1));
        if let Some(hold) = holds.first() {
            let code = if self.dry_run { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            let words = format!("nothing goes: the legal hold `{hold}` is in force");
            return output.one(&told("held"), &words).map(|()| code);
        }
        if first == end {
            let words = format!("nothing is old enough to go ({policy})");
            return output.one(&told("nothing"), &words).map(|()| ExitCode::SUCCESS);
        }
        if self.dry_run {
            return output.one(&told("due"), &format!("would go: {range} ({policy})")).map(|()| ExitCode::SUCCESS);
        }
        let asked = have_done(settings, DeedClass::Log, "prune", |it| it.with("first", first).with("end", end))?;
        if !asked {
            let words = "no gateway has done it yet: one does so as soon as it runs";
            return output.one(&told("waiting"), words).map(|()| ExitCode::SUCCESS);
        }
        let mut left = WAIT;
        while left > Duration::ZERO && Due::now(log, &policy, now(), 0)?.first < end {
            std::thread::sleep(LOOK);
            left = left.saturating_sub(LOOK);
        }
        let (status, words) = if left > Duration::ZERO {
            (
                "done",
                format!(
                    "gone: {range}; `portcullis audit query --class retention.pruned` shows the entries that say so"
                ),
            )
        } else {
            ("going_on", format!("the gateway goes on with it: {range}"))
        };
        output.one(&told(status), &words).map(|()| ExitCode::SUCCESS)
    }
}
