//! Users who let clients act for them, as browsers and clients see it.

use acceptance::{Answer, Request, World, node};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::client::{Client, NOVA, claims, decoded, form, query, text};
use crate::list;

const BACK: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const AUTHORIZE: &str = "/oauth/authorize";

pub(crate) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

pub(crate) fn app(world: &World, auth: &str) -> Client {
    let more = [
        "--auth",
        auth,
        "--grants",
        "authorization_code,refresh_token",
        "--redirect-uri",
        BACK,
        "--scopes",
        "openid,profile,email,compute,threats",
    ];
    Client::make(world, "novastraxis", &world.tenant("novastraxis"), &more)
}

/// Somebody at a browser.
pub(crate) struct Browser<'a> {
    world: &'a World,
    cookie: Option<String>,
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) user: String,
}

impl<'a> Browser<'a> {
    /// A user of this tenant, not signed in yet.
    pub(crate) fn of(world: &'a World, name: &str, tenant: &str) -> Self {
        let (role, email) = (format!("{tenant}=member"), format!("{name}@example.com"));
        let words =
            ["users", "create", "--name", name, "--display", "Ann <Example>", "--email", &email, "--role", &role];
        let made = world.gateway.json(&words);
        let (user, password) = (text(&made, "id"), text(&made, "password"));
        Self { world, cookie: None, name: name.to_owned(), password, user }
    }

    /// The same user at another browser, where they are not signed in yet.
    pub(crate) fn elsewhere(&self) -> Self {
        let (name, password, user) = (self.name.clone(), self.password.clone(), self.user.clone());
        Self { world: self.world, cookie: None, name, password, user }
    }

    /// What it keeps of the session, where it is signed in.
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    pub(crate) fn send(&self, request: Request) -> Answer {
        let request = request.header("Sec-Fetch-Site", "same-origin");
        self.world.ask(&match &self.cookie {
            Some(cookie) => request.header("Cookie", cookie),
            None => request,
        })
    }

    pub(crate) fn see(&self, path: &str) -> Answer {
        self.send(Request::get(NOVA, path))
    }

    /// Signs in where it is asked to; where that leads.
    #[track_caller]
    pub(crate) fn sign_in(&mut self, login: &Answer) -> String {
        let place = login.says("location");
        let onward = decoded(place.strip_prefix("/oauth/login?continue=").expect("the login page"));
        let fields = [("continue", onward.as_str()), ("user", &self.name), ("password", &self.password)];
        let told = self.send(form(NOVA, "/oauth/login", &fields)).expect(303);
        self.cookie = told.says("set-cookie").split(';').next().map(str::to_owned);
        told.says("location").to_owned()
    }

    /// Answers the page that asks.
    #[track_caller]
    pub(crate) fn answer(&self, page: &Answer, decision: &str) -> Answer {
        let html = page.text();
        let asked = html.split("name=\"asked\" value=\"").nth(1).and_then(|it| it.split('"').next());
        self.send(form(NOVA, "/oauth/consent", &[("asked", asked.expect("a question")), ("decision", decision)]))
    }

    /// Everything from the first request to the answer that leads back.
    #[track_caller]
    pub(crate) fn lets(&mut self, request: &[(&str, &str)]) -> Answer {
        let mut told = self.see(&format!("{AUTHORIZE}?{}", query(request)));
        if told.header("location").is_some_and(|it| it.starts_with("/oauth/login")) {
            let onward = self.sign_in(&told.expect(303));
            told = self.see(&onward);
        }
        if told.status == 200 { self.answer(&told, "allow") } else { told }.expect(303)
    }
}

/// What an answer that leads back says.
#[track_caller]
pub(crate) fn back(answer: &Answer) -> Value {
    let place = answer.says("location");
    let told = place.strip_prefix(BACK).and_then(|it| it.strip_prefix('?')).expect("the place of the client");
    let pairs = told.split('&').filter_map(|it| it.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), json!(decoded(value)))).collect::<serde_json::Map<_, _>>().into()
}

pub(crate) fn request<'a>(client: &'a Client, challenge: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("client_id", &client.id),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("scope", "openid profile compute"),
        ("state", "s&x"),
        ("nonce", "n"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("unknown", "ignored"),
    ]
}

pub(crate) fn redeem(world: &World, client: &Client, code: &str) -> Answer {
    let fields =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK), ("code_verifier", VERIFIER)];
    world.ask(&shown(client, &fields, "/oauth/token"))
}

