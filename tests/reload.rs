//! A configuration is taken whole or not at all, while requests go on.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use acceptance::{Request, World, until};
use serde_json::json;

const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";
const SOON: Duration = Duration::from_secs(20);

/// A world with one API, whose profile and guardrails are copies that the test may change.
fn world() -> (World, PathBuf) {
    world_of("novastraxis")
}

fn world_of(api: &str) -> (World, PathBuf) {
    let world = World::with(|settings, folder| {
        for (name, from) in [("apis", &mut settings.apis), ("guardrails", &mut settings.guardrails)] {
            let copy = folder.join(name);
            let done = Command::new("cp").arg("-r").arg(&*from).arg(&copy).status();
            assert!(done.is_ok_and(|it| it.success()), "`{name}` cannot be copied");
            *from = copy;
        }
        // Reading five APIs again and again is for a test with more time.
        for other in std::fs::read_dir(&settings.apis).expect("profiles").flatten() {
            if other.file_name() != api {
                std::fs::remove_dir_all(other.path()).expect("a folder of the test");
            }
        }
        settings.upstreams.retain(|it, _| it == api);
        settings.more = String::from("[limits.shield]\nrate = 100000\nburst = 100000\n");
    });
    let folder = world.folder().to_owned();
    (world, folder)
}

fn failures(world: &World) -> f64 {
    world.gateway.metric("portcullis_config_reload_failures_total", &[])
}

fn generation(world: &World) -> f64 {
    world.gateway.metric("portcullis_config_generation", &[])
}

/// Changes a file and waits until the gateway has looked at it.
#[track_caller]
fn change(world: &World, file: &Path, text: &str) {
    let before = (failures(world), generation(world));
    std::fs::write(file, text).expect("a file of the test");
    until("the change to be noticed", SOON, || ((failures(world), generation(world)) != before).then_some(()));
}

#[test]
fn what_is_broken_is_told_with_its_line_and_changes_nothing() {
    let (world, folder) = world();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let bundle = |id: &str| world.gateway.entries().of(id)["decision"]["bundle"].clone();
    let first = bundle(world.ask(&request).expect(200).says("x-request-id"));
    let api = folder.join("apis/novastraxis");
    let cases: [(PathBuf, &str, &str); 8] = [
        (api.join("api.toml"), "https_only = true", "https_only = \"perhaps\""),
        (api.join("api.toml"), "https_only = true", "https_only = true\nhttp_only = true"),
        (api.join("api.toml"), "[dialect.default]", "[dialect.default"),
        (api.join("openapi.yaml"), "operationId: createInstance", "operationId: listInstances"),
        (api.join("openapi.yaml"), "operationId: createInstance", "operationId: [createInstance"),
        (api.join("access.cedar"), "principal in Gw::Scope::\"compute\"", "principal in Gw::Scope::\"compute"),
        (api.join("access.cedar"), "\"listInstances\"", "\"listNothing\""),
        (folder.join("guardrails/credential.cedar"), "forbid", "forbidden"),
    ];
    for (file, from, to) in &cases {
        let good = std::fs::read_to_string(file).expect("a file of the project");
        assert!(good.contains(from), "no `{from}` in {}", file.display());
        let before = failures(&world);
        change(&world, file, &good.replacen(from, to, 1));
        assert!(failures(&world) > before, "`{to}` was taken");
        let id = world.ask(&request).expect(200).says("x-request-id").to_owned();
        assert_eq!(bundle(&id), first, "half of `{to}` was taken");
        let checked = world.gateway.command(&["check"]);
        assert_eq!(checked.code, 2, "{checked:?}");
        let name = file.strip_prefix(&folder).expect("below the folder").display().to_string();
        let place = checked.errors.split(&format!("{name}:")).nth(1).unwrap_or_else(|| panic!("no file: {checked:?}"));
        assert!(place.starts_with(|it: char| it.is_ascii_digit()), "no line: {checked:?}");
        change(&world, file, &good);
        until("the good file to be taken again", SOON, || (world.gateway.command(&["check"]).code == 0).then_some(()));
    }
    let _ = world.ask(&request).expect(200);
}

#[test]
fn settings_that_cannot_be_read_change_nothing() {
    let (world, _) = world();
    let file = world.gateway.settings().to_owned();
    let good = std::fs::read_to_string(&file).expect("settings");
    for broken in [format!("{good}\n[nonsense]\na = 1\n"), format!("workers = \"many\"\n{good}"), "data = [".to_owned()]
    {
        let before = failures(&world);
        change(&world, &file, &broken);
        assert!(failures(&world) > before, "broken settings were taken: {broken}");
        let checked = world.gateway.command(&["check"]);
        assert_eq!(checked.code, 2, "{checked:?}");
        assert!(checked.errors.contains("portcullis.toml:"), "{checked:?}");
        let _ = world.ask(&Request::get(NSX, LIST)).expect(401);
    }
    let before = generation(&world);
    change(&world, &file, &good);
    assert!(generation(&world) > before, "good settings were not taken");
}

