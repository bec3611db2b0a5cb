//! The keys that sign tokens over a real database, and tokens as the gate of requests sees them.

use std::sync::Arc;
use std::time::Duration;

use authn::token::{KeySet, Numbers, PublicKey};
use authn::{AuthRules, Keyring, SystemRandom, TokenRules};
use domain::{DeedClass, KeyId, Standing, Timestamp, TokenKey, TokenKeyAlg, TokenKeyStage};
use identity::{Issuer, Jwk, JwkNumbers, NewToken, NoSigner, Settings, TOKEN_LIFETIME};

use crate::desk::{DAY, Desk, NOW, desk, desk_with, new, secrets, showing};

const ISSUER: &str = "https://api.novastraxis.com";
const MINUTE: Duration = Duration::from_mins(1);

impl Desk {
    async fn tend(&self) -> Vec<TokenKey> {
        use domain::Clock as _;
        self.identity.tend_token_keys(self.clock.now().wall).await.unwrap();
        self.identity.token_keys().await.unwrap()
    }

    async fn issuer(&self) -> Issuer {
        let issuer = self.identity.issuer();
        issuer.take_in(&self.identity.token_keys().await.unwrap()).unwrap();
        issuer
    }

    async fn standing(&self, id: &KeyId) -> Arc<Standing> {
        Arc::clone(self.ring().await.by_id(id).unwrap().standing())
    }
}

fn stages(keys: &[TokenKey]) -> Vec<&'static str> {
    keys.iter().map(|it| it.stage.told().0).collect()
}

#[tokio::test]
async fn keys_are_published_used_and_retired_each_with_its_deed() {
    let desk = desk_with(Settings { token_key_period: 2 * DAY, ..Settings::default() }).await;
    assert_eq!(stages(&desk.tend().await), ["in_use"]);
    desk.clock.advance(DAY);
    assert_eq!(stages(&desk.tend().await), ["in_use", "published"]);
    desk.clock.advance(DAY);
    assert_eq!(stages(&desk.tend().await), ["superseded", "in_use"]);
    desk.clock.advance(TOKEN_LIFETIME + MINUTE);
    let keys = desk.tend().await;
    assert_eq!(stages(&keys), ["retired", "in_use"]);
    assert_eq!((keys[0].sealed.is_some(), keys[1].sealed.is_some()), (false, true), "what signs no more is destroyed");
    assert_eq!(desk.tend().await, keys, "what is done is done once");
    let deeds = desk.identity.registry().deeds().await.unwrap();
    let told = deeds.iter().map(|it| &it.1).filter(|it| it.facts.get("kind").is_some_and(|it| it == "token_signing"));
    let told: Vec<_> = told.map(|it| (it.action.as_str(), it.target.as_deref().unwrap())).collect();
    let (first, second) = (keys[0].kid.as_str(), keys[1].kid.as_str());
    let expected = [
        ("publish", first),
        ("use", first),
        ("publish", second),
        ("supersede", first),
        ("use", second),
        ("retire", first),
    ];
    assert_eq!(told, expected);
    assert!(deeds.iter().all(|(_, it)| it.class != DeedClass::Key || it.refused.is_none()));
}

#[tokio::test]
async fn an_emergency_ends_every_token_and_a_rotation_ends_none() {
    let desk = desk().await;
    desk.tend().await;
    let next = desk.identity.rotate_token_key(None).await.unwrap();
    assert_eq!(next.stage, TokenKeyStage::Published { due: NOW + DAY });
    assert_eq!(desk.identity.rotate_token_key(None).await.unwrap(), next, "one waits already");
    let now = desk.identity.replace_token_key(None).await.unwrap();
    let keys = desk.tend().await;
    assert_eq!(stages(&keys), ["withdrawn", "withdrawn", "in_use"]);
    assert_eq!(keys[2].kid, now.kid);
    let known: Vec<String> = desk.issuer().await.jwks().iter().map(|it| it.kid().to_owned()).collect();
    assert_eq!(known, [now.kid]);
}

