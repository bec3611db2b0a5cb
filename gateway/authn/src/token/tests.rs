use domain::{ApiName, AuthMethod, Caller, Change, KeyRecord, Overlap, Vault};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{ISSUER, Issuer, claims, with};
use super::*;
use crate::testing::{NOW, arrival, kept, minted_key, record, secrets, showing, tenant};
use crate::{AuthRules, Kind, authenticate, is_quickly_judged};

mod gate;
mod session;
mod sets;
mod wycheproof;

const SECOND: Duration = Duration::from_secs(1);

fn key() -> KeyRecord {
    KeyRecord {
        scopes: ["compute", "data", "network"].map(|it| it.parse().unwrap()).into(),
        owner: Some("svc_ci".to_owned()),
        ..kept(&minted_key("nsx_live_", 1))
    }
}

fn ask_at(token: &str, ring: &Keyring, now: Timestamp) -> Result<Caller, Unauthenticated> {
    let api: ApiName = "novastraxis".parse().unwrap();
    let mut arrival = showing(token);
    arrival.at.wall = now;
    let rules = rules(&api, ISSUER);
    authenticate(&rules, &arrival, None, ring, &secrets()).map(|it| it.unwrap().0)
}

fn rules<'a>(api: &'a ApiName, issuer: &'a str) -> AuthRules<'a> {
    AuthRules {
        api,
        keys: None,
        signatures: None,
        tokens: Some(TokenRules { issuer }),
        tenant_header: None,
        sessions: None,
        anonymous: true,
    }
}

fn ask(token: &str, ring: &Keyring) -> Result<Caller, Unauthenticated> {
    ask_at(token, ring, NOW)
}

#[track_caller]
fn refuses(token: &str, ring: &Keyring, why: BadToken) -> Unauthenticated {
    let refused = ask(token, ring).unwrap_err();
    assert_eq!(refused.cause, Cause::BadToken(why));
    assert_eq!(refused.method, Some(AuthMethod::AccessToken));
    refused
}

fn revised(ring: &Keyring, key: &KeyRecord, change: impl FnOnce(&mut KeyRecord)) -> Keyring {
    let mut key = key.clone();
    change(&mut key);
    ring.apply([Change::Key(Box::new(key))])
}

#[test]
fn a_token_passes_a_spent_budget_once_it_was_verified_and_where_it_is_taken() {
    let (key, issuer) = (key(), Issuer::any());
    let (ring, token) = (issuer.ring(std::slice::from_ref(&key)), issuer.token(&claims(&key)));
    let api: ApiName = "novastraxis".parse().unwrap();
    let quick = |rules: &AuthRules<'_>, token: &str, now: Timestamp| {
        let mut arrival = showing(token);
        arrival.at.wall = now;
        is_quickly_judged(rules, &arrival, &ring)
    };
    assert!(!quick(&rules(&api, ISSUER), &token, NOW), "nobody has verified it");
    ask(&token, &ring).unwrap();
    assert!(quick(&rules(&api, ISSUER), &token, NOW));
    assert!(!quick(&rules(&api, ISSUER), &token, NOW + SECOND * 60), "that was a while ago");
    assert!(!quick(&rules(&api, ISSUER), &token.replace('.', "A."), NOW));
    assert!(!quick(&rules(&api, "https://cloudnx.in"), &token, NOW));
    assert!(!quick(&AuthRules { tokens: None, ..rules(&api, ISSUER) }, &token, NOW));
}

#[test]
fn a_good_token_has_the_standing_of_its_key_whatever_it_was_signed_with() {
    let key = key();
    for alg in [Alg::Rs256, Alg::Es256, Alg::EdDsa] {
        let issuer = Issuer::new(alg, "one");
        let ring = issuer.ring(std::slice::from_ref(&key));
        let caller = ask(&issuer.token(&claims(&key)), &ring).unwrap();
        assert_eq!(caller.method, AuthMethod::AccessToken);
        assert_eq!(caller.standing, *ring.by_id(&key.id).unwrap().standing());
        assert_eq!(ring.used_since(NOW), [(key.id.clone(), NOW)]);
    }
}

