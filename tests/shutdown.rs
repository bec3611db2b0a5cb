//! The end of a gateway, wanted or not: no request is lost, and neither is an entry.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use acceptance::{Answer, Request, World, until};
use serde_json::json;

const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_request_that_is_on_its_way_is_answered_before_the_end() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    world.clouds.arm("novastraxis", &json!({ "kind": "slow", "ms": 1_500, "times": 1 }));
    let mut connection = world.gateway.door().secure(NSX);
    connection
        .send(format!("GET {LIST} HTTP/1.1\r\nHost: {NSX}\r\nAuthorization: Bearer {}\r\n\r\n", key.text).as_bytes());
    until("the cloud to have it", SOON, || (!world.clouds.seen("novastraxis").is_empty()).then_some(()));
    let entries = world.gateway.entries();
    world.gateway.process().signal("TERM");
    let answer = connection.answer("GET").expect(200);
    assert_eq!(answer.says("connection"), "close", "{answer}");
    assert!(world.gateway.stop().success());
    assert_eq!(entries.all().len(), 1);
    assert_eq!(entries.of(answer.says("x-request-id"))["decision"]["outcome"], "permit");
}

/// What became of the requests of one thread.
#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    lost: AtomicUsize,
}

/// Asks again and again, on connections that are kept as long as the gateway keeps them, until it takes no more of them.
fn ask_until_refused(door: SocketAddr, tally: &Tally) {
    let request = format!("GET {LIST} HTTP/1.1\r\nHost: {NSX}\r\n\r\n");
    while let Ok(mut stream) = TcpStream::connect(door) {
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        let mut used = false;
        loop {
            let sent = stream.write_all(request.as_bytes());
            let Some(answer) = sent.ok().and_then(|()| Answer::if_whole(&mut stream)) else {
                // A connection that was never taken is a refused connection; one that was used before is not.
                tally.lost.fetch_add(usize::from(used), Ordering::Relaxed);
                break;
            };
            tally.answered.fetch_add(1, Ordering::Relaxed);
            used = true;
            if answer.header("connection") == Some("close") {
                break;
            }
        }
    }
}

#[test]
fn the_end_under_load_loses_no_request_and_no_entry() {
    let mut world =
        World::with(|settings, _| settings.more.push_str("[limits.shield]\nrate = 100000\nburst = 100000\n"));
    let door = world.gateway.door().http;
    let entries = world.gateway.entries();
    let tally = Tally::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| ask_until_refused(door, &tally));
        }
        until("requests to flow", SOON, || (tally.answered.load(Ordering::Relaxed) > 200).then_some(()));
        world.gateway.process().signal("TERM");
    });
    assert!(world.gateway.stop().success());
    assert_eq!(tally.lost.load(Ordering::Relaxed), 0, "a request was sent and not answered");
    assert_eq!(entries.all().len(), tally.answered.load(Ordering::Relaxed), "answers and entries differ");
    entries.assert_sound();
}

#[test]
fn a_log_survives_a_kill_and_goes_on_where_it_ended() {
    let mut world = World::start();
    for _ in 0..50 {
        let _ = world.ask(&Request::get(NSX, LIST)).expect(401);
    }
    until("every entry", SOON, || (world.gateway.entries().all().len() == 50).then_some(()));
    world.gateway.crash();
    let _ = world.ask(&Request::get(NSX, LIST)).expect(401);
    until("the next entry", SOON, || (world.gateway.entries().all().len() == 51).then_some(()));
    world.gateway.entries().assert_sound();
    assert!(world.gateway.stop().success());
    // The machine went down in the middle of an entry.
    let file = world.gateway.entries().newest_file();
    let mut log = std::fs::File::options().append(true).open(&file).expect("the log");
    log.write_all(b"\x00\x02\x00\x00half an entry").expect("half an entry");
    world.gateway.crash();
    let _ = world.ask(&Request::get(NSX, LIST)).expect(401);
    until("the next entry", SOON, || (world.gateway.entries().all().len() == 52).then_some(()));
    world.gateway.entries().assert_sound();
    let mut runs = world.gateway.entries().whole();
    runs.retain(|it| it["class"] == "audit.control");
    let told: Vec<_> = runs.iter().map(|it| (&it["action"], &it["before"], &it["torn"])).collect();
    assert_eq!(
        told,
        [
            (&json!("start"), &json!("nothing"), &json!(0)),
            (&json!("start"), &json!("crash"), &json!(0)),
            (&json!("stop"), &json!(null), &json!(null)),
            (&json!("start"), &json!("stop"), &json!(17)),
        ]
    );
    assert!(world.gateway.process().log().contains("torn"), "nobody was told of the torn end");
}

