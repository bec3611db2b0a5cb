//! Tokens for access keys, and what everybody may know of who makes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{KeyRecord, KeySecret, Tenant, TokenKey, TokenKeyStage, Vault as _};

use super::*;

const ACME: (&str, &str) = ("AKIDACMEACMEACMEACME", "acmeSecretacmeSecretacmeSecretacmeSecret");
const GLOBEX: (&str, &str) = ("AKIDGLOBEXGLOBEXGLOB", "globexSecretglobexSecretglobexSecretglob");
const PATH: &str = "/auth/exchange";

/// What came back of one exchange.
struct Told {
    status: StatusCode,
    declined: Option<Declined>,
    about: Option<String>,
    body: Value,
}

fn record(tenant: &str, (id, secret): (&str, &str), secrets: &Secrets) -> KeyRecord {
    KeyRecord {
        id: format!("key_{tenant}").parse().unwrap(),
        lineage: format!("key_{tenant}").parse().unwrap(),
        api: "library".parse().unwrap(),
        tenant: tenant.parse().unwrap(),
        name: "ci".to_owned(),
        owner: None,
        secret: secrets.keep_access_key(id, secret).unwrap(),
        scopes: vec!["read".parse().unwrap()],
        tier: "standard".parse().unwrap(),
        ip_allow: Vec::new(),
        bound: None,
        created: THEN,
        expires: None,
        rotated_from: None,
        overlap: None,
        revoked: None,
        suspended: None,
        last_used: None,
    }
}

impl Room {
    /// With an access key of each of two tenants, and a key to sign with.
    async fn issuing() -> Self {
        let room = Self::open();
        let secrets = &room.kept.secrets;
        room.put(vec![record("acme", ACME, secrets), record("globex", GLOBEX, secrets)]);
        let vault = Arc::clone(secrets);
        let draw = move || {
            identity::draw_token_key(&*vault, domain::TokenKeyAlg::Rs256, THEN, TokenKeyStage::InUse { since: THEN })
                .unwrap()
        };
        let key: TokenKey = tokio::task::spawn_blocking(draw).await.unwrap();
        room.kept.issuer.take_in(&[key]).unwrap();
        room
    }

    fn put(&self, keys: Vec<KeyRecord>) {
        let tenant = |id: &str| Tenant {
            id: id.parse().unwrap(),
            name: id.to_owned(),
            tiers: [].into(),
            created: THEN,
            suspended: None,
        };
        *self.kept.keyring.lock().unwrap() = Arc::new(Keyring::build(["acme", "globex"].map(tenant), keys));
    }

    async fn exchange_as(&self, introduction: &Introduction, body: impl Into<Body>) -> Told {
        let text = self.key.introduce(introduction, "POST", PATH, self.kept.clock.tick()).unwrap();
        let request = Request::post(PATH).header(INTRODUCTION, text).body(body.into()).unwrap();
        let response = self.operations().router().oneshot(request).await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let (status, about) = (response.status(), header(ABOUT));
        let declined = header(DECLINED).and_then(|it| Declined::heard(&it));
        assert!(status != StatusCode::OK || header("cache-control").as_deref() == Some("no-store"));
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Told { status, declined, about, body: serde_json::from_slice(&body).unwrap_or_default() }
    }

    async fn exchange(&self, id: &str, secret: &str) -> Told {
        let body = json!({ "access_key_id": id, "secret_access_key": secret }).to_string();
        self.exchange_as(&anybody(), body).await
    }
}

fn anybody() -> Introduction {
    Introduction { verb: NativeVerb::ExchangeKey, caller: None, ..introduction("acme") }
}

fn claims(token: &Value) -> Value {
    let parts: Vec<&str> = token.as_str().unwrap().split('.').collect();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap()
}

#[tokio::test]
async fn an_access_key_is_exchanged_for_a_token_of_its_own_tenant_and_of_no_other() {
    let room = Room::issuing().await;
    for (tenant, (id, secret)) in [("acme", ACME), ("globex", GLOBEX)] {
        let told = room.exchange(id, secret).await;
        assert_eq!(told.status, StatusCode::OK);
        assert_eq!((&told.body["token_type"], &told.body["expires_in"]), (&json!("Bearer"), &json!(900)));
        assert_eq!(told.body.as_object().unwrap().len(), 3, "{}", told.body);
        let claims = claims(&told.body["access_token"]);
        assert_eq!((&claims["tenant"], &claims["client_id"]), (&json!(tenant), &json!(format!("key_{tenant}"))));
        assert_eq!((&claims["iss"], &claims["scope"]), (&json!("https://books.example.org"), &json!("read")));
        assert_eq!(told.about, Some(format!("key_{tenant}")), "the entry speaks of it");
    }
    // The id of one with the secret of the other is neither's.
    assert_eq!(room.exchange(ACME.0, GLOBEX.1).await.declined, Some(Declined::Unproven));
}

