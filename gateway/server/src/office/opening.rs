//! The log of this gateway, opened, and who signs it.

use std::sync::Arc;

use anyhow::Context as _;
use audit::note::Signer;
use audit::{Author, Before, Custody, Log, Notice, Recovered, Subjects};
use authn::{SecretFiles, SystemRandom};
use domain::{Clock, Random as _};

use crate::desk;
use crate::retaining;
use crate::settings::Settings;

/// Who signs the log of this gateway: its key, and while that takes over from another, that one too.
pub(crate) fn signer(settings: &Settings) -> anyhow::Result<Signer> {
    let files = SecretFiles::under(&settings.data);
    let named = || format!("`node`: `{}` cannot name a log: write it without spaces and `+`", settings.node);
    let name = format!("portcullis/{}", settings.node);
    let signer = Signer::from_seed(&name, &*authn::secrets::seed(&files.audit)?).with_context(named)?;
    let Some(before) = authn::secrets::seed_before(&files.audit_before)? else { return Ok(signer) };
    signer.after(&before).context("the older key of the log cannot be used")
}

/// The log of this gateway, with the entry of a run that begins.
pub(crate) fn open_log(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Log> {
    let files = SecretFiles::under(&settings.data);
    // Whoever had the key had a log.
    let begun = files.audit.exists();
    let signer = signer(settings)?;
    let folder = settings.data.join("audit");
    let subjects = desk::subjects_file(settings);
    let unsealed = begun && !subjects.exists();
    let subjects = Subjects::open(&subjects).with_context(|| format!("`{}` cannot be used", subjects.display()))?;
    let author = Author { node: settings.node.clone(), boot: boot_id() };
    let unanchored = !files.audit_newest.exists() && (begun || folder.join("checkpoint").exists());
    let custody = Custody { signer, subjects, anchor: Some(files.audit_newest) };
    let last = audit::written_last(&folder).unwrap_or_default();
    let (log, recovered) = Log::open(&folder, settings.audit.clone(), custody, author, Arc::clone(clock))?;
    let Recovered { torn, inserted, before, unwritten, .. } = recovered;
    let now = clock.now().wall;
    let mut start = Notice::start(now, before, torn);
    start = if unwritten > 0 { start.with("unwritten", unwritten) } else { start };
    start = if inserted > 0 { start.with("inserted", inserted) } else { start };
    start = if unsealed { start.with("subjects", "missing") } else { start };
    if unsealed {
        tracing::error!(
            "the keys that seal what entries say of people are gone: nobody can read what they have sealed"
        );
    }
    let _ = log.note(&if unanchored { start.with("anchor", "missing") } else { start });
    if unanchored {
        tracing::warn!(
            "nothing said how much of the audit log was signed for: it is gone on with as it is, or begun anew"
        );
    }
    retaining::begin(&log, last, recovered.next, now);
    log.note_lost(&recovered.lost);
    if before == Before::Crash {
        tracing::warn!(lost = recovered.lost.len(), unwritten, "the run before this one did not end as it should");
    }
    if inserted > 0 {
        tracing::error!(
            bytes = inserted,
            "somebody has written into the audit log: that is left out, and nothing is lost"
        );
    }
    if recovered.torn > 0 {
        tracing::warn!(bytes = recovered.torn, "the end of the audit log was torn and has been cut off");
    }
    Ok(log)
}

/// What tells this run of the process from every other.
fn boot_id() -> String {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes);
    hex::encode(bytes)
}
