//! An API nobody wrote a line of Rust for.

use std::fs;
use std::path::Path;

use catalog::{Catalog, Unidentified, upstream};
use domain::{RequestId, Told};
use http::StatusCode;
use tempfile::TempDir;

use crate::{arrival, host, identify, load, shipped, told};

pub(crate) const PROFILE: &str = r#"
name = "library"
title = "City library"
namespace = "Library"

[[surface]]
document = "openapi.yaml"
hosts = ["books.example.org"]
base_path = "/v3"

[upstream]
url = "http://127.0.0.1:9199"
total = "5s"

[credentials]
api_key = { prefixes = ["lib_"] }

[dialect.default]
format = "xml"
body = '<fault><why>{message}</why><where>{param}</where><no>{code}</no></fault>'

[dialect.default.status]
400 = { code = "1" }
401 = { code = "2", message = "Show your card." }
403 = { code = "3" }
404 = { code = "4", message = "Not on our shelves." }
405 = { code = "5" }
409 = { code = "6" }
410 = { code = "7" }
413 = { code = "8" }
422 = { code = "9" }
429 = { code = "10" }
431 = { code = "11" }
500 = { code = "12" }
502 = { code = "13" }
503 = { code = "14" }
504 = { code = "15" }

[limits]
counted_by = "tenant"
default_tier = "reader"
headers = { limit = "X-Loans-Limit", remaining = "X-Loans-Left", reset = "X-Loans-Reset" }

[[limits.tier]]
name = "reader"
rules = [{ name = "sustained", limit = 10, window = "1m" }]

[[version]]
name = "v3"
prefix = "/v3"
deprecated_at = "2026-10-01T00:00:00Z"
sunset_at = "2027-10-01T00:00:00Z"
successor = "https://books.example.org/v4"

[resource]
tenant = "caller"
"#;

pub(crate) const DOCUMENT: &str = r"
openapi: 3.1.0
info: { title: City library, version: '3' }
paths:
  /books/{isbn}:
    get:
      operationId: getBook
      security: [{ card: [read] }]
      parameters:
        - { name: isbn, in: path, required: true, schema: { type: string, minLength: 10 } }
        - { name: lang, in: query, schema: { type: string, enum: [en, de] } }
      responses: { '200': { description: A book. } }
  /loans:
    post:
      operationId: createLoan
      security: [{ card: [borrow] }]
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [isbn]
              properties: { isbn: { type: string }, weeks: { type: integer, maximum: 4 } }
      responses: { '201': { description: Lent. } }
components:
  securitySchemes:
    card: { type: http, scheme: bearer }
";

/// Puts a profile and its document into a folder of `dir`.
pub(crate) fn add(dir: &Path, name: &str, profile: &str, document: &str) {
    let folder = dir.join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("api.toml"), profile).unwrap();
    fs::write(folder.join("openapi.yaml"), document).unwrap();
}

/// The profiles that ship, and one more.
fn six() -> (TempDir, Catalog) {
    let dir = tempfile::tempdir().unwrap();
    for folder in fs::read_dir(shipped()).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir()) {
        let copy = dir.path().join(folder.file_name().unwrap());
        fs::create_dir(&copy).unwrap();
        for file in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_file()) {
            fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    }
    add(dir.path(), "library", PROFILE, DOCUMENT);
    fs::write(dir.path().join("library/access.cedar"), "").unwrap();
    let catalog = load(dir.path());
    (dir, catalog)
}

#[test]
fn a_sixth_api_is_a_folder_and_no_code() {
    let (_dir, catalog) = six();
    let arrival = arrival("GET", "books.example.org/v3/books/9780131103627?lang=de");
    let call = identify(&catalog, &arrival).unwrap();
    let profile = catalog.profile(&call);
    assert_eq!((profile.api.name.as_str(), call.operation.id.as_str()), ("library", "getBook"));
    assert_eq!(call.parameter("isbn"), Some("9780131103627"));
    assert_eq!(catalog.validate_head(&call, &arrival), Ok(()));
    assert_eq!(catalog.upstream(&call), &upstream("http://127.0.0.1:9199").unwrap());
    assert_eq!(profile.limits.headers.limit, "x-loans-limit");
    assert_eq!(profile.limits.default_tier.rules[0].limit.get(), 10);
    assert_eq!(profile.policies.len(), 1);
    assert_eq!(catalog.profiles().len(), load(&shipped()).profiles().len() + 1);
}

