//! `portcullis audit prove` and `portcullis audit check-proof`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use audit::note::{BadNote, Verifier};
use audit::{Proven, Refuted};
use clap::Args;
use domain::DeedClass;

use crate::commands::audit::asked::keep_deed;
use crate::commands::audit::file::{short_text, the_log};
use crate::commands::output::Output;
use crate::settings::Settings;

/// What is to be proved.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    #[command(flatten)]
    what: Wanted,
    /// The folder of the log [default: that of the data folder]
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
}

/// One or the other.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
struct Wanted {
    /// That the entry with this number is in the log
    #[arg(value_name = "SEQ")]
    seq: Option<u64>,
    /// That the log of so many entries is the beginning of what it is now
    #[arg(long, value_name = "SIZE")]
    since: Option<u64>,
}

/// What is to be believed.
#[derive(Debug, Args)]
pub(crate) struct CheckProof {
    /// The file of the proof
    proof: PathBuf,
    /// The key that must have signed, as `name+id+key`; more than once where another took over from it
    #[arg(long, value_name = "KEY", required = true)]
    vkey: Vec<Verifier>,
    /// The older checkpoint, where the proof is that the log has only grown since
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
}

impl Prove {
    pub(super) fn run(
        self,
        own: impl FnOnce() -> PathBuf,
        settings: &Settings,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        let Wanted { seq, since } = self.what;
        if self.log.is_none() {
            keep_deed(settings, DeedClass::Read, "prove", |deed| match (seq, since) {
                (Some(seq), _) => deed.with("first", seq).with("end", seq.saturating_add(1)),
                (None, since) => deed.with("since", since.unwrap_or_default()),
            })?;
        }
        let log = the_log(self.log.unwrap_or_else(own))?;
        let proof = match (seq, since) {
            (Some(seq), _) => audit::prove_entry(&log, seq)?,
            (None, since) => audit::prove_growth(&log, since.unwrap_or_default())?,
        };
        output.one(&serde_json::json!({ "proof": proof }), proof.trim_end_matches('\n'))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl CheckProof {
    /// What is proved of an entry, by whichever of the keys signed the checkpoint.
    fn entry(&self, proof: &str) -> Result<Proven, Refuted> {
        let mut refuted = Refuted::Malformed;
        for key in &self.vkey {
            match audit::verify_entry(proof, key) {
                Err(cause @ Refuted::Note(BadNote::Unsigned(_))) => refuted = cause,
                other => return other,
            }
        }
        Err(refuted)
    }

    pub(super) fn run(&self, output: Output) -> anyhow::Result<ExitCode> {
        let read = |file: &Path| short_text(file).with_context(|| format!("`{}`", file.display()));
        let proof = read(&self.proof)?;
        let grown = audit::is_of_growth(&proof);
        anyhow::ensure!(
            !grown || self.since.is_some(),
            "this proves that the log has only grown: name the older checkpoint with `--since`"
        );
        anyhow::ensure!(
            grown || self.since.is_none(),
            "`--since` is for a proof that the log has only grown, which this is not"
        );
        let shown = match &self.since {
            Some(older) => audit::verify_growth(&proof, &read(older)?, &self.vkey).map(|newer| {
                let words = format!("good: the log has only grown since, to {} entries", newer.size);
                (serde_json::json!({ "ok": true, "size": newer.size }), words)
            }),
            None => self.entry(&proof).map(|proven| {
                let entry = audit::view(&proven.entry).unwrap_or_default();
                let size = proven.checkpoint.size;
                let words = format!("good: entry {} of {size} is\n{}", proven.seq, audit::json_line(&entry));
                (serde_json::json!({ "ok": true, "seq": proven.seq, "size": size, "entry": entry }), words)
            }),
        };
        match shown {
            Ok((verdict, words)) => output.one(&verdict, &words).map(|()| ExitCode::SUCCESS),
            Err(refuted) => {
                let verdict = serde_json::json!({ "ok": false, "fault": refuted.to_string() });
                output
                    .one(&verdict, &format!("BROKEN: {}", audit::harmless(&refuted.to_string())))
                    .map(|()| ExitCode::FAILURE)
            }
        }
    }
}