fn refresh(world: &World, client: &Client, token: &str) -> Answer {
    world.ask(&shown(client, &[("grant_type", "refresh_token"), ("refresh_token", token)], "/oauth/token"))
}

fn shown(client: &Client, fields: &[(&str, &str)], path: &str) -> Request {
    if client.secret.is_some() {
        client.basic(&form(NOVA, path, fields))
    } else {
        form(NOVA, path, &[fields, &[("client_id", &client.id)]].concat())
    }
}

#[test]
fn a_user_lets_a_client_in_and_is_asked_once_and_the_client_may_do_what_both_may() {
    let world = World::start();
    let (client, challenge) = (app(&world, "none"), challenge());
    let asked = request(&client, &challenge);
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    let login = ann.see(&format!("{AUTHORIZE}?{}", query(&asked))).expect(303);
    let onward = ann.sign_in(&login);
    let page = ann.see(&onward).expect(200);
    let policy = page.says("content-security-policy").to_owned();
    assert!(policy.contains("frame-ancestors 'none'") && policy.ends_with("form-action 'self' https://app.example"));
    assert_eq!((page.says("referrer-policy"), page.says("cache-control")), ("no-referrer", "no-store"));
    assert!(page.text().contains("Ann &lt;Example&gt;") && !page.text().contains("<script"), "{page}");
    let told = ann.answer(&page, "allow").expect(303);
    let said = back(&told);
    assert_eq!((&said["state"], &said["iss"]), (&json!("s&x"), &json!(format!("https://{NOVA}"))));
    let code = text(&said, "code");
    let given = redeem(&world, &client, &code).expect(200);
    assert_eq!(given.says("cache-control"), "no-store");
    let given = given.json();
    assert_eq!(given["scope"], "compute openid profile");
    let (access, id) = (text(&given, "access_token"), text(&given, "id_token"));
    let told_of = claims(&id);
    assert_eq!((&told_of["sub"], &told_of["aud"]), (&json!(ann.user), &json!(client.id)), "{told_of}");
    assert_eq!((&told_of["nonce"], &told_of["amr"]), (&json!("n"), &json!(["pwd"])), "{told_of}");
    let half = &digest(&SHA256, access.as_bytes()).as_ref()[..16].to_vec();
    assert_eq!(told_of["at_hash"], URL_SAFE_NO_PAD.encode(half));
    assert!(told_of["auth_time"].as_u64().is_some_and(|it| it <= crate::client::now()));
    let _ = list(&world, &access).expect(200);
    let _ = list(&world, &id).expect(401);
    for method in ["GET", "POST"] {
        let user = world.ask(&Request::new(method, NOVA, "/oauth/userinfo").bearer(&access)).expect(200).json();
        let expected = json!({ "sub": ann.user, "name": "Ann <Example>", "preferred_username": "ann" });
        assert_eq!(user, expected, "the scope `email` was not asked for");
    }
    let refused = world.ask(&Request::get(NOVA, "/oauth/userinfo").bearer(&id)).expect(401);
    assert!(refused.says("www-authenticate").contains("invalid_token"), "{refused}");
    // Asked once, so not again.
    let again = ann.see(&format!("{AUTHORIZE}?{}", query(&asked))).expect(303);
    assert!(back(&again)["code"].is_string());
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    let refresh = text(&given, "refresh_token");
    for secret in [&code, &access, &id, &refresh, &ann.password] {
        assert!(!everything.contains(secret.as_str()), "a secret is in an entry");
    }
}

