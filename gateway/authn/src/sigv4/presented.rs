//! A signature that was read, and the comparison that proves it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{Arrival, PathMode, Timestamp};

use super::canonical::{self, Request, hex_bytes};
use super::chunks::Chain;
use super::keys::{SigningKey, SigningKeys};
use super::payload::{Payload, PayloadCheck};
use super::shown::Shown;
use super::{ALGORITHM, BadSignature, Malformed, Rules, date, headers};

/// A signature made for this region, service and time, over every header that matters. Whether it holds is not known
/// before [`Self::verify`].
pub struct Presented<'a> {
    credential: Cow<'a, str>,
    signed: Cow<'a, str>,
    date: Cow<'a, str>,
    signature: [u8; 32],
    host: &'a [u8],
    payload: Payload,
    good_until: Timestamp,
    session_token: bool,
    paths: PathMode,
    region: &'a str,
    service: &'a str,
}

impl<'a> Presented<'a> {
    /// Reads the one signature of a request, in its `Authorization` header or, for objects, in its query.
    pub fn parse(arrival: &'a Arrival, rules: &Rules<'a>) -> Result<Self, Malformed> {
        let shown = Shown::find(arrival)?;
        let presigned = shown.lifetime.is_some();
        if presigned && rules.paths != PathMode::Objects {
            return Err(Malformed::PresignedNotTaken);
        }
        check_scope(&shown.credential, date::day(&shown.date), rules)?;
        let made = date::parse(&shown.date).ok_or(Malformed::Part("x-amz-date"))?;
        check_time(made, shown.lifetime, arrival.at.wall, rules.skew)?;
        headers::check(&shown.signed, arrival)?;
        Ok(Self {
            signature: hex_bytes(&shown.signature).ok_or(Malformed::Part("Signature"))?,
            host: headers::host(arrival)?,
            payload: Payload::parse(shown.payload.as_deref(), presigned, arrival, rules)?,
            good_until: made + shown.lifetime.map_or(rules.skew, Duration::from_secs),
            session_token: shown.session_token,
            credential: shown.credential,
            signed: shown.signed,
            date: shown.date,
            paths: rules.paths,
            region: rules.region,
            service: rules.service,
        })
    }

    /// The public half of the key that is said to have signed.
    pub fn access_key_id(&self) -> &str {
        self.credential.split('/').next().unwrap_or_default()
    }

    /// What the signature covers of the body. [`Payload::Unwritten`] needs the body before [`Self::verify`].
    pub fn payload(&self) -> Payload {
        self.payload
    }

    /// The signature, by which a repeat is known.
    pub fn signature(&self) -> &[u8; 32] {
        &self.signature
    }

    /// The last moment at which it is good.
    pub fn good_until(&self) -> Timestamp {
        self.good_until
    }

    /// Whether a session token is shown with it, signed as everything else.
    pub fn has_session_token(&self) -> bool {
        self.session_token
    }

    /// The key that must have signed, derived from the secret.
    pub fn signing_key(&self, secret: &str) -> SigningKey {
        SigningKey::derive(secret, date::day(&self.date), self.region, self.service)
    }

    /// The same, derived once a day: `sealed` is the secret as it is kept, and `open` unseals it.
    pub fn cached_signing_key<E>(
        &self,
        keys: &SigningKeys,
        sealed: &[u8],
        open: impl FnOnce() -> Result<zeroize::Zeroizing<String>, E>,
    ) -> Result<Arc<SigningKey>, E> {
        keys.find_or_derive(&self.credential, sealed, || Ok(self.signing_key(&open()?)))
    }

    /// Compares the signature with the request. `body` is the hash of the body where it has been read; where it has not,
    /// the answer says what is left to check.
    pub fn verify(
        &self,
        key: &SigningKey,
        arrival: &Arrival,
        body: Option<&[u8; 32]>,
    ) -> Result<PayloadCheck, BadSignature> {
        let payload = self.payload.literal(body).ok_or(BadSignature::BodyUnread)?;
        let request = Request {
            method: &arrival.method,
            path: arrival.target.split('?').next().unwrap_or_default(),
            query: arrival.query(),
            host: self.host,
            headers: &arrival.headers,
            signed: &self.signed,
            paths: self.paths,
        };
        // A plus is a plus here, and a space to whoever reads a query as a form: what is signed means one thing to all.
        if request.query.contains('+') {
            return Err(BadSignature::Mismatch);
        }
        // What has no canonical form cannot have been signed.
        let canonical = canonical::write(&request, &payload).ok_or(BadSignature::Mismatch)?;
        let scope = self.credential.split_once('/').map_or("", |(_, scope)| scope);
        if !key.has_signed(&to_sign(&self.date, scope, &canonical), &self.signature) {
            return Err(BadSignature::Mismatch);
        }
        let chain = || Chain {
            key: key.clone(),
            date: self.date.clone().into_owned(),
            scope: scope.to_owned(),
            last: self.signature,
        };
        self.payload.check(body, chain).ok_or(BadSignature::Body)
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("access_key_id", &self.access_key_id()).finish_non_exhaustive()
    }
}

/// The string to sign of a canonical request.
pub(super) fn to_sign(date: &str, scope: &str, canonical: &[u8]) -> Vec<u8> {
    let mut hash = [0; 64];
    // INVARIANT: 32 bytes are 64 digits.
    hex::encode_to_slice(super::BodyHash::of(canonical), &mut hash).ok();
    [ALGORITHM.as_bytes(), b"\n", date.as_bytes(), b"\n", scope.as_bytes(), b"\n", &hash].concat()
}

fn check_scope(credential: &str, day: &str, rules: &Rules<'_>) -> Result<(), Malformed> {
    let mut parts = credential.split('/');
    let id = parts.next().unwrap_or_default();
    if !(1..=128).contains(&id.len()) || !id.bytes().all(|it| it.is_ascii_alphanumeric()) {
        return Err(Malformed::Part("Credential"));
    }
    if parts.eq([day, rules.region, rules.service, "aws4_request"]) { Ok(()) } else { Err(Malformed::Scope) }
}

fn check_time(made: Timestamp, lifetime: Option<u64>, now: Timestamp, skew: Duration) -> Result<(), Malformed> {
    if made > now + skew {
        return Err(Malformed::Skewed);
    }
    match lifetime {
        None if now > made + skew => Err(Malformed::Skewed),
        Some(seconds) if now >= made + Duration::from_secs(seconds) => Err(Malformed::Expired),
        None | Some(_) => Ok(()),
    }
}