#[test]
fn an_answer_to_a_change_is_entered_before_it_is_given() {
    // Nothing is written but what somebody waits for.
    let mut world = World::with(|settings, _| settings.more.push_str("[audit]\nflush_ms = 600000\nsync_ms = 600000\n"));
    let key = world.key("novastraxis", &["compute"]);
    let wanted = json!({
        "machine_type": "n2-standard-4", "region": "us-east-1", "network_id": "vpc-4a1c", "image_id": "img-debian-13",
    });
    for _ in 0..5 {
        let post = |body| Request::post(NSX, LIST).bearer(&key.text).json(body);
        let (made, refused) = (world.ask(&post(&wanted)), world.ask(&post(&json!({}))).expect(400));
        assert!(made.status < 300, "{made}");
        let read = world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200);
        world.gateway.crash();
        let entries = world.gateway.entries();
        for (answer, outcome) in [(made, "permit"), (refused, "refuse")] {
            let entry = entries.of(answer.says("x-request-id"));
            assert_eq!((&entry["strict"], &entry["decision"]["outcome"]), (&json!(true), &json!(outcome)), "{entry:#}");
            assert_eq!(entry["status"], answer.status, "{entry:#}");
        }
        let lost = entries.all().iter().all(|it| it["request"]["id"] != read.says("x-request-id"));
        assert!(lost, "a read was waited for, so that this test shows nothing");
    }
}

#[test]
fn a_changed_log_is_found_out() {
    let mut world = World::start();
    for _ in 0..5 {
        let _ = world.ask(&Request::get(NSX, LIST)).expect(401);
    }
    assert!(world.gateway.stop().success());
    let file = world.gateway.entries().newest_file();
    let good = std::fs::read(&file).expect("the log");
    let mut changed = good.clone();
    let middle = good.len() / 2;
    changed[middle] ^= 1;
    let cut = "are signed for, and there are";
    for (changed, named) in [(changed, "was changed"), (good[..middle].to_vec(), cut), (Vec::new(), cut)] {
        std::fs::write(&file, changed).expect("the log");
        let verdict = world.gateway.command(&["audit", "verify"]);
        assert_eq!(verdict.code, 1, "{verdict:?}");
        assert!(verdict.out.contains("BROKEN: ") && verdict.out.contains(named), "{verdict:?}");
    }
}

#[test]
fn what_cannot_be_recorded_is_not_served() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let request = Request::get(NSX, LIST).bearer(&key.text);
    let _ = world.ask(&request).expect(200);
    until("its entry", SOON, || (world.gateway.entries().all().len() == 1).then_some(()));
    let id = world.gateway.process().id().to_string();
    let limit = |size: &str| {
        let done = Command::new("prlimit").args(["--pid", &id, &format!("--fsize={size}:unlimited")]).status();
        assert!(done.is_ok_and(|it| it.success()), "the limit cannot be set");
    };
    // A disk that takes not one more byte.
    let size = std::fs::metadata(world.gateway.entries().newest_file()).expect("the log").len();
    limit(&size.to_string());
    let refused = until("the gateway to refuse", SOON, || {
        let answer = world.ask(&request);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.status, 503, "{refused}");
    assert_eq!(refused.json()["error_code"], "service_unavailable", "{refused}");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    assert_eq!(world.gateway.ask_admin("/readyz").status, 503);
    assert!(world.gateway.ask_admin("/readyz").text().contains("audit"));
    limit("unlimited");
    let answer = until("the gateway to heal", SOON, || {
        let answer = world.ask(&request);
        (answer.status == 200).then_some(answer)
    });
    let _ = world.gateway.entries().of(answer.says("x-request-id"));
    let _ = world.gateway.entries().of(refused.says("x-request-id"));
    world.gateway.entries().assert_sound();
    assert_eq!(world.gateway.ask_admin("/readyz").status, 200);
}