#[test]
fn a_sixth_api_refuses_in_its_own_words() {
    let (_dir, catalog) = six();
    let id = RequestId::from_bytes([1; 16]);
    let word = |status, told: &Told| {
        let worded = catalog.host("books.example.org").unwrap().dialect().word_about("", status, told, &id);
        assert_eq!(worded.content_type, "application/xml");
        String::from_utf8(worded.body.to_vec()).unwrap()
    };
    let unknown = arrival("GET", "books.example.org/v3/films");
    let refusal = identify(&catalog, &unknown).unwrap_err();
    assert!(matches!(refusal, Unidentified::UnknownPath));
    assert_eq!(
        word(StatusCode::NOT_FOUND, &refusal.told()),
        "<fault><why>Not on our shelves.</why><where></where><no>4</no></fault>"
    );

    let bad = arrival("GET", "books.example.org/v3/books/9780131103627?lang=fr");
    let call = identify(&catalog, &bad).unwrap();
    let invalid = catalog.validate_head(&call, &bad).unwrap_err();
    let worded = word(StatusCode::BAD_REQUEST, &invalid.told());
    assert!(worded.contains("<where>lang</where><no>1</no>") && !worded.contains("fr"), "{worded}");
    assert_eq!(catalog.dialect(&call).word_about("", StatusCode::BAD_REQUEST, &invalid.told(), &id).body, worded);
}

