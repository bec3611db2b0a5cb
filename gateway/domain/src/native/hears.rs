//! What each of the gateway's own operations takes notice of, and in whose words it refuses.

use super::NativeVerb;

impl NativeVerb {
    /// Which headers of a request it needs to hear besides those of the body, in lower case. No other goes on to it, and what
    /// is named here is no credential of the request in the sense of the API.
    #[expect(clippy::too_many_lines, reason = "a table of one line each")]
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
            | Self::EndOwnSessions
            | Self::ListPeople
            | Self::CreatePerson
            | Self::GetPerson
            | Self::ChangePerson
            | Self::DeletePerson
            | Self::ChangePassword
            | Self::EnrolFactor
            | Self::ConfirmFactor
            | Self::RemoveFactor
            | Self::PresignObject
            | Self::ListServiceAccounts
            | Self::ListIamUsers
            | Self::CreateIamUser
            | Self::GetIamUser
            | Self::DeleteIamUser
            | Self::ListAccessKeys
            | Self::CreateAccessKey
            | Self::RevokeAccessKey
            | Self::ListTeams
            | Self::CreateTeam
            | Self::GetTeam
            | Self::ChangeTeam
            | Self::DeleteTeam
            | Self::ListMembers
            | Self::RemoveMember
            | Self::ListInvites
            | Self::CreateInvite
            | Self::RevokeInvite
            | Self::AcceptInvite
            | Self::ListRoles
            | Self::ListBucketKeys
            | Self::CreateBucketKey
            | Self::RevokeBucketKey
            | Self::OutsideLogout
            | Self::LoggedOut => &[],
            Self::RevokeToken | Self::IntrospectToken | Self::BeginDevice => &["authorization"],
            Self::CreateToken | Self::PushRequest | Self::UserInfo => &["authorization", "dpop"],
            Self::LoginPage | Self::PasskeysPage | Self::ConsentsPage | Self::OutsideLogin | Self::OutsideBack => {
                &["cookie"]
            }
            Self::ChangePasskeys
            | Self::WithdrawConsent
            | Self::SignIn
            | Self::RenewSession
            | Self::SignOut
            | Self::SubmitLogin
            | Self::Authorize
            | Self::Consent
            | Self::AnswerDevice
            | Self::Logout
            | Self::AnswerLogout => &["cookie", "origin", "sec-fetch-site"],
        }
    }

    /// Whether a client asks it of an issuer, and reads what is wrong in the words of OAuth (RFC 6749 section 5.2), whoever
    /// finds it.
    pub fn is_for_clients(self) -> bool {
        matches!(
            self,
            Self::CreateToken | Self::RevokeToken | Self::IntrospectToken | Self::PushRequest | Self::BeginDevice
        )
    }

    /// Whether it looks at a request itself, from its first parameter to the last byte of its body, and says what is wrong
    /// with it as a standard has it. Its document then describes, and refuses nothing but what is too long.
    pub fn words_refusals(self) -> bool {
        matches!(
            self,
            Self::CreateToken
                | Self::RevokeToken
                | Self::IntrospectToken
                | Self::PushRequest
                | Self::Authorize
                | Self::Consent
                | Self::ConsentsPage
                | Self::WithdrawConsent
                | Self::BeginDevice
                | Self::AnswerDevice
                | Self::UserInfo
                | Self::OutsideLogin
                | Self::OutsideBack
                | Self::OutsideLogout
                | Self::Logout
                | Self::AnswerLogout
                | Self::LoggedOut
        )
    }
}
