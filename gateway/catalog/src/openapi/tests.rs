//! What a document may say, and what it is told when it says something else.

mod hostile;
mod shipped;
mod slips;

use domain::{Alternative, Body, Class, Native, NativeVerb, Requirement};

use super::*;

/// A document with these operations on `/a/{id}`, whose first line is 13.
fn document(item: &str) -> String {
    let head = "\
openapi: 3.1.0
info: { title: A, version: '1' }
security: [{ key: [read] }]
components:
  securitySchemes:
    key: { type: http, scheme: bearer }
  parameters:
    Id: { name: id, in: path, required: true, schema: { type: string } }
  schemas:
    Name: { type: string, maxLength: 8 }
paths:
  /a/{id}:
";
    let indented: Vec<String> = item.lines().map(|it| format!("    {it}")).collect();
    format!("{head}{}\n", indented.join("\n"))
}

fn surface(api: &ApiName) -> Surface<'_> {
    Surface {
        api,
        api_index: 3,
        base_path: "/v2",
        unknown_query: UnknownQuery::Reject,
        hosts: &[],
        closed_headers: &[],
        long_lived_total: Duration::from_mins(1),
    }
}

fn read_text(text: &str) -> Result<Document, Faults> {
    read(Path::new("openapi.yaml"), text, &surface(&"acme".parse().unwrap())).sound()
}

/// The one operation of a document that has nothing wrong.
#[track_caller]
fn only(item: &str) -> Documented {
    let mut document = read_text(&document(item)).unwrap();
    assert_eq!(document.operations.len(), 1);
    document.operations.remove(0)
}

/// Expects exactly these faults, each as `line:column: message`.
#[track_caller]
fn check(item: &str, expected: &[&str]) {
    let faults = read_text(&document(item)).expect_err(item);
    let found: Vec<String> = faults.iter().map(|it| format!("{}:{}: {}", it.line, it.column, it.message)).collect();
    assert_eq!(found, expected, "{item}");
}

/// Expects one fault, at the place where `at` stands for the first time.
#[track_caller]
fn check_at(item: &str, at: &str, message: &str) {
    let text = document(item);
    let before = text.split(at).next().unwrap();
    let (line, column) =
        (before.matches('\n').count() + 1, before.len() - before.rfind('\n').map_or(0, |it| it + 1) + 1);
    let faults = read_text(&text).expect_err(item);
    let found: Vec<String> = faults.iter().map(|it| format!("{}:{}: {}", it.line, it.column, it.message)).collect();
    assert!(found[0].starts_with(&format!("{line}:{column}: {message}")), "{line}:{column} {item}: {found:?}");
    assert_eq!(found.len(), 1, "{item}: {found:?}");
}

const QUERY: &str =
    "parameters: [{ name: q, in: query, schema: { type: string } }, { name: p, in: query, schema: { type: string } }]";
const ID: &str = "parameters: [{ $ref: '#/components/parameters/Id' }]\n";

#[test]
fn an_operation_is_what_its_document_says() {
    let read = only(
        "parameters: [{ $ref: '#/components/parameters/Id' }]
post:
  operationId: makeA
  tags: [things]
  deprecated: true
  x-portcullis-native: true
  x-portcullis-max-bytes: 1000
  security: [{ key: [write, 'a:b'] }, {}]
  requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Name' } } } }
",
    );
    let operation = &read.operation;
    assert_eq!((operation.id.as_str(), operation.api.as_str(), operation.api_index), ("makeA", "acme", 3));
    assert_eq!((operation.method.as_str(), operation.template.as_str()), ("POST", "/v2/a/{id}"));
    assert_eq!(
        (operation.parameters.as_slice(), operation.tags.as_slice()),
        (&["id".into()][..], &["things".into()][..])
    );
    assert_eq!((operation.class, operation.strict, operation.native), (Class::Write, true, Native::Unserved));
    assert_eq!((operation.deprecated, operation.deadline), (true, Some(Duration::from_mins(1))));
    assert_eq!(operation.body, Body::Checked { max: 1000 });
    let scopes = vec!["write".parse().unwrap(), "a:b".parse().unwrap()];
    let security = Requirement(vec![Alternative(vec![("key".into(), scopes)]), Alternative::default()]);
    assert_eq!(operation.requirement, security);
}

