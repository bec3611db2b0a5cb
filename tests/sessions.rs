//! People: signing in and out, what a browser may do by its cookies, and what nobody learns about anybody else.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

#[path = "sessions/guesses.rs"]
mod guesses;
#[path = "sessions/own.rs"]
mod own_sessions;
#[path = "sessions/rights.rs"]
mod rights;

use acceptance::{Answer, Authenticator, Request, User, World};
use serde_json::{Value, json};

const NX: &str = "cloudnx.in";
const ISSUER: &str = "api.novastraxis.com";
const HASHED: &str = "portcullis_passwords_hashed_total";

/// What a browser has after it signed in.
struct Browser {
    access: String,
    refresh: String,
}

impl Browser {
    #[track_caller]
    fn of(answer: &Answer) -> Self {
        let lines = cookies(answer);
        let value = |name: &str| {
            let line = lines.iter().find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
            line.and_then(|it| it.split(';').next()).expect("a cookie").to_owned()
        };
        Self { access: value("cnx_access"), refresh: value("cnx_refresh") }
    }

    fn get(&self, target: &str) -> Request {
        Request::get(NX, target).header("Cookie", &format!("cnx_access={}", self.access))
    }

    /// A change that the browser makes for a page of the API's own.
    fn change(&self, method: &str, target: &str) -> Request {
        self.foreign_change(method, target).header("Sec-Fetch-Site", "same-origin")
    }

    fn foreign_change(&self, method: &str, target: &str) -> Request {
        Request::new(method, NX, target).header("Cookie", &format!("cnx_access={}", self.access))
    }

    fn renew(&self) -> Request {
        own(Request::post(NX, "/auth/refresh")).header("Cookie", &format!("cnx_refresh={}", self.refresh))
    }
}

fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect()
}

fn own(request: Request) -> Request {
    request.header("Origin", "https://cloudnx.in")
}

fn sign_in(name: &str, password: &str) -> Request {
    own(Request::post(NX, "/auth/login")).json(&json!({ "email": name, "password": password }))
}

fn sign_in_with(user: &User, code: &str) -> Request {
    let body = json!({ "email": user.name, "password": user.password, "code": code });
    own(Request::post(NX, "/auth/login")).json(&body)
}

#[track_caller]
fn signed_in(world: &World, user: &User) -> Browser {
    Browser::of(&world.ask(&sign_in(&user.name, &user.password)).expect(200))
}

/// Status, headers but those of the one request, and body.
fn told(it: &Answer) -> (u16, Vec<(String, String)>, String) {
    let own = ["x-request-id", "date"];
    let headers = it.headers.iter().filter(|(name, _)| !own.contains(&name.as_str())).cloned();
    (it.status, headers.collect(), it.text())
}

#[test]
fn a_session_is_two_cookies_to_the_letter_and_opens_what_the_roles_of_its_user_open() {
    let world = World::start();
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let answer = world.ask(&sign_in("Ann@Example.com", &ann.password)).expect(200);
    assert_eq!(answer.says("cache-control"), "no-store");
    assert_eq!((&answer.json()["user"]["id"], &answer.json()["user"]["email"]), (&json!(ann.id), &json!(ann.name)));
    let Browser { access, refresh } = Browser::of(&answer);
    let expected = [
        format!("cnx_access={access}; Path=/; Max-Age=900; Secure; HttpOnly; SameSite=Lax"),
        format!("cnx_refresh={refresh}; Path=/auth; Max-Age=2592000; Secure; HttpOnly; SameSite=Strict"),
    ];
    assert_eq!(cookies(&answer), expected);
    let browser = Browser::of(&answer);
    let seen = world.ask(&browser.get("/compute/instances")).expect(200);
    let entry = world.gateway.entries().of(seen.says("x-request-id"));
    assert_eq!(entry["auth"]["method"], "session", "{entry:#}");
    assert_eq!(entry["tenant"], json!(world.tenant("cloudnx")));
    let denied = world.ask(&browser.change("POST", "/auth/users").json(&json!({ "email": "x@example.com" })));
    assert_eq!(denied.status, 403, "{denied}");
    // The refresh cookie is no credential, two of one name are none, and a session beside a key is one too many.
    let only = |cookie: &str| world.ask(&Request::get(NX, "/compute/instances").header("Cookie", cookie)).status;
    assert_eq!(only(&format!("cnx_refresh={refresh}")), 401);
    assert_eq!(only(&format!("cnx_access={access}; cnx_access={access}")), 400);
    assert_eq!(only(&format!("cnx_access={refresh}")), 401);
    assert_eq!(world.ask(&browser.get("/compute/instances").bearer(&access)).status, 400);
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    for secret in [access.as_str(), refresh.as_str(), &ann.password, "ann@example.com"] {
        assert!(!everything.to_lowercase().contains(&secret.to_lowercase()), "a secret is in an entry");
    }
}

