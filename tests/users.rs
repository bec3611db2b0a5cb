//! Looking after people by commands.

use acceptance::{Key, Request, World, until};
use serde_json::{Value, json};

/// Runs a command that reads a password from standard input.
#[track_caller]
fn with_password(world: &World, words: &[&str], password: &str) -> (Option<i32>, String) {
    let told = world.gateway.command_reading(words, password);
    (Some(told.code), told.out + &told.errors)
}

#[test]
fn people_are_looked_after_by_commands_and_entries_name_them_by_their_ids() {
    let world = World::start();
    let tenant = world.tenant("cloudnx");
    let owner = world.user("zoe", &tenant, "owner");
    let made = world.user("Wanda", &tenant, "viewer");
    let command = |words: &[&str]| world.gateway.json(&[&["users"], words].concat());
    let listed = command(&["list", "--tenant", &tenant]);
    let ids: Vec<&Value> = listed.as_array().expect("a list").iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, [&json!(owner.id), &json!(made.id)]);
    let shown = command(&["show", "WANDA@example.com"]);
    assert_eq!(shown[0]["roles"], json!([format!("{tenant}=viewer")]), "{shown}");
    assert_eq!(shown[0].get("password"), None, "{shown}");
    assert_eq!(command(&["suspend", &made.id])["status"], "suspended");
    assert_eq!(command(&["resume", &made.name])["status"], "active");
    let roles = command(&["set-roles", &made.id, "--tenant", &tenant, "--roles", "member"]);
    assert_eq!(roles["roles"], json!([format!("{tenant}=member")]));
    let (code, said) =
        with_password(&world, &["users", "set-password", &made.id, "--password-stdin"], "a horse of wanda\n");
    assert!(code == Some(0) && !said.contains("a horse of wanda"), "{said}");
    let (code, said) = with_password(&world, &["users", "set-password", &made.id, "--password-stdin"], "short\n");
    assert!(code == Some(2) && said.contains("a password has at least 12 characters"), "{said}");
    let told = world.gateway.command(&["users", "create", "--name", "wanda@example.com"]);
    assert!(told.code == 2 && told.errors.contains("somebody signs in by `wanda@example.com` already"), "{told:?}");
    assert_eq!(world.gateway.command(&["users", "reset-mfa", &made.id]).code, 2, "there is none");
    let told = world.gateway.command(&["users", "delete", &owner.name]);
    assert!(told.code == 2 && told.errors.contains("nobody else is an owner of tenant"), "{told:?}");
    assert_eq!(command(&["delete", &made.name])["id"], json!(made.id));
    assert_eq!(world.gateway.command(&["users", "show", &made.name]).code, 2);
    let entries = until("every deed to be entered", std::time::Duration::from_secs(20), || {
        let all = world.gateway.entries().whole();
        all.iter().any(|it| it["action"] == "delete_user" && it["outcome"] == "done").then_some(all)
    });
    let of_wanda: Vec<&str> = entries
        .iter()
        .filter(|it| it["target"] == json!(made.id) && it["class"] != "audit.read")
        .filter_map(|it| it["action"].as_str())
        .collect();
    let done = [
        "create_user",
        "set",
        "suspend_user",
        "resume_user",
        "set",
        "set_password",
        "set_password",
        "reset_factor",
        "delete_user",
    ];
    assert_eq!(of_wanda, done, "{entries:#?}");
    let everything = json!(entries).to_string().to_lowercase();
    for secret in ["wanda", "zoe", "horse", &made.password.to_lowercase()] {
        assert!(!everything.contains(secret), "`{secret}` is in an entry");
    }
}

const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";

fn opens(world: &World, key: &Key) -> u16 {
    world.ask(&Request::get(NSX, LIST).bearer(&key.text)).status
}

