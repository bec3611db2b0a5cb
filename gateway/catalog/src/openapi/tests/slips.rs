//! Slips of the pen that JSON Schema passes over, and that would leave requests held to nothing.

use super::*;

/// An operation with a body of this schema.
fn body(schema: &str) -> String {
    format!(
        "{ID}post:\n  operationId: a\n  requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }}\n"
    )
}

#[test]
fn a_word_that_no_schema_knows_is_a_fault_wherever_the_schema_stands() {
    for (schema, slip, meant) in [
        ("{ type: integer, minimun: 1 }", "minimun", Some("minimum")),
        ("{ type: integer, maximun: 1 }", "maximun", Some("maximum")),
        ("{ type: object, requried: [a] }", "requried", Some("required")),
        ("{ type: array, items: { type: string, maxLenght: 1 } }", "maxLenght", Some("maxLength")),
        ("{ type: object, properties: { properties: { type: string, enmu: [a] } } }", "enmu", Some("enum")),
        (
            "{ allOf: [{ type: object, additionalPropertys: false }] }",
            "additionalPropertys",
            Some("additionalProperties"),
        ),
        ("{ type: object, additionalProperties: { wholly: true } }", "wholly", None),
    ] {
        let item = body(schema);
        check_at(&item, slip, &format!("keyword `{slip}` is not known, so nothing would hold a value to it"));
        let told = read_text(&document(&item)).unwrap_err().remove(0).help;
        assert_eq!(told, meant.map(|it| format!("did you mean `{it}`?")), "{schema}");
    }
    let item = format!(
        "{ID}get:\n  operationId: a\n  responses: {{ '200': {{ description: A, content: {{ application/json: {{ schema: {{ typ: string }} }} }} }} }}\n"
    );
    check_at(&item, "typ:", "keyword `typ` is not known");
}

#[test]
fn what_names_and_data_a_schema_holds_are_the_writers_own() {
    only(&body(
        "{ type: object, x-mine: { minimun: 1 }, xml: { name: a }, externalDocs: { url: 'https://a.example' },
           discriminator: { propertyName: kind, mapping: { a: '#/components/schemas/Name' } },
           properties: { minimun: { const: { requried: 1 } }, kind: { enum: [{ typ: 1 }, a] } },
           dependentRequired: { maximun: [kind] }, default: { kind: a } }",
    ));
}

#[test]
fn a_value_that_a_document_shows_is_one_that_its_schema_takes() {
    for (schema, at, what) in [
        ("{ type: integer, maximum: 100, default: 500 }", "500", "default"),
        ("{ type: string, maxLength: 3, example: abcd }", "abcd", "example"),
        ("{ type: string, maxLength: 3, examples: [abc, abcde] }", "abcde", "example"),
        (
            "{ type: object, required: [n], properties: { n: { type: integer } }, example: { n: 'one' } }",
            "'one'",
            "example",
        ),
        ("{ $ref: '#/components/schemas/Name', default: 'far too long' }", "'far too long'", "default"),
    ] {
        check_at(&body(schema), at, &format!("{what} is not what its schema asks for: "));
    }
    for (more, at) in [("example: 'way too long'", "'way"), ("examples: { one: { value: 'way too long' } }", "'way")] {
        let name = "schema: { $ref: '#/components/schemas/Name' }";
        let parameters = format!(
            "parameters: [{{ $ref: '#/components/parameters/Id' }}, {{ name: q, in: query, {name}, {more} }}]\nget: {{ operationId: a }}"
        );
        check_at(&parameters, at, "example is not what its schema asks for: ");
        let media = format!("{{ $ref: '#/components/schemas/Name' }}, {more}");
        check_at(&body(&media), at, "example is not what its schema asks for: ");
    }
    // An example of another type is a text in that type.
    let form = "requestBody: { content: { application/xml: { schema: { type: object }, example: '<a/>' } } }";
    only(&format!("{ID}post:\n  operationId: a\n  {form}\n"));
}

#[test]
fn one_slip_in_a_schema_hides_no_other() {
    check(
        &body("{ type: object, minimun: 1, properties: { a: { type: integer, maximum: 1, default: 2 } } }"),
        &[
            "16:77: keyword `minimun` is not known, so nothing would hold a value to it",
            "16:144: default is not what its schema asks for: 2 is greater than the maximum of 1",
        ],
    );
}

#[test]
fn a_body_has_a_media_type_that_somebody_sends() {
    let item = |media: &str| {
        format!(
            "{ID}post:\n  operationId: a\n  requestBody: {{ content: {{ {media}: {{ schema: {{ type: object }} }} }} }}\n"
        )
    };
    check_at(&item("application/jsn"), "application/jsn", "`application/jsn` is no media type that is known");
    let told = read_text(&document(&item("application/jsn"))).unwrap_err().remove(0).help.unwrap();
    assert!(told.starts_with("did you mean `application/json`? "), "{told}");
    only(&item("application/vnd.acme.thing"));
    only(&item("application/*"));
}

#[test]
fn a_scope_that_no_flow_declares_is_a_slip() {
    let oauth =
        "key: { type: oauth2, flows: { clientCredentials: { tokenUrl: '/t', scopes: { compute: C, data: D } } } }";
    let text = |scope: &str| {
        let item = format!("{ID}get: {{ operationId: a, security: [{{ key: [{scope}] }}] }}");
        document(&item).replace("key: { type: http, scheme: bearer }", oauth)
    };
    let faults = read_text(&text("computee")).unwrap_err();
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!(
        fault.to_string(),
        "openapi.yaml:14:47: no flow of `key` declares the scope `computee`\n  help: did you mean `compute`?"
    );
    let help = read_text(&text("x")).unwrap_err().remove(0).help.unwrap();
    assert_eq!(help, "declare it among the `scopes` of its `flows`");
    read_text(&text("data").replace("security: [{ key: [read] }]", "security: []")).unwrap();
}

#[test]
fn an_extension_of_ours_that_is_misspelt_is_not_passed_over() {
    for (written, meant) in
        [("x-portculis-native", "native"), ("x-portcullis_stream", "stream"), ("x-portcuillis-body", "body")]
    {
        let item = format!("{ID}get: {{ operationId: a, {written}: true }}");
        check_at(&item, written, &format!("extension `{written}` would be passed over"));
        let told = read_text(&document(&item)).unwrap_err().remove(0).help;
        assert_eq!(told, Some(format!("did you mean `x-portcullis-{meant}`?")));
    }
    only(&format!("{ID}get: {{ operationId: a, x-portal-native: true, x-amazon-apigateway-auth: 1 }}"));
}

#[test]
fn answers_that_are_spoken_of_are_some() {
    check_at(
        &format!("{ID}get: {{ operationId: a, responses: {{}} }}"),
        "{}",
        "`responses` must say of at least one answer",
    );
}
