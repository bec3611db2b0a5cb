//! Why nobody was let in: one sentence for the caller, the whole reason for the entry.

use std::sync::Arc;

use domain::{AuthMethod, Blame, Standing, Told};
use http::HeaderValue;

use crate::dpop::{BadProof, PROVED_WITH};
use crate::sigv4::{BadSignature, Malformed};
use crate::token::BadToken;
use crate::{AuthRules, Entry};

/// The request showed no credential that is good here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Unauthenticated {
    /// What was wrong.
    pub cause: Cause,
    /// Whose key was shown, where it is one we know. Whoever showed it may be somebody else.
    pub standing: Option<Arc<Standing>>,
    /// As what it was shown, where it was shown as one credential.
    pub method: Option<AuthMethod>,
}

/// What was wrong with what was shown. Its words are for the entry and the log, never for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Nothing was shown.
    #[error("no credential was shown")]
    Missing,
    /// More than one was shown.
    #[error("more than one credential was shown")]
    TwoCredentials,
    /// A key or token in the path or in the query.
    #[error("a credential was shown in the address")]
    InUrl,
    /// An API key in a header that is not for credentials.
    #[error("a credential was shown in a header that is not for credentials")]
    Elsewhere,
    /// Over 8 KiB.
    #[error("the credential is longer than 8192 bytes")]
    Oversized,
    /// A scheme this gateway does not read.
    #[error("the scheme of the credential is not taken")]
    SchemeNotTaken,
    /// A kind of credential that this API does not take.
    #[error("the API does not take this kind of credential")]
    KindNotTaken,
    /// Cannot be read at all.
    #[error("the credential is malformed")]
    Malformed,
    /// Our form, but mistyped or made up.
    #[error("the checksum of the key does not hold")]
    BadChecksum,
    /// No key there is.
    #[error("the key is unknown")]
    Unknown,
    /// A key of another API.
    #[error("the key belongs to another API")]
    WrongApi,
    /// Past its end.
    #[error("the key has expired")]
    Expired,
    /// Revoked.
    #[error("the key was revoked")]
    Revoked,
    /// Rotated, and the overlap is over.
    #[error("the key was rotated and its overlap is over")]
    Replaced,
    /// A signature that could not be good whatever it says.
    #[error(transparent)]
    SignatureMalformed(Malformed),
    /// No access key there is.
    #[error("the access key is unknown")]
    UnknownAccessKey,
    /// The secret of the access key cannot be unsealed: the fault is ours.
    #[error("the secret of the access key cannot be unsealed under the master key")]
    Unsealable,
    /// A signature that does not hold.
    #[error(transparent)]
    BadSignature(BadSignature),
    /// An access token that is not believed.
    #[error(transparent)]
    BadToken(BadToken),
    /// A token that is bound to a key, and nobody who proves that they hold it.
    #[error(transparent)]
    BadProof(BadProof),
    /// A change by a session, from a page that is not the API's own.
    #[error("the page that sends the change is not one of the API's own")]
    CrossSite,
    /// The tenant header is not there.
    #[error("the tenant header is missing")]
    TenantHeaderMissing,
    /// The tenant header is there more than once.
    #[error("the tenant header is there more than once")]
    TenantHeaderRepeated,
    /// The tenant header names another tenant than the key's.
    #[error("the tenant header names another tenant than the key")]
    WrongTenant,
}

/// What kind of answer a refusal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is not one that could be answered: 400.
    Malformed,
    /// Nobody in particular is asking: 401.
    Unproven,
    /// Somebody is asking for another tenant: 403.
    WrongTenant,
    /// Somebody's browser is asking, and perhaps not they: 403.
    CrossSite,
}

impl Unauthenticated {
    pub(crate) fn of(cause: Cause, entry: &Entry) -> Self {
        Self { cause, standing: Some(Arc::clone(entry.standing())), method: None }
    }

    /// Whose key it is, where that is good and only the account that was asked for is not its own.
    pub fn proven(&self) -> Option<&Arc<Standing>> {
        let account =
            matches!(self.cause, Cause::TenantHeaderMissing | Cause::TenantHeaderRepeated | Cause::WrongTenant);
        self.standing.as_ref().filter(|_| account)
    }

