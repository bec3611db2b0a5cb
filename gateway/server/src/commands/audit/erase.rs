//! `portcullis audit erase`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use domain::{DeedClass, TenantId};

use crate::commands::audit::told::have_done;
use crate::commands::output::Output;
use crate::settings::Settings;

/// Who is to be forgotten.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Whose person it is
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// The owner of the keys that were used, or the lineage of a key without an owner
    #[arg(long, value_name = "NAME")]
    subject: String,
}

impl Erase {
    pub(super) fn run(self, log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let done = have_done(settings, DeedClass::Erasure, "erase", |it| it.of(&self.tenant).on(&self.subject))?;
        let in_force = audit::holds(log)?.into_iter().next();
        let (status, words, code) = match (in_force, done) {
            (Some((hold, _)), _) => {
                ("refused", format!("refused: the legal hold `{hold}` is in force"), ExitCode::FAILURE)
            }
            (None, true) => ("done", "done: what entries say of them can be read no more; `portcullis audit query --class subject.erased` shows the entry".to_owned(), ExitCode::SUCCESS),
            (None, false) => ("waiting", "no gateway has done it yet: it is the first thing that one does when it runs".to_owned(), ExitCode::SUCCESS),
        };
        output.one(&serde_json::json!({ "status": status }), &words)?;
        Ok(code)
    }
}
