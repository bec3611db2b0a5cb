//! What the gateway answers itself, whichever API offers it.

use serde::{Deserialize, Serialize};

use crate::Told;

/// Who answers an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// The API behind the gateway.
    No,
    /// The gateway, which cannot do it yet.
    Unserved,
    /// The gateway, in this way.
    Served(NativeVerb),
}

impl Native {
    /// How the gateway answers, where it does.
    pub fn served(self) -> Option<NativeVerb> {
        match self {
            Self::Served(verb) => Some(verb),
            Self::No | Self::Unserved => None,
        }
    }
}

/// What the gateway can do for a caller by itself. A document names it, so that any API may offer it under a path and with
/// words of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NativeVerb {
    /// The entries of the caller's tenant as a list of who did what, the newest first.
    #[serde(rename = "audit.list")]
    ListAudit,
    /// The entries of the caller's tenant as they are, the newest first.
    #[serde(rename = "entries.list")]
    ListEntries,
    /// One of them, by its number.
    #[serde(rename = "entries.get")]
    GetEntry,
    /// The proof that one of them is in the log.
    #[serde(rename = "entries.prove")]
    ProveEntry,
    /// The newest checkpoint of the log.
    #[serde(rename = "checkpoints.newest")]
    NewestCheckpoint,
    /// The proof that an older checkpoint is its beginning.
    #[serde(rename = "checkpoints.prove")]
    ProveGrowth,
    /// An access token for an access key that is shown whole.
    #[serde(rename = "tokens.exchange")]
    ExchangeKey,
    /// The keys that access tokens are signed with.
    #[serde(rename = "issuer.keys")]
    IssuerKeys,
    /// What the issuer of access tokens offers.
    #[serde(rename = "issuer.metadata")]
    IssuerMetadata,
    /// A token for a client, by one of the ways in which it may come to one.
    #[serde(rename = "oauth.token")]
    CreateToken,
    /// The end of a token, and of all that came of the same grant.
    #[serde(rename = "oauth.revoke")]
    RevokeToken,
    /// What a token is good for.
    #[serde(rename = "oauth.introspect")]
    IntrospectToken,
    /// A request for a user's consent, left here beforehand.
    #[serde(rename = "oauth.par")]
    PushRequest,
    /// The request for a user's consent.
    #[serde(rename = "oauth.authorize")]
    Authorize,
    /// The user's answer to it.
    #[serde(rename = "oauth.consent")]
    Consent,
    /// What a client may know of the user that it acts for.
    #[serde(rename = "oauth.userinfo")]
    UserInfo,
}

impl NativeVerb {
    /// Every one there is.
    pub const ALL: [Self; 16] = [
        Self::ListAudit,
        Self::ListEntries,
        Self::GetEntry,
        Self::ProveEntry,
        Self::NewestCheckpoint,
        Self::ProveGrowth,
        Self::ExchangeKey,
        Self::IssuerKeys,
        Self::IssuerMetadata,
        Self::CreateToken,
        Self::RevokeToken,
        Self::IntrospectToken,
        Self::PushRequest,
        Self::Authorize,
        Self::Consent,
        Self::UserInfo,
    ];

