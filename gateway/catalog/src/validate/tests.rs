//! Requests against documents: what is refused, which field is named, and that no value is repeated.

mod laws;

use std::path::Path;
use std::time::Duration;

use domain::{Moment, NormalPath, PathMode, RequestId, Source, Tick, Timestamp};
use http::{HeaderMap, HeaderValue};

use super::*;
use crate::openapi::{self, Documented, Surface};

/// The one operation of a document, `POST /a/{id}` unless its text says otherwise.
fn operation(text: &str, unknown_query: UnknownQuery) -> Documented {
    let document = format!(
        "openapi: 3.1.0\ninfo: {{ title: A, version: '1' }}\npaths:\n  /a/{{id}}:\n    post:\n      operationId: a\n      \
         security: []\n{text}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.yaml");
    std::fs::write(&file, document).unwrap();
    let api = "acme".parse().unwrap();
    let total = Duration::from_mins(1);
    let closed = ["x-closed-".to_owned()];
    let surface = Surface {
        api: &api,
        api_index: 0,
        base_path: "",
        unknown_query,
        hosts: &[],
        closed_headers: &closed,
        long_lived_total: total,
    };
    let read = openapi::load(Path::new(&file), &surface).sound().unwrap_or_else(|it| panic!("{it:?}"));
    read.operations.into_iter().next().unwrap()
}

/// An operation with one more parameter than its `id`.
fn with_parameter(parameter: &str) -> Documented {
    let id = "{ name: id, in: path, required: true, schema: { type: string, maxLength: 4 } }";
    operation(&format!("      parameters: [{id}, {parameter}]\n"), UnknownQuery::Pass)
}

/// An operation with a JSON body of this schema.
fn with_body(schema: &str) -> Documented {
    let id = "[{ name: id, in: path, required: true, schema: { type: string } }]";
    let content = format!("{{ application/json: {{ schema: {schema} }} }}");
    operation(
        &format!("      parameters: {id}\n      requestBody: {{ required: true, content: {content} }}\n"),
        UnknownQuery::Pass,
    )
}

fn arrival(target: &str, headers: &[(&str, &str)]) -> Arrival {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        map.append(name.parse::<HeaderName>().unwrap(), value);
    }
    Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: Moment { wall: Timestamp::from_seconds(0), tick: Tick::from_nanos(0) },
        source: Source { address: [127, 0, 0, 1].into(), tls: true },
        method: http::Method::POST,
        host: "api.acme.test".to_owned(),
        target: target.to_owned(),
        path: NormalPath::parse(target.split('?').next().unwrap(), PathMode::Api).unwrap(),
        headers: map,
    }
}

/// All that is wrong with the head of a request, as it would be told.
fn head(documented: &Documented, target: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let arrival = arrival(target, headers);
    let parameters = vec![arrival.path.as_str().trim_start_matches("/a/").to_owned()];
    let call = Call { operation: documented.operation.clone(), parameters };
    told(documented.validator.head(&call, &arrival))
}

/// All that is wrong with a body.
fn body(documented: &Documented, body: impl AsRef<[u8]>) -> Vec<String> {
    let arrival = arrival("/a/1", &[("content-type", "application/json")]);
    let call = Call { operation: documented.operation.clone(), parameters: vec!["1".to_owned()] };
    told(documented.validator.body(&call, &arrival, body.as_ref()))
}

fn told(checked: Result<(), Invalid>) -> Vec<String> {
    let Err(why) = checked else { return Vec::new() };
    let all: Vec<String> = why.all().map(ToString::to_string).collect();
    // The entry says all of it, the caller is told the first.
    assert_eq!((why.to_string(), why.told().message.as_ref()), (all.join("; "), all[0].as_str()));
    all
}

#[track_caller]
fn check_query(parameter: &str, query: &str, expected: &[&str]) {
    let documented = with_parameter(parameter);
    assert_eq!(head(&documented, &format!("/a/1?{query}"), &[]), expected, "{parameter} {query}");
}

