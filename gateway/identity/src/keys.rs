//! The life of a key: made, shown once, listed, rotated, revoked.

mod create;
mod held;
mod import;
mod revoke;
mod rotate;

use domain::{Deed, DeedClass, Digest, KeyId, KeyRecord, KeySecret, Timestamp, keyformat};
use zeroize::Zeroize;

pub use create::{CreateKeyError, NewKey};
pub use import::{ImportKey, ImportKeyError};
pub use revoke::RevokeKeyError;
pub use rotate::RotateKeyError;

use crate::people::is_user_id;
use crate::service_accounts::is_account;
use crate::store::{KeyFilter, Page, SecretsChanged, StoreFault};
use crate::terms::{ApiTerms, Unfit};
use crate::{Identity, Shown};

/// What a key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// One secret that is shown with every request.
    ApiKey,
    /// An id and a secret that signs requests.
    AccessKey,
}

/// A key that was just made. This is the only time its secret is seen.
#[derive(Debug)]
pub struct Issued {
    /// What is kept of it.
    pub record: KeyRecord,
    /// The key itself; of an access key, its secret half.
    pub secret: Shown,
}

/// Whether a key works at a given moment, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It works.
    Active,
    /// It works until its overlap is over; a newer key has taken its place.
    Retiring,
    /// Its overlap is over.
    Replaced,
    /// Past its end.
    Expired,
    /// Revoked.
    Revoked,
    /// Its owner is suspended.
    Suspended,
}

impl KeyState {
    /// The state of a key at this moment.
    pub fn of(record: &KeyRecord, now: Timestamp) -> Self {
        let passed = |it: Option<Timestamp>| it.is_some_and(|it| it <= now);
        if record.revoked.is_some() {
            Self::Revoked
        } else if passed(record.expires) {
            Self::Expired
        } else if passed(record.overlap.map(|it| it.until)) {
            Self::Replaced
        } else if record.suspended.is_some() {
            Self::Suspended
        } else if record.overlap.is_some() {
            Self::Retiring
        } else {
            Self::Active
        }
    }

    /// Whether it opens anything.
    pub fn works(self) -> bool {
        matches!(self, Self::Active | Self::Retiring)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
        }
    }
}

impl Identity {
    /// One key.
    pub async fn key(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreFault> {
        self.registry.key(id).await
    }

    /// Keys in the order in which they were made, dead ones included.
    pub async fn list_keys(&self, filter: &KeyFilter, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreFault> {
        self.registry.keys(filter, page).await
    }

    /// The keys that came from the same one as this by rotation, others than it, and work now.
    pub async fn working_keys_of_lineage(&self, key: &KeyRecord) -> Result<Vec<KeyRecord>, StoreFault> {
        let now = self.clock.now().wall;
        let mut keys = self.keys_at(&key.tenant, &key.api).await?;
        keys.retain(|it| it.lineage == key.lineage && it.id != key.id && KeyState::of(it, now).works());
        Ok(keys)
    }

    /// Writes down when keys were last used.
    pub async fn note_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreFault> {
        self.registry.note_uses(uses).await
    }

    /// Refuses to go on with other secrets than those the store was filled under: every key would be turned away.
    pub async fn check_secrets(&self, marks: &[(String, Digest)]) -> Result<(), SecretsChanged> {
        self.registry.remember_marks(marks).await
    }

    /// A new secret of this kind and what is kept of it.
    fn mint(&self, kind: KeyKind, terms: &ApiTerms) -> Result<(KeySecret, Shown), StoreFault> {
        match (kind, terms.prefixes.first()) {
            (KeyKind::ApiKey, prefix) => {
                let mut bits = [0; 32];
                self.random.fill(&mut bits);
                let key = Shown::new(keyformat::write(prefix.map_or("", String::as_str), &mut bits));
                Ok((self.vault.keep_minted(key.reveal()), key))
            }
            (KeyKind::AccessKey, _) => {
                let id = keyformat::draw_access_key_id(&*self.random);
                let mut drawn = keyformat::draw_id("", 40, &*self.random);
                let secret = Shown::new(drawn.clone());
                drawn.zeroize();
                let kept = self.vault.keep_access_key(&id, secret.reveal());
                Ok((kept.map_err(|it| StoreFault { doing: "sealing a secret", source: it.into() })?, secret))
            }
        }
    }

    /// What is entered of a key: what it opens and for whom, never what it is, and of who holds it the id alone. Its name may
    /// be that of a person, who could not be erased: the registry has it under the key's id.
    pub(crate) fn key_deed(&self, action: &str, key: &KeyRecord) -> Deed {
        let spaced = |words: Vec<String>| words.join(" ");
        let kind = match &key.secret {
            KeySecret::Minted { .. } => "minted",
            KeySecret::Imported { .. } => "imported",
            KeySecret::AccessKey { .. } => "access_key",
            KeySecret::Granted(_) => "grant",
        };
        let deed = self.deed(DeedClass::Key, action).on(&key.id).of(&key.tenant).with("api", &key.api);
        let deed = deed.with("kind", kind).with("tier", &key.tier);
        let deed = deed.with("scopes", spaced(key.scopes.iter().map(ToString::to_string).collect()));
        let deed = match key.ip_allow.as_slice() {
            [] => deed,
            nets => deed.with("ip_allow", spaced(nets.iter().map(ToString::to_string).collect())),
        };
        let deed = key.bound.iter().fold(deed, |deed, bound| deed.with("bound", bound));
        // Of a service account or a user its id is all there is to say.
        let owner = key.owner.as_deref().filter(|it| is_account(it) || is_user_id(it));
        let deed = owner.into_iter().fold(deed, |deed, owner| deed.with("owner", owner));
        match key.expires {
            Some(expires) => deed.with("expires", expires),
            None => deed,
        }
    }

    /// A new key id.
    fn draw_key_id(&self) -> Result<KeyId, StoreFault> {
        let drawn = keyformat::draw_id("key_", 16, &*self.random);
        drawn.parse().map_err(|it| StoreFault { doing: "drawing an id", source: Box::new(it) })
    }
}

/// The kind asked for, or the one the API takes.
fn kind(asked: Option<KeyKind>, terms: &ApiTerms) -> Result<KeyKind, Unfit> {
    let api_keys = !terms.prefixes.is_empty();
    let kind = asked.unwrap_or(if api_keys { KeyKind::ApiKey } else { KeyKind::AccessKey });
    match kind {
        KeyKind::ApiKey if !api_keys => Err(Unfit::KindNotTaken(terms.api.clone(), "API keys")),
        KeyKind::AccessKey if !terms.access_keys => Err(Unfit::KindNotTaken(terms.api.clone(), "access keys")),
        KeyKind::ApiKey | KeyKind::AccessKey => Ok(kind),
    }
}

#[cfg(test)]
mod tests;