#[test]
fn a_change_is_believed_from_the_pages_of_the_api_and_from_no_other() {
    let world = World::start();
    let ann = world.user("ann", &world.tenant("cloudnx"), "owner");
    let browser = signed_in(&world, &ann);
    let body = json!({ "name": "Ann" });
    let target = format!("/auth/users/{}", ann.id);
    let change = |lines: &[(&str, &str)]| {
        let request = browser.foreign_change("PATCH", &target).json(&body);
        world.ask(&lines.iter().fold(request, |it, (name, value)| it.header(name, value)))
    };
    for (lines, status) in [
        (&[("Sec-Fetch-Site", "same-origin")][..], 200),
        (&[("Sec-Fetch-Site", "none")], 200),
        (&[("Origin", "https://cloudnx.in")], 200),
        (&[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://cloudnx.in")], 403),
        (&[("Sec-Fetch-Site", "same-site")], 403),
        (&[("Origin", "https://evil.example")], 403),
        (&[("Origin", "null")], 403),
        (&[], 403),
    ] {
        let answer = change(lines).expect(status);
        if status == 403 {
            assert_eq!(answer.says("refusal-reason"), "cross_site", "{answer}");
        }
    }
    // Reading is not changing, and signing in, renewing and signing out are.
    let _ = world.ask(&browser.get("/auth/users").header("Sec-Fetch-Site", "cross-site")).expect(200);
    let body = json!({ "email": ann.name, "password": ann.password });
    let login = Request::post(NX, "/auth/login").json(&body);
    let cookie = format!("cnx_refresh={}", browser.refresh);
    for request in [
        login,
        Request::post(NX, "/auth/refresh").header("Cookie", &cookie),
        Request::post(NX, "/auth/logout").header("Cookie", &cookie),
    ] {
        let answer = world.ask(&request.header("Sec-Fetch-Site", "cross-site")).expect(403);
        assert_eq!(cookies(&answer), Vec::<&str>::new(), "{answer}");
    }
}

#[test]
fn a_session_is_renewed_until_somebody_signs_out_or_an_old_token_turns_up() {
    let world = World::start();
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let first = signed_in(&world, &ann);
    let second = Browser::of(&world.ask(&first.renew()).expect(200));
    assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
    // Two tabs ask at once: both have the same one then.
    let same = Browser::of(&world.ask(&first.renew()).expect(200));
    assert_eq!(same.refresh, second.refresh);
    let _ = world.ask(&second.get("/compute/instances")).expect(200);
    let out = own(Request::post(NX, "/auth/logout")).header("Cookie", &format!("cnx_refresh={}", second.refresh));
    let answer = world.ask(&out).expect(200);
    let cleared = [
        "cnx_access=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
        "cnx_refresh=; Path=/auth; Max-Age=0; Secure; HttpOnly; SameSite=Strict",
    ];
    assert_eq!(cookies(&answer), cleared);
    // What is entered of it is sealed with the key of whose session it was.
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert!(entry["sealed"].is_object() && entry["auth"]["key"].is_string(), "{entry:#}");
    // The access token lives for minutes by itself; its session is over at once.
    let _ = world.ask(&second.get("/compute/instances")).expect(401);
    let _ = world.ask(&second.renew()).expect(401);
    let _ = world.ask(&out).expect(200);
    // A dead cookie keeps nobody from signing in anew, nor from what everybody may ask for.
    let _ = world.ask(&second.get("/oauth/jwks")).expect(200);
    let again = sign_in(&ann.name, &ann.password).header("Cookie", &format!("cnx_access={}", second.access));
    let _ = world.ask(&again).expect(200);
}

#[test]
fn signing_in_makes_a_new_session_whatever_the_browser_had_before() {
    let world = World::start();
    let [ann, eve] = ["ann", "eve"].map(|it| world.user(it, &world.tenant("cloudnx"), "viewer"));
    let planted = signed_in(&world, &eve);
    let cookie = format!("cnx_access={}; cnx_refresh={}", planted.access, planted.refresh);
    let own = Browser::of(&world.ask(&sign_in(&ann.name, &ann.password).header("Cookie", &cookie)).expect(200));
    assert_ne!(own.access, planted.access);
    assert_ne!(own.refresh.split('.').next(), planted.refresh.split('.').next(), "another grant");
    let id = |it: &Browser| world.ask(&it.renew()).expect(200).json()["user"]["id"].clone();
    assert_eq!((id(&own), id(&planted)), (json!(ann.id), json!(eve.id)));
}

#[test]
fn nobody_learns_who_has_an_account_and_the_work_is_the_same() {
    let world = World::with(|settings, _| settings.more += "[limits.shield]\nlongest_delay = \"0s\"\n");
    let tenant = world.tenant("cloudnx");
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|it| world.user(it, &tenant, "viewer"));
    let zoe = world.gateway.json(&["users", "create", "--name", "zoe@example.com"]);
    assert_eq!(world.gateway.command(&["users", "suspend", &eve.id]).code, 0);
    for _ in 0..10 {
        let _ = world.ask(&sign_in(&bob.name, "wrong")).expect(401);
    }
    let mut seen = Vec::new();
    for (name, password) in [
        ("nobody@example.com", "wrong"),
        (&ann.name, "wrong"),
        (&bob.name, &bob.password),
        (&eve.name, &eve.password),
        ("zoe@example.com", zoe["password"].as_str().expect("a password")),
    ] {
        let before = world.gateway.metric(HASHED, &[]);
        seen.push(told(&world.ask(&sign_in(name, password)).expect(401)));
        let hashed = world.gateway.metric(HASHED, &[]) - before;
        assert!((hashed - 1.0).abs() < f64::EPSILON, "{name}: {hashed}");
    }
    assert!(seen.windows(2).all(|it| it[0] == it[1]), "{seen:#?}");
    // Whose password was wrong is in the entry, once entries speak of them, and in no answer.
    let tenant_of = |name: &str| {
        let answer = world.ask(&sign_in(name, "wrong")).expect(401);
        assert_eq!(told(&answer), seen[0]);
        world.gateway.entries().of(answer.says("x-request-id"))["tenant"].clone()
    };
    let _ = world.ask(&sign_in(&ann.name, &ann.password)).expect(200);
    assert_eq!((tenant_of(&ann.name), tenant_of("nobody@example.com")), (json!(tenant), Value::Null));
    assert_eq!(serde_json::from_str::<Value>(&seen[0].2).expect("JSON")["error"], "Missing or invalid credentials.");
}

#[test]
fn who_guesses_is_locked_out_with_an_entry_and_an_address_that_guesses_is_told_to_wait() {
    // However busy the machine is, all guesses are of one window.
    let world = World::with(|settings, _| {
        settings.more += "[limits.shield]\nfailures_window = \"10m\"\nlongest_delay = \"0s\"\n";
    });
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    for number in 0..10 {
        let _ = world.ask(&sign_in(&ann.name, &format!("guess {number}"))).expect(401);
    }
    let _ = world.ask(&sign_in(&ann.name, &ann.password)).expect(401);
    let lockouts = || -> Vec<Value> {
        world.gateway.entries().whole().into_iter().filter(|it| it["class"] == "auth.lockout").collect()
    };
    let entry = acceptance::until("the entry of a lock-out", std::time::Duration::from_secs(20), || lockouts().pop());
    assert_eq!((&entry["action"], &entry["target"]), (&json!("lock"), &json!(ann.id)), "{entry:#}");
    // Whoever looks after users lets them in again.
    let set = world.gateway.json(&["users", "set-password", &ann.id]);
    let password = set["password"].as_str().expect("a password");
    let _ = world.ask(&sign_in(&ann.name, password)).expect(200);
    for number in 0..9 {
        let _ = world.ask(&sign_in(&format!("somebody{number}@example.com"), "guess"));
    }
    let answer = world.ask(&sign_in(&ann.name, password)).expect(429);
    assert!(answer.says("retry-after").parse::<u64>().is_ok_and(|it| (1..=600).contains(&it)), "{answer}");
}

#[test]
fn a_second_factor_is_asked_for_and_each_code_is_taken_once() {
    let world = World::start();
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let browser = signed_in(&world, &ann);
    let secret = world.ask(&browser.change("POST", "/auth/mfa")).expect(200).json();
    let authenticator = Authenticator::of(secret["secret"].as_str().expect("a secret"));
    let confirm = |code: &str| browser.change("POST", "/auth/mfa/confirm").json(&json!({ "code": code }));
    let _ = world.ask(&confirm("00000x")).expect(400);
    let confirmed = world.ask(&confirm(&authenticator.code(0))).expect(200).json();
    assert_eq!(confirmed["recovery_codes"].as_array().map(Vec::len), Some(10));
    let wanted = world.ask(&sign_in(&ann.name, &ann.password)).expect(401);
    assert_eq!(wanted.says("refusal-reason"), "second_factor_required");
    assert_eq!(cookies(&wanted), Vec::<&str>::new());
    let next = authenticator.code(1);
    let _ = world.ask(&sign_in_with(&ann, &next)).expect(200);
    let replayed = world.ask(&sign_in_with(&ann, &next)).expect(401);
    assert_eq!(replayed.says("refusal-reason"), "invalid_credentials");
    let recovery = confirmed["recovery_codes"][0].as_str().expect("a code");
    let second = Browser::of(&world.ask(&sign_in_with(&ann, recovery)).expect(200));
    let _ = world.ask(&sign_in_with(&ann, recovery)).expect(401);
    assert_eq!(world.ask(&second.renew()).expect(200).json()["user"]["mfa_enrolled"], true);
    assert_eq!(world.gateway.command(&["users", "reset-mfa", &ann.name]).code, 0);
    let _ = world.ask(&sign_in(&ann.name, &ann.password)).expect(200);
}

#[test]
fn two_tenants_never_see_each_others_people_or_sessions() {
    let world = World::start();
    let other = world.new_tenant("other");
    let ann = world.user("ann", &world.tenant("cloudnx"), "owner");
    let eve = world.user("eve", &other, "owner");
    let (own, theirs) = (signed_in(&world, &ann), signed_in(&world, &eve));
    let ids = |browser: &Browser, what: &str| -> Vec<String> {
        let found = world.ask(&browser.get(&format!("/auth/{what}"))).expect(200).json();
        found[what].as_array().expect("a list").iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!((ids(&own, "users"), ids(&theirs, "users")), (vec![ann.id.clone()], vec![eve.id.clone()]));
    let (mine, foreign) = (ids(&own, "sessions"), ids(&theirs, "sessions"));
    assert!(mine.len() == 1 && foreign.len() == 1 && mine != foreign);
    for request in [
        own.get(&format!("/auth/users/{}", eve.id)),
        own.change("PATCH", &format!("/auth/users/{}", eve.id)).json(&json!({ "name": "x" })),
        own.change("DELETE", &format!("/auth/users/{}", eve.id)),
        own.change("DELETE", &format!("/auth/sessions/{}", foreign[0])),
    ] {
        let _ = world.ask(&request).expect(404);
    }
    let _ = world.ask(&theirs.get("/auth/users")).expect(200);
    // What a change does not know it does not pass over.
    let change =
        own.change("PATCH", &format!("/auth/users/{}", ann.id)).json(&json!({ "name": "x", "role": ["viewer"] }));
    assert_eq!(world.ask(&change).expect(400).says("refusal-reason"), "invalid_body");
    // The last owner stays, whoever asks.
    let last = world.ask(&own.change("DELETE", &format!("/auth/users/{}", ann.id))).expect(409);
    assert_eq!(last.says("refusal-reason"), "conflict");
}

#[test]
fn an_owner_looks_after_people_and_nobody_gives_more_than_they_have() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let ann = world.user("ann", &tenant, "owner");
    let browser = signed_in(&world, &ann);
    let body = json!({ "email": "bob@example.com", "name": "Bob", "password": "a horse of bob", "roles": ["member"] });
    let made = world.ask(&browser.change("POST", "/auth/users").json(&body)).expect(201).json();
    let again = world.ask(&browser.change("POST", "/auth/users").json(&body)).expect(409);
    assert_eq!(again.says("refusal-reason"), "conflict");
    let weak = json!({ "email": "c@example.com", "password": "password1234" });
    let weak = world.ask(&browser.change("POST", "/auth/users").json(&weak)).expect(400);
    assert_eq!(weak.says("refusal-reason"), "weak_password");
    let name = format!("{tenant}/bob@example.com");
    assert_eq!(made["sign_in_name"], name);
    let bob = Browser::of(&world.ask(&sign_in(&name, "a horse of bob")).expect(200));
    let target = format!("/auth/users/{}", made["id"].as_str().expect("an id"));
    let shown = world.ask(&browser.get(&target)).expect(200).json();
    assert_eq!((&shown["name"], &shown["mfa_enrolled"]), (&json!("Bob"), &json!(false)), "{shown}");
    // A key that may write users, and no more, makes no owner of anybody.
    let key = world.key("cloudnx", &["users:write", "users:read"]);
    let token = json!({ "access_key_id": key.text, "secret_access_key": key.secret });
    let token = world.ask(&Request::post(NX, "/auth/iam/exchange-credentials").json(&token)).expect(200).json();
    let token = token["access_token"].as_str().expect("a token");
    let owner = json!({ "email": "d@example.com", "roles": ["owner"] });
    let beyond = world.ask(&Request::post(NX, "/auth/users").bearer(token).json(&owner)).expect(403);
    assert_eq!(beyond.says("refusal-reason"), "insufficient_scope");
    // What a key may do, it does not do to the account of a user.
    let password = json!({ "current_password": ann.password, "new_password": "another horse" });
    let _ = world.ask(&Request::post(NX, "/auth/password").bearer(token).json(&password)).expect(401);
    let _ = world.ask(&browser.change("DELETE", &target)).expect(200);
    let _ = world.ask(&bob.get("/compute/instances")).expect(401);
    let _ = world.ask(&sign_in(&name, "a horse of bob")).expect(401);
}

#[test]
fn a_session_is_over_when_its_user_is_suspended_or_has_another_password() {
    let world = World::start();
    let ann = world.user("ann", &world.tenant("cloudnx"), "owner");
    let (one, two) = (signed_in(&world, &ann), signed_in(&world, &ann));
    let change = |current: &str| json!({ "current_password": current, "new_password": "another horse" });
    let _ = world.ask(&one.change("POST", "/auth/password").json(&change("wrong"))).expect(401);
    let answer = world.ask(&one.change("POST", "/auth/password").json(&change(&ann.password))).expect(200);
    let fresh = Browser::of(&answer);
    for old in [&one, &two] {
        let _ = world.ask(&old.get("/compute/instances")).expect(401);
        let _ = world.ask(&old.renew()).expect(401);
    }
    let sessions = world.ask(&fresh.get("/auth/sessions")).expect(200).json();
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1), "{sessions}");
    assert_eq!(sessions["sessions"][0]["current"], true);
    let another = Browser::of(&world.ask(&sign_in(&ann.name, "another horse")).expect(200));
    let id = another.refresh.split('.').next().expect("a grant");
    let _ = world.ask(&fresh.change("DELETE", &format!("/auth/sessions/{id}"))).expect(200);
    let _ = world.ask(&another.get("/compute/instances")).expect(401);
    let _ = world.ask(&fresh.get("/compute/instances")).expect(200);
    // The last owner of a tenant is suspended where that is said.
    let last = world.gateway.command(&["users", "suspend", &ann.name]);
    assert!(last.code != 0 && last.errors.contains("--last-owner"), "{last:?}");
    let _ = world.ask(&fresh.get("/compute/instances")).expect(200);
    assert_eq!(world.gateway.command(&["users", "suspend", &ann.name, "--last-owner"]).code, 0);
    world.gateway.catch_up();
    let _ = world.ask(&fresh.get("/compute/instances")).expect(401);
    let _ = world.ask(&fresh.renew()).expect(401);
}

