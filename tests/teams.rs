//! Teams of cloudnx: who makes them, what they make of their members, and who joins by an invite.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::time::Duration;

use acceptance::{Answer, Request, User, World, until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const NX: &str = "cloudnx.in";
const TEAMS: &str = "/auth/teams";
const ACCEPT: &str = "/auth/invites/accept";

/// The session of somebody who has signed in.
struct Browser(String);

impl Browser {
    #[track_caller]
    fn of(world: &World, name: &str, password: &str) -> Self {
        let body = json!({ "email": name, "password": password });
        let answer = world.ask(&Request::post(NX, "/auth/login").header("Origin", "https://cloudnx.in").json(&body));
        let lines = answer.expect(200).headers;
        let line = lines.iter().find(|(name, value)| name == "set-cookie" && value.starts_with("cnx_access="));
        Self(line.and_then(|(_, value)| value.split(';').next()).expect("a cookie").to_owned())
    }

    fn get(&self, target: &str) -> Request {
        Request::get(NX, target).header("Cookie", &self.0)
    }

    fn change(&self, method: &str, target: &str, body: &Value) -> Request {
        let request = Request::new(method, NX, target).header("Cookie", &self.0);
        let request = request.header("Sec-Fetch-Site", "same-origin");
        if body.is_null() { request } else { request.json(body) }
    }
}

fn signed_in(world: &World, user: &User) -> Browser {
    Browser::of(world, &user.name, &user.password)
}

fn text(it: &Value, name: &str) -> String {
    it[name].as_str().expect("a text").to_owned()
}

/// A team with these roles, and where it is.
#[track_caller]
fn team(world: &World, owner: &Browser, name: &str, roles: &[&str]) -> String {
    let body = json!({ "name": name, "roles": roles });
    let made = world.ask(&owner.change("POST", TEAMS, &body)).expect(201).json();
    assert_eq!((&made["name"], &made["roles"]), (&json!(name), &json!(roles)), "{made:#}");
    format!("{TEAMS}/{}", text(&made, "id"))
}

/// An invite, with its token.
#[track_caller]
fn invite(world: &World, owner: &Browser, team: &str, email: &str, role: &str) -> Value {
    let body = json!({ "email": email, "role": role });
    let made = world.ask(&owner.change("POST", &format!("{team}/invites"), &body)).expect(201).json();
    assert_eq!((&made["email"], &made["status"]), (&json!(email), &json!("pending")), "{made:#}");
    made
}

fn accept(body: &Value) -> Request {
    Request::post(NX, ACCEPT).json(body)
}

const PASSWORD: &str = "a password of somebody new";

#[track_caller]
fn newcomer(world: &World, token: &str) -> Answer {
    world.ask(&accept(&json!({ "token": token, "name": "Ben", "password": PASSWORD })))
}

#[test]
fn somebody_new_joins_by_an_invite_and_may_do_what_the_team_may_until_it_may_not() {
    let world = World::start();
    let ann = signed_in(&world, &world.user("ann", &world.tenant("cloudnx"), "owner"));
    let at = team(&world, &ann, "Platform", &["viewer"]);
    let made = invite(&world, &ann, &at, "ben@example.com", "viewer");
    let token = text(&made, "token");
    let listed = world.ask(&ann.get(&format!("{at}/invites"))).expect(200).json();
    assert_eq!((&listed["invites"][0]["id"], &listed["invites"][0]["status"]), (&made["id"], &json!("pending")));
    assert!(!listed.to_string().contains(&token), "a token is shown twice");
    let _ = world.ask(&accept(&json!({ "token": token }))).expect(401);
    let weak = world.ask(&accept(&json!({ "token": token, "password": "password1234" }))).expect(400);
    assert_eq!(weak.says("refusal-reason"), "weak_password");
    let joined = newcomer(&world, &token).expect(200).json();
    assert_eq!(format!("{TEAMS}/{}", text(&joined, "id")), at);
    let ben = Browser::of(&world, &text(&joined, "sign_in_name"), PASSWORD);
    let _ = world.ask(&ben.get("/compute/instances")).expect(200);
    let denied = world.ask(&ben.change("POST", TEAMS, &json!({ "name": "Mine" }))).expect(403);
    assert_eq!(denied.says("refusal-reason"), "insufficient_scope");
    let members = world.ask(&ann.get(&format!("{at}/members"))).expect(200).json();
    assert_eq!(members["members"][0]["role"], "viewer", "{members:#}");
    let member = format!("{at}/members/{}", text(&members["members"][0], "user_id"));
    // What the team gains comes with the next token; what it loses is gone at the next request.
    let _ = world.ask(&ann.change("PATCH", &at, &json!({ "roles": ["owner"], "name": "Core" }))).expect(200);
    let ben = Browser::of(&world, &text(&joined, "sign_in_name"), PASSWORD);
    let _ = world.ask(&ben.change("POST", TEAMS, &json!({ "name": "Mine" }))).expect(201);
    let _ = world.ask(&ann.change("PATCH", &at, &json!({ "roles": [] }))).expect(200);
    let _ = world.ask(&ben.change("POST", TEAMS, &json!({ "name": "Other" }))).expect(403);
    let _ = world.ask(&ben.get("/compute/instances")).expect(200);
    let removed = world.ask(&ann.change("DELETE", &member, &Value::Null)).expect(200).json();
    assert_eq!(removed["status"], "removed");
    let _ = world.ask(&ben.get("/compute/instances")).expect(401);
    let _ = world.ask(&ann.change("DELETE", &member, &Value::Null)).expect(404);
    let everything = json!(world.gateway.entries().whole()).to_string() + &world.gateway.process().log();
    for secret in [token.as_str(), PASSWORD, "ben@example.com", "Platform"] {
        assert!(!everything.contains(secret), "{secret} is in an entry");
    }
    let wanted = ["create", "invite", "join", "change", "create", "change", "remove_member"];
    let actions = until("every change to be entered", SOON, || {
        let entries = world.gateway.entries().whole();
        let groups = entries.iter().filter(|it| it["class"] == "group.change" && it["outcome"] == "done");
        let actions: Vec<String> = groups.filter_map(|it| it["action"].as_str().map(str::to_owned)).collect();
        (wanted.len() <= actions.len()).then_some(actions)
    });
    assert_eq!(actions, wanted);
    world.gateway.entries().assert_sound();
}

#[test]
fn an_invite_that_is_over_is_gone_to_who_has_a_real_token_and_nothing_to_anybody_else() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let ann = signed_in(&world, &world.user("ann", &tenant, "owner"));
    let (ben, eve) = (world.user("ben", &world.new_tenant("other"), "viewer"), world.user("eve", &tenant, "viewer"));
    let known = eve.name.clone();
    let at = team(&world, &ann, "Platform", &[]);
    let token = text(&invite(&world, &ann, &at, &ben.name, "member"), "token");
    let (ben, eve) = (signed_in(&world, &ben), signed_in(&world, &eve));
    let join = |who: &Browser, token: &str| world.ask(&who.change("POST", ACCEPT, &json!({ "token": token })));
    assert_eq!(join(&eve, &token).expect(409).says("refusal-reason"), "conflict", "it is for another");
    let hers = text(&invite(&world, &ann, &at, &known, "member"), "token");
    assert_eq!(newcomer(&world, &hers).expect(409).says("refusal-reason"), "conflict", "who is known here signs in");
    let foreign = Request::post(NX, ACCEPT).header("Cookie", &ben.0).header("Sec-Fetch-Site", "cross-site");
    let foreign = world.ask(&foreign.json(&json!({ "token": token }))).expect(403);
    assert_eq!(foreign.says("refusal-reason"), "cross_site");
    assert_eq!(join(&ben, &token).expect(200).json()["name"], "Platform");
    let gone = join(&ben, &token).expect(410);
    assert_eq!(gone.says("refusal-reason"), "gone");
    let withdrawn = invite(&world, &ann, &at, "zoe@example.com", "viewer");
    let place = format!("{at}/invites/{}", text(&withdrawn, "id"));
    assert_eq!(world.ask(&ann.change("DELETE", &place, &Value::Null)).expect(200).json()["status"], "revoked");
    assert_eq!(newcomer(&world, &text(&withdrawn, "token")).expect(410).text(), gone.text());
    let open = invite(&world, &ann, &at, "zoe@example.com", "viewer");
    let _ = world.ask(&ann.change("DELETE", &at, &Value::Null)).expect(200);
    let _ = newcomer(&world, &text(&open, "token")).expect(410);
    for unknown in ["ivt_nobody", &text(&open, "id"), &format!("{token}x"), &token.to_uppercase()] {
        let _ = newcomer(&world, unknown).expect(404);
    }
    // No key is anybody who could join.
    let key = world.key("cloudnx", &["account:write", "teams:write"]);
    let signed = json!([{
        "key": serde_json::from_str::<Value>(&key.shown()).expect("a key"),
        "host": NX, "method": "POST", "target": ACCEPT, "body": { "token": token },
    }]);
    let told = acceptance::python(&world, "signed_requests.py", &[("REQUESTS", &signed.to_string())]).out;
    let told: Value = serde_json::from_str(told.lines().last().unwrap_or_default()).expect("an answer");
    assert_eq!(told["answers"][0]["status"], 403, "{told:#}");
}

