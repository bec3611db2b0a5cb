//! Who signed: the access key behind a signature, and whether it made it.

use std::sync::Arc;
use std::time::Duration;

use domain::{Arrival, PathMode};

use crate::sigv4::{self, Payload, PayloadCheck, Presented};
use crate::{Cause, Entry, Keyring, Secrets, Signature, Unauthenticated};

/// Which signatures an API takes for one operation.
#[derive(Clone, Copy, Debug)]
pub struct SignatureRules<'a> {
    /// The region they are made for.
    pub region: &'a str,
    /// The service they are made for.
    pub service: &'a str,
    /// How paths are signed.
    pub paths: PathMode,
    /// How far the clock of a caller may be off, either way.
    pub skew: Duration,
}

impl<'a> SignatureRules<'a> {
    fn whole(self) -> sigv4::Rules<'a> {
        sigv4::Rules { region: self.region, service: self.service, paths: self.paths, skew: self.skew }
    }
}

/// Whether the hash of the body is part of what was signed and written nowhere, so that it must be read first. Of a key that
/// nobody has nothing needs be read.
pub(crate) fn needs_body(rules: SignatureRules<'_>, arrival: &Arrival, keyring: &Keyring) -> bool {
    let known = |it: &Presented<'_>| keyring.access_key(it.access_key_id()).is_some() && !it.has_session_token();
    Presented::parse(arrival, &rules.whole()).is_ok_and(|it| it.payload() == Payload::Unwritten && known(&it))
}

/// The signature of a request that was proven by it, and for how long it is good.
pub(crate) fn signature(rules: SignatureRules<'_>, arrival: &Arrival) -> Option<Signature> {
    let shown = Presented::parse(arrival, &rules.whole()).ok()?;
    // A presigned address is good for days, and meant to be used more than once.
    let lasts = shown.good_until().since(arrival.at.wall).min(rules.skew * 2);
    Some(Signature::new(shown.signature(), lasts))
}

/// Finds the key that is said to have signed, and compares the signature. What is left to check of the body comes with it.
pub(crate) fn prove<'k>(
    rules: SignatureRules<'_>,
    arrival: &Arrival,
    body: Option<&[u8; 32]>,
    keyring: &'k Keyring,
    secrets: &Secrets,
) -> Result<(&'k Arc<Entry>, PayloadCheck), Unauthenticated> {
    let rules = rules.whole();
    let shown = Presented::parse(arrival, &rules).map_err(Cause::SignatureMalformed)?;
    // A key and its session token are one credential, and none that was handed out has one.
    let known = keyring.access_key(shown.access_key_id()).filter(|_| !shown.has_session_token());
    let entry = known.ok_or(Cause::UnknownAccessKey)?;
    let refused = |cause| Unauthenticated::of(cause, entry);
    // What is bound to a resource is so where resources lie, and opens no operation of an API even by mistake.
    if entry.is_bound() && rules.paths != PathMode::Objects {
        return Err(refused(Cause::KindNotTaken));
    }
    let sealed = entry.sealed().ok_or_else(|| refused(Cause::KindNotTaken))?;
    let open = || secrets.master().unseal(shown.access_key_id(), sealed);
    let key = shown.cached_signing_key(secrets.signing_keys(), sealed, open).map_err(|_| refused(Cause::Unsealable))?;
    let check = shown.verify(&key, arrival, body).map_err(|why| refused(Cause::BadSignature(why)))?;
    Ok((entry, check))
}

#[cfg(test)]
mod tests;
