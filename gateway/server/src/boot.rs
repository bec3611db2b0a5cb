//! From a settings file to a configuration: every profile, document and policy, checked whole.

use std::path::{Path, PathBuf};

use authz::{Authorizer, Fronted, PolicyKind, PolicySource};
use catalog::{Catalog, Profile};
use domain::{AuthMethod, Fault, Faults};
use pipeline::Configuration;

use crate::settings::Settings;

/// Loads everything a request is decided by. Nothing is put in force.
pub(crate) fn configuration(settings: &Settings) -> Result<Configuration, Faults> {
    let mut catalog = Catalog::load(&settings.apis)?;
    let mut faults = send_elsewhere(&mut catalog, settings);
    let (sources, unread) = sources(settings, catalog.profiles());
    faults.extend(unread);
    let fronted: Vec<Fronted> = catalog.profiles().iter().map(fronted).collect();
    match Authorizer::load(&fronted, &sources) {
        Ok(authorizer) if faults.is_empty() => Ok(Configuration { catalog, authorizer }),
        Ok(_) => Err(faults),
        Err(more) => {
            faults.extend(more);
            Err(faults)
        }
    }
}

/// Every policy file with its cases, and the faults of those that could not be read.
pub(crate) fn sources(settings: &Settings, profiles: &[Profile]) -> (Vec<PolicySource>, Faults) {
    let (mut sources, mut faults) = (Vec::new(), Vec::new());
    let mut read = |file: &Path, kind: PolicyKind| match PolicySource::read(file, kind) {
        Ok(source) => sources.push(source),
        Err(cause) => faults.push(Fault::of(file, cause.to_string())),
    };
    match settings.guardrails.as_deref().map(|folder| (folder, cedar_files(folder))) {
        Some((_, Ok(files))) => files.iter().for_each(|it| read(it, PolicyKind::Guardrail)),
        Some((folder, Err(cause))) => faults.push(Fault::of(folder, cause.to_string())),
        None => sources.extend(authz::shipped_guardrails()),
    }
    let mut read = |file: &Path, kind: PolicyKind| match PolicySource::read(file, kind) {
        Ok(source) => sources.push(source),
        Err(cause) => faults.push(Fault::of(file, cause.to_string())),
    };
    for profile in profiles {
        for file in &profile.policies {
            read(file, PolicyKind::Grant(profile.api.name.clone()));
        }
    }
    (sources, faults)
}

fn cedar_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for found in std::fs::read_dir(folder)? {
        let path = found?.path();
        if path.extension().is_some_and(|it| it == "cedar") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// An API as policies see it. In the documents the schemes are named for what is shown.
fn fronted(profile: &Profile) -> Fronted {
    let schemes = [("api_key", AuthMethod::ApiKey), ("sigv4", AuthMethod::SigV4)];
    Fronted {
        https_only: profile.https_only,
        schemes: schemes.into_iter().map(|(name, method)| (name.to_owned(), method)).collect(),
        ..Fronted::new(profile.api.clone())
    }
}

/// Applies `[upstreams]`.
fn send_elsewhere(catalog: &mut Catalog, settings: &Settings) -> Faults {
    let mut faults = Vec::new();
    for (name, url) in &settings.upstreams {
        let sent = catalog::upstream(url).map_err(|it| it.to_string()).and_then(|upstream| {
            let sent = match name.split_once('/') {
                Some((api, host)) => catalog.send_host_to(&upstream, api, host),
                None => catalog.send_to(upstream, name),
            };
            sent.map_err(|it| it.to_string())
        });
        if let Err(cause) = sent {
            faults.push(Fault::of(&settings.file, format!("[upstreams] `{name}`: {cause}")));
        }
    }
    faults
}
