//! Whether each run of a gateway is whole: numbered without a gap, with a beginning, and with an end or a crash.

use std::collections::HashMap;

use memchr::memmem::Finder;
use serde_json::Value;

use super::fault::{Broken, Found};
use crate::cbor::{self, Identity};
use crate::notice::{CONTROL, STOP};
use crate::silence::Listener;

/// How far the runs of gateways have come. Entries of one run mostly follow each other, so the last one is at hand.
pub(super) struct Runs {
    known: HashMap<(Vec<u8>, Vec<u8>), u64>,
    current: (Vec<u8>, Vec<u8>),
    expected: u64,
    /// The run at hand has said that it ends.
    stopped: bool,
    /// Entries before this one could not be read, so that nobody knows what was to come.
    blind: bool,
    class: Finder<'static>,
    listener: Listener,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            current: Default::default(),
            expected: 0,
            stopped: false,
            blind: false,
            class: Finder::new(CONTROL.as_bytes()),
            listener: Listener::default(),
        }
    }
}

impl Runs {
    /// Some entries could not be read.
    pub(super) fn skip(&mut self) {
        self.blind = true;
        self.listener.skip();
    }

    /// The log begins later than it did. Whether the run before had said that it ends, and what was to come, nobody can tell.
    pub(super) fn begin_late(&mut self) {
        self.blind = true;
        self.stopped = true;
    }

    /// Takes the next entry in.
    pub(super) fn count(&mut self, entry: &[u8], seq: u64, found: &mut Found) {
        let Ok(Identity { node, boot, node_seq }) = cbor::identity(entry) else {
            found.push(Broken::NotAnEntry(seq));
            return;
        };
        if let Some(silence) = self.listener.take(seq, entry) {
            found.silent(&silence);
        }
        // A cheap look first: of many entries few are of this class.
        let said = self.class.find(entry).and_then(|_| control(entry));
        if self.current.0 != node || self.current.1 != boot {
            let begins = self.change(node, boot);
            let wrong = begins.and_then(|stopped| ill_begun(seq, said.as_ref(), stopped));
            if let Some(wrong) = wrong {
                found.push(wrong);
            }
        }
        if node_seq != self.expected && !self.blind {
            found.push(Broken::Gap { seq, found: node_seq, expected: self.expected });
        }
        self.expected = node_seq.saturating_add(1);
        self.blind = false;
        self.stopped |= said.is_some_and(|it| it.get("action").is_some_and(|it| it == STOP));
    }

    /// Another run follows the one at hand. Where it is one that begins, whether the one before it said that it ends.
    fn change(&mut self, node: &[u8], boot: &[u8]) -> Option<bool> {
        let next = (node.to_owned(), boot.to_owned());
        self.known.insert(std::mem::take(&mut self.current), self.expected);
        let known = self.known.get(&next).copied();
        self.current = next;
        self.expected = known.unwrap_or_default();
        // The first entry at all ends no run.
        let stopped = if self.known.len() > 1 { std::mem::take(&mut self.stopped) } else { self.stopped };
        (known.is_none() && !self.blind).then_some(stopped)
    }
}

/// What is wrong with the first entry of a run.
fn ill_begun(seq: u64, said: Option<&Value>, stopped: bool) -> Option<Broken> {
    let start = said.filter(|it| it.get("action").is_some_and(|it| it == "start"));
    let Some(before) = start.and_then(|it| it.get("before")?.as_str()) else { return Some(Broken::NoStart(seq)) };
    // That a run ended badly is believed to its disadvantage; the rest must be so.
    let so = match before {
        "nothing" => seq == 0,
        STOP => stopped,
        _ => true,
    };
    (!so).then(|| Broken::NoEnd { seq, said: before.to_owned() })
}

/// What an entry of the log about itself says.
fn control(entry: &[u8]) -> Option<Value> {
    cbor::view(entry).ok().filter(|it| it.get("class").is_some_and(|it| it == CONTROL))
}