#[test]
fn a_text_is_read_as_the_type_the_document_names() {
    let integer = "{ name: page, in: query, schema: { type: integer, minimum: 1, maximum: 100 } }";
    check_query(integer, "page=1", &[]);
    check_query(integer, "page=100&other=x", &[]);
    check_query(integer, "page=0", &["`page` must be at least 1"]);
    check_query(integer, "page=101", &["`page` must be at most 100"]);
    for bad in ["", "x", "1.0", "1e1", "+1", "01", "1%20", "99999999999999999999", "0x1"] {
        check_query(integer, &format!("page={bad}"), &["`page` must be an integer"]);
    }
    check_query(integer, "page=1&page=1", &["`page` must be given once"]);
    check_query(integer, "p%61ge=1&page=1", &["`page` must be given once"]);

    let number = "{ name: n, in: query, schema: { type: number, exclusiveMinimum: 0 } }";
    check_query(number, "n=0.5e1", &[]);
    check_query(number, "n=0", &["`n` must be more than 0"]);
    for bad in ["", "NaN", "Infinity", "1e999", "1_0"] {
        check_query(number, &format!("n={bad}"), &["`n` must be a number"]);
    }
    let boolean = "{ name: f, in: query, schema: { type: boolean } }";
    check_query(boolean, "f=true", &[]);
    check_query(boolean, "f=TRUE", &["`f` must be true or false"]);
    check_query(boolean, "f", &["`f` must be true or false"]);
    check_query("{ name: f, in: query, schema: { enum: [on, off] } }", "f=on", &[]);
}

#[test]
fn a_text_must_be_as_long_and_look_as_documented() {
    let text = "{ name: q, in: query, schema: { type: string, minLength: 2, maxLength: 3, pattern: '^[a-zé ]+$' } }";
    check_query(text, "q=a%C3%A9", &[]);
    check_query(text, "q=a+b", &[]);
    check_query(text, "q=a", &["`q` must have at least 2 characters"]);
    check_query(text, "q=abcd", &["`q` must have at most 3 characters"]);
    check_query(text, "q=A%2Bb", &["`q` must match the documented pattern"]);
    check_query(text, "q=%zz", &["`q` must be percent-encoded UTF-8"]);
    check_query(text, "q=%ff", &["`q` must be percent-encoded UTF-8"]);
    check_query(text, "%ff=1", &["`query` must be percent-encoded UTF-8"]);
    let word = "{ name: state, in: query, schema: { type: string, enum: [running, stopped] } }";
    check_query(word, "state=stopped", &[]);
    check_query(word, "state=secret", &["`state` must be one of `running`, `stopped`"]);
    let since = "{ name: since, in: query, schema: { type: string, format: date-time } }";
    check_query(since, "since=2026-01-01T00:00:00Z", &[]);
    check_query(since, "since=yesterday", &["`since` must be a valid date-time"]);
}

#[test]
fn a_list_is_repeated_or_between_commas_as_documented() {
    let items = "schema: { type: array, maxItems: 2, items: { type: integer, minimum: 1 } }";
    let repeated = format!("{{ name: n, in: query, {items} }}");
    check_query(&repeated, "n=1&n=2", &[]);
    check_query(&repeated, "n=1&n=0", &["`n[1]` must be at least 1"]);
    check_query(&repeated, "n=1&n=2&n=3", &["`n` must have at most 2 items"]);
    check_query(&repeated, "n=1,2", &["`n` must be an integer"]);
    let commas = format!("{{ name: n, in: query, explode: false, {items} }}");
    check_query(&commas, "n=1,2", &[]);
    check_query(&commas, "n=1%2C2", &[]);
    check_query(&commas, "n=1&n=2", &["`n` must be given once"]);
    check_query(&commas, "n=1,,2", &["`n` must be an integer"]);
    let header = with_parameter(&format!("{{ name: X-Ids, in: header, {items} }}"));
    assert_eq!(head(&header, "/a/1", &[("x-ids", "1"), ("x-ids", "2")]), [""; 0]);
    assert_eq!(head(&header, "/a/1", &[("x-ids", "1, 0")]), ["`X-Ids[1]` must be at least 1"]);
}

