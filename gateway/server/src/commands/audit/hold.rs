//! `portcullis audit hold`

use std::path::Path;
use std::process::ExitCode;

use audit::HoldName;
use clap::Args;
use domain::{Deed, DeedClass, TenantId};

use crate::commands::audit::told::have_done;
use crate::commands::output::Output;
use crate::settings::Settings;

/// Which hold.
#[derive(Debug, Args)]
#[command(
    after_help = "While any hold is in force, nothing is pruned and nobody is erased, whatever the hold is about."
)]
pub(crate) struct Hold {
    /// What it is called: lower-case letters, digits, `-` and `_`
    #[arg(long, value_name = "NAME")]
    name: HoldName,
    /// Whose matter it is, for those who read of it
    #[arg(long, value_name = "ID", conflicts_with = "release")]
    tenant: Option<TenantId>,
    /// End it
    #[arg(long)]
    release: bool,
}

impl Hold {
    pub(super) fn run(self, log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let name = self.name.to_string();
        let is_there = || Ok::<_, std::io::Error>(audit::holds(log)?.iter().any(|(it, _)| *it == name));
        let was_there = is_there()?;
        let action = if self.release { "release" } else { "place" };
        let about = |deed: Deed| match &self.tenant {
            Some(tenant) => deed.on(&name).of(tenant),
            None => deed.on(&name),
        };
        let waits_for = have_done(settings, DeedClass::Hold, action, about)?.waits_for();
        let (status, words, code) = match (waits_for, self.release, was_there, is_there()?) {
            (Some(what), ..) => {
                ("waiting", format!("not yet: it {what}, before anything is pruned"), ExitCode::SUCCESS)
            }
            (None, false, _, true) => {
                ("in_force", "in force: nothing is pruned and nobody is erased".to_owned(), ExitCode::SUCCESS)
            }
            (None, true, true, false) => ("released", "released".to_owned(), ExitCode::SUCCESS),
            (None, true, false, _) => ("refused", "refused: there is no such hold".to_owned(), ExitCode::FAILURE),
            (None, ..) => (
                "refused",
                "refused: `portcullis audit query --class legal_hold.change` says why".to_owned(),
                ExitCode::FAILURE,
            ),
        };
        output.one(&serde_json::json!({ "name": name, "status": status }), &words)?;
        Ok(code)
    }
}
