//! Profiles that cannot be served, each with what its writer is told.

use catalog::Catalog;
use tempfile::TempDir;

use crate::sixth::{DOCUMENT, PROFILE, add};
use crate::told;

const OTHER: &str = r"
openapi: 3.1.0
info: { title: Films, version: '3' }
paths:
  /films:
    get:
      operationId: listFilms
      security: [{ card: [read] }]
      responses: { '200': { description: Films. } }
components:
  securitySchemes:
    card: { type: http, scheme: bearer }
";

/// A second profile that contradicts the library in nothing.
fn films() -> String {
    PROFILE
        .replace("\"library\"", "\"films\"")
        .replace("\"Library\"", "\"Films\"")
        .replace("books.example.org", "films.example.org")
        .replace("\"lib_\"", "\"film_\"")
}

/// What the writer of these profiles is told; paths are shown from the folder on.
fn faults(profiles: &[(&str, &str, &str)]) -> String {
    let dir = folder(profiles);
    let faults = Catalog::load(dir.path()).map_or_else(|it| told(&it), |_| String::new());
    faults.replace(&format!("{}/", dir.path().display()), "").replace(&dir.path().display().to_string(), "apis")
}

fn folder(profiles: &[(&str, &str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, profile, document) in profiles {
        add(dir.path(), name, profile, document);
    }
    dir
}

#[track_caller]
fn both(films: &str, expected: &str) {
    assert_eq!(faults(&[("library", PROFILE, DOCUMENT), ("films", films, OTHER)]), expected);
}

#[track_caller]
fn alone(old: &str, new: &str, expected: &str) {
    assert!(PROFILE.contains(old), "{old}");
    assert_eq!(faults(&[("library", &PROFILE.replace(old, new), DOCUMENT)]), expected);
}

#[test]
fn two_profiles_that_contradict_each_other_in_nothing_are_served() {
    both(&films(), "");
}

#[test]
fn a_folder_without_any_api_is_no_catalog() {
    assert_eq!(faults(&[]), "apis: there is no API here\n  help: each API is a folder with an `api.toml`");
}

#[test]
fn a_folder_without_a_profile_is_a_fault() {
    let dir = folder(&[("library", PROFILE, DOCUMENT)]);
    std::fs::create_dir(dir.path().join("stray")).unwrap();
    let faults = told(&Catalog::load(dir.path()).unwrap_err());
    assert!(faults.contains("stray/api.toml: cannot be read: "), "{faults}");
}

#[test]
fn a_profile_is_named_for_its_folder() {
    alone(
        "name = \"library\"",
        "name = \"libary\"",
        "library/api.toml:2:8: `name` is `libary`, but the folder is `library`\n  help: a profile is named for its folder",
    );
}

#[test]
fn a_key_must_tell_which_api_it_opens() {
    both(
        &films().replace("\"film_\"", "\"lib_film_\""),
        "library/api.toml:16:25: keys beginning with `lib_` could also be those of `films`, which begin with `lib_film_`",
    );
}

#[test]
fn a_namespace_belongs_to_one_api() {
    both(
        &films().replace("\"Films\"", "\"Library\""),
        "library/api.toml:4:13: `namespace` `Library` is also that of `films`",
    );
}

#[test]
fn a_shared_host_needs_exactly_one_fallback() {
    let shared = films().replace("films.example.org", "books.example.org");
    both(
        &shared,
        "library/api.toml:8:10: host `books.example.org` is shared with `films`, and none of them is the fallback\n  \
         help: write `fallback = true` in the one whose dialect words unknown paths",
    );
    let willing = shared.replace("title =", "fallback = true\ntitle =");
    both(&willing, "");
    let library = PROFILE.replace("title =", "fallback = true\ntitle =");
    assert_eq!(
        faults(&[("library", &library, DOCUMENT), ("films", &willing, OTHER)]),
        "library/api.toml:3:12: host `books.example.org` already has a fallback: `films`"
    );
}

#[test]
fn those_who_share_a_host_agree_on_what_is_decided_before_the_path() {
    let shared = films()
        .replace("films.example.org", "books.example.org")
        .replace("title =", "fallback = true\nhttps_only = false\ntitle =")
        .replace("base_path =", "paths = \"objects\"\nbase_path =");
    both(
        &shared,
        "library/api.toml:8:10: `https_only` of host `books.example.org` is not what `films` says of it\n\
         library/api.toml:8:10: `paths` of host `books.example.org` is not what `films` says of it",
    );
}

#[test]
fn one_path_of_a_shared_host_belongs_to_one_api() {
    let shared =
        films().replace("films.example.org", "books.example.org").replace("title =", "fallback = true\ntitle =");
    let document = OTHER.replace("/films:", "/loans:").replace("get:", "post:");
    assert_eq!(
        faults(&[("library", PROFILE, DOCUMENT), ("films", &shared, &document)]),
        "library/api.toml:8:10: on host `books.example.org`, `POST /v3/loans` (`createLoan`) names the same requests \
         as `/v3/loans` of `films`"
    );
}

#[test]
fn an_operation_id_names_one_operation_of_an_api() {
    let second = "\n[[surface]]\ndocument = \"more.yaml\"\nhosts = [\"more.example.org\"]\n\n[upstream]";
    let dir = folder(&[("library", &PROFILE.replace("\n[upstream]", second), DOCUMENT)]);
    std::fs::write(dir.path().join("library/more.yaml"), OTHER.replace("listFilms", "getBook")).unwrap();
    let faults = told(&Catalog::load(dir.path()).unwrap_err());
    assert!(
        faults.ends_with("more.yaml: operation `getBook` (`GET /films`) is also the id of `GET /v3/books/{isbn}`"),
        "{faults}"
    );
}

#[test]
fn a_document_that_is_not_there_is_a_fault_of_the_line_that_names_it() {
    alone(
        "document = \"openapi.yaml\"",
        "document = \"opanapi.yaml\"",
        "library/api.toml:7:12: there is no document `opanapi.yaml`\n  help: did you mean `openapi.yaml`?",
    );
    alone(
        "document = \"openapi.yaml\"",
        "document = \"../openapi.yaml\"",
        "library/api.toml:7:12: `document`: `../openapi.yaml` is not a file of this folder",
    );
}

#[test]
fn a_tier_that_is_not_there_cannot_be_the_default() {
    alone(
        "default_tier = \"reader\"",
        "default_tier = \"raeder\"",
        "library/api.toml:41:16: `default_tier`: there is no tier `raeder`\n  help: the tiers are: reader",
    );
}

#[test]
fn an_upstream_is_where_something_can_be_sent() {
    alone(
        "http://127.0.0.1:9199",
        "127.0.0.1:9199",
        "library/api.toml:12:7: `url`: `127.0.0.1:9199` is not an upstream: write `http://host:port` or `https://host`, \
         without user, path or query",
    );
}

#[test]
fn an_operation_that_begins_what_no_other_goes_on_with_is_a_fault() {
    let signs_in =
        DOCUMENT.replace("operationId: getBook", "operationId: getBook\n      x-portcullis-native: sessions.sign_in");
    let told = faults(&[("library", PROFILE, &signs_in)]);
    let expected =
        "library/openapi.yaml: operation `getBook` leads nowhere without `sessions.renew` and `sessions.sign_out`";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn an_operation_that_asks_for_a_credential_nobody_can_have_is_a_fault() {
    alone(
        "api_key = { prefixes = [\"lib_\"] }",
        "",
        "library/api.toml: operation `getBook` asks for a credential, but `[credentials]` takes none",
    );
}

#[test]
fn a_signature_needs_a_service_and_a_service_a_signature() {
    alone(
        "api_key = { prefixes = [\"lib_\"] }",
        "api_key = { prefixes = [\"lib_\"] }\nsigv4 = { region = \"here\" }",
        "library/api.toml:17:9: no surface has a `sigv4_service`, so that no signature can be checked",
    );
    alone(
        "base_path = \"/v3\"",
        "base_path = \"/v3\"\nsigv4_service = \"lib\"",
        "library/api.toml:10:17: `sigv4_service` is `lib`, but `[credentials]` has no `sigv4`",
    );
}

#[test]
fn the_clock_of_a_caller_may_be_off_by_a_quarter_of_an_hour_and_no_more() {
    let signed = PROFILE.replace("base_path = \"/v3\"", "base_path = \"/v3\"\nsigv4_service = \"lib\"");
    let with = |skew: &str| {
        let sigv4 = format!("[credentials]\nsigv4 = {{ region = \"here\"{skew} }}");
        faults(&[("library", &signed.replace("[credentials]", &sigv4), DOCUMENT)])
    };
    for good in ["", ", skew = \"1s\"", ", skew = \"5m\"", ", skew = \"15m\""] {
        assert_eq!(with(good), "", "{good}");
    }
    for bad in ["999ms", "901s", "1h"] {
        let told = with(&format!(", skew = \"{bad}\""));
        assert_eq!(told, "library/api.toml:17:35: `skew` is not between one second and 15 minutes", "{bad}");
    }
}

#[test]
fn everything_wrong_in_every_file_is_told_at_once() {
    let library = PROFILE
        .replace("title = ", "titel = ")
        .replace("hosts = [\"books.example.org\"]", "hosts = [\"Books.example.org:443\"]")
        .replace("http://127.0.0.1:9199", "127.0.0.1")
        .replace("lib_", "lib")
        .replace("{param}", "{parm}")
        .replace("410 = { code = \"7\" }\n", "")
        .replace("limit = 10", "limit = 0")
        .replace("2027-10-01", "2025-10-01")
        .replace("tenant = \"caller\"", "tenant = \"anyone\"");
    let films = films().replace("total = \"5s\"", "total = \"soon\"");
    // Read for its faults even though the profile that names it is at fault, too.
    let document = DOCUMENT.replace("operationId: getBook", "operationid: getBook");
    insta::assert_snapshot!(faults(&[
        ("library", &library, DOCUMENT),
        ("films", &films, OTHER),
        ("third", &films, &document)
    ]));
}

#[test]
fn a_profile_at_fault_hides_no_contradiction_and_makes_none() {
    let shared = films().replace("films.example.org", "books.example.org");
    let spoilt = shared.replace("title =", "fallback = true\ntitle =").replace("\"Films\"", "\"Library\"");
    let spoilt = spoilt.replace("total = \"5s\"", "total = \"soon\"").replace("film_", "lib_");
    let told = faults(&[("library", PROFILE, DOCUMENT), ("films", &spoilt, OTHER)]);
    let lines: Vec<&str> = told.lines().collect();
    let [total, namespace, prefix] = lines.as_slice() else { panic!("{told}") };
    assert!(total.contains("films/api.toml:") && total.contains("`soon` is not a time"), "{told}");
    assert!(namespace.contains("library/api.toml:4:13: `namespace` `Library` is also that of"), "{told}");
    assert!(prefix.contains("keys beginning with `lib_` could also be those of `films`"), "{told}");
}

#[test]
fn what_could_be_read_of_a_profile_at_fault_is_given_with_the_faults() {
    let spoilt = films().replace("total = \"5s\"", "total = \"soon\"");
    let dir = folder(&[("library", PROFILE, "openapi: 2"), ("films", &spoilt, OTHER)]);
    let unsound = Catalog::survey(dir.path()).unwrap_err();
    let [films, library] = unsound.apis.as_slice() else { panic!("{unsound:?}") };
    assert!(unsound.all && library.api.is_none(), "a document that cannot be read has no operations");
    assert_eq!(library.hosts.as_deref(), Some(&["books.example.org".to_owned()][..]));
    assert_eq!(films.api.as_ref().unwrap().operations.len(), 1);
    let unreadable = Catalog::survey(&dir.path().join("nothing")).unwrap_err();
    assert!(unreadable.apis.is_empty() && !unreadable.all);
}

#[test]
fn a_surface_that_may_be_missing_leaves_the_operations_unknown() {
    for spoilt in [films().replace("[[surface]]", "[[surfaces]]"), films().replace("name = ", "name = = ")] {
        let dir = folder(&[("films", &spoilt, OTHER)]);
        let unsound = Catalog::survey(dir.path()).unwrap_err();
        assert!(unsound.apis.iter().all(|it| it.api.is_none() && it.hosts.is_none()), "{spoilt}");
    }
}
