//! `portcullis audit verify`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use audit::cosignature::{Quorum, WitnessKey};
use audit::note::{Checkpoint, Verifier};
use audit::{Broken, Grounds, Verdict, Verified, harmless};
use authn::SecretFiles;
use clap::Args;
use domain::{Clock as _, DeedClass, SystemClock};
use serde::Serialize;

use crate::commands::audit::asked::keep_deed;
use crate::commands::audit::file::short_text;
use crate::commands::output::{Output, remark};
use crate::office::signer;
use crate::settings::Settings;

/// The exit code of a log in which nothing is wrong, and which witnesses do not stand for, or not for all of it.
const UNWITNESSED: u8 = 6;

/// How much newer than what is witnessed entries may be: within this time a gateway asks its witnesses.
const SOON: Duration = Duration::from_mins(1);

/// Which log is verified, and whose keys are believed.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The folder of the log [default: that of the data folder]
    log: Option<PathBuf>,
    /// A key that must have signed it, as `name+id+key`; those before and after it are found by what they say of each
    /// other [default: the one that lies beside the log, which proves nothing against whoever can write there]
    #[arg(long, value_name = "KEY")]
    vkey: Option<Verifier>,
    /// The key of a witness whose word counts, as `name+id+key`; once for each
    #[arg(long = "witness", value_name = "KEY")]
    witnesses: Vec<WitnessKey>,
    /// How many of these witnesses it takes
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "witnesses")]
    quorum: usize,
    /// A checkpoint that was kept elsewhere, and must be the beginning of this log; once for each
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// How old the newest checkpoint may be, signed and, where witnesses are named, witnessed
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,
}

