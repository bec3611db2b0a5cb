//! What users change of their own account, and when they have to show anew who they are.

use domain::{Grant, GrantKind, KeyRecord, KeySecret, Tenant};

use super::*;

/// The session of a user who signed in at this moment.
fn session(authenticated: Timestamp) -> KeyRecord {
    let grant = Grant {
        kind: GrantKind::Session,
        client: None,
        authenticated: Some(authenticated),
        methods: vec!["pwd".to_owned()],
    };
    KeyRecord {
        id: "grt_0000000000000001".parse().unwrap(),
        lineage: "grt_0000000000000001".parse().unwrap(),
        api: "library".parse().unwrap(),
        tenant: "acme".parse().unwrap(),
        name: "session".to_owned(),
        owner: Some("usr_0000000000000001".to_owned()),
        secret: KeySecret::Granted(grant),
        scopes: vec!["account:write".parse().unwrap()],
        tier: "standard".parse().unwrap(),
        ip_allow: Vec::new(),
        bound: None,
        created: authenticated,
        expires: None,
        rotated_from: None,
        overlap: None,
        revoked: None,
        suspended: None,
        last_used: None,
    }
}

#[tokio::test]
async fn who_signed_in_ten_minutes_ago_and_shows_no_password_sets_up_no_second_factor() {
    let room = Room::open();
    let acme = Tenant {
        id: "acme".parse().unwrap(),
        name: "acme".to_owned(),
        tiers: [].into(),
        created: THEN,
        suspended: None,
    };
    let then = Timestamp::from_seconds(THEN.seconds() - 600);
    *room.kept.keyring.lock().unwrap() = Arc::new(Keyring::build([acme], [session(then)]));
    for (verb, target, body) in [
        (NativeVerb::EnrolFactor, "/auth/mfa", ""),
        (NativeVerb::EnrolFactor, "/auth/mfa", "{}"),
        (NativeVerb::ConfirmFactor, "/auth/mfa/confirm", "{\"code\":\"000000\"}"),
    ] {
        let caller = Introduced { tenant: "acme".to_owned(), key: session(then).id.to_string(), scopes: Vec::new() };
        let introduction = Introduction { verb, caller: Some(caller), ..introduction("acme") };
        let text = room.key.introduce(&introduction, "POST", target, room.kept.clock.tick()).unwrap();
        let request = Request::post(target).header(INTRODUCTION, text).body(Body::from(body)).unwrap();
        let response = room.operations().router().oneshot(request).await.unwrap();
        let declined = response.headers().get(DECLINED).and_then(|it| Declined::heard(it.to_str().unwrap()));
        assert_eq!(declined, Some(Declined::Stale), "{target} {body}");
    }
}
