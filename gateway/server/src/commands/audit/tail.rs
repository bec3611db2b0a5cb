//! `portcullis audit tail`

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use audit::{Filter, Found, Tail as Follower, Way};
use clap::Args;
use domain::{Clock as _, SystemClock};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::commands::audit::asked::{Access, Asked};
use crate::commands::output::{Output, reached};
use crate::settings::Settings;

/// How often the log is looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// How often it is entered what was followed meanwhile.
const ENTERED: Duration = Duration::from_hours(1);

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
        let mut ends = {
            let _inside = runtime.enter();
            // A terminal that is closed, too.
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()];
            kinds.into_iter().map(signal).collect::<Result<Vec<Signal>, _>>()?
        };
        let there = audit::Query::new(&log, 0, filter.clone(), Way::Index)?;
        let mut access = self.asked.enter(settings, "tail", &filter, &there.range())?.judging(&log);
        // From where the question ends, so that nothing is shown twice and nothing is missed.
        let (mut first, clock) = (there.range().end, SystemClock::new());
        let mut follower = Follower::from(&log, first);
        let (mut found, mut entered) = (there.last(self.last), clock.tick());
        // What was shown is entered, however this ends.
        let shown = loop {
            match found.map_err(anyhow::Error::from).and_then(|it| show(&mut access, &it, output)) {
                Ok(true) if !runtime.block_on(told_to_end(&mut ends)) => {}
                other => break other,
            }
            if ENTERED <= clock.tick().since(entered) {
                self.enter_followed(settings, (&log, &filter), &mut first)?;
                entered = clock.tick();
            }
            found = follower.poll(&filter);
        };
        let entered = self.enter_followed(settings, (&log, &filter), &mut first);
        // What ended it is told before what failed after that. Nothing may have been asked for.
        let shown = shown.map(|_| access.end(usize::MAX))?;
        entered.map(|()| shown)
    }

    /// Enters what was written and followed from this entry on.
    fn enter_followed(
        &self,
        settings: &Settings,
        (log, filter): (&Path, &Filter),
        first: &mut u64,
    ) -> anyhow::Result<()> {
        let end = audit::Query::new(log, *first, filter.clone(), Way::Index)?.range().end;
        if *first < end {
            let _ = self.asked.enter(settings, "tail", filter, &(*first..end))?;
            *first = end;
        }
        Ok(())
    }
}

/// Waits a little, unless it is told to end.
async fn told_to_end(ends: &mut [Signal]) -> bool {
    let ended = poll_fn(|context| {
        let told = ends.iter_mut().any(|it| it.poll_recv(context).is_ready());
        if told { Poll::Ready(()) } else { Poll::Pending }
    });
    tokio::time::timeout(PAUSE, ended).await.is_ok()
}

/// Prints entries; says whether anybody still reads.
fn show(access: &mut Access, found: &[Found], output: Output) -> anyhow::Result<bool> {
    let text: String = found.iter().map(|it| access.line(it, output)).collect();
    if text.is_empty() { Ok(true) } else { reached(&text) }
}
