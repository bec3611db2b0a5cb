//! Signing out at the issuer itself, as clients and browsers see it.

use acceptance::{Answer, Request, World, node};
use serde_json::{Value, json};

use crate::client::{Client, NOVA, form, query, text};
use crate::visitor::{BYE, Idp, Visitor, app, parameter, redeem, refresh};

const LOGOUT: &str = "/oauth/logout";

/// A user with a password, at a browser, and what the application was given.
#[track_caller]
fn signed_in<'a>(world: &'a World, app: &Client, name: &str) -> (Visitor<'a>, Value) {
    let user = world.user(name, &world.tenant("novastraxis"), "member");
    let mut visitor = Visitor::new(world);
    let login = visitor.see(&Visitor::asks(app, &[])).expect(303);
    let onward = parameter(login.says("location"), "continue").expect("a way on");
    let fields = [("continue", onward.as_str()), ("user", &user.name), ("password", &user.password)];
    let told = visitor.send(form(NOVA, "/oauth/login", &fields)).expect(303);
    let tokens = visitor.lets(app, told.says("location"));
    (visitor, tokens)
}

#[track_caller]
fn asked(page: &Answer) -> String {
    let html = page.text();
    html.split("name=\"asked\" value=\"").nth(1).and_then(|it| it.split('"').next()).expect("a question").to_owned()
}

