//! What a log needs besides its own files: secrets, space, witnesses, and what waits to be entered.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use audit::note::Checkpoint;
use audit::{Entries, Examined, KnownDeeds, LastSaid, SubjectKeys};
use authn::SecretFiles;
use domain::Timestamp;
use store::Sqlite;

use super::finding::{Finding, fault, fine, warning};
use crate::commands::audit::witness;
use crate::desk;
use crate::office::{is_begun, known_deeds};
use crate::settings::Settings;

/// With how many days to live somebody should make room.
const FEW_DAYS: u64 = 30;

/// How many of the newest entries are looked through for what nobody can read any more.
const NEWEST: u64 = 10_000;

/// How long witnesses may have been silent.
const SILENT: std::time::Duration = std::time::Duration::from_mins(15);

pub(super) fn all(log: &Path, settings: &Settings, found: &Examined, runs: bool, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![secrets(settings), subjects(log, settings, found), space(log, settings, found)];
    if SecretFiles::under(&settings.data).audit_before.exists() {
        findings.push(warning(
            "signing key",
            "one key takes over from another, and both sign",
            "`portcullis audit rotate-key --finish` once witnesses and auditors have the newer one",
        ));
    }
    findings.extend(signing_key(settings));
    findings.push(anchored(settings, found));
    findings.extend(witnessed(log, settings, now));
    findings.push(deeds(log, settings, runs, now));
    findings.push(retention(log, settings, found, now));
    findings
}

/// What nobody else may read or change: whoever can read it can sign, open or forge.
fn secret(settings: &Settings) -> Vec<PathBuf> {
    let files = SecretFiles::under(&settings.data);
    let mut paths: Vec<PathBuf> = desk::private(settings).into_iter().filter(|it| it.exists()).collect();
    paths.extend(std::fs::read_dir(&files.peppers).into_iter().flatten().flatten().map(|it| it.path()));
    paths.push(files.master);
    paths.sort();
    paths.dedup();
    paths
}

fn secrets(settings: &Settings) -> Finding {
    let owner = std::fs::metadata(&settings.data).map(|it| it.uid());
    let (paths, mut bad) = (secret(settings), Vec::new());
    for path in &paths {
        let Ok(is) = std::fs::metadata(path) else {
            bad.push(format!("`{}` cannot be looked at", path.display()));
            continue;
        };
        if is.mode() & 0o077 != 0 {
            bad.push(format!("`{}` has mode {:o}", path.display(), is.mode() & 0o777));
        }
        if owner.as_ref().is_ok_and(|it| *it != is.uid()) {
            bad.push(format!("`{}` belongs to another account than the data folder", path.display()));
        }
    }
    let help = "`portcullis audit doctor --fix` closes them to others; chown them to the account of the gateway";
    match bad.as_slice() {
        [] => fine("secrets", &format!("{} files and folders, for their owner alone", paths.len())),
        some => fault("secrets", &some.join(", "), help),
    }
}

/// Takes from everybody but their owner the right to read or change them.
pub(super) fn close(settings: &Settings) -> anyhow::Result<()> {
    for path in secret(settings).iter().filter(|it| it.exists()) {
        let is = std::fs::metadata(path)?;
        if is.mode() & 0o077 != 0 {
            let own = Permissions::from_mode(is.mode() & 0o700);
            std::fs::set_permissions(path, own).with_context(|| format!("`{}` stays open", path.display()))?;
        }
    }
    Ok(())
}

/// Whether the log has the key that can go on with it.
fn signing_key(settings: &Settings) -> Option<Finding> {
    let files = SecretFiles::under(&settings.data);
    let gone = !files.audit.exists() && is_begun(settings);
    let says = format!("`{}`: the key that signed this log is missing", files.audit.display());
    let help = "put it back: the gateway does not start without it, since another one could not go on with the log";
    gone.then(|| fault("signing key", &says, help))
}

