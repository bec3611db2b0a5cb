//! `portcullis audit query`

use std::path::PathBuf;
use std::process::ExitCode;

use audit::Way;
use clap::Args;

use crate::commands::audit::asked::{Asked, During, note_pruned, now};
use crate::commands::output::{Output, reached};
use crate::settings::Settings;

/// Which entries are asked for.
#[derive(Debug, Args)]
#[command(after_help = "Example: portcullis audit query --tenant acme --outcome refuse --since 24h --last 100")]
pub(crate) struct Query {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    during: During,
    /// Begin with the entry of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    /// Only the last so many
    #[arg(long, value_name = "COUNT")]
    last: Option<usize>,
    /// Read every entry. Without it an index says where to look, and whoever can write to the folder can change that
    #[arg(long)]
    scan: bool,
}

impl Query {
    pub(super) fn run(
        &self,
        own: impl FnOnce() -> PathBuf,
        settings: &Settings,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        let log = self.asked.log(own)?;
        let filter = self.during.of(self.asked.filter(), now())?;
        let way = if self.scan { Way::Scan } else { Way::Index };
        let query = audit::Query::new(&log, self.from, filter.clone(), way)?;
        let mut access = self.asked.enter(settings, "query", &filter, &query.range())?.judging(&log);
        note_pruned(self.from, query.minimum());
        let mut count = 0;
        let mut show = |it: &audit::Found| {
            let line = access.line(it, output);
            count += usize::from(!line.is_empty());
            reached(&line)
        };
        match self.last {
            Some(last) => {
                for found in query.last(last)? {
                    if !show(&found)? {
                        break;
                    }
                }
            }
            None => {
                for found in query {
                    if !show(&found?)? {
                        break;
                    }
                }
            }
        }
        Ok(access.end(count))
    }
}
