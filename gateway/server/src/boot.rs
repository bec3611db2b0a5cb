//! From a settings file to a configuration: every profile, document and policy, checked whole.

use std::path::{Path, PathBuf};

use authz::{Authorizer, Fronted, PolicyKind, PolicySource};
use catalog::{Catalog, Sketch, Unsent, Unsound};
use domain::{AuthMethod, Fault, Faults};
use pipeline::Configuration;

use crate::settings::{Incomplete, Sent, Settings};
use crate::sinks::settings::SinkSettings;
use crate::tls;

/// Loads everything a request is decided by. Nothing is put in force. One fault hides no other, but for what cannot be
/// known because of it.
pub(crate) fn configuration(settings: &Settings) -> Result<Configuration, Faults> {
    judged(settings, |_| Faults::new())
}

/// The same, where somebody finds more faults in profiles that are good otherwise.
pub(crate) fn judged(settings: &Settings, more: impl FnOnce(&Catalog) -> Faults) -> Result<Configuration, Faults> {
    let (mut catalog, apis, mut faults) = match Catalog::survey(&settings.apis) {
        Ok(catalog) => {
            let apis = catalog.profiles().iter().map(Sketch::from).collect();
            (Some(catalog), Apis { sketches: apis, all: true }, Faults::new())
        }
        Err(Unsound { faults, apis, all }) => (None, Apis { sketches: apis, all }, faults),
    };
    faults.extend(match &mut catalog {
        Some(catalog) => send_elsewhere(catalog, settings),
        None => unknown_upstreams(&apis, settings),
    });
    faults.extend(catalog.as_ref().map(more).unwrap_or_default());
    faults.extend(unusable_files(settings, &apis));
    let (sources, unread) = sources(settings, &apis.sketches);
    faults.extend(unread);
    let fronted: Vec<Fronted> = apis.sketches.iter().filter_map(fronted).collect();
    let authorizer = match catalog {
        Some(_) => Authorizer::load(&fronted, &sources),
        None => Err(Authorizer::faults(&fronted, &sources)),
    };
    match (catalog, authorizer) {
        (Some(catalog), Ok(authorizer)) if faults.is_empty() => Ok(Configuration { catalog, authorizer }),
        (_, authorizer) => {
            faults.extend(authorizer.err().into_iter().flatten());
            Err(in_order(faults))
        }
    }
}

/// The faults of settings, and those of everything that could be read by them all the same.
pub(crate) fn faults(Incomplete { faults, settings }: Incomplete) -> Faults {
    let more = settings.and_then(|it| configuration(&it).err());
    in_order(faults.into_iter().chain(more.into_iter().flatten()).collect())
}

/// By file and line, each once.
fn in_order(mut faults: Faults) -> Faults {
    faults.sort();
    faults.dedup();
    faults
}

/// The APIs that could be read.
struct Apis {
    sketches: Vec<Sketch>,
    /// Whether there are no others.
    all: bool,
}