#[test]
fn a_policy_is_in_force_for_the_next_request() {
    let (world, folder) = world();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let mut connection = world.gateway.door().secure(NSX);
    let before = connection.ask(&request).expect(200);
    let file = folder.join("apis/novastraxis/access.cedar");
    let good = std::fs::read_to_string(&file).expect("policies");
    // The cases of these policies would not let the change through.
    std::fs::remove_file(folder.join("apis/novastraxis/access.cases.json")).expect("a file of the test");
    std::fs::write(&file, good.replacen("Novastraxis::Action::\"listInstances\",", "", 1)).expect("a file of the test");
    world.gateway.reload();
    let after = connection.ask(&request).expect(403);
    let bundle = |id: &str| world.gateway.entries().of(id)["decision"]["bundle"].to_string();
    assert_ne!(bundle(before.says("x-request-id")), bundle(after.says("x-request-id")));
}

#[test]
fn what_a_role_loses_the_sessions_of_its_users_lose() {
    let (world, folder) = world_of("cloudnx");
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let sign_in = Request::post("cloudnx.in", "/auth/login").header("Origin", "https://cloudnx.in");
    let answer = world.ask(&sign_in.json(&json!({ "email": ann.name, "password": ann.password }))).expect(200);
    let cookie = answer.headers.iter().find(|(_, it)| it.starts_with("cnx_access=")).expect("a session");
    let cookie = cookie.1.split(';').next().unwrap_or_default();
    let list = Request::get("cloudnx.in", "/compute/instances").header("Cookie", cookie);
    let _ = world.ask(&list).expect(200);
    let file = folder.join("apis/cloudnx/api.toml");
    let good = std::fs::read_to_string(&file).expect("a profile");
    let viewer = "scopes = [\"account:write\", \"compute:read\",";
    assert!(good.contains(viewer), "{good}");
    change(&world, &file, &good.replace(viewer, "scopes = [\"account:write\","));
    until("the session to lose it", SOON, || (world.ask(&list).status == 403).then_some(()));
    let fitted = world.gateway.entries().of_kind(1, |it| it["action"] == "fit").remove(0);
    assert_eq!(fitted["class"], "key.change", "{fitted:#}");
    change(&world, &file, &good);
    until("the session to have it back", SOON, || (world.ask(&list).status == 200).then_some(()));
}

#[test]
fn folders_that_are_replaced_or_named_anew_are_still_watched() {
    let (world, folder) = world();
    let settled = || (failures(&world), generation(&world));
    let noticed = |what: &str, before| until(what, SOON, || (settled() != before).then_some(()));
    let copy = |from: &str, to: &str| {
        let done = Command::new("cp").arg("-r").arg(folder.join(from)).arg(folder.join(to)).status();
        assert!(done.is_ok_and(|it| it.success()), "`{from}` cannot be copied");
    };
    // As a deployment does it: another folder under the same name.
    copy("apis", "next");
    let before = settled();
    std::fs::rename(folder.join("apis"), folder.join("last")).expect("a folder of the test");
    std::fs::rename(folder.join("next"), folder.join("apis")).expect("a folder of the test");
    noticed("the other folder", before);
    let broken = failures(&world);
    change(&world, &folder.join("apis/novastraxis/api.toml"), "name = ");
    assert!(failures(&world) > broken, "a change in the other folder was taken");
    // Another name for it.
    let file = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&file).expect("settings");
    let before = generation(&world);
    change(&world, &file, &text.replace("/apis\"", "/last\""));
    until("the other name", SOON, || (generation(&world) > before).then_some(()));
    let broken = failures(&world);
    change(&world, &folder.join("last/novastraxis/api.toml"), "name = ");
    assert!(failures(&world) > broken, "a change under the other name was taken");
}

#[test]
fn settings_that_go_missing_change_nothing_and_are_taken_when_they_are_back() {
    let (world, folder) = world();
    let (file, away) = (world.gateway.settings().to_owned(), folder.join("away.toml"));
    let before = (failures(&world), generation(&world));
    std::fs::rename(&file, &away).expect("settings");
    until("the loss to be noticed", SOON, || (failures(&world) > before.0).then_some(()));
    assert!(generation(&world) < before.1 + 0.5, "other settings were taken");
    std::fs::rename(&away, &file).expect("settings");
    until("the return to be noticed", SOON, || (generation(&world) > before.1).then_some(()));
}

