//! What cannot be recorded is not answered for, and a gateway that cannot record can still be stopped.

use std::io::Read as _;
use std::time::Duration;

use acceptance::{Request, World, until};
use serde_json::json;

const NSX: &str = "api.novastraxis.com";
const SOON: Duration = Duration::from_secs(20);

#[test]
fn nothing_is_answered_for_without_a_log() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let ready = || world.gateway.ask_admin("/readyz").status;
    world.gateway.process().starve(true);
    // That nothing can be written is found out with the first entry.
    let _ = world.ask(&Request::get(NSX, "/nope"));
    until("the log to be found unwritable", SOON, || (ready() == 503).then_some(()));
    for request in [
        Request::get(NSX, "/nope"),
        Request::get(NSX, "/v1/x"),
        Request::new("PATCH", NSX, "/v2/compute/instances"),
        Request::get(NSX, "/v2/compute/instances"),
        Request::get(NSX, "/v2/compute/instances").bearer(&key.text),
        Request::get(NSX, "/v2/compute/instances").plain(),
    ] {
        let answer = world.ask(&request).expect(503);
        assert_eq!(answer.json()["error_code"], "service_unavailable", "{answer}");
        assert_eq!(answer.says("refusal-reason"), "unavailable", "{answer}");
    }
    world.gateway.process().starve(false);
    until("the log to be written again", SOON, || (ready() == 200).then_some(()));
    let answer = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).expect(200);
    let entries = world.gateway.entries();
    assert_eq!(entries.of(answer.says("x-request-id"))["decision"]["outcome"], "permit");
    entries.assert_sound();
    // The first answer, six refusals, and this one.
    assert_eq!(entries.all().len(), 8, "answers and entries differ");

    world.gateway.process().starve(true);
    let _ = world.ask(&Request::get(NSX, "/nope"));
    until("the log to be found unwritable", SOON, || (world.gateway.ask_admin("/readyz").status == 503).then_some(()));
    assert_eq!(world.gateway.stop().code(), Some(1), "entries are lost, and it ended as if none were");
}

#[test]
fn a_change_that_cannot_be_entered_is_not_answered_as_done() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let wanted = json!({
        "machine_type": "n2-standard-4", "region": "us-east-1", "network_id": "vpc-4a1c", "image_id": "img-debian-13",
    });
    let request = Request::post(NSX, "/v2/compute/instances").bearer(&key.text).json(&wanted);
    world.clouds.arm("novastraxis", &json!({ "kind": "slow", "ms": 1_000, "times": 1 }));
    let door = world.gateway.door().clone();
    let asked = std::thread::spawn(move || door.ask(&request));
    until("the cloud to have it", SOON, || (!world.clouds.seen("novastraxis").is_empty()).then_some(()));
    world.gateway.process().starve(true);
    let answer = asked.join().expect("an answer").expect(503);
    assert_eq!(answer.says("refusal-reason"), "unavailable", "{answer}");
    world.gateway.process().starve(false);
    let told = until("the entry of what was answered", SOON, || {
        let all = world.gateway.entries().all();
        let own: Vec<_> = all.into_iter().filter(|it| same(it, answer.says("x-request-id"))).collect();
        own.last().is_some_and(|it| it.get("status") == Some(&json!(503))).then_some(own)
    });
    // Where the log was not yet known to be out of order, an answer had been entered that could not be given then.
    let classes: Vec<_> = told.iter().filter_map(|it| it.get("class")?.as_str()).collect();
    let expected = ["request.completed", "request.cut_off"].get(..told.len()).unwrap_or_default();
    assert_eq!(classes, expected, "{told:#?}");
    world.gateway.entries().assert_sound();
}

#[test]
fn a_disk_that_is_full_is_said_and_begun_on_again_when_there_is_space() {
    let mut world = World::with(|settings, _| settings.more.push_str("[audit]\nreserve_bytes = 4194304\n"));
    let key = world.key("novastraxis", &["compute"]);
    assert!(world.gateway.stop().success());
    if !world.gateway.start_again_on_small_disk(16) {
        println!("skipped: this machine lets nobody mount a disk of their own");
        return;
    }
    let request = Request::get(NSX, "/v2/compute/instances").bearer(&key.text);
    let before = world.ask(&request).expect(200).says("x-request-id").to_owned();
    let filler = world.gateway.entries().folder().join("filler");
    let full = std::fs::File::create(&filler)
        .and_then(|mut file| std::io::copy(&mut std::io::repeat(0).take(1 << 24), &mut file));
    assert!(full.is_err(), "the disk is larger than it should be");
    let ready = || world.gateway.ask_admin("/readyz");
    let refused = until("the gateway to refuse", SOON, || Some(world.ask(&request)).filter(|it| it.status == 503));
    assert_eq!(refused.says("refusal-reason"), "unavailable", "{refused}");
    assert!(ready().text().contains("No space left"), "{}", ready().text());
    let measured = |name: &str| world.gateway.metric(&format!("portcullis_audit_{name}"), &[]);
    assert!(measured("writable") < 0.5);
    std::fs::remove_file(&filler).expect("a file of the test");
    until("the gateway to answer again", SOON, || (ready().status == 200).then_some(()));
    assert!(measured("writable") > 0.5);
    let after = world.ask(&request).expect(200).says("x-request-id").to_owned();
    let entries = world.gateway.entries();
    let whole =
        until("the last entry", SOON, || Some(entries.whole()).filter(|all| all.iter().any(|it| same(it, &after))));
    for id in [&before, &after, &refused.says("x-request-id").to_owned()] {
        assert_eq!(whole.iter().filter(|it| same(it, id)).count(), 1, "{id}");
    }
    let said = |action: &str| whole.iter().filter(|it| it["action"] == action).count();
    assert!(said("disk_full") > 0 && said("disk_full") == said("disk_free"), "{whole:#?}");
    entries.assert_sound();
}

#[test]
fn an_old_file_that_is_taken_away_is_said_and_stops_nobody() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let sealed = world.gateway.command(&["audit", "seal"]);
    assert_eq!(sealed.code, 0, "{sealed:?}");
    let kept = std::fs::read_dir(world.gateway.entries().folder().join("checkpoints")).expect("a folder");
    let note = kept.flatten().map(|it| it.path()).find(|it| it.extension().is_some_and(|it| it == "note"));
    let note = note.expect("a checkpoint that is kept");
    let held = std::fs::read(&note).expect("a file");
    let put_back = || std::fs::write(&note, &held).expect("a file of the test");
    let ready = || world.gateway.ask_admin("/readyz");
    // Again and again, because the folder may be younger than the last look.
    until("the operator to be told", SOON, || {
        put_back();
        std::fs::remove_file(&note).expect("a file of the test");
        (ready().status == 503).then_some(())
    });
    assert!(ready().text().contains("checkpoints/"), "{}", ready().text());
    let _ = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).expect(200);
    put_back();
    until("its return", SOON, || (ready().status == 200).then_some(()));
    world.gateway.entries().assert_sound();
}

/// Whether an entry is that of the request with this id, which has what its API puts before it.
fn same(entry: &serde_json::Value, id: &str) -> bool {
    entry.pointer("/request/id").and_then(serde_json::Value::as_str).is_some_and(|it| id.ends_with(it))
}
