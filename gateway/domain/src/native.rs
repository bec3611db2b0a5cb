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
    /// A session for somebody who shows who they are.
    #[serde(rename = "sessions.sign_in")]
    SignIn,
    /// The next tokens of a session.
    #[serde(rename = "sessions.renew")]
    RenewSession,
    /// The end of the session whose cookies are shown.
    #[serde(rename = "sessions.sign_out")]
    SignOut,
    /// The sessions of the caller's tenant.
    #[serde(rename = "sessions.list")]
    ListSessions,
    /// The end of one of them.
    #[serde(rename = "sessions.end")]
    EndSession,
    /// The users of the caller's tenant.
    #[serde(rename = "people.list")]
    ListPeople,
    /// A user of it is made known.
    #[serde(rename = "people.create")]
    CreatePerson,
    /// One of them.
    #[serde(rename = "people.get")]
    GetPerson,
    /// What is changed of one of them.
    #[serde(rename = "people.change")]
    ChangePerson,
    /// One of them is a user of the tenant no more.
    #[serde(rename = "people.delete")]
    DeletePerson,
    /// Another password for the user who asks.
    #[serde(rename = "account.password")]
    ChangePassword,
    /// A second factor for the user who asks, to be confirmed.
    #[serde(rename = "account.enrol_factor")]
    EnrolFactor,
    /// It is asked for from now on.
    #[serde(rename = "account.confirm_factor")]
    ConfirmFactor,
    /// It is asked for no more.
    #[serde(rename = "account.remove_factor")]
    RemoveFactor,
    /// The page of the issuer on which people show who they are.
    #[serde(rename = "login.page")]
    LoginPage,
    /// What was filled in there.
    #[serde(rename = "login.submit")]
    SubmitLogin,
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
    /// The service accounts of the caller's tenant, each with how its keys stand.
    #[serde(rename = "service_accounts.list")]
    ListServiceAccounts,
    /// The same as IAM users.
    #[serde(rename = "iam_users.list")]
    ListIamUsers,
    /// One of them is made.
    #[serde(rename = "iam_users.create")]
    CreateIamUser,
    /// One of them.
    #[serde(rename = "iam_users.get")]
    GetIamUser,
    /// One of them ends, and its keys with it.
    #[serde(rename = "iam_users.delete")]
    DeleteIamUser,
    /// The keys by which one of them signs.
    #[serde(rename = "access_keys.list")]
    ListAccessKeys,
    /// Another such key; its secret is shown this once.
    #[serde(rename = "access_keys.create")]
    CreateAccessKey,
    /// The end of one of them.
    #[serde(rename = "access_keys.revoke")]
    RevokeAccessKey,
}

