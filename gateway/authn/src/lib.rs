//! Who is asking? Exactly one credential, one caller.
//!
//! [`authenticate`] is the only way to a [`Caller`]: it finds the one credential, verifies it against the [`Keyring`] and
//! asks anew for every request whether it still stands. No operation has its own. Reads no database and no clock.

mod cookie;
pub mod dpop;
mod keyring;
mod lapse;
mod leaked;
mod linked;
mod presented;
mod random;
mod refusal;
mod replays;
pub mod secrets;
mod signed;
pub mod sigv4;
#[cfg(test)]
mod testing;
pub mod token;
pub mod upstream;
mod whole;

use std::sync::Arc;

use domain::{ApiName, Arrival, AuthMethod, Caller, GrantKind, Standing, TenantId, keyformat};
use http::header::HeaderName;

pub use cookie::{SessionRole, SessionRules, cookie, is_same_site};
pub use keyring::{Entry, Keyring, KeyringBuilder};
pub use lapse::{Lapse, still_stands};
pub use leaked::{Leaked, LeakedWhat, leaked};
pub use linked::{Unlinkable, link};
pub use random::SystemRandom;
pub use refusal::{Cause, Kind, Unauthenticated};
pub use replays::{Replays, Sight, Signature};
pub use secrets::{MasterKey, Peppers, SecretFiles, Secrets, SecretsFault};
pub use signed::SignatureRules;
pub use sigv4::PayloadCheck;
pub use token::TokenRules;
pub use whole::{Disbelieved, WholeKey, prove_whole};

use dpop::{Asked, BadProof};
use keyring::Ended;
use presented::{Presented, classify};

/// What one API takes as a credential for one operation.
#[derive(Clone, Copy, Debug)]
pub struct AuthRules<'a> {
    /// The API. A key opens one API.
    pub api: &'a ApiName,
    /// Which API keys it takes; `None` for none.
    pub keys: Option<KeyRules<'a>>,
    /// Which signatures it takes; `None` for none.
    pub signatures: Option<SignatureRules<'a>>,
    /// Which access tokens it takes; `None` for none.
    pub tokens: Option<TokenRules<'a>>,
    /// The header that must be there and name the key's tenant.
    pub tenant_header: Option<&'a HeaderName>,
    /// Which sessions it takes; `None` for none.
    pub sessions: Option<SessionRules<'a>>,
    /// Whether the operation lets anybody ask. A credential that is shown must be good all the same.
    pub anonymous: bool,
}

/// Which API keys an API takes.
#[derive(Clone, Copy, Debug)]
pub struct KeyRules<'a> {
    /// What its own keys begin with.
    pub prefixes: &'a [String],
    /// Whether there may be keys that were made elsewhere, which have no checksum.
    pub imported: bool,
}

/// Who is asking, and what is left to check of the body for it to be theirs. `None` where the operation lets anybody ask
/// and nothing was shown. `body` is the SHA-256 of the body, where [`needs_body`] asked for it.
pub fn authenticate(
    rules: &AuthRules<'_>,
    arrival: &Arrival,
    body: Option<&[u8; 32]>,
    keyring: &Keyring,
    secrets: &Secrets,
) -> Result<Option<(Caller, PayloadCheck)>, Unauthenticated> {
    let presented = classify(arrival, rules.sessions)?;
    let method = presented.method();
    prove(presented, rules, arrival, body, (keyring, secrets)).map_err(|why| Unauthenticated { method, ..why })
}

fn prove(
    presented: Presented<'_>,
    rules: &AuthRules<'_>,
    arrival: &Arrival,
    body: Option<&[u8; 32]>,
    (keyring, secrets): (&Keyring, &Secrets),
) -> Result<Option<(Caller, PayloadCheck)>, Unauthenticated> {
    let (entry, method, check) = match presented {
        Presented::Nothing if rules.anonymous => return Ok(None),
        Presented::Nothing => return Err(Cause::Missing.into()),
        Presented::Checked(key) => (checked(key, rules, keyring, secrets)?, AuthMethod::ApiKey, PayloadCheck::Done),
        Presented::Bare(key) => (bare(key, rules, keyring, secrets)?, AuthMethod::ApiKey, PayloadCheck::Done),
        Presented::Token(text) => {
            let caller = bearer(text, rules, arrival, keyring)?;
            return Ok(Some((caller, PayloadCheck::Done)));
        }
        Presented::Bound(text) => {
            let caller = holder(text, rules, arrival, keyring)?;
            return Ok(Some((caller, PayloadCheck::Done)));
        }
        Presented::Session(text) => {
            let caller = session(text, rules, arrival, keyring)?;
            return Ok(Some((caller, PayloadCheck::Done)));
        }
        Presented::Signature => {
            let taken = rules.signatures.ok_or(Cause::KindNotTaken)?;
            let (entry, check) = signed::prove(taken, arrival, body, keyring, secrets)?;
            (entry, AuthMethod::SigV4, check)
        }
    };
    admit(entry, method, rules, arrival).map(|caller| Some((caller, check)))
}