#[test]
fn whoever_guesses_tokens_of_invites_is_told_to_wait() {
    let world = World::with(|settings, _| settings.more += "[limits.shield]\nfailures_window = \"10m\"\n");
    let ann = signed_in(&world, &world.user("ann", &world.tenant("cloudnx"), "owner"));
    let at = team(&world, &ann, "Platform", &[]);
    let token = text(&invite(&world, &ann, &at, "ben@example.com", "viewer"), "token");
    for number in 0..20 {
        let _ = newcomer(&world, &format!("ivt_{number}")).expect(404);
    }
    let told = newcomer(&world, &token).expect(429);
    assert!(told.says("retry-after").parse::<u64>().is_ok_and(|it| (1..=600).contains(&it)), "{told}");
}

#[test]
fn what_somebody_may_give_no_more_their_invites_do_not() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let owner = signed_in(&world, &world.user("ann", &tenant, "owner"));
    let other = world.user("zoe", &tenant, "owner");
    let zoe = signed_in(&world, &other);
    let plain = team(&world, &zoe, "Plain", &[]);
    let [high, low, gone] = [("a@example.com", "owner"), ("b@example.com", "viewer"), ("c@example.com", "viewer")]
        .map(|(email, role)| text(&invite(&world, &zoe, &plain, email, role), "token"));
    let demoted = json!({ "roles": ["member"] });
    let _ = world.ask(&owner.change("PATCH", &format!("/auth/users/{}", other.id), &demoted)).expect(200);
    assert_eq!(newcomer(&world, &high).expect(410).says("refusal-reason"), "gone");
    let _ = newcomer(&world, &low).expect(200);
    let _ = world.gateway.json(&["users", "suspend", &other.id]);
    let _ = newcomer(&world, &gone).expect(410);
}

