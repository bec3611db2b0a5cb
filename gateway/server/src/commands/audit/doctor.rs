//! `portcullis audit doctor`

mod finding;
mod surroundings;

use std::path::Path;
use std::process::ExitCode;

use audit::{Examined, Lifetime};
use clap::Args;
use domain::{DeedClass, Timestamp};

use crate::commands::audit::asked::{keep_deed, now};
use crate::commands::audit::file::sole_writer;
use crate::commands::output::Output;
use crate::settings::Settings;
use finding::{Finding, fault, fine, warning};

/// How long entries may be without a checkpoint, and how far the clock may be behind the newest entry.
const LATE: std::time::Duration = std::time::Duration::from_mins(1);

/// What is to be done besides looking.
#[derive(Debug, Args)]
#[command(
    after_help = "Looks and changes nothing, but for the entry that somebody looked, while a gateway runs or not. Whether entries are those that were signed for is for `portcullis audit verify`."
)]
pub(crate) struct Doctor {
    /// Make bundles, tiles and indexes anew that are missing or damaged, as far as what they are made of is there, and close
    /// to others what is for the owner alone. No gateway may be running
    #[arg(long)]
    fix: bool,
}

impl Doctor {
    pub(super) fn run(&self, log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        anyhow::ensure!(log.is_dir(), "there is no audit log `{}`", log.display());
        let runs = audit::is_being_written(log)?;
        if self.fix {
            // Held while something is put in place: a gateway that somebody starts meanwhile does not begin to write.
            let writer = sole_writer(log)?;
            surroundings::close(settings)?;
            audit::mend(&writer)?;
        }
        let now = now();
        let examined = audit::examine(log)?;
        let mut findings = vec![fine("writer", if runs { "a gateway runs" } else { "no gateway runs" })];
        findings.extend(files(&examined));
        findings.extend(times(&examined, log, now));
        findings.extend(surroundings::all(log, settings, &examined, runs, now));
        // Who is to be helped is helped also where that cannot be entered.
        let entered = keep_deed(settings, DeedClass::Read, if self.fix { "doctor_fix" } else { "doctor" }, |it| it);
        findings.extend(entered.err().map(|cause| {
            let help = "the data folder must be writable, and the database whole: somebody looked, and nothing says so";
            fault("entry", &format!("{cause:#}"), help)
        }));
        let sick = findings.iter().any(Finding::is_fault);
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        output.one(&serde_json::json!({ "ok": !sick, "findings": findings }), &lines.join("\n"))?;
        Ok(if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// What of the log must be there.
fn files(found: &Examined) -> Vec<Finding> {
    let derived = "`portcullis audit doctor --fix` makes it anew while no gateway runs";
    let first = |files: &[String]| {
        format!("{} missing or damaged, first `{}`", files.len(), files.first().map_or("", String::as_str))
    };
    vec![
        match found.broken_chain {
            None => fine("write-ahead", "files follow each other"),
            Some(it) => fault(
                "write-ahead",
                &format!("the file of entry {it} does not go on from the one before it"),
                "keep the folder as evidence, and ask `portcullis audit verify` which entries are missing",
            ),
        },
        match found.bundles.as_slice() {
            [] if found.entries <= found.minimum => fine("bundles", "there is no entry yet"),
            [] => {
                fine("bundles", &format!("entries {} to {} are there", found.minimum, found.entries.saturating_sub(1)))
            }
            some => fault("bundles", &first(some), "restore them from a copy; nothing can make entries anew"),
        },
        match found.derivable.as_slice() {
            [] => fine("derived", "what is signed for is in bundles"),
            some => fault("derived", &first(some), derived),
        },
        match &found.silences {
            None => fine("signs of life", "every run gave them as often as was to be"),
            Some((first, count)) => warning(
                "signs of life",
                &format!("{first} ({count} such times in all)"),
                "no entry says what the gateway did then: ask who ran it, and what ran it",
            ),
        },
        match found.tiles.as_slice() {
            [] if found.unlike => fault(
                "tiles",
                "the entries, or the hashes of pruned ones, are not those that were signed for",
                "keep the folder as evidence, and ask `portcullis audit verify` which they are",
            ),
            [] => fine("tiles", "all there"),
            some => fault("tiles", &first(some), derived),
        },
        match found.indexes.as_slice() {
            [] => fine("indexes", "all there"),
            [one, ..] => warning(
                "indexes",
                &format!("{} missing or damaged, first that of segment {one}", found.indexes.len()),
                &format!("whoever asks makes it anew, or {derived}"),
            ),
        },
    ]
}

/// Whether it is signed for in time, and whether the clock can be right.
fn times(found: &Examined, log: &Path, now: Timestamp) -> Vec<Finding> {
    let modified = std::fs::metadata(log.join("checkpoint")).and_then(|it| it.modified()).ok();
    let age = modified.and_then(|it| it.duration_since(std::time::UNIX_EPOCH).ok());
    let age = age.map(|it| now.since(Timestamp::from_nanos(i64::try_from(it.as_nanos()).unwrap_or(i64::MAX))));
    let ahead = found.entries.saturating_sub(found.signed);
    let signed = match age {
        None => fault(
            "checkpoint",
            "there is none",
            "start the gateway, which signs one, or ask `portcullis audit verify` what is wrong",
        ),
        Some(_) if found.entries < found.signed => fault(
            "checkpoint",
            &format!("of {} entries, and there are {}", found.signed, found.entries),
            "keep the folder as evidence, and put a whole copy in its place: the gateway does not start with this one",
        ),
        Some(age) if ahead > 0 && LATE < age => warning(
            "checkpoint",
            &format!("{ahead} entries are not signed for, and it is {} s old", age.as_secs()),
            "`portcullis audit seal` signs for them",
        ),
        Some(age) => fine("checkpoint", &format!("of {} entries, {} s old", found.signed, age.as_secs())),
    };
    let clock = match found.newest {
        Some(newest) if LATE < newest.since(now) => fault(
            "clock",
            &format!("the newest entry says {newest}, and now is {now}"),
            "set the clock of this machine; no entry goes by a clock that is wrong",
        ),
        Some(newest) => match Lifetime::read(log).map(|it| it.and_then(|it| it.leapt(now))) {
            Ok(None) => fine("clock", &format!("the newest entry is of {newest}")),
            Ok(Some(ahead)) => warning(
                "clock",
                &format!("it is {} days ahead of what a gateway saw pass", ahead.as_secs() / 86_400),
                "set the clock of this machine; if it is right, `portcullis audit prune --clock-is-right` says so",
            ),
            Err(cause) => warning("clock", &cause.to_string(), "move `lived` away: the log's age begins anew"),
        },
        None => fine("clock", "no entry to compare it with"),
    };
    vec![signed, clock]
}
