//! `portcullis check`

use std::process::ExitCode;

use catalog::{Profile, Sketch};
use domain::{Clock as _, Faults, SystemClock, Timestamp};
use serde::Serialize;

use crate::boot;
use crate::commands::output::Output;
use crate::faults::Refused;
use crate::settings::Settings;

/// What was checked and found good.
#[derive(Serialize)]
struct Checked {
    ok: bool,
    apis: usize,
    operations: usize,
    policies: usize,
    cases: usize,
    bundle: String,
    /// Guardrails that guard nothing here.
    idle_guardrails: Vec<String>,
}

/// Loads everything the way `serve` does, runs the policies' cases, and puts nothing in force.
pub(crate) fn run(settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
    let configuration = boot::configuration(settings).map_err(Refused)?;
    let profiles = configuration.catalog.profiles();
    let gone = removed(profiles, SystemClock::new().now().wall);
    if !gone.is_empty() {
        return Err(Refused(gone).into());
    }
    let sketches: Vec<Sketch> = profiles.iter().map(Sketch::from).collect();
    let (sources, _) = boot::sources(settings, &sketches);
    let ran = configuration.authorizer.run_cases(&sources).map_err(Refused)?;
    let checked = Checked {
        ok: true,
        apis: profiles.len(),
        operations: profiles.iter().map(|it| it.api.operations.len()).sum(),
        policies: configuration.authorizer.len(),
        cases: ran.cases,
        bundle: configuration.authorizer.bundle().to_string(),
        idle_guardrails: configuration.authorizer.idle_guardrails().to_vec(),
    };
    let words = format!(
        "good: {} APIs with {} operations, {} policies (bundle {}), {} cases passed",
        checked.apis, checked.operations, checked.policies, checked.bundle, checked.cases
    );
    output.one(&checked, &words)?;
    Ok(ExitCode::SUCCESS)
}

/// Operations of versions that are gone. `serve` goes on with them, because they may have been alive when it began.
fn removed(profiles: &[Profile], now: Timestamp) -> Faults {
    profiles.iter().flat_map(|it| it.shut(now)).collect()
}