impl Apis {
    /// Whether a name stands for an API, or with a host behind a `/` for a part of it. Where that cannot be known, it does.
    fn name(&self, name: &str) -> Result<(), Unsent> {
        let (api, host) = name.split_once('/').map_or((name, None), |(api, host)| (api, Some(host)));
        let Some(sketch) = self.sketches.iter().find(|it| it.name.as_str() == api) else {
            return if self.all { Err(Unsent::UnknownApi(api.to_owned())) } else { Ok(()) };
        };
        let has = |host: &str| sketch.hosts.as_ref().is_none_or(|it| it.iter().any(|it| it == host));
        match host {
            Some(host) if !has(host) => Err(Unsent::UnknownHost { api: api.to_owned(), host: host.to_owned() }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Every policy file with its cases, and the faults of those that could not be read.
pub(crate) fn sources(settings: &Settings, apis: &[Sketch]) -> (Vec<PolicySource>, Faults) {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    if let Some(folder) = settings.guardrails.as_deref() {
        match ending(folder, ".cedar") {
            Ok(found) => files.extend(found.into_iter().map(|it| (it, PolicyKind::Guardrail))),
            Err(cause) => faults.push(Fault::of(folder, cause.to_string())),
        }
    }
    for api in apis {
        files.extend(api.policies.iter().map(|it| (it.clone(), PolicyKind::Grant(api.name.clone()))));
        if api.policies.is_empty() {
            let fault = Fault::of(&api.folder, "there is no policy, so that nobody may ask for anything");
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
    faults.extend(settings.guardrails.as_deref().and_then(altered_schema));
    let folders = apis.iter().map(|it| &it.folder).chain(&settings.guardrails);
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

/// What every policy may use is built in: a copy beside the guardrails is for reading, and has to say the same.
fn altered_schema(guardrails: &Path) -> Option<Fault> {
    let (name, shipped) = authz::shipped_schema();
    let file = guardrails.parent()?.join(name);
    let line = first_difference(&std::fs::read_to_string(&file).ok()?, shipped)?;
    let fault = Fault::at(&file, line, 0, "is not the schema that comes with the gateway");
    Some(fault.with_help("it is built in and cannot be changed: put the file back, or take it away"))
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
fn fronted(sketch: &Sketch) -> Option<Fronted> {
    let schemes = [AuthMethod::ApiKey, AuthMethod::SigV4, AuthMethod::AccessToken, AuthMethod::Session];
    Some(Fronted {
        https_only: sketch.https_only,
        schemes: schemes.into_iter().map(|it| (it.as_str().to_owned(), it)).collect(),
        ..Fronted::new(sketch.api.clone()?)
    })
}

/// What the settings name beside APIs and policies, and what is wrong with it.
fn unusable_files(settings: &Settings, apis: &Apis) -> Faults {
    let place = |it: &Option<Fault>| it.clone().unwrap_or_else(|| Fault::of(&settings.file, ""));
    let mut faults = Vec::new();
    if let Some(files) = &settings.tls
        && let Err(cause) = tls::pair(&files.certificate, &files.key)
    {
        faults.push(Fault { message: format!("[tls]: {cause}"), ..place(&files.place) });
    }
    faults.extend(settings.witnesses.unusable());
    faults.extend(settings.sinks.iter().filter_map(|it| it.unusable(&settings.data)));
    faults.extend(SinkSettings::sharing(&settings.sinks));
    for (name, key) in &settings.upstream_keys {
        if apis.name(name).is_err() {
            let message = format!("[upstream_keys] `{name}`: no API has this name and host");
            faults.push(Fault { message, ..place(&key.place) });
        }
        if let Err(cause) = authn::secrets::text(&key.secret_file) {
            let message = format!("[upstream_keys] `{name}`: {cause}");
            faults.push(Fault { message, ..place(&key.place) });
        }
    }
    faults
}

/// Applies `[upstreams]`.
fn send_elsewhere(catalog: &mut Catalog, settings: &Settings) -> Faults {
    let sent = |(name, Sent { upstream, place }): (&String, &Sent)| {
        let sent = match name.split_once('/') {
            Some((api, host)) => catalog.send_host_to(upstream, api, host),
            None => catalog.send_to(upstream.clone(), name),
        };
        sent.err().map(|it| Fault { message: format!("[upstreams] `{name}`: {it}"), ..place.clone() })
    };
    settings.upstreams.iter().filter_map(sent).collect()
}

/// Names in `[upstreams]` that stand for nothing.
fn unknown_upstreams(apis: &Apis, settings: &Settings) -> Faults {
    let unknown = |(name, it): (&String, &Sent)| {
        let unknown = apis.name(name).err()?;
        Some(Fault { message: format!("[upstreams] `{name}`: {unknown}"), ..it.place.clone() })
    };
    settings.upstreams.iter().filter_map(unknown).collect()
}

#[cfg(test)]
mod tests;
