//! Tenants and keys, made with the commands of the product.

use serde_json::Value;

use crate::Gateway;

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

/// Makes a tenant and gives its id.
#[track_caller]
pub(crate) fn make_tenant(gateway: &Gateway, name: &str) -> String {
    text(&gateway.json(&["tenants", "create", "--name", name]), "id")
}

/// Makes a key; `more` are further words of the command, such as `["--tier", "enterprise"]`.
#[track_caller]
pub(crate) fn make_key(gateway: &Gateway, api: &str, tenant: &str, scopes: &[&str], more: &[&str]) -> Key {
    let scopes = scopes.join(",");
    let mut words = vec!["api-keys", "create", "--name", "acceptance", "--api", api, "--tenant", tenant];
    if !scopes.is_empty() {
        words.extend(["--scopes", &scopes]);
    }
    words.extend(more);
    let made = gateway.json(&words);
    let secret = made["secret_access_key"].as_str().map(str::to_owned);
    let shown = if secret.is_some() { "access_key_id" } else { "key" };
    Key { id: text(&made, "id"), tenant: tenant.to_owned(), text: text(&made, shown), secret }
}

#[track_caller]
fn text(made: &Value, field: &str) -> String {
    made[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {made}")).to_owned()
}
