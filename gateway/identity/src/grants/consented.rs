//! The grant for what a user lets a client do, however they were asked.

use std::time::Duration;

use domain::{Change, Grant, GrantKind, KeyRecord, Scope, Timestamp};

use super::{Holder, NewGrant};
use crate::clients::{Client, ClientGrant};
use crate::signing::TOKEN_LIFETIME;
use crate::store::StoreFault;
use crate::terms::ApiTerms;
use crate::{Identity, Renewal, Shown};

/// How long refresh tokens go on, however often they are used.
const REFRESHED_FOR: Duration = Duration::from_hours(30 * 24);

/// What a user lets a client do, in the tenant of the client.
#[derive(Clone, Copy)]
pub(crate) struct Consented<'a> {
    /// The user.
    pub(crate) user: &'a str,
    /// What the client may do.
    pub(crate) scopes: &'a [Scope],
    /// When the user showed who they are.
    pub(crate) authenticated: Timestamp,
    /// How they did.
    pub(crate) methods: &'a [String],
    /// The thumbprint of the key that the client has proven to hold, where it has.
    pub(crate) key: Option<&'a str>,
}

impl Identity {
    /// The grant, not published yet, and its refresh tokens where the client may have them.
    pub(crate) fn begin_consented(
        &self,
        consented: Consented<'_>,
        client: &Client,
        terms: &ApiTerms,
        now: Timestamp,
    ) -> Result<(KeyRecord, Option<(Change, Shown)>), StoreFault> {
        let refreshes = client.may(ClientGrant::RefreshToken);
        let grant = Grant {
            kind: GrantKind::Consent,
            client: Some(client.id.clone()),
            authenticated: Some(consented.authenticated),
            methods: consented.methods.to_vec(),
        };
        let new = NewGrant {
            api: &client.api,
            tenant: &client.tenant,
            owner: Some(consented.user),
            name: client.name.clone(),
            scopes: consented.scopes.to_vec(),
            grant,
            expires: now + if refreshes { REFRESHED_FOR } else { TOKEN_LIFETIME },
        };
        let drafted = self.draft_grant(new, terms, now)?;
        // However often a user lets the same client in, it has one allowance.
        let lineage = format!("{}:{}:{}", consented.user, client.id, client.tenant).parse();
        let grant = KeyRecord { lineage: lineage.unwrap_or_else(|_| drafted.lineage.clone()), ..drafted };
        let renewal = if client.is_public() { Renewal::Turning } else { Renewal::Lasting };
        // Whoever keeps a secret shows with that who they are, and may change its key (RFC 9449 section 5).
        let holder = Holder { client: Some(&client.id), key: consented.key.filter(|_| client.is_public()) };
        let chain = refreshes.then(|| self.begin_chain(&grant, holder, renewal, now)).transpose()?;
        Ok((grant, chain))
    }
}
