//! What users have let clients do, so that they are asked once.

use domain::{DeedClass, Scope, TenantId};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::clients::Client;
use crate::kept::Kept;
use crate::publish::Decision;
use crate::store::StoreFault;

/// What one user has let one client do.
#[derive(Serialize, Deserialize)]
struct Consent {
    id: String,
    tenant: TenantId,
    client: String,
    user: String,
    scopes: Vec<Scope>,
}

impl Kept for Consent {
    const KIND: &'static str = "consent";

    fn id(&self) -> &str {
        &self.id
    }

    fn tenant(&self) -> Option<&TenantId> {
        Some(&self.tenant)
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        vec![("client", self.client.clone()), ("user", self.user.clone())]
    }
}

impl Identity {
    /// Whether a user has let a client do all of this before.
    pub async fn has_consented(&self, user: &str, client: &Client, scopes: &[Scope]) -> Result<bool, StoreFault> {
        let consent = self.find::<Consent>(&name(user, client)).await?;
        Ok(consent.is_some_and(|it| scopes.iter().all(|asked| it.scopes.contains(asked))))
    }

    /// Remembers that a user lets a client do this, besides what they have let it do before.
    pub async fn consent(&self, user: &str, client: &Client, scopes: &[Scope]) -> Result<(), StoreFault> {
        self.settle(|| {
            Box::pin(async move {
                let id = name(user, client);
                let before = self.find::<Consent>(&id).await?.map(|it| it.scopes).unwrap_or_default();
                let mut all = [before, scopes.to_vec()].concat();
                all.sort_unstable();
                all.dedup();
                let told = all.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
                let (tenant, client) = (client.tenant.clone(), client.id.clone());
                let deed = self.deed(DeedClass::Identity, "consent").of(&tenant).on(&client).with("scopes", told);
                let consent = Consent { id, tenant, client, user: user.to_owned(), scopes: all };
                Ok::<_, StoreFault>(Decision { changes: vec![consent.kept()?], deeds: vec![deed], outcome: () })
            })
        })
        .await
    }
}

fn name(user: &str, client: &Client) -> String {
    format!("{user}/{}", client.id)
}
