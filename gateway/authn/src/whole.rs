//! An access key that is shown whole, id and secret, to an operation that gives something else for it.
//!
//! No digest of the secret is kept: it is kept sealed, because signatures are checked with it, and a digest beside it would
//! be a second thing to steal, to re-digest and to keep in step. So it is unsealed, which takes a microsecond, and compared
//! in constant time. Whoever is not believed is not told why, and waits as long whatever was wrong.

use std::net::IpAddr;
use std::sync::Arc;

use domain::{ApiName, Standing, Timestamp};
use subtle::ConstantTimeEq as _;

use crate::keyring::Ended;
use crate::secrets::sha256;
use crate::{Entry, Keyring, Secrets};

/// What somebody shows. It has no `Debug`.
#[derive(Clone, Copy)]
pub struct WholeKey<'a> {
    /// The access key id.
    pub id: &'a str,
    /// The secret.
    pub secret: &'a str,
    /// The API that it is shown to.
    pub api: &'a ApiName,
    /// Where from.
    pub source: IpAddr,
}

/// Why an access key that was shown whole is not believed. For entries: its owner is told nothing of it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Disbelieved {
    /// What was wrong.
    pub why: &'static str,
    /// Whose key was named, where there is one of this id.
    pub standing: Option<Arc<Standing>>,
}

/// Whose key it is, if all of it is as it must be.
pub fn prove_whole(
    shown: WholeKey<'_>,
    now: Timestamp,
    keyring: &Keyring,
    secrets: &Secrets,
) -> Result<Arc<Standing>, Disbelieved> {
    let known = keyring.access_key(shown.id);
    let kept = known.and_then(|it| Some((shown.id, it.sealed()?)));
    // Who asks for an id that is not there has the same work done.
    let (name, sealed) = kept.unwrap_or_else(|| secrets.decoy());
    let opened = secrets.master().unseal(name, sealed);
    let text = opened.as_ref().map_or("", |it| it.as_str());
    // Digests, because the length of what is compared would show.
    let same: bool = sha256(text).ct_eq(&sha256(shown.secret)).into();
    let Some(entry) = known else { return Err(Disbelieved { why: "unknown access key", standing: None }) };
    let judged = match (opened, same) {
        (Err(_), _) => Err("its secret cannot be unsealed under the master key"),
        (Ok(_), false) => Err("it is not its secret"),
        (Ok(_), true) => admit(entry, shown, now),
    };
    let standing = Arc::clone(entry.standing());
    match judged {
        Ok(()) => {
            entry.mark_used(now);
            Ok(standing)
        }
        Err(why) => Err(Disbelieved { why, standing: Some(standing) }),
    }
}

/// Whether a key that was proven opens anything, here, now and from there.
fn admit(entry: &Entry, shown: WholeKey<'_>, now: Timestamp) -> Result<(), &'static str> {
    entry.alive(now).map_err(|ended| match ended {
        Ended::Revoked => "revoked",
        Ended::Expired => "expired",
        Ended::Replaced => "replaced",
    })?;
    if entry.api() != shown.api {
        Err("it is a key of another API")
    } else if !entry.admits(shown.source) {
        Err("it may not be used from there")
    } else if entry.is_bound() {
        Err("it opens one resource alone, and what is given for it would open more")
    } else if entry.standing().suspended {
        Err("its owner or its tenant is suspended")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Change, KeyRecord, KeySecret, Overlap, Vault as _};

    use super::*;
    use crate::testing::{NOW, record as kept, secrets, tenant};

    const ID: &str = "AKIDEXAMPLEEXAMPLE00";
    const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00";

    fn record() -> KeyRecord {
        let secret = secrets().keep_access_key(ID, SECRET).unwrap();
        KeyRecord { id: "key_1".parse().unwrap(), api: "cloudnx".parse().unwrap(), ..kept(secret) }
    }

    fn ask(record: KeyRecord, id: &str, secret: &str, source: &str) -> Result<Arc<Standing>, Disbelieved> {
        let ring = Keyring::build([tenant("acme")], [record]);
        let api = "cloudnx".parse().unwrap();
        let shown = WholeKey { id, secret, api: &api, source: source.parse().unwrap() };
        prove_whole(shown, NOW, &ring, &secrets())
    }

    #[test]
    fn a_key_that_is_shown_whole_has_its_own_standing() {
        let standing = ask(record(), ID, SECRET, "192.0.2.7").unwrap();
        assert_eq!((standing.key.as_str(), standing.tenant.as_str()), (record().id.as_str(), "acme"));
    }

    #[test]
    fn whatever_is_wrong_with_it_nobody_is_believed() {
        let past = Overlap { since: NOW, until: NOW };
        let other = KeySecret::AccessKey { access_key_id: ID.to_owned(), sealed: vec![0; 68] };
        for (record, id, secret, why) in [
            (record(), "AKIDNOBODYNOBODYNO00", SECRET, "unknown access key"),
            (record(), ID, "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY01", "it is not its secret"),
            (record(), ID, "", "it is not its secret"),
            (KeyRecord { revoked: Some(NOW), ..record() }, ID, SECRET, "revoked"),
            (KeyRecord { expires: Some(NOW), ..record() }, ID, SECRET, "expired"),
            (KeyRecord { overlap: Some(past), ..record() }, ID, SECRET, "replaced"),
            (KeyRecord { api: "acme".parse().unwrap(), ..record() }, ID, SECRET, "it is a key of another API"),
            (
                KeyRecord { tenant: "gone".parse().unwrap(), ..record() },
                ID,
                SECRET,
                "its owner or its tenant is suspended",
            ),
            (KeyRecord { suspended: Some(NOW), ..record() }, ID, SECRET, "its owner or its tenant is suspended"),
            (
                KeyRecord { ip_allow: vec!["198.51.100.0/24".parse().unwrap()], ..record() },
                ID,
                SECRET,
                "it may not be used from there",
            ),
            (
                KeyRecord { bound: "bucket=photos".parse().ok(), ..record() },
                ID,
                SECRET,
                "it opens one resource alone, and what is given for it would open more",
            ),
            (KeyRecord { secret: other, ..record() }, ID, "", "its secret cannot be unsealed under the master key"),
        ] {
            let refused = ask(record.clone(), id, secret, "192.0.2.7").unwrap_err();
            assert_eq!(refused.why, why);
            assert_eq!(refused.standing.is_some(), why != "unknown access key");
            assert!(!format!("{refused:?}").contains(SECRET));
        }
    }

    #[test]
    fn a_change_is_seen_at_once() {
        let ring = Keyring::build([tenant("acme")], [record()]);
        let api = "cloudnx".parse().unwrap();
        let shown = WholeKey { id: ID, secret: SECRET, api: &api, source: "192.0.2.7".parse().unwrap() };
        assert!(prove_whole(shown, NOW, &ring, &secrets()).is_ok());
        let revoked = KeyRecord { revoked: Some(NOW), ..record() };
        let after = ring.apply([Change::Key(Box::new(revoked))]);
        assert!(prove_whole(shown, NOW + Duration::from_secs(1), &after, &secrets()).is_err());
    }
}