    /// What kind of answer it asks for.
    pub fn kind(&self) -> Kind {
        match &self.cause {
            Cause::TwoCredentials
            | Cause::InUrl
            | Cause::Elsewhere
            | Cause::Oversized
            | Cause::TenantHeaderMissing
            | Cause::TenantHeaderRepeated
            | Cause::BadSignature(BadSignature::Body) => Kind::Malformed,
            Cause::SignatureMalformed(why) if why.is_bad_request() => Kind::Malformed,
            Cause::WrongTenant => Kind::WrongTenant,
            Cause::CrossSite => Kind::CrossSite,
            Cause::SignatureMalformed(_)
            | Cause::UnknownAccessKey
            | Cause::Unsealable
            | Cause::BadSignature(_)
            | Cause::BadToken(_)
            | Cause::BadProof(_)
            | Cause::Missing
            | Cause::SchemeNotTaken
            | Cause::KindNotTaken
            | Cause::Malformed
            | Cause::BadChecksum
            | Cause::Unknown
            | Cause::WrongApi
            | Cause::Expired
            | Cause::Revoked
            | Cause::Replaced => Kind::Unproven,
        }
    }

    /// What the caller is told: one text for everything that is not proven, so that nothing is learnt by asking.
    pub fn told(&self, rules: &AuthRules<'_>) -> Told {
        let header = |told: Told| match rules.tenant_header {
            Some(name) => told.about(name.as_str()),
            None => told,
        };
        let named = |told: Told, what: &str| {
            let name = rules.tenant_header.map_or("the account header", |it| it.as_str());
            header(Told { message: format!("`{name}`, which names the account, {what}.").into(), ..told })
        };
        match &self.cause {
            Cause::SignatureMalformed(why) => why.told(),
            Cause::BadSignature(why) => why.told(),
            // Told as a signature that does not hold, so that nobody learns which keys there are.
            Cause::UnknownAccessKey => BadSignature::Mismatch.told(),
            Cause::TwoCredentials => Told::new("two_credentials", "Show exactly one credential."),
            Cause::InUrl => {
                Told::new("credential_in_url", "Send the credential in the Authorization header, not in the address.")
            }
            Cause::Elsewhere => {
                Told::new("credential_elsewhere", "Send the credential in the Authorization header and nowhere else.")
            }
            Cause::BadProof(why) if why.error() == "invalid_dpop_proof" => {
                Told::new("invalid_dpop_proof", "The DPoP proof is missing or not good for this request.")
            }
            Cause::BadProof(BadProof::Nonce) => {
                Told::new("use_dpop_nonce", "Repeat the nonce of the header DPoP-Nonce in the DPoP proof.")
            }
            Cause::CrossSite => Told::new("cross_site", "Changes by a session come from the pages of this service."),
            Cause::Oversized => Told::new("credential_too_long", "The Authorization header is too long."),
            Cause::TenantHeaderMissing => named(Told::new("tenant_header_missing", ""), "is required"),
            Cause::TenantHeaderRepeated => named(Told::new("tenant_header_repeated", ""), "must be sent once"),
            Cause::WrongTenant => {
                header(Told::new("tenant_mismatch", "The credential does not belong to this account."))
            }
            Cause::Missing
            | Cause::SchemeNotTaken
            | Cause::KindNotTaken
            | Cause::Malformed
            | Cause::BadChecksum
            | Cause::Unknown
            | Cause::BadToken(_)
            | Cause::BadProof(_)
            | Cause::Unsealable
            | Cause::WrongApi
            | Cause::Expired
            | Cause::Revoked
            | Cause::Replaced => Told::new("unauthenticated", "The credential is missing or not valid."),
        }
    }

