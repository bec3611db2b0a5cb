//! What the gateway answers itself, whichever API offers it.

mod flows;
mod hears;

use serde::{Deserialize, Serialize};

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
    /// The end of everything that the user who asks has signed in to.
    #[serde(rename = "sessions.end_own")]
    EndOwnSessions,
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
    /// The page of the issuer on which people look after their passkeys.
    #[serde(rename = "passkeys.page")]
    PasskeysPage,
    /// One is added there, or removed.
    #[serde(rename = "passkeys.change")]
    ChangePasskeys,
    /// The page of the issuer on which people see which applications may act for them.
    #[serde(rename = "consents.page")]
    ConsentsPage,
    /// One of them may not any more.
    #[serde(rename = "consents.withdraw")]
    WithdrawConsent,
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
    /// A code for a device that has no browser of its own.
    #[serde(rename = "oauth.device_authorization")]
    BeginDevice,
    /// The page on which a user lets such a device in.
    #[serde(rename = "oauth.device")]
    AnswerDevice,
    /// What a client may know of the user that it acts for.
    #[serde(rename = "oauth.userinfo")]
    UserInfo,
    /// The way to where people of a tenant sign in elsewhere.
    #[serde(rename = "login.outside")]
    OutsideLogin,
    /// The way back from there.
    #[serde(rename = "login.outside_back")]
    OutsideBack,
    /// What is said there of somebody who has left.
    #[serde(rename = "logout.outside")]
    OutsideLogout,
    /// A user wants to sign out, or a client wants it of them.
    #[serde(rename = "logout.page")]
    Logout,
    /// The user's answer, where they were asked.
    #[serde(rename = "logout.answer")]
    AnswerLogout,
    /// The way back from where they were signed out elsewhere.
    #[serde(rename = "logout.done")]
    LoggedOut,
    /// An address by which whoever is given it gets or puts one object.
    #[serde(rename = "objects.presign")]
    PresignObject,
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
    /// The teams of the caller's tenant.
    #[serde(rename = "teams.list")]
    ListTeams,
    /// Another one is made.
    #[serde(rename = "teams.create")]
    CreateTeam,
    /// One of them.
    #[serde(rename = "teams.get")]
    GetTeam,
    /// What is changed of one of them.
    #[serde(rename = "teams.change")]
    ChangeTeam,
    /// One of them ends, and what it gave its members with it.
    #[serde(rename = "teams.delete")]
    DeleteTeam,
    /// The members of one of them.
    #[serde(rename = "team_members.list")]
    ListMembers,
    /// One of them is a member no more.
    #[serde(rename = "team_members.remove")]
    RemoveMember,
    /// The invites to a team of the caller's tenant.
    #[serde(rename = "invites.list")]
    ListInvites,
    /// Another one; its token is shown this once.
    #[serde(rename = "invites.create")]
    CreateInvite,
    /// One of them is good for nothing any more.
    #[serde(rename = "invites.revoke")]
    RevokeInvite,
    /// A team is joined by whoever shows the token of an invite.
    #[serde(rename = "invites.accept")]
    AcceptInvite,
    /// The roles that the API has, and what each may do.
    #[serde(rename = "roles.list")]
    ListRoles,
    /// The access keys of one bucket.
    #[serde(rename = "bucket_keys.list")]
    ListBucketKeys,
    /// Another such key; its secret is shown this once.
    #[serde(rename = "bucket_keys.create")]
    CreateBucketKey,
    /// The end of one of them.
    #[serde(rename = "bucket_keys.revoke")]
    RevokeBucketKey,
}