#[test]
fn a_token_may_be_made_for_an_access_key() {
    let key = record(secrets().keep_access_key("AKIDAAAAAAAAAAAAAAAA", "the secret").unwrap());
    let issuer = Issuer::any();
    let caller = ask(&issuer.token(&claims(&key)), &issuer.ring(std::slice::from_ref(&key))).unwrap();
    assert_eq!(caller.standing.key, key.id);
}

#[test]
fn a_token_is_good_while_its_key_is_and_no_moment_longer() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let token = issuer.token(&claims(&key));
    assert!(ask(&token, &ring).is_ok());
    for (ring, cause) in [
        (revised(&ring, &key, |it| it.revoked = Some(NOW)), Cause::Revoked),
        (revised(&ring, &key, |it| it.expires = Some(NOW)), Cause::Expired),
        (revised(&ring, &key, |it| it.overlap = Some(Overlap { since: NOW, until: NOW })), Cause::Replaced),
        (revised(&ring, &key, |it| it.api = "cloudnexus".parse().unwrap()), Cause::WrongApi),
    ] {
        let refused = ask(&token, &ring).unwrap_err();
        assert_eq!(refused.cause, cause);
        assert_eq!(refused.standing.unwrap().key, key.id);
        assert_eq!(ring.token_keys().known().len(), 1, "the token is still known, and that does not help it");
    }
    let mut suspended = tenant("acme");
    suspended.suspended = Some(NOW);
    assert!(ask(&token, &ring.apply([Change::Tenant(suspended)])).unwrap().standing.suspended);
}

#[test]
fn a_key_gives_a_token_its_tier_its_lineage_its_addresses_and_its_end() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let token = issuer.token(&with(claims(&key), "scope", json!("data")));
    assert!(ask(&token, &ring).unwrap().in_allowlist);
    let overlap = Overlap { since: NOW, until: NOW + SECOND };
    let later = revised(&ring, &key, |it| {
        it.ip_allow = vec!["203.0.113.0/24".parse().unwrap()];
        it.overlap = Some(overlap);
        it.tier = "enterprise".parse().unwrap();
    });
    let caller = ask(&token, &later).unwrap();
    assert!(!caller.in_allowlist);
    assert_eq!((caller.retires, caller.standing.tier.as_str()), (Some(overlap), "enterprise"));
    assert_eq!(caller.standing.lineage, key.lineage);
}

#[test]
fn the_scopes_of_a_token_are_those_that_its_key_still_has() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let scopes = |scope: &str, ring: &Keyring| {
        let token = issuer.token(&with(claims(&key), "scope", json!(scope)));
        let caller = ask(&token, ring).unwrap();
        assert_eq!(ask(&token, ring).unwrap().standing, caller.standing, "known tokens are cut alike");
        caller.standing.scopes.iter().map(|it| it.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(scopes("network compute data", &ring), "compute data network");
    assert_eq!(scopes("data", &ring), "data");
    assert_eq!(scopes("data iam data", &ring), "data", "nothing that the key does not have");
    assert_eq!(scopes("iam", &ring), "");
    assert_eq!(scopes("", &ring), "");
    let fewer = revised(&ring, &key, |it| it.scopes = vec!["compute".parse().unwrap()]);
    assert_eq!(scopes("data", &fewer), "", "the key has lost it since");
    assert_eq!(scopes("compute data", &fewer), "compute");
    assert_eq!(scopes("compute data", &ring), "compute data", "who pinned the old ring keeps it");
}

#[test]
fn a_token_for_a_key_or_a_tenant_that_is_not_so_opens_nothing() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let other = with(claims(&key), "client_id", json!("key_unheard_of"));
    refuses(&issuer.token(&other), &ring, BadToken::UnknownKey);
    let refused = refuses(&issuer.token(&with(claims(&key), "tenant", json!("globex"))), &ring, BadToken::WrongTenant);
    assert_eq!(refused.standing.unwrap().key, key.id);
}

