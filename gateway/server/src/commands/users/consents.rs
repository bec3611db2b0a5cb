//! `portcullis users consents`

use clap::Args;
use identity::{Identity, ShownConsent};
use serde::Serialize;
use serde_json::json;

use super::whom;
use crate::commands::output::{Output, Rows};
use crate::commands::tenants::enter_read;

/// Whose consents, and what becomes of them.
#[derive(Debug, Args)]
pub(crate) struct Consents {
    /// Which user: the id, or what they sign in by
    user: String,
    /// Take back what this client may do: what it was given is over, and it has to ask again
    #[arg(long, value_name = "CLIENT", conflicts_with = "withdraw_all")]
    withdraw: Option<String>,
    /// Take it back from all of them
    #[arg(long)]
    withdraw_all: bool,
}

#[derive(Serialize)]
struct Shown {
    client: String,
    name: String,
    api: String,
    tenant: String,
    scopes: Vec<String>,
}

impl Rows for Shown {
    const COLUMNS: &'static [&'static str] = &["client", "name", "api", "tenant", "scopes"];

    fn row(&self) -> Vec<String> {
        let Self { client, name, api, tenant, scopes } = self;
        vec![client.clone(), name.clone(), api.clone(), tenant.clone(), scopes.join(" ")]
    }
}

impl Consents {
    pub(super) async fn run(self, identity: &Identity, output: Output) -> anyhow::Result<()> {
        let user = whom(identity, &self.user).await?.id;
        if self.withdraw.is_some() || self.withdraw_all {
            let withdrawn = identity.withdraw_consents(&user, self.withdraw.as_deref()).await?;
            let words = format!("{withdrawn} applications may not act for user `{user}` any more");
            return output.one(&json!({ "withdrawn": withdrawn }), &words);
        }
        enter_read(identity, "list_consents", |deed| deed.on(&user)).await?;
        let all = identity.consents_of(&user, None).await?;
        output.list(&all.into_iter().map(Shown::of).collect::<Vec<_>>())
    }
}

impl Shown {
    fn of(ShownConsent { client, scopes }: ShownConsent) -> Self {
        Self {
            client: client.id,
            name: client.name,
            api: client.api.to_string(),
            tenant: client.tenant.to_string(),
            scopes: scopes.iter().map(|it| it.as_str().to_owned()).collect(),
        }
    }
}
