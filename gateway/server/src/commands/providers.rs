//! `portcullis providers`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use catalog::Catalog;
use clap::{Args, Subcommand, ValueEnum};
use domain::{Deed, NativeVerb, RoleName, TenantId};
use identity::{Identity, NewProvider, Page, Provider, ProviderAlg, RoleRule};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::commands::output::{Output, Rows};
use crate::commands::tenants::{enter_read, with_desk};
use crate::commands::users::whom;
use crate::faults::Refused;
use crate::outward::believing;
use crate::settings::Settings;

/// The longest secret that is read, in bytes.
const LONGEST: usize = 4096;

/// What can be done with connections to identity providers elsewhere.
#[derive(Debug, Subcommand)]
pub(crate) enum Providers {
    /// Connect the provider by which the people of a tenant sign in; its secret is never shown
    Create(Box<Wanted>),
    /// List connections, never their secrets
    List {
        /// Only that of this tenant
        #[arg(long)]
        tenant: Option<TenantId>,
    },
    /// Show one connection, and what its provider must be told of us; never its secret
    Show {
        /// Which connection
        id: String,
    },
    /// From now on nobody signs in by it, and whatever somebody had signed in to is over
    Suspend {
        /// Which connection
        id: String,
    },
    /// People sign in by it again
    Resume {
        /// Which connection
        id: String,
    },
    /// Forget a connection; its people stay, and sign in by it no more
    Delete {
        /// Which connection
        id: String,
    },
    /// Have whoever the provider calls so sign in as a user who is known already
    Link {
        /// Which connection
        id: String,
        /// What the provider says in `sub`
        #[arg(long)]
        subject: String,
        /// The user: the id, or what they sign in by
        #[arg(long)]
        user: String,
    },
    /// Have whoever the provider calls so be nobody here; whatever they had signed in to by it is over
    Unlink {
        /// Which connection
        id: String,
        /// What the provider says in `sub`
        #[arg(long)]
        subject: String,
    },
}

/// What a connection shall be.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// Whose people sign in there
    #[arg(long)]
    tenant: TenantId,
    /// What people call it: they are offered to sign in with it
    #[arg(long)]
    name: String,
    /// Who issues its tokens, to the letter, such as `https://login.example.com`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// What it calls us
    #[arg(long)]
    client_id: String,
    /// The file of the secret that it knows us by [default: standard input]
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// What its tokens may be signed with, separated by commas [default: RS256]
    #[arg(long, value_enum, value_delimiter = ',')]
    algs: Vec<Alg>,
    /// The file of the authorities that vouch for it, as PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// It may be at an address that is not public
    #[arg(long)]
    private: bool,
    /// What it is asked to tell of people, separated by commas [default: openid,profile,email]
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<String>,
    /// A domain of the addresses of its people, such as `example.com`; may be repeated
    #[arg(long = "domain", value_name = "DOMAIN")]
    domains: Vec<String>,
    /// What people are of whom it says this, such as `groups=admins=owner`, `sub=*=member`; may be repeated
    #[arg(long = "map", value_name = "CLAIM=VALUE=ROLES", value_parser = rule)]
    rules: Vec<RoleRule>,
    /// The user for whom it is set up: none of its people is given more than they have
    #[arg(long, value_name = "USER")]
    set_by: Option<String>,
    /// Whoever comes for the first time is made known
    #[arg(long)]
    make_users: bool,
}

/// What tokens may be signed with.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Alg {
    /// RSA with PKCS #1 v1.5 and SHA-256
    #[value(name = "RS256")]
    Rs256,
    /// ECDSA over P-256 with SHA-256
    #[value(name = "ES256")]
    Es256,
    /// Ed25519
    #[value(name = "EdDSA")]
    EdDsa,
}

impl From<Alg> for ProviderAlg {
    fn from(alg: Alg) -> Self {
        match alg {
            Alg::Rs256 => Self::Rs256,
            Alg::Es256 => Self::Es256,
            Alg::EdDsa => Self::EdDsa,
        }
    }
}

/// A connection as it is shown: everything but its secret.
#[derive(Serialize)]
struct Listed {
    id: String,
    tenant: String,
    name: String,
    state: &'static str,
    issuer: String,
    client_id: String,
    algs: Vec<&'static str>,
    /// Whether an authority of its own vouches for it.
    own_ca: bool,
    private: bool,
    scopes: Vec<String>,
    domains: Vec<String>,
    map: Vec<String>,
    set_by: Option<String>,
    makes_users: bool,
    created: String,
    /// What the provider must be told of us: where people come back, where it says that they have left, and where they
    /// come who have signed out there.
    redirect_uris: Vec<String>,
    backchannel_logout_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
}