#[test]
fn an_address_that_one_tenant_alone_vouches_for_is_told_to_no_application() {
    let world = World::start();
    let (client, challenge, tenant) = (app(&world, "none"), challenge(), world.tenant("novastraxis"));
    let asked: Vec<_> = request(&client, &challenge).into_iter().filter(|(name, _)| *name != "scope").collect();
    let asked = [asked.as_slice(), &[("scope", "openid profile email")]].concat();
    let (ann, owner) = (Browser::of(&world, "ann", &tenant), world.user("zoe", &tenant, "owner"));
    let session = Request::post("cloudnx.in", "/auth/login").header("Origin", "https://cloudnx.in");
    let session = world.ask(&session.json(&json!({ "email": owner.name, "password": owner.password }))).expect(200);
    let lines = session.headers.iter().find(|(_, value)| value.starts_with("cnx_access="));
    let line = lines.and_then(|(_, value)| value.split(';').next()).expect("a cookie");
    let make =
        Request::post("cloudnx.in", "/auth/users").header("Cookie", line).header("Sec-Fetch-Site", "same-origin");
    let body = json!({ "email": "ann@example.com", "password": "a horse of ann's", "roles": ["member"] });
    let _ = world.ask(&make.clone().json(&body)).expect(409);
    let body = json!({ "email": "ben@example.com", "password": "a horse of ben's", "roles": ["member"] });
    let ben = world.ask(&make.json(&body)).expect(201).json();
    let (name, user) = (text(&ben, "sign_in_name"), text(&ben, "id"));
    let ben = Browser { name, user, password: "a horse of ben's".to_owned(), ..ann.elsewhere() };
    for (mut browser, email) in [(ann, Some("ann@example.com")), (ben, None)] {
        let code = text(&back(&browser.lets(&asked)), "code");
        let access = text(&redeem(&world, &client, &code).expect(200).json(), "access_token");
        let told = world.ask(&Request::get(NOVA, "/oauth/userinfo").bearer(&access)).expect(200).json();
        let known = json!({ "name": "Ann <Example>", "preferred_username": "ann", "email": email });
        let mut expected = if email.is_some() { known } else { json!({}) };
        expected["sub"] = json!(browser.user);
        assert_eq!(told, expected);
    }
}

#[test]
fn a_code_that_comes_twice_takes_everything_along_that_came_of_it() {
    let world = World::start();
    let (client, other, challenge) = (app(&world, "none"), app(&world, "none"), challenge());
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    let code = text(&back(&ann.lets(&request(&client, &challenge))), "code");
    assert_eq!(redeem(&world, &other, &code).expect(400).json()["error"], "invalid_grant");
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK)];
    for more in [&[][..], &[("code_verifier", challenge.as_str())]] {
        let told = world.ask(&shown(&client, &[&fields[..], more].concat(), "/oauth/token")).expect(400);
        assert_eq!(told.json()["error"], "invalid_grant");
    }
    let given = redeem(&world, &client, &code).expect(200).json();
    let access = text(&given, "access_token");
    let _ = list(&world, &access).expect(200);
    assert_eq!(redeem(&world, &client, &code).expect(400).json()["error"], "invalid_grant");
    let _ = list(&world, &access).expect(401);
    let _ = refresh(&world, &client, &text(&given, "refresh_token")).expect(400);
}

#[test]
fn refresh_tokens_turn_shrink_and_end_as_they_should() {
    let world = World::start();
    let challenge = challenge();
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    for auth in ["none", "client_secret_basic"] {
        let client = app(&world, auth);
        let code = text(&back(&ann.lets(&request(&client, &challenge))), "code");
        let first = text(&redeem(&world, &client, &code).expect(200).json(), "refresh_token");
        let fields = [("grant_type", "refresh_token"), ("refresh_token", first.as_str())];
        let (door, request) = (world.gateway.door(), shown(&client, &fields, "/oauth/token"));
        let ask = || text(&door.ask(&request).expect(200).json(), "refresh_token");
        let all: Vec<String> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
            all.into_iter().map(|it| it.join().expect("an answer")).collect()
        });
        assert!(all.iter().all(|it| *it == all[0]), "one successor");
        let next = all[0].clone();
        assert_eq!(next == first, auth != "none");
        let scope = |text: &str| {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", next.as_str()), ("scope", text)];
            world.ask(&shown(&client, &fields, "/oauth/token"))
        };
        assert_eq!(scope("compute threats").expect(400).json()["error"], "invalid_scope");
        let narrow = text(&refresh(&world, &client, &next).expect(200).json(), "refresh_token");
        let access = text(&refresh(&world, &client, &narrow).expect(200).json(), "access_token");
        let _ = list(&world, &access).expect(200);
        let _ = world.ask(&shown(&client, &[("token", &narrow)], "/oauth/revoke")).expect(200);
        let _ = list(&world, &access).expect(401);
        assert_eq!(refresh(&world, &client, &narrow).expect(400).json()["error"], "invalid_grant");
    }
}

