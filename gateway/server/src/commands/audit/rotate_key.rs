//! `portcullis audit rotate-key`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use audit::Keys;
use audit::note::Verifier;
use authn::SecretFiles;
use authn::secrets::{forget_seed, replace_seed, restore_seed, seed_before};
use clap::Args;
use domain::DeedClass;
use serde::Serialize;

use crate::commands::audit::asked::keep_deed;
use crate::commands::output::Output;
use crate::office::signer;
use crate::settings::Settings;

/// Which half of it is to be done.
#[derive(Debug, Args)]
#[command(
    after_help = "First without --finish, then restart the gateway: from then on both keys sign every checkpoint, and say so. Hand the new key to witnesses and auditors, and when all have it, --finish and restart."
)]
pub(crate) struct RotateKey {
    /// Let the newer key alone sign from the next start on, and destroy the older one
    #[arg(long)]
    finish: bool,
}

#[derive(Serialize)]
struct Told {
    status: &'static str,
    /// The key that signs from the next start on.
    vkey: String,
    /// The one that it takes over from.
    before: String,
}

impl RotateKey {
    pub(super) fn run(&self, log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        if self.finish { finish(log, settings, output) } else { begin(settings, output) }.map(|()| ExitCode::SUCCESS)
    }
}

fn begin(settings: &Settings, output: Output) -> anyhow::Result<()> {
    let files = SecretFiles::under(&settings.data);
    let before = signer(settings)?.verifier();
    replace_seed(&files.audit, &files.audit_before)
        .map_err(|cause| anyhow::anyhow!("{cause}; help: `portcullis audit rotate-key --finish`"))?;
    let vkey = signer(settings)?.verifier();
    if let Err(cause) = enter(settings, "rotate", &before, &vkey) {
        restore_seed(&files.audit, &files.audit_before)?;
        return Err(cause);
    }
    let words = format!(
        "from the next start on the log is signed with\n{vkey}\nand with the key before it, until `portcullis audit rotate-key --finish`; hand it to witnesses and auditors"
    );
    output.one(&Told { status: "begun", vkey: vkey.to_string(), before: before.to_string() }, &words)
}

fn finish(log: &Path, settings: &Settings, output: Output) -> anyhow::Result<()> {
    let files = SecretFiles::under(&settings.data);
    let kept =
        seed_before(&files.audit_before)?.context("no key takes over from another: there is nothing to finish")?;
    let newer = signer(settings)?;
    let vkey = newer.verifier();
    let before =
        audit::note::Signer::from_seed(newer.name(), &kept).context("the older key cannot be used")?.verifier();
    // Whoever knows only one of the keys comes to the other by a checkpoint that both have signed: one must be there for good.
    let keys = Keys::of_log(log, &vkey).with_context(|| log.display().to_string())?;
    if !keys.all().any(|(key, _)| *key == before) {
        let both = audit::newest(log).is_ok_and(|(note, _)| [&before, &vkey].iter().all(|it| it.open(&note).is_ok()));
        let help =
            if both { "`portcullis audit seal` keeps one" } else { "restart the gateway, which signs with both" };
        anyhow::bail!("no checkpoint is kept that both keys have signed; help: {help}");
    }
    enter(settings, "retire", &before, &vkey)?;
    forget_seed(&files.audit_before)?;
    let words = format!("from the next start on the log is signed with this key alone\n{vkey}");
    output.one(&Told { status: "finished", vkey: vkey.to_string(), before: before.to_string() }, &words)
}

fn enter(settings: &Settings, action: &str, before: &Verifier, after: &Verifier) -> anyhow::Result<()> {
    keep_deed(settings, DeedClass::Key, action, |deed| {
        deed.on(after.id_text()).with("kind", "audit_log").with("before", before).with("after", after)
    })
}
