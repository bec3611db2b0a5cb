//! `portcullis audit sinks`

use std::path::Path;
use std::process::ExitCode;

use audit::sinks::Cursor;
use audit::{Filter, Query, Way};
use serde::Serialize;

use crate::commands::output::{Output, Rows};
use crate::settings::Settings;

/// How far one receiver of entries has come, as its cursor says.
#[derive(Serialize)]
struct Standing {
    sink: String,
    /// The number of the first entry that it has not accepted; nothing where it was given none yet.
    next: Option<u64>,
    /// How many it has yet to be given.
    backlog: Option<u64>,
}

impl Rows for Standing {
    const COLUMNS: &'static [&'static str] = &["sink", "next", "backlog"];

    fn row(&self) -> Vec<String> {
        let shown = |it: Option<u64>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
        vec![self.sink.clone(), shown(self.next), shown(self.backlog)]
    }
}

/// Lists those that the settings name.
pub(super) fn run(log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
    let end = Query::new(log, 0, Filter::default(), Way::Scan)?.range().end;
    let mut standings = Vec::new();
    for it in &settings.sinks {
        let next = match Cursor::read(log, &it.name)? {
            Some(cursor) => Some(cursor?.next()),
            None => None,
        };
        let backlog = next.map(|it| end.saturating_sub(it));
        standings.push(Standing { sink: it.name.clone(), next, backlog });
    }
    output.list(&standings)?;
    Ok(ExitCode::SUCCESS)
}
