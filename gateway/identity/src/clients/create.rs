//! Making clients.

use domain::{ApiName, Change, Deed, DeedClass, Grant, GrantKind, KeyRecord, Scope, TenantId, Timestamp, keyformat};

use super::{Client, ClientAuth, ClientGrant, PERSONAL_SCOPES, redirect};
use crate::grants::NewGrant;
use crate::kept::Kept as _;
use crate::publish::{Decision, Entered};
use crate::store::{Page, StoreFault};
use crate::terms::{ApiTerms, Terms, Unfit, label};
use crate::{Identity, Shown};

/// How many clients a tenant may have, suspended ones included.
const MOST: usize = 100;

/// How many places a client may have users sent back to.
const MOST_REDIRECTS: usize = 20;

/// The longest set of keys that is kept, in bytes.
const LONGEST_KEYS: usize = 16 * 1024;

/// A client to be made.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// The one API that its tokens open.
    pub api: ApiName,
    /// Whose it is.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// How it shows that it is the one.
    pub method: ClientAuth,
    /// The ways in which it may come to tokens.
    pub grants: Vec<ClientGrant>,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Where users may be sent who have signed out.
    pub post_logout_uris: Vec<String>,
    /// The ceiling of what it may be granted.
    pub scopes: Vec<Scope>,
    /// The public keys that its assertions are signed with, looked at already.
    pub keys: Option<String>,
    /// Whether each of its tokens must be bound to a key that it has proven to hold.
    pub proves_possession: bool,
}

/// A client that was just made. This is the only time its secret is seen.
#[derive(Debug)]
pub struct MadeClient {
    /// What is kept of it.
    pub client: Client,
    /// Its secret, where it has one.
    pub secret: Option<Shown>,
}

