//! Letting somebody in of whom a provider has said who they are: known by that alone, or made known.

use domain::{DeedClass, Timestamp, keyformat};
use serde_json::{Map, Value};

use super::{Provider, claims};
use crate::kept::Kept as _;
use crate::people::{BROWSER_SECRET, ChangePersonError, KeptSession, NewOutsider, Through, User};
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Terms, label};
use crate::{Identity, Shown};

/// What a provider says of somebody, verified. It has no `Debug`.
pub struct OutsideUser<'a> {
    /// At which issuer of ours they come.
    pub issuer: &'a str,
    /// How it calls them for ever.
    pub subject: &'a str,
    /// How it calls their session there.
    pub session: Option<&'a str>,
    /// When they showed who they are, where it says so.
    pub authenticated: Option<Timestamp>,
    /// How they did.
    pub methods: Vec<String>,
    /// Everything else.
    pub claims: &'a Map<String, Value>,
    /// The token that says so, which is shown again when they sign out.
    pub id_token: &'a str,
}

/// Somebody of whom a provider has said who they are was not let in.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The connection was suspended or deleted a moment ago, or its tenant was.
    #[error("nobody signs in by this connection any more")]
    Closed,
    /// Nobody here is known by that, and nobody is made known by coming.
    #[error("no user is linked with that account, and none is made")]
    Unlinked,
    /// The user is suspended.
    #[error("the user is suspended")]
    Suspended,
    /// Nothing that is said of them gives them a role.
    #[error("the user has no role in the tenant")]
    NoRole,
    /// Nobody would be left to look after the tenant.
    #[error("nobody else is an owner of the tenant, and what is said of the user makes them none")]
    LastOwner,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for EnterError {
    fn entered(&self) -> String {
        self.reason().to_owned()
    }
}

impl EnterError {
    /// As one token.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "outside_closed",
            Self::Unlinked => "outside_unlinked",
            Self::Suspended => "outside_suspended",
            Self::NoRole => "outside_no_role",
            Self::LastOwner => "outside_last_owner",
            Self::Store(_) => "internal",
        }
    }
}

impl From<ChangePersonError> for EnterError {
    fn from(cause: ChangePersonError) -> Self {
        match cause {
            ChangePersonError::LastOwner(_) => Self::LastOwner,
            ChangePersonError::Store(cause) => Self::Store(cause),
            // Roles are given here, and nothing else.
            ChangePersonError::Unknown(_)
            | ChangePersonError::Unfit(_)
            | ChangePersonError::Password(_)
            | ChangePersonError::Wrong
            | ChangePersonError::Role(_)
            | ChangePersonError::Busy(_) => Self::Store(StoreFault { doing: "giving roles", source: cause.into() }),
        }
    }
}

impl Identity {
    /// Begins a session of the browser of somebody of whom a provider has said who they are: the value of its cookie. What
    /// they are in the tenant is what follows from what was said, now: where that is nothing they are not let in, and what they
    /// held there is over.
    pub async fn enter_outside(
        &self,
        provider: &Provider,
        who: &OutsideUser<'_>,
        terms: &Terms,
    ) -> Result<Shown, EnterError> {
        let secret = keyformat::draw_id("", BROWSER_SECRET, &*self.random);
        let sealed = self.seal_id_token(&secret, who.id_token)?;
        let through = &Through::new(provider, who.subject, who.session, sealed);
        let deed = self.deed(DeedClass::SessionStart, "sign_in").on(&provider.id).of(&provider.tenant);
        let verb = async { self.settle(|| Box::pin(self.admit_outsider(through, who, terms, &secret))).await? };
        self.told(deed.with("kind", "browser"), verb).await?;
        Ok(Shown::new(secret))
    }

    async fn admit_outsider(
        &self,
        through: &Through,
        who: &OutsideUser<'_>,
        terms: &Terms,
        secret: &str,
    ) -> Result<Decision<Result<(), EnterError>>, EnterError> {
        // What it was when they set out may be another by now.
        let provider = self.open_provider(&through.known.provider).await?.ok_or(EnterError::Closed)?;
        let now = self.clock.now().wall;
        let (mut changes, mut deeds) = (Vec::new(), Vec::new());
        let known = self.linked(&provider, who.subject).await?;
        let is_known = known.is_some();
        let user = if let Some(known) = known {
            known
        } else {
            if !provider.makes_users {
                return Err(EnterError::Unlinked);
            }
            let made = self.new_outsider(&provider, who, now).await?;
            changes.push(Self::link(&provider, who.subject, made.id.clone()).kept()?);
            deeds.push(self.deed(DeedClass::Identity, "create_user").on(&made.id).with("provider", &provider.id));
            made
        };
        if !user.may_sign_in() {
            return Err(EnterError::Suspended);
        }
        let user = if provider.rules.is_empty() {
            user
        } else {
            let roles = self.within(&provider, &claims::roles(&provider.rules, who.claims), terms).await?;
            let (user, more, told) = self.with_roles(user, &provider.tenant, &roles, terms).await?;
            changes.extend(more);
            deeds.extend(told);
            user
        };
        if !user.memberships().iter().any(|it| it.tenant == provider.tenant) {
            if !is_known || deeds.is_empty() {
                return Err(EnterError::NoRole);
            }
            changes.push(user.kept()?);
            return Ok(Decision { changes, deeds, outcome: Err(EnterError::NoRole) });
        }
        let session = KeptSession::through(secret, &user, who, through.clone(), now);
        let deed = self.deed(DeedClass::SessionStart, "sign_in").on(&user.id).of(&provider.tenant);
        let deed = deed.with("kind", "browser").with("provider", &provider.id);
        deeds.push(deed.with("methods", who.methods.join(" ")));
        changes.extend([user.kept()?, session.kept()?]);
        Ok(Decision { changes, deeds, outcome: Ok(()) })
    }

    /// Somebody who comes for the first time. They are never taken for somebody who is known already, whatever address they
    /// are said to have; and an address is theirs only where it is one of the connection's own and nobody else's.
    async fn new_outsider(
        &self,
        provider: &Provider,
        who: &OutsideUser<'_>,
        now: Timestamp,
    ) -> Result<User, StoreFault> {
        let id = keyformat::draw_id("usr_", 16, &*self.random);
        let said = |name: &str| claims::found(who.claims, name).and_then(Value::as_str);
        let verified = who.claims.get("email_verified") == Some(&Value::Bool(true));
        let email = said("email").filter(|it| verified && provider.is_of(it)).and_then(crate::people::address_of);
        let email = match email {
            Some(it) if self.user_called(&it).await?.is_none() => Some(it),
            Some(_) | None => None,
        };
        let display = said("name").and_then(|it| label(it).ok());
        Ok(User::outsider(NewOutsider { id, email, display, now }))
    }
}
