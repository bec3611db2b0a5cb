//! The grant for what a user lets a client do, however they were asked.

use std::time::Duration;

use domain::{Change, Deed, Grant, GrantKind, KeyRecord, Scope, Timestamp};

use super::of_session::SessionGrant;
use super::{Holder, NewGrant, ended};
use crate::clients::{Client, ClientGrant};
use crate::consents::client_behind;
use crate::fitting::still;
use crate::kept::Kept as _;
use crate::people::{KeptSession, User};
use crate::signing::TOKEN_LIFETIME;
use crate::store::StoreFault;
use crate::terms::ApiTerms;
use crate::{Identity, Renewal, Shown};

/// How long refresh tokens go on, however often they are used.
const REFRESHED_FOR: Duration = Duration::from_hours(30 * 24);

/// How many of one user one client may have at once: each is in memory for as long as it lasts. The oldest ends where there
/// would be more.
const PER_USER: usize = 50;

/// What a user lets a client do, in the tenant of the client.
#[derive(Clone, Copy)]
pub(crate) struct Consented<'a> {
    /// The user.
    pub(crate) user: &'a str,
    /// What they have let the client do; they may have lost some of it since.
    pub(crate) scopes: &'a [Scope],
    /// When the user showed who they are, where that is known.
    pub(crate) authenticated: Option<Timestamp>,
    /// How they did.
    pub(crate) methods: &'a [String],
    /// The session of the browser in which they did. With that, it ends.
    pub(crate) session: Option<&'a str>,
    /// The thumbprint of the key that the client has proven to hold, where it has.
    pub(crate) key: Option<&'a str>,
}

/// The grant that comes of it, not published yet.
pub(crate) struct BegunConsent {
    /// The grant.
    pub(crate) grant: KeyRecord,
    /// What keeps it alive, where the client may have that.
    pub(crate) refresh: Option<Shown>,
    /// What publishes both, and ends whatever had to make room.
    pub(crate) changes: Vec<Change>,
    /// What is entered of those.
    pub(crate) deeds: Vec<Deed>,
}

/// What a user has allowed is good for nothing by the time that it is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lapsed {
    /// The user may not sign in any more, has left the tenant, or has signed out.
    #[error("its user may not sign in any more, has left the tenant, or has signed out")]
    Left,
    /// The user may do nothing of it any more.
    #[error("its user may do nothing of it any more")]
    Nothing,
    /// The client is not there any more, or is suspended.
    #[error("its client was suspended or deleted")]
    NoClient,
}

impl Identity {
    /// What is left of what a user has allowed, by what they are now: decided where it is published, so that what they lose
    /// meanwhile they do not give.
    pub(crate) async fn begin_consented<E: From<StoreFault> + From<Lapsed>>(
        &self,
        consented: Consented<'_>,
        client: &Client,
        terms: &ApiTerms,
        now: Timestamp,
    ) -> Result<BegunConsent, E> {
        let (scopes, session) = self.left_of(&consented, client, terms).await??;
        let refreshes = client.may(ClientGrant::RefreshToken);
        let grant = Grant {
            kind: GrantKind::Consent,
            client: Some(client.id.clone()),
            authenticated: consented.authenticated,
            methods: consented.methods.to_vec(),
        };
        let new = NewGrant {
            api: &client.api,
            tenant: &client.tenant,
            owner: Some(consented.user),
            name: client.name.clone(),
            scopes,
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
        let (chain, refresh) = chain.unzip();
        let came_of = session.map(|it| SessionGrant::of(&it, &grant).kept()).transpose()?;
        let (mut changes, deeds) = self.make_room_for_client(consented.user, &client.id, now).await?;
        changes.extend(std::iter::once(Change::Key(Box::new(grant.clone()))).chain(chain).chain(came_of));
        Ok(BegunConsent { grant, refresh, changes, deeds })
    }

    /// Ends the oldest of what a client was let do by a user where there is no room for one more.
    async fn make_room_for_client(
        &self,
        user: &str,
        client: &str,
        now: Timestamp,
    ) -> Result<(Vec<Change>, Vec<Deed>), StoreFault> {
        let all = self.grants_of(user).await?;
        let lasts = |it: &&KeyRecord| client_behind(it) == Some(client) && ended(it, now).is_some();
        let alive: Vec<&KeyRecord> = all.iter().filter(lasts).collect();
        let many = (alive.len() + 1).saturating_sub(PER_USER);
        Ok(self.crowd_out(alive.into_iter().take(many), now))
    }

    /// What is left of it, and the session in which it was allowed, where it was in one.
    async fn left_of(
        &self,
        consented: &Consented<'_>,
        client: &Client,
        terms: &ApiTerms,
    ) -> Result<Result<(Vec<Scope>, Option<KeptSession>), Lapsed>, StoreFault> {
        // It was looked at when it showed who it is, and what ends a client ends only the grants that it has by then.
        let client = self.client(&client.id).await?.filter(|it| it.suspended.is_none());
        let Some(client) = client else { return Ok(Err(Lapsed::NoClient)) };
        if !self.is_open(&client.tenant).await? {
            return Ok(Err(Lapsed::NoClient));
        }
        let Some(user) = self.find::<User>(consented.user).await?.filter(User::may_sign_in) else {
            return Ok(Err(Lapsed::Left));
        };
        let roles = user.roles_in(&client.tenant);
        // Signing out ends neither a code nor a device that is on its way.
        let session = match consented.session {
            Some(id) => self.standing_session(id).await?,
            None => None,
        };
        let signed_out = consented.session.is_some() && session.is_none();
        if roles.is_empty() || signed_out {
            return Ok(Err(Lapsed::Left));
        }
        let mut scopes = still(consented.scopes, &terms.scopes_of(&roles));
        scopes.retain(|it| client.scopes.contains(it));
        Ok(if scopes.is_empty() { Err(Lapsed::Nothing) } else { Ok((scopes, session)) })
    }
}
