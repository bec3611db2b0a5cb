use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::written::Sheet;

const BODY: &str = r#"{"error": {"code": "{code}", "type": "{type}", "message": "{message}", "param": "{param}", "id": "{request_id}"}}"#;

fn written(body: &str, rows: &[String], rest: &str) -> String {
    format!(
        "format = \"json\"\nrequest_id_prefix = \"req_\"\nbody = '''{body}'''\n[status]\n{}\n{rest}",
        rows.join("\n")
    )
}

fn rows() -> Vec<String> {
    STATUSES.iter().map(|it| format!("{it} = {{ code = \"c{it}\", type = \"t{it}\" }}")).collect()
}

fn read(text: &str) -> Result<Dialect, Vec<String>> {
    let (read, faults) = Sheet::new(Path::new("api.toml"), text).read(Dialect::read);
    read.filter(|_| faults.is_empty()).ok_or_else(|| faults.iter().map(ToString::to_string).collect())
}

fn id() -> RequestId {
    RequestId::from_bytes([0xab; 16])
}

fn body(worded: &Worded) -> serde_json::Value {
    serde_json::from_slice(&worded.body).unwrap()
}

fn header<'a>(worded: &'a Worded, name: &HeaderName) -> Option<&'a str> {
    worded.headers.iter().find(|(it, _)| it == name).map(|(_, it)| it.to_str().unwrap())
}