#[tokio::test]
async fn a_token_says_whose_it_is_and_no_more_than_its_key_may() {
    let desk = desk().await;
    desk.tend().await;
    let mut asked = new("ci");
    asked.scopes = ["network", "compute"].map(|it| it.parse().unwrap()).into();
    asked.expires = Some(NOW + 10 * MINUTE);
    let key = desk.identity.create_key(&asked, &desk.terms).await.unwrap().record;
    let (issuer, standing) = (desk.issuer().await, desk.standing(&key.id).await);
    let wanted = ["data", "network"].map(|it| it.parse().unwrap());
    let asked = NewToken { issuer: ISSUER, standing: &standing, scopes: &wanted, bound: None };
    let token = issuer.mint(asked, NOW, &SystemRandom).unwrap();
    assert_eq!(token.expires_in, 600, "no longer than its key");
    let parts: Vec<&str> = token.text.reveal().split('.').collect();
    let head: serde_json::Value = read(parts[0]);
    assert_eq!(head, serde_json::json!({ "alg": "RS256", "kid": issuer.jwks()[0].kid(), "typ": "at+jwt" }));
    let claims: serde_json::Value = read(parts[1]);
    let expected = serde_json::json!({
        "iss": ISSUER, "aud": ISSUER, "sub": key.id, "client_id": key.id, "tenant": "acme", "scope": "network",
        "jti": claims["jti"], "iat": NOW.seconds(), "exp": NOW.seconds() + 600,
    });
    assert_eq!(claims, expected);
    assert_eq!(claims["jti"].as_str().map(str::len), Some(22));
    let ended = issuer.mint(asked, NOW + 10 * MINUTE, &SystemRandom);
    assert_eq!(ended.map(drop), Err(NoSigner::Ended));
    assert_eq!(desk.identity.issuer().mint(asked, NOW, &SystemRandom).map(drop), Err(NoSigner::None));
    assert!(!format!("{token:?}").contains(parts[2]), "a token is not shown");
}

#[tokio::test]
async fn a_key_that_is_not_the_one_it_is_called_by_signs_nothing() {
    let desk = desk().await;
    let keys = desk.tend().await;
    desk.identity.rotate_token_key(None).await.unwrap();
    let both = desk.identity.token_keys().await.unwrap();
    let swapped = TokenKey { sealed: both[1].sealed.clone(), ..keys[0].clone() };
    let issuer = desk.identity.issuer();
    assert!(issuer.take_in(&[swapped]).is_err(), "what is sealed for one opens for no other");
    assert_eq!(issuer.jwks().len(), 1, "what it signed is good all the same");
    let renamed = TokenKey { kid: both[1].kid.clone(), ..keys[0].clone() };
    assert!(issuer.take_in(&[renamed]).is_err());
    assert_eq!(issuer.jwks(), []);
}

/// The set as requests see it.
fn set(issuer: &Issuer) -> KeySet {
    let numbers = |it: &JwkNumbers| match it {
        JwkNumbers::Rsa { n, e } => Numbers::Rsa { n: n.clone(), e: e.clone() },
        JwkNumbers::P256 { x, y, .. } => Numbers::P256 { x: *x, y: *y },
        JwkNumbers::Ed25519 { x, .. } => Numbers::Ed25519 { x: *x },
    };
    let public = |it: &Jwk| PublicKey { kid: it.kid().to_owned(), numbers: numbers(it.numbers()) };
    KeySet::of(issuer.jwks().iter().map(public)).unwrap()
}

