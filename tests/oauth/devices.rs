//! Devices without a browser, let in by users who sit at one.

use acceptance::{Answer, Request, World};
use serde_json::{Value, json};

use crate::client::{Client, NOVA, claims, form, text};
use crate::list;
use crate::users::Browser;

const DEVICE: &str = "/oauth/device";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn command_line(world: &World) -> Client {
    let more = ["--device", "--scopes", "openid,compute,threats"];
    Client::make(world, "novastraxis", &world.tenant("novastraxis"), &more)
}

fn begin(world: &World, client: &Client) -> Answer {
    let fields = [("client_id", client.id.as_str()), ("scope", "openid compute")];
    world.ask(&form(NOVA, "/oauth/device_authorization", &fields))
}

fn poll(world: &World, client: &Client, begun: &Value) -> Answer {
    let code = text(begun, "device_code");
    let fields = [("grant_type", GRANT), ("client_id", client.id.as_str()), ("device_code", &code)];
    world.ask(&form(NOVA, "/oauth/token", &fields))
}

#[track_caller]
fn refused(answer: &Answer, error: &str) {
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!(error)), "{answer}");
}

/// What the page wants to see again.
#[track_caller]
fn asked(page: &Answer) -> String {
    let html = page.text();
    let asked = html.split("name=\"asked\" value=\"").nth(1).and_then(|it| it.split('"').next());
    asked.expect("a question").to_owned()
}

fn signed_in<'a>(world: &'a World, name: &str, tenant: &str) -> Browser<'a> {
    let mut browser = Browser::of(world, name, tenant);
    let login = browser.see(DEVICE).expect(303);
    assert_eq!(browser.sign_in(&login), DEVICE);
    browser
}