#[test]
fn a_refusal_is_worded_by_its_status() {
    let dialect = read(&written(BODY, &rows(), "")).unwrap();
    let told = Told::new("invalid_parameter", "must be at most 100").about("per_page");
    let worded = dialect.word_about("", StatusCode::BAD_REQUEST, &told, &id());
    assert_eq!((worded.status, worded.content_type.to_str().unwrap()), (StatusCode::BAD_REQUEST, "application/json"));
    assert_eq!(
        std::str::from_utf8(&worded.body).unwrap(),
        format!(
            r#"{{"error":{{"code":"c400","type":"t400","message":"must be at most 100","param":"per_page","id":"req_{}"}}}}"#,
            "ab".repeat(16)
        )
    );
    assert_eq!(header(&worded, &CACHE_CONTROL), Some("no-store"));
    assert_eq!(header(&worded, &X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
    assert_eq!(header(&worded, &REFUSAL_REASON), Some("invalid_parameter"));
}

#[test]
fn the_request_id_is_also_where_clients_of_the_api_look_for_it() {
    let told = Told::new("insufficient_scope", "no");
    let named = written(BODY, &rows(), "").replacen("format", "request_id_header = \"x-amz-request-id\"\nformat", 1);
    let (plain, named) = (read(&written(BODY, &rows(), "")).unwrap(), read(&named).unwrap());
    let name = HeaderName::from_static("x-amz-request-id");
    let shown = format!("req_{}", "ab".repeat(16));
    assert_eq!(header(&named.word_about("", StatusCode::FORBIDDEN, &told, &id()), &name), Some(&*shown));
    assert_eq!(named.request_id(&id()).unwrap().1, *shown);
    assert_eq!(
        (header(&plain.word_about("", StatusCode::FORBIDDEN, &told, &id()), &name), plain.request_id(&id())),
        (None, None)
    );
    let taken = written(BODY, &rows(), "").replacen("format", "request_id_header = \"Retry-After\"\nformat", 1);
    assert!(read(&taken).unwrap_err()[0].contains("`retry-after` means something else already"));
}

#[test]
fn a_reason_goes_before_a_status_and_a_status_before_what_the_room_told() {
    let mut rows = rows();
    rows[1] = "401 = { code = \"c401\", type = \"t401\", message = \"one text for all\" }".to_owned();
    let rest = "[reason]\nip_not_allowed = { code = \"IP\" }\nrequest_time_skewed = { code = \"Skew\", message = \"late\", status = 403 }";
    let dialect = read(&written(BODY, &rows, rest)).unwrap();

    let ip = dialect.word_about("", StatusCode::FORBIDDEN, &Told::new("ip_not_allowed", "not from there"), &id());
    assert_eq!(body(&ip)["error"]["code"], "IP");
    assert_eq!(body(&ip)["error"]["type"], "t403");
    assert_eq!(body(&ip)["error"]["message"], "not from there");

    let missing = dialect.word_about("", StatusCode::UNAUTHORIZED, &Told::new("no_credential", "show one"), &id());
    assert_eq!(body(&missing)["error"]["message"], "one text for all");
    assert_eq!(body(&missing)["error"]["param"], serde_json::Value::Null);

    let late = dialect.word_about("", StatusCode::UNAUTHORIZED, &Told::new("request_time_skewed", "your clock"), &id());
    assert_eq!((late.status, &body(&late)["error"]["message"]), (StatusCode::FORBIDDEN, &"late".into()));
}

#[test]
fn a_status_may_be_answered_with_another() {
    let mut rows = rows();
    rows[9] = "429 = { code = \"SlowDown\", type = \"t\", status = 503 }".to_owned();
    let dialect = read(&written(BODY, &rows, "")).unwrap();
    let slow = dialect.word_about("", StatusCode::TOO_MANY_REQUESTS, &Told::new("over_limit", "slow down"), &id());
    assert_eq!((slow.status, &body(&slow)["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"SlowDown".into()));
}

#[test]
fn a_reason_with_a_status_of_its_own_looks_like_that_status_and_hides_its_name() {
    let rest = "[reason]\ntenant_mismatch = { status = 404, message = \"Not found.\" }";
    let dialect = read(&written(BODY, &rows(), rest)).unwrap();
    let hidden =
        dialect.word_about("", StatusCode::FORBIDDEN, &Told::new("tenant_mismatch", "another tenant's"), &id());
    let honest = dialect.word_about("", StatusCode::NOT_FOUND, &Told::new("unknown_path", "Not found."), &id());
    assert_eq!((hidden.status, &hidden.body), (honest.status, &honest.body));
    assert_eq!(header(&hidden, &REFUSAL_REASON), None);
}

#[test]
fn a_status_nobody_foresaw_is_worded_as_the_plainest_of_its_class() {
    let dialect = read(&written(BODY, &rows(), "")).unwrap();
    for (status, code) in [(StatusCode::IM_A_TEAPOT, "c400"), (StatusCode::NOT_IMPLEMENTED, "c500")] {
        let worded = dialect.word_about("", status, &Told::new("odd", "odd"), &id());
        assert_eq!((worded.status, &body(&worded)["error"]["code"]), (status, &code.into()));
    }
}

#[test]
fn the_gateway_has_words_of_its_own_for_a_host_nobody_claims() {
    let worded =
        Dialect::plain().word_about("", StatusCode::NOT_FOUND, &Told::new("unknown_host", "no API here"), &id());
    let expected = serde_json::json!({"error": {"message": "no API here", "request_id": format!("req_{}", id())}});
    assert_eq!(body(&worded), expected);
}

#[test]
fn a_table_with_a_hole_in_it_is_refused() {
    let mut rows = rows();
    rows.retain(|it| !it.starts_with("410") && !it.starts_with("504"));
    rows[0] = "400 = { type = \"t\" }".to_owned();
    rows.push("418 = { code = \"c\", type = \"t\" }".to_owned());
    rows.push("oops = 1".to_owned());
    assert_eq!(
        read(&written(BODY, &rows, "[reason]\nNot-Good = { cod = \"x\", status = 200 }\n")).unwrap_err(),
        [
            "api.toml:4:1: no row for status 410, 504",
            "api.toml:5:1: status 400 has no `code`, which the body shows",
            "api.toml:18:1: `418` is no status the gateway gives\n  help: the gateway gives 400, 401, 403, 404, 405, \
             409, 410, 413, 422, 429, 431, 500, 502, 503, 504",
            "api.toml:19:8: `oops` is a table, not this integer",
            "api.toml:21:1: `Not-Good` is not a reason: use a-z, 0-9 and `_`",
            "api.toml:21:14: no such key `cod`\n  help: did you mean `code`?",
            "api.toml:21:34: `200` is not a status from 400 to 599",
        ]
    );
}

#[test]
fn a_body_without_a_code_needs_none_in_its_rows() {
    let rows: Vec<String> = STATUSES.iter().map(|it| format!("{it} = {{}}")).collect();
    let dialect = read(&written(r#"{"error": "{message}"}"#, &rows, "")).unwrap();
    let worded = dialect.word_about("", StatusCode::GONE, &Told::new("gone", "expired"), &id());
    assert_eq!(&worded.body[..], br#"{"error":"expired"}"#);
}

proptest! {
    #[test]
    fn whatever_is_told_the_body_has_the_shape_of_the_dialect(
        status in 400_u16..600, message in any::<String>(), param in any::<Option<String>>(),
    ) {
        let dialect = read(&written(BODY, &rows(), "")).unwrap();
        let told = Told { reason: "r", message: message.clone().into(), param: param.clone() };
        let worded = dialect.word_about("", StatusCode::from_u16(status).unwrap(), &told, &id());
        let row = if STATUSES.contains(&status) { status } else if status < 500 { 400 } else { 500 };
        prop_assert_eq!(body(&worded), serde_json::json!({"error": {
            "code": format!("c{row}"), "type": format!("t{row}"), "message": message, "param": param, "id": format!("req_{}", id()),
        }}));
    }
}

#[test]
fn a_body_may_be_said_to_be_something_more_particular_of_its_format() {
    let text = |said: &str| format!("content_type = \"{said}\"\n{}", written(BODY, &rows(), ""));
    let dialect = read(&text("application/problem+json")).unwrap();
    let worded = dialect.word_about("", StatusCode::NOT_FOUND, &Told::new("not_found", "no"), &id());
    assert_eq!(worded.content_type, "application/problem+json");
    for bad in ["application/problem+xml", "text/json", "application/problemjson", "application/a b+json", "json", ""] {
        let faults = read(&text(bad)).unwrap_err();
        assert!(faults[0].starts_with("api.toml:1:16: `content_type`: "), "{bad}: {faults:?}");
        assert_eq!(faults.len(), 1, "{bad}: {faults:?}");
    }
}

#[test]
fn a_client_of_the_issuer_is_refused_in_the_words_of_oauth_with_the_request_id_of_the_api() {
    let named = written(BODY, &rows(), "").replacen("format", "request_id_header = \"x-amz-request-id\"\nformat", 1);
    let dialect = read(&named).unwrap().of_issuer();
    for (status, error) in [
        (400, "invalid_request"),
        (401, "invalid_client"),
        (413, "invalid_request"),
        (429, "temporarily_unavailable"),
        (500, "server_error"),
        (503, "temporarily_unavailable"),
    ] {
        let told = Told::new("too_many_tries", "Wait \"a\" while.");
        let worded = dialect.word_about("", StatusCode::from_u16(status).unwrap(), &told, &id());
        assert_eq!(worded.status.as_u16(), status);
        let expected = serde_json::json!({ "error": error, "error_description": "Wait \"a\" while." });
        assert_eq!(body(&worded), expected);
        assert_eq!(header(&worded, &REFUSAL_REASON), Some("too_many_tries"));
        assert!(worded.headers.iter().any(|(it, _)| it == "x-amz-request-id"));
    }
}
