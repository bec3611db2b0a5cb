//! Signing in: a password, and a code where the user has a second factor.
//!
//! Whatever is wrong with what is shown, the answer is the same and comes after the same work: one password is hashed and
//! one change is written, whether there is such a user, whether they are suspended or locked out, or whether the password
//! was wrong.

use std::time::Duration;

use domain::{Deed, DeedClass, Timestamp, keyformat};
use serde::{Deserialize, Serialize};

use super::factor::{Factor, Judged};
use super::password::{Hash, SALT};
use super::pool::TooBusy;
use super::user::User;
use crate::kept::Kept;
use crate::passkeys::Passkey;
use crate::publish::Decision;
use crate::signing::digest_of;
use crate::store::StoreFault;
use crate::{Identity, Shown};

/// How long one may take to show a code after the password, and for how long it is known that it was too long.
const CODE_WITHIN: Duration = Duration::from_mins(5);
const REMEMBERED: Duration = Duration::from_hours(1);

/// The one record of all names that nobody has.
const STRANGERS: &str = "all";

/// How many digits name somebody who is yet to show a code: 256 bits.
const SECRET: usize = 43;

/// Somebody has just shown who they are. Only signing in makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    pub(crate) user: String,
    pub(crate) methods: Vec<String>,
    pub(crate) at: Timestamp,
    /// What is known of the password and the second factor that they had: once either is another, nothing follows from it any
    /// more.
    password: String,
    factor: Option<String>,
    /// The passkey by which they did. Once it is gone, neither.
    passkey: Option<String>,
}

impl Authenticated {
    /// The user, `usr_...`.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Of a user as they are now.
    pub(crate) fn of(user: &User, methods: Vec<String>, at: Timestamp) -> Self {
        let factor = user.factor.as_ref().map(Factor::mark);
        Self { user: user.id.clone(), methods, at, password: password_mark(user), factor, passkey: None }
    }

    /// The same by one of their passkeys.
    pub(crate) fn by_passkey(self, id: &str) -> Self {
        Self { passkey: Some(id.to_owned()), ..self }
    }
}

/// What a password was good for.
#[derive(Debug)]
pub enum SignIn {
    /// Nothing else is asked for.
    Done(Authenticated),
    /// A code is asked for too.
    CodeWanted(CodeWanted),
}

/// Somebody has shown a password that is right, and it is not enough. Only signing in makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeWanted {
    user: String,
    /// What is known of the password that was right: once it is another, nothing follows from it any more.
    password: String,
}

impl CodeWanted {
    /// Whose password it is, `usr_...`.
    pub fn user(&self) -> &str {
        &self.user
    }
}

/// Nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// What was shown is not believed. Why is for nobody to know.
    #[error("what was shown is not believed")]
    Wrong,
    /// The password was right, and too many codes were wrong of late.
    #[error("too many codes were wrong: none is judged for {} s", .0.as_secs())]
    TooOften(Duration),
    /// It was right once: it has been used, or its time is over.
    #[error("it was good, and is not any more")]
    Gone,
    /// As many wait to be judged as may.
    #[error(transparent)]
    Busy(#[from] TooBusy),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// How often names were tried that nobody has: kept so that it takes as long as keeping how often a user was tried.
#[derive(Serialize, Deserialize)]
struct Strangers {
    id: String,
    tried: u64,
}

impl Kept for Strangers {
    const KIND: &'static str = "strangers";

    fn id(&self) -> &str {
        &self.id
    }
}

/// Somebody who is yet to show a code.
#[derive(Clone, Serialize, Deserialize)]
struct Halfway {
    id: String,
    user: String,
    password: String,
    ends: Timestamp,
    used: bool,
}

impl Kept for Halfway {
    const KIND: &'static str = "halfway";

    fn id(&self) -> &str {
        &self.id
    }

    fn until(&self) -> Option<Timestamp> {
        Some(self.ends + REMEMBERED)
    }
}

/// What was shown, judged as far as it can be without the store.
struct Claim<'a> {
    /// Whose password it was compared with.
    user: Option<&'a User>,
    holds: bool,
    code: Option<&'a str>,
    /// The same password at the cost of today, where it was kept at another.
    renewed: Option<String>,
    now: Timestamp,
}

