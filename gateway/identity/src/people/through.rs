//! A session that began at a provider elsewhere, and what came of it: what both are known by there.

use domain::TenantId;
use serde::{Deserialize, Serialize};

use super::browser::KeptSession;
use crate::kept::Kept;
use crate::providers::Provider;
use crate::signing::digest_of;
use crate::store::StoreFault;
use crate::{Identity, Shown};

/// By what is found that began at a connection.
pub(crate) const BY_PROVIDER: &str = "provider";

/// By what is found that began with an account there, and in one session as the provider calls it.
pub(crate) const BY_ACCOUNT: &str = "account";

/// As what the token is sealed that is shown again.
const SEALED_AS: &str = "outside id token";

/// What a provider knows something by that began there. What it calls its user and their session is kept as digests.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct KnownThere {
    /// The connection.
    pub(crate) provider: String,
    account: String,
    visit: Option<String>,
}

impl KnownThere {
    /// Whether it is of this account.
    pub(crate) fn is_of_account(&self, account: &str) -> bool {
        self.account == account
    }

    /// Whether the provider has not said what it calls the session.
    pub(crate) fn is_unnamed(&self) -> bool {
        self.visit.is_none()
    }

    /// By what it is found.
    pub(crate) fn found_by(&self) -> impl Iterator<Item = (&'static str, String)> {
        let accounts = [Some(&self.account), self.visit.as_ref()].into_iter().flatten();
        std::iter::once((BY_PROVIDER, self.provider.clone())).chain(accounts.map(|it| (BY_ACCOUNT, it.clone())))
    }
}

/// Something that may have begun at a provider elsewhere, and is found by what it is known by there.
pub(crate) trait MayBeOutside: Kept {
    /// What that is, if it began there.
    fn known_there(&self) -> Option<&KnownThere>;
}

/// Where a session began.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Through {
    /// What it is known by there.
    #[serde(flatten)]
    pub(crate) known: KnownThere,
    /// The tenant of the connection.
    pub(crate) tenant: TenantId,
    id_token: Vec<u8>,
}

impl Through {
    /// Of an account of this connection, and of a session there if it has a name.
    pub(crate) fn new(provider: &Provider, subject: &str, session: Option<&str>, id_token: Vec<u8>) -> Self {
        let known = KnownThere {
            provider: provider.id.clone(),
            account: Self::account(&provider.id, subject),
            visit: session.map(|it| Self::visit(&provider.id, it)),
        };
        Self { known, tenant: provider.tenant.clone(), id_token }
    }

    /// What is kept of an account.
    pub(crate) fn account(provider: &str, subject: &str) -> String {
        digest_of(&format!("{provider}\nsub\n{subject}"))
    }

    /// What is kept of a session there.
    pub(crate) fn visit(provider: &str, session: &str) -> String {
        digest_of(&format!("{provider}\nsid\n{session}"))
    }
}

impl MayBeOutside for KeptSession {
    fn known_there(&self) -> Option<&KnownThere> {
        self.through.as_ref().map(|it| &it.known)
    }
}

impl Identity {
    /// What is kept of the token that says who somebody is, for a session with this secret.
    pub(crate) fn seal_id_token(&self, secret: &str, token: &str) -> Result<Vec<u8>, StoreFault> {
        self.vault.seal(SEALED_AS, &digest_of(secret), token.as_bytes()).map_err(unsealed)
    }

    pub(super) fn open_id_token(&self, secret: &str, through: &Through) -> Result<Shown, StoreFault> {
        let opened = self.vault.unseal(SEALED_AS, &digest_of(secret), &through.id_token).map_err(unsealed)?;
        Ok(Shown::new(String::from_utf8_lossy(&opened).into_owned()))
    }
}

fn unsealed(cause: domain::SealFault) -> StoreFault {
    StoreFault { doing: "sealing or opening what a provider has said", source: cause.into() }
}