#[tokio::test]
async fn whatever_is_wrong_with_an_access_key_the_answer_is_the_same() {
    let room = Room::issuing().await;
    let secrets = &room.kept.secrets;
    let good = record("acme", ACME, secrets);
    let past = domain::Overlap { since: THEN, until: THEN };
    let wrong = KeySecret::AccessKey { access_key_id: ACME.0.to_owned(), sealed: vec![0; 68] };
    for (record, id, secret) in [
        (good.clone(), "AKIDNOBODYNOBODYNOBO", ACME.1),
        (good.clone(), ACME.0, "another secret"),
        (KeyRecord { revoked: Some(THEN), ..good.clone() }, ACME.0, ACME.1),
        (KeyRecord { expires: Some(THEN), ..good.clone() }, ACME.0, ACME.1),
        (KeyRecord { overlap: Some(past), ..good.clone() }, ACME.0, ACME.1),
        (KeyRecord { suspended: Some(THEN), ..good.clone() }, ACME.0, ACME.1),
        (KeyRecord { tenant: "gone".parse().unwrap(), ..good.clone() }, ACME.0, ACME.1),
        (KeyRecord { api: "other".parse().unwrap(), ..good.clone() }, ACME.0, ACME.1),
        (KeyRecord { secret: wrong, ..good.clone() }, ACME.0, ACME.1),
    ] {
        let about = (id == ACME.0).then(|| record.id.to_string());
        room.put(vec![record]);
        let told = room.exchange(id, secret).await;
        assert_eq!((told.status, told.declined), (StatusCode::BAD_REQUEST, Some(Declined::Unproven)));
        assert_eq!((told.body, told.about), (Value::Null, about));
    }
}

#[tokio::test]
async fn wrong_secrets_are_counted_against_their_address_and_shut_nobody_else_out() {
    let room = Room::issuing().await;
    let from = |address: u8| Introduction { source: [192, 0, 2, address].into(), ..anybody() };
    let body = |id: &str, secret: &str| json!({ "access_key_id": id, "secret_access_key": secret }).to_string();
    // From more addresses than there are tries: the id is no secret, and whoever has the key goes on.
    for address in 0..60 {
        let told = room.exchange_as(&from(address), body(ACME.0, "wrong")).await;
        assert_eq!(told.declined, Some(Declined::Unproven));
    }
    let told = room.exchange_as(&from(99), body(ACME.0, ACME.1)).await;
    assert_eq!(told.status, StatusCode::OK, "{:?}", told.declined);
    let (source, tick) = ([203, 0, 113, 9].into(), room.kept.clock.tick());
    for number in 0..20 {
        assert!(room.kept.limiter.failures_refusal(source, tick).is_none());
        let _ = room.exchange(&format!("AKID{number}"), "wrong").await;
    }
    assert!(room.kept.limiter.failures_refusal(source, tick).is_some());
}

#[tokio::test]
async fn a_secret_that_others_could_read_and_what_is_no_request_are_declined() {
    let room = Room::issuing().await;
    let plain = Introduction { tls: false, ..anybody() };
    let good = json!({ "access_key_id": ACME.0, "secret_access_key": ACME.1 }).to_string();
    assert_eq!(room.exchange_as(&plain, good.clone()).await.declined, Some(Declined::PlainHttp));
    let body = Some(Declined::Parameter("body".to_owned()));
    for bad in
        [String::new(), "{}".to_owned(), json!({ "access_key_id": ACME.0 }).to_string(), " ".repeat(BODY) + &good]
    {
        assert_eq!(room.exchange_as(&anybody(), bad).await.declined, body);
    }
    room.kept.issuer.take_in(&[]).unwrap();
    assert_eq!(room.exchange(ACME.0, ACME.1).await.declined, Some(Declined::Busy), "nobody signs");
}

#[tokio::test]
async fn everybody_may_know_the_keys_and_what_is_offered_and_keep_it_for_minutes() {
    let room = Room::issuing().await;
    let ask = async |verb| {
        let introduction = Introduction { verb, ..anybody() };
        let text = room.key.introduce(&introduction, "GET", "/keys", room.kept.clock.tick()).unwrap();
        let request = Request::get("/keys").header(INTRODUCTION, text).body(Body::empty()).unwrap();
        let response = room.operations().router().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["cache-control"], "public, max-age=300");
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let keys = ask(NativeVerb::IssuerKeys).await;
    let [key] = keys["keys"].as_array().unwrap().as_slice() else { panic!("{keys}") };
    let mut names: Vec<&String> = key.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"], "public members and no other");
    let offered = ask(NativeVerb::IssuerMetadata).await;
    let expected = json!({
        "issuer": "https://books.example.org", "jwks_uri": "https://books.example.org/oauth/jwks",
        "scopes_supported": ["audit:read", "read"], "response_types_supported": [], "grant_types_supported": [],
    });
    assert_eq!(offered, expected);
}
