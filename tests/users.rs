//! Looking after people by commands.

use acceptance::{World, until};
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
