//! What holds for every body and every query there could be.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SCHEMA: &str = "{ type: object, required: [a], additionalProperties: { type: [integer, 'null'] }, properties: { a: { \
                      type: string, minLength: 1 }, b: { type: array, maxItems: 2, items: { $ref: \
                      '#/paths/~1a~1%7Bid%7D/post/requestBody/content/application~1json/schema' } } } }";

static DOCUMENTED: LazyLock<Documented> = LazyLock::new(|| with_body(SCHEMA));

static WORD: LazyLock<Documented> =
    LazyLock::new(|| with_parameter("{ name: q, in: query, schema: { type: string, enum: [a], maxLength: 1 } }"));

static LIST: LazyLock<Documented> =
    LazyLock::new(|| with_parameter("{ name: a, in: query, schema: { type: array, items: { type: integer } } }"));

static PLAIN: LazyLock<jsonschema::Validator> = LazyLock::new(plain);

fn plain() -> jsonschema::Validator {
    let schema = json!({
        "$id": "urn:plain", "type": "object", "required": ["a"],
        "additionalProperties": { "type": ["integer", "null"] },
        "properties": {
            "a": { "type": "string", "minLength": 1 },
            "b": { "type": "array", "maxItems": 2, "items": { "$ref": "urn:plain" } },
        },
    });
    jsonschema::draft202012::new(&schema).unwrap()
}

/// JSON that the schema often has no fault with.
fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,3}".prop_map(Value::from),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let leaf = ("[xy]{0,2}", proptest::option::of(any::<i32>())).prop_map(|(a, c)| json!({ "a": a, "c": c }));
    leaf.prop_recursive(3, 12, 3, |inner| {
        ("[xy]{0,2}", proptest::collection::vec(inner, 0..4)).prop_map(|(a, b)| json!({ "a": a, "b": b }))
    })
}

proptest! {
    #[test]
    fn a_body_passes_exactly_when_plain_json_schema_says_so(value in prop_oneof![value(), object()]) {
        let passes = body(&DOCUMENTED, value.to_string()).is_empty();
        prop_assert_eq!(passes, PLAIN.is_valid(&value), "{}", value);
    }

    #[test]
    fn no_bytes_make_the_body_checker_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _either = body(&DOCUMENTED, bytes);
    }

    #[test]
    fn text_that_is_nearly_json_is_read_as_serde_reads_it_or_not_at_all(text in "[\\[\\]{}:, \"ab0-9.eE\\\\u+-]{0,40}") {
        match json::parse(text.as_bytes()) {
            Ok(value) => prop_assert_eq!(Some(value), serde_json::from_str::<Value>(&text).ok()),
            Err(json::Broken::Twice(_)) => {}
            Err(_) => prop_assert!(serde_json::from_str::<Value>(&text).is_err()),
        }
    }

    #[test]
    fn what_was_sent_is_not_told(secret in "[k-z]{12}") {
        for text in [json!(secret), json!({ "a": [secret] }), json!({ "a": "x", "c": secret }), json!({ "a": "x", "b": [{ "a": 1, "d": secret }] })] {
            for wrong in body(&DOCUMENTED, text.to_string()) {
                prop_assert!(!wrong.contains(&secret), "{}", wrong);
            }
        }
        for wrong in head(&WORD, &format!("/a/1?q={secret}"), &[]) {
            prop_assert!(!wrong.contains(&secret), "{}", wrong);
        }
    }

    #[test]
    fn no_query_makes_the_parameter_checker_panic(query in "[a-c=&%+0-9A-F,;\\[\\]]{0,60}") {
        let _either = head(&LIST, &format!("/a/1?{query}"), &[]);
    }

    #[test]
    fn a_value_that_was_encoded_is_the_value_that_is_checked(text in "\\PC{0,20}") {
        let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
        prop_assert_eq!(query::decode(&encoded).map(Cow::into_owned), Some(text));
    }
}