#[test]
fn a_token_of_another_issuer_or_for_another_api_is_refused_though_it_is_known() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let token = issuer.token(&claims(&key));
    assert!(ask(&token, &ring).is_ok());
    let api: ApiName = "cloudnexus-servers".parse().unwrap();
    let elsewhere = rules(&api, "https://api.cloudnexus.io");
    let refused = authenticate(&elsewhere, &showing(&token), None, &ring, &secrets()).unwrap_err();
    assert_eq!(refused.cause, Cause::BadToken(BadToken::WrongIssuer));
}

#[test]
fn an_issuer_that_has_no_keys_or_others_now_vouches_for_no_token_of_before() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let token = issuer.token(&claims(&key));
    assert!(ask(&token, &ring).is_ok());
    refuses(&token, &ring.with_token_keys(KeySet::default()), BadToken::UnknownKid);
    let other = Issuer::any();
    refuses(&token, &ring.with_token_keys(other.keys()), BadToken::BadSignature);
    let renamed = PublicKey { kid: "two".to_owned(), ..issuer.public() };
    refuses(&token, &ring.with_token_keys(KeySet::of([renamed]).unwrap()), BadToken::UnknownKid);
    assert!(ask(&token, &ring).is_ok(), "who pinned the old ring keeps it");
}

#[test]
fn a_known_token_is_verified_anew_after_a_minute_at_its_end_and_when_the_clock_goes_back() {
    let (key, issuer) = (key(), Issuer::any());
    let mark = known::Mark([7; 16]);
    let known = |exp: i64| {
        let claims = Claims::parse(with(claims(&key), "exp", json!(exp)).to_string().as_bytes()).unwrap();
        let set = issuer.keys();
        set.known().keep(mark, Arc::new(Known::new(claims, "first".to_owned(), NOW)), NOW);
        move |now| set.known().find(&mark, ISSUER, now).is_some()
    };
    let long = known(NOW.seconds() + 900);
    assert!(long(NOW) && long(NOW + SECOND * 59));
    assert!(!long(NOW + SECOND * 60) && !long(NOW - SECOND));
    let short = known(NOW.seconds() + 10);
    assert!(short(NOW + SECOND * 9) && !short(NOW + SECOND * 10));
}

#[test]
fn however_many_tokens_are_shown_no_more_are_known_than_there_is_room_for() {
    let (key, set) = (key(), KeySet::default());
    let claims = || Claims::parse(claims(&key).to_string().as_bytes()).unwrap();
    let token = Arc::new(Known::new(claims(), "first".to_owned(), NOW));
    for number in 0..u32::try_from(known::MOST * 2).unwrap() {
        let mark = set.known().mark(&number.to_string()).unwrap();
        assert!(set.known().find(&mark, ISSUER, NOW).is_none(), "no two have the same mark");
        set.known().keep(mark, Arc::clone(&token), NOW);
        assert!(set.known().find(&mark, ISSUER, NOW).is_some(), "the newest is always kept");
    }
    assert!((known::MOST / 8..=known::MOST).contains(&set.known().len()), "{}", set.known().len());
}

#[test]
fn everything_that_is_wrong_with_a_token_is_told_alike() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let api: ApiName = "novastraxis".parse().unwrap();
    let rules = AuthRules { anonymous: false, ..rules(&api, ISSUER) };
    let answer = |shown: &domain::Arrival, ring: &Keyring| {
        let refused = authenticate(&rules, shown, None, ring, &secrets()).unwrap_err();
        (refused.kind(), refused.told(&rules), refused.challenge(&rules).unwrap().to_str().unwrap().to_owned())
    };
    let none = answer(&arrival("/", &[]), &ring);
    assert_eq!((none.0, none.2.as_str()), (Kind::Unproven, "Bearer realm=\"novastraxis\""));
    let first = answer(&showing("a.b.c"), &ring);
    assert_eq!((&first.0, &first.1), (&none.0, &none.1));
    assert_eq!(first.2, "Bearer realm=\"novastraxis\", error=\"invalid_token\"");
    let claims = claims(&key);
    for (name, value) in [
        ("iss", json!("https://elsewhere")),
        ("aud", json!("https://elsewhere")),
        ("exp", json!(NOW.seconds() - 6)),
        ("iat", json!(NOW.seconds() + 6)),
        ("client_id", json!("key_unheard_of")),
        ("tenant", json!("globex")),
        ("jti", json!(null)),
    ] {
        assert_eq!(answer(&showing(&issuer.token(&with(claims.clone(), name, value))), &ring), first, "{name}");
    }
    let revoked = revised(&ring, &key, |it| it.revoked = Some(NOW));
    assert_eq!(answer(&showing(&issuer.token(&claims)), &revoked), first);
    let signatures = crate::SignatureRules {
        region: "in-mum",
        service: "cloudnx",
        paths: domain::PathMode::Api,
        skew: crate::sigv4::SKEW,
    };
    let either = AuthRules { signatures: Some(signatures), ..rules };
    let refused = authenticate(&either, &showing("a.b.c"), None, &ring, &secrets()).unwrap_err();
    let both = "AWS4-HMAC-SHA256 realm=\"novastraxis\", Bearer realm=\"novastraxis\", error=\"invalid_token\"";
    assert_eq!(refused.challenge(&either).unwrap(), both);
}

