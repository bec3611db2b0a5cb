//! `portcullis audit erase`

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use domain::{DeedClass, TenantId};

use crate::commands::audit::told::{Told, have_done, refusal};
use crate::commands::output::Output;
use crate::diary::NOTHING_SEALED;
use crate::settings::Settings;

/// Who is to be forgotten.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Whose person it is
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// The id of a user or service account, the owner that keys were made with, or the lineage of a key without an owner
    #[arg(long, value_name = "NAME")]
    subject: String,
}

impl Erase {
    pub(super) fn run(self, log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let told = have_done(settings, DeedClass::Erasure, "erase", |it| it.of(&self.tenant).on(&self.subject))?;
        let in_force = audit::holds(log)?.into_iter().next();
        let (status, words, code) = match (&told, in_force) {
            (Told::Entered(time), _) => match refusal(settings, DeedClass::Erasure, *time)? {
                None => (
                    "done",
                    "done: what entries say of them can be read no more; `portcullis audit query --class \
                     subject.erased` shows the entry"
                        .to_owned(),
                    ExitCode::SUCCESS,
                ),
                Some(why) if why == NOTHING_SEALED => ("nothing", why, ExitCode::FAILURE),
                Some(why) => ("refused", format!("refused: {why}"), ExitCode::FAILURE),
            },
            (Told::Unheard | Told::Nobody, Some((hold, _))) => {
                ("refused", format!("refused: the legal hold `{hold}` is in force"), ExitCode::FAILURE)
            }
            (Told::Unheard | Told::Nobody, None) => {
                let what = told.waits_for().unwrap_or_default();
                ("waiting", format!("nobody is erased yet: it {what}"), ExitCode::SUCCESS)
            }
        };
        output.one(&serde_json::json!({ "status": status }), &words)?;
        Ok(code)
    }
}
