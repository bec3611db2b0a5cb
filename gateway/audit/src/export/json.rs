//! Entries as JSON lines, with the bytes that are hashed and what proves them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::query::Found;
use crate::show::json_line;
use crate::tree::Hash;

/// One entry: as it is read, `seq` its number, `raw` its bytes, and `proof` the hashes that lead to the root.
pub(crate) fn line(found: &Found, path: Option<&[Hash]>) -> String {
    let mut view = found.view();
    if let Some(fields) = view.as_object_mut() {
        fields.insert("raw".to_owned(), STANDARD.encode(&found.bytes).into());
        if let Some(path) = path {
            fields.insert("proof".to_owned(), path.iter().map(|it| Value::from(STANDARD.encode(it))).collect());
        }
    }
    json_line(&view) + "\n"
}
