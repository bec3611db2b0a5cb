//! `portcullis audit seal`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use audit::Notice;
use domain::{Clock, DeedClass, SystemClock};

use crate::commands::audit::told::have_done;
use crate::commands::output::Output;
use crate::diary::{SEAL, SEAL_PATIENCE};
use crate::office::open_log;
use crate::settings::Settings;

/// Closes the write-ahead file, signs what there is, and prints the checkpoint.
pub(super) fn run(log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
    if audit::is_being_written(log)? {
        let done = have_done(settings, DeedClass::Log, SEAL, |it| it)?;
        anyhow::ensure!(done.waits_for().is_none(), "the gateway that runs has not done it: its own log says why");
    } else {
        seal(settings)?;
    }
    let (note, stated) = audit::newest(log)?;
    output.one(&serde_json::json!({ "size": stated.size, "checkpoint": note }), note.trim_end_matches('\n'))?;
    Ok(ExitCode::SUCCESS)
}

/// A run of its own that does nothing else.
fn seal(settings: &Settings) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (log, _) = open_log(settings, &clock, None)?;
    let _ = log.note(&Notice::control(SEAL, clock.now().wall).with("actor", crate::actor::of_this_process()));
    let _ = log.note(&Notice::stop(clock.now().wall));
    runtime.block_on(log.seal(SEAL_PATIENCE)).context("the log cannot be sealed")
}
