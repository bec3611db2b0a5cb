//! The log of this gateway, opened, and who signs it.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::Context as _;
use audit::note::Signer;
use audit::{Author, Before, Custody, KnownDeeds, LastSaid, Log, Notice, Recovered, SubjectKeys, Subjects};
use authn::{SecretFiles, SystemRandom};
use domain::{Clock, DeedClass, Random as _, Timestamp};
use identity::{Registry, StoreFault};

use crate::desk;
use crate::retaining;
use crate::settings::Settings;

/// Who signs the log of this gateway: its key, and while that takes over from another, that one too.
pub(crate) fn signer(settings: &Settings) -> anyhow::Result<Signer> {
    let files = SecretFiles::under(&settings.data);
    let named = || format!("`node`: `{}` cannot name a log: write it without spaces and `+`", settings.node);
    let name = format!("portcullis/{}", settings.node);
    anyhow::ensure!(
        files.audit.exists() || !is_begun(settings),
        "`{}`: the key that signed this log is missing: put it back; another one could not go on with it",
        files.audit.display()
    );
    let signer = Signer::from_seed(&name, &*authn::secrets::seed(&files.audit)?).with_context(named)?;
    let Some(before) = authn::secrets::seed_before(&files.audit_before)? else { return Ok(signer) };
    signer.after(&before).context("the older key of the log cannot be used")
}

/// Whether there is anything that the key of a log has signed, or was about to.
pub(crate) fn is_begun(settings: &Settings) -> bool {
    let log = settings.data.join("audit");
    let anchored = SecretFiles::under(&settings.data).audit_newest.exists();
    anchored || ["checkpoint", "checkpoints", "tile", "wal"].iter().any(|it| log.join(it).exists())
}

/// How far deeds have come before a run, as far as the log says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeedsSoFar {
    /// The last one that was entered.
    pub(crate) entered: Option<u64>,
    /// The last one that was entered and that the registry has let go of.
    pub(crate) let_go: Option<u64>,
}

/// The log of this gateway, with the entry of a run that begins, and which deeds are in it. The registry must be no older
/// than the log, where what it knows is given.
pub(crate) fn open_log(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    registry: Option<&KnownDeeds>,
) -> anyhow::Result<(Log, DeedsSoFar)> {
    let files = SecretFiles::under(&settings.data);
    // Whoever had the key had a log.
    let begun = files.audit.exists();
    let signer = signer(settings)?;
    let folder = settings.data.join("audit");
    let file = desk::subjects_file(settings);
    let unsealed = begun && !file.exists();
    let subjects = Subjects::open(&file).with_context(|| format!("`{}` cannot be used", file.display()))?;
    let keys = SubjectKeys::read(&file).with_context(|| format!("`{}` cannot be used", file.display()))?;
    let author = Author { node: settings.node.clone(), boot: boot_id() };
    let unanchored = !files.audit_newest.exists() && (begun || folder.join("checkpoint").exists());
    let custody = Custody { signer, subjects, anchor: Some(files.audit_newest) };
    let last = audit::written_last(&folder).unwrap_or_default();
    let (log, recovered) = Log::open(&folder, settings.audit.clone(), custody, author, Arc::clone(clock))?;
    // Before anything that may refuse this start. What it found is kept until a start says it in an entry.
    tell(&recovered);
    let said = LastSaid::of(&folder).with_context(|| format!("audit log `{}`", folder.display()))?;
    if let Some(unknown) = registry.and_then(|it| said.unknown_to(it)) {
        return Err(older(unknown));
    }
    let (before, now) = (recovered.before, clock.now().wall);
    let mut start = beginning(&recovered, now);
    let short = keys.held_to(&said, &folder).with_context(|| format!("audit log `{}`", folder.display()))?;
    start = if unsealed || short.is_lost { start.with("subjects", "missing") } else { start };
    start = if short.undone.is_empty() { start } else { start.with("undone", short.undone.len()) };
    start = if is_heard(before, &said) { start } else { start.with("heartbeat", "missing") };
    if unsealed || short.is_lost {
        tracing::error!(
            "keys that seal what entries say of people are gone: nobody can read what they have sealed; restore the file"
        );
    }
    let unanchored = unanchored || recovered.unanchored;
    if unanchored {
        tracing::warn!(
            "nothing said how much of the audit log was signed for: it is gone on with as it is, or begun anew"
        );
    }
    start = if unanchored { start.with("anchor", "missing") } else { start };
    let restored = recovered.mended.iter().map(|it| Notice::control("restored", now).with("what", it.as_str()));
    log.begin(&std::iter::once(start).chain(restored).collect::<Vec<_>>());
    erase_again(&log, &short.undone, now);
    retaining::begin(&log, last, recovered.next, now);
    log.note_lost(&recovered.lost);
    let entered = if before == Before::Nothing && !begun { Some(0) } else { said.deed };
    // Not what the registry has let go of and the log has not: it was taken away, which the next deed brings to light.
    let let_go = entered.zip(registry).map(|(entered, registry)| entered.min(registry.let_go()));
    Ok((log, DeedsSoFar { entered, let_go }))
}

