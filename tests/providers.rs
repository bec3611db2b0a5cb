//! Signing in at the provider of a tenant, which is the real one of others, and signing out again.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

#[path = "oauth/client.rs"]
#[expect(dead_code, reason = "what is shared with the tests of the issuer has more than is needed here")]
mod client;
#[path = "providers/elsewhere.rs"]
mod elsewhere;
#[path = "providers/leaving.rs"]
mod leaving;
#[path = "providers/moments.rs"]
mod moments;
#[path = "providers/visitor.rs"]
mod visitor;
#[path = "providers/vouching.rs"]
mod vouching;

use acceptance::{Answer, Request, World};
use serde_json::{Value, json};

use client::{Client, NOVA, claims, text};
use visitor::{Idp, SECRET, Visitor, app, parameter, redeem, refresh, with};

const LIST: &str = "/v2/compute/instances";

/// A world with a provider, a connection that makes users, and an application; of people it knows Ann.
struct Scene {
    world: World,
    idp: Idp,
    app: Client,
    tenant: String,
    connection: Value,
}

impl Scene {
    #[track_caller]
    fn new(more: &[&str]) -> Self {
        let world = World::start();
        let idp = Idp::start(&world);
        let tenant = world.tenant("novastraxis");
        let connection = idp.connect(&world, &tenant, more);
        let app = app(&world, &tenant);
        let ann = json!({ "name": "Ann", "email": "ann@example.com", "email_verified": true, "groups": ["ops"] });
        idp.told(&json!({ "people": { "ann": ann, "bob": { "groups": ["ops"] }, "eve": { "groups": [] } } }));
        Self { world, idp, app, tenant, connection }
    }

    fn visitor(&self) -> Visitor<'_> {
        Visitor::new(&self.world)
    }

    /// Why nobody was let in, as the entry has it.
    #[track_caller]
    fn why(&self, answer: &Answer) -> String {
        let entry = self.world.gateway.entries().of(answer.says("x-request-id"));
        assert_eq!(entry["decision"]["outcome"], "refuse", "{entry:#}");
        text(&entry["decision"], "detail")
    }

    fn list(&self, tokens: &Value) -> Answer {
        self.world.ask(&Request::get(NOVA, LIST).bearer(&text(tokens, "access_token")))
    }

    fn user(&self, id: &str) -> Value {
        self.world.gateway.json(&["users", "show", id])[0].clone()
    }
}

#[test]
fn a_user_of_the_provider_of_a_tenant_is_let_in_and_is_what_it_says_of_them_each_time() {
    let scene = Scene::new(&["--make-users"]);
    let mut ann = scene.visitor();
    let sent = ann.sets_out(&scene.app).expect(303);
    let place = sent.says("location").to_owned();
    assert!(place.starts_with(&format!("{}/auth?", scene.idp.issuer)), "{place}");
    assert!(sent.says("set-cookie").starts_with("__Host-portcullis-login="), "{sent}");
    for (name, value) in [("code_challenge_method", "S256"), ("response_type", "code"), ("client_id", "portcullis")] {
        assert_eq!(parameter(&place, name).as_deref(), Some(value));
    }
    let back = ann.signs_in_there(&scene.idp, &sent, "ann");
    let entered = ann.see(&back).expect(303);
    let tokens = ann.lets(&scene.app, entered.says("location"));
    let said = claims(&text(&tokens, "id_token"));
    let user = text(&said, "sub");
    assert!(user.starts_with("usr_") && said["auth_time"].is_i64(), "{said}");
    let _ = scene.list(&tokens).expect(200);
    let known = scene.user(&user);
    assert_eq!((&known["email"], &known["display"]), (&json!("ann@example.com"), &json!("Ann")), "{known}");
    assert_eq!(known["roles"], json!([format!("{}=member", scene.tenant)]));

    // The same account is the same user, and what they are follows what is said of them.
    scene.idp.told(&json!({ "people": { "ann": { "groups": [] } } }));
    ann.forgets();
    let refused = ann.signs_in(&scene.idp, &scene.app, "ann").expect(403);
    assert_eq!(scene.why(&refused), "outside_no_role");
    assert!(refused.text().contains("Acme Login knows you"), "{refused}");
    let denied = scene.visitor().signs_in(&scene.idp, &scene.app, "").expect(403);
    assert_eq!(scene.why(&denied), "outside_denied");
    assert!(!denied.text().contains("<b>no") && !denied.text().contains("access_denied"), "{denied}");

    // Whoever is led on by their address or by the connection need not choose.
    let chosen = scene.connection["id"].as_str().expect("an id");
    for more in [("login_hint", "zoe@example.com"), ("provider", chosen)] {
        let told = scene.visitor().chooses(&scene.app, &[more]).expect(303);
        assert!(told.says("location").starts_with("/oauth/login/outside?"), "{told}");
    }
    let _ = scene.visitor().chooses(&scene.app, &[("login_hint", "zoe@elsewhere.example")]).expect(200);

    let shown = scene.world.gateway.command(&["providers", "show", chosen]);
    let listed = scene.world.gateway.command(&["providers", "list", "--output", "json"]);
    let everything = json!(scene.world.gateway.entries().whole()).to_string() + &scene.world.gateway.process().log();
    let code = parameter(&back, "code").expect("a code");
    for secret in [SECRET, &code, &text(&tokens, "id_token")] {
        let told = [&shown.out, &shown.errors, &listed.out, &everything].iter().any(|it| it.contains(secret));
        assert!(!told, "a secret is told");
    }
    assert!(everything.contains("\"session.start\"") && everything.contains(chosen));
}