#[test]
fn nobody_gives_more_than_they_have_by_a_team_and_the_last_owner_stays() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let owner = signed_in(&world, &world.user("ann", &tenant, "owner"));
    let low = world.key("cloudnx", &["teams:read", "teams:write", "account:write"]);
    let high = team(&world, &owner, "Owners", &["owner"]);
    let (plain, empty) = (team(&world, &owner, "Plain", &[]), team(&world, &owner, "Empty", &[]));
    let hoped = team(&world, &owner, "Hoped", &[]);
    let _ = invite(&world, &owner, &hoped, "yan@example.com", "owner");
    let made = invite(&world, &owner, &plain, "zoe@example.com", "owner");
    let joined = newcomer(&world, &text(&made, "token")).expect(200).json();
    let zoe = world.ask(&owner.get(&format!("{plain}/members"))).expect(200).json();
    let member = format!("{plain}/members/{}", text(&zoe["members"][0], "user_id"));
    let mail = |role: &str| json!({ "email": "new@example.com", "role": role });
    let key: Value = serde_json::from_str(&low.shown()).expect("a key");
    let row = |(method, target, body, _): &(&str, String, Value, u16)| json!({ "key": key, "host": NX, "method": method, "target": target, "body": body });
    let rows = [
        ("POST", TEAMS.to_owned(), json!({ "name": "Mine", "roles": ["viewer"] }), 403),
        ("PATCH", plain.clone(), json!({ "roles": ["viewer"] }), 403),
        ("PATCH", high.clone(), json!({ "roles": [] }), 403),
        ("DELETE", high.clone(), Value::Null, 403),
        ("POST", format!("{high}/invites"), mail("viewer"), 403),
        ("POST", format!("{plain}/invites"), mail("owner"), 403),
        ("DELETE", member.clone(), Value::Null, 403),
        ("DELETE", plain.clone(), Value::Null, 403),
        ("POST", format!("{plain}/invites"), mail("king"), 400),
        ("DELETE", format!("{plain}/invites/{}", text(&made, "id")), Value::Null, 403),
        // Its members are more by it than she is, and a name is as theirs as the rest.
        ("PATCH", plain.clone(), json!({ "name": "Still" }), 403),
        // Whom somebody with more has invited would be more by it.
        ("PATCH", hoped.clone(), json!({ "name": "Mine" }), 403),
        ("DELETE", hoped, Value::Null, 403),
        ("PATCH", empty.clone(), json!({ "name": "Still" }), 200),
        ("PATCH", empty, json!({ "name": "Still", "role": "owner" }), 400),
        ("POST", TEAMS.to_owned(), json!({ "name": "Mine" }), 201),
        ("POST", TEAMS.to_owned(), json!({ "name": "Mine" }), 409),
    ];
    let asked: Vec<Value> = rows.iter().map(row).collect();
    let told = acceptance::python(&world, "signed_requests.py", &[("REQUESTS", &json!(asked).to_string())]).out;
    let told: Value = serde_json::from_str(told.lines().last().unwrap_or_default()).expect("answers");
    for (answer, (method, target, body, status)) in told["answers"].as_array().expect("answers").iter().zip(&rows) {
        assert_eq!(answer["status"], *status, "{method} {target} {body}: {answer:#}");
    }
    // Another owner is there by a team: the first may go, and then she may not.
    let ann = text(&world.ask(&owner.get("/auth/users")).expect(200).json()["users"][0], "id");
    let zoe = Browser::of(&world, &text(&joined, "sign_in_name"), PASSWORD);
    let _ = world.ask(&zoe.change("DELETE", &format!("/auth/users/{ann}"), &Value::Null)).expect(200);
    for target in [&member, &plain] {
        let kept = world.ask(&zoe.change("DELETE", target, &Value::Null)).expect(409);
        assert_eq!(kept.says("refusal-reason"), "conflict");
    }
    let _ = world.ask(&zoe.change("DELETE", &member.replace("/auth/teams", "/auth/users"), &Value::Null)).expect(404);
}

