//! Which entries are asked for: the words that all commands share that read entries.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use audit::{CLASSES, Filter, Found, Judge, SubjectKeys, Unproven, harmless, read_of};
use clap::Args;
use domain::{Clock as _, Deed, DeedClass, SystemClock, Timestamp};
use serde_json::Value;

use crate::actor;
use crate::commands::audit::file::the_log;
use crate::commands::output::{Output, WRONG_USE, remark};
use crate::commands::written::length;
use crate::desk;
use crate::settings::Settings;

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
    /// Only what this key, user or account did, by its id, such as `key_...`, `usr_...` or `os:root`
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only those of this API
    #[arg(long, value_name = "NAME")]
    api: Option<String>,
    /// Only those of this operation
    #[arg(long, value_name = "ID")]
    operation: Option<String>,
    /// Only those that ended so: requests with permit, refuse, fail or abort, what somebody did with done or refused
    #[arg(long, value_parser = ["permit", "refuse", "fail", "abort", "done", "refused"])]
    outcome: Option<String>,
    /// Only those of this class, such as `request.completed` or `audit.control`
    #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
    class: Option<String>,
}

/// The right to read, which was entered.
#[derive(Default)]
pub(super) struct Access {
    /// What unseals what entries say of people; absent for files that were named.
    keys: Option<SubjectKeys>,
    /// What entries are held to; absent where nobody asked for that, or it is damaged.
    judge: Option<Judge>,
    /// Something was not as it was signed for.
    doubt: bool,
}

