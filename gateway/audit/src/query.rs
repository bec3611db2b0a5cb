//! Which entries somebody asks for.

use std::collections::VecDeque;
use std::path::Path;

use serde_json::Value;

use crate::read::{Entries, ReadError};
use crate::view;

/// What an entry must be to be asked for. What is left out is not looked at.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The id of the request, as the gateway draws it.
    pub request: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// The id of the key.
    pub key: Option<String>,
    /// The API.
    pub api: Option<String>,
    /// The operation.
    pub operation: Option<String>,
    /// How it ended: `permit`, `refuse`, `fail`, `abort`.
    pub outcome: Option<String>,
}

impl Filter {
    fn admits(&self, entry: &Value) -> bool {
        let wanted = [
            (&self.request, "/request/id"),
            (&self.tenant, "/tenant"),
            (&self.key, "/auth/key"),
            (&self.api, "/request/api"),
            (&self.operation, "/request/operation"),
            (&self.outcome, "/decision/outcome"),
        ];
        wanted
            .into_iter()
            .all(|(wanted, at)| wanted.as_deref().is_none_or(|it| entry.pointer(at).is_some_and(|is| is == it)))
    }
}

/// Entries as they are read, with their numbers, that a filter admits. Bytes that are no entry are shown as what they are,
/// whatever was asked for.
pub fn query(log: &Path, first: u64, filter: &Filter) -> impl Iterator<Item = Result<Value, ReadError>> {
    Entries::from(log, first).filter_map(move |it| match it {
        Err(cause) => Some(Err(cause)),
        Ok((seq, bytes)) => match view(&bytes) {
            Ok(mut entry) if filter.admits(&entry) => {
                if let Some(fields) = entry.as_object_mut() {
                    fields.insert("seq".to_owned(), seq.into());
                }
                Some(Ok(entry))
            }
            Ok(_) => None,
            Err(_) => Some(Ok(serde_json::json!({ "seq": seq, "not_an_entry": hex::encode(bytes) }))),
        },
    })
}

/// The last of them.
pub fn last(log: &Path, first: u64, filter: &Filter, count: usize) -> Result<Vec<Value>, ReadError> {
    let mut kept = VecDeque::new();
    for entry in query(log, first, filter) {
        kept.push_back(entry?);
        if kept.len() > count {
            kept.pop_front();
        }
    }
    Ok(kept.into())
}
