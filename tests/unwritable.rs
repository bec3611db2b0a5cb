//! What cannot be recorded is not answered for, and a gateway that cannot record can still be stopped.

use std::time::Duration;

use acceptance::{Request, World, until};

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
