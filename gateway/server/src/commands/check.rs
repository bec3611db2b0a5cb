//! `portcullis check`

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use authz::PolicySource;
use catalog::{Catalog, Profile, Sketch};
use domain::{Clock as _, Fault, Faults, Operation, RateRule, SystemClock, Tier, Timestamp};
use limits::ShieldSettings;
use pipeline::Configuration;
use serde::Serialize;

use crate::boot;
use crate::commands::output::Output;
use crate::faults::Refused;
use crate::settings::Settings;
use crate::tls;

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
    /// What may be meant so, and may be forgotten.
    warnings: Faults,
}

/// Loads everything the way `serve` does, runs the policies' cases, and puts nothing in force.
pub(crate) fn run(settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
    let now = SystemClock::new().now().wall;
    let over = |catalog: &Catalog| removed(catalog.profiles(), now).into_iter().chain(ended(settings, now)).collect();
    let configuration = boot::judged(settings, over).map_err(Refused)?;
    let profiles = configuration.catalog.profiles();
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
        warnings: warnings(settings, &configuration, &sources),
    };
    let mut words = format!(
        "good: {} APIs with {} operations, {} policies (bundle {}), {} cases passed",
        checked.apis, checked.operations, checked.policies, checked.bundle, checked.cases
    );
    for warning in &checked.warnings {
        // Writing to a string cannot fail.
        let _ = write!(words, "\nwarning: {warning}");
    }
    output.one(&checked, &words)?;
    Ok(ExitCode::SUCCESS)
}

/// What is no fault, because it may be meant so.
pub(crate) fn warnings(settings: &Settings, configuration: &Configuration, sources: &[PolicySource]) -> Faults {
    let profiles = configuration.catalog.profiles();
    let unpermitted = configuration.authorizer.unpermitted();
    let untried = |it: &PolicySource| {
        let fault = Fault::of(&it.file, "there are no cases beside these policies, so that nothing tries them");
        it.cases
            .is_none()
            .then(|| fault.with_help("write them into a file of the same name that ends in `.cases.json`"))
    };
    let warnings = unpermitted.iter().filter_map(|it| Some(unasked(profiles.get(it.api_index)?, it)));
    let warnings = warnings.chain(sources.iter().filter_map(untried));
    let mut warnings: Faults = warnings
        .chain(profiles.iter().flat_map(|it| beyond(it, &settings.limits.shield)))
        .chain(profiles.iter().flat_map(Profile::strays))
        .chain(unslowed(settings))
        .collect();
    warnings.sort();
    warnings
}

/// An operation that nobody may ask for, at the line that names it.
fn unasked(profile: &Profile, operation: &Operation) -> Fault {
    let message = format!("operation `{}` has no permit, so that nobody may ask for it", operation.id);
    let help = "name it in a permit of this folder, or leave it so where nobody shall";
    let named = |it: &str| {
        it.trim()
            .strip_prefix("operationId:")
            .is_some_and(|it| it.trim().trim_matches(['"', '\'']) == operation.id.as_str())
    };
    let mut lines = profile.surfaces.iter().filter_map(|it| {
        let text = std::fs::read_to_string(&it.document).ok()?;
        Some((&it.document, text.lines().position(named)? + 1))
    });
    let place = lines.next().map(|(file, line)| Fault::at(file, line, 0, message.clone()));
    place.unwrap_or_else(|| Fault::of(&profile.folder, message)).with_help(help)
}

/// Rules of which the shield lets less through, before anybody knows who asks.
fn beyond(profile: &Profile, shield: &ShieldSettings) -> Faults {
    let rules = profile.limits.tiers.values().flat_map(|tier| tier.rules.iter().map(move |rule| (tier, rule)));
    let hidden = rules.filter(|(_, rule)| shield.most(rule.window) < u64::from(rule.limit.get()));
    let fault = |(tier, rule): (&Arc<Tier>, &RateRule)| {
        let message = format!(
            "tier `{}` allows {} requests in {} s, but `[limits.shield]` lets only {} through from one address",
            tier.name,
            rule.limit,
            rule.window.as_secs_f64(),
            shield.most(rule.window)
        );
        Fault::of(&profile.folder.join("api.toml"), message)
            .with_help("raise `rate` or `burst` of the shield in the settings")
    };
    hidden.map(fault).collect()
}

/// Guessing that nothing but the bounds of an address slows down: whoever has many addresses guesses at one name from all of
/// them.
fn unslowed(settings: &Settings) -> Option<Fault> {
    let message = "with `longest_delay = \"0s\"` and `lockout = \"0s\"` only `failures` bounds how fast the password of somebody \
                   is guessed, and each address has its own";
    let slowed = !(settings.limits.shield.longest_delay.is_zero() && settings.people.lockout.is_zero());
    let help = "leave `longest_delay` of `[limits.shield]` as it is: it locks nobody out";
    (!slowed).then(|| Fault::of(&settings.file, message).with_help(help))
}

/// Operations of versions that are gone. `serve` goes on with them, because they may have been alive when it began.
fn removed(profiles: &[Profile], now: Timestamp) -> Faults {
    profiles.iter().flat_map(|it| it.shut(now)).collect()
}

/// A certificate whose time is over. `serve` begins with it all the same, and takes none such at a reload.
fn ended(settings: &Settings, now: Timestamp) -> Option<Fault> {
    let files = settings.tls.as_ref()?;
    let over = tls::pair(&files.certificate, &files.key).ok()?.good_at(now).err()?;
    let place = files.place.clone().unwrap_or_else(|| Fault::of(&settings.file, ""));
    Some(Fault { message: format!("[tls]: {over}"), ..place })
}
