//! `portcullis audit export` and `portcullis audit check-export`

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, IntoInnerError, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use audit::note::Verifier;
use audit::{Doubtful, Format, Manifest, Wanted, Way, harmless, manifest_of, verify_export};
use clap::{Args, ValueEnum};

use crate::actor;
use crate::commands::audit::asked::{Asked, During, now};
use crate::commands::audit::file::lies_within;
use crate::commands::output::Output;
use crate::settings::Settings;

/// How entries are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// JSON lines of entries, with the bytes that are hashed and what proves them
    Json,
    /// JSON lines of OCSF events
    Ocsf,
    /// A table with a line for each entry
    Csv,
}

/// What is to be exported.
#[derive(Debug, Args)]
#[command(after_help = "Example: portcullis audit export --format json --tenant acme --since 30d --to evidence/\n\
    Beside the file is put its manifest: what was asked, what range and how many entries that gave, the SHA-256 of the \
    file, and the checkpoint.")]
pub(crate) struct Export {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    during: During,
    /// How entries are written
    #[arg(long, value_enum)]
    format: Form,
    /// The file, or the folder in which one is made. What is there is not written over
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// Begin with the entry of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    /// Read every entry. Without it an index says where to look, and whoever can write to the folder can change that
    #[arg(long)]
    scan: bool,
}

/// Which export is held to which key.
#[derive(Debug, Args)]
#[command(after_help = "Example: portcullis audit check-export evidence/audit-0-4711.jsonl --vkey \"$(cat vkey)\"")]
pub(crate) struct CheckExport {
    /// The file. Its manifest must lie beside it
    file: PathBuf,
    /// The key that must have signed, as `name+id+key`
    #[arg(long, value_name = "KEY")]
    vkey: Verifier,
}

impl Export {
    pub(super) fn run(
        &self,
        own: impl FnOnce() -> PathBuf,
        settings: &Settings,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        let log = self.asked.log(own)?;
        let now = now();
        let format = match self.format {
            Form::Json => Format::Json,
            Form::Ocsf => Format::Ocsf,
            Form::Csv => Format::Csv,
        };
        let file = if self.to.is_dir() {
            self.to.join(format!("audit-{}.{}", now.to_string().replace(':', ""), format.extension()))
        } else {
            self.to.clone()
        };
        let within = lies_within(&file, &settings.data) || lies_within(&file, &log);
        anyhow::ensure!(
            !within,
            "`{}` is within the data folder or the log, where only the gateway writes",
            file.display()
        );
        let name = file.file_name().context("`--to` names no file")?.to_string_lossy().into_owned();
        let filter = self.during.of(self.asked.filter(), now)?;
        // What is sealed stays sealed: an export leaves the house.
        let end = audit::newest(&log).map_or(self.from, |(_, stated)| stated.size.max(self.from));
        let _ = self.asked.enter(settings, "export", &filter, &(self.from..end))?;
        let reader = actor::of_this_process();
        let wanted = Wanted {
            format,
            filter,
            first: self.from,
            way: if self.scan { Way::Scan } else { Way::Index },
            reader: &reader,
            file: &name,
            now,
        };
        let manifest = write(&log, &wanted, &file)?;
        output.one(&manifest, &words(&manifest, &file))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes both files, whole or not at all, and over none that is there. The manifest comes last: where it is, all is.
fn write(log: &Path, wanted: &Wanted<'_>, file: &Path) -> anyhow::Result<Manifest> {
    let (beside, mut made) = (manifest_of(file), Made::default());
    // Nobody else makes the same: whoever exports to this file meanwhile fails here, and takes nothing of ours away.
    let mut out = BufWriter::new(made.draft_of(file)?);
    for it in [file, &beside] {
        anyhow::ensure!(!it.exists(), "`{}` is there already", it.display());
    }
    let manifest = audit::export(log, wanted, &mut out)?;
    out.into_inner().map_err(IntoInnerError::into_error)?.sync_all().with_context(|| named(file))?;
    made.put(file)?;
    let mut out = made.draft_of(&beside)?;
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).with_context(|| named(&beside))?;
    made.put(&beside)?;
    made.keep(file)?;
    Ok(manifest)
}

/// What this process has made of an export. Unless all of it is kept nothing stays.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Made {
    /// A file to be put in place. For nobody else's eyes: entries tell who did what.
    fn draft_of(&mut self, file: &Path) -> anyhow::Result<File> {
        let draft = file.with_added_extension("unfinished");
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
        let made = made.with_context(|| named(&draft))?;
        self.0.push(draft);
        Ok(made)
    }

    /// Gives what was drafted last its name.
    fn put(&mut self, file: &Path) -> anyhow::Result<()> {
        if let Some(draft) = self.0.last_mut() {
            fs::rename(&*draft, file).with_context(|| named(file))?;
            file.clone_into(draft);
        }
        Ok(())
    }