#[test]
fn teams_come_in_pages_and_those_of_another_tenant_are_not_there_at_any_door() {
    let world = World::start();
    let ann = signed_in(&world, &world.user("ann", &world.tenant("cloudnx"), "owner"));
    let eve = signed_in(&world, &world.user("eve", &world.new_tenant("other"), "owner"));
    let teams = ["A", "B", "C"].map(|it| team(&world, &ann, it, &["viewer"]));
    let at = teams.first().expect("a team");
    let theirs = team(&world, &eve, "A", &[]);
    let made = invite(&world, &ann, at, "ben@example.com", "viewer");
    let _ = newcomer(&world, &text(&made, "token")).expect(200);
    let member = text(&world.ask(&ann.get(&format!("{at}/members"))).expect(200).json()["members"][0], "user_id");
    let open = text(&invite(&world, &ann, at, "zoe@example.com", "viewer"), "id");
    let nobody = world.ask(&eve.get(&format!("{TEAMS}/team_nobody"))).expect(404).text();
    let (body, mail) = (json!({ "name": "Stolen" }), json!({ "email": "eve@example.com" }));
    for (method, target, body) in [
        ("GET", at.clone(), Value::Null),
        ("PATCH", at.clone(), body),
        ("DELETE", at.clone(), Value::Null),
        ("GET", format!("{at}/members"), Value::Null),
        ("DELETE", format!("{at}/members/{member}"), Value::Null),
        ("DELETE", format!("{theirs}/members/{member}"), Value::Null),
        ("GET", format!("{at}/invites"), Value::Null),
        ("POST", format!("{at}/invites"), mail),
        ("DELETE", format!("{at}/invites/{open}"), Value::Null),
        ("DELETE", format!("{theirs}/invites/{open}"), Value::Null),
        ("GET", format!("/auth/users/{member}"), Value::Null),
    ] {
        let answer = world.ask(&eve.change(method, &target, &body)).expect(404);
        assert_eq!(answer.text(), nobody, "{method} {target}");
    }
    let seen = world.ask(&eve.get(TEAMS)).expect(200).json();
    assert_eq!(seen["teams"].as_array().map(Vec::len), Some(1), "{seen:#}");
    let id = at.trim_start_matches("/auth/teams/");
    let _ = world.ask(&eve.get(&format!("{TEAMS}?cursor={id}"))).expect(400);
    let page = world.ask(&ann.get(&format!("{TEAMS}?limit=2"))).expect(200).json();
    assert_eq!(page["teams"].as_array().map(Vec::len), Some(2), "{page:#}");
    let next = format!("{TEAMS}?limit=2&cursor={}", text(&page, "next_cursor"));
    let rest = world.ask(&ann.get(&next)).expect(200).json();
    assert_eq!((&rest["teams"][0]["name"], &rest["next_cursor"]), (&json!("C"), &Value::Null), "{rest:#}");
    let _ = world.ask(&ann.get(&format!("{TEAMS}?limit=101"))).expect(400);
    // Which roles there are is for whoever gives them.
    let roles = world.ask(&ann.get("/auth/iam/roles?limit=2")).expect(200).json();
    let names: Vec<&str> =
        roles["roles"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!((names, &roles["next_cursor"]), (vec!["member", "owner"], &json!("owner")), "{roles:#}");
    assert!(roles.to_string().contains("teams:read"), "{roles:#}");
}
