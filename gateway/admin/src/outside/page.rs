//! Why somebody was not let in, in words for them. Nothing that a provider has sent is repeated.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use identity::EnterError;

use crate::html::{Markup, Page};
use crate::oauth::query;
use crate::operations::REFUSED;

const REFUSED_NAME: HeaderName = HeaderName::from_static(REFUSED);

/// When it is worth while to try again, in seconds.
const AGAIN: u64 = 30;

/// Why somebody was not let in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// What comes back was not begun in this browser, or too long ago, or came back before.
    NotBegun,
    /// It comes from somewhere else than the user was sent to.
    MixedUp,
    /// The provider says that the user is not let in.
    Denied,
    /// The provider says that nothing can be done without showing something.
    Unreachable,
    /// What the provider says does not hold; why, as one token.
    Unbelieved(&'static str),
    /// Who they are is certain, and they are not let in.
    Unknown(&'static str),
    /// There is no such connection, for whoever asks.
    NoConnection,
}

impl From<EnterError> for Stop {
    fn from(cause: EnterError) -> Self {
        Self::Unknown(cause.reason())
    }
}

impl Stop {
    /// As one token, for the entry.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotBegun => "outside_not_begun",
            Self::MixedUp => "outside_mixed_up",
            Self::Denied => "outside_denied",
            Self::Unreachable => "outside_unreachable",
            Self::Unbelieved(why) | Self::Unknown(why) => why,
            Self::NoConnection => "outside_no_connection",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotBegun | Self::MixedUp | Self::NoConnection => StatusCode::BAD_REQUEST,
            Self::Denied | Self::Unbelieved(_) | Self::Unknown(_) => StatusCode::FORBIDDEN,
            Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn words(&self, name: &str) -> String {
        match self {
            Self::NotBegun => "This was not begun in this browser, or it took too long.".to_owned(),
            Self::MixedUp => "The answer does not come from where you were sent to.".to_owned(),
            Self::Denied => format!("{name} did not sign you in."),
            Self::Unreachable => {
                format!("{name} cannot be reached at the moment. Whoever is signed in stays so; try again in a minute.")
            }
            Self::Unbelieved(_) => format!("What {name} says of you could not be verified."),
            Self::Unknown("outside_no_role") => {
                format!("{name} knows you, and you have no role here. Ask whoever looks after your account.")
            }
            Self::Unknown(_) => {
                format!("{name} knows you, and you are not known here. Ask whoever looks after your account.")
            }
            Self::NoConnection => "Nobody signs in to this application in that way.".to_owned(),
        }
    }

    /// As a page, which leads back to where one chooses how to sign in, where that is known.
    pub(crate) fn page(&self, name: Option<&str>, onward: Option<&str>) -> Response {
        let main = Markup::new().fault(&self.words(name.unwrap_or("Your provider")));
        let main = match onward {
            Some(onward) => {
                let place = format!("{}?{}", super::start::LOGIN, query(&[("continue", onward), ("choose", "yes")]));
                main.raw("<p><a href=\"").text(&place).raw("\">Back to signing in</a></p>")
            }
            None => main.raw("<p>Go back to the application, and begin again.</p>"),
        };
        let mut response = Page::new("You are not signed in", main).answer(self.status());
        response.headers_mut().insert(REFUSED_NAME, HeaderValue::from_static(self.reason()));
        if *self == Self::Unreachable {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(AGAIN));
        }
        response
    }
}