/// Whether there is as much as was signed for, as the secrets say.
fn anchored(settings: &Settings, found: &Examined) -> Finding {
    let file = SecretFiles::under(&settings.data).audit_newest;
    let says = match std::fs::read_to_string(&file).map(|it| Checkpoint::parse(&it)) {
        Ok(Ok(stated)) if found.signed < stated.size => {
            let says = format!("{} entries were signed for, and the checkpoint is of {}", stated.size, found.signed);
            let help = format!(
                "the gateway does not start with this log; where an older copy was put back on purpose, take `{}` away",
                file.display()
            );
            return fault("anchor", &says, &help);
        }
        Ok(Ok(stated)) => return fine("anchor", &format!("at least {} entries were signed for", stated.size)),
        Ok(Err(cause)) => format!("`{}` {cause}", file.display()),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && found.signed == 0 => {
            return fine("anchor", "nothing was signed for yet");
        }
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            let says = format!("`{}` is missing: nothing says how much was signed for", file.display());
            return warning(
                "anchor",
                &says,
                "a gateway writes it at its start, or with the first checkpoint that it signs, and enters that it was missing",
            );
        }
        Err(cause) => format!("`{}`: {cause}", file.display()),
    };
    fault("anchor", &says, "restore it, or take it away: a gateway enters then that it was missing")
}

/// Whether the keys are all there, and none of those that were destroyed.
fn subjects(log: &Path, settings: &Settings, found: &Examined) -> Finding {
    let restore = "restore the file: without it nobody can read what they sealed";
    let keys = match SubjectKeys::read(&desk::subjects_file(settings)) {
        Ok(keys) => keys,
        Err(cause) => return fault("subjects", &cause.to_string(), restore),
    };
    let undone = keys.undone(log).map(|it| it.len());
    let short = LastSaid::of(log).and_then(|it| keys.held_to(&it, log));
    match (short, undone) {
        (Ok(short), Ok(_)) if short.is_lost || lost(log, found, &keys) => fault(
            "subjects",
            "keys that seal what entries say of people are neither there nor were they destroyed by `audit erase`",
            restore,
        ),
        (Ok(_), Ok(0)) => fine("subjects", "the keys that seal what entries say of people can be read"),
        (Ok(_), Ok(count)) => fault(
            "subjects",
            &format!("{count} keys that `audit erase` has destroyed are there again"),
            "start the gateway anew, which destroys them again where no legal hold is in force",
        ),
        (Err(cause), _) | (_, Err(cause)) => fault("subjects", &cause.to_string(), "have the log verified"),
    }
}

/// Whether somebody has lost the key of what is sealed in one of the newest entries.
fn lost(log: &Path, found: &Examined, keys: &SubjectKeys) -> bool {
    let newest = Entries::from(log, found.entries.saturating_sub(NEWEST).max(found.minimum));
    let sealed_by = |entry: &[u8]| {
        let view = audit::view(entry).ok()?;
        Some(view.pointer("/sealed/key")?.as_str()?.to_owned())
    };
    newest.map_while(Result::ok).filter_map(|(_, entry)| sealed_by(&entry)).any(|it| keys.is_lost(&it))
}

fn space(log: &Path, settings: &Settings, found: &Examined) -> Finding {
    let free = match rustix::fs::statvfs(log) {
        Ok(it) => it.f_bavail.saturating_mul(it.f_frsize),
        Err(cause) => return fault("space", &cause.to_string(), "look whether the disk is there"),
    };
    let mib = free >> 20;
    let reserve = settings.audit.reserve_bytes;
    let taken = std::fs::metadata(log.join("reserve")).is_ok_and(|it| reserve <= it.len());
    let days = found.bytes_a_day.filter(|it| *it > 0).map(|it| free / it);
    let says = match days {
        Some(days) => format!("{mib} MiB free, for {days} days at the rate of the newest entries"),
        None => format!("{mib} MiB free"),
    };
    let help = "make room, or keep entries for fewer days (`[audit.retention]`)";
    if free < reserve && !taken {
        fault("space", &format!("{says}, less than the reserve"), help)
    } else if days.is_some_and(|it| it < FEW_DAYS) {
        warning("space", &says, help)
    } else {
        fine("space", &says)
    }
}

