//! Which key sets are good enough to verify anything with.

use serde_json::Map;

use super::*;

fn rsa(n: Vec<u8>, e: &[u8]) -> PublicKey {
    PublicKey { kid: "one".to_owned(), numbers: Numbers::Rsa { n, e: e.to_vec() } }
}

/// An odd number of so many bits.
fn odd(bits: usize) -> Vec<u8> {
    let mut number = vec![0x5a; bits.div_ceil(8)];
    number[0] = 0xff >> (7 - (bits - 1) % 8);
    *number.last_mut().unwrap() |= 1;
    number
}

#[track_caller]
fn refuses_keys(keys: impl IntoIterator<Item = PublicKey>, why: &BadKeySet) {
    assert_eq!(KeySet::of(keys).unwrap_err(), *why);
}

#[test]
fn a_set_of_one_kind_with_names_of_their_own_is_good() {
    for alg in [Alg::Rs256, Alg::Es256, Alg::EdDsa] {
        let keys = ["one", "two"].map(|kid| Issuer::new(alg, kid).public());
        assert!(keys.iter().all(|it| it.alg() == alg));
        assert_eq!(KeySet::of(keys).unwrap().len(), 2);
    }
    assert!(KeySet::of([]).unwrap().is_empty());
}

#[test]
fn kinds_stand_side_by_side_and_names_are_not_shared() {
    let (rsa, ec, ed) =
        (Issuer::new(Alg::Rs256, "a").public(), Issuer::new(Alg::Es256, "b").public(), Issuer::any().public());
    assert_eq!(KeySet::of([&rsa, &ec, &ed].map(PublicKey::clone)).unwrap().len(), 3);
    for other in [&rsa, &ec] {
        let same = PublicKey { kid: "one".to_owned(), ..other.clone() };
        refuses_keys([ed.clone(), same], &BadKeySet::SameId("one".to_owned()));
    }
    refuses_keys([ed.clone(), Issuer::any().public()], &BadKeySet::SameId("one".to_owned()));
    refuses_keys([ed.clone(), ed], &BadKeySet::SameId("one".to_owned()));
}

#[test]
fn a_name_fits_the_header_of_a_token() {
    let named = |kid: String| PublicKey { kid, ..Issuer::any().public() };
    assert!(KeySet::of([named("x".repeat(64))]).is_ok());
    refuses_keys([named("x".repeat(65))], &BadKeySet::Kid);
    refuses_keys([named(String::new())], &BadKeySet::Kid);
}

#[test]
fn a_set_has_32_keys_at_most() {
    let key = Issuer::any().public();
    let many = |count: usize| (0..count).map(|it| PublicKey { kid: it.to_string(), ..key.clone() }).collect::<Vec<_>>();
    assert_eq!(KeySet::of(many(32)).unwrap().len(), 32);
    refuses_keys(many(33), &BadKeySet::TooMany);
}

#[test]
fn a_modulus_has_2048_to_8192_bits() {
    for bits in [1024, 2040, 2047, 8193, 16_384] {
        refuses_keys([rsa(odd(bits), &[1, 0, 1])], &BadKeySet::RsaSize { kid: "one".to_owned(), bits });
    }
    refuses_keys([rsa(Vec::new(), &[1, 0, 1])], &BadKeySet::RsaSize { kid: "one".to_owned(), bits: 0 });
    for bits in [2048, 2049, 4096, 8192] {
        assert!(KeySet::of([rsa(odd(bits), &[1, 0, 1])]).is_ok(), "{bits}");
    }
}

#[test]
fn what_is_no_key_of_its_kind_is_not_used() {
    let unusable = BadKeySet::Unusable("one".to_owned());
    let mut even = odd(2048);
    *even.last_mut().unwrap() ^= 1;
    refuses_keys([rsa(even, &[1, 0, 1])], &unusable);
    refuses_keys([rsa([vec![0], odd(2048)].concat(), &[1, 0, 1])], &unusable);
    for exponent in [&[][..], &[0], &[1], &[2], &[0, 3], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        refuses_keys([rsa(odd(2048), exponent)], &unusable);
    }
    let Numbers::P256 { x, mut y } = Issuer::new(Alg::Es256, "one").public().numbers else { panic!() };
    y[31] ^= 1;
    refuses_keys([PublicKey { kid: "one".to_owned(), numbers: Numbers::P256 { x, y } }], &unusable);
}

