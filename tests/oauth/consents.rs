//! What users have let applications do: seen, taken back, and never taken for what somebody else may do.

use acceptance::{Request, World};
use serde_json::json;

use crate::client::{Client, NOVA, form, query, text};
use crate::list;
use crate::users::{AUTHORIZE, Browser, app, back, challenge, redeem, request};

const PAGE: &str = "/oauth/consents";

/// What an application is told that asks without showing anything.
#[track_caller]
fn silently(who: &Browser<'_>, client: &Client) -> String {
    let (challenge, silent) = (challenge(), [("prompt", "none")]);
    let asked = [&request(client, &challenge)[..], &silent].concat();
    let told = back(&who.see(&format!("{AUTHORIZE}?{}", query(&asked))).expect(303));
    if told["code"].is_string() { "code".to_owned() } else { text(&told, "error") }
}

#[track_caller]
fn let_in(world: &World, who: &mut Browser<'_>, client: &Client) -> String {
    let code = text(&back(&who.lets(&request(client, &challenge()))), "code");
    text(&redeem(world, client, &code).expect(200).json(), "access_token")
}

#[test]
fn what_was_allowed_is_seen_and_taken_back_by_its_user_and_nobody_else() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let (client, other) = (app(&world, "client_secret_basic"), app(&world, "none"));
    let (mut ann, mut bob) = (Browser::of(&world, "ann", &tenant), Browser::of(&world, "bob", &tenant));
    let away = world.ask(&Request::get(NOVA, PAGE)).expect(303);
    assert_eq!(away.says("location"), "/oauth/login?continue=%2Foauth%2Fconsents");
    let (token, kept) = (let_in(&world, &mut ann, &client), let_in(&world, &mut ann, &other));
    let of_bob = let_in(&world, &mut bob, &client);
    let page = ann.see(PAGE).expect(200);
    for id in [&client.id, &other.id] {
        assert!(page.text().contains(id.as_str()), "{page}");
    }
    assert!(!page.text().contains("<script") && page.text().contains("use compute"), "{page}");
    assert_eq!(page.says("cache-control"), "no-store");
    let take_back = form(NOVA, PAGE, &[("client", &client.id)]);
    // Not for the page of another site, and not by who is not signed in.
    let foreign = take_back.clone().header("Cookie", ann.cookie().expect("a session"));
    let _ = world.ask(&foreign.header("Sec-Fetch-Site", "cross-site")).expect(400);
    let _ = world.ask(&take_back.clone().header("Sec-Fetch-Site", "same-origin")).expect(303);
    assert_eq!((list(&world, &token).status, silently(&ann, &client)), (200, "code".to_owned()));
    let done = ann.send(take_back).expect(303);
    assert!(done.says("location").ends_with(PAGE), "{done}");
    assert_eq!((list(&world, &token).status, silently(&ann, &client)), (401, "consent_required".to_owned()));
    assert_eq!((list(&world, &kept).status, silently(&ann, &other)), (200, "code".to_owned()));
    assert_eq!((list(&world, &of_bob).status, silently(&bob, &client)), (200, "code".to_owned()));
    assert!(!ann.see(PAGE).expect(200).text().contains(&client.id));
    let entry = world.gateway.entries().of_kind(1, |it| it["action"] == "withdraw_consent").remove(0);
    assert_eq!((&entry["target"], &entry["outcome"]), (&json!(client.id), &json!("done")), "{entry:#}");
}

#[test]
fn an_operator_sees_and_takes_back_what_a_user_has_allowed_and_ending_tokens_takes_it_along() {
    let world = World::start();
    let (client, other) = (app(&world, "client_secret_basic"), app(&world, "client_secret_basic"));
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    let (one, two) = (let_in(&world, &mut ann, &client), let_in(&world, &mut ann, &other));
    let consents = |more: &[&str]| world.gateway.json(&[&["users", "consents", "ann@example.com"], more].concat());
    let listed = consents(&[]);
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(consents(&["--withdraw", &client.id])["withdrawn"], 1);
    world.gateway.catch_up();
    assert_eq!((list(&world, &one).status, list(&world, &two).status), (401, 200));
    assert_eq!((silently(&ann, &client), silently(&ann, &other)), ("consent_required".to_owned(), "code".to_owned()));
    let revoke = |words: &[&str]| {
        let told = world.gateway.command(&[&["tokens", "revoke"], words].concat());
        world.gateway.catch_up();
        told
    };
    assert_eq!(revoke(&["--client", &other.id]).code, 0);
    assert_eq!(silently(&ann, &other), "consent_required");
    let again = let_in(&world, &mut ann, &other);
    // By what they sign in by, as every other command has it.
    assert_eq!(revoke(&["--user", "ann@example.com"]).code, 0);
    assert_eq!((list(&world, &again).status, silently(&ann, &other)), (401, "login_required".to_owned()));
    assert_eq!(consents(&[]), json!([]));
    for words in [["--user", "ghost@example.com"], ["--user", "usr_0000000000000000"]] {
        assert_eq!(revoke(&words).code, 2);
    }
    let everything = json!(world.gateway.entries().whole()).to_string();
    assert!(
        !everything.contains("example.com\"") && !everything.contains("ghost"),
        "somebody's address is in an entry"
    );
}

