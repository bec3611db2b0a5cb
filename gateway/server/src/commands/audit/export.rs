//! `portcullis audit export` and `portcullis audit check-export`

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, Write as _};
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

/// Writes both files, whole or not at all, and over none that is there.
fn write(log: &Path, wanted: &Wanted<'_>, file: &Path) -> anyhow::Result<Manifest> {
    let beside = manifest_of(file);
    for it in [file, &beside] {
        anyhow::ensure!(!it.exists(), "`{}` is there already", it.display());
    }
    let draft = file.with_extension("unfinished");
    let done = draft_of(log, wanted, &draft).and_then(|manifest| {
        let text = serde_json::to_string_pretty(&manifest)? + "\n";
        let mut out = new_file(&beside)?;
        out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).with_context(|| named(&beside))?;
        fs::rename(&draft, file).with_context(|| named(file))?;
        Ok(manifest)
    });
    if done.is_err() {
        let _ = fs::remove_file(&draft);
    }
    done
}

fn draft_of(log: &Path, wanted: &Wanted<'_>, draft: &Path) -> anyhow::Result<Manifest> {
    let mut out = BufWriter::new(new_file(draft)?);
    let manifest = audit::export(log, wanted, &mut out)?;
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all().with_context(|| named(draft))?;
    Ok(manifest)
}

/// For nobody else's eyes: entries tell who did what.
fn new_file(path: &Path) -> anyhow::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(|| named(path))
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