#[test]
fn nobody_is_sent_to_a_place_that_the_client_did_not_name() {
    let world = World::start();
    let (client, challenge) = (app(&world, "none"), challenge());
    let good = request(&client, &challenge);
    let with = |name: &'static str, value: &'static str| {
        let mut changed: Vec<(&str, &str)> = good.iter().filter(|(it, _)| *it != name).copied().collect();
        changed.push((name, value));
        world.ask(&Request::get(NOVA, &format!("{AUTHORIZE}?{}", query(&changed))))
    };
    for place in
        ["https://evil.example/cb", "https://app.example/cb/", "https://app.example/cb?x", "//app.example/cb", ""]
    {
        let told = with("redirect_uri", place).expect(400);
        assert_eq!((told.header("location"), told.says("cache-control")), (None, "no-store"), "{place}");
        assert!(told.says("content-type").starts_with("text/html"), "{told}");
    }
    let told = with("client_id", "cli_nobody").expect(400);
    assert_eq!(told.header("location"), None);
    let twice = format!("{AUTHORIZE}?{}&redirect_uri=https%3A%2F%2Fevil.example", query(&good));
    assert_eq!(world.ask(&Request::get(NOVA, &twice)).expect(400).header("location"), None);
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("scope", "everything", "invalid_scope"),
        ("request", "a.b.c", "request_not_supported"),
        ("prompt", "none", "login_required"),
        ("prompt", "none login", "invalid_request"),
        ("max_age", "x", "invalid_request"),
    ] {
        let told = back(&with(name, value).expect(303));
        assert_eq!(
            (&told["error"], &told["iss"]),
            (&json!(error), &json!(format!("https://{NOVA}"))),
            "{name}={value}"
        );
        assert_eq!(told["state"], "s&x");
    }
}

#[test]
fn a_user_is_asked_to_log_in_again_where_a_client_wants_it_and_not_where_it_does_not() {
    let world = World::start();
    let (client, challenge) = (app(&world, "none"), challenge());
    let good = request(&client, &challenge);
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    let mut bob = Browser::of(&world, "bob", &world.new_tenant("other"));
    let code = text(&back(&ann.lets(&good)), "code");
    let hint = text(&redeem(&world, &client, &code).expect(200).json(), "id_token");
    let ask = |more: &[(&str, &str)], who: &Browser<'_>| {
        who.see(&format!("{AUTHORIZE}?{}", query(&[&good[..], more].concat())))
    };
    for more in [&[("prompt", "none")][..], &[("max_age", "10000")], &[("id_token_hint", &hint), ("prompt", "none")]] {
        assert!(back(&ask(more, &ann).expect(303))["code"].is_string(), "{more:?}");
    }
    let login = ask(&[("prompt", "login")], &ann).expect(303);
    let onward = ann.sign_in(&login);
    assert!(back(&ann.see(&onward).expect(303))["code"].is_string(), "once is enough");
    assert!(ask(&[("prompt", "consent")], &ann).expect(200).text().contains("name=\"asked\""));
    let elsewhere = back(&bob.lets(&good));
    assert_eq!(elsewhere["error"], "access_denied", "bob is of another tenant");
    let other = back(&ask(&[("id_token_hint", &hint), ("prompt", "none")], &bob).expect(303));
    assert_eq!(other["error"], "login_required");
    let page = ask(&[("prompt", "consent")], &ann).expect(200);
    let foreign = back_page(&bob, &page);
    assert_eq!(foreign.header("location"), None, "what ann was asked is not for bob to answer: {foreign}");
    let denied = back(&ann.answer(&page, "deny").expect(303));
    assert_eq!(denied["error"], "access_denied");
    let _ = ann.answer(&page, "allow").expect(400);
}

fn back_page(who: &Browser<'_>, page: &Answer) -> Answer {
    who.answer(page, "allow").expect(400)
}

#[test]
fn a_request_that_was_pushed_is_good_once_for_its_own_client() {
    let world = World::start();
    let (client, other, challenge) = (app(&world, "client_secret_basic"), app(&world, "none"), challenge());
    let mut ann = Browser::of(&world, "ann", &world.tenant("novastraxis"));
    let pushed = world.ask(&client.basic(&form(NOVA, "/oauth/par", &request(&client, &challenge)))).expect(201).json();
    let uri = text(&pushed, "request_uri");
    let told = world.ask(&Request::get(
        NOVA,
        &format!("{AUTHORIZE}?{}", query(&[("client_id", &other.id), ("request_uri", &uri)])),
    ));
    assert_eq!(told.expect(400).header("location"), None);
    let led = ann.lets(&[("client_id", &client.id), ("request_uri", &uri), ("redirect_uri", "https://evil.example")]);
    let code = text(&back(&led), "code");
    let _ = redeem(&world, &client, &code).expect(200);
    let used = [("client_id", client.id.as_str()), ("request_uri", &uri)];
    let posted = ann.send(form(NOVA, AUTHORIZE, &request(&client, &challenge))).expect(303);
    assert!(back(&ann.see(posted.says("location")).expect(303))["code"].is_string(), "posted requests go the same way");
    let again = ann.see(&format!("{AUTHORIZE}?{}", query(&used)));
    assert!(again.header("location").is_none_or(|it| !it.contains("code=")), "{again}");
}

