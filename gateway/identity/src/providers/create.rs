//! Making connections.

use domain::{Deed, DeedClass, RoleName, TenantId, keyformat};
use zeroize::Zeroizing;

use super::{BY_DOMAIN, Provider, ProviderAlg, RoleRule, SEALED_AS};
use crate::Identity;
use crate::elsewhere::LONGEST_CA;
use crate::kept::Kept as _;
use crate::people::{BadRole, known_roles};
use crate::publish::{Decision, Entered};
use crate::store::{Page, StoreFault};
use crate::terms::{Terms, Unfit, label};

/// The scopes that are asked for where none are named.
const USUAL: [&str; 3] = ["openid", "profile", "email"];

/// How many of each a connection may have.
const MOST: usize = 50;

/// The longest text that is kept of one, but for certificates.
const LONGEST: usize = 1024;

/// A connection to be made. It has no `Debug`: its secret is in it.
pub struct NewProvider {
    /// Whose people sign in there.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// Who issues its tokens.
    pub issuer: String,
    /// What it calls us.
    pub client: String,
    /// What it knows us by.
    pub secret: Zeroizing<String>,
    /// What its tokens may be signed with; RS256 where nothing is said.
    pub algs: Vec<ProviderAlg>,
    /// The authorities that vouch for it, as PEM, looked at already.
    pub ca: Option<String>,
    /// Whether it may be at an address that is not public.
    pub private: bool,
    /// What it is asked to tell; `openid profile email` where nothing is said.
    pub scopes: Vec<String>,
    /// The domains of the addresses of its people.
    pub domains: Vec<String>,
    /// What its people are.
    pub rules: Vec<RoleRule>,
    /// The user for whom it is set up.
    pub set_by: Option<String>,
    /// Whether whoever comes for the first time is made known.
    pub makes_users: bool,
}

/// What a connection cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitProvider {
    /// Not where anybody may be asked.
    #[error(
        "`{0}` cannot be an issuer; help: write `https://`, the host in small letters, without `?` and `#`; `http://127.0.0.1` \
         for one on this machine that is `--private`"
    )]
    Issuer(String),
    /// No name for us, or none that can be said.
    #[error("a client id has 1 to {LONGEST} visible characters")]
    Client,
    /// No secret, or one that cannot be said.
    #[error(
        "a client secret has 1 to {LONGEST} visible characters; help: it is read from its file or from standard input"
    )]
    Secret,
    /// Certificates that are too long.
    #[error("a file of authorities can have {LONGEST_CA} bytes at most")]
    Ca,
    /// Not the domain of an address.
    #[error("`{0}` cannot be the domain of addresses; help: write `example.com`")]
    Domain(String),
    /// Something that cannot be asked for.
    #[error("`{0}` cannot be a scope that is asked for")]
    Scope(String),
    /// A claim or a value that nothing can be.
    #[error("a rule needs a claim, a value and a role; help: write `groups=admins=owner`")]
    Rule,
    /// More than anybody needs.
    #[error("a connection may have {MOST} domains, scopes and rules each at most")]
    TooMany,
}