#[test]
fn what_is_required_is_named_when_it_is_missing() {
    check_query("{ name: q, in: query, required: true, schema: { type: string } }", "", &["`q` is required"]);
    let header = with_parameter("{ name: X-Account, in: header, required: true, schema: { type: string } }");
    assert_eq!(head(&header, "/a/1", &[]), ["`X-Account` is required"]);
    assert_eq!(head(&header, "/a/1", &[("x-account", "1")]), [""; 0]);
    assert_eq!(head(&header, "/a/1", &[("x-account", "1"), ("x-account", "2")]), ["`X-Account` must be given once"]);
    let cookie = with_parameter("{ name: s, in: cookie, required: true, schema: { type: string, minLength: 1 } }");
    assert_eq!(head(&cookie, "/a/1", &[("cookie", "t=1; s=abc")]), [""; 0]);
    assert_eq!(head(&cookie, "/a/1", &[("cookie", "t=s")]), ["`s` is required"]);
    assert_eq!(head(&cookie, "/a/12345", &[("cookie", "s=1")]), ["`id` must have at most 4 characters"]);
}

#[test]
fn unknown_query_parameters_pass_or_are_refused_as_the_profile_says() {
    let id = "      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]\n";
    let pass = operation(id, UnknownQuery::Pass);
    assert_eq!(head(&pass, "/a/1?x=%zz", &[]), [""; 0]);
    let reject = operation(id, UnknownQuery::Reject);
    assert_eq!(head(&reject, "/a/1?x=1", &[]), ["`x` is not a documented query parameter"]);
    // What is not plainly a name could be a secret in the wrong place.
    assert_eq!(head(&reject, "/a/1?my+key+is+hunter2", &[]), ["`query` is not a documented query parameter"]);
}

#[test]
fn headers_that_begin_as_the_profile_says_are_refused_where_they_are_not_documented() {
    let one = with_parameter("{ name: X-Closed-Size, in: header, schema: { type: integer } }");
    assert_eq!(head(&one, "/a/1", &[("x-closed-size", "1"), ("x-open-acl", "x")]), [""; 0]);
    let refused = ["`x-closed-acl` is not a documented header of this operation"];
    assert_eq!(head(&one, "/a/1", &[("X-Closed-Acl", "public")]), refused);
    assert_eq!(head(&one, "/a/1", &[("x-closed-acl", ""), ("x-closed-acl", "b")]), refused);
    let family = with_parameter("{ name: X-Closed-Meta-*, in: header, schema: { type: string, maxLength: 3 } }");
    assert_eq!(head(&family, "/a/1", &[("x-closed-meta-a", "abc")]), [""; 0]);
    assert_eq!(
        head(&family, "/a/1", &[("x-closed-meta-a", "abcd")]),
        ["`X-Closed-Meta-*` must have at most 3 characters"]
    );
    assert_eq!(
        head(&family, "/a/1", &[("x-closed-metal", "a")]),
        ["`x-closed-metal` is not a documented header of this operation"]
    );
}

