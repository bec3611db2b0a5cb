//! One host: what is served there, and which operation a request names.

use std::sync::Arc;

use domain::{Arrival, Call, NormalPath, Operation, OperationId, PathMode, PathRefused, Told};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::dialect::Dialect;
use crate::router::{Found, NotFound, Router};
use crate::version::VersionNotice;

/// A host that at least one API claims.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name, lower case.
    pub name: String,
    /// How much freedom its paths have.
    pub paths: PathMode,
    /// Whether requests without TLS are refused.
    pub https_only: bool,
    /// Which profile words what belongs to no API in particular.
    pub(crate) fallback: usize,
    /// The words of that profile here.
    pub(crate) dialect: Arc<Dialect>,
    pub(crate) router: Router,
    /// What the router's targets stand for.
    pub(crate) targets: Vec<Target>,
    /// The headers that tell operations apart.
    pub(crate) selecting: Vec<HeaderName>,
    pub(crate) versions: Vec<Arc<VersionNotice>>,
    /// Which surfaces of which profiles are here: the fallback first.
    pub(crate) surfaces: Vec<(usize, usize)>,
}

/// One operation as this host serves it.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) operation: Arc<Operation>,
    pub(crate) dialect: Arc<Dialect>,
    pub(crate) version: Option<Arc<VersionNotice>>,
}

/// Why a request names no operation.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unidentified {
    /// It came without TLS to an API that insists on it.
    #[error("asked without TLS")]
    PlainHttp,
    /// No API of this host knows the path.
    #[error("no operation has this path")]
    UnknownPath,
    /// The path is known, the method is not.
    #[error("{}", refused(.allow))]
    MethodNotAllowed {
        /// What `Allow` says; nothing where the method is taken nowhere.
        allow: String,
    },
    /// The path is known, but not for what the query names.
    #[error("the query names no known sub-resource of the path")]
    UnknownSubresource,
    /// It was there, until its sunset.
    #[error("version `{}` is gone", .0.name)]
    Removed(Arc<VersionNotice>),
}

fn refused(allow: &str) -> String {
    if allow.is_empty() { "the method is taken nowhere".to_owned() } else { format!("the path takes {allow} only") }
}

impl Unidentified {
    /// What the caller may know.
    pub fn told(&self) -> Told {
        match self {
            Self::PlainHttp => Told::new("https_required", "This API is served over HTTPS only."),
            Self::UnknownPath => Told::new("unknown_path", "There is nothing at this path."),
            Self::MethodNotAllowed { .. } => Told::new("method_not_allowed", "The method is not allowed at this path."),
            Self::UnknownSubresource => Told::new("unknown_subresource", "There is no such sub-resource at this path."),
            Self::Removed(notice) => notice.told(),
        }
    }
}

impl Host {
    /// The surfaces that are served here, the fallback first: where each API stands in the catalog, and the surface in the
    /// profile of that API.
    pub fn surfaces(&self) -> impl Iterator<Item = (usize, usize)> {
        self.surfaces.iter().copied()
    }

    /// The normal form of a path that was sent here. A slash of a parameter that takes the rest of its path may be encoded,
    /// as clients encode whatever stands for one parameter, and no other. Two slashes in a row are one, but not where they could be of such
    /// a parameter: two keys would be one object.
    pub fn normal_path(&self, raw: &str) -> Result<NormalPath, PathRefused> {
        let bare = if self.paths == PathMode::Api { self.router.with_bare_slashes(raw) } else { None };
        let bare = bare.as_deref().unwrap_or(raw);
        let path = NormalPath::parse(bare, self.paths)?;
        let folded = self.paths == PathMode::Api && bare.as_bytes().windows(2).any(|it| it == b"//");
        // Of an API no encoded slash is left by now.
        let hidden = self.paths == PathMode::Objects && self.router.hides_slash(path.as_str());
        let unclear = hidden || folded && self.router.takes_rest(path.as_str());
        if unclear { Err(PathRefused::Ambiguous) } else { Ok(path) }
    }