/// A connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateProviderError {
    /// There is no such tenant.
    #[error("there is no tenant with the id `{0}`; help: `portcullis tenants list` shows ids")]
    UnknownTenant(TenantId),
    /// The tenant has one.
    #[error("tenant `{0}` has a connection already, `{1}`; help: delete it first")]
    Taken(TenantId, String),
    /// Another has the domain: nobody could say where somebody belongs.
    #[error("connection `{1}` has the domain `{0}` already")]
    DomainTaken(String, String),
    /// A rule gives more than the one for whom it is set up has.
    #[error("role `{0}` holds more than `{1}` has in the tenant")]
    Beyond(RoleName, String),
    /// It cannot be so.
    #[error(transparent)]
    UnfitProvider(#[from] UnfitProvider),
    /// A role cannot be given.
    #[error(transparent)]
    Role(#[from] BadRole),
    /// What people shall call it cannot be.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for CreateProviderError {}

impl Identity {
    /// Makes a connection. Its secret is sealed, and never shown again.
    pub async fn create_provider(&self, new: &NewProvider, terms: &Terms) -> Result<Provider, CreateProviderError> {
        let deed = self.deed(DeedClass::Identity, "create").of(&new.tenant).with("kind", Provider::KIND);
        self.told(deed, self.make_provider(new, terms)).await
    }

    async fn make_provider(&self, new: &NewProvider, terms: &Terms) -> Result<Provider, CreateProviderError> {
        let id = keyformat::draw_id("idp_", 16, &*self.random);
        let sealed = self.vault.seal(SEALED_AS, &id, new.secret.as_bytes());
        let secret = sealed.map_err(|it| StoreFault { doing: "sealing a secret", source: it.into() })?;
        let made = &Provider {
            id,
            tenant: new.tenant.clone(),
            name: label(&new.name)?,
            issuer: new.issuer.clone(),
            client: new.client.clone(),
            algs: if new.algs.is_empty() { vec![ProviderAlg::Rs256] } else { sorted(&new.algs) },
            ca: new.ca.clone(),
            private: new.private,
            scopes: scopes(&new.scopes),
            domains: sorted(&new.domains.iter().map(|it| it.to_lowercase()).collect::<Vec<_>>()),
            rules: new.rules.clone(),
            set_by: new.set_by.clone(),
            makes_users: new.makes_users,
            created: self.clock.now().wall,
            suspended: None,
            secret,
        };
        fits(made)?;
        if !is_visible(&new.secret) {
            return Err(UnfitProvider::Secret.into());
        }
        let roles: Vec<RoleName> = sorted(&made.rules.iter().flat_map(|it| it.roles.clone()).collect::<Vec<_>>());
        known_roles(&roles, terms)?;
        self.settle(|| Box::pin(self.admit_provider(made, &roles, terms))).await
    }

    async fn admit_provider(
        &self,
        made: &Provider,
        roles: &[RoleName],
        terms: &Terms,
    ) -> Result<Decision<Provider>, CreateProviderError> {
        let tenant = &made.tenant;
        if self.registry.tenant(tenant).await?.is_none() {
            return Err(CreateProviderError::UnknownTenant(tenant.clone()));
        }
        let others: Vec<Provider> = self.list(Some(tenant), None, &Page::default()).await?;
        if let Some(other) = others.into_iter().next() {
            return Err(CreateProviderError::Taken(tenant.clone(), other.id));
        }
        for domain in &made.domains {
            if let Some(other) = self.find_by::<Provider>(BY_DOMAIN, domain).await? {
                return Err(CreateProviderError::DomainTaken(domain.clone(), other.id));
            }
        }
        let given = self.within(made, roles, terms).await?;
        if let (Some(beyond), Some(user)) = (roles.iter().find(|it| !given.contains(it)), &made.set_by) {
            return Err(CreateProviderError::Beyond(beyond.clone(), user.clone()));
        }
        let deed = self.provider_deed("create", made);
        Ok(Decision { changes: vec![made.kept()?], deeds: vec![deed], outcome: made.clone() })
    }

    /// What is entered of a connection.
    pub(super) fn provider_deed(&self, action: &str, provider: &Provider) -> Deed {
        let deed = self.deed(DeedClass::Identity, action).on(&provider.id).of(&provider.tenant);
        let deed = deed.with("kind", Provider::KIND).with("issuer", &provider.issuer).with("client", &provider.client);
        let algs: Vec<&str> = provider.algs.iter().map(|it| it.as_str()).collect();
        let rules = provider.rules.iter().map(|it| {
            let roles: Vec<&str> = it.roles.iter().map(RoleName::as_str).collect();
            format!("{}={}={}", it.claim, it.value, roles.join(","))
        });
        let deed = deed.with("algs", algs.join(" ")).with("rules", rules.collect::<Vec<_>>().join(" "));
        let deed = deed.with("private", provider.private).with("makes_users", provider.makes_users);
        provider.set_by.iter().fold(deed, |deed, user| deed.with("set_by", user))
    }
}

fn sorted<T: Ord + Clone>(all: &[T]) -> Vec<T> {
    let mut all = all.to_vec();
    all.sort();
    all.dedup();
    all
}

/// `openid` is always asked for: without it there would be no ID token.
fn scopes(asked: &[String]) -> Vec<String> {
    if asked.is_empty() {
        return USUAL.map(str::to_owned).to_vec();
    }
    let first = std::iter::once("openid".to_owned());
    first.chain(asked.iter().filter(|it| *it != "openid").cloned()).collect()
}

fn fits(made: &Provider) -> Result<(), UnfitProvider> {
    let shortened = |it: &str| it.escape_debug().take(200).collect();
    if LONGEST < made.issuer.len() || !made.elsewhere().is_good() {
        return Err(UnfitProvider::Issuer(shortened(&made.issuer)));
    }
    if !is_visible(&made.client) {
        return Err(UnfitProvider::Client);
    }
    if made.ca.as_ref().is_some_and(|it| LONGEST_CA < it.len()) {
        return Err(UnfitProvider::Ca);
    }
    if [made.domains.len(), made.scopes.len(), made.rules.len()].iter().any(|it| MOST < *it) {
        return Err(UnfitProvider::TooMany);
    }
    if let Some(bad) = made.domains.iter().find(|it| !is_domain(it)) {
        return Err(UnfitProvider::Domain(shortened(bad)));
    }
    // RFC 6749 section 3.3.
    let of_scope = |it: u8| it.is_ascii_graphic() && !matches!(it, b'"' | b'\\');
    if let Some(bad) = made.scopes.iter().find(|it| it.is_empty() || LONGEST < it.len() || !it.bytes().all(of_scope)) {
        return Err(UnfitProvider::Scope(shortened(bad)));
    }
    let good = |it: &RoleRule| {
        let said = |it: &str| (1..=LONGEST).contains(&it.len()) && !it.contains(char::is_control);
        said(&it.claim) && said(&it.value) && !it.roles.is_empty()
    };
    if made.rules.iter().all(good) { Ok(()) } else { Err(UnfitProvider::Rule) }
}

fn is_visible(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic() || it == b' ')
}

fn is_domain(text: &str) -> bool {
    let label = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}
