//! `portcullis audit accept-database`

use std::ops::RangeInclusive;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use audit::LastSaid;
use clap::Args;
use domain::{DeedClass, SystemClock};
use serde_json::{Value, json};

use crate::actor;
use crate::commands::audit::asked::words;
use crate::commands::audit::file::sole_writer;
use crate::commands::output::Output;
use crate::desk::{self, Desk};
use crate::office::known_deeds;
use crate::settings::Settings;

/// Goes on with an older database.
#[derive(Debug, Args)]
#[command(
    after_help = "A gateway does not start with a database that lacks what its audit log says was done: keys that were \
revoked may work again, and people that were let go may sign in. Put the newest copy back where there is one. Otherwise \
accept the one that is there, and do again what is listed before a gateway starts."
)]
pub(crate) struct AcceptDatabase {
    /// Only list what the database lacks
    #[arg(long)]
    dry_run: bool,
}

impl AcceptDatabase {
    pub(super) fn run(&self, log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        anyhow::ensure!(log.is_dir(), "there is no audit log `{}`", log.display());
        // Held until it is accepted: a gateway that somebody starts meanwhile does not begin with what is being changed.
        let _writer = sole_writer(log)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let desk = desk::open_or_begin(settings, Arc::new(SystemClock::new())).await?;
            let store = desk.store.clone();
            let done = self.accept(log, desk, output).await;
            store.close().await;
            done
        })
    }

    async fn accept(&self, log: &Path, desk: Desk, output: Output) -> anyhow::Result<ExitCode> {
        let registry = Arc::clone(desk.identity.registry());
        let known = known_deeds(&*registry).await?;
        let said = LastSaid::of(log).with_context(|| format!("audit log `{}`", log.display()))?;
        let Some(lacking) = said.unknown_to(&known) else {
            let says = "nothing to accept: the database has all that the log says was done";
            output.one(&json!({ "status": "whole", "missing": [] }), says)?;
            return Ok(ExitCode::FAILURE);
        };
        let mut missing = audit::deeds_from(log, *lacking.start())?;
        missing.retain(|it| it["outcome"] == "done" && it["class"] != DeedClass::Read.as_str());
        missing.reverse();
        let status = if self.dry_run { "lacking" } else { "accepted" };
        if !self.dry_run {
            let identity = desk.identity.acting_for(&actor::of_this_process());
            let (first, last) = (lacking.start().to_string(), lacking.end().to_string());
            // First that it was done, so that nothing is accepted of which nobody knows.
            identity
                .keep_deed(DeedClass::Log, "accept_database", |it| it.with("first", first).with("last", last))
                .await?;
            registry.number_deeds_after(*lacking.end()).await?;
        }
        output.one(&json!({ "status": status, "missing": missing }), &told(status, &lacking, &missing))?;
        Ok(if self.dry_run { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// What is lacking, in lines for people.
fn told(status: &str, lacking: &RangeInclusive<u64>, missing: &[Value]) -> String {
    let head = format!("{status}: the database lacks deeds {} to {}, which did this:", lacking.start(), lacking.end());
    let lines = missing.iter().map(words);
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}
