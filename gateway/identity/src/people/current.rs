//! The password that somebody has, shown once more by who is signed in.

use super::change::ChangePersonError;
use super::user::User;
use crate::Identity;
use crate::publish::Decision;
use crate::store::StoreFault;

impl Identity {
    /// Judges the password that a user has. A wrong one counts as at the sign-in, and while guesses are not judged there none
    /// is here: else a stolen session were a way round.
    pub async fn prove_password(&self, id: &str, password: &str) -> Result<(), ChangePersonError> {
        let user = self.find::<User>(id).await?.ok_or_else(|| ChangePersonError::Unknown(id.to_owned()))?;
        let holds = self.passwords.verify(password, user.password.as_deref()).await?;
        let (user, now) = (&user, self.clock.now().wall);
        let believed = self.settle(|| {
            Box::pin(async move {
                let Some(is) = self.find::<User>(id).await? else {
                    return Ok::<_, StoreFault>(Decision { changes: Vec::new(), deeds: Vec::new(), outcome: false });
                };
                if holds && is.password == user.password && !is.failures.locked(now) {
                    return Ok(Decision { changes: Vec::new(), deeds: Vec::new(), outcome: true });
                }
                let Decision { changes, deeds, .. } = self.fail(is, now)?;
                Ok(Decision { changes, deeds, outcome: false })
            })
        });
        if believed.await? { Ok(()) } else { Err(ChangePersonError::Wrong) }
    }
}