    /// The words for what belongs to no API in particular: those of the profile that names itself the fallback.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// What a request is meant for, by its path alone, where it is refused before anything else of it is looked at.
    pub(crate) fn aim(&self, method: &Method, raw: &str) -> Option<&Arc<Operation>> {
        let path = self.normal_path(raw).ok()?;
        let found = self.router.find(method, &path, ("", &HeaderMap::new())).ok()?;
        self.targets.get(found.target).map(|it| &it.operation)
    }

    /// Where the API stands in the catalog whose words those are.
    pub fn speaker(&self) -> usize {
        self.fallback
    }

    /// The words for a request that named no operation, and where the API stands in the catalog whose words they are. A path
    /// that one API of a shared host knows is that API's to word, whichever is the fallback.
    pub fn words(&self, refusal: &Unidentified, arrival: &Arrival) -> (&Dialect, usize) {
        let known = match refusal {
            Unidentified::MethodNotAllowed { allow } => self.neighbour(allow, arrival),
            Unidentified::PlainHttp
            | Unidentified::UnknownPath
            | Unidentified::UnknownSubresource
            | Unidentified::Removed(_) => None,
        };
        known.map_or((&self.dialect, self.fallback), |it| (&it.dialect, it.operation.api_index))
    }

    /// What refusals of a path carry while its version is deprecated; one that is gone says so in
    /// [`Unidentified::Removed`].
    pub fn notices(&self, arrival: &Arrival) -> Option<&[(HeaderName, HeaderValue)]> {
        let now = arrival.at.wall;
        let version = self.versions.iter().find(|it| it.covers(&arrival.path))?;
        (version.is_deprecated(now) && !version.is_removed(now)).then(|| version.headers())
    }

    /// Whether a header tells operations of this host apart.
    pub fn selects_by(&self, header: &str) -> bool {
        self.selecting.iter().any(|it| it.as_str().eq_ignore_ascii_case(header))
    }

    /// The method of an operation that is served here.
    pub(crate) fn method_of(&self, id: &OperationId) -> Option<&Method> {
        self.targets.iter().find(|it| it.operation.id == *id).map(|it| &it.operation.method)
    }

    pub(crate) fn identify(&self, arrival: &Arrival) -> Result<Call, Unidentified> {
        if self.https_only && !arrival.source.tls {
            return Err(Unidentified::PlainHttp);
        }
        let found = self.router.find(&arrival.method, &arrival.path, (arrival.query(), &arrival.headers));
        let Found { target, parameters } = found.map_err(|why| self.unidentified(why, arrival))?;
        let target = self.targets.get(target).ok_or(Unidentified::UnknownPath)?;
        match &target.version {
            Some(version) if version.is_removed(arrival.at.wall) => Err(Unidentified::Removed(Arc::clone(version))),
            Some(_) | None => Ok(Call { operation: Arc::clone(&target.operation), parameters }),
        }
    }

    /// Whatever is asked of a removed version is gone, whether or not a document still has it.
    fn unidentified(&self, why: NotFound, arrival: &Arrival) -> Unidentified {
        let mut removed = self.versions.iter().filter(|it| it.is_removed(arrival.at.wall));
        if let Some(version) = removed.find(|it| it.covers(&arrival.path)) {
            return Unidentified::Removed(Arc::clone(version));
        }
        match why {
            NotFound::UnknownPath => Unidentified::UnknownPath,
            NotFound::MethodNotAllowed(allow) => Unidentified::MethodNotAllowed { allow },
            NotFound::UnknownSubresource => Unidentified::UnknownSubresource,
        }
    }

    /// The operation that the same path names with a method it takes.
    fn neighbour(&self, allow: &str, arrival: &Arrival) -> Option<&Target> {
        let found = allow.split(',').find_map(|it| {
            let method: Method = it.trim().parse().ok()?;
            self.router.find(&method, &arrival.path, (arrival.query(), &arrival.headers)).ok()
        });
        self.targets.get(found?.target)
    }
}
