//! Tokens in the cookies of a browser.

use domain::{Grant, GrantKind, KeySecret};
use http::Method;

use super::*;
use crate::{SessionRole, SessionRules};

/// The grant of somebody who has logged in, or of another kind.
fn grant(kind: GrantKind) -> KeyRecord {
    let grant = Grant { kind, client: None, authenticated: Some(NOW), methods: vec!["pwd".to_owned()] };
    KeyRecord { owner: Some("usr_ann".to_owned()), ..record(KeySecret::Granted(grant)) }
}

fn rules_of<'a>(api: &'a ApiName, origins: &'a [String], role: SessionRole) -> AuthRules<'a> {
    let sessions = SessionRules { access: "sid", refresh: "rid", origins, issuer: ISSUER, role };
    AuthRules { tokens: None, sessions: Some(sessions), anonymous: role == SessionRole::Passed, ..rules(api, ISSUER) }
}

/// Shows a cookie, with these headers besides.
fn shown(
    ring: &Keyring,
    role: SessionRole,
    method: Method,
    lines: &[(&str, &str)],
) -> Result<Option<Caller>, Unauthenticated> {
    let (api, origins) = ("novastraxis".parse().unwrap(), ["https://own.example".to_owned()]);
    let arrival = domain::Arrival { method, ..arrival("/v2/compute/instances", lines) };
    let known = authenticate(&rules_of(&api, &origins, role), &arrival, None, ring, &secrets());
    known.map(|it| it.map(|(caller, _)| caller))
}

#[test]
fn a_session_is_its_user_until_its_grant_ends() {
    let (grant, issuer) = (grant(GrantKind::Session), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&grant));
    let cookie = format!("sid={}; rid=anything", issuer.token(&claims(&grant)));
    let ask = |ring: &Keyring| shown(ring, SessionRole::Credential, Method::GET, &[("cookie", &cookie)]);
    let caller = ask(&ring).unwrap().unwrap();
    assert_eq!((caller.method, caller.standing.owner.as_deref()), (AuthMethod::Session, Some("usr_ann")));
    let ended = revised(&ring, &grant, |it| it.revoked = Some(NOW));
    assert_eq!(ask(&ended).unwrap_err().cause, Cause::Revoked);
    let not_taken = shown(&ring, SessionRole::NotTaken, Method::GET, &[("cookie", &cookie)]).unwrap_err();
    assert_eq!(not_taken.cause, Cause::KindNotTaken);
    let passed = shown(&ended, SessionRole::Passed, Method::POST, &[("cookie", &cookie)]);
    assert!(passed.unwrap().is_none(), "where anybody may ask, what a browser sends unasked is nothing");
}

#[test]
fn what_a_client_or_a_key_was_given_is_no_session() {
    let issuer = Issuer::any();
    for record in [grant(GrantKind::Consent), grant(GrantKind::Client), key()] {
        let ring = issuer.ring(std::slice::from_ref(&record));
        let cookie = format!("sid={}", issuer.token(&claims(&record)));
        let refused = shown(&ring, SessionRole::Credential, Method::GET, &[("cookie", &cookie)]).unwrap_err();
        assert_eq!(refused.cause, Cause::KindNotTaken);
    }
    let ring = issuer.ring(&[]);
    for value in ["", "x", "a.b.c"] {
        let cookie = format!("sid={value}");
        let refused = shown(&ring, SessionRole::Credential, Method::GET, &[("cookie", &cookie)]).unwrap_err();
        assert_eq!(refused.kind(), Kind::Unproven, "{value:?}");
    }
}

#[test]
fn a_change_by_a_session_comes_from_the_apis_own_pages() {
    let (grant, issuer) = (grant(GrantKind::Session), Issuer::any());
    let ring = issuer.ring(std::slice::from_ref(&grant));
    let cookie = format!("sid={}", issuer.token(&claims(&grant)));
    let ask = |method: Method, more: &[(&str, &str)]| {
        let lines = [&[("cookie", cookie.as_str())], more].concat();
        shown(&ring, SessionRole::Credential, method, &lines)
    };
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        assert!(ask(method, &[("sec-fetch-site", "cross-site")]).is_ok());
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        assert!(ask(method.clone(), &[("sec-fetch-site", "same-origin")]).is_ok());
        assert!(ask(method.clone(), &[("origin", "https://own.example")]).is_ok());
        for foreign in [&[][..], &[("sec-fetch-site", "same-site")], &[("origin", "https://evil.example")]] {
            let refused = ask(method.clone(), foreign).unwrap_err();
            assert_eq!((&refused.cause, refused.kind()), (&Cause::CrossSite, Kind::CrossSite));
            assert_eq!((refused.reason(), refused.guessed()), ("cross_site", false));
            assert_eq!(refused.standing.unwrap().owner.as_deref(), Some("usr_ann"), "its entry says whose browser");
        }
    }
}
