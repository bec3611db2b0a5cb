//! Passkeys (`WebAuthn` level 3): keys in a device or a password manager, by which people sign in without a password.
//!
//! What an authenticator says of itself is not asked for: a passkey proves that whoever registered it is there again, and
//! that it was they who unlocked it. Only what people do on the page of the issuer that they are made for is taken.

mod challenge;
mod register;
mod shown;
mod sign_in;

use domain::{DeedClass, Timestamp};
use serde::{Deserialize, Serialize};

pub use challenge::Ceremony;
pub(crate) use challenge::Challenges;
pub use register::{NewPasskey, RegisterPasskeyError};
pub use shown::{Party, ShownPasskey};

use crate::Identity;
use crate::kept::Kept;
use crate::publish::{Decision, Entered};
use crate::store::{Page, StoreFault};

/// How many a user may have.
pub(crate) const MOST: usize = 10;

/// By what one is found: its user, and the id that its authenticator gave it.
const BY_USER: &str = "user";
const BY_CREDENTIAL: &str = "credential";

/// A passkey, as it is kept. Nothing of it opens anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passkey {
    /// How it is named everywhere: `psk_` and 16 digits.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What they call it.
    pub name: String,
    /// When it was registered.
    pub created: Timestamp,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
    /// The host that it is for.
    host: String,
    /// The id that its authenticator gave it, in base64url.
    credential: String,
    /// The public key, as an X.509 `SubjectPublicKeyInfo`, and the algorithm that goes with it (RFC 9053).
    key: Vec<u8>,
    algorithm: i32,
    /// How often it was used, where the authenticator counts.
    counter: u32,
    /// Whether it may be on more than one device.
    synced: bool,
}

/// A passkey could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemovePasskeyError {
    /// The user has none of this id.
    #[error("the user has no such passkey")]
    Unknown,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for RemovePasskeyError {}

impl Kept for Passkey {
    const KIND: &'static str = "passkey";

    fn id(&self) -> &str {
        &self.id
    }

    fn found_by(&self) -> Vec<(&'static str, String)> {
        vec![(BY_USER, self.user.clone()), (BY_CREDENTIAL, self.credential.clone())]
    }
}

impl Identity {
    /// The passkeys of a user, in the order in which they were registered.
    pub async fn passkeys_of(&self, user: &str) -> Result<Vec<Passkey>, StoreFault> {
        let page = Page { after: None, limit: u32::try_from(MOST).unwrap_or(u32::MAX) };
        self.list(None, Some((BY_USER, user)), &page).await
    }

    /// One of them is good for nothing any more.
    pub async fn remove_passkey(&self, user: &str, id: &str) -> Result<(), RemovePasskeyError> {
        let deed = || self.deed(DeedClass::Identity, "remove_passkey").on(user);
        let verb = self.settle(|| {
            Box::pin(async move {
                let found = self.find::<Passkey>(id).await?.filter(|it| it.user == user);
                let passkey = found.ok_or(RemovePasskeyError::Unknown)?;
                let deeds = vec![deed().with("passkey", id)];
                Ok(Decision { changes: vec![passkey.gone()], deeds, outcome: () })
            })
        });
        self.told(deed(), verb).await
    }
}