/// How it was judged.
pub(super) enum Verdict {
    Done(Authenticated),
    CodeWanted(CodeWanted),
    Wrong,
    TooOften(Duration),
}

impl Identity {
    /// Judges a name and a password, and a code where one is shown.
    pub async fn sign_in(&self, name: &str, password: &str, code: Option<&str>) -> Result<SignIn, SignInError> {
        let user = self.user_called(name).await?;
        let kept = user.as_ref().and_then(|it| it.password.as_deref());
        let holds = self.passwords.verify(password, kept).await?;
        let renewed = if holds && kept.is_some_and(Hash::is_outdated) {
            Some(self.passwords.hash(password, self.salt()).await?.to_string())
        } else {
            None
        };
        let claim = &Claim { user: user.as_ref(), holds, code, renewed, now: self.clock.now().wall };
        match self.settle(|| Box::pin(self.judge_claim(claim))).await? {
            Verdict::Done(who) => Ok(SignIn::Done(who)),
            Verdict::CodeWanted(who) => Ok(SignIn::CodeWanted(who)),
            Verdict::Wrong => Err(SignInError::Wrong),
            Verdict::TooOften(wait) => Err(SignInError::TooOften(wait)),
        }
    }

    async fn judge_claim(&self, claim: &Claim<'_>) -> Result<Decision<Verdict>, StoreFault> {
        let user = match claim.user {
            Some(it) => self.find::<User>(&it.id).await?,
            None => None,
        };
        let Some(user) = user else {
            let tried = self.find::<Strangers>(STRANGERS).await?.map_or(0, |it| it.tried).saturating_add(1);
            let changes = vec![Strangers { id: STRANGERS.to_owned(), tried }.kept()?];
            return Ok(Decision { changes, deeds: Vec::new(), outcome: Verdict::Wrong });
        };
        // It may have been set anew meanwhile.
        let same = claim.user.is_some_and(|it| it.password == user.password);
        if !(claim.holds && same) || user.suspended.is_some() {
            return self.fail(user, claim.now);
        }
        let locked = user.failures.locked(claim.now);
        match (user.factor.is_some(), claim.code) {
            // While no guesses are judged, the right one looks like all others. Whoever has a second factor shows both at once
            // then, and is locked out by nobody.
            (false, _) | (true, None) if locked => self.fail(user, claim.now),
            (false, _) => self.let_in(user, &["pwd"], claim),
            (true, None) => {
                let outcome = Verdict::CodeWanted(CodeWanted { user: user.id.clone(), password: password_mark(&user) });
                Ok(Decision { changes: vec![user.kept()?], deeds: Vec::new(), outcome })
            }
            (true, Some(code)) => {
                let judged = self.judge_second(user, code, claim)?;
                let tells = locked && matches!(judged.outcome, Verdict::TooOften(_));
                Ok(if tells { Decision { outcome: Verdict::Wrong, ..judged } } else { judged })
            }
        }
    }

    fn judge_second(&self, mut user: User, code: &str, claim: &Claim<'_>) -> Result<Decision<Verdict>, StoreFault> {
        let Some(mut factor) = user.factor.take() else { return self.fail(user, claim.now) };
        let mut judged = self.judge(&mut factor, &user.id, code, claim.now)?;
        let deeds = judged.take_deed();
        let user = User { factor: Some(factor), ..user };
        let outcome = match judged {
            Judged::Good => return self.let_in(user, &["pwd", "otp", "mfa"], claim),
            Judged::Wrong(_) => Verdict::Wrong,
            Judged::TooOften(wait) => Verdict::TooOften(wait),
        };
        Ok(Decision { changes: vec![user.kept()?], deeds, outcome })
    }

    fn let_in(&self, user: User, methods: &[&str], claim: &Claim<'_>) -> Result<Decision<Verdict>, StoreFault> {
        let deeds = self.released(&user).into_iter().collect();
        let methods = methods.iter().map(|it| (*it).to_owned()).collect();
        let password = claim.renewed.clone().or_else(|| user.password.clone());
        let user = User { password, failures: super::user::Failures::default(), ..user };
        let who = Authenticated::of(&user, methods, claim.now);
        Ok(Decision { changes: vec![user.kept()?], deeds, outcome: Verdict::Done(who) })
    }