    /// As documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ListAudit => "audit.list",
            Self::ListEntries => "entries.list",
            Self::GetEntry => "entries.get",
            Self::ProveEntry => "entries.prove",
            Self::NewestCheckpoint => "checkpoints.newest",
            Self::ProveGrowth => "checkpoints.prove",
            Self::ExchangeKey => "tokens.exchange",
            Self::IssuerKeys => "issuer.keys",
            Self::IssuerMetadata => "issuer.metadata",
            Self::CreateToken => "oauth.token",
            Self::RevokeToken => "oauth.revoke",
            Self::IntrospectToken => "oauth.introspect",
            Self::PushRequest => "oauth.par",
            Self::Authorize => "oauth.authorize",
            Self::Consent => "oauth.consent",
            Self::UserInfo => "oauth.userinfo",
        }
    }

    /// Which headers of a request it needs to hear besides those of the body, in lower case. No other goes on to it, and what
    /// is named here is no credential of the request in the sense of the API.
    pub fn hears(self) -> &'static [&'static str] {
        match self {
            Self::ListAudit
            | Self::ListEntries
            | Self::GetEntry
            | Self::ProveEntry
            | Self::NewestCheckpoint
            | Self::ProveGrowth
            | Self::ExchangeKey
            | Self::IssuerKeys
            | Self::IssuerMetadata => &[],
            Self::CreateToken | Self::RevokeToken | Self::IntrospectToken | Self::PushRequest | Self::UserInfo => {
                &["authorization"]
            }
            Self::Authorize | Self::Consent => &["cookie", "origin", "sec-fetch-site"],
        }
    }

    /// Whether it looks at a request itself, from its first parameter to the last byte of its body, and says what is wrong
    /// with it as a standard has it. Its document then describes, and refuses nothing but what is too long.
    pub fn words_refusals(self) -> bool {
        match self {
            Self::CreateToken
            | Self::RevokeToken
            | Self::IntrospectToken
            | Self::PushRequest
            | Self::Authorize
            | Self::Consent
            | Self::UserInfo => true,
            Self::ListAudit
            | Self::ListEntries
            | Self::GetEntry
            | Self::ProveEntry
            | Self::NewestCheckpoint
            | Self::ProveGrowth
            | Self::ExchangeKey
            | Self::IssuerKeys
            | Self::IssuerMetadata => false,
        }
    }

    /// The one that a document writes so.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

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
    /// What the body shows was wrong too often.
    #[error("what the body shows was wrong too often: {0} s")]
    TooOften(u64),
    /// There is no such thing, or it is another tenant's.
    #[error("there is no such thing for this tenant")]
    NotFound,
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
            Self::TooOften(_) => "too_many_tries",
            Self::NotFound => "not_found",
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
            Self::PlainHttp | Self::Unproven | Self::NotFound | Self::Busy | Self::Unrecorded | Self::Failed => {
                self.reason().to_owned()
            }
        }
    }

    /// What was passed so; nothing where it was something else.
    pub fn heard(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some(("invalid_parameter", name)) => return Some(Self::Parameter(name.to_owned())),
            Some(("too_many_tries", seconds)) => return seconds.parse().ok().map(Self::TooOften),
            Some(_) | None => {}
        }
        let all = [Self::PlainHttp, Self::Unproven, Self::NotFound, Self::Busy, Self::Unrecorded, Self::Failed];
        all.into_iter().find(|it| it.reason() == text)
    }

    /// What the caller is told.
    pub fn told(&self) -> Told {
        match self {
            Self::Parameter(name) => Told {
                reason: self.reason(),
                message: format!("`{name}` makes no sense in this request").into(),
                param: Some(name.clone()),
            },
            Self::PlainHttp => Told::new(self.reason(), "This API is served over HTTPS only."),
            Self::Unproven => Told::new(self.reason(), "Missing or invalid credentials."),
            Self::TooOften(_) => Told::new(self.reason(), "Too many failed attempts. Retry later."),
            Self::NotFound => Told::new(self.reason(), "Resource not found."),
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
            Declined::NotFound,
            Declined::Busy,
            Declined::Unrecorded,
            Declined::Failed,
        ];
        let more = [Declined::Parameter("cursor".to_owned()), Declined::TooOften(12)];
        for it in all.into_iter().chain(more) {
            assert_eq!(Declined::heard(&it.spoken()), Some(it));
        }
        for strange in ["", "invalid_parameter", "nothing", "busy ", "too_many_tries", "too_many_tries x"] {
            assert_eq!(Declined::heard(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn a_verb_is_found_by_its_name() {
        for verb in NativeVerb::ALL {
            assert_eq!(NativeVerb::named(verb.as_str()), Some(verb));
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
        }
        assert_eq!(NativeVerb::named("audit"), None);
    }
}
