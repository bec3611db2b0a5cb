//! `config`: what the plugin was bound with, as JSON.

use serde_json::Value;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::Lent;

pub(super) fn add(to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    to.func_wrap("raw", |store: StoreContextMut<'_, Lent>, (): ()| Ok((store.data().config.to_string(),)))?;
    to.func_wrap("get", |store: StoreContextMut<'_, Lent>, (pointer,): (String,)| {
        Ok((found(&store.data().config, &pointer),))
    })
}

/// What stands at a JSON pointer (RFC 6901): a text as it is, anything else as JSON.
fn found(config: &str, pointer: &str) -> Option<String> {
    // Read anew each time: who asks on every request does better to keep what `configure` was given.
    let config: Value = serde_json::from_str(config).ok()?;
    let found = config.pointer(pointer)?;
    Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_finds_a_text_as_it_is_and_anything_else_as_json() {
        let config = r#"{"a": {"b": "c"}, "n": 1, "l": [true]}"#;
        for (pointer, expected) in [
            ("/a/b", Some("c")),
            ("/n", Some("1")),
            ("/l", Some("[true]")),
            ("/l/0", Some("true")),
            ("/x", None),
            ("a", None),
        ] {
            assert_eq!(found(config, pointer).as_deref(), expected, "{pointer}");
        }
    }
}