#[test]
fn a_sixth_api_has_its_bodies_checked() {
    let (_dir, catalog) = six();
    let mut arrival = arrival("POST", "books.example.org/v3/loans");
    arrival.headers.insert("content-type", "application/json".parse().unwrap());
    arrival.headers.insert("content-length", "30".parse().unwrap());
    let call = identify(&catalog, &arrival).unwrap();
    assert_eq!(catalog.validate_head(&call, &arrival), Ok(()));
    assert_eq!(catalog.validate_body(&call, &arrival, br#"{"isbn": "9780131103627", "weeks": 4}"#), Ok(()));
    let invalid = catalog.validate_body(&call, &arrival, br#"{"isbn": "9780131103627", "weeks": 9}"#).unwrap_err();
    assert_eq!(invalid.told().param.as_deref(), Some("weeks"));
}

#[test]
fn a_sixth_api_says_that_its_version_is_on_its_way_out() {
    let (_dir, catalog) = six();
    let mut arrival = arrival("GET", "books.example.org/v3/books/9780131103627");
    let call = identify(&catalog, &arrival).unwrap();
    let notices = catalog.notices(&call, arrival.at.wall).unwrap();
    let sunset = notices.iter().find(|(name, _)| name == "sunset").unwrap();
    assert_eq!(sunset.1, "Fri, 01 Oct 2027 00:00:00 GMT");
    assert_eq!(catalog.notices(&call, "2026-09-30T23:59:59Z".parse().unwrap()), None);

    arrival.at.wall = "2027-10-01T00:00:01Z".parse().unwrap();
    assert!(matches!(identify(&catalog, &arrival), Err(Unidentified::Removed(_))));
}

#[test]
fn an_operation_marked_deprecated_says_so_without_a_version() {
    let dir = tempfile::tempdir().unwrap();
    let profile = PROFILE.replace("prefix = \"/v3\"", "prefix = \"/v2\"");
    let document = DOCUMENT.replace("operationId: getBook", "operationId: getBook\n      deprecated: true");
    add(dir.path(), "library", &profile, &document);
    let catalog = load(dir.path());
    let notices = |method, path: &str| {
        let arrival = arrival(method, &format!("books.example.org/v3/{path}"));
        let call = identify(&catalog, &arrival).unwrap();
        catalog.notices(&call, arrival.at.wall).map(<[_]>::to_vec)
    };
    assert_eq!(notices("GET", "books/9780131103627").unwrap()[0].0, "deprecation");
    assert_eq!(notices("POST", "loans"), None);
}

#[test]
fn a_deployment_sends_an_api_where_it_really_is() {
    let (_dir, mut catalog) = six();
    let elsewhere = upstream("https://10.0.0.7:8443").unwrap();
    let calls =
        ["books.example.org/v3/books/9780131103627", "cloudnx.in/compute/instances", "s3.cloudnx.in/bucket/key"]
            .map(|it| identify(&catalog, &arrival("GET", it)).unwrap());
    let before = catalog.upstream(&calls[1]).clone();
    catalog.send_to(elsewhere.clone(), "library").unwrap();
    catalog.send_host_to(&elsewhere, "cloudnx", "s3.cloudnx.in").unwrap();
    assert_eq!(catalog.upstream(&calls[0]), &elsewhere);
    assert_eq!(catalog.upstream(&calls[1]), &before);
    assert_eq!(catalog.upstream(&calls[2]), &elsewhere);
    assert_eq!(catalog.send_to(elsewhere.clone(), "museum").unwrap_err().to_string(), "there is no API `museum`");
    assert_eq!(
        catalog.send_host_to(&elsewhere, "library", "cloudnx.in").unwrap_err().to_string(),
        "API `library` has no host `cloudnx.in`"
    );
}

#[test]
fn a_path_that_one_api_of_a_shared_host_knows_is_refused_in_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let films = PROFILE
        .replace("\"library\"", "\"films\"\nfallback = true")
        .replace("\"Library\"", "\"Films\"")
        .replace("\"lib_\"", "\"film_\"")
        .replace("fault>", "film>");
    let document = DOCUMENT.replace("/books/", "/films/").replace("/loans", "/showings");
    add(dir.path(), "library", PROFILE, DOCUMENT);
    add(dir.path(), "films", &films, &document);
    let catalog = load(dir.path());
    let refused = |method, path: &str| {
        let arrival = arrival(method, &format!("books.example.org/v3/{path}"));
        let refusal = identify(&catalog, &arrival).unwrap_err();
        let (words, speaker) = host(&catalog, &arrival).words(&refusal, &arrival);
        assert_eq!(catalog.profiles()[speaker].api.name.as_str() == "films", path != "loans");
        let worded = words.word_about("", StatusCode::NOT_FOUND, &refusal.told(), &arrival.id);
        String::from_utf8(worded.body[..6].to_vec()).unwrap()
    };
    assert_eq!(refused("PATCH", "loans"), "<fault");
    assert_eq!(refused("PATCH", "showings"), "<film>");
    assert_eq!(refused("GET", "nothing"), "<film>");
}

#[test]
fn a_call_of_another_catalog_is_led_nowhere_and_trusted_with_nothing() {
    let (_dir, six) = six();
    let stranger = identify(&six, &arrival("GET", "api.novastraxis.com/v2/compute/instances")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    add(dir.path(), "library", PROFILE, DOCUMENT);
    let one = load(dir.path());
    assert_eq!(one.profile(&stranger).credentials, catalog::Credentials::default());
    assert_eq!(one.upstream(&stranger).port, 0);
    assert!(one.validate_head(&stranger, &arrival("GET", "api.novastraxis.com/v2/compute/instances")).is_err());
    assert_eq!(host(&one, &arrival("GET", "books.example.org/")).name, "books.example.org");
}

#[test]
fn a_removed_version_that_has_operations_is_told_with_its_line() {
    let (dir, catalog) = six();
    let named = |name: &str| catalog.profiles().iter().find(|it| it.api.name.as_str() == name).unwrap();
    let shut = |name: &str, at: &str| -> Vec<String> {
        named(name).shut(at.parse().unwrap()).iter().map(|it| format!("{}: {}", it.line, it.message)).collect()
    };
    assert!(shut("library", "2027-10-01T00:00:00Z").is_empty());
    assert_eq!(
        shut("library", "2027-10-01T00:00:01Z"),
        ["50: every operation is at or below `/v3`, which was removed as version `v3`"]
    );
    assert!(shut("novastraxis", "2030-01-01T00:00:00Z").is_empty(), "only one of its versions was");
    // A slip of the pen takes what is served for what is gone; what is not below it stays.
    let file = dir.path().join("novastraxis/api.toml");
    let text = fs::read_to_string(&file).unwrap();
    let slip = text.replace("prefix = \"/v1\"", "prefix = \"/v2\"").replace("successor = \"/v2\"\n", "");
    fs::write(&file, slip).unwrap();
    let catalog = load(dir.path());
    let told = catalog.profiles().iter().flat_map(|it| it.shut("2026-12-01T00:00:00Z".parse().unwrap()));
    let told: Vec<String> = told.map(|it| it.to_string()).collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert!(told.contains("novastraxis/api.toml:") && told.contains(" more are at or below `/v2`"), "{told}");
}

#[test]
fn a_version_that_is_its_own_successor_is_a_fault() {
    let (dir, _) = six();
    let file = dir.path().join("novastraxis/api.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("prefix = \"/v1\"") && text.contains("successor = \"/v2\""), "{text}");
    fs::write(&file, text.replace("prefix = \"/v1\"", "prefix = \"/v2\"")).unwrap();
    let told = told(&Catalog::load(dir.path()).unwrap_err());
    assert!(told.contains("`successor` `/v2` is at or below `/v2`, and would be removed with it"), "{told}");
}

#[test]
fn a_version_whose_successor_is_not_served_is_told() {
    let (dir, catalog) = six();
    assert_eq!(catalog.profiles().iter().flat_map(catalog::Profile::strays).collect::<Vec<_>>(), []);
    let file = dir.path().join("novastraxis/api.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("successor = \"/v2\"", "successor = \"/v9\"")).unwrap();
    let told: Vec<String> =
        load(dir.path()).profiles().iter().flat_map(catalog::Profile::strays).map(|it| it.to_string()).collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert!(told.contains("novastraxis/api.toml:") && told.ends_with("to `/v9`, where no operation is"), "{told}");
}
