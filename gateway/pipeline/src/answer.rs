//! Every way a request can be turned away, with what is told and what is recorded.

use authn::sigv4::BadChunks;
use authn::{Lapse, Unauthenticated};
use authz::Forbidden;
use catalog::{Invalid, Unidentified};
use domain::{Blame, Declined, PathRefused, Told};
use http::HeaderValue;
use limits::{OverLimit, Shielded};
use plugins::Stopped;

/// The gateway answers by itself. Which status that is, `server` knows; which words, the dialect.
#[derive(Debug, thiserror::Error)]
pub enum Answer {
    /// No API has this host.
    #[error("no API is served on this host")]
    UnknownHost,
    /// The path has no normal form.
    #[error(transparent)]
    BadPath(#[from] PathRefused),
    /// Too many headers, or too large.
    #[error("request head exceeds the bounds of this gateway")]
    HeadTooLarge,
    /// A head that did not come to its end.
    #[error("request head did not arrive in time")]
    HeadLate,
    /// A head that pingora understood and the gateway does not take.
    #[error("{0}")]
    BadHead(&'static str),
    /// No operation of the API.
    #[error(transparent)]
    Unidentified(#[from] Unidentified),
    /// The source address asks too much.
    #[error(transparent)]
    Shielded(#[from] Shielded),
    /// Not exactly one good credential.
    #[error("{}", .0.why)]
    Unauthenticated(Box<Unproven>),
    /// The credential has ended while the request was under way.
    #[error("the credential has ended while the request was under way: {0}")]
    Lapsed(Lapse),
    /// A signature that has done its work.
    #[error("the signature was seen before")]
    Replayed,
    /// Nobody could say whether a signature was seen before.
    #[error("there is no room to remember another signature")]
    ReplaysFull,
    /// The caller has used up its allowance.
    #[error(transparent)]
    OverLimit(#[from] OverLimit),
    /// The policies do not permit it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The request does not fit the API's document.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A plugin of the caller's tenant has answered, or failed.
    #[error(transparent)]
    Plugin(Box<Stopped>),
    /// The body is larger than the operation takes.
    #[error("body is larger than the {max} bytes that the operation takes")]
    TooLarge {
        /// Bytes.
        max: u64,
    },
    /// The body is not the one that the caller signed.
    #[error("body is not the one that was signed")]
    NotSigned,
    /// The body did not come in the chunks that the caller announced or signed.
    #[error(transparent)]
    BadChunks(#[from] BadChunks),
    /// The body ended, stalled or broke before it was whole.
    #[error("body did not arrive whole")]
    BodyCut,
    /// As much of bodies is held as may be.
    #[error("there is no room for another body that has to be read first")]
    NoRoom,
    /// A gateway-native operation whose room is not part of this build.
    #[error("gateway-native operation `{0}` is not served by this gateway")]
    NotServed(String),
    /// The gateway itself does not do what was asked.
    #[error(transparent)]
    Declined(#[from] Declined),
    /// Entries cannot be written.
    #[error(transparent)]
    Unrecordable(#[from] audit::Unwritable),
    /// Entries do not reach somebody who must have them.
    #[error(transparent)]
    Held(#[from] audit::OnHold),
    /// The API behind the gateway did not answer properly.
    #[error(transparent)]
    Upstream(#[from] UpstreamFault),
    /// A fault of the gateway.
    #[error("internal fault: {0}")]
    Internal(String),
}

/// A credential that proved nothing.
#[derive(Debug)]
pub struct Unproven {
    /// What was wrong with what was shown.
    pub why: Unauthenticated,
    /// What the caller is told of it.
    pub told: Told,
    /// What a 401 says in `WWW-Authenticate`.
    pub challenge: Option<HeaderValue>,
}

/// What went wrong behind the gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamFault {
    /// No connection.
    #[error("upstream cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("upstream did not answer in time: {0}")]
    Late(String),
    /// An answer that is not HTTP, or half of one.
    #[error("upstream answered badly: {0}")]
    Broken(String),
}

impl Answer {
    /// What the caller is told. Never anything that is not in the API's documents or its own request.
    pub fn told(&self) -> Told {
        match self {
            Self::UnknownHost => Told::new("unknown_host", "There is no API on this host."),
            Self::BadPath(PathRefused::TooLong) => Told::new("path_too_long", "The path is too long."),
            Self::BadPath(_) => Told::new("bad_path", "The path is malformed."),
            Self::HeadTooLarge => Told::new("head_too_large", "The request headers are too large."),
            Self::HeadLate => Told::new("head_late", "The request did not arrive in time."),
            Self::BadHead(_) => Told::new("bad_request", "The request is malformed."),
            Self::Unidentified(refused) => refused.told(),
            Self::Shielded(refused) => refused.told(),
            Self::Unauthenticated(unproven) => unproven.told.clone(),
            Self::Lapsed(_) => Told::new("credential_ended", "The credential is not valid any more."),
            Self::Replayed => Told::new("signature_replayed", "This signed request was received before. Sign it anew."),
            Self::OverLimit(refused) => refused.told(),
            Self::Forbidden(refused) => refused.told(),
            Self::Invalid(refused) => refused.told(),
            Self::Plugin(why) => match **why {
                Stopped::Replied { .. } => Told::new("plugin_reply", "The request was answered by a plugin."),
                Stopped::Failed { .. } => Told::new("plugin_fault", "The service is temporarily unavailable."),
            },
            Self::TooLarge { .. } => Told::new("body_too_large", "The request body is too large."),
            Self::NotSigned => Told::new("payload_mismatch", "The body does not match x-amz-content-sha256."),
            Self::BadChunks(why) => why.told(),
            Self::BodyCut => Told::new("body_cut", "The request body did not arrive whole."),
            Self::NoRoom => Told::new("busy", "Too many bodies are being read at the moment."),
            Self::NotServed(_) => Told::new("not_served", "This operation is not available at the moment."),
            Self::Declined(why) => why.told(),
            Self::ReplaysFull | Self::Unrecordable(_) | Self::Held(_) => {
                Told::new("unavailable", "The service is temporarily unavailable.")
            }
            Self::Upstream(UpstreamFault::Unreachable(_)) => {
                Told::new("upstream_unreachable", "The service could not be reached.")
            }
            Self::Upstream(UpstreamFault::Late(_)) => {
                Told::new("upstream_timeout", "The service did not answer in time.")
            }
            Self::Upstream(UpstreamFault::Broken(_)) => {
                Told::new("upstream_broken", "The service did not answer properly.")
            }
            Self::Internal(_) => Told::new("internal", "Something went wrong on our side."),
        }
    }

    /// Why, as one token for entries and meters. Of a credential it says more than its caller is told.
    pub fn reason(&self) -> &'static str {
        if let Self::Unauthenticated(unproven) = self { unproven.why.reason() } else { self.told().reason }
    }

    /// Who has to act before it stops happening.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Forbidden(refused) => refused.blame(),
            Self::Plugin(why) => why.blame(),
            Self::Unauthenticated(unproven) => unproven.why.blame(),
            Self::Upstream(_) => Blame::Upstream,
            Self::Declined(Declined::Busy | Declined::Unrecorded | Declined::Failed)
            | Self::ReplaysFull
            | Self::NoRoom
            | Self::Unrecordable(_)
            | Self::Held(_)
            | Self::Internal(_)
            | Self::NotServed(_) => Blame::Gateway,
            Self::UnknownHost
            | Self::BadPath(_)
            | Self::HeadTooLarge
            | Self::HeadLate
            | Self::BadHead(_)
            | Self::Unidentified(_)
            | Self::Shielded(_)
            | Self::Lapsed(_)
            | Self::Replayed
            | Self::OverLimit(_)
            | Self::Invalid(_)
            | Self::TooLarge { .. }
            | Self::NotSigned
            | Self::BadChunks(_)
            | Self::BodyCut
            | Self::Declined(
                Declined::Parameter(_)
                | Declined::PlainHttp
                | Declined::Unproven
                | Declined::SecondFactor
                | Declined::CrossSite
                | Declined::Stale
                | Declined::Beyond
                | Declined::Conflict(_)
                | Declined::WeakPassword
                | Declined::TooOften(_)
                | Declined::NoSigner
                | Declined::NotFound
                | Declined::Gone,
            ) => Blame::Caller,
        }
    }

    /// Which step of the path turned it away.
    pub fn step(&self) -> &'static str {
        match self {
            Self::UnknownHost | Self::BadPath(_) | Self::HeadTooLarge | Self::HeadLate | Self::BadHead(_) => "accept",
            Self::Unidentified(_) | Self::Declined(Declined::PlainHttp) => "identify",
            Self::Shielded(_) | Self::Declined(Declined::TooOften(_)) => "shield",
            Self::Unauthenticated(_)
            | Self::Replayed
            | Self::ReplaysFull
            | Self::Declined(Declined::Unproven | Declined::SecondFactor | Declined::Stale | Declined::CrossSite) => {
                "authenticate"
            }
            Self::OverLimit(_) => "limit",
            Self::Forbidden(_) | Self::Declined(Declined::Beyond) => "authorize",
            Self::Invalid(_)
            | Self::TooLarge { .. }
            | Self::NotSigned
            | Self::BadChunks(_)
            | Self::BodyCut
            | Self::NoRoom
            | Self::Declined(Declined::Parameter(_) | Declined::WeakPassword) => "validate",
            Self::Declined(Declined::NotFound | Declined::Gone | Declined::NoSigner | Declined::Conflict(_)) => {
                "answer"
            }
            Self::Plugin(_) => "plugins",
            Self::Lapsed(_)
            | Self::NotServed(_)
            | Self::Upstream(_)
            | Self::Declined(Declined::Busy | Declined::Failed) => "forward",
            Self::Unrecordable(_) | Self::Held(_) | Self::Declined(Declined::Unrecorded) => "record",
            Self::Internal(_) => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use authn::Cause;

    use super::*;

    #[test]
    fn a_secret_that_the_gateway_cannot_unseal_is_no_fault_of_the_caller() {
        let blamed = |cause: Cause| {
            let (why, told) = (Unauthenticated::from(cause), Told::new("unauthenticated", ""));
            Answer::Unauthenticated(Box::new(Unproven { why, told, challenge: None })).blame()
        };
        assert_eq!((blamed(Cause::Unsealable), blamed(Cause::Unknown)), (Blame::Gateway, Blame::Caller));
    }
}
