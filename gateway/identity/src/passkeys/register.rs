//! Registering passkeys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{DeedClass, keyformat};

use super::challenge::{Ceremony, Spent};
use super::shown::{Party, challenge_of, decoded, public_key, said};
use super::{BY_CREDENTIAL, MOST, Passkey};
use crate::Identity;
use crate::kept::Kept as _;
use crate::people::User;
use crate::publish::{Decision, Entered};
use crate::store::StoreFault;
use crate::terms::{Unfit, label};

/// What a browser shows of a passkey that was just made, the bytes in base64url.
#[derive(Clone, Copy)]
pub struct NewPasskey<'a> {
    /// What its user calls it.
    pub name: &'a str,
    /// What the browser says of the page.
    pub client_data: &'a str,
    /// What the authenticator says.
    pub authenticator_data: &'a str,
    /// The public key, as an X.509 `SubjectPublicKeyInfo`.
    pub key: &'a str,
    /// The algorithm that goes with it (RFC 9053).
    pub algorithm: i32,
}

/// A passkey could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterPasskeyError {
    /// What is shown was not made here, now and for this.
    #[error("what is shown was not made on the page of this issuer a moment ago")]
    Wrong,
    /// Somebody has it already.
    #[error("the passkey is registered already")]
    Taken,
    /// The user has as many as they may.
    #[error("the user has {MOST} passkeys, which is as many as they may")]
    TooMany,
    /// It cannot be called so.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for RegisterPasskeyError {
    fn entered(&self) -> String {
        if let Self::Unfit(_) = self { "that cannot be its name".to_owned() } else { self.to_string() }
    }
}

impl Identity {
    /// What an authenticator is to sign for the browser that shows this cookie.
    pub fn passkey_challenge(&self, ceremony: Ceremony<'_>, cookie: &str) -> String {
        self.challenges.make(ceremony, cookie, &*self.random, self.clock.now().wall)
    }

    /// A user signs in with this from now on, where the browser that they have signed in with shows it.
    pub async fn register_passkey(
        &self,
        user: &str,
        new: &NewPasskey<'_>,
        (party, cookie): (Party<'_>, &str),
    ) -> Result<Passkey, RegisterPasskeyError> {
        let deed = self.deed(DeedClass::Identity, "register_passkey").on(user);
        let verb = async {
            let (spent, made) = self.read_new(user, new, party, cookie)?;
            let (spent, made) = (&spent, &made);
            self.settle(|| Box::pin(self.admit_passkey(spent, made))).await
        };
        self.told(deed, verb).await
    }

    fn read_new(
        &self,
        user: &str,
        new: &NewPasskey<'_>,
        party: Party<'_>,
        cookie: &str,
    ) -> Result<(Spent, Passkey), RegisterPasskeyError> {
        let wrong = || RegisterPasskeyError::Wrong;
        let name = label(new.name)?;
        let now = self.clock.now().wall;
        let client_data = decoded(new.client_data).ok_or_else(wrong)?;
        let challenge = challenge_of(&client_data, "webauthn.create", party).ok_or_else(wrong)?;
        let spent = self.challenges.spend(&challenge, Ceremony::Register(user), cookie, now).ok_or_else(wrong)?;
        let said = decoded(new.authenticator_data).and_then(|it| said(&it, party)).ok_or_else(wrong)?;
        let credential = said.credential.ok_or_else(wrong)?;
        let key = decoded(new.key).ok_or_else(wrong)?;
        // One that could never be verified would only be found out when it is needed.
        public_key(&key, new.algorithm).ok_or_else(wrong)?;
        let made = Passkey {
            id: keyformat::draw_id("psk_", 16, &*self.random),
            user: user.to_owned(),
            name,
            created: now,
            last_used: None,
            host: party.host().to_owned(),
            credential: URL_SAFE_NO_PAD.encode(credential),
            key,
            algorithm: new.algorithm,
            counter: said.counter,
            synced: said.synced,
        };
        Ok((spent, made))
    }

    async fn admit_passkey(&self, spent: &Spent, made: &Passkey) -> Result<Decision<Passkey>, RegisterPasskeyError> {
        let user = self.find::<User>(&made.user).await?.filter(User::may_sign_in);
        if user.is_none() || self.find::<Spent>(spent.id()).await?.is_some() {
            return Err(RegisterPasskeyError::Wrong);
        }
        if self.find_by::<Passkey>(BY_CREDENTIAL, &made.credential).await?.is_some() {
            return Err(RegisterPasskeyError::Taken);
        }
        if MOST <= self.passkeys_of(&made.user).await?.len() {
            return Err(RegisterPasskeyError::TooMany);
        }
        let deed = self.deed(DeedClass::Identity, "register_passkey").on(&made.user).with("passkey", &made.id);
        let deed = deed.with("synced", made.synced);
        Ok(Decision { changes: vec![spent.kept()?, made.kept()?], deeds: vec![deed], outcome: made.clone() })
    }
}