/// Who is recognised by this token.
fn recognised(token: &str, ring: &Keyring, at: Timestamp) -> Option<Arc<Standing>> {
    let api = "novastraxis".parse().unwrap();
    let rules = AuthRules {
        api: &api,
        keys: None,
        signatures: None,
        tokens: Some(TokenRules { issuer: ISSUER }),
        tenant_header: None,
        sessions: None,
        anonymous: false,
    };
    authn::authenticate(&rules, &showing(token, at), None, ring, &secrets())
        .ok()
        .flatten()
        .map(|(caller, _)| caller.standing)
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_taken_whole_and_with_nothing_of_it_changed() {
    let desk = desk_with(Settings { token_key_alg: TokenKeyAlg::EdDsa, ..Settings::default() }).await;
    let first = desk.tend().await;
    assert_eq!(first[0].alg, TokenKeyAlg::EdDsa, "as the settings say");
    let mut asked = new("ci");
    asked.scopes = vec!["compute".parse().unwrap()];
    let key = desk.identity.create_key(&asked, &desk.terms).await.unwrap().record;
    let standing = desk.standing(&key.id).await;
    let mut tokens = Vec::new();
    for alg in [TokenKeyAlg::EdDsa, TokenKeyAlg::Es256, TokenKeyAlg::Rs256] {
        if !tokens.is_empty() {
            let next = desk.identity.rotate_token_key(Some(alg)).await.unwrap();
            assert_eq!((next.alg, next.stage.told().0), (alg, "published"));
            desk.clock.advance(DAY);
            desk.tend().await;
        }
        let issuer = desk.issuer().await;
        let new = NewToken { issuer: ISSUER, standing: &standing, scopes: &standing.scopes, bound: None };
        let token = issuer.mint(new, NOW, &SystemRandom).unwrap().text.reveal().to_owned();
        let head: serde_json::Value = read(token.split('.').next().unwrap());
        assert_eq!(head["alg"], alg.as_str());
        let ring = desk.ring().await.with_token_keys(set(&issuer));
        assert!(recognised(&token, &ring, NOW + MINUTE).is_some(), "{alg:?}");
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
            let mut changed = token.clone();
            changed.replace_range(at..=at, other);
            assert!(recognised(&changed, &ring, NOW + MINUTE).is_none(), "{alg:?} with another character at {at}");
        }
        let (content, signature) = token.rsplit_once('.').unwrap();
        let cut = signature.strip_suffix(|_: char| true).unwrap();
        for other in [format!("{content}.{cut}"), format!("{content}."), content.to_owned(), format!("{token}A")] {
            assert!(recognised(&other, &ring, NOW + MINUTE).is_none(), "{alg:?}");
        }
        tokens.push(token);
    }
    // What one has signed is good in no other's name.
    let ring = desk.ring().await.with_token_keys(set(&desk.issuer().await));
    for one in &tokens {
        for other in tokens.iter().filter(|it| *it != one) {
            let (head, rest) = (other.split_once('.').unwrap().0, one.split_once('.').unwrap().1);
            assert!(recognised(&format!("{head}.{rest}"), &ring, NOW + MINUTE).is_none());
        }
    }
    let kept = desk.identity.token_keys().await.unwrap();
    let mistaken = TokenKey { alg: TokenKeyAlg::Es256, ..kept.last().unwrap().clone() };
    assert!(desk.identity.issuer().take_in(&[mistaken]).is_err(), "a key is of its own kind");
}

#[tokio::test]
async fn the_gate_of_requests_takes_what_is_minted_for_its_own_tenant_until_the_key_or_the_signer_ends() {
    let desk = desk().await;
    desk.tend().await;
    desk.tenant("globex").await;
    let mut asked = new("ci");
    asked.scopes = vec!["compute".parse().unwrap()];
    let own = desk.identity.create_key(&asked, &desk.terms).await.unwrap().record;
    asked.tenant = "globex".parse().unwrap();
    let other = desk.identity.create_key(&asked, &desk.terms).await.unwrap().record;
    let issuer = desk.issuer().await;
    let ring = desk.ring().await.with_token_keys(set(&issuer));
    let mint = |standing: &Standing| {
        let new = NewToken { issuer: ISSUER, standing, scopes: &standing.scopes, bound: None };
        issuer.mint(new, NOW, &SystemRandom).unwrap()
    };
    let token = mint(&*desk.standing(&own.id).await);
    let foreign = mint(&*desk.standing(&other.id).await);
    for (token, tenant, key) in [(&token, "acme", &own.id), (&foreign, "globex", &other.id)] {
        let standing = recognised(token.text.reveal(), &ring, NOW + MINUTE).unwrap();
        assert_eq!((standing.tenant.as_str(), &standing.key), (tenant, key));
    }
    let text = token.text.reveal();
    assert!(recognised(text, &ring, NOW + 16 * MINUTE).is_none(), "its time is over");
    // A rotation ends no token, revoking the key does, and so does withdrawing what signed it.
    desk.identity.rotate_token_key(None).await.unwrap();
    desk.clock.advance(DAY);
    assert_eq!(stages(&desk.tend().await), ["superseded", "in_use"]);
    let rotated = ring.with_token_keys(set(&desk.issuer().await));
    assert!(recognised(text, &rotated, NOW + MINUTE).is_some());
    desk.identity.revoke_key(&own.id).await.unwrap();
    let revoked = desk.ring().await.with_token_keys(set(&desk.issuer().await));
    assert!(recognised(text, &revoked, NOW + MINUTE).is_none());
    assert!(recognised(foreign.text.reveal(), &revoked, NOW + MINUTE).is_some());
    desk.identity.replace_token_key(None).await.unwrap();
    let replaced = desk.ring().await.with_token_keys(set(&desk.issuer().await));
    assert!(recognised(foreign.text.reveal(), &replaced, NOW + MINUTE).is_none());
}

fn read(part: &str) -> serde_json::Value {
    use base64::Engine as _;
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
