//! `portcullis audit erase`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use domain::{DeedClass, SystemClock, TenantId};

use crate::actor;
use crate::commands::output::Output;
use crate::desk;
use crate::settings::Settings;

/// How long a running gateway is given to do it, and how often it is looked for.
const WAIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

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
    pub(super) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let desk = desk::open(settings, Arc::new(SystemClock::new())).await?;
            let identity = desk.identity.acting_for(&actor::of_this_process());
            identity
                .keep_deed(DeedClass::Erasure, "erase", |it| it.of(&self.tenant).on(&self.subject))
                .await?;
            let done = tokio::time::timeout(WAIT, async {
                loop {
                    let left = identity.registry().deeds().await?;
                    let waits = left.iter().any(|(_, it)| it.class == DeedClass::Erasure && it.target.as_ref() == Some(&self.subject));
                    if !waits {
                        return Ok::<_, anyhow::Error>(());
                    }
                    tokio::time::sleep(LOOK).await;
                }
            })
            .await;
            desk.store.close().await;
            let (status, words) = match done {
                Ok(done) => {
                    done?;
                    ("done", "done: what entries say of them can be read no more; `portcullis audit query --class subject.erased` shows the entry")
                }
                Err(_) => ("waiting", "no gateway has done it yet: it is the first thing that one does when it runs"),
            };
            output.one(&serde_json::json!({ "status": status }), words)?;
            Ok(ExitCode::SUCCESS)
        })
    }
}
