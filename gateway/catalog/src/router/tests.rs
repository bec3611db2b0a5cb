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
    let headers: HeaderMap =
        headers.iter().map(|it| (it.parse::<HeaderName>().unwrap(), http::HeaderValue::from_static("/b/k"))).collect();
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
fn a_slash_is_encoded_only_in_what_takes_the_rest_of_the_path() {
    let router = router(&["GET /", "GET /{bucket}", "PUT /{bucket}/{key+}"]);
    for (path, hidden) in [
        ("/b", false),
        ("/b/k", false),
        ("/b/a%2Fk", false),
        ("/b/%2Fk/x%2F", false),
        ("/b%2Fk", true),
        ("/%2Fb/k", true),
        ("/b%2F/a%2Fk", true),
    ] {
        assert_eq!(router.hides_slash(path), hidden, "{path}");
    }
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
