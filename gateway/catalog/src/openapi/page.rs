//! A document being read: where its references lead, and what was found wrong so far.

use std::cell::{Cell, RefCell};
use std::path::Path;

use domain::Faults;

use super::node::{Key, Node, Tree};
use crate::written::Place;

/// How many references may follow each other before something is reached.
const MAX_HOPS: usize = 16;

/// A document and its faults.
pub(super) struct Page<'a> {
    pub(super) file: &'a Path,
    pub(super) root: &'a Node,
    faults: RefCell<Faults>,
    lacks: Cell<bool>,
}

impl<'a> Page<'a> {
    pub(super) fn new(file: &'a Path, root: &'a Node) -> Self {
        Self { file, root, faults: RefCell::default(), lacks: Cell::new(false) }
    }

    /// Notes a fault.
    pub(super) fn fault(&self, place: Place, message: impl Into<String>) {
        self.faults.borrow_mut().push(place.fault(self.file, message));
    }

    /// Notes a fault and what to do about it.
    pub(super) fn fault_with_help(&self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.faults.borrow_mut().push(place.fault(self.file, message).with_help(help));
    }

    /// What `read` makes of a part of the document by which operations are known to others: where something is wrong with
    /// it, they are not all known.
    pub(super) fn known_by<T>(&self, read: impl FnOnce() -> T) -> T {
        let before = self.faults.borrow().len();
        let part = read();
        if before < self.faults.borrow().len() {
            self.lack();
        }
        part
    }

    /// Notes that not all operations are known.
    pub(super) fn lack(&self) {
        self.lacks.set(true);
    }

    /// Whether not all operations are known.
    pub(super) fn lacks(&self) -> bool {
        self.lacks.get()
    }

    /// Every fault so far in the order of the lines.
    pub(super) fn done(&self) -> Faults {
        let mut faults: Faults = self.faults.take();
        faults.sort();
        faults.dedup();
        faults
    }

    /// What a reference leads to; the node itself where it is none. `None` where it leads nowhere.
    pub(super) fn resolve(&self, node: &'a Node) -> Option<&'a Node> {
        let mut node = node;
        for _ in 0..MAX_HOPS {
            let Some(target) = node.get("$ref").and_then(Node::text) else { return Some(node) };
            node = self.target(target)?;
        }
        None
    }

    /// What the text of a reference names.
    pub(super) fn target(&self, reference: &str) -> Option<&'a Node> {
        let pointer = reference.strip_prefix('#').filter(|it| it.starts_with('/'))?;
        self.root.at(&percent_encoding::percent_decode_str(pointer).decode_utf8().ok()?)
    }

    /// A text under a key; `None` where there is no such key or, with a fault, where it is no text.
    pub(super) fn text(&self, node: &'a Node, key: &str) -> Option<&'a str> {
        let value = node.get(key)?;
        let text = value.text();
        if text.is_none() {
            self.fault(value.place, format!("`{key}` must be a text"));
        }
        text
    }

    /// A flag under a key; `None` where there is no such key or, with a fault, where it is no flag.
    pub(super) fn flag(&self, node: &'a Node, key: &str) -> Option<bool> {
        let value = node.get(key)?;
        if let Tree::Bool(flag) = value.tree {
            return Some(flag);
        }
        self.fault(value.place, format!("`{key}` must be `true` or `false`"));
        None
    }

    /// A number of bytes under a key; `None` where there is no such key or, with a fault, where it is none.
    pub(super) fn bytes(&self, node: &'a Node, key: &str) -> Option<u64> {
        let value = node.get(key)?;
        let bytes = if let Tree::Number(number) = &value.tree { number.as_u64().filter(|it| *it > 0) } else { None };
        if bytes.is_none() {
            self.fault(value.place, format!("`{key}` must be a whole number of bytes"));
        }
        bytes
    }

    /// One of a few words under a key, as what it stands for.
    pub(super) fn word<T: Copy>(&self, node: &'a Node, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if let (None, Some(value)) = (found, node.get(key)) {
            let listed: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.fault(value.place, format!("`{key}` is `{text}`, not one of {}", listed.join(", ")));
        }
        found.map(|(_, it)| *it)
    }

    /// Faults a key that is neither in `known` nor an extension.
    pub(super) fn known_key(&self, key: &Key, known: &[&str]) {
        if !known.contains(&key.text.as_str()) && !key.text.starts_with("x-") {
            self.fault(key.place, format!("`{}` is not known here", key.text));
        }
    }

    /// Faults all keys of a map that are neither in `known` nor extensions, and a node that is no map.
    pub(super) fn known_keys(&self, node: &Node, known: &[&str]) {
        if !matches!(node.tree, Tree::Map(_)) {
            self.fault(node.place, "must be a map");
        }
        for (key, _) in node.entries() {
            self.known_key(key, known);
        }
    }
}