/// What is printed for scripts.
#[derive(Serialize)]
struct Told {
    ok: bool,
    /// The keys that it is signed with, the oldest first.
    keys: Vec<Key>,
    entries: u64,
    signed: u64,
    witnessed: Option<u64>,
    root: Option<String>,
    /// What was pruned of the entries.
    pruned: Option<Pruned>,
    signed_at: Option<String>,
    witnessed_at: Option<String>,
    verdicts: Verdicts,
    /// The entries by who stands for them.
    ranges: Ranges,
    first_bad: Option<u64>,
    /// The first of the faults.
    fault: Option<String>,
    faults: Vec<Fault>,
    more_faults: u64,
    /// What is not as it was left, and costs no proof.
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct Key {
    vkey: String,
    /// How many entries there were when the next one took over.
    until: Option<u64>,
}

#[derive(Serialize)]
struct Pruned {
    /// The first entry that is there.
    minimum: u64,
    /// The entry that said last what was pruned.
    said_by: Option<u64>,
    /// How many of the entries before are kept longer, and were proved.
    kept: u64,
}

#[derive(Serialize)]
struct Verdicts {
    integrity: &'static str,
    append_only: &'static str,
    completeness: &'static str,
    freshness: &'static str,
}

#[derive(Serialize)]
struct Ranges {
    witnessed: Range,
    /// Signed for, and not witnessed.
    signed: Range,
    /// Not signed for yet.
    unsigned: Range,
}

#[derive(Serialize)]
struct Range {
    first: u64,
    count: u64,
}

#[derive(Serialize)]
struct Fault {
    verdict: &'static str,
    entry: Option<u64>,
    says: String,
}

impl Verify {
    pub(super) fn run(
        self,
        own: impl FnOnce() -> PathBuf,
        settings: &Settings,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        let is_own = self.log.is_none();
        let log = self.log.unwrap_or_else(own);
        anyhow::ensure!(
            !log.is_file(),
            "`{}` is a file: an export is verified by `portcullis audit check-export`",
            log.display()
        );
        let key = match self.vkey {
            Some(key) => key,
            None if is_own => own_key(settings, &log)?,
            None => key_beside(&log)?,
        };
        let quorum = match self.witnesses.as_slice() {
            [] if is_own => settings.witnesses.quorum.clone(),
            [] => None,
            _ => Some(Quorum::new(self.witnesses, self.quorum)?),
        };
        let mut kept = self.checkpoints.iter().map(|it| checkpoint(it)).collect::<anyhow::Result<Vec<_>>>()?;
        if is_own {
            // One that is none is a fault among others.
            let anchor = SecretFiles::under(&settings.data).audit_newest;
            let bytes = anchor.exists().then(|| std::fs::read(&anchor)).transpose()?;
            kept.extend(bytes.map(|it| (anchor.display().to_string(), String::from_utf8_lossy(&it).into_owned())));
        }
        let freshness = self.max_age.map(|it| (Duration::from_secs(it), SystemClock::new().now().wall));
        let grounds = Grounds { key, quorum, kept, freshness };
        let found = audit::verify(&log, &grounds).with_context(|| log.display().to_string())?;
        if is_own {
            // Whoever asks whether the log is whole must learn it even where that cannot be entered.
            let entered = keep_deed(settings, DeedClass::Log, "verify", |deed| {
                let deed = deed.with("entries", found.entries).with("signed", found.signed);
                let deed = deed.with("result", if found.faults.is_empty() { "good" } else { "broken" });
                let deed = deed.with("vkey", &grounds.key).with("checkpoints", grounds.kept.len());
                let deed = match grounds.freshness {
                    Some((most, _)) => deed.with("max_age_s", most.as_secs()),
                    None => deed,
                };
                match found.root {
                    Some(root) => deed.with("root", hex::encode(root)),
                    None => deed,
                }
            });
            if let Err(cause) = entered {
                remark(&format!("that the log was verified is not entered: {cause:#}"));
            }
        }
        output.one(&told(&found, &grounds), &words(&found, &grounds))?;
        Ok(match found.witnessed {
            _ if !found.faults.is_empty() => ExitCode::FAILURE,
            Some(witnessed) if witnessed < found.entries && !is_about_to_be(&found) => ExitCode::from(UNWITNESSED),
            _ => ExitCode::SUCCESS,
        })
    }
}

fn told(found: &Verified, grounds: &Grounds) -> Told {
    let judged = |it| if found.is_good(it) { "good" } else { "broken" };
    let witnessed = found.witnessed.unwrap_or_default();
    let fault = |it: &Broken| Fault { verdict: name(it.verdict()), entry: it.entry(), says: says(it) };
    Told {
        ok: found.faults.is_empty(),
        keys: found.keys.all().map(|(key, until)| Key { vkey: key.to_string(), until }).collect(),
        entries: found.entries,
        signed: found.signed,
        witnessed: found.witnessed,
        root: found.root.map(hex::encode),
        pruned: found.pruned.as_ref().map(|it| Pruned { minimum: it.minimum, said_by: it.said, kept: it.kept }),
        signed_at: found.signed_at.map(|it| it.to_string()),
        witnessed_at: found.witnessed_at.map(|it| it.to_string()),
        verdicts: Verdicts {
            integrity: judged(Verdict::Integrity),
            append_only: judged(Verdict::AppendOnly),
            completeness: judged(Verdict::Completeness),
            freshness: grounds.freshness.map_or("not_asked", |_| judged(Verdict::Freshness)),
        },
        ranges: Ranges {
            witnessed: Range { first: 0, count: witnessed },
            signed: Range { first: witnessed, count: found.signed - witnessed },
            unsigned: Range { first: found.signed, count: found.entries - found.signed },
        },
        first_bad: found.first_bad(),
        fault: found.faults.first().map(says),
        faults: found.faults.iter().map(fault).collect(),
        more_faults: found.more_faults,
        remarks: found.remarks.iter().map(|it| harmless(it).into_owned()).collect(),
    }
}

/// A fault in words. It names files of the folder and what entries say, and the folder may be somebody else's: neither may
/// act on a terminal, or begin a line that looks like a verdict.
fn says(fault: &Broken) -> String {
    harmless(&fault.to_string()).into_owned()
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Integrity => "integrity",
        Verdict::AppendOnly => "append_only",
        Verdict::Completeness => "completeness",
        Verdict::Freshness => "freshness",
    }
}

