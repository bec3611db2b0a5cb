//! What could be read of a folder of profiles where something is wrong with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{Api, ApiName, Fault, Faults};

use super::{Draft, clash};
use crate::profile::Profile;

/// Why a folder of profiles is no catalog, and what of it could be read all the same.
#[derive(Debug)]
pub struct Unsound {
    /// Everything that is wrong.
    pub faults: Faults,
    /// The APIs as far as they could be read. Nothing is served by them.
    pub apis: Vec<Sketch>,
    /// Whether these are all there are.
    pub all: bool,
}

/// An API as far as it could be read: enough to say what else is wrong.
#[derive(Clone, Debug)]
pub struct Sketch {
    /// Its name.
    pub name: ApiName,
    /// Its folder.
    pub folder: PathBuf,
    /// The `*.cedar` files of its folder, sorted.
    pub policies: Vec<PathBuf>,
    /// Whether requests without TLS are refused.
    pub https_only: bool,
    /// Its hosts; `None` where there may be more.
    pub hosts: Option<Vec<String>>,
    /// Its operations; `None` where there may be more.
    pub api: Option<Arc<Api>>,
}

impl Unsound {
    pub(super) fn of(dir: &Path, why: &str) -> Self {
        Self { faults: vec![Fault::of(dir, why)], apis: Vec::new(), all: false }
    }
}

impl From<&Profile> for Sketch {
    fn from(it: &Profile) -> Self {
        Self {
            name: it.api.name.clone(),
            folder: it.folder.clone(),
            policies: it.policies.clone(),
            https_only: it.https_only,
            hosts: Some(it.surfaces.iter().flat_map(|it| it.hosts.clone()).collect()),
            api: Some(Arc::clone(&it.api)),
        }
    }
}

/// Each draft as a sketch. Of two with one namespace, the first has it.
pub(super) fn all(drafts: Vec<Draft>) -> Vec<Sketch> {
    let mut namespaces = BTreeSet::new();
    let sketch = |draft: Draft| {
        let api = operations(&draft).filter(|it| namespaces.insert(it.namespace.clone()));
        Sketch {
            name: draft.name,
            folder: draft.folder,
            policies: draft.policies,
            https_only: draft.outline.https_only,
            hosts: draft.outline.hosts,
            api: api.map(Arc::new),
        }
    };
    drafts.into_iter().map(sketch).collect()
}

/// The API with all its operations, if all could be read and each has an id of its own.
fn operations(draft: &Draft) -> Option<Api> {
    // Where a surface could not be read, its document is missing as well.
    draft.outline.hosts.as_ref()?;
    let whole = draft.is_whole() && clash::operation_ids(draft).is_empty();
    let namespace = draft.outline.namespace.as_ref().filter(|_| whole)?.value.clone();
    let operations = draft.operations().map(|(_, it)| Arc::clone(&it.operation)).collect();
    Some(Api { name: draft.name.clone(), namespace, operations })
}