impl NativeVerb {
    /// Every one there is.
    pub const ALL: [Self; 69] = [
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
        Self::EndOwnSessions,
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
        Self::PasskeysPage,
        Self::ChangePasskeys,
        Self::ConsentsPage,
        Self::WithdrawConsent,
        Self::CreateToken,
        Self::RevokeToken,
        Self::IntrospectToken,
        Self::PushRequest,
        Self::Authorize,
        Self::Consent,
        Self::BeginDevice,
        Self::AnswerDevice,
        Self::UserInfo,
        Self::OutsideLogin,
        Self::OutsideBack,
        Self::OutsideLogout,
        Self::Logout,
        Self::AnswerLogout,
        Self::LoggedOut,
        Self::PresignObject,
        Self::ListServiceAccounts,
        Self::ListIamUsers,
        Self::CreateIamUser,
        Self::GetIamUser,
        Self::DeleteIamUser,
        Self::ListAccessKeys,
        Self::CreateAccessKey,
        Self::RevokeAccessKey,
        Self::ListTeams,
        Self::CreateTeam,
        Self::GetTeam,
        Self::ChangeTeam,
        Self::DeleteTeam,
        Self::ListMembers,
        Self::RemoveMember,
        Self::ListInvites,
        Self::CreateInvite,
        Self::RevokeInvite,
        Self::AcceptInvite,
        Self::ListRoles,
        Self::ListBucketKeys,
        Self::CreateBucketKey,
        Self::RevokeBucketKey,
    ];

    /// As documents write it.
    #[expect(clippy::too_many_lines, reason = "a table of one line each")]
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
            Self::EndOwnSessions => "sessions.end_own",
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
            Self::PasskeysPage => "passkeys.page",
            Self::ChangePasskeys => "passkeys.change",
            Self::ConsentsPage => "consents.page",
            Self::WithdrawConsent => "consents.withdraw",
            Self::CreateToken => "oauth.token",
            Self::RevokeToken => "oauth.revoke",
            Self::IntrospectToken => "oauth.introspect",
            Self::PushRequest => "oauth.par",
            Self::Authorize => "oauth.authorize",
            Self::Consent => "oauth.consent",
            Self::BeginDevice => "oauth.device_authorization",
            Self::AnswerDevice => "oauth.device",
            Self::UserInfo => "oauth.userinfo",
            Self::OutsideLogin => "login.outside",
            Self::OutsideBack => "login.outside_back",
            Self::OutsideLogout => "logout.outside",
            Self::Logout => "logout.page",
            Self::AnswerLogout => "logout.answer",
            Self::LoggedOut => "logout.done",
            Self::PresignObject => "objects.presign",
            Self::ListServiceAccounts => "service_accounts.list",
            Self::ListIamUsers => "iam_users.list",
            Self::CreateIamUser => "iam_users.create",
            Self::GetIamUser => "iam_users.get",
            Self::DeleteIamUser => "iam_users.delete",
            Self::ListAccessKeys => "access_keys.list",
            Self::CreateAccessKey => "access_keys.create",
            Self::RevokeAccessKey => "access_keys.revoke",
            Self::ListTeams => "teams.list",
            Self::CreateTeam => "teams.create",
            Self::GetTeam => "teams.get",
            Self::ChangeTeam => "teams.change",
            Self::DeleteTeam => "teams.delete",
            Self::ListMembers => "team_members.list",
            Self::RemoveMember => "team_members.remove",
            Self::ListInvites => "invites.list",
            Self::CreateInvite => "invites.create",
            Self::RevokeInvite => "invites.revoke",
            Self::AcceptInvite => "invites.accept",
            Self::ListRoles => "roles.list",
            Self::ListBucketKeys => "bucket_keys.list",
            Self::CreateBucketKey => "bucket_keys.create",
            Self::RevokeBucketKey => "bucket_keys.revoke",
        }
    }

    /// The one that a document writes so.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_found_by_its_name() {
        for verb in NativeVerb::ALL {
            assert_eq!(NativeVerb::named(verb.as_str()), Some(verb));
            assert_eq!(serde_json::to_value(verb).unwrap(), verb.as_str());
        }
        assert_eq!(NativeVerb::named("audit"), None);
    }
}