#[test]
fn the_openid_client_of_others_discovers_signs_in_refreshes_and_is_not_mixed_up() {
    let world = World::start();
    let tenant = world.tenant("novastraxis");
    let (public, pushes) = (app(&world, "none"), app(&world, "client_secret_basic"));
    let service = Client::make(&world, "novastraxis", &tenant, &["--scopes", "compute"]);
    let ann = Browser::of(&world, "ann", &tenant);
    let secret = |it: &Client| it.secret.clone().unwrap_or_default();
    let told = node(
        &world,
        "relying_party.mjs",
        &[
            ("ISSUER", &format!("https://{NOVA}")),
            ("PUBLIC", &public.id),
            ("PUSHES", &pushes.id),
            ("PUSHES_SECRET", &secret(&pushes)),
            ("SERVICE", &service.id),
            ("SERVICE_SECRET", &secret(&service)),
            ("USER", &ann.name),
            ("PASSWORD", &ann.password),
            ("BACK", BACK),
        ],
    );
    let told: Value = serde_json::from_str(told.out.lines().last().unwrap_or_default()).expect("what it saw");
    assert_eq!((&told["sub"], &told["name"]), (&json!(ann.user), &json!("Ann <Example>")), "{told}");
    assert_eq!((&told["mixed_up"], &told["replayed"]), (&json!(true), &json!("invalid_grant")), "{told}");
    world.gateway.entries().assert_sound();
}

#[test]
fn what_somebody_does_at_a_browser_is_sealed_as_theirs_and_goes_with_them() {
    let world = World::start();
    let (client, challenge, tenant) = (app(&world, "none"), challenge(), world.tenant("novastraxis"));
    let asked = request(&client, &challenge);
    let (mut ann, mut bob) = (Browser::of(&world, "ann", &tenant), Browser::of(&world, "bob", &tenant));
    let id = |it: &Answer| it.says("x-request-id").to_owned();
    let of = |browser: &mut Browser<'_>| {
        let login = browser.see(&format!("{AUTHORIZE}?{}", query(&asked))).expect(303);
        let place = login.says("location");
        let onward = decoded(place.strip_prefix("/oauth/login?continue=").expect("the login page"));
        let fields = [("continue", onward.as_str()), ("user", &browser.name), ("password", &browser.password)];
        let inside = browser.send(form(NOVA, "/oauth/login", &fields)).expect(303);
        let onward = browser.sign_in(&login);
        let page = browser.see(&onward).expect(200);
        let allowed = browser.answer(&page, "allow").expect(303);
        [id(&inside), id(&page), id(&allowed)]
    };
    let (hers, his) = (of(&mut ann), of(&mut bob));
    let entries = world.gateway.entries();
    let paths = ["/oauth/login", "/oauth/authorize", "/oauth/consent"];
    for (id, path) in hers.iter().zip(paths) {
        let entry = entries.of(id);
        let told = (&entry["tenant"], &entry["request"]["path"], &entry["request"]["source"]);
        assert_eq!(told, (&json!(tenant), &json!(path), &json!("127.0.0.1")), "{entry:#}");
        assert!(entry["sealed"].is_object(), "{entry:#}");
    }

    let erased = world.gateway.command(&["audit", "erase", "--tenant", &tenant, "--subject", "Ann@example.com"]);
    assert!(erased.code == 0 && erased.out.starts_with("done"), "{erased:?}");
    let said = entries.of_kind(1, |it| it["class"] == "subject.erased");
    assert_eq!(said.len(), 1, "one person was erased, and by one name: {said:#?}");
    for id in &hers {
        let gone = entries.of(id);
        let left = (&gone["sealed"]["erased"], gone["request"].get("path"), gone["request"].get("source"));
        assert_eq!(left, (&json!(true), None, None), "{gone:#}");
    }
    for (id, path) in his.iter().zip(paths) {
        assert_eq!(entries.of(id)["request"]["path"], path, "somebody else was erased");
    }
}