impl Rows for Listed {
    const COLUMNS: &'static [&'static str] = &["id", "tenant", "name", "state", "issuer", "client id", "map"];

    fn row(&self) -> Vec<String> {
        let Self { id, tenant, name, state, issuer, client_id, map, .. } = self;
        let words = [id, tenant, name].map(String::clone).into_iter();
        words.chain([(*state).to_owned(), issuer.clone(), client_id.clone(), map.join(" ")]).collect()
    }
}

/// Where a provider finds us, at each issuer of the catalog.
struct Places {
    back: Vec<String>,
    left: Vec<String>,
    done: Vec<String>,
}

impl Places {
    fn of(settings: &Settings) -> anyhow::Result<Self> {
        let catalog = Catalog::load(&settings.apis).map_err(Refused)?;
        let at = |verb: NativeVerb| {
            let of_profile = |profile: &catalog::Profile| {
                let issuer = profile.token_issuer.clone()?;
                let operation = profile.api.operations.iter().find(|it| it.native.served() == Some(verb))?;
                Some(format!("{issuer}{}", operation.template))
            };
            catalog.profiles().iter().filter_map(of_profile).collect()
        };
        let [back, left] = [NativeVerb::OutsideBack, NativeVerb::OutsideLogout].map(at);
        Ok(Self { back, left, done: at(NativeVerb::LoggedOut) })
    }

    fn shown(&self, provider: &Provider) -> Listed {
        let own = |all: &[String]| all.iter().map(|it| it.replace("{provider}", &provider.id)).collect();
        let rule = |it: &RoleRule| {
            let roles: Vec<&str> = it.roles.iter().map(RoleName::as_str).collect();
            format!("{}={}={}", it.claim, it.value, roles.join(","))
        };
        Listed {
            id: provider.id.clone(),
            tenant: provider.tenant.to_string(),
            name: provider.name.clone(),
            state: if provider.suspended.is_some() { "suspended" } else { "active" },
            issuer: provider.issuer.clone(),
            client_id: provider.client.clone(),
            algs: provider.algs.iter().map(|it| it.as_str()).collect(),
            own_ca: provider.ca.is_some(),
            private: provider.private,
            scopes: provider.scopes.clone(),
            domains: provider.domains.clone(),
            map: provider.rules.iter().map(rule).collect(),
            set_by: provider.set_by.clone(),
            makes_users: provider.makes_users,
            created: provider.created.to_string(),
            redirect_uris: own(&self.back),
            backchannel_logout_uris: own(&self.left),
            post_logout_redirect_uris: own(&self.done),
        }
    }
}

impl Listed {
    fn words(&self) -> String {
        let lines = |name: &str, all: &[String]| {
            let lines: Vec<String> = all.iter().map(|it| format!("\n  {name} {it}")).collect();
            lines.concat()
        };
        format!(
            "Connection `{}` of tenant `{}` to {}. Tell the provider:{}{}{}",
            self.id,
            self.tenant,
            self.issuer,
            lines("redirect URI:         ", &self.redirect_uris),
            lines("back-channel logout:  ", &self.backchannel_logout_uris),
            lines("post-logout redirect: ", &self.post_logout_redirect_uris),
        )
    }
}

impl Providers {
    pub(crate) fn run(self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let places = Places::of(settings)?;
        with_desk(settings, async |identity, consulted, _| match self {
            Self::Create(wanted) => {
                let shown = places.shown(&identity.create_provider(&wanted.read()?, consulted.terms()?).await?);
                output.one(&shown, &shown.words())
            }
            Self::List { tenant } => {
                let all = all(identity, tenant.as_ref()).await?;
                enter_read(identity, "list_providers", |deed| tenant.iter().fold(deed, Deed::of)).await?;
                output.list(&all.iter().map(|it| places.shown(it)).collect::<Vec<_>>())
            }
            Self::Show { id } => {
                let Some(provider) = identity.provider(&id).await? else { bail!("there is no connection `{id}`") };
                enter_read(identity, "show_provider", |deed| deed.on(&provider.id)).await?;
                let shown = places.shown(&provider);
                output.one(&shown, &shown.words())
            }
            Self::Suspend { id } => {
                let provider = identity.suspend_provider(&id).await?;
                output.one(&places.shown(&provider), &format!("connection `{id}` is suspended"))
            }
            Self::Resume { id } => {
                let provider = identity.resume_provider(&id).await?;
                output.one(&places.shown(&provider), &format!("people sign in by connection `{id}` again"))
            }
            Self::Delete { id } => {
                let provider = identity.delete_provider(&id).await?;
                output.one(&places.shown(&provider), &format!("connection `{id}` is deleted"))
            }
            Self::Link { id, subject, user } => {
                let user = whom(identity, &user).await?.id;
                identity.link_outside(&id, &subject, &user).await?;
                output.one(&Done { id: &id }, &format!("user `{user}` signs in by connection `{id}`"))
            }
            Self::Unlink { id, subject } => {
                identity.unlink_outside(&id, &subject).await?;
                output.one(&Done { id: &id }, &format!("the account is nobody's at connection `{id}`"))
            }
        })
    }
}