#[test]
fn the_gateway_answers_in_a_way_that_it_knows() {
    let native =
        |said: &str| only(&format!("{ID}get: {{ operationId: a, x-portcullis-native: {said} }}")).operation.native;
    assert_eq!((native("true"), native("false")), (Native::Unserved, Native::No));
    for verb in NativeVerb::ALL {
        assert_eq!(native(verb.as_str()), Native::Served(verb));
    }
    for bad in ["audit.lst", "17171"] {
        let item = format!("{ID}get: {{ operationId: a, x-portcullis-native: {bad} }}");
        check_at(&item, bad, "`x-portcullis-native` must be `true` or what the gateway does: `audit.list`, ");
    }
}

#[test]
fn what_an_operation_does_not_say_follows_from_its_method_and_body() {
    let get = only(&format!("{ID}get: {{ operationId: a }}"));
    assert_eq!((get.operation.class, get.operation.strict, get.operation.body), (Class::Read, false, Body::None));
    assert!(!get.operation.requirement.admits_anonymous());
    let delete = only(&format!("{ID}delete: {{ operationId: a, x-portcullis-strict: false }}"));
    assert_eq!((delete.operation.class, delete.operation.strict), (Class::Delete, false));
    let search = only(&format!("{ID}post: {{ operationId: a, x-cedar-class: read, x-portcullis-stream: true }}"));
    assert_eq!(
        (search.operation.class, search.operation.strict, search.operation.deadline),
        (Class::Read, false, None)
    );
    let labelled = only(&format!("{ID}get: {{ operationId: a, x-portcullis-label: [audit, files] }}"));
    assert_eq!(
        (labelled.operation.strict, labelled.operation.labels.as_slice()),
        (true, ["audit".into(), "files".into()].as_slice())
    );
    let many = only(&format!("{ID}get: {{ operationId: a, x-portcullis-label: files, x-portcullis-strict: false }}"));
    assert_eq!((many.operation.strict, many.operation.labels.as_slice()), (false, ["files".to_owned()].as_slice()));
    for (bad, expected) in [
        ("[ ]", "`x-portcullis-label` must be a label or a list of them"),
        ("17171", "`x-portcullis-label` must be a label or a list of them"),
        ("Fil3s", "a label is 1 to 32 of `a` to `z`, `0` to `9`, `-` and `_`"),
        ("[twofold, twofold]", "label `twofold` is named twice"),
    ] {
        let item = format!("{ID}get: {{ operationId: a, x-portcullis-label: {bad} }}");
        check_at(&item, if bad.contains(',') { "twofold]" } else { bad }, expected);
    }
    let put = only(&format!("{ID}put: {{ operationId: a, requestBody: {{ content: {{ '*/*': {{}} }} }} }}"));
    assert_eq!(put.operation.body, Body::Streamed { max: 5 << 30 });
    assert_eq!(put.operation.deadline, None);
}

#[test]
fn a_path_may_take_the_rest_and_be_selected_by_its_query() {
    let text = document(&format!("{ID}get: {{ operationId: a, {QUERY} }}")).replace("/a/{id}", "/a/{id+}#q&p");
    let read = read_text(&text).unwrap().operations.remove(0);
    assert_eq!((read.operation.template.as_str(), read.rest), ("/v2/a/{id}", true));
    assert_eq!(read.selectors.iter().map(ToString::to_string).collect::<Vec<_>>(), ["q", "p"]);
    let marked =
        "parameters: [{ name: id, in: path, required: true, schema: { type: string }, x-portcullis-rest: true }]";
    assert!(only(&format!("{marked}\nget: {{ operationId: a }}")).rest);
}

#[test]
fn selectors_ask_that_unknown_query_parameters_are_refused() {
    let text = document(&format!("{ID}get: {{ operationId: a, {QUERY} }}")).replace("/a/{id}", "/a/{id}#q");
    let api = "acme".parse().unwrap();
    let surface = Surface { unknown_query: UnknownQuery::Pass, ..surface(&api) };
    let faults = read(Path::new("a.yaml"), &text, &surface).faults;
    assert_eq!(
        faults[0].to_string(),
        "a.yaml:12:3: path `/a/{id}#q` is told apart by its query, but unknown query parameters pass\n  help: an \
         undocumented one could turn this into another operation: write `unknown_query = \"reject\"`"
    );
}