#[test]
fn a_modulus_that_gives_its_primes_away_is_not_used() {
    // A power of 65537 is one modulo every prime, as the moduli of those cards are.
    let mut power = vec![1];
    for _ in 0..128 {
        let mut carry = 0_u32;
        let shifted = [&[0, 0], power.as_slice()].concat();
        power.extend([0, 0, 0]);
        for (at, byte) in power.iter_mut().enumerate() {
            let sum = u32::from(*byte) + u32::from(shifted.get(at).copied().unwrap_or_default()) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        while power.last() == Some(&0) {
            power.pop();
        }
    }
    power.reverse();
    refuses_keys([rsa(power.clone(), &[1, 0, 1])], &BadKeySet::Roca("one".to_owned()));
    *power.last_mut().unwrap() ^= 2;
    assert!(KeySet::of([rsa(power, &[1, 0, 1])]).is_ok());
}

/// A set as an issuer publishes it.
fn published(issuer: &Issuer) -> Value {
    let text = |it: &[u8]| json!(base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, it));
    let PublicKey { kid, numbers } = issuer.public();
    match &numbers {
        Numbers::Rsa { n, e } => json!({ "kty": "RSA", "alg": "RS256", "kid": kid, "n": text(n), "e": text(e) }),
        Numbers::P256 { x, y } => {
            json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid, "x": text(x), "y": text(y) })
        }
        Numbers::Ed25519 { x } => json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": kid, "x": text(x) }),
    }
}

fn read(keys: &[Value]) -> Result<KeySet, BadKeySet> {
    KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes())
}

#[test]
fn a_published_set_verifies_what_its_issuer_signs() {
    let key = key();
    for alg in [Alg::Rs256, Alg::Es256, Alg::EdDsa] {
        let issuer = Issuer::new(alg, "one");
        for (name, value) in [("use", json!("sig")), ("key_ops", json!(["verify"])), ("x5t", json!("AAAA"))] {
            let set = read(&[with(published(&issuer), name, value)]).unwrap();
            let ring = issuer.ring(std::slice::from_ref(&key)).with_token_keys(set);
            assert!(ask(&issuer.token(&claims(&key)), &ring).is_ok());
        }
    }
}

#[test]
fn a_published_key_says_what_it_is_for_and_that_is_signatures() {
    let key = published(&Issuer::new(Alg::Es256, "one"));
    let one = || "one".to_owned();
    for (name, value, why) in [
        ("use", json!("enc"), BadKeySet::WrongUse(one())),
        ("use", json!("SIG"), BadKeySet::WrongUse(one())),
        ("use", json!(["sig"]), BadKeySet::WrongUse(one())),
        ("key_ops", json!(["sign"]), BadKeySet::WrongUse(one())),
        ("key_ops", json!([]), BadKeySet::WrongUse(one())),
        ("key_ops", json!("verify"), BadKeySet::WrongUse(one())),
        ("alg", json!(null), BadKeySet::WrongAlg(one())),
        ("alg", json!("ES384"), BadKeySet::WrongAlg(one())),
        ("alg", json!("RS256"), BadKeySet::WrongAlg(one())),
        ("alg", json!("HS256"), BadKeySet::WrongAlg(one())),
        ("alg", json!("none"), BadKeySet::WrongAlg(one())),
        ("crv", json!("P-384"), BadKeySet::Unusable(one())),
        ("crv", json!("Ed25519"), BadKeySet::Unusable(one())),
        ("kty", json!("oct"), BadKeySet::Unusable(one())),
        ("kty", json!(null), BadKeySet::Unusable(one())),
        ("x", json!("AAAA"), BadKeySet::Unusable(one())),
        ("x", json!(1), BadKeySet::Unusable(one())),
        ("d", json!("AAAA"), BadKeySet::Secret(one())),
        ("k", json!("AAAA"), BadKeySet::Secret(one())),
        ("kid", json!(null), BadKeySet::Kid),
        ("kid", json!(1), BadKeySet::Kid),
    ] {
        assert_eq!(read(&[with(key.clone(), name, value.clone())]).unwrap_err(), why, "{name}: {value}");
    }
    let shared = json!({ "kty": "oct", "alg": "HS256", "kid": "one", "k": "AAAA" });
    assert_eq!(read(&[shared]).unwrap_err(), BadKeySet::Secret(one()));
}

#[test]
fn what_is_no_set_of_keys_is_none() {
    for text in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[1]}", "{\"keys\":[],\"keys\":[]}"] {
        assert_eq!(KeySet::from_json(text.as_bytes()).unwrap_err(), BadKeySet::Unreadable, "{text}");
    }
    let long = json!({ "keys": Vec::<Map<String, Value>>::new(), "pad": "x".repeat(256 * 1024) }).to_string();
    assert_eq!(KeySet::from_json(long.as_bytes()).unwrap_err(), BadKeySet::Unreadable);
    let key = published(&Issuer::any()).to_string();
    let twice = format!("{{\"keys\":[{},\"kid\":\"two\"}}]}}", key.trim_end_matches('}'));
    assert_eq!(KeySet::from_json(twice.as_bytes()).unwrap_err(), BadKeySet::Unreadable);
}
