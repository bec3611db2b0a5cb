//! Which route of a host a method and a path name.
//!
//! A tree of path segments: a literal goes before a parameter, a parameter before one that takes the rest. The path is
//! settled first and the method second, so that a documented path never falls through to a vaguer one.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use domain::NormalPath;
use http::Method;
use percent_encoding::percent_decode_str;

use crate::validate::query;

/// One operation as the router sees it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method asked for, exactly.
    pub method: Method,
    /// The whole path template: `/v2/compute/instances/{id}`.
    pub template: String,
    /// Whether the last parameter takes the rest of the path.
    pub rest: bool,
    /// Query parameters that must all be present.
    pub selectors: Vec<String>,
    /// What [`Router::find`] gives back.
    pub target: usize,
}

/// Two routes that no request could tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteClash {
    /// The target of the route that came first.
    pub first: usize,
    /// The target of the one that is told from it by nothing.
    pub second: usize,
    /// The method of both.
    pub method: Method,
    /// The template of the second.
    pub template: String,
}

impl fmt::Display for RouteClash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}` names the same requests as an earlier operation", self.method, self.template)
    }
}

/// A route that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The target of its [`Route`].
    pub target: usize,
    /// The path parameters in the order of the template, percent-decoded once.
    pub parameters: Vec<String>,
}

/// Why there is no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// No template matches the path.
    UnknownPath,
    /// The path is known, the method is not; what to say in `Allow`.
    MethodNotAllowed(String),
    /// Path and method are known, but only for query parameters that were not sent.
    UnknownSubresource,
}

/// Every route of a host.
#[derive(Clone, Debug, Default)]
pub struct Router {
    root: Branch,
}

#[derive(Clone, Debug, Default)]
struct Branch {
    literals: HashMap<String, Branch>,
    parameter: Option<Box<Branch>>,
    rest: Vec<Leaf>,
    leaves: Vec<Leaf>,
}

#[derive(Clone, Debug)]
struct Leaf {
    method: Method,
    /// Sorted, without repeats.
    selectors: Vec<String>,
    target: usize,
}

impl Router {
    /// Lays out the routes, or names every pair that clashes.
    pub fn build(routes: impl Iterator<Item = Route>) -> Result<Self, Vec<RouteClash>> {
        let mut router = Self::default();
        let mut clashes = Vec::new();
        for route in routes {
            clashes.extend(router.add(route));
        }
        if clashes.is_empty() { Ok(router) } else { Err(clashes) }
    }

    fn add(&mut self, route: Route) -> Option<RouteClash> {
        let leaves = self.root.leaves_of(&route.template, route.rest);
        let selectors: Vec<String> = BTreeSet::from_iter(route.selectors).into_iter().collect();
        let same = leaves.iter().find(|it| it.method == route.method && it.selectors == selectors);
        let clash = same.map(|it| RouteClash {
            first: it.target,
            second: route.target,
            method: route.method.clone(),
            template: route.template,
        });
        if clash.is_none() {
            // The most specific first; among equals, the order of the document.
            let at = leaves.partition_point(|it| it.selectors.len() >= selectors.len());
            leaves.insert(at, Leaf { method: route.method, selectors, target: route.target });
        }
        clash
    }

    /// The route for a method, a path and the raw query.
    pub fn find(&self, method: &Method, path: &NormalPath, query: &str) -> Result<Found, NotFound> {
        let mut segments = Vec::new();
        let path = path.as_str();
        let leaves =
            self.root.walk(Some(path.strip_prefix('/').unwrap_or(path)), &mut segments).ok_or(NotFound::UnknownPath)?;
        let mut known = leaves.iter().filter(|it| it.method == *method).peekable();
        if known.peek().is_none() {
            let methods: BTreeSet<&str> = leaves.iter().map(|it| it.method.as_str()).collect();
            return Err(NotFound::MethodNotAllowed(Vec::from_iter(methods).join(", ")));
        }
        let leaf = known
            .find(|it| it.selectors.iter().all(|selector| query::names(query).any(|name| name == *selector)))
            .ok_or(NotFound::UnknownSubresource)?;
        let decode = |it: &&str| percent_decode_str(it).decode_utf8_lossy().into_owned();
        Ok(Found { target: leaf.target, parameters: segments.iter().map(decode).collect() })
    }
}

impl Branch {
    fn leaves_of(&mut self, template: &str, rest: bool) -> &mut Vec<Leaf> {
        let mut branch = self;
        let mut segments = template.strip_prefix('/').unwrap_or(template).split('/').peekable();
        while let Some(segment) = segments.next() {
            let Some(name) = segment.strip_prefix('{').and_then(|it| it.strip_suffix('}')) else {
                branch = branch.literals.entry(spelling(segment)).or_default();
                continue;
            };
            if segments.peek().is_none() && (rest || name.ends_with('+')) {
                return &mut branch.rest;
            }
            branch = branch.parameter.get_or_insert_default();
        }
        &mut branch.leaves
    }

    /// The leaves of the best template for what is left of the path; `None` is a path that has ended. Goes no deeper
    /// than the longest template.
    fn walk<'p>(&self, path: Option<&'p str>, found: &mut Vec<&'p str>) -> Option<&[Leaf]> {
        let Some(path) = path else {
            return (!self.leaves.is_empty()).then_some(self.leaves.as_slice());
        };
        let (segment, left) = path.split_once('/').map_or((path, None), |(segment, left)| (segment, Some(left)));
        let depth = found.len();
        if let Some(leaves) = self.literals.get(segment).and_then(|it| it.walk(left, found)) {
            return Some(leaves);
        }
        found.truncate(depth);
        if let Some(branch) = self.parameter.as_ref().filter(|_| !segment.is_empty()) {
            found.push(segment);
            if let Some(leaves) = branch.walk(left, found) {
                return Some(leaves);
            }
            found.truncate(depth);
        }
        if self.rest.is_empty() || path.is_empty() {
            return None;
        }
        found.push(path);
        Some(&self.rest)
    }
}

/// A literal segment as [`NormalPath`] spells it.
fn spelling(segment: &str) -> String {
    NormalPath::parse(&format!("/{segment}"), domain::PathMode::Objects)
        .ok()
        .and_then(|it| it.as_str().strip_prefix('/').map(str::to_owned))
        .unwrap_or_else(|| segment.to_owned())
}