#[test]
fn a_link_above_the_profiles_is_followed_when_it_is_switched() {
    let world = World::with(|settings, folder| {
        for set in ["one", "two"] {
            std::fs::create_dir(folder.join(set)).expect("a folder of the test");
            let done = Command::new("cp").arg("-r").arg(&settings.apis).arg(folder.join(set).join("apis")).status();
            assert!(done.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        }
        std::fs::write(folder.join("two/apis/README"), "other contents").expect("a file of the test");
        std::os::unix::fs::symlink("one", folder.join("current")).expect("a link of the test");
        settings.apis = folder.join("current/apis");
    });
    let folder = world.folder().to_owned();
    let before = generation(&world);
    std::os::unix::fs::symlink("two", folder.join("next")).expect("a link of the test");
    std::fs::rename(folder.join("next"), folder.join("current")).expect("a link of the test");
    until("the switch to be noticed", SOON, || (generation(&world) > before).then_some(()));
    let broken = failures(&world);
    change(&world, &folder.join("two/apis/novastack/api.toml"), "name = ");
    assert!(failures(&world) > broken, "a change behind the link was taken");
}

#[test]
fn a_request_under_way_goes_where_it_began_to() {
    let (world, _) = world();
    let key = world.key("novastraxis", &["compute"]);
    let body = "{\"machine_type\":\"n2-standard-4\",\"region\":\"us-east-1\",\"network_id\":\"vpc-4a1c\",\"image_id\":\"img-debian-13\"}";
    let mut connection = world.gateway.door().secure(NSX);
    let head = format!("POST {LIST} HTTP/1.1\r\nHost: {NSX}\r\nAuthorization: Bearer {}\r\n", key.text);
    let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.send(format!("{head}{rest}").as_bytes());
    until("it to be under way", SOON, || {
        (world.gateway.metric("portcullis_requests_in_flight", &[]) > 0.5).then_some(())
    });
    let file = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&file).expect("settings");
    let upstream = world.clouds.address("novastraxis").to_string();
    let before = generation(&world);
    change(&world, &file, &text.replace(&upstream, "127.0.0.1:9"));
    assert!(generation(&world) > before, "the other upstream was not taken");
    connection.send(body.as_bytes());
    let answer = connection.answer("POST");
    assert!(answer.status < 500, "{answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert!(answer.status == 400 || entry["upstream"]["peer"] == upstream, "{entry:#}");
    let gone = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(502);
    assert_eq!(gone.says("refusal-reason"), "upstream_unreachable", "{gone}");
}

#[test]
fn a_policy_that_went_missing_is_a_fault_and_a_guardrail_that_did_is_in_force() {
    let (world, folder) = world();
    let told = |what: &str| {
        let checked = world.gateway.command(&["check"]);
        assert!(checked.code == 2 && checked.errors.contains(what), "{checked:?}");
    };
    let access = folder.join("apis/novastraxis/access.cedar");
    let good = std::fs::read_to_string(&access).expect("policies");
    std::fs::remove_file(&access).expect("a file of the test");
    told("access.cases.json: there is no `");
    told("there is no policy, so that nobody may ask for anything");
    std::fs::write(&access, good).expect("a file of the test");

    let guardrails = std::fs::read_dir(folder.join("guardrails")).expect("guardrails").flatten();
    guardrails.for_each(|it| std::fs::remove_file(it.path()).expect("a file of the test"));
    let tenant = world.tenant("novastraxis");
    let key = world.key("novastraxis", &["compute"]);
    world.gateway.reload();
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let _ = world.ask(&request).expect(200);
    let _ = world.gateway.json(&["tenants", "suspend", &tenant]);
    until("the suspension", SOON, || (world.ask(&request).status == 403).then_some(()));

    // A copy of what every policy may use lies beside them for reading.
    let schema = folder.join("portcullis.cedarschema");
    std::fs::write(&schema, "entty Foo;").expect("a file of the test");
    told("portcullis.cedarschema:1");
    std::fs::remove_file(&schema).expect("a file of the test");

    // Emptied rather than left out, it no longer decides as the one that comes with the gateway.
    std::fs::write(folder.join("guardrails/credential.cedar"), "").expect("a file of the test");
    told("credential.c");
}

/// Another API, made from one that is there: its own name, hosts and keys.
fn sixth(world: &World, folder: &Path) {
    let (draft, from) = (folder.join("draft"), folder.join("apis/novastraxis"));
    std::fs::create_dir(&draft).expect("a folder of the test");
    for found in std::fs::read_dir(from).expect("a profile") {
        let file = found.expect("a file").path();
        let text = std::fs::read_to_string(&file).expect("a text");
        let text =
            text.replace("novastraxis", "sixth").replace("Novastraxis", "Sixth").replace("nsx_live_", "six_live_");
        let upstream = format!("url = \"http://{}\"", world.clouds.address("novastraxis"));
        let text = text.replace("url = \"http://127.0.0.1:9101\"", &upstream);
        std::fs::write(draft.join(file.file_name().expect("a name")), text).expect("a file of the test");
    }
    std::fs::rename(draft, folder.join("apis/sixth")).expect("a folder of the test");
}

#[test]
fn a_sixth_api_is_served_without_a_restart_and_nobody_notices() {
    let (world, folder) = world();
    let key = world.key_with("novastraxis", &world.tenant("novastraxis"), &["compute"], &["--tier", "enterprise"]);
    let door = world.gateway.door().clone();
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let request = Request::get(NSX, LIST).bearer(&key.text);
                let mut connection = door.secure(NSX);
                while !stop.load(Ordering::Relaxed) {
                    let answer = connection.ask(&request);
                    if answer.says("connection") == "close" {
                        connection = door.secure(NSX);
                    }
                    // The limits of the tier are no failure.
                    assert!([200, 429].contains(&answer.status), "{answer}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        until("requests to flow", SOON, || (answered.load(Ordering::Relaxed) > 20).then_some(()));
        let before = generation(&world);
        sixth(&world, &folder);
        until("the sixth API to be noticed", SOON, || (generation(&world) > before).then_some(()));
        let under = answered.load(Ordering::Relaxed);
        until("requests to flow on", SOON, || (answered.load(Ordering::Relaxed) > under + 20).then_some(()));
        stop.store(true, Ordering::Relaxed);
    });
    let sixth = world.key_with("sixth", &world.new_tenant("sixth"), &["compute"], &[]);
    let answer = world.ask(&Request::get("api.sixth.com", LIST).bearer(&sixth.text)).expect(200);
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["request"]["api"], "sixth", "{entry:#}");
    let _ = world.ask(&Request::get("api.sixth.com", LIST).bearer(&key.text)).expect(401);
    let wanted = answered.load(Ordering::Relaxed) + 2;
    until("every entry", SOON, || (world.gateway.entries().all().len() >= wanted).then_some(()));
    assert_eq!(world.gateway.entries().all().len(), wanted, "requests and entries differ");
}

#[test]
fn a_hundred_hang_ups_lose_no_request() {
    let (world, _) = world();
    let door = world.gateway.door().clone();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut connection = door.secure(NSX);
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = connection.ask(&Request::get(NSX, LIST)).expect(401);
                if answer.says("connection") == "close" {
                    connection = door.secure(NSX);
                }
                count += 1;
            }
            count
        });
        for _ in 0..100 {
            world.gateway.process().signal("HUP");
        }
        world.gateway.reload();
        stop.store(true, Ordering::Relaxed);
        assert!(asking.join().is_ok_and(|count| count > 0));
    });
    assert!(failures(&world) < 0.5, "a good configuration was not taken");
}

