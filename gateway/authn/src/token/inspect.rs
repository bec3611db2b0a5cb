//! Looking at a token for whoever wants to know what it says: it is judged as on a request, and opens nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{KeyId, Timestamp};
use serde_json::{Map, Value};

use super::claims::Claims;
use super::signed::Signed;
use super::{BadToken, KeySet, TYPE, json};

/// What a token says, and whether it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Its header; empty where it cannot be read.
    pub header: Map<String, Value>,
    /// Its claims, whether or not they are true; empty where they cannot be read.
    pub claims: Map<String, Value>,
    /// The key or grant that it was made for, or why it is not good.
    pub verdict: Result<KeyId, BadToken>,
    made_for: Option<KeyId>,
}

impl Inspected {
    /// What it was made for, where one of the keys has signed it, be it good by now or not.
    pub fn made_for(&self) -> Option<KeyId> {
        self.made_for.clone()
    }
}

/// Looks at a token by these keys, as one of this issuer; of whichever it names itself where none is given. Whether what it
/// was made for still stands is not known here.
pub fn inspect(text: &str, keys: &KeySet, issuer: Option<&str>, now: Timestamp) -> Inspected {
    let mut parts = text.split('.').map(|it| {
        let bytes = URL_SAFE_NO_PAD.decode(it).unwrap_or_default();
        json::object(&bytes).unwrap_or_default()
    });
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let proven = signed_claims(text, keys);
    let made_for = proven.as_ref().ok().map(|it| it.key.clone());
    let verdict = proven.and_then(|it| {
        it.hold(issuer.unwrap_or(&it.issuer), now)?;
        Ok(it.key)
    });
    Inspected { header, claims, verdict, made_for }
}

fn signed_claims(text: &str, keys: &KeySet) -> Result<Claims, BadToken> {
    let signed = Signed::parse(text)?;
    if signed.typ() != Some(TYPE) {
        return Err(BadToken::WrongType);
    }
    keys.verify(&signed)?;
    Claims::parse(signed.payload())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::testing::{ISSUER, Issuer, claims, with};
    use super::*;
    use crate::testing::{NOW, kept, minted_key};

    #[test]
    fn what_a_token_says_is_told_with_whether_it_is_good_and_nothing_that_opens_anything() {
        let (signer, key) = (Issuer::any(), kept(&minted_key("nsx_live_", 1)));
        let text = signer.token(&claims(&key));
        let look = |text: &str, now| inspect(text, &signer.keys(), Some(ISSUER), now);
        let good = look(&text, NOW);
        assert_eq!((good.verdict.as_ref(), good.made_for().as_ref()), (Ok(&key.id), Some(&key.id)));
        assert_eq!((&good.claims["iss"], &good.header["alg"]), (&json!(ISSUER), &json!("EdDSA")));
        let signature = text.rsplit('.').next().unwrap();
        assert!(!format!("{good:?}").contains(signature));
        let late = look(&text, NOW + Duration::from_hours(1));
        assert_eq!((late.verdict.clone(), late.made_for()), (Err(BadToken::Expired), Some(key.id.clone())));
        let other = inspect(&text, &Issuer::any().keys(), None, NOW);
        assert_eq!((other.verdict.clone(), other.made_for()), (Err(BadToken::BadSignature), None));
        let elsewhere = signer.token(&with(claims(&key), "iss", json!("https://evil.example")));
        assert_eq!(look(&elsewhere, NOW).verdict, Err(BadToken::WrongIssuer));
        let none = look("nonsense", NOW);
        assert!(none.verdict.is_err() && none.header.is_empty() && none.claims.is_empty());
    }
}