fn words(found: &Verified, grounds: &Grounds) -> String {
    if !found.faults.is_empty() {
        let faults: Vec<String> = found.faults.iter().map(says).collect();
        let more = if found.more_faults > 0 { format!("\nand {} more", found.more_faults) } else { String::new() };
        return format!("BROKEN: {}{more}", faults.join("\nand: "));
    }
    let Verified { entries, signed, witnessed_at, .. } = found;
    let root = found.root.map(hex::encode).unwrap_or_default();
    let good = format!("good: {entries} entries, {signed} of them signed by {}; root {root}", grounds.key.name());
    let witnessed = match (&grounds.quorum, found.witnessed) {
        (Some(quorum), Some(witnessed)) => {
            let since = witnessed_at.map_or_else(|| "never".to_owned(), |it| format!("last at {it}"));
            let (needed, named) = (quorum.needed(), quorum.witnesses().len());
            format!("witnessed: {witnessed} of them, by {needed} or more of {named}, {since}; of the rest only its own key speaks")
        }
        _ => "no witness was named: whoever has this folder and its key could have written all of it anew, or cut its end"
            .to_owned(),
    };
    let pruned = found.pruned.as_ref().map(|it| {
        let said = it.said.map_or_else(String::new, |it| format!(", as entries up to {it} say"));
        format!("\npruned: the entries before {}{said}; {} of them are kept longer and are proved", it.minimum, it.kept)
    });
    let keys = found.keys.all().filter_map(|(key, until)| Some((key, until?)));
    let keys = keys.map(|(key, until)| format!("\nkeys: after {until} entries another took over from {key}"));
    let remarks = found.remarks.iter().map(|it| format!("\nremark: {}", harmless(it)));
    let more: String = keys.chain(remarks).collect();
    format!("{good}{}{more}\n{witnessed}", pruned.unwrap_or_default())
}

/// Whether what is not witnessed yet is so new that nobody could have been asked.
fn is_about_to_be(found: &Verified) -> bool {
    let ages = found.signed_at.zip(found.witnessed_at);
    ages.is_some_and(|(signed, witnessed)| signed.since(witnessed) <= SOON)
}

/// A checkpoint that was kept elsewhere, by the name of its file.
fn checkpoint(file: &Path) -> anyhow::Result<(String, String)> {
    let named = || format!("`{}`", file.display());
    let note = short_text(file).with_context(named)?;
    Checkpoint::parse(&note).with_context(named)?;
    Ok((file.display().to_string(), note))
}

/// The key of this gateway, which whoever can write to the folder of the log alone cannot change.
fn own_key(settings: &Settings, log: &Path) -> anyhow::Result<Verifier> {
    if !SecretFiles::under(&settings.data).audit.exists() {
        return key_beside(log);
    }
    // Until the gateway starts again, a key that is to take over has signed nothing.
    let note = std::fs::read_to_string(log.join("checkpoint")).unwrap_or_default();
    Ok(signer(settings)?.known_by(&note))
}

fn key_beside(log: &Path) -> anyhow::Result<Verifier> {
    let file = log.join("vkey");
    let named = || format!("`{}`", file.display());
    let text = short_text(&file).with_context(named)?;
    text.trim().parse().with_context(named)
}

/// What is said of a log whose files and entries say this, in words and for scripts: once of its faults, and once of its
/// remarks.
#[cfg(test)]
pub(super) fn told_of_hostile_names(hostile: &str) -> [(String, serde_json::Value); 2] {
    let folder = tempfile::tempdir().unwrap();
    let key = audit::note::Signer::from_seed("test", &[7; 32]).unwrap().verifier();
    let grounds = Grounds { kept: vec![(hostile.to_owned(), "none".to_owned())], ..Grounds::only(key) };
    let mut found = audit::verify(folder.path(), &grounds).unwrap();
    found.faults.push(Broken::NoEnd { seq: 1, said: hostile.to_owned() });
    found.remarks.push(hostile.to_owned());
    let shown = |it: &Verified| (words(it, &grounds), serde_json::to_value(told(it, &grounds)).unwrap());
    let faults = shown(&found);
    found.faults.clear();
    [faults, shown(&found)]
}
