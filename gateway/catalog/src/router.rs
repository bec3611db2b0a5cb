//! Which route of a host a method and a path name.
//!
//! A tree of path segments: a literal goes before a parameter, a parameter before one that takes the rest. The path is
//! settled first and the method second, so that a documented path never falls through to a vaguer one.

use std::collections::BTreeSet;
use std::fmt;

use domain::NormalPath;
use hashbrown::HashMap;
use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;

use crate::selector::Selector;

/// One operation as the router sees it.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// The method asked for, exactly.
    pub(crate) method: Method,
    /// The whole path template: `/v2/compute/instances/{id}`.
    pub(crate) template: String,
    /// Whether the last parameter takes the rest of the path.
    pub(crate) rest: bool,
    /// What must all be there, in the query or among the headers.
    pub(crate) selectors: Vec<Selector>,
    /// What [`Router::find`] gives back.
    pub(crate) target: usize,
}

/// Two routes that no request could tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteClash {
    /// The target of the route that came first.
    pub(crate) first: usize,
    /// The target of the one that is told from it by nothing.
    pub(crate) second: usize,
    /// The method of both.
    pub(crate) method: Method,
    /// The template of the second.
    pub(crate) template: String,
}

impl fmt::Display for RouteClash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}` names the same requests as an earlier operation", self.method, self.template)
    }
}

/// A route that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The target of its [`Route`].
    pub(crate) target: usize,
    /// The path parameters in the order of the template, percent-decoded once.
    pub(crate) parameters: Vec<String>,
}

/// Why there is no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// No template matches the path.
    UnknownPath,
    /// The path is known, the method is not; what to say in `Allow`.
    MethodNotAllowed(String),
    /// Path and method are known, but only for query parameters or headers that were not sent, or not for all the headers
    /// that were.
    UnknownSubresource,
}

/// Every route of a host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Router {
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
    selectors: Vec<Selector>,
    target: usize,
}

impl Router {
    /// Lays out the routes, or names every pair that clashes.
    pub(crate) fn build(routes: impl Iterator<Item = Route>) -> Result<Self, Vec<RouteClash>> {
        let mut built = Self::default();
        let mut clashes = Vec::new();
        for route in routes {
            clashes.extend(built.add(route));
        }
        if clashes.is_empty() { Ok(built) } else { Err(clashes) }
    }

    fn add(&mut self, route: Route) -> Option<RouteClash> {
        let leaves = self.root.leaves_of(&route.template, route.rest);
        let mut selectors = route.selectors;
        selectors.sort_by_key(Selector::to_string);
        selectors.dedup();
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

    /// The route for a method, a path, the raw query and the headers.
    pub(crate) fn find(
        &self,
        method: &Method,
        path: &NormalPath,
        (query, headers): (&str, &HeaderMap),
    ) -> Result<Found, NotFound> {
        let mut segments = Vec::new();
        let path = path.as_str();
        let leaves =
            self.root.walk(Some(path.strip_prefix('/').unwrap_or(path)), &mut segments).ok_or(NotFound::UnknownPath)?;
        let known = || leaves.iter().filter(|it| it.method == *method);
        if known().next().is_none() {
            let methods: BTreeSet<&str> = leaves.iter().map(|it| it.method.as_str()).collect();
            return Err(NotFound::MethodNotAllowed(Vec::from_iter(methods).join(", ")));
        }
        let leaf = known().find(|it| it.selectors.iter().all(|it| it.is_met(query, headers)));
        let leaf = leaf.ok_or(NotFound::UnknownSubresource)?;
        // A header that makes another operation of the request does not pass as part of this one.
        let others = known().flat_map(|it| &it.selectors).filter(|it| it.header().is_some());
        let mut stray = others.filter(|it| !leaf.selectors.contains(it) && it.is_met(query, headers));
        if stray.next().is_some() {
            return Err(NotFound::UnknownSubresource);
        }
        let decode = |it: &&str| percent_decode_str(it).decode_utf8_lossy().into_owned();
        Ok(Found { target: leaf.target, parameters: segments.iter().map(decode).collect() })
    }

    /// The headers that tell operations apart.
    pub(crate) fn selecting(&self) -> Vec<HeaderName> {
        let mut found = Vec::new();
        let mut branches = vec![&self.root];
        while let Some(branch) = branches.pop() {
            branches.extend(branch.literals.values().chain(branch.parameter.as_deref()));
            let leaves = branch.leaves.iter().chain(&branch.rest);
            found.extend(leaves.flat_map(|it| &it.selectors).filter_map(Selector::header).cloned());
        }
        found.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        found.dedup();
        found
    }

    /// The path with bare slashes where a parameter that takes the rest of it holds encoded ones; `None` where none does.
    pub(crate) fn with_bare_slashes(&self, raw: &str) -> Option<String> {
        if !raw.as_bytes().contains(&b'%') {
            return None;
        }
        let encoded = raw.find("%2F").into_iter().chain(raw.find("%2f")).min()?;
        let (before, held) = raw.split_at_checked(self.rest(raw, encoded)?)?;
        Some(format!("{before}{}", held.replace("%2F", "/").replace("%2f", "/")))
    }

    /// Whether the end of a path may be a parameter that takes slashes as well.
    pub(crate) fn takes_rest(&self, path: &str) -> bool {
        self.rest(path, path.len()).is_some()
    }

    /// Whether an encoded slash stands before such a parameter, or where there is none. Who decodes it first finds another bucket
    /// in the path than was decided on.
    pub(crate) fn hides_slash(&self, path: &str) -> bool {
        path.find("%2F").is_some_and(|at| self.rest(path, at).is_none())
    }

    /// Where such a parameter begins, at this place of the path or before it.
    fn rest(&self, path: &str, until: usize) -> Option<usize> {
        let (mut branch, mut at, mut rest) = (&self.root, 1, None);
        while at <= until {
            if !branch.rest.is_empty() {
                rest = Some(at);
            }
            let Some(segment) = path.get(at..).and_then(|it| it.split('/').next()) else { break };
            let Some(next) = branch.literals.get(segment).or(branch.parameter.as_deref()) else { break };
            (branch, at) = (next, at + segment.len() + 1);
        }
        rest
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
        // Segments are short: what searches long texts costs more to set up.
        let slash = path.bytes().position(|it| it == b'/');
        let parts = slash.and_then(|it| Some((path.get(..it)?, path.get(it + 1..)?)));
        let (segment, left) = parts.map_or((path, None), |(segment, left)| (segment, Some(left)));
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

#[cfg(test)]
mod tests;
