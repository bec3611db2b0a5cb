//! `portcullis audit`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use audit::note::Verifier;
use audit::{Broken, Filter};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use crate::commands::output::{Output, print};
use crate::settings::Settings;

/// What can be done with the log.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Check that nothing that was signed for was changed, moved or taken out
    Verify {
        /// The folder of the log [default: that of the data folder]
        log: Option<PathBuf>,
        /// The key that must have signed it, as `name+id+key` [default: the one that lies beside the log, which proves
        /// nothing against whoever can write there]
        #[arg(long, value_name = "KEY")]
        vkey: Option<Verifier>,
    },
    /// Print a proof that an entry is in the log, or that the log has only grown since an older checkpoint
    Prove(Prove),
    /// Hold a proof to a key
    CheckProof(CheckProof),
    /// Print entries in the order in which they were written; as JSON, one a line
    Query(Query),
}

/// Which entries are asked for.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The folder of the log [default: that of the data folder]
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
    /// Begin with the entry of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    /// Only the last so many
    #[arg(long, value_name = "COUNT")]
    last: Option<usize>,
    /// Only that of the request with this id, with or without what its API puts before it
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only those of this tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Only those of this key, by its id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Only those of this API
    #[arg(long, value_name = "NAME")]
    api: Option<String>,
    /// Only those of this operation
    #[arg(long, value_name = "ID")]
    operation: Option<String>,
    /// Only those that ended so: permit, refuse, fail or abort
    #[arg(long, value_parser = ["permit", "refuse", "fail", "abort"])]
    outcome: Option<String>,
}

/// What is to be proved.
#[derive(Debug, Args)]
#[group(id = "claim", required = true, multiple = false, args = ["seq", "since"])]
pub(crate) struct Prove {
    /// That the entry with this number is in the log
    #[arg(value_name = "SEQ")]
    seq: Option<u64>,
    /// That the log of so many entries is the beginning of what it is now
    #[arg(long, value_name = "SIZE")]
    since: Option<u64>,
    /// The folder of the log [default: that of the data folder]
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
}

/// What is to be believed.
#[derive(Debug, Args)]
pub(crate) struct CheckProof {
    /// The file of the proof
    proof: PathBuf,
    /// The key that must have signed, as `name+id+key`
    #[arg(long, value_name = "KEY")]
    vkey: Verifier,
    /// The older checkpoint, where the proof is that the log has only grown since
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
}

#[derive(Serialize)]
struct Verdict {
    ok: bool,
    entries: Option<u64>,
    signed: Option<u64>,
    root: Option<String>,
    fault: Option<String>,
}

impl Audit {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let own = || settings.data.join("audit");
        match self {
            Self::Verify { log, vkey } => verify(&log.unwrap_or_else(own), vkey, output),
            Self::Prove(prove) => prove.run(own, output),
            Self::CheckProof(check) => check.run(output),
            Self::Query(query) => query.run(own, output),
        }
    }
}

fn verify(log: &Path, named: Option<Verifier>, output: Output) -> anyhow::Result<ExitCode> {
    let key = named.map_or_else(|| key_beside(log), Ok)?;
    match audit::verify(log, &key) {
        Ok(found) => {
            let root = hex::encode(found.root);
            let words = format!(
                "good: {} entries, {} of them signed by {}; root {root}",
                found.entries,
                found.signed,
                key.name()
            );
            let (entries, signed) = (Some(found.entries), Some(found.signed));
            output.one(&Verdict { ok: true, entries, signed, root: Some(root), fault: None }, &words)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Broken::Read(cause)) => Err(cause).with_context(|| log.display().to_string()),
        Err(broken) => {
            let words = format!("BROKEN: {broken}");
            let fault = Some(broken.to_string());
            output.one(&Verdict { ok: false, entries: None, signed: None, root: None, fault }, &words)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn key_beside(log: &Path) -> anyhow::Result<Verifier> {
    let file = log.join("vkey");
    let named = || format!("`{}`", file.display());
    let text = std::fs::read_to_string(&file).with_context(named)?;
    text.trim().parse().with_context(named)
}

impl Prove {
    fn run(self, own: impl FnOnce() -> PathBuf, output: Output) -> anyhow::Result<ExitCode> {
        let log = self.log.unwrap_or_else(own);
        let proof = match (self.seq, self.since) {
            (Some(seq), _) => audit::prove_entry(&log, seq)?,
            (None, since) => audit::prove_growth(&log, since.unwrap_or_default())?,
        };
        output.one(&serde_json::json!({ "proof": proof }), proof.trim_end_matches('\n'))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl CheckProof {
    fn run(&self, output: Output) -> anyhow::Result<ExitCode> {
        let read = |file: &Path| std::fs::read_to_string(file).with_context(|| format!("`{}`", file.display()));
        let proof = read(&self.proof)?;
        let shown = match &self.since {
            Some(older) => audit::verify_growth(&proof, &read(older)?, &self.vkey).map(|newer| {
                let words = format!("good: the log has only grown since, to {} entries", newer.size);
                (serde_json::json!({ "ok": true, "size": newer.size }), words)
            }),
            None => audit::verify_entry(&proof, &self.vkey).map(|proven| {
                let entry = audit::view(&proven.entry).unwrap_or_default();
                let size = proven.checkpoint.size;
                let words = format!("good: entry {} of {size} is\n{entry}", proven.seq);
                (serde_json::json!({ "ok": true, "seq": proven.seq, "size": size, "entry": entry }), words)
            }),
        };
        match shown {
            Ok((verdict, words)) => output.one(&verdict, &words).map(|()| ExitCode::SUCCESS),
            Err(refuted) => {
                let verdict = serde_json::json!({ "ok": false, "fault": refuted.to_string() });
                output.one(&verdict, &format!("BROKEN: {refuted}")).map(|()| ExitCode::FAILURE)
            }
        }
    }
}

impl Query {
    fn run(self, own: impl FnOnce() -> PathBuf, output: Output) -> anyhow::Result<ExitCode> {
        let log = self.log.unwrap_or_else(own);
        anyhow::ensure!(log.is_dir(), "there is no audit log `{}`", log.display());
        let bare = |it: String| it.rsplit('_').next().unwrap_or_default().to_owned();
        let filter = Filter {
            request: self.request.map(bare),
            tenant: self.tenant,
            key: self.key,
            api: self.api,
            operation: self.operation,
            outcome: self.outcome,
        };
        let mut found = false;
        let mut show = |entry: &Value| {
            found = true;
            print(&match output {
                Output::Json => format!("{entry}\n"),
                Output::Table => line(entry),
            })
        };
        match self.last {
            Some(count) => audit::last(&log, self.from, &filter, count)?.iter().try_for_each(&mut show)?,
            None => audit::query(&log, self.from, &filter).try_for_each(|it| show(&it?))?,
        }
        Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// One entry in a line, for people.
fn line(entry: &Value) -> String {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    let (request, decision) = (&entry["request"], &entry["decision"]);
    let shown = [&entry["seq"], &entry["time"], &decision["outcome"], &entry["status"], &request["method"]];
    let rest = [&request["path"], &entry["tenant"], &decision["reason"], &request["id"]];
    let told: Vec<String> = shown.into_iter().chain(rest).filter(|it| !it.is_null()).map(text).collect();
    format!("{}\n", told.join("  "))
}