#[test]
fn what_a_provider_says_lets_somebody_in_only_where_all_of_it_holds() {
    let scene = Scene::new(&["--make-users"]);
    for (faults, why) in [
        (json!({ "claims": { "iss": "https://evil.example" } }), "token_wrong_issuer"),
        (json!({ "claims": { "aud": "other" } }), "token_wrong_audience"),
        (json!({ "claims": { "aud": ["portcullis", "other"] } }), "token_wrong_audience"),
        (json!({ "claims": { "nonce": "other" } }), "token_bad_claim"),
        (json!({ "claims": { "nonce": null } }), "token_bad_claim"),
        (json!({ "claims": { "at_hash": "other" } }), "token_bad_claim"),
        (json!({ "claims": { "exp": 1 } }), "token_expired"),
        (json!({ "claims": { "sub": "bob" } }), "userinfo_of_another"),
        (json!({ "foreign": true }), "token_bad_signature"),
        (json!({ "down": ["/token"] }), "outside_unreachable"),
        (json!({ "redirect": ["/token"] }), "outside_unreachable"),
    ] {
        scene.idp.told(&json!({ "faults": faults }));
        let answer = scene.visitor().signs_in(&scene.idp, &scene.app, "ann");
        assert_eq!(scene.why(&answer), why, "{faults}");
        assert_eq!(answer.status, if why == "outside_unreachable" { 503 } else { 403 }, "{faults}");
        assert!(!answer.headers.iter().any(|(_, it)| it.starts_with("__Host-portcullis=")), "{answer}");
    }
    scene.idp.told(&json!({ "faults": { "claims": { "amr": ["pwd", "otp", "mfa"], "acr": "2" } } }));
    let mut ann = scene.visitor();
    let entered = ann.signs_in(&scene.idp, &scene.app, "ann").expect(303);
    let tokens = ann.lets(&scene.app, entered.says("location"));
    assert_eq!(claims(&text(&tokens, "id_token"))["amr"], json!(["pwd", "otp", "mfa", "acr:2"]));
}

