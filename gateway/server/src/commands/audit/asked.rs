//! Which entries are asked for: the words that all commands share that read entries.

use std::path::PathBuf;

use anyhow::Context as _;
use audit::{Filter, Found, harmless};
use clap::Args;
use domain::{Clock as _, SystemClock, Timestamp};
use serde_json::Value;

use crate::commands::api_keys::length;
use crate::commands::output::Output;

/// What an entry must be to be shown.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The folder of the log [default: that of the data folder]
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
    /// Only that of the request with this id, with or without what its API puts before it
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Only those of this tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Only those of this key, by its id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Only those of this API
    #[arg(long, value_name = "NAME")]
    api: Option<String>,
    /// Only those of this operation
    #[arg(long, value_name = "ID")]
    operation: Option<String>,
    /// Only those that ended so: permit, refuse, fail or abort
    #[arg(long, value_parser = ["permit", "refuse", "fail", "abort"])]
    outcome: Option<String>,
    /// Only those of this class, such as `request.completed` or `audit.control`
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
}

/// From when until when.
#[derive(Debug, Args)]
pub(super) struct During {
    /// Only those that came in at this time or later: `2026-07-31T23:59:59Z`, or so long ago, such as `15m` or `7d`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those that came in before this time, written in the same way
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Asked {
    /// The folder of the log.
    pub(super) fn log(&self, own: impl FnOnce() -> PathBuf) -> anyhow::Result<PathBuf> {
        let log = self.log.clone().unwrap_or_else(own);
        anyhow::ensure!(log.is_dir(), "there is no audit log `{}`", log.display());
        Ok(log)
    }

    /// What is asked for, of any time.
    pub(super) fn filter(&self) -> Filter {
        let bare = |it: &String| it.rsplit('_').next().unwrap_or_default().to_owned();
        Filter {
            request: self.request.as_ref().map(bare),
            tenant: self.tenant.clone(),
            key: self.key.clone(),
            api: self.api.clone(),
            operation: self.operation.clone(),
            outcome: self.outcome.clone(),
            class: self.class.clone(),
            since: None,
            until: None,
        }
    }
}

impl During {
    /// The same filter, of these times only.
    pub(super) fn of(&self, filter: Filter, now: Timestamp) -> anyhow::Result<Filter> {
        let time = |text: &Option<String>| text.as_deref().map(|it| moment(it, now)).transpose();
        Ok(Filter { since: time(&self.since)?, until: time(&self.until)?, ..filter })
    }
}

/// The time of the machine that the command runs on.
pub(super) fn now() -> Timestamp {
    SystemClock::new().now().wall
}

/// A moment, or how long ago it was.
fn moment(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    text.parse().ok().or_else(|| length(text).ok().map(|it| now - it)).with_context(|| {
        format!("`{text}` is neither a moment such as `2026-07-31T23:59:59Z` nor a length of time such as `15m`")
    })
}

/// The name of the user who runs the command, as the system knows it.
pub(super) fn reader() -> String {
    use std::os::unix::fs::MetadataExt as _;
    // A process is a folder that belongs to whom it runs for.
    let Ok(own) = std::fs::metadata("/proc/self") else { return "unknown".to_owned() };
    let uid = own.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == uid).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

/// An entry in one line: as JSON, or for people. Nothing of it acts on a terminal.
pub(super) fn line(found: &Found, output: Output) -> String {
    match output {
        Output::Json => audit::json_line(&found.view()) + "\n",
        Output::Table => words(&found.view()) + "\n",
    }
}

/// What of an entry people want to see at once: of requests what was asked and how it ended, of others what they say.
fn words(entry: &Value) -> String {
    let mut shown = vec![&entry["seq"], &entry["time"]];
    let (request, decision) = (&entry["request"], &entry["decision"]);
    if request.is_object() {
        shown.extend([&decision["outcome"], &entry["status"], &request["method"], &request["path"]]);
        shown.extend([&entry["tenant"], &decision["reason"], &request["id"]]);
    } else {
        shown.extend([&entry["class"], &entry["tenant"]]);
    }
    let mut told: Vec<String> = shown.into_iter().filter(|it| !it.is_null()).map(text).collect();
    if !request.is_object() {
        let known = ["seq", "time", "class", "tenant", "node", "boot", "node_seq", "schema"];
        let rest = entry.as_object().into_iter().flatten().filter(|(name, _)| !known.contains(&name.as_str()));
        told.extend(rest.map(|(name, value)| format!("{}={}", harmless(name), text(value))));
    }
    told.join("  ")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| audit::json_line(value), |it| harmless(it).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_moments_or_so_long_ago() {
        let now = Timestamp::from_seconds(1_000_000);
        assert_eq!(moment("15m", now).unwrap(), Timestamp::from_seconds(999_100));
        assert_eq!(moment("2d", now).unwrap(), Timestamp::from_seconds(1_000_000 - 172_800));
        assert_eq!(moment("1970-01-01T00:00:05Z", now).unwrap(), Timestamp::from_seconds(5));
        assert_eq!(moment("1970-01-01T02:00:05+02:00", now).unwrap(), Timestamp::from_seconds(5));
        for bad in ["", "yesterday", "15", "-15m x", "1970-01-01"] {
            assert!(moment(bad, now).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_line_for_people_acts_on_their_terminal() {
        let hostile = "\u{1b}]0;x\u{7}\r\n\u{9b}2J\u{202e}";
        for entry in [
            json!({ "seq": 1, "time": hostile, "tenant": hostile, "status": 200, "decision": { "outcome": hostile, "reason": hostile },
                "request": { "method": hostile, "path": hostile, "id": [hostile] } }),
            json!({ "seq": 2, "class": hostile, hostile: hostile, "list": [hostile], "object": { hostile: hostile } }),
            json!({ "seq": 3, "not_an_entry": "ff" }),
        ] {
            let line = words(&entry);
            assert!(!line.contains(|it: char| it.is_control() || it == '\u{202e}'), "{line:?}");
        }
        let start =
            json!({ "seq": 0, "time": "t", "class": "audit.control", "node": "n", "action": "start", "torn": 3 });
        assert_eq!(words(&start), "0  t  audit.control  action=start  torn=3");
    }
}