#[test]
fn the_page_of_the_issuer_lets_in_and_goes_on_and_leads_nowhere_else() {
    let world = World::start();
    let ann = world.user("ann", &world.tenant("novastraxis"), "viewer");
    let onward = "/oauth/authorize?client_id=cli_1";
    let page = world.ask(&Request::get(ISSUER, &format!("/oauth/login?continue={}", escaped(onward)))).expect(200);
    let policy = page.says("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    // One script, by its hash.
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.text().matches("<script").count(), 1, "{page}");
    assert_eq!((page.says("referrer-policy"), page.says("cache-control")), ("no-referrer", "no-store"));
    let submit = |fields: &[(&str, &str)]| {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let request = Request::post(ISSUER, "/oauth/login").header("Sec-Fetch-Site", "same-origin");
        request.body("application/x-www-form-urlencoded", body.join("&"))
    };
    let wrong =
        world.ask(&submit(&[("continue", onward), ("user", ann.name.as_str()), ("password", "wrong")])).expect(403);
    assert!(wrong.text().contains("role=\"alert\"") && !wrong.text().contains("wrong\""), "{wrong}");
    let entry = world.gateway.entries().of(wrong.says("x-request-id"));
    assert_eq!(entry["decision"]["detail"], "invalid_credentials", "{entry:#}");
    let right = [("continue", onward), ("user", ann.name.as_str()), ("password", ann.password.as_str())];
    let answer = world.ask(&submit(&right)).expect(303);
    assert_eq!(answer.says("location"), onward);
    let cookie = answer.says("set-cookie");
    let value = cookie.strip_prefix("__Host-portcullis=").and_then(|it| it.split(';').next()).expect("a cookie");
    let expected = format!("__Host-portcullis={value}; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(cookie, expected);
    for elsewhere in ["https://evil.example/oauth/x", "//evil.example/oauth/", "/v2/keys", "/oauth/../v2", ""] {
        let target = format!("/oauth/login?continue={}", escaped(elsewhere));
        let _ = world.ask(&Request::get(ISSUER, &target)).expect(400);
        let fields = [("continue", elsewhere), ("user", ann.name.as_str()), ("password", ann.password.as_str())];
        let _ = world.ask(&submit(&fields)).expect(400);
    }
    let body = format!("continue={}&user={}&password={}", escaped(onward), escaped(&ann.name), ann.password);
    let foreign = Request::post(ISSUER, "/oauth/login").header("Sec-Fetch-Site", "cross-site");
    let foreign = foreign.body("application/x-www-form-urlencoded", body);
    assert_eq!(world.ask(&foreign).expect(403).says("refusal-reason"), "cross_site");
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|it| if it.is_ascii_alphanumeric() { char::from(it).to_string() } else { format!("%{it:02X}") })
        .collect()
}