#[test]
fn an_answer_is_taken_from_the_browser_that_was_sent_for_this_errand_and_of_this_provider() {
    let scene = Scene::new(&["--make-users"]);
    let (mut ann, mut bob) = (scene.visitor(), scene.visitor());
    let away = |visitor: &mut Visitor<'_>, account: &str| {
        let sent = visitor.sets_out(&scene.app).expect(303);
        visitor.signs_in_there(&scene.idp, &sent, account)
    };
    // What somebody else has begun, who wants Bob to be signed in as them.
    let theirs = away(&mut ann, "ann");
    for it in [&theirs, &with(&theirs, "state", None), &with(&theirs, "state", Some("other"))] {
        let told = bob.see(it).expect(400);
        assert_eq!(scene.why(&told), "outside_not_begun");
    }
    assert_eq!(scene.why(&scene.visitor().see(&theirs).expect(400)), "outside_not_begun");
    let _ = ann.see(&theirs).expect(303);
    let again = ann.see(&theirs).expect(400);
    assert_eq!(scene.why(&again), "outside_not_begun", "it is taken once");
    // The code of one session in another: the verifier is not the one it was made with.
    ann.forgets();
    let (own, other) = (away(&mut bob, "bob"), away(&mut ann, "ann"));
    let code = parameter(&other, "code").expect("a code");
    let injected = bob.see(&with(&own, "code", Some(&code))).expect(403);
    assert_eq!(scene.why(&injected), "refused_there");
    // The answer of another provider, as it names itself or by where it is brought to.
    let own = away(&mut bob, "bob");
    let mixed = bob.see(&with(&own, "iss", Some("https://evil.example"))).expect(400);
    assert_eq!(scene.why(&mixed), "outside_mixed_up");
    let own = away(&mut bob, "bob");
    let nameless = bob.see(&with(&own, "iss", None)).expect(400);
    assert_eq!(scene.why(&nameless), "outside_mixed_up", "it says that it names itself");
    let second = scene.world.new_tenant("second");
    let words = ["--issuer", &scene.idp.issuer, "--client-id", "x", "--private", "--name", "Second"];
    let file = scene.world.folder().join("provider-secret");
    let file = ["--client-secret-file", file.to_str().expect("a name")];
    let create = [&["providers", "create", "--tenant", &second][..], &words, &file].concat();
    let second = text(&scene.world.gateway.json(&create), "id");
    let own = away(&mut bob, "bob");
    let elsewhere = own.replace(scene.connection["id"].as_str().expect("an id"), &second);
    let swapped = bob.see(&elsewhere).expect(400);
    assert_eq!(scene.why(&swapped), "outside_mixed_up");
    // Nor is anybody led to the provider of another tenant than that of the application.
    let onward = bob.see(&Visitor::asks(&scene.app, &[])).expect(303).says("location").to_owned();
    let onward = parameter(&onward, "continue").expect("a way on");
    for bad in [
        ("provider", second.as_str(), onward.as_str()),
        ("provider", "idp_none", &onward),
        ("provider", &second, "/v2/x"),
    ] {
        let asked = client::query(&[(bad.0, bad.1), ("continue", bad.2)]);
        let told = bob.see(&format!("/oauth/login/outside?{asked}")).expect(400);
        assert_eq!(scene.why(&told), "outside_no_connection");
    }
}

