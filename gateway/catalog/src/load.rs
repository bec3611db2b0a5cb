//! Reads the folder of profiles whole, and finds what contradicts what.

mod clash;
mod serve;
mod sketch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{Api, ApiName, AuthMethod, BadName, Fault, Faults, Operation, RoleName, Scope, Upstream};

use crate::catalog::{Catalog, Kept, place};
use crate::dialect::Dialect;
use crate::marks::KeyMarks;
use crate::openapi::{self, Document, Documented};
use crate::profile::{Credentials, Profile, Surface};
use crate::settings::{DocumentSettings, Outline, Reading, Settings, WrittenRole};
use crate::version;
use crate::written::Placed;

pub use sketch::{Sketch, Unsound};

/// The file that makes a folder a profile.
const PROFILE: &str = "api.toml";

/// One profile and its documents, as far as they could be read.
struct Draft {
    name: ApiName,
    file: PathBuf,
    folder: PathBuf,
    outline: Outline,
    /// `None` where the profile is at fault.
    settings: Option<Settings>,
    /// In the order of those the outline names.
    documents: Vec<Document>,
    policies: Vec<PathBuf>,
}

/// See [`Catalog::survey`].
pub(crate) fn load(dir: &Path) -> Result<Catalog, Unsound> {
    let mut faults = Faults::new();
    let listed = gather(folders(dir), &mut faults);
    let all = listed.is_some();
    let folders = listed.unwrap_or_default();
    if folders.is_empty() && faults.is_empty() {
        let fault =
            Fault::of(dir, "there is no API here").with_help(format!("each API is a folder with an `{PROFILE}`"));
        faults.push(fault);
    }
    // The position among all folders, so that an API keeps its index whatever is wrong with another.
    let drafts: Vec<Draft> =
        folders.iter().enumerate().filter_map(|(index, folder)| draft(folder, index, &mut faults)).collect();
    let all = all && drafts.len() == folders.len();
    clash::find(&drafts, &mut faults);
    let hosts = serve::hosts(&drafts, &mut faults);
    let virtual_hosts = serve::virtual_hosts(&drafts, &mut faults);
    if !faults.is_empty() {
        faults.sort();
        faults.dedup();
        return Err(Unsound { faults, apis: sketch::all(drafts), all });
    }
    // INVARIANT: a draft without settings has a fault, so that none is left out here.
    let (profiles, kept): (Vec<Profile>, Vec<_>) = drafts.into_iter().filter_map(Draft::finish).unzip();
    let operations = kept.into_iter().flatten().map(|it| (place(&it.operation), it)).collect();
    let closed = profiles.first().map(closed).ok_or_else(|| Unsound::of(dir, "there is no API here"))?;
    let marks = KeyMarks::of(&profiles).map_err(|why| Unsound::of(dir, &format!("too many key prefixes: {why}")))?;
    let (unclaimed, flagged) = (Dialect::plain(), version::flagged());
    Ok(Catalog { profiles, operations, hosts, virtual_hosts, marks, closed, unclaimed, flagged })
}

/// The value, or one more fault.
fn gather<T>(read: Result<T, Fault>, faults: &mut Faults) -> Option<T> {
    read.map_err(|it| faults.push(it)).ok()
}

