//! Addresses that the key behind a request signs, for its holder to give away.
//!
//! Whoever is given one may do what the key may do at that moment, and nothing once it is revoked: the address is judged like
//! every other signature of the key.

use domain::{KeyId, Scope, Timestamp};

use crate::sigv4::{Link, Rules};
use crate::{Keyring, Secrets};

/// Why a key signs no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlinkable {
    /// It is no access key, or one that opens nothing now.
    #[error("there is no access key that could sign")]
    NoKey,
    /// Whoever asks may do less than the key, and the address could do as much as the key.
    #[error("the key may do more than whoever asks")]
    Narrower,
    /// Nobody could ask for what it is to lead to.
    #[error("it would lead to what nobody can ask for")]
    Nowhere,
    /// Its secret cannot be unsealed.
    #[error("the secret of the key cannot be unsealed")]
    Unsealable,
}

/// An address that the key signs, asked for by somebody with these scopes.
pub fn link(
    link: &Link<'_>,
    (key, scopes): (&KeyId, &[Scope]),
    rules: &Rules<'_>,
    now: Timestamp,
    (keyring, secrets): (&Keyring, &Secrets),
) -> Result<String, Unlinkable> {
    let entry = keyring.by_id(key).filter(|it| it.alive(now).is_ok()).ok_or(Unlinkable::NoKey)?;
    let (id, sealed) = entry.access_key().ok_or(Unlinkable::NoKey)?;
    if !entry.standing().scopes.iter().all(|it| scopes.contains(it)) {
        return Err(Unlinkable::Narrower);
    }
    let secret = secrets.master().unseal(id, sealed).map_err(|_| Unlinkable::Unsealable)?;
    link.signed((id, &secret), rules, now).ok_or(Unlinkable::Nowhere)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Change, KeyRecord, KeySecret, PathMode, Vault as _};
    use http::Method;

    use super::*;
    use crate::testing::{NOW, record as kept, secrets, tenant};

    const ID: &str = "AKIDEXAMPLEEXAMPLE00";
    const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";
    const RULES: Rules<'static> =
        Rules { region: "in-mum", service: "s3", paths: PathMode::Objects, skew: Duration::from_mins(15) };
    const LINK: Link<'static> = Link { method: &Method::GET, host: "s3.example.org", path: "/b/k", seconds: 60 };

    fn record(secret: KeySecret) -> KeyRecord {
        let scopes = ["read", "write"].map(|it| it.parse().unwrap()).to_vec();
        KeyRecord { id: "key_1".parse().unwrap(), scopes, ..kept(secret) }
    }

    #[test]
    fn a_key_signs_for_whoever_may_do_as_much_as_it_may_and_while_it_is_good() {
        let secrets = secrets();
        let record = record(secrets.keep_access_key(ID, SECRET).unwrap());
        let ring = Keyring::build([tenant("acme")], [record.clone()]);
        let ask = |ring: &Keyring, key: &str, scopes: &[&str]| {
            let scopes: Vec<Scope> = scopes.iter().map(|it| it.parse().unwrap()).collect();
            link(&LINK, (&key.parse().unwrap(), &scopes), &RULES, NOW, (ring, &secrets))
        };
        let url = ask(&ring, "key_1", &["write", "read", "more"]).unwrap();
        assert!(url.starts_with("https://s3.example.org/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID"));
        assert!(!url.contains(SECRET));
        assert_eq!(ask(&ring, "key_1", &["read"]), Err(Unlinkable::Narrower));
        assert_eq!(ask(&ring, "key_2", &["read", "write"]), Err(Unlinkable::NoKey));
        let gone = ring.apply([Change::Key(Box::new(KeyRecord { revoked: Some(NOW), ..record }))]);
        assert_eq!(ask(&gone, "key_1", &["read", "write"]), Err(Unlinkable::NoKey));
    }
}