#[test]
fn a_client_signs_its_user_out_by_their_id_token_and_whoever_shows_none_has_them_asked() {
    let world = World::start();
    let app = app(&world, &world.tenant("novastraxis"));
    let (mut ann, tokens) = signed_in(&world, &app, "ann");
    let (mut bob, others) = signed_in(&world, &app, "bob");
    let list = |tokens: &Value| {
        world.ask(&Request::get(NOVA, "/v2/compute/instances").bearer(&text(tokens, "access_token"))).status
    };
    let (hint, foreign) = (text(&tokens, "id_token"), text(&others, "id_token"));
    // Nobody is sent to a place that the client has not named, to the letter.
    for bad in [
        vec![("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://app.example/bye/")],
        vec![("client_id", &app.id), ("post_logout_redirect_uri", "https://evil.example/bye")],
        vec![("client_id", "cli_none"), ("post_logout_redirect_uri", BYE)],
        vec![("client_id", "cli_none"), ("id_token_hint", &hint)],
    ] {
        let told = ann.see(&format!("{LOGOUT}?{}", query(&bad))).expect(400);
        assert!(told.header("location").is_none() && told.text().contains("This cannot go on"), "{told}");
    }
    // Where nobody says for whom, they are asked, and sent nowhere.
    let page = ann.see(&format!("{LOGOUT}?{}", query(&[("post_logout_redirect_uri", BYE)]))).expect(200);
    assert!(page.text().contains("Sign out?") && !page.text().contains(BYE), "{page}");
    // Who shows no token, one that is none, or that of somebody else, has them asked.
    let leave = [("client_id", app.id.as_str()), ("post_logout_redirect_uri", BYE), ("state", "s&x")];
    for hint in ["nothing", "a.b.c", &foreign] {
        let page =
            ann.see(&format!("{LOGOUT}?{}", query(&[&leave[..], &[("id_token_hint", hint)]].concat()))).expect(200);
        assert!(page.text().contains("asks to sign you out") && page.header("set-cookie").is_none(), "{page}");
    }
    // Another site's page neither signs anybody out nor answers for them.
    let posted =
        Visitor::new(&world).send(form(NOVA, LOGOUT, &leave).header("Sec-Fetch-Site", "cross-site")).expect(303);
    let page = ann.see(posted.says("location")).expect(200);
    let answer =
        |decision: &str| form(NOVA, "/oauth/logout/confirm", &[("asked", &asked(&page)), ("decision", decision)]);
    let _ = ann.send(answer("leave").header("Sec-Fetch-Site", "cross-site")).expect(400);
    let _ = bob.send(answer("leave")).expect(400);
    let stays = ann.send(answer("stay")).expect(200);
    assert!(stays.text().contains("still signed in") && list(&tokens) == 200);
    let _ = ann.send(answer("leave")).expect(400);
    let page = ann.see(&format!("{LOGOUT}?{}", query(&leave))).expect(200);
    let fields = [("asked", asked(&page)), ("decision", "leave".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let left = ann.send(form(NOVA, "/oauth/logout/confirm", &fields)).expect(303);
    assert_eq!(left.says("location"), format!("{BYE}?state=s%26x"));
    assert!(left.says("set-cookie").starts_with("__Host-portcullis=; Path=/; Max-Age=0"), "{left}");
    assert_eq!((list(&tokens), list(&others)), (401, 200));
    // Whoever sits there is known by their token, expired or not, and is signed out at once.
    let pending = bob.code(&Visitor::asks(&app, &[]));
    let wanted = [("id_token_hint", foreign.as_str()), ("post_logout_redirect_uri", BYE)];
    let left = bob.see(&format!("{LOGOUT}?{}", query(&wanted))).expect(303);
    assert_eq!((left.says("location"), list(&others)), (BYE, 401));
    assert_eq!(refresh(&world, &app, &text(&others, "refresh_token")).expect(400).json()["error"], "invalid_grant");
    assert_eq!(redeem(&world, &app, &pending).expect(400).json()["error"], "invalid_grant");
    // Who is signed out already is told so, and led on.
    let _ = bob.see(&format!("{LOGOUT}?{}", query(&wanted))).expect(303);
    assert!(bob.see(LOGOUT).expect(200).text().contains("You are signed out"));
    for host in [NOVA, "api.cloudnexus.io"] {
        let told = world.ask(&Request::get(host, "/.well-known/openid-configuration")).expect(200).json();
        assert_eq!(told["end_session_endpoint"], format!("https://{host}{LOGOUT}"));
    }
}

#[test]
fn in_a_browser_a_user_signs_in_at_the_provider_of_their_tenant_and_out_of_both() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let idp = Idp::start(&world);
    let made = idp.connect(&world, &tenant, &["--make-users"]);
    idp.told(&json!({ "people": { "ann": { "name": "Ann", "groups": ["ops"] } } }));
    let words = [
        "clients",
        "create",
        "--api",
        "novastraxis",
        "--tenant",
        &tenant,
        "--name",
        "Dashboard",
        "--auth",
        "none",
        "--grants",
        "authorization_code,refresh_token",
        "--redirect-uri",
        "http://127.0.0.1/callback",
        "--post-logout-uri",
        "https://app.example/bye",
        "--scopes",
        "openid,profile,compute",
    ];
    let client = text(&world.gateway.json(&words), "id");
    let issuer = format!("https://{NOVA}");
    let seen = node(&world, "outside.mjs", &[("ISSUER", &issuer), ("CLIENT_ID", &client), ("PROVIDER", &idp.issuer)]);
    let seen: Value = serde_json::from_str(&seen.out).expect("what was seen");
    assert_eq!(seen["provider_page"], "Who are you?", "{seen:#}");
    assert!(text(&seen, "consent").contains("Dashboard"), "{seen:#}");
    assert!(text(&seen["claims"], "sub").starts_with("usr_"), "{seen:#}");
    assert_eq!((&seen["name"], &seen["listed"]), (&json!("Ann"), &json!(200)), "{seen:#}");
    assert_eq!((&seen["bye"], &seen["after"]), (&json!("https://app.example/bye?state=bye"), &json!(401)), "{seen:#}");
    assert_eq!(seen["asked_again"], "Sign in", "{seen:#}");
    assert_eq!(seen["asked_there"], "Who are you?", "they have left there too: {seen:#}");
    // Signed out at the provider, which says so here by itself.
    assert_eq!((&seen["before_leaving"], &seen["after_leaving"]), (&json!(200), &json!(401)), "{seen:#}");
    assert!(!text(&made, "id").is_empty());
}
