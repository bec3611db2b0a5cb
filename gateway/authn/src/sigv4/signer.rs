//! Signing what goes on to an upstream, with the gateway's own key there and never the caller's.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{PathMode, Timestamp};
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::canonical::{self, Request};
use super::headers::{CONTENT_SHA256, DATE, SECURITY_TOKEN, is_amz};
use super::keys::SigningKey;
use super::presented::to_sign;
use super::{ALGORITHM, date};

/// The gateway's own access key at an upstream.
pub struct Signer {
    access_key_id: String,
    secret: Zeroizing<String>,
    region: String,
    service: String,
    /// The key of the day it was last asked for.
    today: Mutex<Option<(String, Arc<SigningKey>)>>,
}

/// A request that is about to be sent; its headers are handed in beside it.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a Method,
    /// `Host` as it will be sent, with its port where that is not the usual one.
    pub host: &'a str,
    /// The path as it will be sent.
    pub path: &'a str,
    /// The query as it will be sent, without `?`.
    pub query: &'a str,
    /// What `x-amz-content-sha256` will say: a hash, `UNSIGNED-PAYLOAD` or `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
    pub payload: &'a str,
    /// How the upstream reads paths.
    pub paths: PathMode,
}

/// A request that cannot be signed: a broken percent-encoding, a dot segment, or a key id or payload that no header can
/// hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request to the upstream has no canonical form")]
pub struct Unsignable;

impl Signer {
    /// A signer for one region and service.
    pub fn new(access_key_id: String, secret: Zeroizing<String>, region: String, service: String) -> Self {
        Self { access_key_id, secret, region, service, today: Mutex::new(None) }
    }

    /// Takes away what the caller signed with and signs anew: the host and every `x-amz-*` header there is.
    pub fn sign(&self, request: &Outgoing<'_>, headers: &mut HeaderMap, now: Timestamp) -> Result<(), Unsignable> {
        headers.remove(AUTHORIZATION);
        headers.remove(SECURITY_TOKEN);
        let date = date::write(now);
        headers.insert(DATE, HeaderValue::try_from(&date).map_err(|_| Unsignable)?);
        headers.insert(CONTENT_SHA256, HeaderValue::from_str(request.payload).map_err(|_| Unsignable)?);
        let mut names: Vec<&str> = headers.keys().filter(|it| is_amz(it)).map(HeaderName::as_str).collect();
        names.push("host");
        names.sort_unstable();
        let signed = names.join(";");
        let canonical = Request {
            method: request.method,
            path: request.path,
            query: request.query,
            host: request.host.as_bytes(),
            headers,
            signed: &signed,
            paths: request.paths,
        };
        let canonical = canonical::write(&canonical, request.payload).ok_or(Unsignable)?;
        let scope = [date::day(&date), &self.region, &self.service, "aws4_request"].join("/");
        let signature = self.key(date::day(&date)).sign(&to_sign(&date, &scope, &canonical));
        let id = &self.access_key_id;
        let line = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}");
        headers.insert(AUTHORIZATION, HeaderValue::try_from(line).map_err(|_| Unsignable)?);
        Ok(())
    }

    fn key(&self, day: &str) -> Arc<SigningKey> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        match &*today {
            Some((known, key)) if known == day => key.clone(),
            _ => {
                let key = Arc::new(SigningKey::derive(&self.secret, day, &self.region, &self.service));
                *today = Some((day.to_owned(), key.clone()));
                key
            }
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}
