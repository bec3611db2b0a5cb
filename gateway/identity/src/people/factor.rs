//! The second factor: codes from an authenticator, and ten to be kept in a drawer.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Change, Deed, DeedClass, KeyId, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::signin::Authenticated;
use super::totp;
use super::user::User;
use crate::grants::ended;
use crate::kept::Kept;
use crate::publish::{Decision, Entered};
use crate::signing::digest_of;
use crate::store::StoreFault;
use crate::{Identity, Shown};

/// What the secret is sealed as.
const SEALED_AS: &str = "second factor";

/// How many wrong codes are heard, and within how long: twice as long after each so many more in a row, up to a day, because
/// whoever guesses has the password or a session, and all the time there is.
const TRIES: usize = 5;
const WITHIN: Duration = Duration::from_mins(5);
const LONGEST: Duration = Duration::from_hours(24);

/// How many recovery codes there are, of how many digits of 5 bits.
const RECOVERY: usize = 10;
const RECOVERY_DIGITS: usize = 12;

/// A second factor, as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Factor {
    /// The secret that the authenticator shares, sealed.
    sealed: Vec<u8>,
    /// The step of the last code that was taken, so that it is taken once.
    last_step: Option<i64>,
    /// What is kept of the recovery codes that are left: an HMAC under the secret, which nobody has who has the store alone.
    recovery: Vec<String>,
    /// When wrong codes were shown of late.
    wrong: Vec<Timestamp>,
    /// How many were since the last good one.
    #[serde(default)]
    in_a_row: u32,
}

impl Factor {
    /// What is known of it, whichever codes were shown of it: another one has another.
    pub(super) fn mark(&self) -> String {
        digest_of(&URL_SAFE_NO_PAD.encode(&self.sealed))
    }
}

/// What came of a code.
pub(super) enum Judged {
    /// It is good, and was taken.
    Good,
    /// It is not. The last that is heard for a while is entered.
    Wrong(Option<Deed>),
    /// Too many were wrong of late: none is judged for so long.
    TooOften(Duration),
}

/// What an authenticator has to know, shown this once.
#[derive(Debug)]
pub struct Enrolment {
    /// The secret, in Base32, for typing it in.
    pub secret: Shown,
    /// The same as an address that authenticators read from a picture.
    pub uri: Shown,
}

/// A second factor could not be set up or taken away.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// There is no such user.
    #[error("there is no user `{0}`")]
    Unknown(String),
    /// Nothing was begun that a code could confirm, or there is nothing to take away.
    #[error("there is no second factor to speak of")]
    Missing,
    /// There is one already.
    #[error("there is a second factor already: take it away first")]
    Already,
    /// The session in which it was to be confirmed has ended.
    #[error("the session in which it was to be confirmed has ended")]
    Ended,
    /// The code is not good.
    #[error("the code is not good")]
    Wrong,
    /// Too many were wrong of late.
    #[error("too many codes were wrong: none is judged for {} s", .0.as_secs())]
    TooOften(Duration),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Entered for FactorError {}

impl Identity {
    /// Begins a second factor of a user: it is asked for once a code has confirmed it.
    pub async fn enrol_factor(&self, user: &str, issuer: &str) -> Result<Enrolment, FactorError> {
        let mut secret = Zeroizing::new([0; totp::SECRET]);
        self.random.fill(&mut *secret);
        let sealed = &self.vault.seal(SEALED_AS, user, &*secret).map_err(unsealed)?;
        let verb = self.settle(|| {
            Box::pin(async move {
                let was = self.known_user(user).await?;
                if was.factor.is_some() {
                    return Err(FactorError::Already);
                }
                let name = was.name.clone();
                let factor = Factor {
                    sealed: sealed.clone(),
                    last_step: None,
                    recovery: Vec::new(),
                    wrong: Vec::new(),
                    in_a_row: 0,
                };
                let changes = vec![User { enrolling: Some(factor), ..was }.kept()?];
                let deeds = vec![self.deed(DeedClass::Identity, "enrol_factor").on(user)];
                Ok(Decision { changes, deeds, outcome: name })
            })
        });
        let name = self.told(self.deed(DeedClass::Identity, "enrol_factor").on(user), verb).await?;
        let text = Zeroizing::new(totp::base32(&*secret));
        let (label, issuer) = (escaped(&name), escaped(issuer));
        let uri = format!("otpauth://totp/{issuer}:{label}?secret={}&issuer={issuer}", *text);
        Ok(Enrolment { secret: Shown::new(text.to_string()), uri: Shown::new(uri) })
    }