/// Keeps what this command does until the gateway enters it.
pub(super) fn keep_deed(
    settings: &Settings,
    class: DeedClass,
    action: &str,
    about: impl FnOnce(Deed) -> Deed,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let desk = desk::open(settings, Arc::new(SystemClock::new())).await?;
        let identity = desk.identity.acting_for(&actor::of_this_process());
        let kept = identity.keep_deed(class, action, about).await;
        desk.store.close().await;
        kept.context("what is read must be entered, and cannot be; `--log FOLDER` reads files as any program can")
    })
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
        the_log(self.log.clone().unwrap_or_else(own))
    }

    /// Lets somebody read the log of this gateway, and keeps who read what until it is entered: before anything is shown,
    /// so that nothing is read that is not entered. Whoever names a folder reads files, as any other program could, and
    /// gets nothing unsealed.
    pub(super) fn enter(
        &self,
        settings: &Settings,
        action: &str,
        filter: &Filter,
        range: &Range<u64>,
    ) -> anyhow::Result<Access> {
        if self.log.is_some() {
            return Ok(Access::default());
        }
        let read = read_of(&actor::of_this_process(), filter, range, 0);
        keep_deed(settings, DeedClass::Read, action, |deed| {
            let deed = deed.with("query_digest", &read.query_digest).with("first", read.first).with("end", read.end);
            match filter.tenant.as_deref().and_then(|it| it.parse().ok()) {
                Some(tenant) => deed.of(&tenant),
                None => deed,
            }
        })?;
        Ok(Access { keys: Some(SubjectKeys::read(&desk::subjects_file(settings))?), ..Access::default() })
    }

    /// What is asked for, of any time.
    pub(super) fn filter(&self) -> Filter {
        let bare = |it: &String| it.rsplit('_').next().unwrap_or_default().to_owned();
        Filter {
            request: self.request.as_ref().map(bare),
            tenant: self.tenant.clone(),
            key: self.key.clone(),
            actor: self.actor.clone(),
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

/// Says that entries which were asked for are not kept any more.
pub(super) fn note_pruned(first: u64, minimum: u64) {
    if first < minimum {
        remark(&format!("entries before {minimum} were pruned: of those only what is kept longer is shown"));
    }
}

impl Access {
    /// The same, which holds entries to what was signed for of this log.
    pub(super) fn judging(mut self, log: &Path) -> Self {
        match Judge::of(log) {
            Ok(judge) => self.judge = Some(judge),
            Err(cause) => self.doubt(&cause),
        }
        self
    }

    /// An entry in one line: as JSON, or for people. Nothing of it acts on a terminal. One that is not what was signed for is
    /// no line.
    pub(super) fn line(&mut self, found: &Found, output: Output) -> String {
        if let Err(cause) = self.judge.as_mut().map_or(Ok(()), |it| it.hold(found)) {
            self.doubt(&cause);
            if matches!(cause, Unproven::Altered(_)) {
                return String::new();
            }
            // What entries are held to is damaged: that is said once.
            self.judge = None;
        }
        let mut view = found.view();
        if let Some(keys) = &self.keys {
            keys.unseal(&mut view);
        }
        match output {
            Output::Json => audit::json_line(&view) + "\n",
            Output::Table => words(&view) + "\n",
        }
    }

    fn doubt(&mut self, cause: &Unproven) {
        self.doubt = true;
        remark(&cause.to_string());
    }

    /// How the command ends that showed so many entries.
    pub(super) fn end(&self, shown: usize) -> ExitCode {
        match (self.doubt, shown) {
            (true, _) => ExitCode::from(WRONG_USE),
            (false, 0) => ExitCode::FAILURE,
            (false, _) => ExitCode::SUCCESS,
        }
    }
}

/// What of an entry people want to see at once: of requests what was asked and how it ended, of others what they say.
pub(super) fn words(entry: &Value) -> String {
    let mut shown = vec![&entry["seq"], &entry["time"]];
    let (request, decision) = (&entry["request"], &entry["decision"]);
    // A column that is not there would make the next one look like it.
    let erased = entry.pointer("/sealed/erased").is_some();
    let unread = Value::from(if erased { "(erased)" } else { "(sealed)" });
    if request.is_object() {
        let path = if request["path"].is_null() && entry["sealed"].is_object() { &unread } else { &request["path"] };
        shown.extend([&decision["outcome"], &entry["status"], &request["method"], path]);
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
    use crate::commands::audit::verify;

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
        let acts = |it: char| (it.is_control() && it != '\n') || it == '\u{202e}';
        for (words, told) in verify::told_of_hostile_names(hostile) {
            assert!(!words.contains(acts) && words.contains("u{9b}2J"), "{words:?}");
            assert!(words.lines().all(|it| !it.starts_with(r"\u{9b}")), "a line of its own: {words:?}");
            let shown = audit::harmless_json(serde_json::to_string_pretty(&told).unwrap());
            assert!(!shown.contains(acts), "{shown:?}");
            assert!(!told["fault"].as_str().unwrap_or_default().contains(acts), "{told}");
        }
        for entry in [
            json!({ "seq": 1, "time": hostile, "tenant": hostile, "status": 200, "decision": { "outcome": hostile, "reason": hostile },
                "request": { "method": hostile, "path": hostile, "id": [hostile] } }),
            json!({ "seq": 2, "class": hostile, hostile: hostile, "list": [hostile], "object": { hostile: hostile } }),
            json!({ "seq": 3, "not_an_entry": "ff" }),
        ] {
            let line = words(&entry);
            assert!(!line.contains(|it: char| it.is_control() || it == '\u{202e}'), "{line:?}");
        }
        let mut entry = json!({ "seq": 1, "time": "t", "status": 200, "decision": { "outcome": "permit" },
            "request": { "method": "GET", "id": "i" }, "sealed": { "key": "k", "text": "x" }, "tenant": "acme" });
        assert_eq!(words(&entry), "1  t  permit  200  GET  (sealed)  acme  i");
        entry["sealed"] = json!({ "key": "k", "erased": true });
        assert_eq!(words(&entry), "1  t  permit  200  GET  (erased)  acme  i");
        let start =
            json!({ "seq": 0, "time": "t", "class": "audit.control", "node": "n", "action": "start", "torn": 3 });
        assert_eq!(words(&start), "0  t  audit.control  action=start  torn=3");
    }
}
