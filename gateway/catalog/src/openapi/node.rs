//! A YAML or JSON document as a tree in which everything knows its line.

use std::fmt;
use std::path::Path;

use domain::Fault;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Options, Spanned};

use crate::written::Place;

/// The longest document there can be, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How deep a document can be nested.
const MAX_DEPTH: usize = 64;

/// How many values a document can hold, and how many more its aliases can make of them.
const MAX_NODES: usize = 100_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) tree: Tree,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// In the order of the document.
    Map(Vec<(Key, Node)>),
}

/// A key of a map and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: String,
}

impl Node {
    /// Reads a whole document. Deep nesting, floods of aliases and repeated keys are faults.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Fault> {
        if text.len() > MAX_BYTES {
            return Err(Fault::of(file, format!("document is longer than {MAX_BYTES} bytes")));
        }
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |it| (count(it.line()), count(it.column())));
            let error = error.without_snippet();
            // Whatever else is nothing is a value, and may be.
            let nothing = matches!(error, serde_saphyr::Error::NullIntoString { .. });
            let message = if nothing { "a key is nothing, not a text".to_owned() } else { error.to_string() };
            Fault::at(file, line.max(1), column.max(1), message.lines().next().unwrap_or_default())
        })
    }

    /// The value under a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(it, _)| it.text == key).map(|(_, node)| node)
    }

    /// What a map holds; nothing where this is no map.
    pub(crate) fn entries(&self) -> &[(Key, Self)] {
        if let Tree::Map(entries) = &self.tree { entries } else { &[] }
    }

    /// What a list holds; nothing where this is no list.
    pub(crate) fn items(&self) -> &[Self] {
        if let Tree::List(items) = &self.tree { items } else { &[] }
    }

    /// The text, where it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Tree::Text(text) = &self.tree { Some(text) } else { None }
    }

    /// The value that a JSON pointer (RFC 6901) leads to.
    pub(crate) fn at(&self, pointer: &str) -> Option<&Self> {
        pointer.split('/').skip(1).try_fold(self, |node, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            match &node.tree {
                Tree::List(items) => items.get(token.parse::<usize>().ok()?),
                Tree::Map(_) => node.get(&token),
                Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) => None,
            }
        })
    }

    /// The same value as plain JSON; each text under a `$ref` as `link` writes it.
    pub(crate) fn to_json(&self, link: &impl Fn(&str) -> String) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(it) => Value::Bool(*it),
            Tree::Number(it) => Value::Number(it.clone()),
            Tree::Text(it) => Value::String(it.clone()),
            Tree::List(items) => items.iter().map(|it| it.to_json(link)).collect(),
            Tree::Map(entries) => {
                let entry = |(key, node): &(Key, Self)| match node.text().filter(|_| key.text == "$ref") {
                    Some(target) => (key.text.clone(), Value::String(link(target))),
                    None => (key.text.clone(), node.to_json(link)),
                };
                Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
        strict_booleans: true,
        with_snippet: false,
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Tree>::deserialize(deserializer)?;
        Ok(Self { place: place(referenced), tree: value })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { place: place(referenced), text: value })
    }
}

fn place(location: serde_saphyr::Location) -> Place {
    Place { line: count(location.line()), column: count(location.column()) }
}

fn count(it: u64) -> usize {
    usize::try_from(it).unwrap_or(usize::MAX)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Growing)
    }
}

struct Growing;

impl<'de> Visitor<'de> for Growing {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON could hold")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Tree, E> {
        Ok(Tree::Number(it.into()))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Tree, E> {
        Ok(Tree::Number(it.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, it: f64) -> Result<Tree, E> {
        Number::from_f64(it).map(Tree::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, it: &str) -> Result<Tree, E> {
        Ok(Tree::Text(it.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}
