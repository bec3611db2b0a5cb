//! The log of entries, read from outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::gateway::command;
use crate::until;

/// How long after an answer its entry may take to be in the log, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

/// The log of one gateway, as its own command reads it.
#[derive(Clone, Debug)]
pub struct Entries {
    settings: PathBuf,
    log: PathBuf,
}

impl Entries {
    pub(crate) fn of_gateway(settings: &Path, log: &Path) -> Self {
        Self { settings: settings.to_owned(), log: log.to_owned() }
    }

    /// The folder of the log.
    pub fn folder(&self) -> &Path {
        &self.log
    }

    /// The file that entries are written to first.
    #[track_caller]
    pub fn newest_file(&self) -> PathBuf {
        let files = std::fs::read_dir(self.log.join("wal")).expect("a log").flatten();
        files.map(|it| it.path()).max().expect("a write-ahead file")
    }

    /// Every entry of a request that is written so far, with what is sealed of it. That they were read is entered.
    #[track_caller]
    pub fn all(&self) -> Vec<Value> {
        let mut entries = self.asked(&[]);
        entries.retain(|it| it["class"].as_str().is_some_and(|it| it.starts_with("request.")));
        entries
    }

    /// Every entry that is written so far, as whoever has its files reads it.
    #[track_caller]
    pub fn whole(&self) -> Vec<Value> {
        self.asked(&["--log", &self.log.display().to_string()])
    }

    /// The entries of this kind, of requests and of everything else, once there are `count` of them: what is done is
    /// answered when it is kept, and entered right after.
    #[track_caller]
    pub fn of_kind(&self, count: usize, kind: impl Fn(&Value) -> bool) -> Vec<Value> {
        until(&format!("{count} entries of a kind"), SOON, || {
            let mut found = self.whole();
            found.retain(&kind);
            (found.len() >= count).then_some(found)
        })
    }

    #[track_caller]
    fn asked(&self, words: &[&str]) -> Vec<Value> {
        let told = command(&self.settings, &[&["audit", "query", "--output", "json"], words].concat());
        assert!(told.code < 2, "{told:?}");
        told.out.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
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

    /// Holds the log to its own checkpoints, once every entry so far is signed for.
    #[track_caller]
    pub fn assert_sound(&self) {
        let verdict = until("every entry to be signed for", SOON, || {
            let log = self.log.display().to_string();
            let told = command(&self.settings, &["audit", "verify", &log, "--output", "json"]);
            let verdict: Value = serde_json::from_str(&told.out).unwrap_or_default();
            assert!(
                verdict["ok"] == true || verdict["fault"].as_str().is_some_and(|it| it.contains("no checkpoint")),
                "{told:?}"
            );
            (verdict["signed"] == verdict["entries"] && verdict["ok"] == true).then_some(verdict)
        });
        // The gateway lives on, so that there may be more by now.
        assert!(verdict["entries"].as_u64() <= Some(self.whole().len() as u64), "{verdict}");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_compared_without_their_prefix() {
        assert!(same("req_0af1", "0af1") && same("0af1", "0af1"));
        assert!(!same("req_0af1", "0af2") && !same("", "") && !same("req_", "req_"));
    }
}
