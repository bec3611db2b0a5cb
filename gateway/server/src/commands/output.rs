//! How commands print: tables for people, JSON for scripts, complaints on standard error.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use audit::{harmless, harmless_json, harmless_lines};
use clap::ValueEnum;
use serde::Serialize;

use crate::faults::Refused;

/// Exit codes, as the documentation lists them.
pub(crate) const WRONG_USE: u8 = 2;

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For scripts: one JSON document
    Json,
}

/// What can be shown as rows.
pub(crate) trait Rows {
    /// The names of the columns.
    const COLUMNS: &'static [&'static str];

    /// One row.
    fn row(&self) -> Vec<String>;
}

impl Output {
    /// Prints a list.
    pub(crate) fn list<T: Rows + Serialize>(self, items: &[T]) -> anyhow::Result<()> {
        match self {
            Self::Json => json(&items),
            Self::Table => {
                let cells = |it: &T| it.row().iter().map(|it| harmless(it).into_owned()).collect();
                print(&table(T::COLUMNS, &items.iter().map(cells).collect::<Vec<_>>()))
            }
        }
    }

    /// Prints one thing, in words or as JSON.
    pub(crate) fn one(self, item: &impl Serialize, words: &str) -> anyhow::Result<()> {
        match self {
            Self::Json => json(item),
            Self::Table => print(&(harmless_lines(words) + "\n")),
        }
    }
}

fn json(item: &impl Serialize) -> anyhow::Result<()> {
    print(&(harmless_json(serde_json::to_string_pretty(item)?) + "\n"))
}

/// Prints to standard output. A reader that has left (`| head`) is no fault.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    reached(text).map(drop)
}

/// Prints to standard output at once; says whether anybody is there to read.
pub(crate) fn reached(text: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).map_err(Into::into),
    }
}

/// Says on standard error what went wrong.
pub(crate) fn complain(cause: &anyhow::Error, output: Output) -> ExitCode {
    let text = match (output, cause.downcast_ref::<Refused>()) {
        (Output::Json, Some(refused)) => serde_json::json!({ "ok": false, "faults": refused.0 }).to_string(),
        (Output::Json, None) => serde_json::json!({ "ok": false, "error": format!("{cause:#}") }).to_string(),
        (Output::Table, _) => format!("portcullis: {cause:#}"),
    };
    // Neither words nor JSON on one line have anything else in them that a terminal acts on.
    let text = if output == Output::Json { harmless_json(text) } else { harmless_lines(&text) };
    // Where standard error is gone there is nobody left to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
    ExitCode::from(WRONG_USE)
}

/// Says something beside the answer, where scripts do not read it.
pub(crate) fn remark(words: &str) {
    let _ = writeln!(std::io::stderr().lock(), "portcullis: {}", harmless_lines(words));
}

fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| {
            rows.iter().filter_map(|it| it.get(at)).map(|it| it.chars().count()).chain([name.len()]).max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let head = columns.iter().map(|it| it.to_uppercase()).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["a".to_owned(), "long cell".to_owned()], vec!["bcd".to_owned(), String::new()]];
        assert_eq!(table(&["id", "name"], &rows), "ID   NAME\na    long cell\nbcd\n");
    }
}
