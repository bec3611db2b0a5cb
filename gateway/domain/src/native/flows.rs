//! Which of the gateway's own operations go on with what others have begun.

use super::NativeVerb;

impl NativeVerb {
    /// Without which others it leads nowhere: an API that offers the one and not these has callers begin what they cannot end.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most lead nowhere by themselves")]
    pub fn leads_to(self) -> &'static [Self] {
        match self {
            Self::SignIn => &[Self::RenewSession, Self::SignOut],
            Self::EnrolFactor => &[Self::ConfirmFactor, Self::RemoveFactor],
            Self::LoginPage => &[Self::SubmitLogin],
            Self::OutsideLogin => &[Self::OutsideBack],
            Self::Authorize => &[Self::Consent, Self::CreateToken, Self::LoginPage],
            Self::PushRequest => &[Self::Authorize],
            Self::BeginDevice => &[Self::AnswerDevice, Self::CreateToken, Self::LoginPage],
            Self::ConsentsPage => &[Self::WithdrawConsent, Self::LoginPage],
            Self::PasskeysPage => &[Self::ChangePasskeys, Self::LoginPage],
            Self::Logout => &[Self::AnswerLogout],
            Self::CreateInvite => &[Self::AcceptInvite],
            _ => &[],
        }
    }
}
