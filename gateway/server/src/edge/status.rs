//! Which status each refusal is. The only place that says so.

use catalog::{InvalidKind, Unidentified};
use domain::{Declined, PathRefused};
use http::StatusCode;
use pipeline::{Answer, UpstreamFault};
use plugins::Stopped;

/// The status that a refusal is answered with.
pub(super) fn status(answer: &Answer) -> StatusCode {
    match answer {
        Answer::UnknownHost => StatusCode::NOT_FOUND,
        Answer::BadPath(PathRefused::TooLong) => StatusCode::URI_TOO_LONG,
        Answer::BadChunks(why) if why.is_forged() => StatusCode::FORBIDDEN,
        Answer::BadPath(_) | Answer::BadHead(_) | Answer::NotSigned | Answer::BadChunks(_) | Answer::BodyCut => {
            StatusCode::BAD_REQUEST
        }
        Answer::HeadLate => StatusCode::REQUEST_TIMEOUT,
        Answer::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Answer::Unidentified(why) => match why {
            Unidentified::PlainHttp => StatusCode::FORBIDDEN,
            Unidentified::UnknownPath | Unidentified::UnknownSubresource => StatusCode::NOT_FOUND,
            Unidentified::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Unidentified::Removed(_) => StatusCode::GONE,
        },
        Answer::Shielded(_) | Answer::OverLimit(_) => StatusCode::TOO_MANY_REQUESTS,
        Answer::Unauthenticated(unproven) => match unproven.why.kind() {
            authn::Kind::Malformed => StatusCode::BAD_REQUEST,
            authn::Kind::Unproven => StatusCode::UNAUTHORIZED,
            authn::Kind::WrongTenant | authn::Kind::CrossSite => StatusCode::FORBIDDEN,
        },
        Answer::Lapsed(_) => StatusCode::UNAUTHORIZED,
        Answer::Replayed => StatusCode::CONFLICT,
        Answer::Forbidden(_) => StatusCode::FORBIDDEN,
        Answer::Invalid(why) => match why.kind() {
            InvalidKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            InvalidKind::Parameter | InvalidKind::Undocumented | InvalidKind::Body | InvalidKind::MediaType => {
                StatusCode::BAD_REQUEST
            }
        },
        Answer::Plugin(why) => match &**why {
            Stopped::Replied { reply, .. } => reply.status,
            Stopped::Failed { .. } => StatusCode::SERVICE_UNAVAILABLE,
        },
        Answer::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Answer::NotServed(_) | Answer::ReplaysFull | Answer::NoRoom | Answer::Unrecordable(_) | Answer::Held(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Answer::Declined(why) => match why {
            Declined::Parameter(_) | Declined::WeakPassword => StatusCode::BAD_REQUEST,
            Declined::PlainHttp | Declined::CrossSite | Declined::Stale | Declined::Beyond | Declined::NoSigner => {
                StatusCode::FORBIDDEN
            }
            Declined::Unproven | Declined::SecondFactor => StatusCode::UNAUTHORIZED,
            Declined::Conflict(_) => StatusCode::CONFLICT,
            Declined::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Declined::NotFound => StatusCode::NOT_FOUND,
            Declined::Gone => StatusCode::GONE,
            Declined::Busy | Declined::Unrecorded => StatusCode::SERVICE_UNAVAILABLE,
            Declined::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        },
        Answer::Upstream(why) => match why {
            UpstreamFault::Unreachable(_) | UpstreamFault::Broken(_) => StatusCode::BAD_GATEWAY,
            UpstreamFault::Late(_) => StatusCode::GATEWAY_TIMEOUT,
        },
        Answer::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
