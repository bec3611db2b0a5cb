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
        let encoded = raw.find("%2F").into_iter().chain(raw.find("%2f")).min()?;
        let (before, held) = raw.split_at_checked(self.rest(raw, encoded)?)?;
        Some(format!("{before}{}", held.replace("%2F", "/").replace("%2f", "/")))
    }

    /// Whether the end of a path may be a parameter that takes slashes as well.
    pub(crate) fn takes_rest(&self, path: &str) -> bool {
        self.rest(path, path.len()).is_some()
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

#[cfg(test)]
mod tests {
    use domain::PathMode;
    use proptest::prelude::*;

    use super::*;

    fn route(target: usize, key: &str) -> Route {
        let (method, key) = key.split_once(' ').unwrap();
        let (template, selectors) = key.split_once('#').unwrap_or((key, ""));
        let named = selectors.split('&').filter(|it| !it.is_empty());
        let selectors = named.map(|it| Selector::parse(it).unwrap()).collect();
        Route { method: method.parse().unwrap(), template: template.to_owned(), rest: false, selectors, target }
    }

    fn router(keys: &[&str]) -> Router {
        Router::build(keys.iter().enumerate().map(|(target, key)| route(target, key))).unwrap()
    }

    /// Asks for `METHOD /path?query` and expects a target with its parameters.
    #[track_caller]
    fn check(router: &Router, asked: &str, expected: Result<(usize, &[&str]), NotFound>) {
        check_with(router, asked, &[], expected);
    }

    /// The same, with headers.
    #[track_caller]
    fn check_with(router: &Router, asked: &str, headers: &[&str], expected: Result<(usize, &[&str]), NotFound>) {
        let headers: HeaderMap = headers
            .iter()
            .map(|it| (it.parse::<HeaderName>().unwrap(), http::HeaderValue::from_static("/b/k")))
            .collect();
        let (method, target) = asked.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = NormalPath::parse(path, PathMode::Objects).unwrap();
        let found = router.find(&method.parse().unwrap(), &path, (query, &headers));
        let expected = expected.map(|(target, parameters)| Found {
            target,
            parameters: parameters.iter().map(|it| (*it).to_owned()).collect(),
        });
        assert_eq!(found, expected, "{asked}");
    }

    #[test]
    fn a_literal_goes_before_a_parameter_and_a_parameter_before_the_rest() {
        let router = router(&["GET /a/{x}", "GET /a/b", "GET /a/b/c", "GET /a/{x}/d", "GET /{all+}"]);
        check(&router, "GET /a/b", Ok((1, &[])));
        check(&router, "GET /a/z", Ok((0, &["z"])));
        check(&router, "GET /a/b/c", Ok((2, &[])));
        check(&router, "GET /a/b/d", Ok((3, &["b"])));
        check(&router, "GET /a/b/e", Ok((4, &["a/b/e"])));
        check(&router, "GET /", Err(NotFound::UnknownPath));
    }

    #[test]
    fn a_known_path_with_another_method_names_the_methods_it_has() {
        let router = router(&["POST /a", "GET /a", "DELETE /{x}"]);
        check(&router, "PUT /a", Err(NotFound::MethodNotAllowed("GET, POST".to_owned())));
        // The vaguer template is not a way round the documented path.
        check(&router, "DELETE /a", Err(NotFound::MethodNotAllowed("GET, POST".to_owned())));
        check(&router, "DELETE /b", Ok((2, &["b"])));
    }

    #[test]
    fn the_query_parameters_present_select_the_most_specific_operation() {
        let router = router(&["PUT /{b}/{k+}", "PUT /{b}/{k+}#partNumber&uploadId", "POST /{b}/{k+}#uploads"]);
        check(&router, "PUT /b/k", Ok((0, &["b", "k"])));
        check(&router, "PUT /b/k?partNumber=1", Ok((0, &["b", "k"])));
        check(&router, "PUT /b/k?uploadId=x&partNumber=1", Ok((1, &["b", "k"])));
        check(&router, "PUT /b/k?%75ploadId=x&partNumber", Ok((1, &["b", "k"])));
        check(&router, "POST /b/k?uploads", Ok((2, &["b", "k"])));
        check(&router, "POST /b/k?acl", Err(NotFound::UnknownSubresource));
    }

    #[test]
    fn a_header_selects_as_well_and_never_passes_as_part_of_another_operation() {
        let copy = "x-amz-copy-source";
        let router = router(&[
            "PUT /{b}/{k+}",
            "PUT /{b}/{k+}#partNumber&uploadId",
            "PUT /{b}/{k+}#header:x-amz-copy-source",
            "PUT /{b}/{k+}#partNumber&uploadId&header:x-amz-copy-source",
            "PUT /{b}/{k+}#append",
            "GET /{b}/{k+}",
            "PUT /{b}/{k+}#append&tail",
        ]);
        let found = |target| Ok((target, &["b", "k"][..]));
        check_with(&router, "PUT /b/k", &[], found(0));
        check_with(&router, "PUT /b/k", &[copy], found(2));
        check_with(&router, "PUT /b/k", &["X-Amz-Copy-Source"], found(2));
        check_with(&router, "PUT /b/k?partNumber=1&uploadId=x", &[], found(1));
        check_with(&router, "PUT /b/k?partNumber=1&uploadId=x", &[copy], found(3));
        check_with(&router, "PUT /b/k?x-amz-copy-source=/b/k", &[], found(0));
        check_with(&router, "PUT /b/k?append", &[], found(4));
        check_with(&router, "PUT /b/k?append", &[copy], found(2));
        check_with(&router, "PUT /b/k?append&tail", &[], found(6));
        check_with(&router, "PUT /b/k?append&tail", &[copy], Err(NotFound::UnknownSubresource));
        check_with(&router, "GET /b/k", &[copy], found(5));
        assert_eq!(router.selecting(), [copy]);
    }

    #[test]
    fn an_encoded_slash_is_bare_where_the_rest_is_taken_and_nowhere_else() {
        let router = Router::build(
            [route(0, "GET /m/{id+}"), route(1, "GET /v/{v}/m/{id+}"), route(2, "GET /i/{id}/x")].into_iter(),
        );
        let router = router.unwrap();
        for (raw, expected) in [
            ("/m/a%2Fb", Some("/m/a/b")),
            ("/m/a%2fb%2F../c", Some("/m/a/b/../c")),
            ("/m/a/b%2Fc", Some("/m/a/b/c")),
            ("/v/1/m/a%2Fb", Some("/v/1/m/a/b")),
            ("/v/1%2F2/m/a", None),
            ("/v%2F1/m/a", None),
            ("/i/a%2Fb/x", None),
            ("%2Fm/a", None),
            ("/m/a", None),
            ("/other/a%2Fb", None),
        ] {
            assert_eq!(router.with_bare_slashes(raw).as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn a_parameter_is_decoded_once_and_the_rest_keeps_its_slashes() {
        let router = router(&["GET /{b}/{k+}"]);
        check(&router, "GET /b/a//c/d%2Fe%20f%252F", Ok((0, &["b", "a//c/d/e f%2F"])));
        check(&router, "GET /b/dir/", Ok((0, &["b", "dir/"])));
        check(&router, "GET /b/", Err(NotFound::UnknownPath));
        check(&router, "GET //k", Err(NotFound::UnknownPath));
    }

    #[test]
    fn two_routes_that_no_request_tells_apart_clash() {
        let keys = ["GET /a/{x}#p&q", "GET /a/{y}#q&p", "GET /a/{y}", "POST /a/{z}#p&q"];
        let clashes = Router::build(keys.iter().enumerate().map(|(target, key)| route(target, key))).unwrap_err();
        let clash = RouteClash { first: 0, second: 1, method: Method::GET, template: "/a/{y}".to_owned() };
        assert_eq!(clashes, [clash]);
        assert_eq!(clashes[0].to_string(), "`GET /a/{y}` names the same requests as an earlier operation");
    }

    /// What the router promises, by trying every template.
    fn naive<'p>(templates: &[String], path: &'p str) -> Option<(usize, Vec<&'p str>)> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let matched = templates.iter().enumerate().filter_map(|(at, template)| {
            let (mut rank, mut parameters) = (Vec::new(), Vec::new());
            let pattern: Vec<&str> = template.split('/').skip(1).collect();
            for (depth, piece) in pattern.iter().enumerate() {
                let segment = *segments.get(depth)?;
                if piece.ends_with("+}") {
                    let start = 1 + segments[..depth].iter().map(|it| it.len() + 1).sum::<usize>();
                    parameters.push(path.get(start..).filter(|it| !it.is_empty())?);
                    rank.push(2);
                    return Some((rank, at, parameters));
                }
                if piece.starts_with('{') {
                    parameters.push(Some(segment).filter(|it| !it.is_empty())?);
                    rank.push(1);
                } else if *piece == segment {
                    rank.push(0);
                } else {
                    return None;
                }
            }
            (pattern.len() == segments.len()).then_some((rank, at, parameters))
        });
        matched.min().map(|(_, at, parameters)| (at, parameters))
    }

    fn template() -> impl Strategy<Value = String> {
        let segment = prop_oneof![3 => "[ab]".prop_map(String::from), 2 => Just("{x}".to_owned())];
        let last = prop_oneof![Just(String::new()), Just("/".to_owned()), Just("/{r+}".to_owned())];
        (proptest::collection::vec(segment, 1..5), last).prop_map(|(segments, last)| {
            let mut number = 0;
            let numbered = segments.iter().map(|it| {
                number += 1;
                it.replace('x', &format!("x{number}"))
            });
            format!("/{}{last}", numbered.collect::<Vec<_>>().join("/"))
        })
    }

    proptest! {
        #[test]
        fn the_router_finds_exactly_what_trying_every_template_finds(
            templates in proptest::collection::hash_set(template(), 1..24),
            paths in proptest::collection::vec("/(a|b|c|)(/(a|b|c|)){0,5}", 1..24),
        ) {
            let templates = Vec::from_iter(templates);
            let routes = templates.iter().enumerate().map(|(target, it)| route(target, &format!("GET {it}")));
            let router = Router::build(routes).unwrap();
            for path in paths {
                let path = NormalPath::parse(&path, PathMode::Objects).unwrap();
                let found = router.find(&Method::GET, &path, ("", &HeaderMap::new())).ok().map(|it| (it.target, it.parameters));
                let expected = naive(&templates, path.as_str())
                    .map(|(at, it)| (at, it.into_iter().map(str::to_owned).collect::<Vec<_>>()));
                prop_assert_eq!(found, expected, "{} among {:?}", path, templates);
            }
        }

        #[test]
        fn a_parameter_comes_out_as_it_was_before_it_was_encoded_once(text in "[^/\\\\\\pC]{1,20}") {
            prop_assume!(!matches!(text.split(';').next(), Some("." | "..")));
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let path = NormalPath::parse(&format!("/a/{encoded}"), PathMode::Api).unwrap();
            let found = router(&["GET /a/{x}"]).find(&Method::GET, &path, ("", &HeaderMap::new())).unwrap();
            prop_assert_eq!(found.parameters, vec![text]);
        }
    }
}
