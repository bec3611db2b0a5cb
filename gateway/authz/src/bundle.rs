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

/// The digest of a schema and of policies with their ids, sorted by id.
pub(crate) fn digest(schema: &Value, policies: &[(&str, String)]) -> String {
    let mut text = String::new();
    canonical(schema, &mut text);
    for (id, policy) in policies {
        // Each part is preceded by its length, so no two sets run together into the same text.
        let _ = write!(text, "\n{} {id} {} {policy}", id.len(), policy.len());
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
        let of = |schema: Value, policies: &[(&str, &str)]| {
            digest(&schema, &policies.iter().map(|(id, it)| (*id, (*it).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(of(json!({ "x": 1, "y": [2] }), &[]), of(json!({ "y": [2], "x": 1 }), &[]));
        assert_ne!(of(json!({}), &[("a", "b")]), of(json!({}), &[("a", "b "), ("", "")]));
        assert_ne!(of(json!({}), &[("a", "b")]), of(json!({}), &[("b", "a")]));
        assert_eq!(sha256_hex([b"abc".as_slice()]), sha256_hex([b"a".as_slice(), b"bc".as_slice()]));
    }
}