/// The entry with which a run begins, as far as it says how the log was found.
fn beginning(recovered: &Recovered, now: Timestamp) -> Notice {
    let Recovered { torn, beyond, inserted, before, unwritten, .. } = *recovered;
    let counts = [("unwritten", unwritten), ("beyond", beyond), ("inserted", inserted)];
    let found = counts.into_iter().filter(|(_, count)| *count > 0);
    found.fold(Notice::start(now, before, torn), |start, (name, count)| start.with(name, count))
}

/// Says to whoever operates the gateway how the log was found.
fn tell(recovered: &Recovered) {
    let Recovered { torn, beyond, inserted, before, unwritten, .. } = *recovered;
    if before == Before::Crash {
        tracing::warn!(lost = recovered.lost.len(), unwritten, "the run before this one did not end as it should");
    }
    if inserted > 0 {
        tracing::error!(
            bytes = inserted,
            "somebody has written into the audit log: that is left out, and nothing is lost"
        );
    }
    if torn > 0 {
        tracing::warn!(bytes = torn, "the end of the audit log was torn and has been cut off");
    }
    if beyond > 0 {
        tracing::error!(
            entries = beyond,
            "whole entries stood after what was torn and have been cut off with it: a power cut leaves such that were \
             never certain; otherwise a byte was changed, and the file as it was found is kept as `.stray` in `wal`"
        );
    }
    for tile in &recovered.mended {
        tracing::error!(tile, "a tile of the audit log was damaged, and was made anew from what is beneath it");
    }
}

/// Whether the log says, of the runs before, what its keys and the registry are held to.
fn is_heard(before: Before, said: &LastSaid) -> bool {
    let heard = before == Before::Nothing || said.is_heard();
    if !heard {
        tracing::warn!(
            "there is no signed sign of life among the newest entries: neither an older database nor lost keys of those \
             whom entries speak of can be told for certain"
        );
    }
    heard
}

/// Why a gateway does not begin with a registry: in what it has forgotten were keys and people that had been let go of.
pub(crate) fn older(unknown: RangeInclusive<u64>) -> anyhow::Error {
    anyhow::anyhow!(
        "the database is older than the audit log, which has deeds {} to {} that it does not know: keys, tenants and \
         people that were taken away may be there again; put the newest copy back, or if this one is meant, \
         `portcullis audit accept-database` says what is missing and goes on from it",
        unknown.start(),
        unknown.end()
    )
}

/// What a registry says of its deeds.
pub(crate) async fn known_deeds(registry: &dyn Registry) -> Result<KnownDeeds, StoreFault> {
    // The count first: a deed that is done meanwhile waits, and is not taken for one that was entered.
    let newest = registry.deed_numbers().await?.newest;
    let waiting = registry.deeds().await?.into_iter().map(|(number, deed)| (number, deed.time)).collect();
    Ok(KnownDeeds { newest, waiting })
}

/// Destroys keys once more that were destroyed, and came back with an older copy of their file.
fn erase_again(log: &Log, undone: &HashSet<String>, now: Timestamp) {
    if undone.is_empty() {
        return;
    }
    let count = undone.len();
    tracing::error!(count, "keys that were destroyed are there again: an older copy of their file was put back");
    // Nobody is erased while a hold is in force, nor where nobody can say whether one is.
    if !audit::holds(log.folder()).is_ok_and(|it| it.is_empty()) {
        tracing::error!(count, "they stay until no legal hold is in force at a start");
        log.subjects().miss_erased(count as u64);
        return;
    }
    if let Err(cause) = log.subjects().erase_keys(undone) {
        tracing::error!(%cause, "they cannot be destroyed again: the next start tries once more");
        log.subjects().miss_erased(count as u64);
        return;
    }
    for key in undone {
        let again =
            Notice::new(DeedClass::Erasure.as_str(), now).with("action", "erase_again").with("actor", "gateway");
        let _ = log.note(&again.with("outcome", "done").with("facts", serde_json::json!({ "key": key })));
    }
}

/// What tells this run of the process from every other.
fn boot_id() -> String {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes);
    hex::encode(bytes)
}
