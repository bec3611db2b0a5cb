//! Where in this room each verb is answered.

use domain::NativeVerb;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    /// The list of who did what.
    Audit,
    /// Entries and checkpoints as they are.
    Log,
    /// What everybody may know of the issuer.
    Issuer,
    /// Objects, by their addresses.
    Objects,
    /// Users and their sessions.
    People,
    /// Service accounts, keys and roles.
    Iam,
    /// Teams and invites.
    Teams,
    /// Clients of the issuer, and whoever shows a whole key: they are asked for before all others.
    Clients,
}

impl Counter {
    /// The one that a verb is answered at.
    #[expect(clippy::too_many_lines, reason = "a table of one line each")]
    pub(crate) fn of(verb: NativeVerb) -> Self {
        match verb {
            NativeVerb::ListAudit => Self::Audit,
            NativeVerb::ListEntries
            | NativeVerb::GetEntry
            | NativeVerb::ProveEntry
            | NativeVerb::NewestCheckpoint
            | NativeVerb::ProveGrowth => Self::Log,
            NativeVerb::IssuerKeys | NativeVerb::IssuerMetadata => Self::Issuer,
            NativeVerb::PresignObject => Self::Objects,
            NativeVerb::SignIn
            | NativeVerb::RenewSession
            | NativeVerb::SignOut
            | NativeVerb::ListSessions
            | NativeVerb::EndSession
            | NativeVerb::EndOwnSessions
            | NativeVerb::ListPeople
            | NativeVerb::CreatePerson
            | NativeVerb::GetPerson
            | NativeVerb::ChangePerson
            | NativeVerb::DeletePerson
            | NativeVerb::ChangePassword
            | NativeVerb::EnrolFactor
            | NativeVerb::ConfirmFactor
            | NativeVerb::RemoveFactor
            | NativeVerb::LoginPage
            | NativeVerb::SubmitLogin
            | NativeVerb::PasskeysPage
            | NativeVerb::ChangePasskeys => Self::People,
            NativeVerb::ListServiceAccounts
            | NativeVerb::ListIamUsers
            | NativeVerb::CreateIamUser
            | NativeVerb::GetIamUser
            | NativeVerb::DeleteIamUser
            | NativeVerb::ListAccessKeys
            | NativeVerb::CreateAccessKey
            | NativeVerb::RevokeAccessKey
            | NativeVerb::ListRoles
            | NativeVerb::ListBucketKeys
            | NativeVerb::CreateBucketKey
            | NativeVerb::RevokeBucketKey => Self::Iam,
            NativeVerb::ListTeams
            | NativeVerb::CreateTeam
            | NativeVerb::GetTeam
            | NativeVerb::ChangeTeam
            | NativeVerb::DeleteTeam
            | NativeVerb::ListMembers
            | NativeVerb::RemoveMember
            | NativeVerb::ListInvites
            | NativeVerb::CreateInvite
            | NativeVerb::RevokeInvite
            | NativeVerb::AcceptInvite => Self::Teams,
            NativeVerb::ExchangeKey
            | NativeVerb::CreateToken
            | NativeVerb::RevokeToken
            | NativeVerb::IntrospectToken
            | NativeVerb::PushRequest
            | NativeVerb::BeginDevice
            | NativeVerb::AnswerDevice
            | NativeVerb::Authorize
            | NativeVerb::Consent
            | NativeVerb::ConsentsPage
            | NativeVerb::WithdrawConsent
            | NativeVerb::UserInfo
            | NativeVerb::OutsideLogin
            | NativeVerb::OutsideBack
            | NativeVerb::OutsideLogout
            | NativeVerb::Logout
            | NativeVerb::AnswerLogout
            | NativeVerb::LoggedOut => Self::Clients,
        }
    }
}