/// Reads a document whose path has these selectors, on a surface that refuses headers beginning with `x-`.
fn selected(selectors: &str, more: &str) -> Result<Document, Faults> {
    let text = document(&format!("{ID}put: {{ operationId: a, {more} }}"));
    let (api, closed) = ("acme".parse().unwrap(), ["x-".to_owned()]);
    let surface = Surface { closed_headers: &closed, ..surface(&api) };
    read(Path::new("a.yaml"), &text.replace("/a/{id}", &format!("/a/{{id}}#{selectors}")), &surface).sound()
}

#[track_caller]
fn unselected(selectors: &str, more: &str, expected: &[&str]) {
    let faults = selected(selectors, more).expect_err(selectors);
    assert_eq!(faults.iter().map(|it| it.message.as_str()).collect::<Vec<_>>(), expected, "{selectors}");
}

#[test]
fn a_header_selects_where_it_is_written_as_one_and_required() {
    let required = "parameters: [{ name: X-From, in: header, required: true, schema: { type: string } }]";
    let read = selected("header:x-from", required).unwrap().operations.remove(0);
    assert_eq!(read.selectors[0].to_string(), "header:x-from");
    let message = "selector `header:x-from` is not among the required header `parameters`";
    unselected("header:x-from", &required.replace("required: true, ", ""), &[message]);
    unselected("header:x-from", "tags: []", &[message]);
    // One that nobody could ask for: the name of a header, written as that of a query parameter.
    unselected("x-from", required, &["selector `x-from` is not among the query `parameters`"]);
    unselected("gone", "tags: []", &["selector `gone` is not among the query `parameters`"]);
    let form = "has a selector `cookie:sid`, which is neither the name of a query parameter nor `header:` and that of a header";
    unselected("cookie:sid", "tags: []", &[&*format!("path `/a/{{id}}#cookie:sid` {form}")]);
    let always = "has a selector `header:host`, but that header is there for reasons of its own, or never";
    unselected("header:host", "tags: []", &[&*format!("path `/a/{{id}}#header:host` {always}")]);
    unselected("q&", QUERY, &["path `/a/{id}#q&` has an empty selector"]);
    let from = required.replace("X-From", "From-Where");
    let open = "path `/a/{id}#header:from-where` is told apart by header `from-where`, which passes where it is not documented";
    unselected("header:from-where", &from, &[open]);
}

#[test]
fn a_document_names_the_servers_where_it_is_served_and_no_others() {
    let (api, hosts) = ("acme".parse().unwrap(), ["api.acme.test".to_owned()]);
    let named = |url: &str| {
        let text = document(&format!("{ID}get: {{ operationId: a }}")).replacen(
            "paths:",
            &format!("servers: [{{ url: '{url}' }}]\npaths:"),
            1,
        );
        read(Path::new("a.yaml"), &text, &Surface { hosts: &hosts, ..surface(&api) }).sound()
    };
    for good in ["https://api.acme.test/v2", "https://api.acme.test/v2/", "/v2"] {
        assert!(named(good).is_ok(), "{good}");
    }
    for bad in
        ["https://other.test/v2", "https://api.acme.test", "https://api.acme.test/v3", "https://api.acme.test.evil/v2"]
    {
        let faults = named(bad).unwrap_err();
        assert_eq!(faults[0].message, format!("server `{bad}` is not where this is served"));
        assert_eq!(faults[0].help.as_deref(), Some("its surface is `https://api.acme.test/v2`"));
    }
}

#[test]
fn what_is_read_besides_is_what_another_operation_reads() {
    let from = |reads: &str| {
        format!(
            "{ID}get: {{ operationId: read }}
put:
  operationId: a
  parameters:
    - {{ name: X-From, in: header, required: true, schema: {{ type: string }}, x-portcullis-reads: {reads} }}
"
        )
    };
    let read = read_text(&document(&from("{ operation: read, query: [v] }"))).unwrap().operations.remove(1);
    let reads = read.validator.reads.unwrap();
    assert_eq!((reads.header.as_str(), reads.operation.as_str(), &*reads.query[0]), ("x-from", "read", "v"));
    for (bad, message) in [
        ("{ operation: gone }", "header `x-from` reads by `gone`, which is no operation here that reads"),
        ("{ operation: a }", "header `x-from` reads by `a`, which is no operation here that reads"),
        ("read", "`x-portcullis-reads` must name an `operation`, and the `query` parameters it is asked with"),
        ("{ operation: read, path: x }", "`path` is not known here"),
    ] {
        let faults = read_text(&document(&from(bad))).unwrap_err();
        assert_eq!(faults.iter().map(|it| it.message.as_str()).collect::<Vec<_>>(), [message], "{bad}");
    }
}