    /// From now on the second factor is asked for: its user has shown a code of it, and whatever they had signed in to without
    /// it is over. The recovery codes are shown this once.
    pub async fn confirm_factor(&self, user: &str, code: &str) -> Result<Vec<Shown>, FactorError> {
        Ok(self.confirm(user, code, None).await?.0)
    }

    async fn confirm(
        &self,
        user: &str,
        code: &str,
        session: Option<&KeyId>,
    ) -> Result<(Vec<Shown>, User), FactorError> {
        let now = self.clock.now().wall;
        let codes: Vec<String> = (0..RECOVERY).map(|_| self.draw_recovery_code()).collect();
        let drawn = &codes;
        let verb = self.settle(|| {
            Box::pin(async move {
                if let Some(session) = session
                    && self.registry.key(session).await?.and_then(|it| ended(&it, now)).is_none()
                {
                    return Err(FactorError::Ended);
                }
                let mut was = self.known_user(user).await?;
                let mut factor = was.enrolling.take().ok_or(FactorError::Missing)?;
                let mut judged = self.judge(&mut factor, user, code, now)?;
                if let Judged::Good = judged {
                    let secret = self.vault.unseal(SEALED_AS, user, &factor.sealed).map_err(unsealed)?;
                    factor.recovery = drawn.iter().map(|it| recovery_mark(it, &secret)).collect();
                    was.factor = Some(factor);
                } else {
                    was.enrolling = Some(factor);
                }
                let (mut changes, mut deeds) = (Vec::new(), judged.take_deed());
                if let Judged::Good = judged {
                    (changes, deeds) = self.end_all(user, None).await?;
                    deeds.insert(0, self.deed(DeedClass::Identity, "confirm_factor").on(user));
                }
                changes.push(was.kept()?);
                Ok(Decision { changes, deeds, outcome: (judged, was) })
            })
        });
        let verb = async {
            let (judged, user) = verb.await?;
            judged.held().map(|()| user)
        };
        let user = self.told(self.deed(DeedClass::Identity, "confirm_factor").on(user), verb).await?;
        Ok((codes.into_iter().map(Shown::new).collect(), user))
    }

    /// The same by a user in this session, if it lasts; who they are then, as they had shown it before by these methods, and by
    /// the code now.
    pub async fn step_up(
        &self,
        user: &str,
        code: &str,
        (methods, at): (Vec<String>, Timestamp),
        session: &KeyId,
    ) -> Result<(Vec<Shown>, Authenticated), FactorError> {
        let (codes, user) = self.confirm(user, code, Some(session)).await?;
        let more = ["otp", "mfa"].map(str::to_owned).into_iter().filter(|it| !methods.contains(it));
        let methods = methods.iter().cloned().chain(more).collect();
        Ok((codes, Authenticated::of(&user, methods, at)))
    }

    /// The second factor is asked for no more. A user proves with a code that it is theirs to take away; where none is given,
    /// an operator does it for somebody who has lost it, and takes their passkeys away as well.
    pub async fn remove_factor(&self, user: &str, code: Option<&str>) -> Result<(), FactorError> {
        let now = self.clock.now().wall;
        let action = if code.is_some() { "remove_factor" } else { "reset_factor" };
        let verb = self.settle(|| {
            Box::pin(async move {
                let mut was = self.known_user(user).await?;
                let Some(code) = code else { return self.forget_factors(was).await };
                let mut factor = was.factor.take().ok_or(FactorError::Missing)?;
                let mut judged = self.judge(&mut factor, user, code, now)?;
                let good = matches!(judged, Judged::Good);
                was.factor = if good { None } else { Some(factor) };
                let done = || vec![self.deed(DeedClass::Identity, action).on(user)];
                let deeds = if good { done() } else { judged.take_deed() };
                Ok(Decision { changes: vec![was.kept()?], deeds, outcome: judged })
            })
        });
        let verb = async { verb.await.and_then(Judged::held) };
        self.told(self.deed(DeedClass::Identity, action).on(user), verb).await
    }