#[test]
fn a_device_is_let_in_by_its_user_who_is_shown_where_it_asked_from() {
    let world = World::start();
    let client = command_line(&world);
    let told = begin(&world, &client).expect(200);
    assert_eq!(told.says("cache-control"), "no-store");
    let begun = told.json();
    assert_eq!((&begun["expires_in"], &begun["interval"]), (&json!(600), &json!(5)), "{begun}");
    assert_eq!(begun["verification_uri"], format!("https://{NOVA}{DEVICE}"));
    let code = text(&begun, "user_code");
    let complete = text(&begun, "verification_uri_complete");
    assert_eq!(complete, format!("https://{NOVA}{DEVICE}?user_code={code}"));
    refused(&poll(&world, &client, &begun), "authorization_pending");
    refused(&poll(&world, &client, &begun), "slow_down");

    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    let path = complete.trim_start_matches("https://").trim_start_matches(NOVA);
    let login = ann.see(path).expect(303);
    let onward = ann.sign_in(&login);
    assert_eq!(onward, path, "and is led back to where she was");
    let page = ann.see(&onward).expect(200);
    assert!(page.text().contains(&format!("value=\"{code}\"")), "{page}");
    let policy = page.says("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!page.text().contains("<script") && page.says("cache-control") == "no-store", "{page}");
    refused(&poll(&world, &client, &begun), "slow_down");

    let question = ann.send(form(NOVA, DEVICE, &[("user_code", &code.to_lowercase().replace('-', " "))])).expect(200);
    let shown = question.text();
    for it in ["reports", "127.0.0.1", "less than a minute ago", "use compute", "know which user you are", "Ann &lt;"] {
        assert!(shown.contains(it), "{it}: {shown}");
    }
    assert!(!shown.contains("threats"), "no more than was asked for: {shown}");
    let handle = asked(&question);
    let allowed = ann.send(form(NOVA, DEVICE, &[("asked", &handle), ("decision", "allow")])).expect(200);
    assert!(allowed.text().contains("The device is let in"), "{allowed}");
    let made = poll(&world, &client, &begun).expect(200);
    let tokens = made.json();
    assert_eq!((&tokens["token_type"], &tokens["scope"]), (&json!("Bearer"), &json!("compute openid")), "{tokens}");
    let access = text(&tokens, "access_token");
    let said = claims(&access);
    assert_eq!((&said["sub"], &said["client_id"]), (&json!(ann.user), &json!(client.id)), "{said}");
    assert_eq!(claims(&text(&tokens, "id_token"))["sub"], json!(ann.user));
    let _ = list(&world, &access).expect(200);
    let entry = world.gateway.entries().of(made.says("x-request-id"));
    assert_eq!(entry["auth"]["key"], said["grant"], "{entry:#}");
    refused(&poll(&world, &client, &begun), "invalid_grant");
    let refresh = text(&tokens, "refresh_token");
    let fields = [("grant_type", "refresh_token"), ("client_id", &client.id), ("refresh_token", &refresh)];
    let next = world.ask(&form(NOVA, "/oauth/token", &fields)).expect(200).json();
    assert_ne!(next["refresh_token"], tokens["refresh_token"]);
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    for secret in [&access, &refresh, &text(&begun, "device_code"), &code] {
        assert!(!everything.contains(secret.as_str()), "a secret is in an entry");
    }
}

#[test]
fn nobody_is_let_in_by_another_site_another_user_or_without_being_asked() {
    let world = World::start();
    let (client, other) = (command_line(&world), command_line(&world));
    let begun = begin(&world, &client).expect(200).json();
    let code = text(&begun, "user_code");
    let ann = signed_in(&world, "ann", &world.tenant("novastraxis"));
    let bob = signed_in(&world, "bob", &world.tenant("novastraxis"));
    let stranger = signed_in(&world, "eve", &world.new_tenant("other"));
    let typed = form(NOVA, DEVICE, &[("user_code", &code)]);
    let cookie = ann.cookie().expect("a session");
    for site in ["cross-site", "same-site"] {
        let elsewhere = typed.clone().header("Cookie", cookie).header("Sec-Fetch-Site", site);
        assert!(world.ask(&elsewhere).expect(400).text().contains("begin anew"), "{site}");
    }
    let unsigned = world.ask(&typed.clone().header("Sec-Fetch-Site", "same-origin")).expect(303);
    assert!(unsigned.says("location").starts_with("/oauth/login"));
    assert!(stranger.send(typed.clone()).expect(400).text().contains("you do not belong to the tenant"));
    let handle = asked(&ann.send(typed.clone()).expect(200));
    let decide = |decision: &str| form(NOVA, DEVICE, &[("asked", &handle), ("decision", decision)]);
    let cross = decide("allow").header("Cookie", cookie).header("Sec-Fetch-Site", "cross-site");
    let _ = world.ask(&cross).expect(400);
    let _ = bob.send(decide("allow")).expect(400);
    refused(&poll(&world, &client, &begun), "authorization_pending");
    refused(&poll(&world, &other, &begun), "invalid_grant");
    assert!(ann.send(decide("deny")).expect(200).text().contains("not let in"));
    let _ = ann.send(decide("allow")).expect(400);
    refused(&poll(&world, &client, &begun), "access_denied");
    assert!(ann.send(typed).expect(400).text().contains("No device waits with that code"));

    let service = Client::make(&world, "novastraxis", &client.tenant, &["--scopes", "compute"]);
    let not_for_it = service.basic(&form(NOVA, "/oauth/device_authorization", &[("scope", "compute")]));
    refused(&world.ask(&not_for_it), "unauthorized_client");
    let beyond = [("client_id", client.id.as_str()), ("scope", "network")];
    refused(&world.ask(&form(NOVA, "/oauth/device_authorization", &beyond)), "invalid_scope");
    let late = begin(&world, &client).expect(200).json();
    assert_eq!(world.gateway.command(&["clients", "suspend", &client.id]).code, 0);
    world.gateway.catch_up();
    let _ = poll(&world, &client, &late).expect(401);
    let page = ann.send(form(NOVA, DEVICE, &[("user_code", &text(&late, "user_code"))]));
    assert!(page.expect(400).text().contains("not known here"));
    assert_eq!(world.gateway.command(&["clients", "resume", &client.id]).code, 0);
    world.gateway.catch_up();
    refused(&poll(&world, &client, &late), "authorization_pending");
}

#[test]
fn codes_of_users_are_not_guessed_and_no_address_makes_them_common() {
    let world = World::start();
    let client = command_line(&world);
    let ann = signed_in(&world, "ann", &world.tenant("novastraxis"));
    let code = text(&begin(&world, &client).expect(200).json(), "user_code");
    for _ in 0..20 {
        let wrong = ann.send(form(NOVA, DEVICE, &[("user_code", "BBBB-BBBB")])).expect(400);
        assert!(wrong.text().contains("No device waits with that code"), "{wrong}");
    }
    let waits = ann.send(form(NOVA, DEVICE, &[("user_code", &code)])).expect(429);
    assert!(waits.text().contains("Too many codes were wrong") && waits.header("retry-after").is_some(), "{waits}");
    for _ in 1..20 {
        let _ = begin(&world, &client).expect(200);
    }
    let _ = begin(&world, &client).expect(429);
    let _ = world.ask(&Request::get(NOVA, DEVICE)).expect(303);
}