    /// Who has shown who they are, where they may sign in and have still whatever they showed. To be asked where what they begin
    /// is decided: others have their turn between both, and what they end then has not begun yet.
    pub(crate) async fn still_authenticated(&self, who: &Authenticated) -> Result<Option<User>, StoreFault> {
        if let Some(passkey) = &who.passkey
            && self.find::<Passkey>(passkey).await?.is_none()
        {
            return Ok(None);
        }
        let user = self.find::<User>(&who.user).await?.filter(User::may_sign_in);
        let same = |it: &User| password_mark(it) == who.password && it.factor.as_ref().map(Factor::mark) == who.factor;
        Ok(user.filter(same))
    }

    /// Somebody was locked out and is no more.
    pub(crate) fn released(&self, user: &User) -> Option<Deed> {
        let deed = || self.deed(DeedClass::Lockout, "release").on(&user.id);
        user.failures.locked_until.is_some().then(deed)
    }

    pub(super) fn fail(&self, mut user: User, now: Timestamp) -> Result<Decision<Verdict>, StoreFault> {
        let settings = &self.people;
        let locks = user.failures.add(settings.tries.get(), settings.lockout, now);
        let deed = || {
            let until = user.failures.locked_until.map(|it| it.to_string()).unwrap_or_default();
            let deed = self.deed(DeedClass::Lockout, "lock").on(&user.id).with("until", until);
            deed.with("failures", user.failures.count)
        };
        let deeds = locks.then(deed).into_iter().collect();
        Ok(Decision { changes: vec![user.kept()?], deeds, outcome: Verdict::Wrong })
    }

    /// What a browser shows together with the code: good for five minutes, and for one who signs in.
    pub async fn await_code(&self, who: &CodeWanted) -> Result<Shown, StoreFault> {
        let secret = keyformat::draw_id("", SECRET, &*self.random);
        let ends = self.clock.now().wall + CODE_WITHIN;
        let CodeWanted { user, password } = who.clone();
        let halfway = &Halfway { id: digest_of(&secret), user, password, ends, used: false };
        self.settle(|| {
            Box::pin(async move {
                Ok::<_, StoreFault>(Decision { changes: vec![halfway.kept()?], deeds: Vec::new(), outcome: () })
            })
        })
        .await?;
        Ok(Shown::new(secret))
    }

    /// Judges a code of somebody whose password was right just now.
    pub async fn show_code(&self, halfway: &str, code: &str) -> Result<Authenticated, SignInError> {
        let (id, now) = (&digest_of(halfway), self.clock.now().wall);
        match self.settle(|| Box::pin(self.judge_code(id, code, now))).await? {
            Verdict::Done(who) => Ok(who),
            Verdict::TooOften(wait) => Err(SignInError::TooOften(wait)),
            Verdict::Wrong | Verdict::CodeWanted(_) => Err(SignInError::Wrong),
        }
    }

    async fn judge_code(&self, id: &str, code: &str, now: Timestamp) -> Result<Decision<Verdict>, SignInError> {
        let halfway: Halfway = self.find(id).await?.ok_or(SignInError::Wrong)?;
        if halfway.used || halfway.ends <= now {
            return Err(SignInError::Gone);
        }
        let user = self.find::<User>(&halfway.user).await?;
        let user = user.filter(|it| it.suspended.is_none() && password_mark(it) == halfway.password);
        let user = user.ok_or(SignInError::Gone)?;
        let claim = Claim { user: None, holds: true, code: Some(code), renewed: None, now };
        let mut decision = self.judge_second(user, code, &claim)?;
        if let Verdict::Done(_) = decision.outcome {
            decision.changes.push(Halfway { used: true, ..halfway }.kept()?);
        }
        Ok(decision)
    }

    fn salt(&self) -> [u8; SALT] {
        let mut salt = [0; SALT];
        self.random.fill(&mut salt);
        salt
    }

    /// The hash of a new password.
    pub(super) async fn hashed(&self, password: &str) -> Result<String, TooBusy> {
        Ok(self.passwords.hash(password, self.salt()).await?.to_string())
    }
}

fn password_mark(user: &User) -> String {
    digest_of(user.password.as_deref().unwrap_or_default())
}