/// Whether the body must be read before it can be said who is asking: it was signed, its hash is written nowhere, and there is
/// the key that is said to have signed.
pub fn needs_body(rules: &AuthRules<'_>, arrival: &Arrival, keyring: &Keyring) -> bool {
    let signed = || matches!(classify(arrival, rules.sessions), Ok(Presented::Signature));
    rules.signatures.is_some_and(|it| signed() && signed::needs_body(it, arrival, keyring))
}

/// The signature that a request was proven by, for it to be remembered; `None` where it was proven otherwise. Means
/// something only after [`authenticate`].
pub fn signature(rules: &AuthRules<'_>, arrival: &Arrival) -> Option<Signature> {
    let signed = matches!(classify(arrival, rules.sessions), Ok(Presented::Signature));
    rules.signatures.filter(|_| signed).and_then(|it| signed::signature(it, arrival))
}

/// Whether judging the credential is cheap and certain: a key of our form whose checksum holds, or a token that was verified a
/// moment ago. Such requests go on even where too many others from the same address failed.
pub fn is_quickly_judged(rules: &AuthRules<'_>, arrival: &Arrival, keyring: &Keyring) -> bool {
    let known = |text, issuer| token::is_known(text, TokenRules { issuer }, arrival.at.wall, keyring);
    match classify(arrival, rules.sessions) {
        Ok(Presented::Checked(_)) => true,
        Ok(Presented::Token(text) | Presented::Bound(text)) => rules.tokens.is_some_and(|it| known(text, it.issuer)),
        Ok(Presented::Session(text)) => rules.sessions.is_some_and(|it| known(text, it.issuer)),
        Ok(Presented::Nothing | Presented::Bare(_) | Presented::Signature) | Err(_) => false,
    }
}

/// Whose key is shown, whether or not it is good here, where it is one that we know: for the entry of a request that
/// is refused before anybody is asked who they are.
pub fn shown_key(arrival: &Arrival, keyring: &Keyring, secrets: &Secrets) -> Option<Arc<Standing>> {
    let found = match classify(arrival, None) {
        Ok(Presented::Checked(key)) => {
            keyring.find_minted(key, secrets.peppers()).or_else(|| imported(key, keyring, secrets))
        }
        Ok(Presented::Bare(key)) => imported(key, keyring, secrets),
        Ok(_) | Err(_) => None,
    };
    found.map(|it| Arc::clone(it.standing()))
}

fn checked<'k>(
    key: &str,
    rules: &AuthRules<'_>,
    keyring: &'k Keyring,
    secrets: &Secrets,
) -> Result<&'k Arc<Entry>, Cause> {
    let taken = rules.keys.ok_or(Cause::KindNotTaken)?;
    let found = keyring.find_minted(key, secrets.peppers());
    // Another gateway of our kind may have made a key that was then imported here.
    found.or_else(|| taken.imported.then(|| imported(key, keyring, secrets))?).ok_or(Cause::Unknown)
}

fn bare<'k>(
    key: &str,
    rules: &AuthRules<'_>,
    keyring: &'k Keyring,
    secrets: &Secrets,
) -> Result<&'k Arc<Entry>, Cause> {
    let taken = rules.keys.ok_or(Cause::KindNotTaken)?;
    if taken.imported {
        return imported(key, keyring, secrets).ok_or(Cause::Unknown);
    }
    let ours = taken.prefixes.iter().any(|it| key.starts_with(it.as_str()));
    Err(if ours { Cause::BadChecksum } else { Cause::Malformed })
}

fn imported<'k>(key: &str, keyring: &'k Keyring, secrets: &Secrets) -> Option<&'k Arc<Entry>> {
    keyformat::IMPORTED_LEN.contains(&key.len()).then(|| keyring.find_imported(key, secrets.peppers()))?
}