/// What a client cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitClient {
    /// It could come to no token.
    #[error(
        "a client needs a way to come to tokens: `client_credentials`, `authorization_code`, or \
             `device_code`"
    )]
    NoGrant,
    /// Its API gives nobody tokens in this way.
    #[error("API `{0}` gives clients no tokens by `{1}`; help: {2}")]
    NotOffered(ApiName, &'static str, String),
    /// It cannot show that it is the one.
    #[error("a client that keeps no secret cannot act for itself; help: leave out `client_credentials`")]
    PublicAlone,
    /// There is nothing to refresh.
    #[error("only what a user has allowed is refreshed; help: add `authorization_code` or `device_code`")]
    NothingToRefresh,
    /// Users would be sent nowhere, or nobody is sent anywhere.
    #[error("redirect URIs and `authorization_code` go together")]
    Redirects,
    /// Nobody signs in for it, and nobody out.
    #[error("post-logout URIs go with `authorization_code`")]
    Leave,
    /// More than anybody needs.
    #[error("a client may have {MOST_REDIRECTS} redirect URIs at most, and as many post-logout URIs")]
    TooManyRedirects,
    /// Not where anybody may be sent to.
    #[error(
        "`{0}` cannot be a redirect URI; help: write `https://`, or `http://127.0.0.1` on the user's own machine, the host in \
         small letters and no fragment"
    )]
    Redirect(String),
    /// Keys and assertions go together.
    #[error("a set of public keys and `private_key_jwt` go together")]
    Keys,
    /// A set of keys that is too long.
    #[error("a set of keys can have {LONGEST_KEYS} bytes at most")]
    KeysTooLong,
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateClientError {
    /// There is no such tenant.
    #[error("there is no tenant with the id `{0}`; help: `portcullis tenants list` shows ids")]
    UnknownTenant(TenantId),
    /// The tenant has as many as it may.
    #[error("tenant `{0}` has {MOST} clients, which is as many as it may; help: delete some")]
    TooMany(TenantId),
    /// It cannot be so.
    #[error(transparent)]
    UnfitClient(#[from] UnfitClient),
    /// Its API does not let it be so.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for CreateClientError {}

impl Identity {
    /// Makes a client. Its secret is in what is returned and nowhere else.
    pub async fn create_client(&self, new: &NewClient, terms: &Terms) -> Result<MadeClient, CreateClientError> {
        let deed =
            self.deed(DeedClass::Identity, "create").of(&new.tenant).with("kind", "client").with("api", &new.api);
        self.told(deed, self.make_client(new, terms)).await
    }

    async fn make_client(&self, new: &NewClient, terms: &Terms) -> Result<MadeClient, CreateClientError> {
        let (terms, now) = (terms.of(&new.api)?, self.clock.now().wall);
        fits(new, terms)?;
        let id = keyformat::draw_id("cli_", 16, &*self.random);
        let secret = if new.method.has_secret() { Some(self.draw_client_secret(&id, 0)?) } else { None };
        let (kept, shown) = secret.unzip();
        let mut grants = new.grants.clone();
        grants.sort_unstable();
        grants.dedup();
        let mut client = Client {
            id: id.clone(),
            tenant: new.tenant.clone(),
            api: new.api.clone(),
            name: label(&new.name)?,
            method: new.method,
            keys: new.keys.clone(),
            redirect_uris: new.redirect_uris.clone(),
            post_logout_uris: new.post_logout_uris.clone(),
            grants,
            scopes: ceiling(&new.scopes, terms)?,
            grant: id.parse().map_err(|_| Unfit::Name(id))?,
            created: now,
            suspended: None,
            proves_possession: new.proves_possession,
            secrets: kept.into_iter().collect(),
        };
        let grant = self.draft_client_grant(&client, terms, now)?;
        client.grant = grant.id.clone();
        let (made, grant) = (&client, &grant);
        self.settle(|| {
            Box::pin(async move {
                if self.registry.tenant(&made.tenant).await?.is_none() {
                    return Err(CreateClientError::UnknownTenant(made.tenant.clone()));
                }
                let all = Page { after: None, limit: 100 };
                if self.list_clients(Some(&made.tenant), &all).await?.len() >= MOST {
                    return Err(CreateClientError::TooMany(made.tenant.clone()));
                }
                let changes = vec![made.kept()?, Change::Key(Box::new(grant.clone()))];
                Ok(Decision { changes, deeds: vec![self.client_deed("create", made)], outcome: () })
            })
        })
        .await?;
        Ok(MadeClient { client, secret: shown })
    }

    /// What a client acts by where no user stands behind it. It ends when the client does and not before.
    pub(super) fn draft_client_grant(
        &self,
        client: &Client,
        terms: &ApiTerms,
        now: Timestamp,
    ) -> Result<KeyRecord, StoreFault> {
        let grant = Grant {
            kind: GrantKind::Client,
            client: Some(client.id.clone()),
            authenticated: None,
            methods: Vec::new(),
        };
        let new = NewGrant {
            api: &client.api,
            tenant: &client.tenant,
            owner: None,
            name: client.name.clone(),
            scopes: client.own_scopes(),
            grant,
            expires: now,
        };
        Ok(KeyRecord { expires: None, ..self.draft_grant(new, terms, now)? })
    }

    /// What is entered of a client. Its name may be that of a person, and stays in the registry.
    pub(super) fn client_deed(&self, action: &str, client: &Client) -> Deed {
        let spaced = |words: Vec<&str>| words.join(" ");
        let deed = self.deed(DeedClass::Identity, action).on(&client.id).of(&client.tenant);
        deed.with("kind", "client")
            .with("api", &client.api)
            .with("method", client.method.as_str())
            .with("grant", &client.grant)
            .with("grants", spaced(client.grants.iter().map(|it| it.as_str()).collect()))
            .with("scopes", spaced(client.scopes.iter().map(Scope::as_str).collect()))
    }
}

/// The scopes sorted and without repeats, if there are all of them.
fn ceiling(scopes: &[Scope], terms: &ApiTerms) -> Result<Vec<Scope>, Unfit> {
    let (personal, own): (Vec<Scope>, Vec<Scope>) =
        scopes.iter().cloned().partition(|it| PERSONAL_SCOPES.contains(&it.as_str()));
    let mut all = terms.scopes(&own)?;
    all.extend(personal);
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn fits(new: &NewClient, terms: &ApiTerms) -> Result<(), UnfitClient> {
    let has = |it: ClientGrant| new.grants.contains(&it);
    let has_users = has(ClientGrant::AuthorizationCode) || has(ClientGrant::DeviceCode);
    if new.grants.is_empty() {
        return Err(UnfitClient::NoGrant);
    }
    if let Some(other) = new.grants.iter().find(|it| !terms.grants.contains(it)) {
        return Err(UnfitClient::NotOffered(new.api.clone(), other.as_str(), instead(terms)));
    }
    if has(ClientGrant::RefreshToken) && !has_users {
        return Err(UnfitClient::NothingToRefresh);
    }
    if has(ClientGrant::ClientCredentials) && new.method == ClientAuth::None {
        return Err(UnfitClient::PublicAlone);
    }
    if has(ClientGrant::AuthorizationCode) == new.redirect_uris.is_empty() {
        return Err(UnfitClient::Redirects);
    }
    if new.redirect_uris.is_empty() && !new.post_logout_uris.is_empty() {
        return Err(UnfitClient::Leave);
    }
    if MOST_REDIRECTS < new.redirect_uris.len() || MOST_REDIRECTS < new.post_logout_uris.len() {
        return Err(UnfitClient::TooManyRedirects);
    }
    if let Some(bad) = new.redirect_uris.iter().chain(&new.post_logout_uris).find(|it| !redirect::is_good(it)) {
        return Err(UnfitClient::Redirect(bad.escape_debug().take(200).collect()));
    }
    if new.keys.is_some() != (new.method == ClientAuth::PrivateKeyJwt) {
        return Err(UnfitClient::Keys);
    }
    if new.keys.as_ref().is_some_and(|it| LONGEST_KEYS < it.len()) {
        return Err(UnfitClient::KeysTooLong);
    }
    Ok(())
}

/// What somebody may do instead.
fn instead(terms: &ApiTerms) -> String {
    let offered: Vec<&str> = terms.grants.iter().map(|it| it.as_str()).collect();
    match offered.as_slice() {
        [] => "it has no clients: its callers have keys or sign in".to_owned(),
        some => format!("it has `{}`", some.join("`, `")),
    }
}
