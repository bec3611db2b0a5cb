//! A key as commands show it.

use domain::{KeyRecord, KeySecret, Scope, Timestamp};
use identity::{Issued, KeyState};
use serde::Serialize;

use crate::commands::output::Rows;

/// A key as it is shown: everything but the key itself, unless it was just made.
#[derive(Serialize)]
pub(super) struct Listed {
    id: String,
    api: String,
    tenant: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    state: &'static str,
    scopes: Vec<String>,
    tier: String,
    /// From where it may be used; empty for anywhere.
    ip_allow: Vec<String>,
    created: String,
    expires: Option<String>,
    last_used: Option<String>,
    rotated_from: Option<String>,
    /// The one resource it opens, such as `bucket=photos`.
    #[serde(skip_serializing_if = "Option::is_none")]
    bound: Option<String>,
    /// Until when it goes on beside the key that took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    retires: Option<String>,
    /// Whether somebody has used it since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_since_rotation: Option<bool>,
    /// The other keys that came from the same one by rotation and go on working, of one that was revoked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    still_working: Vec<String>,
    /// The public half of an access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<String>,
    /// The key, or the secret half of an access key. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Rows for Listed {
    const COLUMNS: &'static [&'static str] =
        &["id", "api", "tenant", "name", "owner", "state", "scopes", "tier", "from", "ends", "last used"];

    fn row(&self) -> Vec<String> {
        let or = |it: Option<&String>, none: &str| it.cloned().unwrap_or_else(|| none.to_owned());
        let from = if self.ip_allow.is_empty() { "anywhere".to_owned() } else { self.ip_allow.join(",") };
        // Of a key that another took the place of, what matters is whether anybody still shows it.
        let last_used = match (&self.last_used, self.used_since_rotation) {
            (Some(used), Some(true)) => format!("{used} (since it was rotated)"),
            (used, _) => or(used.as_ref(), "never"),
        };
        let ends = or(self.retires.iter().chain(&self.expires).min(), "never");
        let mut cells = [&self.id, &self.api, &self.tenant, &self.name].map(String::clone).to_vec();
        cells.extend([or(self.owner.as_ref(), "-"), self.state.to_owned(), self.scopes.join(","), self.tier.clone()]);
        cells.extend([from, ends, last_used]);
        cells
    }
}

impl Listed {
    pub(super) fn of(record: &KeyRecord, now: Timestamp) -> Self {
        let access_key_id = match &record.secret {
            KeySecret::AccessKey { access_key_id, .. } => Some(access_key_id.clone()),
            KeySecret::Minted { .. } | KeySecret::Imported { .. } | KeySecret::Granted(_) => None,
        };
        Self {
            id: record.id.to_string(),
            api: record.api.to_string(),
            tenant: record.tenant.to_string(),
            name: record.name.clone(),
            owner: record.owner.clone(),
            state: KeyState::of(record, now).as_str(),
            scopes: record.scopes.iter().map(ToString::to_string).collect(),
            tier: record.tier.to_string(),
            ip_allow: record.ip_allow.iter().map(ToString::to_string).collect(),
            created: record.created.to_string(),
            expires: record.expires.map(|it| it.to_string()),
            last_used: record.last_used.map(|it| it.to_string()),
            rotated_from: record.rotated_from.as_ref().map(ToString::to_string),
            bound: record.bound.as_ref().map(ToString::to_string),
            retires: record.overlap.map(|it| it.until.to_string()),
            used_since_rotation: record.overlap.map(|it| record.last_used.is_some_and(|used| it.since <= used)),
            still_working: Vec::new(),
            access_key_id,
            secret: None,
        }
    }

    /// The same, with the keys of its lineage that work; and what is said of it.
    pub(super) fn revoked(record: &KeyRecord, others: &[KeyRecord], now: Timestamp) -> (Self, String) {
        let still_working: Vec<String> = others.iter().map(|it| it.id.to_string()).collect();
        let words = if still_working.is_empty() {
            format!("key `{}` is revoked", record.id)
        } else {
            let named: Vec<String> = still_working.iter().map(|it| format!("`{it}`")).collect();
            format!("key `{}` is revoked; of the same lineage go on working: {}", record.id, named.join(", "))
        };
        (Self { still_working, ..Self::of(record, now) }, words)
    }

    /// The same, with what is shown once.
    pub(super) fn issued(issued: &Issued, now: Timestamp) -> Self {
        Self { secret: Some(issued.secret.reveal().to_owned()), ..Self::of(&issued.record, now) }
    }
}

/// What is said of a key that was just made.
pub(super) fn shown_once(made: &Issued) -> String {
    let record = &made.record;
    let scopes: Vec<&str> = record.scopes.iter().map(Scope::as_str).collect();
    let scopes = if scopes.is_empty() { "none".to_owned() } else { scopes.join(", ") };
    let half = match &record.secret {
        KeySecret::AccessKey { access_key_id, .. } => format!("access key id: {access_key_id}\nsecret access key: "),
        KeySecret::Minted { .. } | KeySecret::Imported { .. } | KeySecret::Granted(_) => String::new(),
    };
    format!(
        "{half}{}\n\nThis is the only time it is shown. Key `{}` of tenant `{}` at {}; scopes: {scopes}; tier: {}.",
        made.secret.reveal(),
        record.id,
        record.tenant,
        record.api,
        record.tier,
    )
}
