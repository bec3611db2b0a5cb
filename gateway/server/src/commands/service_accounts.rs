//! `portcullis service-accounts`

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use domain::{ApiName, KeyRecord, RoleName, Scope, TenantId, Timestamp};
use identity::{Identity, KeyState, NewServiceAccount, Page, Rotation, ServiceAccount, WorkloadIdentity};
use serde::Serialize;

use crate::commands::output::{Output, Rows};
use crate::commands::tenants::{Consulted, with_desk};
use crate::settings::Settings;

/// What can be done with service accounts. Their keys are made with `api-keys create --owner`.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAccounts {
    /// Make a service account
    Create(Wanted),
    /// List service accounts
    List {
        /// Only those of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
        /// Only those of this API
        #[arg(long)]
        api: Option<ApiName>,
    },
    /// Show one service account and its keys, never their secrets
    Show {
        /// Which service account
        id: String,
    },
    /// From now on its keys open nothing
    Suspend {
        /// Which service account
        id: String,
    },
    /// Its keys open again what they opened before
    Resume {
        /// Which service account
        id: String,
    },
    /// Give it these roles in the place of those it has; its keys lose what it may not do any more, and gain nothing
    SetRoles {
        /// Which service account
        id: String,
        /// Its roles, separated by commas; none where there are none
        #[arg(long, value_delimiter = ',')]
        roles: Vec<RoleName>,
    },
    /// Forget it, and revoke its keys
    Delete {
        /// Which service account
        id: String,
    },
}

/// What a service account shall be.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// The API it acts at
    #[arg(long)]
    api: ApiName,
    /// Whose it is, and whose resources it reaches
    #[arg(long)]
    tenant: TenantId,
    /// What people call it
    #[arg(long)]
    name: String,
    /// Its roles at the API, separated by commas
    #[arg(long, value_delimiter = ',')]
    roles: Vec<RoleName>,
    /// What it may do beyond its roles, as scopes, separated by commas
    #[arg(long, value_delimiter = ',')]
    permissions: Vec<Scope>,
    /// Who it is elsewhere, as issuer, `#` and subject, which may end with `:*` or `/*`; may be repeated. What a trusted
    /// issuer (`workload-issuers`) vouches for as this one gets tokens of the service account
    #[arg(long = "workload-identity", value_name = "ISSUER#SUBJECT")]
    workloads: Vec<WorkloadIdentity>,
}

/// A service account as it is shown.
#[derive(Serialize)]
struct Listed {
    id: String,
    api: String,
    tenant: String,
    name: String,
    status: &'static str,
    roles: Vec<String>,
    /// All that it may do.
    scopes: Vec<String>,
    workload_identities: Vec<String>,
    created: String,
    last_authenticated: Option<String>,
    key_rotation_status: &'static str,
    keys: Vec<ListedKey>,
}

#[derive(Serialize)]
struct ListedKey {
    id: String,
    state: &'static str,
    scopes: Vec<String>,
    created: String,
    last_used: Option<String>,
    /// Nothing of a key that has ended.
    rotation_status: Option<&'static str>,
    rotating_until: Option<String>,
}

impl Rows for Listed {
    const COLUMNS: &'static [&'static str] =
        &["id", "api", "tenant", "name", "status", "roles", "keys", "rotation", "last authenticated"];

    fn row(&self) -> Vec<String> {
        let last = self.last_authenticated.clone().unwrap_or_else(|| "never".to_owned());
        let Self { id, api, tenant, name, status, roles, keys, key_rotation_status, .. } = self;
        let living = keys.iter().filter(|it| it.rotation_status.is_some()).count().to_string();
        let words = [id, api, tenant, name].map(String::clone).into_iter();
        let more = [(*status).to_owned(), roles.join(","), living, (*key_rotation_status).to_owned(), last];
        words.chain(more).collect()
    }
}