#[test]
fn what_is_taken_away_is_taken_away_while_a_profile_is_broken() {
    let (world, folder) = world();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let _ = world.ask(&request).expect(200);
    std::fs::write(folder.join("apis/novastraxis/api.toml"), "name = 7\n").expect("a file of the test");

    let make = ["api-keys", "create", "--name", "another", "--scopes", "compute"];
    let refused = world.gateway.command(&make);
    assert!(refused.code == 2 && refused.errors.contains("api.toml"), "{refused:?}");
    let _ = world.gateway.json(&["api-keys", "revoke", &key.id]);
    let _ = world.ask(&request).expect(401);
    let suspended = world.gateway.json(&["tenants", "suspend", &world.tenant("novastraxis")]);
    assert_eq!(suspended["status"], "suspended", "{suspended}");
}

#[test]
fn keys_are_followed_and_probes_answered_while_a_configuration_is_read() {
    let (world, folder) = world();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let _ = world.ask(&request).expect(200);
    // A file that does not come to an end for as long as the test holds the other side of it.
    let (made, endless) = (folder.join("pipe"), folder.join("apis/novastraxis/notes"));
    assert!(Command::new("mkfifo").arg(&made).status().is_ok_and(|it| it.success()), "no pipe can be made");
    let before = (generation(&world), failures(&world));
    std::fs::rename(&made, &endless).expect("a pipe");
    world.gateway.process().signal("HUP");
    let writing = std::fs::File::options().write(true).open(&endless).expect("opens once the gateway reads");

    let _ = world.gateway.json(&["api-keys", "revoke", &key.id]);
    let _ = world.ask(&request).expect(401);
    let _ = world.gateway.ask_admin("/readyz").expect(200);
    let read = || (generation(&world), failures(&world)) != before;
    assert!(!read(), "the file was read before it ended");

    std::fs::remove_file(&endless).expect("a pipe");
    drop(writing);
    until("the reading to come to an end", SOON, || read().then_some(()));
}
