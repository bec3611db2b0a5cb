//! Whether every deed that commands have done was entered: their numbers go without gaps.

use memchr::memmem;

use super::fault::Found;
use crate::cbor;
use crate::deeds::{SOURCE, deed};

/// The numbers of deeds as they come.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    /// The greatest of them: what was entered before a crash may come again.
    last: Option<u64>,
}

impl Deeds {
    /// Takes an entry in, and remarks upon deeds that are missing before it.
    pub(super) fn take(&mut self, seq: u64, entry: &[u8], found: &mut Found) {
        // A cheap look first: of many entries few are about deeds.
        if memmem::find(entry, SOURCE.as_bytes()).is_none() {
            return;
        }
        let Some(number) = cbor::view(entry).ok().as_ref().and_then(deed) else { return };
        if let Some(last) = self.last.filter(|it| it.saturating_add(1) < number) {
            found.missing_deeds(last + 1, number, seq);
        }
        self.last = self.last.max(Some(number));
    }

    /// Some entries could not be read: which deeds they were about is not known.
    pub(super) fn skip(&mut self) {
        self.last = None;
    }
}
