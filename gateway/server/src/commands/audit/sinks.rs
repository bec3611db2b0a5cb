//! `portcullis audit sinks`

use std::path::Path;
use std::process::ExitCode;

use audit::sinks::Cursor;
use audit::{Filter, Query, Way};
use domain::DeedClass;
use serde::Serialize;

use crate::commands::audit::asked::keep_deed;
use crate::commands::output::{Output, Rows};
use crate::settings::Settings;
use crate::sinks::settings::{Place, SinkSettings};

/// How far one receiver of entries has come, as its cursor says.
#[derive(Serialize)]
struct Standing {
    sink: String,
    /// The number of the first entry that it has not accepted; nothing where it has never accepted any.
    next: Option<u64>,
    /// How many it has yet to be given.
    backlog: u64,
    /// What became of the file that it is, if that is not as it was left: what it had accepted is not given again.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'static str>,
}

impl Rows for Standing {
    const COLUMNS: &'static [&'static str] = &["sink", "next", "backlog", "file"];

    fn row(&self) -> Vec<String> {
        let next = self.next.map_or_else(|| "never".to_owned(), |it| it.to_string());
        vec![self.sink.clone(), next, self.backlog.to_string(), self.file.unwrap_or_default().to_owned()]
    }
}

/// Whether the file of a receiver that has accepted something is there, with something in it.
fn gone(sink: &SinkSettings, next: Option<u64>) -> Option<&'static str> {
    let Place::File { path, .. } = &sink.place else { return None };
    let _ = next.filter(|it| 0 < *it)?;
    match path.metadata() {
        Ok(found) if found.len() > 0 => None,
        Ok(_) => Some("empty"),
        Err(_) => Some("missing"),
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
        // One that begins with what is written from now on has a cursor as soon as it is named.
        let backlog = end.saturating_sub(next.unwrap_or_default());
        standings.push(Standing { sink: it.name.clone(), next, backlog, file: gone(it, next) });
    }
    keep_deed(settings, DeedClass::Read, "sinks", |it| it)?;
    output.list(&standings)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_accepted_anything_has_all_before_it() {
        let standing = |next, file| Standing { sink: "siem".to_owned(), next, backlog: 7, file };
        assert_eq!(standing(None, None).row(), ["siem", "never", "7", ""]);
        assert_eq!(standing(Some(3), Some("missing")).row(), ["siem", "3", "7", "missing"]);
    }
}
