//! What names a set of policies: the digest of its canonical content.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::Value;

/// SHA-256 over these parts, in hexadecimal.
pub(crate) fn sha256_hex<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    hex::encode(context.finish())
}

/// The digest of a schema and of policies with their ids, whatever order they were read in and however they were laid
/// out.
pub(crate) fn digest(schema: &Value, mut policies: Vec<(String, Value)>) -> String {
    policies.sort_by(|left, right| left.0.cmp(&right.0));
    let mut text = String::new();
    canonical(schema, &mut text);
    for (id, policy) in policies {
        // A line feed cannot occur in canonical JSON, so no two sets run together into the same text.
        text.push('\n');
        canonical(&Value::String(id), &mut text);
        text.push(' ');
        canonical(&policy, &mut text);
    }
    sha256_hex([text.as_bytes()])
}

/// JSON with sorted keys and no white space. `serde_json` keeps the order of insertion where another crate asked it to.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, member)) in members.into_iter().enumerate() {
                let _ = write!(out, "{}{}:", if at == 0 { "" } else { "," }, Value::String(key.clone()));
                canonical(member, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                canonical(item, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_digest_is_of_the_content_and_not_of_its_order() {
        let (one, two) = (("a".to_owned(), json!({ "x": 1, "y": [2] })), ("b".to_owned(), json!({})));
        let turned = ("a".to_owned(), json!({ "y": [2], "x": 1 }));
        let digest = |policies: Vec<_>| digest(&json!({}), policies);
        assert_eq!(digest(vec![one.clone(), two.clone()]), digest(vec![two.clone(), turned]));
        assert_ne!(digest(vec![one.clone(), two.clone()]), digest(vec![one]));
        assert_eq!(sha256_hex([b"abc".as_slice()]), sha256_hex([b"a".as_slice(), b"bc".as_slice()]));
    }
}