#[test]
fn a_header_of_json_is_json_and_no_longer_than_documented() {
    let content = "content: { application/json: { schema: { type: object } } }";
    let usual = with_parameter(&format!("{{ name: X-Meta, in: header, {content} }}"));
    let check = |documented: &Documented, value: &str, expected: &[&str]| {
        assert_eq!(head(documented, "/a/1", &[("x-meta", value)]), expected, "{value}");
    };
    check(&usual, r#"{"category":"logs","ü":1}"#, &[]);
    check(&usual, "[1]", &["`X-Meta` must be an object"]);
    check(&usual, "{", &["`X-Meta` is not well-formed JSON at line 1 column 1"]);
    check(&usual, r#"{"a":1,"a":2}"#, &["`X-Meta` is given twice"]);
    let full = format!(r#"{{"a":"{}"}}"#, "x".repeat(2048 - 8));
    check(&usual, &full, &[]);
    check(&usual, &full.replace("xx", "xxx"), &["`X-Meta` must not be longer than 2048 bytes"]);
    let small = with_parameter(&format!("{{ name: X-Meta, in: header, x-portcullis-max-bytes: 4, {content} }}"));
    check(&small, r#"{"a":1}"#, &["`X-Meta` must not be longer than 4 bytes"]);
}

#[test]
fn a_json_body_needs_its_content_type() {
    let documented = with_body("{ type: object }");
    let check = |headers: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(head(&documented, "/a/1", headers), expected, "{headers:?}");
    };
    check(&[("content-length", "2"), ("content-type", "application/json")], &[]);
    check(&[("content-length", "2"), ("content-type", "Application/JSON; charset=UTF-8")], &[]);
    check(&[("content-length", "2")], &["`Content-Type` is required"]);
    check(&[("transfer-encoding", "chunked")], &["`Content-Type` is required"]);
    check(&[("content-length", "2"), ("content-type", "text/plain")], &["`Content-Type` must be application/json"]);
    check(&[("content-length", "2"), ("content-type", "json")], &["`Content-Type` must be application/json"]);
    check(
        &[("content-type", "application/json"), ("content-type", "text/plain")],
        &["`Content-Type` must be given once"],
    );
    check(
        &[("content-length", "2"), ("content-type", "application/json; charset=utf-16")],
        &["`Content-Type` must not name a charset other than utf-8"],
    );
    check(
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        &["`Content-Encoding` must not be set: this body is read as it arrives"],
    );
    check(
        &[("content-type", "application/json"), ("content-encoding", "identity"), ("content-encoding", "deflate")],
        &["`Content-Encoding` must not be set: this body is read as it arrives"],
    );
    check(&[("content-length", "0")], &["the request body is required"]);
    check(
        &[("content-length", "65537"), ("content-type", "application/json")],
        &["the request body must not be longer than 65536 bytes"],
    );
}

#[test]
fn the_most_specific_media_type_counts_wherever_it_stands_and_json_under_a_range_is_json() {
    let parameters = "      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]\n";
    let json = "application/json: { schema: { type: object, required: [a] } }";
    let range = "{ schema: { type: object, required: [b] } }";
    for content in [format!("'*/*': {range}, {json}"), format!("{json}, 'application/*': {range}"), json.to_owned()] {
        let text = format!("{parameters}      requestBody: {{ required: true, content: {{ {content} }} }}\n");
        let documented = operation(&text, UnknownQuery::Pass);
        assert_eq!(body(&documented, "{\"a\": 1}"), [""; 0], "{content}");
        assert_eq!(body(&documented, "{\"b\": 1}"), ["`a` is required"], "{content}");
        assert!(!body(&documented, "{\"a\": 1, \"a\": 2}").is_empty(), "{content}");
    }
    let text = format!(
        "{parameters}      x-portcullis-body: checked\n      requestBody: {{ required: true, content: {{ '*/*': {range} }} }}\n"
    );
    let documented = operation(&text, UnknownQuery::Pass);
    assert_eq!(body(&documented, "{\"a\": 1}"), ["`b` is required"]);
}

#[test]
fn a_body_where_none_is_documented_must_be_empty() {
    let id = "      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]\n";
    let documented = operation(id, UnknownQuery::Pass);
    assert_eq!(head(&documented, "/a/1", &[("content-length", "0"), ("content-type", "text/plain")]), [""; 0]);
    assert_eq!(head(&documented, "/a/1", &[("content-length", "1")]), ["the request body must be empty"]);
    assert_eq!(body(&documented, ""), [""; 0]);
    assert_eq!(body(&documented, "x"), ["the request body must be empty"]);
}

#[test]
fn bytes_of_any_type_need_no_content_type() {
    let id = "[{ name: id, in: path, required: true, schema: { type: string } }]";
    let body = "{ required: true, content: { '*/*': {} } }";
    let documented = operation(&format!("      parameters: {id}\n      requestBody: {body}\n"), UnknownQuery::Pass);
    assert_eq!(head(&documented, "/a/1", &[("content-length", "2")]), [""; 0]);
    assert_eq!(head(&documented, "/a/1", &[("content-length", "2"), ("content-type", "text/css")]), [""; 0]);
    // Nobody reads what is passed on as it arrives.
    let utf16 = ("content-type", "application/json; charset=utf-16");
    assert_eq!(head(&documented, "/a/1", &[("content-length", "2"), utf16]), [""; 0]);
}

#[test]
fn of_what_is_passed_on_as_it_arrives_nothing_at_all_is_a_body_too() {
    let id = "[{ name: id, in: path, required: true, schema: { type: string } }]";
    let body = "{ required: true, content: { application/octet-stream: {} } }";
    let documented = operation(&format!("      parameters: {id}\n      requestBody: {body}\n"), UnknownQuery::Pass);
    let media = ("content-type", "application/octet-stream");
    assert_eq!(head(&documented, "/a/1", &[("content-length", "0"), media]), [""; 0]);
    assert_eq!(head(&documented, "/a/1", &[("transfer-encoding", "chunked"), media]), [""; 0]);
    assert_eq!(head(&documented, "/a/1", &[("content-length", "0")]), ["`Content-Type` is required"]);
}

#[test]
fn a_body_that_may_be_left_out_is_still_held_to_its_type() {
    let id = "[{ name: id, in: path, required: true, schema: { type: string } }]";
    let content = "{ image/*: {}, application/octet-stream: {} }";
    let documented = operation(
        &format!(
            "      parameters: {id}\n      requestBody: {{ content: {content} }}\n      x-portcullis-max-bytes: 10\n"
        ),
        UnknownQuery::Pass,
    );
    let check = |headers: &[(&str, &str)], expected: &[&str]| {
        assert_eq!(head(&documented, "/a/1", headers), expected, "{headers:?}");
    };
    check(&[], &[]);
    check(&[("content-length", "0")], &[]);
    check(&[("content-length", "9"), ("content-type", "image/png"), ("content-encoding", "gzip")], &[]);
    check(&[("content-length", "9")], &["`Content-Type` is required"]);
    check(&[("content-type", "text/html")], &["`Content-Type` must be application/octet-stream or image/*"]);
    check(
        &[("content-length", "11"), ("content-type", "image/png")],
        &["the request body must not be longer than 10 bytes"],
    );
}

#[test]
fn the_field_at_fault_in_a_body_is_named_and_its_value_is_not() {
    let documented = with_body(
        "{ type: object, required: [name], additionalProperties: false, properties: { name: { type: string }, count: { \
         type: integer, maximum: 9 }, ssh_keys: { type: array, items: { type: string } }, net: { type: object, required: \
         [vpc], properties: { vpc: { const: v1 } } }, mode: { anyOf: [{ type: string, enum: [a] }, { type: object, \
         required: [kind], properties: { kind: { type: string } } }] } } }",
    );
    let check = |text: &str, expected: &[&str]| assert_eq!(body(&documented, text), expected, "{text}");
    check(r#"{"name":"n","count":9,"ssh_keys":["k"],"net":{"vpc":"v1"},"mode":"a"}"#, &[]);
    check("{}", &["`name` is required"]);
    check("[]", &["the request body must be an object"]);
    check(r#"{"name":5}"#, &["`name` must be a string"]);
    check(r#"{"name":"n","count":10}"#, &["`count` must be at most 9"]);
    check(r#"{"name":"n","count":1e300}"#, &["`count` must be at most 9"]);
    check(r#"{"name":"n","ssh_keys":["a","b",3]}"#, &["`ssh_keys[2]` must be a string"]);
    check(r#"{"name":"n","net":{}}"#, &["`net.vpc` is required"]);
    check(r#"{"name":"n","net":{"vpc":"hunter2"}}"#, &["`net.vpc` must be `v1`"]);
    check(r#"{"name":"n","extra":1}"#, &["`extra` is not documented"]);
    check(r#"{"name":"n","my key is hunter2":1}"#, &["the request body is not documented"]);
    check(r#"{"name":"n","mode":{"kind":5}}"#, &["`mode.kind` must be a string"]);
    check(r#"{"name":"n","mode":7}"#, &["`mode` must have one of the documented forms"]);
}

#[test]
fn a_body_that_readers_could_understand_differently_is_refused() {
    let documented = with_body("{ type: object }");
    let check = |text: &[u8], expected: &str| assert_eq!(body(&documented, text), [expected], "{text:?}");
    check(br#"{"role":"user","role":"admin"}"#, "`role` is given twice");
    check(br#"{"a":{"b":1,"\u0062":2}}"#, "`a.b` is given twice");
    check(br#"{"b":0,"a":[{},{"c":{"b":1,"b":2}}]}"#, "`a[1].c.b` is given twice");
    check(br#"[[{"b":1,"b":2}]]"#, "`[0][0].b` is given twice");
    check(br#"{"a":1} x"#, "the request body is not well-formed JSON at line 1 column 9");
    check(br#"{"a":1}{"b":2}"#, "the request body is not well-formed JSON at line 1 column 8");
    check(br#"{"a":1,}"#, "the request body is not well-formed JSON at line 1 column 8");
    check(b"{\"a\":\"\xff\"}", "the request body must be UTF-8");
    check(b"\xef\xbb\xbf{}", "the request body is not well-formed JSON at line 1 column 1");
    check(br#"{"a":"\ud800"}"#, "the request body is not well-formed JSON at line 1 column 13");
    check(br#"{"a":1e999}"#, "the request body is not well-formed JSON at line 1 column 10");
    check(br#"{"a":NaN}"#, "the request body is not well-formed JSON at line 1 column 6");
    check(b"", "the request body is required");
    check(b" ", "the request body is not well-formed JSON at line 1 column 1");
    let deep = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(body(&documented, deep(64)), [""; 0]);
    check(deep(65).as_bytes(), "the request body must not be nested deeper than 64");
    check("[".repeat(60_000).as_bytes(), "the request body must not be nested deeper than 64");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(65_536));
    check(long.as_bytes(), "the request body must not be longer than 65536 bytes");
}

#[test]
fn ten_faults_are_named_at_most_and_the_first_is_told() {
    let documented = with_body("{ type: array, items: { type: integer } }");
    let arrival = arrival("/a/1", &[("content-type", "application/json")]);
    let call = Call { operation: documented.operation.clone(), parameters: vec!["1".to_owned()] };
    let text = format!("[{}]", vec!["\"x\""; 30].join(","));
    let invalid = documented.validator.body(&call, &arrival, text.as_bytes()).unwrap_err();
    assert_eq!(invalid.all().count(), 10);
    assert_eq!(invalid.kind(), InvalidKind::Body);
    let long = format!("[{}]", vec!["\"x\""; 3000].join(","));
    assert_eq!(body(&documented, long), ["`[0]` must be an integer"]);
    let told = invalid.told();
    assert_eq!((told.reason, told.message.as_ref()), ("invalid_body", "`[0]` must be an integer"));
    assert_eq!(told.param.as_deref(), Some("[0]"));
}
