//! `portcullis audit tail`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use audit::{Found, Tail as Follower, Way};
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::audit::asked::{Access, Asked};
use crate::commands::output::{Output, reached};
use crate::settings::Settings;

/// How often the log is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Which entries are followed.
#[derive(Debug, Args)]
#[command(after_help = "Example: portcullis audit tail --outcome refuse -n 20")]
pub(crate) struct Tail {
    #[command(flatten)]
    asked: Asked,
    /// Begin with the last so many of those that are there
    #[arg(short = 'n', long = "last", value_name = "COUNT", default_value_t = 10)]
    last: usize,
}

impl Tail {
    pub(super) fn run(
        &self,
        own: impl FnOnce() -> PathBuf,
        settings: &Settings,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        let log = self.asked.log(own)?;
        let filter = self.asked.filter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut ended, mut interrupted) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let there = audit::Query::new(&log, 0, filter.clone(), Way::Index)?;
        let mut access = self.asked.enter(settings, "tail", &filter, &there.range())?.judging(&log);
        // From where the question ends, so that nothing is shown twice and nothing is missed.
        let mut follower = Follower::from(&log, there.range().end);
        let mut found = there.last(self.last)?;
        while show(&mut access, &found, output)? {
            if runtime.block_on(told_to_end(&mut ended, &mut interrupted)) {
                break;
            }
            found = follower.poll(&filter)?;
        }
        // Nothing may have been asked for.
        Ok(access.end(usize::MAX))
    }
}

/// Waits a little, unless it is told to end.
async fn told_to_end(ended: &mut Signal, interrupted: &mut Signal) -> bool {
    tokio::select! {
        _ = ended.recv() => true,
        _ = interrupted.recv() => true,
        () = tokio::time::sleep(PAUSE) => false,
    }
}

/// Prints entries; says whether anybody still reads.
fn show(access: &mut Access, found: &[Found], output: Output) -> anyhow::Result<bool> {
    let text: String = found.iter().map(|it| access.line(it, output)).collect();
    if text.is_empty() { Ok(true) } else { reached(&text) }
}