impl Listed {
    async fn of(
        (identity, consulted, now): (&Identity, &Consulted, Timestamp),
        account: ServiceAccount,
    ) -> anyhow::Result<Self> {
        let keys = identity.keys_of(&account.id).await?;
        let rotation = keys.iter().filter_map(|it| identity.rotation_of(it, now)).max();
        // What its roles hold is in the profile: while that is broken nobody knows, and what is taken away is taken away.
        let terms = consulted.terms().ok().and_then(|it| it.of(&account.api).ok());
        let scopes = terms.map(|it| account.scopes(it)).unwrap_or_default();
        Ok(Self {
            status: account.status(),
            api: account.api.to_string(),
            tenant: account.tenant.to_string(),
            roles: account.roles.iter().map(ToString::to_string).collect(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
            workload_identities: account.workloads.iter().map(ToString::to_string).collect(),
            created: account.created.to_string(),
            last_authenticated: keys.iter().filter_map(|it| it.last_used).max().map(|it| it.to_string()),
            key_rotation_status: rotation.map_or("none", Rotation::as_str),
            keys: keys.iter().map(|it| ListedKey::of(it, identity.rotation_of(it, now), now)).collect(),
            id: account.id,
            name: account.name,
        })
    }
}

impl ListedKey {
    fn of(key: &KeyRecord, rotation: Option<Rotation>, now: Timestamp) -> Self {
        Self {
            id: key.id.to_string(),
            state: KeyState::of(key, now).as_str(),
            scopes: key.scopes.iter().map(ToString::to_string).collect(),
            created: key.created.to_string(),
            last_used: key.last_used.map(|it| it.to_string()),
            rotation_status: rotation.map(Rotation::as_str),
            rotating_until: match rotation {
                Some(Rotation::Rotating(until)) => Some(until.to_string()),
                Some(Rotation::Current | Rotation::Overdue) | None => None,
            },
        }
    }
}

impl ServiceAccounts {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        with_desk(settings, async |identity, consulted, now| {
            let desk = (identity, consulted, now);
            let (account, words) = match self {
                Self::List { tenant, api } => {
                    let mut listed = Vec::new();
                    let _ = consulted.terms()?;
                    for it in all(identity, tenant.as_ref(), api.as_ref()).await? {
                        listed.push(Listed::of(desk, it).await?);
                    }
                    return output.list(&listed);
                }
                Self::Show { id } => {
                    let Some(account) = identity.service_account(&id).await? else {
                        bail!("there is no service account `{id}`; help: `portcullis service-accounts list` shows ids")
                    };
                    let _ = consulted.terms()?;
                    let shown = Listed::of(desk, account).await?;
                    return match output {
                        Output::Json => output.one(&shown, ""),
                        Output::Table => output.list(&[shown]),
                    };
                }
                Self::Create(wanted) => {
                    (identity.create_service_account(&wanted.read(), consulted.terms()?).await?, "is made")
                }
                Self::Suspend { id } => (identity.suspend_service_account(&id).await?, "is suspended"),
                Self::Resume { id } => (identity.resume_service_account(&id).await?, "is active again"),
                Self::SetRoles { id, roles } => {
                    (identity.set_service_account_roles(&id, &roles, consulted.terms()?).await?, "has these roles now")
                }
                Self::Delete { id } => {
                    let gone = identity.delete_service_account(&id).await?;
                    let words = format!("service account `{}` is deleted", gone.id);
                    return output.one(&Listed { status: "deleted", ..Listed::of(desk, gone).await? }, &words);
                }
            };
            let words = format!("service account `{}` {words}", account.id);
            output.one(&Listed::of(desk, account).await?, &words)
        })
    }
}

impl Wanted {
    fn read(self) -> NewServiceAccount {
        let Self { api, tenant, name, roles, permissions, workloads } = self;
        NewServiceAccount { api, tenant, name, roles, permissions, workloads }
    }
}

async fn all(
    identity: &Identity,
    tenant: Option<&TenantId>,
    api: Option<&ApiName>,
) -> anyhow::Result<Vec<ServiceAccount>> {
    let (mut accounts, mut page) = (Vec::new(), Page::default());
    loop {
        let more = identity.service_accounts(tenant, &page).await?;
        let Some(last) = more.last() else { return Ok(accounts) };
        page.after = Some(last.id.clone());
        accounts.extend(more.into_iter().filter(|it| api.is_none_or(|api| it.api == *api)));
    }
}