#[test]
fn a_key_that_a_user_holds_does_no_more_than_they_and_ends_with_them_at_once() {
    let world = World::start();
    let (tenant, other) = (world.tenant("novastraxis"), world.new_tenant("other"));
    let _ = world.user("zoe", &tenant, "owner");
    let ann = world.user("ann", &tenant, "member");
    for (owner, tenant) in [("ops", &tenant), ("usr_0000000000000000", &tenant), (ann.id.as_str(), &other)] {
        let words = ["api-keys", "create", "--api", "novastraxis", "--tenant", tenant, "--name", "x", "--owner", owner];
        let told = world.gateway.command(&words);
        assert!(told.code == 2 && told.errors.contains("`portcullis users list` show ids"), "{owner}: {told:?}");
    }
    // More than her role is asked for, and not given.
    let key = world.key_with("novastraxis", &tenant, &["compute", "iam"], &["--owner", &ann.id]);
    let signs = world.key_with("cloudnx", &tenant, &["compute:read", "iam:write"], &["--owner", &ann.id]);
    let shown = world.gateway.json(&["users", "show", &ann.id]);
    assert_eq!(shown[0]["keys"], json!([key.id, signs.id]), "{shown:#}");
    let body = json!({ "access_key_id": signs.text, "secret_access_key": signs.secret });
    let exchange = Request::post("cloudnx.in", "/auth/iam/exchange-credentials").json(&body);
    let exchanged = world.ask(&exchange).expect(200).json();
    let token = exchanged["access_token"].as_str().expect("a token");
    let instances = || world.ask(&Request::get("cloudnx.in", "/compute/instances").bearer(token)).status;
    let iam = Request::post("cloudnx.in", "/auth/iam/users").bearer(token).json(&json!({ "name": "x" }));
    assert_eq!((opens(&world, &key), instances(), world.ask(&iam).status), (200, 200, 403));
    assert_eq!(
        world.gateway.command(&["users", "set-roles", &ann.id, "--tenant", &tenant, "--roles", "viewer"]).code,
        0
    );
    assert_eq!((opens(&world, &key), instances()), (403, 200), "a viewer sees instances of cloudnx alone");
    assert_eq!(world.gateway.command(&["users", "suspend", &ann.id]).code, 0);
    assert_eq!((opens(&world, &key), instances(), world.ask(&exchange).status), (401, 401, 401));
    assert_eq!(world.gateway.command(&["users", "resume", &ann.id]).code, 0);
    assert_eq!((opens(&world, &key), instances()), (401, 401), "what has ended does not begin again");
    assert_eq!(world.gateway.json(&["users", "show", &ann.id])[0]["keys"], json!([]));
    for (words, left) in [(vec!["set-roles", "--tenant", &tenant, "--roles", ""], 401), (vec!["delete"], 401)] {
        let ben = world.user(words[0], &tenant, "member");
        let key = world.key_with("novastraxis", &tenant, &["compute"], &["--owner", &ben.id]);
        assert_eq!(opens(&world, &key), 200);
        assert_eq!(world.gateway.command(&[&["users"], &words[..], &[&ben.id]].concat()).code, 0);
        assert_eq!(opens(&world, &key), left, "{words:?}");
    }
    world.gateway.entries().assert_sound();
}

#[test]
fn what_a_role_lost_in_the_profile_the_keys_of_users_have_lost_at_the_next_start() {
    let mut apis = std::path::PathBuf::new();
    let mut world = World::with(|settings, folder| {
        apis = folder.join("apis");
        let copied = std::process::Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        settings.apis.clone_from(&apis);
    });
    let tenant = world.tenant("novastraxis");
    let ann = world.user("ann", &tenant, "member");
    let held = world.key_with("novastraxis", &tenant, &["compute"], &["--owner", &ann.id]);
    let free = world.key("novastraxis", &["compute"]);
    assert_eq!((opens(&world, &held), opens(&world, &free)), (200, 200));
    assert!(world.gateway.stop().success());
    let file = apis.join("novastraxis/api.toml");
    let text = std::fs::read_to_string(&file).expect("a profile");
    let less = text.replace(r#"scopes = ["compute", "network", "#, r#"scopes = ["network", "#);
    assert_ne!(text, less);
    std::fs::write(&file, less).expect("a profile");
    world.gateway.start_again();
    assert_eq!((opens(&world, &held), opens(&world, &free)), (403, 200));
    let narrowed = world.gateway.entries().of_kind(1, |it| it["action"] == "narrow");
    assert_eq!((&narrowed[0]["key"], &narrowed[0]["facts"]["owner"]), (&json!(held.id), &json!(ann.id)));
}
