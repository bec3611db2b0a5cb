//! `portcullis audit witness`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit::cosignature::WitnessKey;
use clap::Args;
use domain::{DeedClass, SystemClock};
use http::Uri;
use serde::Serialize;

use crate::commands::audit::asked::keep_deed;
use crate::commands::output::{Output, remark};
use crate::cosign::settings::{Named, address};
use crate::cosign::{Door, ask};
use crate::settings::Settings;

/// Who is asked about which log.
#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// Where a witness is asked [default: all that the settings name]
    #[arg(long, value_name = "URL", value_parser = address, requires = "vkey")]
    url: Option<Uri>,
    /// The key of that witness, as `name+id+key`
    #[arg(long, value_name = "KEY", requires = "url")]
    vkey: Option<WitnessKey>,
    /// The authority of its certificate, in PEM [default: those of the system]
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// The folder of the log [default: that of the data folder]
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
}

/// What came back.
#[derive(Serialize)]
struct Asked {
    ok: bool,
    size: u64,
    witnesses: Vec<Said>,
    /// The checkpoint, with the lines of those who stand for it.
    note: String,
}

/// What one of them said.
#[derive(Serialize)]
struct Said {
    witness: String,
    ok: bool,
    /// When it signed.
    time: Option<String>,
    fault: Option<String>,
}

impl Witness {
    pub(super) fn run(
        self,
        own: impl FnOnce() -> PathBuf,
        settings: &Settings,
        output: Output,
    ) -> anyhow::Result<ExitCode> {
        let named = match (self.url, self.vkey) {
            (Some(url), Some(key)) => vec![Named { url, key, ca: self.ca, place: None }],
            _ => settings.witnesses.named.clone(),
        };
        anyhow::ensure!(!named.is_empty(), "no witness is named: neither with `--url` nor in the settings");
        if self.log.is_none() {
            // First, so that nothing leaves the house of which nobody knows.
            let who: Vec<&str> = named.iter().map(|it| it.key.name()).collect();
            keep_deed(settings, DeedClass::Read, "witness", |it| it.with("witnesses", who.join(" ")))?;
        }
        let log = self.log.unwrap_or_else(own);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = runtime.block_on(ask_all(&log, &named))?;
        let says = |it: &Said| match &it.fault {
            Some(fault) => format!("`{}` {fault}", it.witness),
            None => format!("`{}` stands for it since {}", it.witness, it.time.as_deref().unwrap_or_default()),
        };
        // What is printed is the note alone, so that it can be kept as it is.
        asked.witnesses.iter().map(says).for_each(|it| remark(&it));
        output.one(&asked, asked.note.trim_end_matches('\n'))?;
        Ok(if asked.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What witnesses accuse this log of, each asked once. One that is away accuses nobody.
pub(super) fn accusations(log: &Path, named: &[Named]) -> anyhow::Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (note, _) = audit::newest(log)?;
    let doors: Vec<Door> = named.iter().map(|it| Door::of(&it.url, it.ca.as_deref())).collect::<anyhow::Result<_>>()?;
    let asked = doors.iter().zip(named).map(async |(door, it)| {
        let refused = ask((door, &it.key), log, &note, &mut 0, &SystemClock::new()).await.err()?;
        refused.accuses().then(|| format!("`{}` {refused}", it.key.name()))
    });
    Ok(runtime.block_on(futures::future::join_all(asked)).into_iter().flatten().collect())
}

async fn ask_all(log: &Path, named: &[Named]) -> anyhow::Result<Asked> {
    let (plain, stated) = audit::newest(log)?;
    let mut note = plain.clone();
    let mut witnesses = Vec::new();
    for it in named {
        let door = Door::of(&it.url, it.ca.as_deref())?;
        let answer = ask((&door, &it.key), log, &plain, &mut 0, &SystemClock::new()).await;
        let witness = it.key.name().to_owned();
        witnesses.push(match answer {
            Ok((lines, at)) => {
                note.push_str(&lines);
                Said { witness, ok: true, time: Some(at.to_string()), fault: None }
            }
            Err(cause) => Said { witness, ok: false, time: None, fault: Some(cause.to_string()) },
        });
    }
    Ok(Asked { ok: witnesses.iter().all(|it| it.ok), size: stated.size, witnesses, note })
}
