//! `portcullis api-keys leaked`

use std::io::{IsTerminal as _, Read as _};

use anyhow::{Context as _, bail};
use authn::{KeyringBuilder, LeakedWhat, SecretFiles, Secrets};
use domain::{Deed, Timestamp};
use identity::{Identity, KeyState};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::commands::output::Rows;
use crate::commands::tenants::{Consulted, enter_read};
use crate::settings::Settings;

/// The longest text, in bytes.
const LONGEST: u64 = 64 * 1024 * 1024;

/// How the finding of a key is entered.
const BY: &str = "command";

/// What stands on a line of the text. Never the secret itself.
#[derive(Serialize)]
pub(super) struct Found {
    line: usize,
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

impl Rows for Found {
    const COLUMNS: &'static [&'static str] = &["line", "what", "id", "api", "tenant", "name", "state"];

    fn row(&self) -> Vec<String> {
        let or_not = |it: &Option<String>| it.clone().unwrap_or_else(|| "-".to_owned());
        let state = self.state.unwrap_or("-").to_owned();
        let [id, api, tenant, name] = [&self.id, &self.api, &self.tenant, &self.name].map(or_not);
        vec![self.line.to_string(), self.what.to_owned(), id, api, tenant, name, state]
    }
}

impl Found {
    fn of(line: usize, what: &'static str) -> Self {
        Self { line, what, id: None, api: None, tenant: None, name: None, state: None }
    }
}

/// Which keys stand in the text on standard input. That somebody looked is entered, and so is every key that is revoked.
pub(super) async fn find(
    settings: &Settings,
    (identity, consulted, now): (&Identity, &Consulted, Timestamp),
    revoke: bool,
) -> anyhow::Result<Vec<Found>> {
    let text = read()?;
    let secrets = Secrets::open(&SecretFiles::under(&settings.data))?;
    let mut keys = KeyringBuilder::new();
    identity.registry().load(&mut |change| keys.add(change)).await?;
    let keyring = keys.finish();
    let prefixes: Vec<&str> = consulted.terms()?.all().flat_map(|it| &it.prefixes).map(String::as_str).collect();
    let leaked = authn::leaked(&text, &prefixes, &keyring, &secrets);
    let ours = leaked.iter().filter(|it| matches!(it.what, LeakedWhat::Key(_))).count();
    enter_read(identity, "find_leaked_keys", |deed: Deed| deed.with("found", ours)).await?;
    let mut found = Vec::with_capacity(leaked.len());
    for it in leaked {
        let key = match it.what {
            LeakedWhat::Unknown => {
                found.push(Found::of(it.line, "unknown key"));
                continue;
            }
            LeakedWhat::ClientSecret => {
                found.push(Found::of(it.line, "client secret"));
                continue;
            }
            LeakedWhat::Key(key) => key,
        };
        let record = if revoke {
            identity.revoke_leaked_key(key.id(), BY).await?
        } else {
            identity.key(key.id()).await?.context("the key was there a moment ago")?
        };
        found.push(Found {
            id: Some(record.id.to_string()),
            api: Some(record.api.to_string()),
            tenant: Some(record.tenant.to_string()),
            name: Some(record.name.clone()),
            state: Some(KeyState::of(&record, now).as_str()),
            ..Found::of(it.line, "key")
        });
    }
    Ok(found)
}

/// From standard input, so that it is in no process list and no shell history.
fn read() -> anyhow::Result<Zeroizing<String>> {
    let input = std::io::stdin();
    if input.is_terminal() {
        bail!("write the text to standard input");
    }
    let mut bytes = Zeroizing::new(Vec::new());
    input.lock().take(LONGEST + 1).read_to_end(&mut bytes)?;
    if LONGEST < bytes.len() as u64 {
        bail!("the text is longer than {LONGEST} bytes: hand it over in pieces");
    }
    // What is no text may hold keys all the same.
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}