/// At which connection something was done.
#[derive(Serialize)]
struct Done<'a> {
    id: &'a str,
}

impl Wanted {
    fn read(self) -> anyhow::Result<NewProvider> {
        let secret = secret(self.client_secret_file.as_deref())?;
        Ok(NewProvider {
            tenant: self.tenant,
            name: self.name,
            issuer: self.issuer,
            client: self.client_id,
            secret,
            algs: self.algs.into_iter().map(Into::into).collect(),
            ca: self.ca.as_deref().map(authorities).transpose()?,
            private: self.private,
            scopes: self.scopes,
            domains: self.domains,
            rules: self.rules,
            set_by: self.set_by,
            makes_users: self.make_users,
        })
    }
}

/// The secret: the first line of its file, or of what comes in. Never from the command line, which everybody on the machine
/// can read.
fn secret(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    let text = if let Some(file) = file {
        Zeroizing::new(std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?)
    } else {
        let input = std::io::stdin();
        if input.is_terminal() {
            bail!("give the secret in a file or on standard input: what is typed here is seen");
        }
        Zeroizing::new(std::io::read_to_string(std::io::Read::take(input.lock(), LONGEST as u64))?)
    };
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        bail!("there is no secret");
    }
    Ok(Zeroizing::new(line.to_owned()))
}

/// Certificates that can be gone by, as they stand in their file.
pub(crate) fn authorities(file: &Path) -> anyhow::Result<String> {
    let named = || format!("`{}`", file.display());
    let text = std::fs::read_to_string(file).with_context(named)?;
    believing(Some(text.as_bytes())).with_context(named)?;
    Ok(text)
}

async fn all(identity: &Identity, tenant: Option<&TenantId>) -> anyhow::Result<Vec<Provider>> {
    let mut providers: Vec<Provider> = Vec::new();
    loop {
        let page = Page { after: providers.last().map(|it| it.id.clone()), limit: 100 };
        let more = identity.list_providers(tenant, &page).await?;
        if more.is_empty() {
            return Ok(providers);
        }
        providers.extend(more);
    }
}

/// The claim is before the first `=`, the roles after the last: what it must be may have some, as names of directories do.
fn rule(text: &str) -> Result<RoleRule, String> {
    let bad = || "write CLAIM=VALUE=ROLES, such as `groups=admins=owner,auditor`".to_owned();
    let (rest, roles) = text.rsplit_once('=').ok_or_else(bad)?;
    let (claim, value) =
        rest.split_once('=').filter(|(claim, value)| !claim.is_empty() && !value.is_empty()).ok_or_else(bad)?;
    let roles = roles.split(',').map(|it| it.parse().map_err(|it| format!("{it}"))).collect::<Result<_, _>>()?;
    Ok(RoleRule { claim: claim.to_owned(), value: value.to_owned(), roles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_of_whom_it_is_and_what_they_are() {
        let read = rule("groups=cn=admins,dc=example=owner,member").unwrap();
        assert_eq!((read.claim.as_str(), read.value.as_str()), ("groups", "cn=admins,dc=example"));
        assert_eq!(read.roles.iter().map(RoleName::as_str).collect::<Vec<_>>(), ["owner", "member"]);
        for bad in ["", "groups", "groups=admins", "=admins=owner", "groups==owner", "groups=admins=", "a=b=Not A Role"]
        {
            assert!(rule(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "hunter2 hunter2\nmore\n").unwrap();
        assert_eq!(&**secret(Some(&file)).unwrap(), "hunter2 hunter2");
        std::fs::write(&file, "\n").unwrap();
        assert!(secret(Some(&file)).is_err() && secret(Some(&folder.path().join("none"))).is_err());
    }
}
