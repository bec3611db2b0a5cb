//! Puts every operation on its hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{Fault, Faults};
use hashbrown::HashMap;

use super::Draft;
use crate::host::{Host, Target};
use crate::openapi::Documented;
use crate::router::{Route, RouteClash, Router};
use crate::settings::{ANY_LABEL, Settings, SurfaceSettings, is_virtual};
use crate::written::Place;

/// One surface that claims a host, and where it does.
#[derive(Clone, Copy)]
struct Claim<'a> {
    index: usize,
    draft: &'a Draft,
    profile: &'a Settings,
    surface: usize,
    settings: &'a SurfaceSettings,
    place: Place,
}

impl Claim<'_> {
    fn fault(&self, message: impl Into<String>) -> Fault {
        self.place.fault(&self.draft.file, message)
    }

    fn operations(&self) -> impl Iterator<Item = &Documented> {
        // What clashes within one document is told by its reader.
        let document = self.draft.documents.get(self.surface).filter(|it| it.faults.is_empty());
        document.into_iter().flat_map(|it| &it.operations)
    }
}

/// Every host with its routes.
pub(super) fn hosts(drafts: &[Draft], faults: &mut Faults) -> HashMap<String, Host> {
    let mut claims: BTreeMap<&str, Vec<Claim<'_>>> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        let Some(profile) = &draft.settings else { continue };
        for (surface, settings) in profile.surfaces.iter().enumerate() {
            for host in settings.hosts.iter().filter(|it| !is_virtual(&it.value)) {
                let claim = Claim { index, draft, profile, surface, settings, place: host.place };
                claims.entry(&host.value).or_default().push(claim);
            }
        }
    }
    let hosts =
        claims.into_iter().filter_map(|(name, claims)| Some((name.to_owned(), host(name, &claims, drafts, faults)?)));
    hosts.collect()
}

/// Hosts that stand for the first segment of a path, by what follows their first label, each with the host it is a path of.
pub(super) fn virtual_hosts(drafts: &[Draft], faults: &mut Faults) -> HashMap<String, String> {
    let mut found: HashMap<String, String> = HashMap::new();
    for draft in drafts {
        for settings in draft.settings.iter().flat_map(|it| &it.surfaces) {
            let Some(base) = settings.hosts.iter().find(|it| !is_virtual(&it.value)) else { continue };
            for host in &settings.hosts {
                let Some(rest) = host.value.strip_prefix(ANY_LABEL) else { continue };
                if found.insert(rest.to_owned(), base.value.clone()).is_some() {
                    let message = format!("host `{}` is claimed twice", host.value);
                    faults.push(host.place.fault(&draft.file, message));
                }
            }
        }
    }
    found
}

fn host(name: &str, claims: &[Claim<'_>], drafts: &[Draft], faults: &mut Faults) -> Option<Host> {
    let first = claims.first()?;
    for claim in claims.iter().skip(1) {
        agree(name, first, claim, faults);
    }
    // Whoever words what is nobody's on a host may be one that is at fault.
    let absent = drafts.iter().any(|it| it.settings.is_none() && it.outline.may_have(name));
    let mut undecided = Faults::new();
    let fallback = fallback(name, claims, if absent { &mut undecided } else { faults });
    let (targets, paths) = targets(claims);
    let router = match Router::build(paths.into_iter()) {
        Ok(built) => built,
        Err(clashes) => {
            faults.extend(clashes.iter().map(|it| clash(name, it, claims)));
            return None;
        }
    };
    let fallback = fallback?;
    let others = claims.iter().filter(|it| (it.index, it.surface) != (fallback.index, fallback.surface));
    let surfaces = std::iter::once(fallback).chain(others).map(|it| (it.index, it.surface)).collect();
    let mut seen = None;
    let apis = claims.iter().filter(|it| seen.replace(it.index) != Some(it.index));
    Some(Host {
        name: name.to_owned(),
        paths: first.settings.paths,
        https_only: first.profile.https_only,
        fallback: fallback.index,
        dialect: Arc::clone(&fallback.settings.dialect),
        selecting: router.selecting(),
        router,
        targets,
        surfaces,
        versions: apis.flat_map(|it| it.profile.versions.iter().map(Arc::clone)).collect(),
    })
}

/// What holds for a host before anything is known of the path must be the same for all who share it.
fn agree(name: &str, first: &Claim<'_>, claim: &Claim<'_>, faults: &mut Faults) {
    let owner = &first.draft.name;
    if claim.settings.paths != first.settings.paths {
        faults.push(claim.fault(format!("`paths` of host `{name}` is not what `{owner}` says of it")));
    }
    if claim.profile.https_only != first.profile.https_only {
        faults.push(claim.fault(format!("`https_only` of host `{name}` is not what `{owner}` says of it")));
    }
}

/// Who words what belongs to no API in particular: the only one there, or the one that says so.
fn fallback<'c, 'a>(name: &str, claims: &'c [Claim<'a>], faults: &mut Faults) -> Option<&'c Claim<'a>> {
    let first = claims.first()?;
    if claims.iter().all(|it| it.index == first.index) {
        return Some(first);
    }
    let willing = |it: &&Claim<'_>| it.profile.fallback.as_ref().is_some_and(|it| it.value);
    let mut willing = claims.iter().filter(willing);
    let Some(chosen) = willing.next() else {
        let message = format!("host `{name}` is shared with `{}`, and none of them is the fallback", first.draft.name);
        let help = "write `fallback = true` in the one whose dialect words unknown paths";
        faults.extend(claims.last().map(|it| it.fault(message).with_help(help)));
        return None;
    };
    for rival in willing.filter(|it| it.index != chosen.index) {
        let Some(place) = rival.profile.fallback.as_ref().map(|it| it.place) else { continue };
        let message = format!("host `{name}` already has a fallback: `{}`", chosen.draft.name);
        faults.push(place.fault(&rival.draft.file, message));
    }
    Some(chosen)
}

fn targets(claims: &[Claim<'_>]) -> (Vec<Target>, Vec<Route>) {
    let all = claims.iter().flat_map(|claim| claim.operations().map(move |it| (claim, it)));
    let both = all.enumerate().map(|(target, (claim, documented))| {
        let operation = &documented.operation;
        let version = claim.profile.version(&operation.template);
        let route = Route {
            method: operation.method.clone(),
            template: operation.template.clone(),
            rest: documented.rest,
            selectors: documented.selectors.clone(),
            target,
        };
        let target = Target {
            operation: Arc::clone(operation),
            dialect: Arc::clone(&claim.settings.dialect),
            version: version.and_then(|it| claim.profile.versions.get(it)).map(Arc::clone),
        };
        (target, route)
    });
    both.unzip()
}

/// Told at the host of the later one, since a line of a document is known to its reader alone.
fn clash(name: &str, clash: &RouteClash, claims: &[Claim<'_>]) -> Fault {
    let all = || claims.iter().flat_map(|claim| claim.operations().map(move |it| (claim, it)));
    let (Some((owner, first)), Some((claim, second))) = (all().nth(clash.first), all().nth(clash.second)) else {
        return Fault::of(std::path::Path::new(name), clash.to_string());
    };
    claim.fault(format!(
        "on host `{name}`, `{} {}` (`{}`) names the same requests as `{}` of `{}`",
        second.operation.method,
        second.operation.template,
        second.operation.id,
        first.operation.template,
        owner.draft.name,
    ))
}