#[test]
fn an_address_makes_nobody_somebody_else_and_a_tenant_speaks_for_nobody_elsewhere() {
    let scene = Scene::new(&[]);
    let gateway = &scene.world.gateway;
    let role = format!("{}=member", scene.tenant);
    let local = gateway.json(&["users", "create", "--name", "ann@example.com", "--role", &role]);
    let local = text(&local, "id");
    // Ann's address, verified and all, is not Ann.
    let told = scene.visitor().signs_in(&scene.idp, &scene.app, "ann").expect(403);
    assert_eq!(scene.why(&told), "outside_unlinked");
    let id = text(&scene.connection, "id");
    assert_eq!(gateway.command(&["providers", "delete", &id]).code, 0);
    let made = scene.idp.connect(&scene.world, &scene.tenant, &["--make-users"]);
    let mut mallory = scene.visitor();
    let entered = mallory.signs_in(&scene.idp, &scene.app, "ann").expect(303);
    let tokens = mallory.lets(&scene.app, entered.says("location"));
    let other = text(&claims(&text(&tokens, "id_token")), "sub");
    assert_ne!(other, local);
    assert_eq!(scene.user(&other)["email"], Value::Null, "the address is another's");
    // Who is linked is who they are.
    let id = text(&made, "id");
    let link = ["providers", "link", &id, "--subject", "bob", "--user", &local];
    assert_eq!(gateway.command(&link).code, 0);
    let elsewhere = scene.world.new_tenant("elsewhere");
    let owner = ["users", "set-roles", &local, "--tenant", &elsewhere, "--roles", "owner"];
    assert_eq!(gateway.command(&owner).code, 0);
    let mut ann = scene.visitor();
    let entered = ann.signs_in(&scene.idp, &scene.app, "bob").expect(303);
    let tokens = ann.lets(&scene.app, entered.says("location"));
    assert_eq!(claims(&text(&tokens, "id_token"))["sub"], json!(local));
    // And no more than what the provider of that tenant can say: what they are elsewhere is not theirs by it.
    let theirs = app(&scene.world, &elsewhere);
    let page = ann.chooses(&theirs, &[]).expect(200).text();
    assert!(page.contains("Password") && !page.contains("Acme Login"), "{page}");
    // A connection that is suspended takes with it whatever it let in.
    let _ = scene.list(&tokens).expect(200);
    assert_eq!(gateway.command(&["providers", "suspend", &id]).code, 0);
    gateway.catch_up();
    let _ = scene.list(&tokens).expect(401);
    let page = ann.chooses(&scene.app, &[]).expect(200).text();
    assert!(!page.contains("Acme Login"), "{page}");
}

#[test]
fn while_a_provider_is_away_who_is_signed_in_stays_so_and_nobody_else_is_let_in() {
    let scene = Scene::new(&["--make-users"]);
    // Keys are asked for where they are, and nowhere that it leads to.
    scene.idp.told(&json!({ "faults": { "redirect": ["/jwks"] } }));
    let told = scene.visitor().signs_in(&scene.idp, &scene.app, "ann").expect(503);
    assert_eq!((scene.why(&told).as_str(), told.says("retry-after")), ("outside_unreachable", "30"));
    assert!(told.text().contains("Acme Login cannot be reached at the moment"), "{told}");
    assert!(scene.idp.asked("/jwks") > 0 && scene.idp.asked("/elsewhere/jwks") == 0);
    scene.idp.told(&json!({ "faults": {} }));
    // Another provider is asked for itself.
    let other = scene.world.new_tenant("other");
    let scene = Scene { connection: Value::Null, app: app(&scene.world, &other), tenant: other, ..scene };
    let fresh = Idp::start(&scene.world);
    let gone = scene.world.gateway.json(&["providers", "list"]);
    let gone = text(&gone[0], "id");
    assert_eq!(scene.world.gateway.command(&["providers", "delete", &gone]).code, 0);
    let made = fresh.connect(&scene.world, &scene.tenant, &["--make-users"]);
    fresh.told(&json!({ "people": { "ann": { "groups": ["ops"] } } }));
    let mut ann = scene.visitor();
    let entered = ann.signs_in(&fresh, &scene.app, "ann").expect(303);
    let tokens = ann.lets(&scene.app, entered.says("location"));
    // Known keys go on.
    fresh.told(&json!({ "faults": { "down": ["/jwks", "/.well-known/openid-configuration"] } }));
    let _ = scene.visitor().signs_in(&fresh, &scene.app, "ann").expect(303);
    fresh.told(&json!({ "faults": { "down": ["/jwks", "/.well-known/openid-configuration", "/token"] } }));
    let _ = scene.visitor().signs_in(&fresh, &scene.app, "ann").expect(503);
    let _ = scene.list(&tokens).expect(200);
    let _ = refresh(&scene.world, &scene.app, &text(&tokens, "refresh_token")).expect(200);
    assert_eq!(
        ann.see(&Visitor::asks(&scene.app, &[])).expect(303).says("location").split('?').next(),
        Some(visitor::BACK)
    );
    // A flood of made-up keys has it asked seldom, whoever makes them up.
    fresh.told(&json!({ "faults": {} }));
    let before = fresh.asked("/jwks");
    let path = format!("/oauth/providers/{}/logout", text(&made, "id"));
    for number in 0..15 {
        let head = json!({ "kid": format!("made-up-{number}") });
        let token = fresh.told(&json!({ "logout": { "iss": fresh.issuer, "sub": "ann" }, "head": head }));
        let told = scene.world.ask(&client::form(NOVA, &path, &[("logout_token", &text(&token, "token"))]));
        assert_eq!(told.expect(400).json()["error"], "invalid_request");
    }
    let after = fresh.asked("/jwks");
    assert!(after < before + 8, "{after} {before}");
    let _ = scene.list(&tokens).expect(200);
}