    /// The whole reason as one token, for entries and metrics.
    pub fn reason(&self) -> &'static str {
        match &self.cause {
            Cause::SignatureMalformed(why) => why.told().reason,
            Cause::UnknownAccessKey => "unknown_access_key",
            Cause::Unsealable => "unsealable",
            Cause::BadSignature(why) => why.told().reason,
            Cause::BadToken(why) => why.reason(),
            Cause::BadProof(why) => why.reason(),
            Cause::Missing => "missing",
            Cause::TwoCredentials => "two_credentials",
            Cause::InUrl => "credential_in_url",
            Cause::Elsewhere => "credential_elsewhere",
            Cause::Oversized => "credential_too_long",
            Cause::SchemeNotTaken => "scheme_not_taken",
            Cause::KindNotTaken => "kind_not_taken",
            Cause::Malformed => "malformed",
            Cause::BadChecksum => "bad_checksum",
            Cause::Unknown => "unknown",
            Cause::WrongApi => "wrong_api",
            Cause::Expired => "expired",
            Cause::Revoked => "revoked",
            Cause::Replaced => "replaced",
            Cause::CrossSite => "cross_site",
            Cause::TenantHeaderMissing => "tenant_header_missing",
            Cause::TenantHeaderRepeated => "tenant_header_repeated",
            Cause::WrongTenant => "tenant_mismatch",
        }
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match &self.cause {
            Cause::Unsealable => Blame::Gateway,
            Cause::BadSignature(why) => why.blame(),
            Cause::SignatureMalformed(why) => why.blame(),
            Cause::Missing
            | Cause::TwoCredentials
            | Cause::InUrl
            | Cause::Elsewhere
            | Cause::Oversized
            | Cause::SchemeNotTaken
            | Cause::KindNotTaken
            | Cause::Malformed
            | Cause::BadChecksum
            | Cause::Unknown
            | Cause::UnknownAccessKey
            | Cause::BadToken(_)
            | Cause::BadProof(_)
            | Cause::WrongApi
            | Cause::Expired
            | Cause::Revoked
            | Cause::Replaced
            | Cause::CrossSite
            | Cause::TenantHeaderMissing
            | Cause::TenantHeaderRepeated
            | Cause::WrongTenant => Blame::Caller,
        }
    }

    /// The value of `WWW-Authenticate`, which every 401 has (RFC 9110 section 15.5.2): each scheme that the API takes. Of
    /// `Bearer` it tells whether something was shown (RFC 6750 section 3), not what was wrong with it.
    pub fn challenge(&self, rules: &AuthRules<'_>) -> Option<HeaderValue> {
        if self.kind() != Kind::Unproven {
            return None;
        }
        let realm = format!("realm=\"{}\"", rules.api);
        if let Cause::BadProof(why) = self.cause {
            // RFC 9449 section 7.1: of what is bound to a key the scheme is another.
            let (error, algs) = (why.error(), PROVED_WITH.join(" "));
            return HeaderValue::try_from(format!("DPoP {realm}, error=\"{error}\", algs=\"{algs}\"")).ok();
        }
        let error = if self.cause == Cause::Missing { "" } else { ", error=\"invalid_token\"" };
        let signed = rules.signatures.map(|_| format!("AWS4-HMAC-SHA256 {realm}"));
        let bearer = (rules.keys.is_some() || rules.tokens.is_some()).then(|| format!("Bearer {realm}{error}"));
        let schemes = match (signed, bearer) {
            (Some(signed), Some(bearer)) => format!("{signed}, {bearer}"),
            (one, other) => one.or(other)?,
        };
        HeaderValue::try_from(schemes).ok()
    }

    /// Whether it may have been a guess, and so counts against the source address. A key we know was not guessed.
    pub fn guessed(&self) -> bool {
        match &self.cause {
            Cause::SchemeNotTaken
            | Cause::KindNotTaken
            | Cause::Malformed
            | Cause::BadChecksum
            | Cause::Unknown
            | Cause::UnknownAccessKey
            | Cause::BadSignature(BadSignature::Mismatch) => true,
            Cause::BadToken(why) => why.guessed(),
            Cause::BadProof(why) => why.guessed(),
            Cause::SignatureMalformed(_)
            | Cause::Unsealable
            | Cause::BadSignature(_)
            | Cause::Missing
            | Cause::TwoCredentials
            | Cause::InUrl
            | Cause::Elsewhere
            | Cause::Oversized
            | Cause::WrongApi
            | Cause::Expired
            | Cause::Revoked
            | Cause::Replaced
            | Cause::CrossSite
            | Cause::TenantHeaderMissing
            | Cause::TenantHeaderRepeated
            | Cause::WrongTenant => false,
        }
    }
}

impl From<BadToken> for Cause {
    fn from(why: BadToken) -> Self {
        Self::BadToken(why)
    }
}

impl From<BadProof> for Cause {
    fn from(why: BadProof) -> Self {
        Self::BadProof(why)
    }
}

impl From<Cause> for Unauthenticated {
    fn from(cause: Cause) -> Self {
        Self { cause, standing: None, method: None }
    }
}