#[test]
fn what_was_made_up_counts_as_a_guess_and_what_our_issuer_signed_does_not() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let forged = Issuer::any().token(&claims(&key));
    assert!(refuses(&forged, &ring, BadToken::BadSignature).guessed());
    let expired = issuer.token(&testing::claims_at(&key, NOW - SECOND * 2000));
    let refused = refuses(&expired, &ring, BadToken::Expired);
    assert!(!refused.guessed());
    assert_eq!(refused.standing.unwrap().key, key.id, "it is known whose it was");
}

#[test]
fn nothing_that_is_said_of_a_token_repeats_it() {
    let (key, issuer) = (key(), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&key));
    let canary = with(claims(&key), "sub", json!("canary"));
    let good = issuer.token(&canary);
    let header = json!({ "alg": "canary", "kid": "canary", "typ": "canary" }).to_string();
    let bad = [
        issuer.token(&with(canary.clone(), "iss", json!("canary"))),
        issuer.token(&with(canary, "jti", json!("canary"))),
        issuer.sign(&header, "canary"),
        issuer.sign("canary", "canary"),
        "canary.canary.canary".to_owned(),
    ];
    let mut said = vec![format!("{:?}", ask(&good, &ring)), format!("{ring:?} {:?}", ring.token_keys())];
    for token in &bad {
        let refused = ask(token, &ring).unwrap_err();
        said.push(format!("{refused} {refused:?} {}", refused.reason()));
    }
    let parts = good.split('.').chain(["canary"]).collect::<Vec<_>>();
    assert!(said.iter().all(|it| parts.iter().all(|part| !it.contains(part))), "{said:#?}");
}

proptest! {
    #[test]
    fn a_token_with_any_byte_changed_is_refused_though_the_good_one_is_known(
        alg in prop_oneof![4 => Just(Alg::EdDsa), 1 => Just(Alg::Es256)],
        at: prop::sample::Index,
        to: u8,
    ) {
        let (key, issuer) = (key(), Issuer::new(alg, "one"));
        let ring = issuer.ring(std::slice::from_ref(&key));
        let token = issuer.token(&claims(&key));
        prop_assert!(ask(&token, &ring).is_ok());
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = to;
        if let Ok(changed) = String::from_utf8(changed) && changed != token {
            let shown = prove(&changed, TokenRules { issuer: ISSUER }, NOW, &ring);
            prop_assert!(shown.is_err(), "{changed}");
        }
    }

    #[test]
    fn no_text_whatever_makes_it_panic_or_opens_anything(text in "(\\PC{0,40}|[A-Za-z0-9_-]{0,20}|\\.|eyJhbGciOiJFZERTQSJ9|e30){0,8}") {
        let (key, issuer) = (key(), Issuer::any());
        let ring = issuer.ring(&[key]);
        let opens = |text: &str| prove(text, TokenRules { issuer: ISSUER }, NOW, &ring).is_ok();
        prop_assert!(!opens(&text));
        prop_assert!(KeySet::from_json(text.as_bytes()).is_err());
        for payload in [text.as_str(), &json!({ "iss": text, "scope": text, "exp": text }).to_string()] {
            let signed = issuer.sign(&issuer.header().to_string(), payload);
            prop_assert!(!opens(&signed));
        }
    }
}