    /// Takes away whatever somebody has besides a password.
    async fn forget_factors(&self, was: User) -> Result<Decision<Judged>, FactorError> {
        let passkeys = self.passkeys_of(&was.id).await?;
        if was.factor.is_none() && passkeys.is_empty() {
            return Err(FactorError::Missing);
        }
        let deed = self.deed(DeedClass::Identity, "reset_factor").on(&was.id).with("passkeys", passkeys.len());
        let mut changes: Vec<Change> = passkeys.iter().map(Kept::gone).collect();
        changes.push(User { factor: None, ..was }.kept()?);
        Ok(Decision { changes, deeds: vec![deed], outcome: Judged::Good })
    }

    /// Judges a code and takes it, if it is good. What was learnt is in `factor`, which the caller keeps.
    pub(super) fn judge(
        &self,
        factor: &mut Factor,
        user: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<Judged, StoreFault> {
        let secret = self.vault.unseal(SEALED_AS, user, &factor.sealed).map_err(unsealed)?;
        let plain: String =
            code.chars().filter(|it| !matches!(it, ' ' | '-')).map(|it| it.to_ascii_uppercase()).collect();
        // Nobody guesses one of those, so that whoever guesses the others shuts out nobody who has them.
        let mark = recovery_mark(&plain, &secret);
        if let Some(at) = factor.recovery.iter().position(|it| *it == mark) {
            factor.recovery.remove(at);
            factor.forgive();
            return Ok(Judged::Good);
        }
        let within = factor.within();
        factor.wrong.retain(|it| now < *it + within);
        if TRIES <= factor.wrong.len() {
            let oldest = factor.wrong.iter().min().copied().unwrap_or(now);
            return Ok(Judged::TooOften((oldest + within).since(now)));
        }
        if let Some(step) = totp::step_of(&plain, &secret, factor.last_step, now) {
            factor.last_step = Some(step);
            factor.forgive();
            return Ok(Judged::Good);
        }
        factor.wrong.push(now);
        factor.in_a_row = factor.in_a_row.saturating_add(1);
        let held = || {
            let deed = self.deed(DeedClass::Lockout, "hold_codes").on(user).with("failures", factor.in_a_row);
            deed.with("until", now + factor.within())
        };
        Ok(Judged::Wrong((TRIES <= factor.wrong.len()).then(held)))
    }

    async fn known_user(&self, user: &str) -> Result<User, FactorError> {
        self.find::<User>(user).await?.ok_or_else(|| FactorError::Unknown(user.to_owned()))
    }

    fn draw_recovery_code(&self) -> String {
        let mut bytes = Zeroizing::new([0; RECOVERY_DIGITS]);
        self.random.fill(&mut *bytes);
        totp::base32(&*bytes).chars().take(RECOVERY_DIGITS).collect()
    }
}

impl Factor {
    /// How long wrong codes are held against it.
    fn within(&self) -> Duration {
        let more = usize::try_from(self.in_a_row).unwrap_or(usize::MAX) / TRIES;
        let doubled = u32::try_from(more.saturating_sub(1)).unwrap_or(u32::MAX);
        WITHIN.saturating_mul(2_u32.saturating_pow(doubled)).min(LONGEST)
    }

    fn forgive(&mut self) {
        self.wrong.clear();
        self.in_a_row = 0;
    }
}

impl Judged {
    /// What is to be entered of it.
    pub(super) fn take_deed(&mut self) -> Vec<Deed> {
        if let Self::Wrong(deed) = self { deed.take().into_iter().collect() } else { Vec::new() }
    }

    fn held(self) -> Result<(), FactorError> {
        match self {
            Self::Good => Ok(()),
            Self::Wrong(_) => Err(FactorError::Wrong),
            Self::TooOften(wait) => Err(FactorError::TooOften(wait)),
        }
    }
}

fn recovery_mark(code: &str, secret: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), format!("recovery {code}").as_bytes());
    URL_SAFE_NO_PAD.encode(tag)
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut text, it| {
        if it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(it));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{it:02X}");
        }
        text
    })
}

fn unsealed(cause: domain::SealFault) -> StoreFault {
    StoreFault { doing: "opening the secret of a second factor", source: cause.into() }
}
