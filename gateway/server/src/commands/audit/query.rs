//! `portcullis audit query`

use std::path::PathBuf;
use std::process::ExitCode;

use audit::{Filter, SubjectKeys};
use clap::Args;
use serde_json::Value;

use crate::commands::output::{Output, print};
use crate::desk;
use crate::settings::Settings;

/// Which entries are asked for.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The folder of the log [default: that of the data folder]
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
    /// Begin with the entry of this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
    /// Only the last so many
    #[arg(long, value_name = "COUNT")]
    last: Option<usize>,
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
}

impl Query {
    pub(super) fn run(
        self,
        own: impl FnOnce() -> PathBuf,
        settings: &Settings,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        // Files that are named are read as anybody could read them; the log of this gateway is read in its name.
        let keys = if self.log.is_none() { Some(SubjectKeys::read(&desk::subjects_file(settings))?) } else { None };
        let log = self.log.unwrap_or_else(own);
        anyhow::ensure!(log.is_dir(), "there is no audit log `{}`", log.display());
        let bare = |it: String| it.rsplit('_').next().unwrap_or_default().to_owned();
        let filter = Filter {
            request: self.request.map(bare),
            tenant: self.tenant,
            key: self.key,
            api: self.api,
            operation: self.operation,
            outcome: self.outcome,
        };
        let mut found = false;
        let mut show = |mut entry: Value| {
            found = true;
            if let Some(keys) = &keys {
                keys.unseal(&mut entry);
            }
            print(&match output {
                Output::Json => format!("{entry}\n"),
                Output::Table => line(&entry),
            })
        };
        match self.last {
            Some(count) => audit::last(&log, self.from, &filter, count)?.into_iter().try_for_each(&mut show)?,
            None => audit::query(&log, self.from, &filter).try_for_each(|it| show(it?))?,
        }
        Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// One entry in a line, for people.
fn line(entry: &Value) -> String {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    let (request, decision) = (&entry["request"], &entry["decision"]);
    let shown = [&entry["seq"], &entry["time"], &decision["outcome"], &entry["status"], &request["method"]];
    let rest = [&request["path"], &entry["tenant"], &decision["reason"], &request["id"]];
    let told: Vec<String> = shown.into_iter().chain(rest).filter(|it| !it.is_null()).map(text).collect();
    format!("{}\n", told.join("  "))
}
