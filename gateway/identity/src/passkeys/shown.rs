//! What a browser shows of a passkey, held to what it must be (`WebAuthn` level 3, sections 7.1 and 7.2).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// What of the flags must be set: that somebody was there, and that it was whose passkey it is.
const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
/// That it may be on more than one device; that what follows is a new one.
const SYNCED: u8 = 1 << 3;
const ATTESTED: u8 = 1 << 6;

/// Where things stand in what an authenticator says: the digest of the host, the flags, the counter; and of a new one the
/// model of the authenticator and the length of its id.
const HOST: usize = 32;
const COUNTER: usize = 4;
const MODEL: usize = 16;

/// The longest id that an authenticator may give.
const LONGEST: usize = 1023;

/// The issuer that a passkey is made for.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The origin of its pages: `https://api.novastraxis.com`.
    pub origin: &'a str,
}

impl<'a> Party<'a> {
    /// What browsers know it by.
    pub fn host(&self) -> &'a str {
        self.origin.trim_start_matches("https://")
    }
}

/// What a browser shows of a passkey that somebody signs in with; all of it in base64url.
#[derive(Clone, Copy)]
pub struct ShownPasskey<'a> {
    /// The id that its authenticator gave it.
    pub credential: &'a str,
    /// What the browser says of the page.
    pub client_data: &'a str,
    /// What the authenticator says.
    pub authenticator_data: &'a str,
    /// What it has signed that with.
    pub signature: &'a str,
    /// Whose it is, as the authenticator remembers it; it may be empty.
    pub user_handle: &'a str,
}

/// What the browser says of the page.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
}

/// What an authenticator says, once it fits.
pub(super) struct Said {
    pub(super) counter: u32,
    pub(super) synced: bool,
    /// The id of a new one.
    pub(super) credential: Option<Vec<u8>>,
}

/// The challenge that a page of this issuer has had answered, where the browser says that it was such a page.
pub(super) fn challenge_of(client_data: &[u8], kind: &str, party: Party<'_>) -> Option<String> {
    let said: ClientData = serde_json::from_slice(client_data).ok()?;
    let fits = said.kind == kind && said.origin == party.origin && !said.cross_origin;
    fits.then_some(said.challenge)
}

/// What an authenticator says for this issuer, where its user was there and has unlocked it.
pub(super) fn said(authenticator_data: &[u8], party: Party<'_>) -> Option<Said> {
    let (host, rest) = authenticator_data.split_at_checked(HOST)?;
    let (flags, rest) = rest.split_first()?;
    let (counter, rest) = rest.split_first_chunk::<COUNTER>()?;
    let needed = PRESENT | VERIFIED;
    if host != digest(&SHA256, party.host().as_bytes()).as_ref() || flags & needed != needed {
        return None;
    }
    let credential = if flags & ATTESTED == 0 {
        None
    } else {
        let (length, rest) = rest.get(MODEL..)?.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        Some(rest.get(..length).filter(|_| (1..=LONGEST).contains(&length))?.to_vec())
    };
    Some(Said { counter: u32::from_be_bytes(*counter), synced: flags & SYNCED != 0, credential })
}

/// Whether an authenticator has signed what it says of this page.
pub(super) fn holds(
    (key, algorithm): (&[u8], i32),
    authenticator_data: &[u8],
    client_data: &[u8],
    signature: &[u8],
) -> bool {
    let Some(key) = public_key(key, algorithm) else { return false };
    let message = [authenticator_data, digest(&SHA256, client_data).as_ref()].concat();
    key.verify_sig(&message, signature).is_ok()
}

/// A public key of an algorithm that passkeys are asked for in (RFC 9053).
pub(super) fn public_key(key: &[u8], algorithm: i32) -> Option<ParsedPublicKey> {
    let algorithm: &'static dyn VerificationAlgorithm = match algorithm {
        -7 => &ECDSA_P256_SHA256_ASN1,
        -8 => &ED25519,
        -257 => &RSA_PKCS1_2048_8192_SHA256,
        _ => return None,
    };
    ParsedPublicKey::new(algorithm, key).ok()
}

pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
    use proptest::prelude::*;

    use super::*;

    const PARTY: Party<'static> = Party { origin: "https://api.example.com" };

    fn authenticator(host: &str, flags: u8, credential: &[u8]) -> Vec<u8> {
        let mut data = digest(&SHA256, host.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend([0, 0, 1, 2]);
        if flags & ATTESTED != 0 {
            data.extend([0; MODEL]);
            data.extend(u16::try_from(credential.len()).unwrap().to_be_bytes());
            data.extend(credential);
        }
        data
    }

    #[test]
    fn only_a_page_of_the_issuer_itself_has_a_challenge_answered() {
        let challenge = |text: &str| challenge_of(text.as_bytes(), "webauthn.get", PARTY);
        let good =
            r#"{"type":"webauthn.get","challenge":"abc","origin":"https://api.example.com","crossOrigin":false}"#;
        assert_eq!(challenge(good).as_deref(), Some("abc"));
        assert_eq!(challenge(&good.replace(",\"crossOrigin\":false", "")).as_deref(), Some("abc"));
        for (from, to) in [
            ("webauthn.get", "webauthn.create"),
            ("https://api.example.com", "https://evil.example.com"),
            ("https://api.example.com", "http://api.example.com"),
            ("https://api.example.com", "https://api.example.com:8443"),
            ("https://api.example.com", "https://api.example.com.evil.example"),
            ("false", "true"),
            ("\"challenge\":\"abc\",", ""),
            ("}", ""),
        ] {
            assert_eq!(challenge(&good.replace(from, to)), None, "{from} {to}");
        }
    }

    #[test]
    fn an_authenticator_is_heard_when_its_user_was_there_and_has_unlocked_it() {
        let heard = |host: &str, flags: u8| said(&authenticator(host, flags, b""), PARTY);
        let told = heard("api.example.com", PRESENT | VERIFIED | SYNCED).unwrap();
        assert_eq!((told.counter, told.synced, told.credential), (258, true, None));
        assert!(heard("api.example.com", PRESENT).is_none(), "not unlocked");
        assert!(heard("api.example.com", VERIFIED).is_none(), "nobody was there");
        assert!(heard("example.com", PRESENT | VERIFIED).is_none(), "for another host");
        let all = PRESENT | VERIFIED | ATTESTED;
        let made = said(&authenticator("api.example.com", all, &[5; 16]), PARTY).unwrap();
        assert_eq!(made.credential, Some(vec![5; 16]));
        assert!(said(&authenticator("api.example.com", all, b""), PARTY).is_none(), "an id of nothing");
        assert!(said(&authenticator("api.example.com", all, &[5; 1024]), PARTY).is_none(), "too long an id");
    }

    #[test]
    fn what_was_signed_is_what_is_shown_and_by_the_key_that_was_registered() {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref()).unwrap();
        let key: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let (said, page) = (b"authenticator".as_slice(), b"page".as_slice());
        let message = [said, digest(&SHA256, page).as_ref()].concat();
        let signature = pair.sign(&random, &message).unwrap();
        let holds = |said, page, sign: &[u8], algorithm| holds((key.as_ref(), algorithm), said, page, sign);
        assert!(holds(said, page, signature.as_ref(), -7));
        assert!(!holds(said, b"other", signature.as_ref(), -7) && !holds(b"other", page, signature.as_ref(), -7));
        assert!(!holds(said, page, &signature.as_ref()[1..], -7) && !holds(said, page, b"", -7));
        for algorithm in [-8, -257, -37, 0] {
            assert!(!holds(said, page, signature.as_ref(), algorithm), "{algorithm}");
        }
        let other = Ed25519KeyPair::generate().unwrap();
        let key: PublicKeyX509Der<'_> = other.public_key().as_der().unwrap();
        assert!(super::holds((key.as_ref(), -8), said, page, other.sign(&message).as_ref()));
        assert!(public_key(key.as_ref(), -7).is_none() && public_key(b"", -7).is_none());
    }

    proptest! {
        #[test]
        fn whatever_is_shown_is_read_without_harm(data in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
            let _ = said(&data, PARTY);
            let _ = challenge_of(text.as_bytes(), "webauthn.get", PARTY);
            let _ = holds((&data, -7), &data, text.as_bytes(), &data);
        }
    }
}