#[test]
fn whoever_waits_on_the_machine_of_the_user_is_asked_about_each_time() {
    let world = World::start();
    let place = "http://127.0.0.1/cb";
    let words = |auth| {
        let grants = "authorization_code,refresh_token";
        ["--auth", auth, "--grants", grants, "--redirect-uri", place, "--scopes", "openid,profile,compute"]
    };
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    for (auth, asked_again) in [("none", true), ("client_secret_basic", false)] {
        let client = Client::make(&world, "novastraxis", &world.tenant("novastraxis"), &words(auth));
        let challenge = challenge();
        let mut asked: Vec<(&str, &str)> =
            request(&client, &challenge).into_iter().filter(|(name, _)| *name != "redirect_uri").collect();
        asked.push(("redirect_uri", "http://127.0.0.1:7001/cb"));
        let first = ann.lets(&asked);
        assert!(first.says("location").contains("code="), "{first}");
        let again = ann.see(&format!("{AUTHORIZE}?{}", query(&asked)));
        assert_eq!(again.status, if asked_again { 200 } else { 303 }, "{auth}: {again}");
        let silent =
            ann.see(&format!("{AUTHORIZE}?{}", query(&[&asked[..], &[("prompt", "none")]].concat()))).expect(303);
        assert_eq!(silent.says("location").contains("error=consent_required"), asked_again, "{auth}: {silent}");
    }
}

#[test]
fn who_signs_out_everywhere_is_signed_out_in_every_browser() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let client = app(&world, "client_secret_basic");
    let (mut here, mut bob) = (Browser::of(&world, "ann", &tenant), Browser::of(&world, "bob", &tenant));
    let mut there = here.elsewhere();
    let tokens = [&mut here, &mut there, &mut bob].map(|it| let_in(&world, it, &client));
    let page = here.see("/oauth/logout").expect(200);
    let html = page.text();
    let asked = html.split("name=\"asked\" value=\"").nth(1).and_then(|it| it.split('"').next()).expect("a question");
    let everywhere = form(NOVA, "/oauth/logout/confirm", &[("asked", asked), ("decision", "everywhere")]);
    let done = here.send(everywhere).expect(200);
    assert!(done.says("set-cookie").starts_with("__Host-portcullis=; Path=/; Max-Age=0"), "{done}");
    assert_eq!(tokens.map(|it| list(&world, &it).status), [401, 401, 200]);
    assert_eq!([&here, &there, &bob].map(|it| silently(it, &client)), ["login_required", "login_required", "code"]);
}

#[test]
fn a_page_of_another_site_answers_for_nobody_and_who_signs_in_anew_leaves_no_session_behind() {
    let world = World::start();
    let (client, challenge) = (app(&world, "none"), challenge());
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    let login = ann.see(&format!("{AUTHORIZE}?{}", query(&request(&client, &challenge)))).expect(303);
    let _ = ann.sign_in(&login);
    let before = ann.cookie().expect("a session").to_owned();
    let onward = ann.sign_in(&login);
    let seen = |cookie: &str| world.ask(&Request::get(NOVA, &onward).header("Cookie", cookie)).status;
    assert_eq!(seen(&before), 303, "to the login page");
    let page = ann.see(&onward).expect(200);
    let html = page.text();
    let asked = html.split("name=\"asked\" value=\"").nth(1).and_then(|it| it.split('"').next()).expect("a question");
    let allow = form(NOVA, "/oauth/consent", &[("asked", asked), ("decision", "allow")]);
    let allow = allow.header("Cookie", ann.cookie().expect("a session"));
    for (name, foreign) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let told = world.ask(&allow.clone().header(name, foreign)).expect(400);
        assert_eq!(told.header("location"), None, "{foreign}");
    }
    // Its own page answers all the same.
    assert!(back(&ann.answer(&page, "allow").expect(303))["code"].is_string());
}

#[test]
fn who_signs_in_anew_is_asked_anew_and_no_answer_from_before_brings_a_dead_code() {
    let world = World::start();
    let (client, challenge) = (app(&world, "none"), challenge());
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    let login = ann.see(&format!("{AUTHORIZE}?{}", query(&request(&client, &challenge)))).expect(303);
    let onward = ann.sign_in(&login);
    let before = ann.see(&onward).expect(200);
    // In another window of the same browser.
    let _ = ann.sign_in(&login);
    let told = ann.answer(&before, "allow").expect(400);
    assert_eq!(told.header("location"), None);
    assert!(told.text().contains("go back to the application"), "{told}");
    assert_eq!(silently(&ann, &client), "consent_required", "nothing was allowed by that");
    let code = text(&back(&ann.lets(&request(&client, &challenge))), "code");
    let _ = redeem(&world, &client, &code).expect(200);
}
