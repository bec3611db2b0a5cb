//! What cannot be recorded is not answered for, and a gateway that cannot record can still be stopped.

use std::time::Duration;

use acceptance::{Request, World, until};
use serde_json::json;

const NSX: &str = "api.novastraxis.com";
const SOON: Duration = Duration::from_secs(10);

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
    let _ = world.gateway.stop();
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
    let told = until("both entries", SOON, || {
        let all = world.gateway.entries().all();
        let own: Vec<_> = all.into_iter().filter(|it| it["request"]["id"] == answer.says("x-request-id")).collect();
        (own.len() == 2).then_some(own)
    });
    let classes: Vec<_> = told.iter().map(|it| (&it["class"], &it["status"])).collect();
    let completed = told[0]["status"].clone();
    assert_eq!(classes, [(&json!("request.completed"), &completed), (&json!("request.cut_off"), &json!(503))]);
    world.gateway.entries().assert_sound();
}