#[test]
fn operations_name_themselves_once_and_their_schemes() {
    check(
        &format!(
            "{ID}get:
  operationId: a b
  security: [{{ other: [read] }}, {{ key: ['a b'] }}]
  responce: {{}}
put:
  x-portcullis-body: checked
head: {{ operationId: twice }}
delete: {{ operationId: twice }}
link: {{}}
"
        ),
        &[
            "15:20: `a b` is not a operation id: use 1 to 128 letters, digits, `-`, `_`, `.`, `:` and `/`",
            "16:20: security scheme `other` is not among `components.securitySchemes`",
            "16:45: `a b` is not a scope: use 1 to 128 letters, digits, `-`, `_`, `.`, `:` and `/`",
            "17:7: `responce` is not known here",
            "18:5: operation `put` has no `operationId`",
            "19:26: `x-portcullis-body` speaks of a body, but there is no `requestBody`",
            "21:28: `operationId` `twice` is that of line 20 too",
            "22:5: `link` is not known here",
        ],
    );
}

#[test]
fn an_operation_that_says_nothing_of_security_is_a_fault() {
    let text = document(&format!("{ID}get: {{ operationId: a }}")).replace("security: [{ key: [read] }]", "tags: []");
    let faults = read_text(&text).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].line, faults[0].message.as_str()), (14, "operation says nothing of `security`"));
}

#[test]
fn path_parameters_and_templates_agree() {
    check("get: { operationId: a }", &["13:5: path parameter `id` is not among the `parameters`"]);
    check(
        &format!(
            "{ID}get:
  operationId: a
  parameters:
    - {{ name: other, in: path, required: true, schema: {{ type: string }} }}
    - {{ name: id, in: path, schema: {{ type: string }} }}
"
        ),
        &[
            "17:11: path parameter `other` is not in `/v2/a/{id}`",
            "18:11: path parameter `id` must be `required: true`",
        ],
    );
    for (path, why) in [
        ("a", "must begin with `/` and hold no `?`"),
        ("/a?b", "must begin with `/` and hold no `?`"),
        ("/a//b", "has an empty segment"),
        ("/a/{x}y", "has a parameter that is not a whole segment"),
        ("/a/{}", "has a parameter without a name"),
        ("/a/{x}/{x}", "names a parameter twice"),
        ("/a/{x+}/b", "goes on after a parameter that takes the rest"),
        ("/a/../b", "has a segment that no request can have"),
    ] {
        let text = document("get: { operationId: a }").replace("/a/{id}:", &format!("'{path}':"));
        let faults = read_text(&text).unwrap_err();
        assert_eq!((faults[0].line, faults[0].message.as_str()), (12, format!("path `{path}` {why}").as_str()));
    }
    let two = document(&format!("{ID}get: {{ operationId: a }}\n")) + "  /a/{key}: {}\n";
    let faults = read_text(&two).unwrap_err();
    assert_eq!((faults[0].line, faults[0].message.as_str()), (15, "`/a/{key}` names the same paths as line 12"));
}

#[test]
fn a_parameter_that_would_not_be_held_to_anything_is_a_fault() {
    let parameter = |text: &str| format!("{ID}get:\n  operationId: a\n  parameters:\n    - {{ name: q, {text} }}\n");
    let untyped = "the schema of a parameter needs one `type`: string, integer, number, boolean or array";
    for (text, at, message) in [
        (
            "in: query, style: deepObject, schema: { type: string }",
            "deepObject",
            "parameter style `deepObject` is not supported here, only `form`",
        ),
        ("in: query, schema: { type: object }", "{ type: object", untyped),
        ("in: query, schema: { type: [string, integer] }", "{ type: [string", untyped),
        ("in: query, schema: { enum: [a, 1] }", "{ enum", untyped),
        (
            "in: query, schema: { type: array, items: { type: object } }",
            "{ type: array",
            "the `items` of a list parameter need one scalar `type`",
        ),
        ("in: query", "{ name: q", "parameter `q` must have either a `schema` or a `content`"),
        ("in: body, schema: {}", "body", "`in` is `body`, not one of `path`, `query`, `header`, `cookie`"),
        (
            "in: header, content: { text/plain: { schema: {} } }",
            "{ text/plain",
            "the `content` of a parameter must be one JSON media type with a `schema`",
        ),
        (
            "in: query, allowEmptyValue: true, schema: { type: string }",
            "allowEmpty",
            "`allowEmptyValue` is not known here",
        ),
        (
            "in: query, x-portcullis-rest: true, schema: { type: string }",
            "x-portcullis",
            "extension `x-portcullis-rest` is not known here",
        ),
        ("in: query, required: maybe, schema: { type: string }", "maybe", "`required` must be `true` or `false`"),
    ] {
        check_at(&parameter(text), at, message);
    }
    let twice =
        parameter("in: query, schema: { type: string } }\n    - { name: q, in: query, schema: { type: string }");
    check(&twice, &["18:11: parameter `q` is named twice, first on line 17"]);
}