#[test]
fn a_provider_says_once_who_has_left_and_what_came_of_their_session_ends() {
    let scene = Scene::new(&["--make-users"]);
    let path = format!("/oauth/providers/{}/logout", text(&scene.connection, "id"));
    let mut ann = scene.visitor();
    let entered = ann.signs_in(&scene.idp, &scene.app, "ann").expect(303);
    let tokens = ann.lets(&scene.app, entered.says("location"));
    let mut bob = scene.visitor();
    let entered = bob.signs_in(&scene.idp, &scene.app, "bob").expect(303);
    let others = bob.lets(&scene.app, entered.says("location"));
    let pending = ann.code(&Visitor::asks(&scene.app, &[]));
    let now = client::now();
    let good = json!({ "iss": scene.idp.issuer, "aud": "portcullis", "sub": "ann", "jti": "1", "iat": now, "exp": now + 120,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
    let tell = |said: &Value, head: &Value| {
        let token = text(&scene.idp.told(&json!({ "logout": said, "head": head })), "token");
        scene.world.ask(&client::form(NOVA, &path, &[("logout_token", &token)]))
    };
    let but = |name: &str, value: Value| {
        let mut said = good.clone();
        said[name] = value;
        said
    };
    for (said, head) in [
        (but("iss", json!("https://evil.example")), json!({})),
        (but("aud", json!("other")), json!({})),
        (but("nonce", json!("n")), json!({})),
        (but("events", json!({})), json!({})),
        (but("iat", json!(now - 3600)), json!({})),
        (but("exp", json!(1)), json!({})),
        (but("sub", Value::Null), json!({})),
        (but("jti", Value::Null), json!({})),
        (good.clone(), json!({ "typ": "at+jwt" })),
        (good.clone(), json!({ "kid": "other" })),
    ] {
        let told = tell(&said, &head).expect(400);
        assert_eq!(
            (&told.json()["error"], told.says("cache-control")),
            (&json!("invalid_request"), "no-store"),
            "{said}"
        );
        let _ = scene.list(&tokens).expect(200);
    }
    let told = tell(&good, &json!({})).expect(200);
    assert_eq!(told.says("cache-control"), "no-store");
    let _ = scene.list(&tokens).expect(401);
    let ended = refresh(&scene.world, &scene.app, &text(&tokens, "refresh_token")).expect(400);
    assert_eq!(ended.json()["error"], "invalid_grant");
    let late = redeem(&scene.world, &scene.app, &pending).expect(400);
    assert_eq!(late.json()["error"], "invalid_grant", "a code that was on its way");
    assert!(ann.see(&Visitor::asks(&scene.app, &[])).expect(303).says("location").starts_with("/oauth/login"));
    let _ = scene.list(&others).expect(200);
    // Ann is back, and the token that was heard ends nothing any more.
    let entered = ann.signs_in(&scene.idp, &scene.app, "ann").expect(303);
    let tokens = ann.lets(&scene.app, entered.says("location"));
    let _ = tell(&good, &json!({})).expect(400);
    let _ = scene.list(&tokens).expect(200);
    let entries = json!(scene.world.gateway.entries().whole()).to_string();
    assert!(entries.contains("back_channel"), "what was heard is entered");
}
