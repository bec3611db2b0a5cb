//! What the gateway declines to do itself, and how that is passed on and told.

use crate::Told;

/// Why the gateway does not do what a permitted caller asks of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// A parameter fits the document, and makes no sense all the same.
    #[error("parameter `{0}` makes no sense here")]
    Parameter(String),
    /// A secret was shown where others could read it.
    #[error("a secret was shown over plain HTTP")]
    PlainHttp,
    /// What the body shows is not believed.
    #[error("what the body shows is not believed")]
    Unproven,
    /// It is believed, and a second factor is asked for too.
    #[error("a second factor is asked for")]
    SecondFactor,
    /// Whoever asks has signed in too long ago for that.
    #[error("they signed in too long ago for that, and have not shown their password")]
    Stale,
    /// A browser sends it, and perhaps not whoever sits before it.
    #[error("the page that sends it is not one of the API's own")]
    CrossSite,
    /// What would be given is more than the caller has.
    #[error("more would be given than the caller has")]
    Beyond,
    /// Something else has the name, or needs what would be taken away.
    #[error("something else is in the way: {0}")]
    Conflict(String),
    /// A password that others would guess.
    #[error("the password is too short, too long, or one that others would guess")]
    WeakPassword,
    /// What the body shows was wrong too often.
    #[error("what the body shows was wrong too often: {0} s")]
    TooOften(u64),
    /// No access key could sign for who asks.
    #[error("no access key could sign for who asks")]
    NoSigner,
    /// There is no such thing, or it is another tenant's.
    #[error("there is no such thing for this tenant")]
    NotFound,
    /// It was good for something once.
    #[error("it was good once, and is not any more")]
    Gone,
    /// As much is being looked up as may be at once.
    #[error("as much is being looked up as may be at once")]
    Busy,
    /// What was done cannot be entered, and therefore is not answered.
    #[error("what was read cannot be entered")]
    Unrecorded,
    /// A fault of the gateway.
    #[error("the gateway could not do it")]
    Failed,
}

impl Declined {
    /// As one token.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Parameter(_) => "invalid_parameter",
            Self::PlainHttp => "https_required",
            Self::Unproven => "invalid_credentials",
            Self::SecondFactor => "second_factor_required",
            Self::Stale => "sign_in_again",
            Self::CrossSite => "cross_site",
            Self::Beyond => "insufficient_scope",
            Self::Conflict(_) => "conflict",
            Self::WeakPassword => "weak_password",
            Self::TooOften(_) => "too_many_tries",
            Self::NoSigner => "no_signing_key",
            Self::NotFound => "not_found",
            Self::Gone => "gone",
            Self::Busy => "busy",
            Self::Unrecorded => "unavailable",
            Self::Failed => "internal",
        }
    }

    /// As it is passed from room to room: the token, and the parameter or the seconds where there are any.
    pub fn spoken(&self) -> String {
        match self {
            Self::Parameter(name) => format!("{} {name}", self.reason()),
            Self::TooOften(seconds) => format!("{} {seconds}", self.reason()),
            Self::Conflict(why) => format!("{} {why}", self.reason()),
            Self::PlainHttp
            | Self::Unproven
            | Self::SecondFactor
            | Self::Stale
            | Self::CrossSite
            | Self::Beyond
            | Self::WeakPassword
            | Self::NoSigner
            | Self::NotFound
            | Self::Gone
            | Self::Busy
            | Self::Unrecorded
            | Self::Failed => self.reason().to_owned(),
        }
    }

    /// What was passed so; nothing where it was something else.
    pub fn heard(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some(("invalid_parameter", name)) => return Some(Self::Parameter(name.to_owned())),
            Some(("conflict", why)) => return Some(Self::Conflict(why.to_owned())),
            Some(("too_many_tries", seconds)) => return seconds.parse().ok().map(Self::TooOften),
            Some(_) | None => {}
        }
        let all = [
            Self::PlainHttp,
            Self::Unproven,
            Self::SecondFactor,
            Self::Stale,
            Self::CrossSite,
            Self::Beyond,
            Self::WeakPassword,
            Self::NoSigner,
            Self::NotFound,
            Self::Gone,
            Self::Busy,
            Self::Unrecorded,
            Self::Failed,
        ];
        all.into_iter().find(|it| it.reason() == text)
    }

    /// What the caller is told.
    pub fn told(&self) -> Told {
        match self {
            Self::Parameter(name) => Told {
                reason: self.reason(),
                message: format!("`{name}` is missing, or nothing that this request can use").into(),
                param: Some(name.clone()),
            },
            Self::PlainHttp => Told::new(self.reason(), "This API is served over HTTPS only."),
            Self::Unproven => Told::new(self.reason(), "Missing or invalid credentials."),
            Self::SecondFactor => Told::new(self.reason(), "A second factor is required: send `code` too."),
            Self::Stale => Told::new(self.reason(), "Sign in again, or send `current_password` too."),
            Self::CrossSite => Told::new(self.reason(), "This request must come from the pages of this service."),
            Self::Beyond => Told::new(self.reason(), "That would give more than this credential has."),
            Self::Conflict(why) => Told { reason: self.reason(), message: why.clone().into(), param: None },
            Self::WeakPassword => {
                Told::new(self.reason(), "The password is too short, too long, or one that others would guess.")
            }
            Self::TooOften(_) => Told::new(self.reason(), "Too many failed attempts. Retry later."),
            Self::NoSigner => {
                Told::new(self.reason(), "Only an access key, used with all of its permissions, can sign an address.")
            }
            Self::NotFound => Told::new(self.reason(), "Resource not found."),
            Self::Gone => Told::new(self.reason(), "This was used or withdrawn, or its time is over."),
            Self::Busy => Told::new(self.reason(), "Too much is being looked up at the moment."),
            Self::Unrecorded => Told::new(self.reason(), "The service is temporarily unavailable."),
            Self::Failed => Told::new(self.reason(), "Something went wrong on our side."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_is_heard() {
        let all = [
            Declined::PlainHttp,
            Declined::Unproven,
            Declined::SecondFactor,
            Declined::Stale,
            Declined::CrossSite,
            Declined::Beyond,
            Declined::WeakPassword,
            Declined::NoSigner,
            Declined::NotFound,
            Declined::Gone,
            Declined::Busy,
            Declined::Unrecorded,
            Declined::Failed,
        ];
        let more = [
            Declined::Parameter("cursor".to_owned()),
            Declined::TooOften(12),
            Declined::Conflict("Somebody has it.".to_owned()),
        ];
        for it in all.into_iter().chain(more) {
            assert_eq!(Declined::heard(&it.spoken()), Some(it));
        }
        for strange in ["", "invalid_parameter", "nothing", "busy ", "too_many_tries", "too_many_tries x"] {
            assert_eq!(Declined::heard(strange), None, "{strange:?}");
        }
    }
}
