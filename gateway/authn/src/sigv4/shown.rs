//! The parts of a signature, from wherever they were shown.

use std::borrow::Cow;

use domain::Arrival;
use http::header::AUTHORIZATION;

use super::canonical::decode;
use super::headers::{CONTENT_SHA256, DATE, SECURITY_TOKEN};
use super::{ALGORITHM, MAX_LIFETIME, Malformed};

/// What was shown; nothing of it is believed yet.
pub(super) struct Shown<'a> {
    /// Access key id, day, region, service and `aws4_request`, joined by `/`.
    pub(super) credential: Cow<'a, str>,
    /// Names of the signed headers, joined by `;`.
    pub(super) signed: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) date: Cow<'a, str>,
    /// For how many seconds a presigned address is good; `None` for the header form.
    pub(super) lifetime: Option<u64>,
    /// What stands in place of the hash of the body.
    pub(super) payload: Option<Cow<'a, str>>,
    /// Whether there is a session token, in whichever place.
    pub(super) session_token: bool,
}

impl<'a> Shown<'a> {
    /// Finds the one place where the signature is.
    pub(super) fn find(arrival: &'a Arrival) -> Result<Self, Malformed> {
        let query = Query::read(arrival.query())?;
        match (arrival.headers.get(AUTHORIZATION), query.is_empty()) {
            (Some(line), true) => {
                Self::in_header(line.to_str().map_err(|_| Malformed::Part("Authorization"))?, &query, arrival)
            }
            (None, false) => Self::in_query(query, arrival),
            (Some(_), false) | (None, true) => Err(Malformed::Place),
        }
    }

    fn in_header(line: &'a str, query: &Query<'_>, arrival: &'a Arrival) -> Result<Self, Malformed> {
        let (scheme, rest) = line.split_once(' ').ok_or(Malformed::Part("Authorization"))?;
        if !scheme.eq_ignore_ascii_case(ALGORITHM) {
            return Err(Malformed::Part("Authorization"));
        }
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim_matches(' ').split_once('=').ok_or(Malformed::Part("Authorization"))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(Malformed::Part("Authorization")),
            };
            if place.replace(Cow::Borrowed(value)).is_some() {
                return Err(Malformed::Part("Authorization"));
            }
        }
        Ok(Self {
            credential: credential.ok_or(Malformed::Part("Credential"))?,
            signed: signed.ok_or(Malformed::Part("SignedHeaders"))?,
            signature: signature.ok_or(Malformed::Part("Signature"))?,
            date: header(arrival, &DATE)?.ok_or(Malformed::Part("x-amz-date"))?,
            lifetime: None,
            payload: header(arrival, &CONTENT_SHA256)?,
            session_token: query.session_token || arrival.headers.contains_key(SECURITY_TOKEN),
        })
    }

    fn in_query(query: Query<'a>, arrival: &'a Arrival) -> Result<Self, Malformed> {
        if query.algorithm.as_deref() != Some(ALGORITHM) {
            return Err(Malformed::Part("X-Amz-Algorithm"));
        }
        let in_header = header(arrival, &CONTENT_SHA256)?;
        if in_header.is_some() && query.payload.is_some() {
            return Err(Malformed::Repeated("x-amz-content-sha256"));
        }
        let seconds = query.expires.ok_or(Malformed::Part("X-Amz-Expires"))?;
        let digits = seconds.len() <= 6 && seconds.bytes().all(|it| it.is_ascii_digit());
        let lifetime = seconds.parse().ok().filter(|it| digits && (1..=MAX_LIFETIME).contains(it));
        Ok(Self {
            credential: query.credential.ok_or(Malformed::Part("X-Amz-Credential"))?,
            signed: query.signed.ok_or(Malformed::Part("X-Amz-SignedHeaders"))?,
            signature: query.signature.ok_or(Malformed::Part("X-Amz-Signature"))?,
            date: query.date.ok_or(Malformed::Part("X-Amz-Date"))?,
            lifetime: Some(lifetime.ok_or(Malformed::Part("X-Amz-Expires"))?),
            payload: in_header.or(query.payload),
            session_token: query.session_token || arrival.headers.contains_key(SECURITY_TOKEN),
        })
    }
}

/// The parameters of a presigned address.
#[derive(Default)]
struct Query<'a> {
    algorithm: Option<Cow<'a, str>>,
    credential: Option<Cow<'a, str>>,
    date: Option<Cow<'a, str>>,
    expires: Option<Cow<'a, str>>,
    signed: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    payload: Option<Cow<'a, str>>,
    session_token: bool,
}

impl<'a> Query<'a> {
    /// Each at most once, and spelled exactly: what one parser reads as a parameter and another does not is refused.
    fn read(query: &'a str) -> Result<Self, Malformed> {
        let mut read = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or(Malformed::Target)?;
            if !name.get(..6).is_some_and(|it| it.eq_ignore_ascii_case(b"X-Amz-")) {
                continue;
            }
            let (place, exact) = match name.to_ascii_lowercase().as_slice() {
                b"x-amz-algorithm" => (&mut read.algorithm, "X-Amz-Algorithm"),
                b"x-amz-credential" => (&mut read.credential, "X-Amz-Credential"),
                b"x-amz-date" => (&mut read.date, "X-Amz-Date"),
                b"x-amz-expires" => (&mut read.expires, "X-Amz-Expires"),
                b"x-amz-signedheaders" => (&mut read.signed, "X-Amz-SignedHeaders"),
                b"x-amz-signature" => (&mut read.signature, "X-Amz-Signature"),
                b"x-amz-content-sha256" => (&mut read.payload, "X-Amz-Content-Sha256"),
                b"x-amz-security-token" => {
                    read.session_token = true;
                    continue;
                }
                // Covered by the signature like any other parameter.
                _ => continue,
            };
            let value = text(decode(value).ok_or(Malformed::Target)?).ok_or(Malformed::Part(exact))?;
            if *name != *exact.as_bytes() || place.replace(value).is_some() {
                return Err(Malformed::Part(exact));
            }
        }
        Ok(read)
    }

    /// Whether nothing here says that the address is presigned.
    fn is_empty(&self) -> bool {
        self.algorithm.is_none() && self.credential.is_none() && self.signature.is_none()
    }
}

fn header<'a>(arrival: &'a Arrival, name: &http::HeaderName) -> Result<Option<Cow<'a, str>>, Malformed> {
    let Some(value) = arrival.headers.get(name) else { return Ok(None) };
    value.to_str().map(|it| Some(Cow::Borrowed(it))).map_err(|_| Malformed::Part("x-amz header"))
}

fn text(bytes: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}
