//! From a settings file to a configuration: every profile, document and policy, checked whole.

use std::path::{Path, PathBuf};

use authz::{Authorizer, Fronted, PolicyKind, PolicySource};
use catalog::{Catalog, Profile};
use domain::{AuthMethod, Fault, Faults};
use pipeline::Configuration;

use crate::settings::{Sent, Settings};
use crate::sinks::settings::SinkSettings;
use crate::tls;

/// Loads everything a request is decided by. Nothing is put in force.
pub(crate) fn configuration(settings: &Settings) -> Result<Configuration, Faults> {
    let mut catalog = Catalog::load(&settings.apis)?;
    let mut faults = send_elsewhere(&mut catalog, settings);
    faults.extend(unusable_files(settings, catalog.profiles()));
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
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    if let Some(folder) = settings.guardrails.as_deref() {
        match ending(folder, ".cedar") {
            Ok(found) => files.extend(found.into_iter().map(|it| (it, PolicyKind::Guardrail))),
            Err(cause) => faults.push(Fault::of(folder, cause.to_string())),
        }
    }
    for profile in profiles {
        let kind = || PolicyKind::Grant(profile.api.name.clone());
        files.extend(profile.policies.iter().map(|it| (it.clone(), kind())));
        if profile.policies.is_empty() {
            let fault = Fault::of(&profile.folder, "there is no policy, so that nobody may ask for anything");
            faults.push(fault.with_help("permits stand beside `api.toml`, in files that end in `.cedar`"));
        }
    }
    let mut sources = Vec::new();
    for (file, kind) in files {
        match PolicySource::read(&file, kind) {
            Ok(source) => sources.push(source),
            Err(cause) => faults.push(Fault::of(&file, cause.to_string())),
        }
    }
    faults.extend(complete(&mut sources));
    let folders = profiles.iter().map(|it| &it.folder).chain(&settings.guardrails);
    faults.extend(folders.flat_map(|it| unmatched_cases(it)));
    (sources, faults)
}

/// Adds the guardrails that come with the gateway: nothing in a folder takes their place. A copy of one may lie there.
fn complete(sources: &mut Vec<PolicySource>) -> Faults {
    let mut faults = Vec::new();
    for shipped in authz::shipped_guardrails() {
        let of_its_name =
            |it: &PolicySource| it.kind == PolicyKind::Guardrail && it.file.file_name() == shipped.file.file_name();
        if let Some(at) = sources.iter().position(of_its_name) {
            let own = sources.swap_remove(at);
            let line = first_difference(&own.text, &shipped.text);
            faults.extend(line.map(|line| {
                let fault =
                    Fault::at(&own.file, line, 0, "is not the guardrail of this name that comes with the gateway");
                fault.with_help("those cannot be changed: write others beside them, in a file of another name")
            }));
        }
        sources.push(shipped);
    }
    faults
}

/// The first line, from 1, in which two texts differ.
fn first_difference(one: &str, other: &str) -> Option<usize> {
    let same = one.lines().zip(other.lines()).take_while(|(one, other)| one == other).count();
    (one != other).then_some(same + 1)
}

/// Cases whose policies are gone: nothing runs them, and what they were to hold may have gone with the policies.
fn unmatched_cases(folder: &Path) -> Faults {
    let files = ending(folder, ".cases.json").unwrap_or_default();
    let policies = |cases: &PathBuf| cases.with_extension("").with_extension("cedar");
    let unmatched = files.iter().filter(|it| !policies(it).is_file());
    let fault = |it: &PathBuf| Fault::of(it, format!("there is no `{}` beside these cases", policies(it).display()));
    unmatched.map(fault).collect()
}

/// The files of a folder whose names end like this, sorted.
fn ending(folder: &Path, end: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for found in std::fs::read_dir(folder)? {
        let found = found?;
        if found.file_name().as_encoded_bytes().ends_with(end.as_bytes()) {
            files.push(found.path());
        }
    }
    files.sort();
    Ok(files)
}

/// An API as policies see it. In the documents the schemes are named for what is shown.
fn fronted(profile: &Profile) -> Fronted {
    let schemes = [AuthMethod::ApiKey, AuthMethod::SigV4, AuthMethod::AccessToken];
    Fronted {
        https_only: profile.https_only,
        schemes: schemes.into_iter().map(|it| (it.as_str().to_owned(), it)).collect(),
        ..Fronted::new(profile.api.clone())
    }
}

/// What the settings name beside APIs and policies, and what is wrong with it.
fn unusable_files(settings: &Settings, profiles: &[Profile]) -> Faults {
    let place = |it: &Option<Fault>| it.clone().unwrap_or_else(|| Fault::of(&settings.file, ""));
    let mut faults = Vec::new();
    if let Some(files) = &settings.tls
        && let Err(cause) = tls::pair(&files.certificate, &files.key)
    {
        faults.push(Fault { message: format!("[tls]: {cause}"), ..place(&files.place) });
    }
    faults.extend(settings.witnesses.unusable());
    faults.extend(settings.sinks.iter().filter_map(SinkSettings::unusable));
    for (name, key) in &settings.upstream_keys {
        let (api, host) = name.split_once('/').map_or((name.as_str(), None), |(api, host)| (api, Some(host)));
        let claims =
            |it: &Profile| host.is_none_or(|host| it.surfaces.iter().any(|it| it.hosts.iter().any(|it| it == host)));
        if !profiles.iter().any(|it| it.api.name.as_str() == api && claims(it)) {
            let message = format!("[upstream_keys] `{name}`: no API has this name and host");
            faults.push(Fault { message, ..place(&key.place) });
        }
        if let Err(cause) = std::fs::read_to_string(&key.secret_file) {
            let message = format!("[upstream_keys] `{name}`: `{}`: {cause}", key.secret_file.display());
            faults.push(Fault { message, ..place(&key.place) });
        }
    }
    faults
}

/// Applies `[upstreams]`.
fn send_elsewhere(catalog: &mut Catalog, settings: &Settings) -> Faults {
    let mut faults = Vec::new();
    for (name, Sent { url, place }) in &settings.upstreams {
        let sent = catalog::upstream(url).map_err(|it| it.to_string()).and_then(|upstream| {
            let sent = match name.split_once('/') {
                Some((api, host)) => catalog.send_host_to(&upstream, api, host),
                None => catalog.send_to(upstream, name),
            };
            sent.map_err(|it| it.to_string())
        });
        if let Err(cause) = sent {
            faults.push(Fault { message: format!("[upstreams] `{name}`: {cause}"), ..place.clone() });
        }
    }
    faults
}
