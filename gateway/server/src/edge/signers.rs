//! The gateway's own access keys at upstreams that want every request signed.

use authn::SecretsFault;
use authn::sigv4::{Outgoing, Signer};
use domain::{Arrival, PathMode};
use http::{HeaderMap, HeaderName};
use pingora::prelude::{Error, ErrorType};
use pipeline::Forward;

use super::passing::Passing;
use crate::settings::Settings;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// One signer for each upstream that has a key, by API or by API and host.
pub(crate) struct Signers(Vec<(String, Option<String>, Signer)>);

/// A secret that cannot be read, or that others can read too.
#[derive(Debug, thiserror::Error)]
#[error("[upstream_keys] `{name}`: {cause}")]
pub(crate) struct Unreadable {
    name: String,
    cause: SecretsFault,
}

impl Signers {
    /// Reads the secret of every key.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Unreadable> {
        let mut signers = Vec::new();
        for (name, key) in &settings.upstream_keys {
            let unreadable = |cause| Unreadable { name: name.clone(), cause };
            let secret = authn::secrets::text(&key.secret_file).map_err(unreadable)?;
            let id = key.access_key_id.clone();
            let signer = Signer::new(id, secret.trim().to_owned().into(), key.region.clone(), key.service.clone());
            let (api, host) = match name.split_once('/') {
                Some((api, host)) => (api.to_owned(), Some(host.to_owned())),
                None => (name.clone(), None),
            };
            signers.push((api, host, signer));
        }
        // The key of a host goes before that of its API.
        signers.sort_by_key(|(_, host, _)| host.is_none());
        Ok(Self(signers))
    }

    /// Whether the upstream of a request wants it signed, and so reads bodies as S3 does.
    pub(crate) fn sign_for(&self, passing: &Passing) -> pingora::Result<bool> {
        let host = passing.arrival.as_ref().map_or("", |it| &it.host);
        Ok(self.find(passing.forward()?, host).is_some())
    }

    fn find(&self, forward: &Forward, asked: &str) -> Option<&Signer> {
        let api = forward.call().operation.api.as_str();
        let ours = |(named, host, _): &&(String, Option<String>, Signer)| {
            named == api && host.as_ref().is_none_or(|it| it == asked)
        };
        self.0.iter().find(ours).map(|(_, _, signer)| signer)
    }

    /// Signs a head that is about to be sent, if its upstream wants that. The body passes under the caller's own hash,
    /// or with the checksum that follows it, and the upstream holds it to that; or else unsigned.
    pub(crate) fn sign(
        &self,
        headers: &mut HeaderMap,
        forward: &Forward,
        arrival: &Arrival,
        query: &str,
    ) -> pingora::Result<()> {
        let Some(signer) = self.find(forward, &arrival.host) else {
            // They belonged to the caller's own signature.
            headers.remove(&DATE);
            headers.remove(&CONTENT_SHA256);
            return Ok(());
        };
        let payload = headers.get(&CONTENT_SHA256).and_then(|it| it.to_str().ok());
        let payload = payload.unwrap_or("UNSIGNED-PAYLOAD").to_owned();
        // Object stores make the canonical path out of the decoded key, in which a slash is a slash however it was sent.
        let path = arrival.path.as_str().replace("%2F", "/");
        let outgoing = Outgoing {
            method: &arrival.method,
            host: &arrival.host,
            path: &path,
            query,
            payload: &payload,
            paths: PathMode::Objects,
        };
        let unsigned = |_| Error::explain(ErrorType::InternalError, "request cannot be signed for its upstream");
        signer.sign(&outgoing, headers, arrival.at.wall).map_err(unsigned)
    }
}
