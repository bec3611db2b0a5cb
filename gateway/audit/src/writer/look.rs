//! Looking whether what was written is where it was written, and putting it right.

use std::sync::PoisonError;

use super::{LOOK, SUBJECTS, Writer};
use crate::Notice;
use crate::losses::{Fate, Holders};
use crate::watch::Astray;

impl Writer {
    /// Looks now and then whether everything is where it was written, and the reserve there again.
    pub(super) fn look(&mut self) {
        let now = self.clock.tick();
        if now.since(self.looked) < LOOK {
            return;
        }
        self.looked = now;
        self.take_back();
        self.look_at_subjects();
        self.look_at_ours();
        // Where another folder lies in the place of ours, nothing in it is.
        if !matches!(self.held.vigil.astray, Some(Astray::Folder | Astray::Lock)) {
            self.look_at_others();
        }
    }

    /// The keys without which nobody can read what is sealed.
    fn look_at_subjects(&mut self) {
        let (found, now) = (self.shared.subjects.look(), self.clock.now().wall);
        let said = std::mem::replace(&mut self.unsealed, found.is_err());
        match found {
            Ok(true) => {
                tracing::error!("the keys of subjects were taken away, replaced or changed, and are there again");
                self.shared.note(&Notice::control("restored", now).with("what", SUBJECTS));
            }
            Err(cause) if !said => {
                tracing::error!(%cause, "the keys of subjects are gone, and cannot be put back");
                self.shared.note(&Notice::control("missing", now).with("file", SUBJECTS));
            }
            Ok(false) | Err(_) => {}
        }
    }

    /// What is being written, and what says that it is ours to write.
    fn look_at_ours(&mut self) {
        let before = self.held.vigil.astray;
        let mut ours = self.held.vigil.look();
        if ours == Some(Astray::Lock) && self.held.vigil.take_again().is_ok() {
            tracing::error!(what = Astray::Lock.as_str(), "the audit log was meddled with");
            self.restored(Astray::Lock);
            ours = None;
        }
        // Bytes that were changed in place show in neither the name nor the length: only reading them tells.
        let changed = || before == Some(Astray::WriteAhead) && !self.sequencer.holds_what_was_written();
        let found = ours.or_else(|| self.sequencer.astray()).or_else(|| changed().then_some(Astray::WriteAhead));
        self.held.vigil.astray = found;
        let Some(astray) = found else {
            if let Some(was) = before {
                self.restored(was);
            }
            return;
        };
        self.put_right(astray, before != found);
    }

    /// Puts back what memory still holds of it.
    fn put_right(&mut self, astray: Astray, is_new: bool) {
        self.shared.fail(astray.as_str());
        if is_new {
            tracing::error!(what = astray.as_str(), "the audit log was meddled with");
        }
        // What is written into another folder, or beside another writer, would make two logs of one.
        if matches!(astray, Astray::Folder | Astray::Lock) {
            return;
        }
        match self.shared.subjects.sync().and_then(|()| self.sequencer.restore()) {
            Ok(()) => {
                self.held.vigil.astray = None;
                self.restored(astray);
            }
            Err(cause) => self.say(&cause),
        }
    }

    /// What was written and is not written any more. Entries go on: what is missing is said, and nobody is helped by more.
    fn look_at_others(&mut self) {
        let Some(losses) = &mut self.losses else { return };
        let quiet = self.sequencer.take_quiet();
        let (sequencer, reserve, in_flight) = (&self.sequencer, &mut self.held.reserve, &self.shared.in_flight);
        let news = losses.look(&mut Holders { sequencer, reserve, in_flight, quiet, now: self.looked });
        let touched = losses.take_suspect() && !sequencer.holds_what_was_written();
        let news = news.inspect_err(|cause| tracing::error!(%cause, "files of the audit log cannot be watched"));
        for (file, fate) in news.unwrap_or_default() {
            let (file, now) = (file.display().to_string(), self.clock.now().wall);
            match fate {
                Fate::Whole => {}
                Fate::Restored => {
                    tracing::warn!(file, "a file of the audit log was missing or another one, and is whole again");
                    self.shared.note(&Notice::control("restored", now).with("what", file));
                }
                Fate::Missing => {
                    tracing::error!(file, "a file of the audit log is missing or another one");
                    self.shared.note(&Notice::control("missing", now).with("file", file));
                }
            }
        }
        let unsealed = || self.unsealed.then(|| format!("{SUBJECTS} are missing, and cannot be put back"));
        let words = losses.missing().or_else(unsealed);
        *self.shared.missing.lock().unwrap_or_else(PoisonError::into_inner) = words;
        if touched {
            self.held.vigil.astray = Some(Astray::WriteAhead);
            self.put_right(Astray::WriteAhead, true);
        }
    }

    pub(super) fn restored(&mut self, what: Astray) {
        self.shared.note(&Notice::control("restored", self.clock.now().wall).with("what", what.as_str()));
        tracing::warn!(what = what.as_str(), "the audit log is whole again");
        if !self.low {
            self.shared.recover();
        }
    }
}
