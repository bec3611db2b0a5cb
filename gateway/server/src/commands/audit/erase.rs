//! `portcullis audit erase`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use audit::SubjectKeys;
use clap::Args;
use domain::{DeedClass, SystemClock, TenantId};

use crate::commands::audit::told::{Told, have_done, refusal};
use crate::commands::output::Output;
use crate::desk;
use crate::diary::NOTHING_SEALED;
use crate::settings::Settings;

/// Who is to be forgotten.
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// Whose person it is
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// The id of a user or service account, what a user signs in by, the owner that keys were made with, or the lineage of a key without an owner
    #[arg(long, value_name = "NAME")]
    subject: String,
}

/// What became of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// There was no key to destroy.
    Nothing,
    Done,
    /// No gateway has done it yet.
    Waiting,
    Refused,
}

impl Fate {
    fn status(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
        }
    }
}

impl Erase {
    pub(super) fn run(self, log: &Path, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let mut fates = Vec::new();
        for subject in self.subjects(settings)? {
            fates.push(self.erase(log, settings, &subject)?);
        }
        // Whoever has two names here is forgotten by both: what is worst of it is what matters.
        let (fate, words) = fates.into_iter().max_by_key(|(fate, _)| *fate).unwrap_or((Fate::Nothing, String::new()));
        output.one(&serde_json::json!({ "status": fate.status() }), &words)?;
        Ok(if matches!(fate, Fate::Done | Fate::Waiting) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The subject as it was named, and the ids of users of this tenant who sign in by that name, or by the tenant and it:
    /// those for whom anything is sealed, or else one of them, who is told that nothing is.
    fn subjects(&self, settings: &Settings) -> anyhow::Result<Vec<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let users = runtime.block_on(async {
            let desk = desk::open(settings, Arc::new(SystemClock::new())).await?;
            let mut of_tenant = Vec::new();
            for name in [self.subject.clone(), format!("{}/{}", self.tenant, self.subject)] {
                let Some(person) = desk.identity.person_called(&name).await? else { continue };
                let of = desk.identity.memberships(&person.id).await?;
                of_tenant.extend(of.iter().any(|it| it.tenant == self.tenant).then_some(person.id));
            }
            desk.store.close().await;
            Ok::<_, anyhow::Error>(of_tenant)
        })?;
        let mut named: Vec<String> = std::iter::once(self.subject.clone()).chain(users).collect();
        let keys = SubjectKeys::read(&desk::subjects_file(settings))?;
        if named.iter().any(|it| keys.has(self.tenant.as_str(), it)) {
            named.retain(|it| keys.has(self.tenant.as_str(), it));
        } else {
            let _ = named.drain(..named.len() - 1);
        }
        Ok(named)
    }

    fn erase(&self, log: &Path, settings: &Settings, subject: &str) -> anyhow::Result<(Fate, String)> {
        let told = have_done(settings, DeedClass::Erasure, "erase", |it| it.of(&self.tenant).on(subject))?;
        Ok(match (&told, audit::holds(log)?.into_iter().next()) {
            (Told::Entered(time), _) => match refusal(settings, DeedClass::Erasure, *time)? {
                None => (
                    Fate::Done,
                    "done: what entries say of them can be read no more; `portcullis audit query --class \
                     subject.erased` shows the entry"
                        .to_owned(),
                ),
                Some(why) if why == NOTHING_SEALED => {
                    (Fate::Nothing, format!("{why}; a user is known by their id, which `portcullis users list` shows"))
                }
                Some(why) => (Fate::Refused, format!("refused: {why}")),
            },
            (Told::Unheard | Told::Nobody, Some((hold, _))) => {
                (Fate::Refused, format!("refused: the legal hold `{hold}` is in force"))
            }
            (Told::Unheard | Told::Nobody, None) => {
                (Fate::Waiting, format!("nobody is erased yet: it {}", told.waits_for().unwrap_or_default()))
            }
        })
    }
}
