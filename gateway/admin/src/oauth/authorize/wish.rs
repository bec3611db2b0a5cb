//! What a client asks of a user, read to the last parameter; and what of it may be.

use std::time::Duration;

use authn::dpop::is_thumbprint;
use domain::{Scope, TenantId};
use identity::{Allowed, BrowserSession, Client, PERSONAL_SCOPES};

use super::back::Back;
use super::{KEY, SINCE};
use crate::oauth::{Act, Code, Fault, Form, Turned, scopes};

/// How long a challenge is: SHA-256 in base64url.
const CHALLENGE: usize = 43;

/// The longest nonce, in bytes.
const MAX_NONCE: usize = 512;

/// What a client asks for.
pub(crate) struct Asked {
    pub(crate) scopes: Vec<Scope>,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    /// The user must not be shown anything.
    pub(crate) silent: bool,
    /// The user must log in, whether or not they have.
    pub(crate) logs_in: bool,
    /// The user must be asked, whether or not they were.
    pub(crate) asks_again: bool,
    pub(crate) max_age: Option<Duration>,
    /// An ID token of the user who is meant.
    pub(crate) hint: Option<String>,
    /// Since when the user must have logged in, in seconds.
    pub(crate) since: Option<i64>,
    /// The key that must be proven with the code.
    pub(crate) key: Option<String>,
}

impl Asked {
    pub(crate) fn read(form: &Form, client: &Client) -> Result<Self, Fault> {
        let invalid = |told| Err(Fault::new(Code::InvalidRequest, told));
        if form.has("request") {
            return Err(Fault::new(Code::RequestNotSupported, "request objects are not taken"));
        }
        if form.required("response_type", "`response_type` is missing")? != "code" {
            return Err(Fault::new(Code::UnsupportedResponseType, "`response_type` must be `code`"));
        }
        if form.get("response_mode").is_some_and(|it| it != "query") {
            return invalid("`response_mode` must be `query`");
        }
        let challenge = form.required("code_challenge", "PKCE is required: `code_challenge` is missing")?;
        let base64url = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
        if form.get("code_challenge_method") != Some("S256")
            || challenge.len() != CHALLENGE
            || !challenge.bytes().all(base64url)
        {
            return invalid("`code_challenge_method` must be `S256`, and `code_challenge` of that form");
        }
        let prompts: Vec<&str> =
            form.get("prompt").unwrap_or_default().split(' ').filter(|it| !it.is_empty()).collect();
        let has = |it: &str| prompts.contains(&it);
        if has("none") && prompts.len() > 1 {
            return invalid("`prompt=none` goes with no other");
        }
        if form.get("nonce").is_some_and(|it| MAX_NONCE < it.len()) {
            return invalid("`nonce` is too long");
        }
        if form.get(KEY).is_some_and(|it| !is_thumbprint(it)) {
            return invalid("`dpop_jkt` must be the thumbprint of a key");
        }
        let Ok(max_age) = form.get("max_age").map(str::parse).transpose() else {
            return invalid("`max_age` must be seconds");
        };
        Ok(Self {
            scopes: scopes::among(form.get("scope"), &client.scopes)?,
            challenge: challenge.to_owned(),
            nonce: form.get("nonce").map(str::to_owned),
            silent: has("none"),
            logs_in: has("login"),
            asks_again: has("consent"),
            max_age: max_age.map(Duration::from_secs),
            hint: form.get("id_token_hint").map(str::to_owned),
            key: form.get(KEY).map(str::to_owned),
            since: form.get(SINCE).and_then(|it| it.parse().ok()),
        })
    }
}

impl Act<'_> {
    /// What comes of it if the user agrees: never more than the client may have, or the user has in the tenant of the client.
    pub(crate) async fn allowed(
        &self,
        client: &Client,
        asked: &Asked,
        session: BrowserSession,
        back: &Back,
    ) -> Result<Allowed, Turned> {
        let own = self.scopes_of(&session.user, &client.tenant).await?;
        let own =
            own.ok_or(Fault::new(Code::AccessDenied, "the user does not belong to the tenant of the application"))?;
        let may = |it: &&Scope| own.contains(it) || PERSONAL_SCOPES.contains(&it.as_str());
        let scopes: Vec<Scope> = asked.scopes.iter().filter(may).cloned().collect();
        if scopes.is_empty() {
            return Err(Fault::new(Code::AccessDenied, "the user may do nothing of what is asked for").into());
        }
        Ok(Allowed {
            client: client.id.clone(),
            redirect_uri: back.uri.clone(),
            challenge: asked.challenge.clone(),
            nonce: asked.nonce.clone(),
            user: session.user,
            tenant: client.tenant.clone(),
            api: client.api.clone(),
            scopes,
            authenticated: session.authenticated,
            methods: session.methods,
            key: asked.key.clone(),
            session: Some(session.id),
        })
    }

    /// What a user may do at this API in a tenant; nothing where they do not belong to it.
    pub(crate) async fn scopes_of(&self, user: &str, tenant: &TenantId) -> Result<Option<Vec<Scope>>, Turned> {
        let memberships = self.identity().memberships(user).await?;
        let Some(membership) = memberships.into_iter().find(|it| it.tenant == *tenant) else { return Ok(None) };
        let terms = self.books().terms();
        Ok(terms.of(&self.offered.api).ok().map(|it| it.scopes_of(&membership.roles)))
    }
}