#[test]
fn a_schema_is_held_to_json_schema_2020_12_line_by_line() {
    let body = |schema: &str| {
        let indented: Vec<String> = schema.lines().map(|it| format!("          {it}")).collect();
        let content = "  requestBody:\n    content:\n      application/json:\n        schema:";
        format!("{ID}put:\n  operationId: a\n{content}\n{}\n", indented.join("\n"))
    };
    for (schema, at, message) in [
        ("type: strng", "strng", "schema is not JSON Schema 2020-12: "),
        ("properties:\n  a: { minLength: -1 }", "-1", "schema is not JSON Schema 2020-12: "),
        ("pattern: '(?=a)b'", "'(?=a)b'", "pattern is not one that can be matched in linear time"),
        ("patternProperties: { '(?=a)': {} }", "'(?=a)'", "pattern is not one that can be matched in linear time"),
        ("format: date_time", "date_time", "format `date_time` is not known, so nothing would hold a value to it"),
        ("type: string\nnullable: true", "nullable", "`nullable` means nothing in OpenAPI 3.1"),
        ("$ref: other.yaml#/a", "other.yaml", "reference `other.yaml#/a` leaves the document"),
        ("$ref: https://example.com/a", "https", "reference `https://example.com/a` leaves the document"),
        (
            "$ref: '#/components/schemas/Nam'",
            "'#/components/schemas/Nam'",
            "reference `#/components/schemas/Nam` leads",
        ),
        ("items: { $dynamicRef: '#a' }", "$dynamicRef", "`$dynamicRef` is not supported"),
        ("$id: 'https://example.com/'", "$id", "`$id` is not supported"),
    ] {
        check_at(&body(schema), at, message);
    }
}

#[test]
fn a_document_of_another_version_is_refused() {
    for version in ["3.0.3", "'3.2.0'", "3.1", "2"] {
        let text = document(&format!("{ID}get: {{ operationId: a }}")).replace("3.1.0", version);
        let faults = read_text(&text).unwrap_err();
        assert_eq!(
            (faults[0].line, faults[0].message.as_str()),
            (1, "document must say `openapi: \"3.1.0\"` or a later 3.1")
        );
    }
}

#[test]
fn a_document_in_json_is_as_good_as_one_in_yaml() {
    let text = r#"{"openapi": "3.1.0", "info": {"title": "A", "version": "1"}, "paths": {"/a": {"get": {
        "operationId": "a", "security": [], "responses": {"200": {"description": "Yes"}}}}}}"#;
    let read = read_text(text).unwrap().operations.remove(0);
    assert!(read.operation.requirement.admits_anonymous());
}

#[test]
fn a_reference_that_leads_nowhere_hides_no_other_fault_and_makes_none() {
    let text = "parameters: [{ $ref: '#/components/parameters/It' }]
get: { operationId: a }
put: { operationId: a, requestBody: { $ref: '#/components/none' }, x-portcullis-max-bytes: 9 }
post: { operationId: c, parameters: [{ name: q, in: query, style: odd, schema: { type: string } }] }
";
    check(
        text,
        &[
            "13:26: reference `#/components/parameters/It` leads to nothing",
            "15:25: `operationId` `a` is that of line 14 too",
            "15:49: reference `#/components/none` leads to nothing",
            "16:71: parameter style `odd` is not supported here, only `form`",
        ],
    );
}

#[test]
fn a_key_that_is_nothing_is_told_in_words() {
    let faults = read_text("openapi: 3.1.0\n~: 1\n").unwrap_err();
    assert_eq!(faults[0].to_string(), "openapi.yaml:2:1: a key is nothing, not a text");
}