/// Who shows a token that anybody may show who has it.
fn bearer(text: &str, rules: &AuthRules<'_>, arrival: &Arrival, keyring: &Keyring) -> Result<Caller, Unauthenticated> {
    let taken = rules.tokens.ok_or(Cause::KindNotTaken)?;
    let proven = token::prove(text, taken, arrival.at.wall, keyring)?;
    if proven.bound().is_some() {
        return Err(Unauthenticated::of(BadProof::Bearer.into(), proven.entry));
    }
    let caller = admit(proven.entry, AuthMethod::AccessToken, rules, arrival)?;
    Ok(Caller { token: Some(proven.shown()), standing: proven.standing, ..caller })
}

/// Who shows a token that is bound to a key, and proves that they hold it.
fn holder(text: &str, rules: &AuthRules<'_>, arrival: &Arrival, keyring: &Keyring) -> Result<Caller, Unauthenticated> {
    let taken = rules.tokens.ok_or(Cause::KindNotTaken)?;
    let proven = token::prove(text, taken, arrival.at.wall, keyring)?;
    let refused = |why: BadProof| Unauthenticated::of(why.into(), proven.entry);
    let bound = proven.bound().ok_or_else(|| refused(BadProof::Unbound))?;
    let proof = dpop::prove(&arrival.headers, &Asked::of(arrival, text), arrival.at.wall).map_err(refused)?;
    if proof.thumbprint != bound {
        return Err(refused(BadProof::OtherKey));
    }
    let caller = admit(proven.entry, AuthMethod::AccessToken, rules, arrival)?;
    Ok(Caller { token: Some(proven.shown()), standing: proven.standing, ..caller })
}

/// Who is behind a session: its token is judged as any other, and its grant on every request.
fn session(text: &str, rules: &AuthRules<'_>, arrival: &Arrival, keyring: &Keyring) -> Result<Caller, Unauthenticated> {
    let taken = rules.sessions.filter(|it| it.role == SessionRole::Credential).ok_or(Cause::KindNotTaken)?;
    let proven = token::prove(text, TokenRules { issuer: taken.issuer }, arrival.at.wall, keyring)?;
    if proven.bound().is_some() {
        return Err(Unauthenticated::of(BadProof::Bearer.into(), proven.entry));
    }
    let shown = proven.shown();
    let (entry, standing) = (proven.entry, proven.standing);
    // What a client was given is for its own requests, and a browser sends nothing of it by itself.
    if standing.grant.as_ref().is_none_or(|it| it.kind != GrantKind::Session) {
        return Err(Unauthenticated::of(Cause::KindNotTaken, entry));
    }
    let caller = admit(entry, AuthMethod::Session, rules, arrival)?;
    if !arrival.method.is_safe() && !is_same_site(&arrival.headers, taken.origins.iter().map(String::as_str)) {
        return Err(Unauthenticated::of(Cause::CrossSite, entry));
    }
    Ok(Caller { standing, token: Some(shown), ..caller })
}

/// Whether a key that was proven still opens this API, now, for this tenant.
fn admit(
    entry: &Arc<Entry>,
    method: AuthMethod,
    rules: &AuthRules<'_>,
    arrival: &Arrival,
) -> Result<Caller, Unauthenticated> {
    let refused = |cause| Unauthenticated::of(cause, entry);
    if entry.api() != rules.api {
        return Err(refused(Cause::WrongApi));
    }
    entry.alive(arrival.at.wall).map_err(|ended| {
        refused(match ended {
            Ended::Revoked => Cause::Revoked,
            Ended::Expired => Cause::Expired,
            Ended::Replaced => Cause::Replaced,
        })
    })?;
    entry.mark_used(arrival.at.wall);
    if let Some(name) = rules.tenant_header {
        names_tenant(entry.tenant(), name, arrival).map_err(refused)?;
    }
    Ok(Caller {
        standing: Arc::clone(entry.standing()),
        method,
        in_allowlist: entry.admits(arrival.source.address),
        retires: entry.retires(),
        token: None,
    })
}

/// The header is compared with the key's tenant and never used to look anything up.
fn names_tenant(tenant: &TenantId, header: &HeaderName, arrival: &Arrival) -> Result<(), Cause> {
    let mut lines = arrival.headers.get_all(header).iter();
    let line = lines.next().filter(|it| !it.is_empty()).ok_or(Cause::TenantHeaderMissing)?;
    if lines.next().is_some() {
        return Err(Cause::TenantHeaderRepeated);
    }
    if line.as_bytes() == tenant.as_str().as_bytes() { Ok(()) } else { Err(Cause::WrongTenant) }
}

#[cfg(test)]
mod tests;
