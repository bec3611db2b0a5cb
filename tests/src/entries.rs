//! The log of entries, read from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use crate::until;

/// How long after an answer its entry may take to be in the file.
const SOON: Duration = Duration::from_secs(5);

/// The entry file of one gateway.
#[derive(Clone, Debug)]
pub struct Entries {
    file: PathBuf,
}

impl Entries {
    /// The log below the data folder of a gateway.
    #[track_caller]
    pub fn below(data: &Path) -> Self {
        Self { file: until("a log of entries", SOON, || find(data, "entries.jsonl")) }
    }

    /// The file itself.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Every entry that is written so far. A last line that is still being written is left out.
    #[track_caller]
    pub fn all(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.file).expect("the log of entries");
        let whole = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
        whole.lines().map(|line| serde_json::from_str::<Value>(line).expect("an entry")["entry"].take()).collect()
    }

    /// The one entry of a request, by the id its answer carried, with whatever prefix. Two would be a fault.
    #[track_caller]
    pub fn of(&self, request_id: &str) -> Value {
        let own = |it: &Value| it["request"]["id"].as_str().is_some_and(|it| same(it, request_id));
        let found = until(&format!("the entry of request `{request_id}`"), SOON, || {
            let found: Vec<Value> = self.all().into_iter().filter(own).collect();
            (!found.is_empty()).then_some(found)
        });
        assert_eq!(found.len(), 1, "more than one entry for one request: {found:#?}");
        found[0].clone()
    }

    /// The entry of each of these requests, by the ids as they were given; waits until all of them are written.
    #[track_caller]
    pub fn of_each(&self, request_ids: &[&str]) -> BTreeMap<String, Value> {
        until(&format!("the entries of {} requests", request_ids.len()), SOON, || {
            let mut known = BTreeMap::new();
            for entry in self.all() {
                let id = bare(entry["request"]["id"].as_str().unwrap_or_default()).to_owned();
                let before = known.insert(id, entry);
                assert_eq!(before, None, "more than one entry for one request");
            }
            request_ids.iter().map(|id| Some(((*id).to_owned(), known.get(bare(id))?.clone()))).collect()
        })
    }

    /// The entries of requests with this path, once there are `count` of them.
    #[track_caller]
    pub fn with_path(&self, path: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} entries of `{path}`"), SOON, || {
            let mut found = self.all();
            found.retain(|it| it["request"]["path"] == path);
            (found.len() >= count).then_some(found)
        })
    }

    /// Recomputes the chain with nothing but SHA-256: every line must name the digest of the line before it.
    #[track_caller]
    pub fn assert_chained(&self) {
        let text = std::fs::read_to_string(&self.file).expect("the log of entries");
        let mut before = "0".repeat(64);
        for (number, line) in text.lines().enumerate() {
            let entry: Value = serde_json::from_str(line).expect("an entry");
            assert_eq!(entry["seq"], number, "a number is missing");
            assert_eq!(entry["prev"], before, "line {number} does not follow from the line before it");
            before = digest(&SHA256, line.as_bytes())
                .as_ref()
                .iter()
                .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        }
    }
}

/// Whether two spellings of an id differ in their prefix only.
fn same(one: &str, other: &str) -> bool {
    !bare(one).is_empty() && bare(one) == bare(other)
}

/// An id without its prefix.
fn bare(id: &str) -> &str {
    id.rsplit('_').next().unwrap_or_default()
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut below = Vec::new();
    for found in std::fs::read_dir(folder).ok()?.flatten() {
        let path = found.path();
        if path.is_dir() {
            below.push(path);
        } else if path.file_name().is_some_and(|it| it == name) {
            return Some(path);
        }
    }
    below.iter().find_map(|it| find(it, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_without_their_prefix() {
        assert!(same("req_0af1", "0af1") && same("0af1", "0af1"));
        assert!(!same("req_0af1", "0af2") && !same("", "") && !same("req_", "req_"));
    }
}