/// The folders of a folder, sorted; hidden ones are nobody's API.
fn folders(dir: &Path) -> Result<Vec<PathBuf>, Fault> {
    let unreadable = |why: io::Error| Fault::of(dir, format!("cannot be read: {why}"));
    let mut folders = Vec::new();
    for item in fs::read_dir(dir).map_err(unreadable)? {
        let path = item.map_err(unreadable)?.path();
        let hidden = path.file_name().is_none_or(|it| it.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && !hidden {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The `*.cedar` files of a folder, sorted.
fn policies(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let unreadable = |why: io::Error| Fault::of(folder, format!("cannot be read: {why}"));
    let mut files = Vec::new();
    for item in fs::read_dir(folder).map_err(unreadable)? {
        let path = item.map_err(unreadable)?.path();
        if path.extension().is_some_and(|it| it == "cedar") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn draft(folder: &Path, index: usize, faults: &mut Faults) -> Option<Draft> {
    let file = folder.join(PROFILE);
    let text =
        gather(fs::read_to_string(&file).map_err(|why| Fault::of(&file, format!("cannot be read: {why}"))), faults);
    let policies = gather(policies(folder), faults);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let reading = text.map(|it| Reading::of(&file, &name, &it));
    let read = reading.is_some();
    let Reading { settings, outline, faults: more } = reading.unwrap_or_default();
    let sound = read && more.is_empty();
    faults.extend(more);
    // Documents are read even where the profile is at fault, so that theirs are heard of as well.
    let api = name.parse().map_err(|why: BadName| faults.push(Fault::of(folder, why.to_string()))).ok()?;
    let documents: Vec<Document> =
        outline.documents.iter().map(|it| document(it, &outline, (&api, index), (&file, folder))).collect();
    faults.extend(documents.iter().flat_map(|it| it.faults.iter().cloned()));
    if settings.is_none() && sound {
        // INVARIANT: an API is never left out in silence.
        faults.push(Fault::of(&file, "cannot be made sense of"));
    }
    let settings = settings.filter(|_| sound);
    let policies = policies.unwrap_or_default();
    Some(Draft { name: api, file, folder: folder.to_owned(), outline, settings, documents, policies })
}

fn document(
    written: &DocumentSettings,
    outline: &Outline,
    (api, api_index): (&ApiName, usize),
    (file, folder): (&Path, &Path),
) -> Document {
    let surface = openapi::Surface {
        api,
        api_index,
        base_path: &written.base_path,
        unknown_query: written.unknown_query,
        hosts: &written.hosts,
        closed_headers: &written.closed_headers,
        long_lived_total: written.total,
    };
    let path = folder.join(&written.document.value);
    if path.is_file() {
        return openapi::load(&path, &surface);
    }
    let message = format!("there is no document `{}`", written.document.value.display());
    let fault = written.document.place.fault(file, message);
    // Where one lies there that nobody names, it is most likely meant: by it what else is wrong can be said.
    let Some(meant) = unnamed(folder, outline) else {
        return Document { faults: vec![fault], ..Document::default() };
    };
    let mut document = openapi::load(&meant, &surface);
    let name = meant.file_name().unwrap_or_default().to_string_lossy();
    document.faults.push(fault.with_help(format!("did you mean `{name}`?")));
    document
}

/// The only document of a folder that its profile does not name.
fn unnamed(folder: &Path, outline: &Outline) -> Option<PathBuf> {
    let named = |it: &Path| outline.documents.iter().any(|named| folder.join(&named.document.value) == it);
    let is_document = |it: &Path| {
        let ends = |end: &str| it.as_os_str().as_encoded_bytes().ends_with(end.as_bytes());
        [".yaml", ".yml", ".json"].into_iter().any(ends) && !ends(".cases.json")
    };
    let files = fs::read_dir(folder).ok()?.filter_map(|it| Some(it.ok()?.path()));
    let mut files = files.filter(|it| it.is_file() && is_document(it) && !named(it));
    let first = files.next()?;
    files.next().is_none().then_some(first)
}

impl Draft {
    /// Every operation that could be read, with the number of its surface.
    fn operations(&self) -> impl Iterator<Item = (usize, &Documented)> {
        let documents = self.documents.iter().enumerate();
        documents.flat_map(|(surface, it)| it.operations.iter().map(move |it| (surface, it)))
    }

    /// Whether these are all.
    fn is_whole(&self) -> bool {
        self.documents.iter().all(|it| it.whole)
    }

    /// Nothing was found wrong: the profile as it runs.
    fn finish(self) -> Option<(Profile, Vec<Kept>)> {
        let settings = self.settings?;
        let mut operations = Vec::new();
        let mut kept = Vec::new();
        for (surface, document) in self.documents.into_iter().enumerate() {
            for it in document.operations {
                let version = settings.version(&it.operation.template);
                operations.push(Arc::clone(&it.operation));
                kept.push(Kept { operation: it.operation, validator: it.validator, surface, version });
            }
        }
        let surfaces: Vec<Surface> = settings
            .surfaces
            .into_iter()
            .map(|it| Surface {
                document: self.folder.join(it.document.value),
                hosts: it.hosts.into_iter().map(|it| it.value).collect(),
                base_path: it.base_path,
                paths: it.paths,
                dialect: it.dialect,
                sigv4_service: it.sigv4_service,
                upstream: it.upstream,
            })
            .collect();
        let roles = roles(settings.roles, &operations);
        let dialect = surfaces.first().map_or_else(|| Arc::new(Dialect::plain()), |it| Arc::clone(&it.dialect));
        let profile = Profile {
            roles,
            token_issuer: token_issuer(&operations, &surfaces),
            api: Arc::new(Api { name: settings.name.value, namespace: settings.namespace, operations }),
            title: settings.title,
            https_only: settings.https_only,
            oauth: Arc::new(dialect.of_issuer()),
            dialect,
            surfaces,
            upstream: settings.upstream,
            upstream_timeouts: settings.timeouts,
            upstream_identity: settings.upstream_identity,
            credentials: settings.credentials,
            tenant_header: settings.tenant_header,
            limits: settings.limits,
            resource_tenant: settings.resource_tenant,
            versions: settings.versions,
            folder: self.folder,
            policies: self.policies,
        };
        Some((profile, kept))
    }
}

/// What each role may do.
fn roles(written: Vec<WrittenRole>, operations: &[Arc<Operation>]) -> BTreeMap<RoleName, Vec<Scope>> {
    let asked = || operations.iter().flat_map(|it| &it.requirement.0).flat_map(|it| &it.0).flat_map(|it| &it.1);
    let scopes = |it: Option<Vec<Placed<Scope>>>| -> BTreeSet<Scope> {
        it.map_or_else(|| asked().cloned().collect(), |it| it.into_iter().map(|it| it.value).collect())
    };
    written.into_iter().map(|it| (it.name.value, scopes(it.scopes).into_iter().collect())).collect()
}

/// The scheme and the first host, where an operation may be asked for with an access token, shown or in a session.
fn token_issuer(operations: &[Arc<Operation>], surfaces: &[Surface]) -> Option<String> {
    let host = surfaces.first()?.hosts.first()?;
    let named = operations
        .iter()
        .any(|it| it.requirement.names(AuthMethod::AccessToken) || it.requirement.names(AuthMethod::Session));
    named.then(|| format!("https://{host}"))
}

/// A profile that takes no credential and leads nowhere, in the words of `model`.
fn closed(model: &Profile) -> Profile {
    let api = Api { name: model.api.name.clone(), namespace: model.api.namespace.clone(), operations: Vec::new() };
    Profile {
        api: Arc::new(api),
        upstream: Upstream { host: String::new(), port: 0, tls: true },
        credentials: Credentials::default(),
        token_issuer: None,
        ..model.clone()
    }
}
