//! What a request reads besides its own resource: a path of the same host that one of its headers names.
//!
//! Whoever copies an object reads another. That reading is made into a request of its own here, so that whatever holds for
//! such a request holds for it too: one normal path, the document's parameters, and, elsewhere, the policies.

use domain::{Arrival, Call, OperationId};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::host::Host;
use crate::validate::{Invalid, Wrong, query};
use crate::written::Place;

/// What stands bare in the header as it is sent on: everybody reads it alike. Even a plus is encoded, which some take for a
/// space.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// That a header names what is read as well.
#[derive(Clone, Debug)]
pub(crate) struct Reads {
    /// Where the document says so.
    pub(crate) place: Place,
    /// The header.
    pub(crate) header: HeaderName,
    /// The operation that would answer with it.
    pub(crate) operation: OperationId,
    /// The query parameters that the path in the header may have.
    pub(crate) query: Vec<String>,
}

/// What a request reads besides its own resource.
#[derive(Clone, Debug)]
pub struct Source {
    /// The operation that would answer with it, and its path parameters.
    pub call: Call,
    /// The request as which it would be asked for.
    pub arrival: Arrival,
    /// The header that names it.
    pub header: HeaderName,
    /// What that header says upstream: the path that was decided on, in the one spelling that everybody reads alike.
    pub restated: HeaderValue,
}

impl Reads {
    /// The source that a request names.
    pub(crate) fn of(&self, host: &Host, arrival: &Arrival) -> Result<Source, Invalid> {
        let wrong = |message: &'static str| Invalid::from(Wrong::parameter(self.header.as_str(), message));
        let mut values = arrival.headers.get_all(&self.header).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(wrong("must be given once")) };
        let text = value.to_str().map_err(|_| wrong("must be percent-encoded"))?;
        let (path, asked) = text.split_once('?').unwrap_or((text, ""));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        // Stores that decode before they look for the query take an encoded mark for a bare one.
        if percent_decode_str(&path).any(|it| it == b'?') {
            return Err(wrong("must not hold an encoded question mark"));
        }
        if query::names(asked).any(|it| !self.query.iter().any(|known| *known == it)) {
            return Err(wrong("has a query that is not documented"));
        }
        let elsewhere = || wrong("must be a path such as `/bucket/key`");
        let method = host.method_of(&self.operation).ok_or_else(elsewhere)?.clone();
        let arrival = Arrival {
            method,
            path: host.normal_path(&path).map_err(|_| elsewhere())?,
            target: if asked.is_empty() { path } else { format!("{path}?{asked}") },
            headers: HeaderMap::new(),
            ..arrival.clone()
        };
        let call = host.identify(&arrival).map_err(|_| elsewhere())?;
        if call.operation.id != self.operation {
            return Err(elsewhere());
        }
        let plain = percent_decode_str(arrival.path.as_str()).decode_utf8().map_err(|_| elsewhere())?;
        let restated = utf8_percent_encode(&plain, ENCODED).to_string();
        let restated = if asked.is_empty() { restated } else { format!("{restated}?{asked}") };
        let restated = HeaderValue::try_from(restated).map_err(|_| elsewhere())?;
        Ok(Source { call, arrival, header: self.header.clone(), restated })
    }
}