fn witnessed(log: &Path, settings: &Settings, now: Timestamp) -> Option<Finding> {
    let quorum = settings.witnesses.quorum.as_ref()?;
    match witness::accusations(log, &settings.witnesses.named) {
        Ok(none) if none.is_empty() => {}
        Ok(some) => {
            let help = "keep the folder as evidence, and ask who put another log in its place, or an older copy";
            return Some(fault("witnesses", &some.join("; "), help));
        }
        Err(cause) => return Some(fault("witnesses", &format!("{cause:#}"), "look whether the log can be read")),
    }
    let note = std::fs::read_to_string(log.join("checkpoint.cosigned")).unwrap_or_default();
    let help = "`portcullis audit witness` asks them once, and says what each said";
    Some(match quorum.witnessed(&note) {
        Ok(Some(at)) if now.since(at) <= SILENT => fine("witnesses", &format!("last at {at}")),
        Ok(Some(at)) => warning("witnesses", &format!("silent since {at}"), help),
        Ok(None) | Err(_) => warning("witnesses", "no checkpoint is witnessed", help),
    })
}

/// How long a gateway that runs may take to enter a deed.
const SOON: std::time::Duration = std::time::Duration::from_secs(5);

/// Whether the registry is the one that the log goes on with, and what of it is to be entered.
fn deeds(log: &Path, settings: &Settings, runs: bool, now: Timestamp) -> Finding {
    // First what is in the log: a gateway that runs enters more, and lets go of it, while the registry is read.
    let said = LastSaid::of(log);
    let file = settings.data.join("portcullis.db");
    // Where there is a log there was a registry: an empty one stands for it.
    let known = if file.exists() { known(&file) } else { Ok(KnownDeeds::default()) };
    let known = match known {
        Ok(known) => known,
        Err(cause) => return fault("deeds", &format!("{cause:#}"), "look whether the registry can be read"),
    };
    match said.map(|it| it.unknown_to(&known)) {
        Ok(Some(unknown)) => {
            let says = format!("the database lacks {} to {}, which the log has", unknown.start(), unknown.end());
            let help = "put the newest copy back, or see `portcullis audit accept-database`: no gateway starts or goes on \
                        with this one";
            return fault("deeds", &says, help);
        }
        Ok(None) => {}
        Err(cause) => return fault("deeds", &cause.to_string(), "have the log verified"),
    }
    let late = known.waiting.iter().filter(|(_, time)| SOON < now.since(*time)).count();
    match (runs, late, known.waiting.len()) {
        (true, 1.., _) => {
            warning("deeds", &format!("{late} or more wait to be entered"), "the log of the gateway that runs says why")
        }
        (true, ..) | (_, _, 0) => fine("deeds", "none waits to be entered"),
        (false, _, count) => {
            fine("deeds", &format!("{count} or more wait for a gateway to run, which enters them first"))
        }
    }
}

fn known(file: &Path) -> anyhow::Result<KnownDeeds> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Sqlite::open(file).await?;
        let known = known_deeds(&store).await;
        store.close().await;
        Ok(known?)
    })
}

fn retention(log: &Path, settings: &Settings, found: &Examined, now: Timestamp) -> Finding {
    let says = format!("{}, entries from {} on are there", settings.audit.retention, found.minimum);
    match audit::holds(log) {
        Ok(holds) if holds.is_empty() => match audit::held_back(log, &settings.audit.retention, now) {
            Ok(Some(first)) => warning(
                "retention",
                &format!("{says}; entry {first} is old by the clock, and no gateway saw it grow so old"),
                "if the clock is right, `portcullis audit prune` lets go what is old by it",
            ),
            // What cannot be read is said of the bundles.
            Ok(None) | Err(_) => fine("retention", &says),
        },
        Ok(holds) => {
            let names: Vec<&str> = holds.iter().map(|(name, _)| name.as_str()).collect();
            fine("retention", &format!("{says}; nothing goes while holds are in force: {}", names.join(", ")))
        }
        Err(cause) => fault("retention", &format!("holds cannot be read: {cause}"), "nothing goes until they can"),
    }
}
