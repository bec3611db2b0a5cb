//! Tenants and keys, made with the commands of the product.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Gateway, until};

/// A key as its owner has it.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id, which may be shown to anybody.
    pub id: String,
    /// The tenant it belongs to.
    pub tenant: String,
    /// What is shown as a bearer; the access key id of a key that signs.
    pub text: String,
    /// What a key that signs keeps to itself.
    pub secret: Option<String>,
}

impl Key {
    /// The key as `{"text", "secret"}`, for a script.
    pub fn shown(&self) -> String {
        json!({ "text": self.text, "secret": self.secret }).to_string()
    }
}

/// Makes a tenant and gives its id.
#[track_caller]
pub(crate) fn make_tenant(gateway: &Gateway, name: &str) -> String {
    text(&gateway.json(&["tenants", "create", "--name", name]), "id")
}

/// Makes a key; `more` are further words of the command, such as `["--tier", "enterprise"]`.
#[track_caller]
pub(crate) fn make_key(gateway: &Gateway, api: &str, tenant: &str, scopes: &[&str], more: &[&str]) -> Key {
    static MADE: AtomicU32 = AtomicU32::new(1);
    let scopes = scopes.join(",");
    // A tenant's working keys have different names.
    let name = format!("acceptance-{}", MADE.fetch_add(1, Ordering::Relaxed));
    let mut words = vec!["api-keys", "create", "--name", &name, "--api", api, "--tenant", tenant];
    if !scopes.is_empty() {
        words.extend(["--scopes", &scopes]);
    }
    words.extend(more);
    let before = gateway.keys();
    let made = gateway.json(&words);
    // A running gateway follows the registry a moment later.
    until("the gateway to know a new key", Duration::from_secs(20), || (gateway.keys() > before).then_some(()));
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    match made["access_key_id"].as_str() {
        Some(public) => Key { id, tenant: tenant.to_owned(), text: public.to_owned(), secret: Some(secret) },
        None => Key { id, tenant: tenant.to_owned(), text: secret, secret: None },
    }
}

#[track_caller]
fn text(made: &Value, field: &str) -> String {
    made[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {made}")).to_owned()
}
