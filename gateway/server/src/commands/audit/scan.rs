//! `portcullis audit scan`

use std::path::PathBuf;
use std::process::ExitCode;

use audit::{Filter, Kind, Scanned, SubjectKeys, harmless};
use clap::Args;
use domain::DeedClass;
use serde_json::{Value, json};

use crate::commands::audit::asked::{During, keep_deed, now};
use crate::commands::audit::file::the_log;
use crate::commands::output::{Output, WRONG_USE};
use crate::desk;
use crate::faults::Refused;
use crate::scanning::shapes;
use crate::settings::Settings;

/// How many entries are read before it is looked whether there are more.
const STEP: usize = 4096;

/// How many of the ranges are named that cannot be read.
const NAMED: usize = 16;

/// What is looked through.
#[derive(Debug, Args)]
#[command(after_help = "Example: portcullis audit scan --since 24h\n\
    Ends with 1 where something is found, else with 2 where something cannot be read. What it is, is not printed: `portcullis audit query --from SEQ --last 1` \
    shows the entry to those who may read it.")]
pub(crate) struct Scan {
    /// The folder of the log; what is sealed is not looked at then [default: that of the data folder]
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
    #[command(flatten)]
    during: During,
    /// Begin with the entry of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
}

impl Scan {
    pub(super) fn run(
        &self,
        own: impl FnOnce() -> PathBuf,
        settings: &Settings,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        let log = the_log(self.log.clone().unwrap_or_else(own))?;
        let shapes = shapes(&catalog::Catalog::load(&settings.apis).map_err(Refused)?)?;
        let keys = match self.log {
            Some(_) => None,
            None => Some(SubjectKeys::read(&desk::subjects_file(settings))?),
        };
        let filter = self.during.of(Filter::default(), now())?;
        let mut scan = audit::Scan::of(&log, self.from, filter, &shapes, keys.as_ref())?;
        while scan.step(STEP) {}
        let scanned = scan.finish();
        anyhow::ensure!(self.from <= scanned.end, "`--from {}`: there are {} entries", self.from, scanned.end);
        if self.log.is_none() {
            keep_deed(settings, DeedClass::Log, "scan", |it| {
                let seqs: Vec<String> = scanned.entries().iter().map(ToString::to_string).collect();
                let it = it.with("first", scanned.first).with("end", scanned.end).with("found", scanned.total());
                let unread = scanned.unread_total();
                let it =
                    if unread > 0 { it.with("unread", unread).with("unreadable", unreadable(&scanned)) } else { it };
                if seqs.is_empty() { it } else { it.with("counts", counts(&scanned)).with("entries", seqs.join(" ")) }
            })?;
        }
        output.one(&value(&scanned), &words(&scanned))?;
        // Whoever hears that nothing was found must not hear it of what nobody could look at.
        Ok(match (scanned.total(), scanned.unread_total()) {
            (0, 0) => ExitCode::SUCCESS,
            (0, _) => ExitCode::from(WRONG_USE),
            (_, _) => ExitCode::FAILURE,
        })
    }
}

/// The first ranges that cannot be read, in words.
fn unreadable(scanned: &Scanned) -> String {
    let words: Vec<String> = scanned.unread.iter().map(|it| format!("{} to {}", it.start, it.end - 1)).collect();
    let more = if words.len() > NAMED { ", and more" } else { "" };
    words.into_iter().take(NAMED).collect::<Vec<_>>().join(", ") + more
}

fn counts(scanned: &Scanned) -> String {
    let each: Vec<String> = scanned.counts.iter().map(|(kind, count)| format!("{} {count}", kind.as_str())).collect();
    each.join(", ")
}

fn value(scanned: &Scanned) -> Value {
    let counts: serde_json::Map<String, Value> =
        scanned.counts.iter().map(|(kind, count)| (Kind::as_str(*kind).to_owned(), (*count).into())).collect();
    let named = scanned.findings.iter().map(|it| json!({ "seq": it.seq, "field": it.field, "kind": it.kind.as_str() }));
    json!({
        "first": scanned.first, "end": scanned.end, "found": scanned.total(), "counts": counts,
        "findings": named.collect::<Vec<_>>(),
        "unread": scanned.unread.iter().map(|it| json!({ "first": it.start, "end": it.end })).collect::<Vec<_>>(),
    })
}

fn words(scanned: &Scanned) -> String {
    let range = format!("entries {} to {}", scanned.first, scanned.end.saturating_sub(1));
    let found =
        if scanned.total() == 0 { "nothing was found".to_owned() } else { format!("FOUND {}", counts(scanned)) };
    let mut lines = vec![format!("{range}: {found}")];
    if !scanned.unread.is_empty() {
        lines.push(format!("NOT LOOKED AT, because they cannot be read: {}", unreadable(scanned)));
    }
    lines.extend(scanned.findings.iter().map(|it| {
        let field = if it.field.is_empty() { "bytes that are no entry".into() } else { harmless(&it.field) };
        format!("{}  {}  {field}", it.seq, it.kind.as_str())
    }));
    if (scanned.findings.len() as u64) < scanned.total() {
        lines.push("and more: the first are named".to_owned());
    }
    lines.join("\n")
}
