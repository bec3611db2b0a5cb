//! Signing in with a passkey.

use domain::{DeedClass, Timestamp};

use super::challenge::{Ceremony, Spent};
use super::shown::{Party, Said, ShownPasskey, challenge_of, decoded, holds, said};
use super::{BY_CREDENTIAL, Passkey};
use crate::Identity;
use crate::kept::Kept as _;
use crate::people::{Authenticated, SignInError, User};
use crate::publish::Decision;

impl Identity {
    /// Who shows a passkey on the page of this issuer, in the browser that shows this cookie. Nobody is locked out of it by
    /// others who guess passwords.
    pub async fn sign_in_with_passkey(
        &self,
        shown: &ShownPasskey<'_>,
        (party, cookie): (Party<'_>, &str),
    ) -> Result<Authenticated, SignInError> {
        let now = self.clock.now().wall;
        let (spent, passkey, said) = self.judge_passkey(shown, party, cookie, now).await?;
        let (spent, passkey, said) = (&spent, &passkey, &said);
        let judged = self.settle(|| Box::pin(self.admit_by_passkey(spent, passkey, said, now))).await?;
        judged.ok_or(SignInError::Wrong)
    }

    async fn judge_passkey(
        &self,
        shown: &ShownPasskey<'_>,
        party: Party<'_>,
        cookie: &str,
        now: Timestamp,
    ) -> Result<(Spent, Passkey, Said), SignInError> {
        let wrong = || SignInError::Wrong;
        let client_data = decoded(shown.client_data).ok_or_else(wrong)?;
        let challenge = challenge_of(&client_data, "webauthn.get", party).ok_or_else(wrong)?;
        let spent = self.challenges.spend(&challenge, Ceremony::SignIn, cookie, now).ok_or(SignInError::Gone)?;
        let authenticator_data = decoded(shown.authenticator_data).ok_or_else(wrong)?;
        let said = said(&authenticator_data, party).ok_or_else(wrong)?;
        let passkey: Passkey = self.find_by(BY_CREDENTIAL, shown.credential).await?.ok_or_else(wrong)?;
        let handle = decoded(shown.user_handle).ok_or_else(wrong)?;
        let theirs = handle.is_empty() || handle == passkey.user.as_bytes();
        let signature = decoded(shown.signature).ok_or_else(wrong)?;
        let signed = holds((&passkey.key, passkey.algorithm), &authenticator_data, &client_data, &signature);
        if theirs && signed && passkey.host == party.host() { Ok((spent, passkey, said)) } else { Err(wrong()) }
    }

    /// Nobody where the passkey, or what it has signed, is not good any more.
    async fn admit_by_passkey(
        &self,
        spent: &Spent,
        passkey: &Passkey,
        said: &Said,
        now: Timestamp,
    ) -> Result<Decision<Option<Authenticated>>, SignInError> {
        if self.find::<Spent>(spent.id()).await?.is_some() {
            return Err(SignInError::Gone);
        }
        let passkey = self.find::<Passkey>(&passkey.id).await?.ok_or(SignInError::Wrong)?;
        let user = self.find::<User>(&passkey.user).await?.filter(User::may_sign_in).ok_or(SignInError::Wrong)?;
        // One that counts has counted on, or there is a copy of it. What it has signed is spent all the same.
        let counted = (0, 0) == (passkey.counter, said.counter) || passkey.counter < said.counter;
        if !counted {
            let deed = self.deed(DeedClass::Identity, "use_passkey").on(&user.id).with("passkey", &passkey.id);
            let deeds = vec![deed.refused("its counter did not grow: there may be a copy of it")];
            return Ok(Decision { changes: vec![spent.kept()?], deeds, outcome: None });
        }
        let methods = [if passkey.synced { "swk" } else { "hwk" }, "mfa"].map(str::to_owned).to_vec();
        let who = Authenticated::of(&user, methods, now).by_passkey(&passkey.id);
        let deeds = self.released(&user).into_iter().collect();
        let counted_on = Passkey { counter: said.counter, last_used: Some(now), ..passkey };
        let changes = vec![spent.kept()?, counted_on.kept()?, user.unlocked().kept()?];
        Ok(Decision { changes, deeds, outcome: Some(who) })
    }
}