    /// Makes the names of all of it certain, which are in the folder of this file.
    fn keep(mut self, file: &Path) -> anyhow::Result<()> {
        let folder = file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|it| it.sync_all()).with_context(|| named(folder))?;
        self.0.clear();
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for it in &self.0 {
            let _ = fs::remove_file(it);
        }
    }
}

fn named(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// What a manifest says, for people.
fn words(manifest: &Manifest, file: &Path) -> String {
    let read = &manifest.read;
    let totals = |of: &std::collections::BTreeMap<String, u64>| {
        let each: Vec<String> = of.iter().map(|(name, count)| format!("{} {count}", harmless(name))).collect();
        each.join(", ")
    };
    let mut lines = vec![
        format!("{} entries of {} to {} in `{}`", read.count, read.first, read.end.saturating_sub(1), file.display()),
        format!("outcomes: {}", totals(&manifest.totals.outcome)),
        format!("classes: {}", totals(&manifest.totals.class)),
        format!("sha256 {}; checkpoint of {} entries", manifest.sha256, manifest.tree_size),
    ];
    if manifest.unsigned > 0 {
        lines.push(format!("left out because they are not signed for yet: {} entries", manifest.unsigned));
    }
    lines.join("\n")
}

impl CheckExport {
    pub(super) fn run(&self, output: Output) -> anyhow::Result<ExitCode> {
        match verify_export(&self.file, &self.vkey) {
            Ok(checked) => {
                let read = &checked.manifest.read;
                let all = if checked.whole {
                    "they are all that were signed for"
                } else {
                    "whether others were asked for and left out, only the log can tell"
                };
                let words = format!("good: {} entries are those that {} signed; {all}", read.count, self.vkey.name());
                let verdict = serde_json::json!({
                    "ok": true, "entries": read.count, "whole": checked.whole, "size": checked.manifest.tree_size,
                });
                output.one(&verdict, &words).map(|()| ExitCode::SUCCESS)
            }
            Err(cause @ (Doubtful::Io { .. } | Doubtful::Unprovable)) => Err(cause.into()),
            Err(doubtful) => {
                let verdict = serde_json::json!({ "ok": false, "fault": doubtful.to_string() });
                output
                    .one(&verdict, &format!("BROKEN: {}", harmless(&doubtful.to_string())))
                    .map(|()| ExitCode::FAILURE)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use audit::note::Signer;
    use audit::{AuditSettings, Author, Filter, Log, Notice};
    use domain::{SystemClock, Timestamp};
    use tempfile::TempDir;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn log() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::from_seed("portcullis/test", &[1; 32]).unwrap();
        let author = Author { node: "n".to_owned(), boot: "b".to_owned() };
        let settings = AuditSettings { reserve_bytes: 0, ..AuditSettings::default() };
        let (log, _) = Log::open(folder.path(), settings, signer, author, Arc::new(SystemClock::new())).unwrap();
        let _ = log.note(&Notice::new("heartbeat", NOW));
        folder
    }

    fn exported(log: &Path, format: Format, file: &Path) -> anyhow::Result<Manifest> {
        let filter = Filter::default();
        write(log, &Wanted { format, filter, first: 0, way: Way::Scan, reader: "ann", file: "export", now: NOW }, file)
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn what_others_export_meanwhile_is_left_to_them_and_what_fails_leaves_nothing() {
        let (log, to) = (log(), tempfile::tempdir().unwrap());
        let (file, theirs) = (to.path().join("all.jsonl"), to.path().join("all.jsonl.unfinished"));
        fs::write(&theirs, "half of it").unwrap();
        assert!(exported(log.path(), Format::Json, &file).is_err());
        assert_eq!(fs::read_to_string(&theirs).unwrap(), "half of it");
        // Another form of the same name is another file.
        exported(log.path(), Format::Csv, &to.path().join("all.csv")).unwrap();
        assert_eq!(names(to.path()), ["all.csv", "all.csv.manifest.json", "all.jsonl.unfinished"]);
        fs::remove_file(theirs).unwrap();
        // In the place of the manifest's draft lies something else: what was written by then goes.
        let way = to.path().join("all.jsonl.manifest.json.unfinished");
        fs::create_dir(&way).unwrap();
        assert!(exported(log.path(), Format::Json, &file).is_err());
        fs::remove_dir(way).unwrap();
        assert!(exported(to.path(), Format::Json, &file).is_err(), "it is no log");
        assert_eq!(names(to.path()), ["all.csv", "all.csv.manifest.json"]);
        exported(log.path(), Format::Json, &file).unwrap();
        let whole = fs::read(&file).unwrap();
        let again = exported(log.path(), Format::Json, &file).unwrap_err();
        assert!(again.to_string().ends_with("is there already") && fs::read(&file).unwrap() == whole, "{again}");
        assert!(verify_export(&file, &Signer::from_seed("portcullis/test", &[1; 32]).unwrap().verifier()).is_ok());
    }
}