impl NativeVerb {
    /// Every one there is.
    pub const ALL: [Self; 40] = [
        Self::ListAudit,
        Self::ListEntries,
        Self::GetEntry,
        Self::ProveEntry,
        Self::NewestCheckpoint,
        Self::ProveGrowth,
        Self::ExchangeKey,
        Self::IssuerKeys,
        Self::IssuerMetadata,
        Self::SignIn,
        Self::RenewSession,
        Self::SignOut,
        Self::ListSessions,
        Self::EndSession,
        Self::ListPeople,
        Self::CreatePerson,
        Self::GetPerson,
        Self::ChangePerson,
        Self::DeletePerson,
        Self::ChangePassword,
        Self::EnrolFactor,
        Self::ConfirmFactor,
        Self::RemoveFactor,
        Self::LoginPage,
        Self::SubmitLogin,
        Self::CreateToken,
        Self::RevokeToken,
        Self::IntrospectToken,
        Self::PushRequest,
        Self::Authorize,
        Self::Consent,
        Self::UserInfo,
        Self::ListServiceAccounts,
        Self::ListIamUsers,
        Self::CreateIamUser,
        Self::GetIamUser,
        Self::DeleteIamUser,
        Self::ListAccessKeys,
        Self::CreateAccessKey,
        Self::RevokeAccessKey,
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
            Self::SignIn => "sessions.sign_in",
            Self::RenewSession => "sessions.renew",
            Self::SignOut => "sessions.sign_out",
            Self::ListSessions => "sessions.list",
            Self::EndSession => "sessions.end",
            Self::ListPeople => "people.list",
            Self::CreatePerson => "people.create",
            Self::GetPerson => "people.get",
            Self::ChangePerson => "people.change",
            Self::DeletePerson => "people.delete",
            Self::ChangePassword => "account.password",
            Self::EnrolFactor => "account.enrol_factor",
            Self::ConfirmFactor => "account.confirm_factor",
            Self::RemoveFactor => "account.remove_factor",
            Self::LoginPage => "login.page",
            Self::SubmitLogin => "login.submit",
            Self::CreateToken => "oauth.token",
            Self::RevokeToken => "oauth.revoke",
            Self::IntrospectToken => "oauth.introspect",
            Self::PushRequest => "oauth.par",
            Self::Authorize => "oauth.authorize",
            Self::Consent => "oauth.consent",
            Self::UserInfo => "oauth.userinfo",
            Self::ListServiceAccounts => "service_accounts.list",
            Self::ListIamUsers => "iam_users.list",
            Self::CreateIamUser => "iam_users.create",
            Self::GetIamUser => "iam_users.get",
            Self::DeleteIamUser => "iam_users.delete",
            Self::ListAccessKeys => "access_keys.list",
            Self::CreateAccessKey => "access_keys.create",
            Self::RevokeAccessKey => "access_keys.revoke",
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
            | Self::IssuerMetadata
            | Self::ListSessions
            | Self::EndSession
            | Self::ListPeople
            | Self::CreatePerson
            | Self::GetPerson
            | Self::ChangePerson
            | Self::DeletePerson
            | Self::ChangePassword
            | Self::EnrolFactor
            | Self::ConfirmFactor
            | Self::RemoveFactor
            | Self::LoginPage
            | Self::UserInfo
            | Self::ListServiceAccounts
            | Self::ListIamUsers
            | Self::CreateIamUser
            | Self::GetIamUser
            | Self::DeleteIamUser
            | Self::ListAccessKeys
            | Self::CreateAccessKey
            | Self::RevokeAccessKey => &[],
            Self::CreateToken | Self::RevokeToken | Self::IntrospectToken | Self::PushRequest => &["authorization"],
            Self::SignIn | Self::RenewSession | Self::SignOut | Self::SubmitLogin | Self::Authorize | Self::Consent => {
                &["cookie", "origin", "sec-fetch-site"]
            }
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
            | Self::Consent => true,
            Self::ListAudit
            | Self::ListEntries
            | Self::GetEntry
            | Self::ProveEntry
            | Self::NewestCheckpoint
            | Self::ProveGrowth
            | Self::ExchangeKey
            | Self::IssuerKeys
            | Self::IssuerMetadata
            | Self::UserInfo
            | Self::SignIn
            | Self::RenewSession
            | Self::SignOut
            | Self::ListSessions
            | Self::EndSession
            | Self::ListPeople
            | Self::CreatePerson
            | Self::GetPerson
            | Self::ChangePerson
            | Self::DeletePerson
            | Self::ChangePassword
            | Self::EnrolFactor
            | Self::ConfirmFactor
            | Self::RemoveFactor
            | Self::LoginPage
            | Self::SubmitLogin
            | Self::ListServiceAccounts
            | Self::ListIamUsers
            | Self::CreateIamUser
            | Self::GetIamUser
            | Self::DeleteIamUser
            | Self::ListAccessKeys
            | Self::CreateAccessKey
            | Self::RevokeAccessKey => false,
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
    /// It is believed, and a second factor is asked for too.
    #[error("a second factor is asked for")]
    SecondFactor,
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
            Self::SecondFactor => "second_factor_required",
            Self::CrossSite => "cross_site",
            Self::Beyond => "insufficient_scope",
            Self::Conflict(_) => "conflict",
            Self::WeakPassword => "weak_password",
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
            Self::Conflict(why) => format!("{} {why}", self.reason()),
            Self::PlainHttp
            | Self::Unproven
            | Self::SecondFactor
            | Self::CrossSite
            | Self::Beyond
            | Self::WeakPassword
            | Self::NotFound
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
            Self::CrossSite,
            Self::Beyond,
            Self::WeakPassword,
            Self::NotFound,
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
                message: format!("`{name}` makes no sense in this request").into(),
                param: Some(name.clone()),
            },
            Self::PlainHttp => Told::new(self.reason(), "This API is served over HTTPS only."),
            Self::Unproven => Told::new(self.reason(), "Missing or invalid credentials."),
            Self::SecondFactor => Told::new(self.reason(), "A second factor is required: send `code` too."),
            Self::CrossSite => Told::new(self.reason(), "This request must come from the pages of this service."),
            Self::Beyond => Told::new(self.reason(), "That would give more than this credential has."),
            Self::Conflict(why) => Told { reason: self.reason(), message: why.clone().into(), param: None },
            Self::WeakPassword => {
                Told::new(self.reason(), "The password is too short, too long, or one that others would guess.")
            }
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
            Declined::SecondFactor,
            Declined::CrossSite,
            Declined::Beyond,
            Declined::WeakPassword,
            Declined::NotFound,
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

    #[test]
    fn a_verb_is_found_by_its_name() {
        for verb in NativeVerb::ALL {
            assert_eq!(NativeVerb::named(verb.as_str()), Some(verb));
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
        }
        assert_eq!(NativeVerb::named("audit"), None);
    }
}
