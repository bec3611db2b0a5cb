//! No secret is found anywhere but where it was shown once and where it is kept.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

#[path = "secrets/carriers.rs"]
mod carriers;
#[path = "secrets/places.rs"]
mod places;
#[path = "secrets/shapes.rs"]
mod shapes;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use acceptance::{Answer, Key, Request, World, python_alone, until};
use carriers::HANDED_ON;
use places::{Place, Receivers};
use serde_json::{Value, json};
use shapes::{APIS, NOVA, NSX, Shape};

const SOON: Duration = Duration::from_secs(30);

/// Bad credentials are what this is about.
const PATIENT: &str = "[limits.shield]\nfailures = 1000000\n";

#[track_caller]
fn world(change: impl FnOnce(&mut acceptance::Settings)) -> (World, Receivers) {
    let mut world = World::with(|settings, _| {
        settings.more.insert_str(0, PATIENT);
        change(settings);
    });
    let receivers = Receivers::of(&mut world);
    (world, receivers)
}

/// Holds every place to holding none of them, in no spelling.
#[track_caller]
fn assert_nowhere(shapes: &[Shape], places: &[Place]) {
    assert!(places.iter().any(|(name, _)| name.contains("tile/entries/000")), "no bundle was looked at");
    let spelled: Vec<(&Shape, String)> =
        shapes.iter().flat_map(|it| it.spellings().into_iter().map(move |text| (it, text))).collect();
    for (place, bytes) in places {
        let text = String::from_utf8_lossy(bytes);
        for (shape, spelling) in &spelled {
            if let Some(at) = text.find(spelling.as_str()) {
                let from = text.floor_char_boundary(at.saturating_sub(300));
                let before = text.get(from..at).unwrap_or_default();
                assert_eq!(place, "", "{} (`{spelling}`) is there, after `{before}`", shape.name);
            }
        }
    }
}

/// Holds what the APIs behind were sent to what they may be sent.
#[track_caller]
fn assert_not_sent_on(world: &World, shapes: &[Shape]) {
    for api in APIS.iter().map(|it| it.0).chain(["cloudnx-objects"]) {
        for sighting in world.clouds.seen(api) {
            let lines = sighting["headers"].as_array().expect("headers");
            let own = lines.iter().filter(|it| !HANDED_ON.iter().any(|name| it[0] == *name));
            let target = sighting["target"].as_str().unwrap_or_default();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let query: Vec<&str> = query.split('&').filter(|it| !it.starts_with("note=")).collect();
            let told = format!("{query:?}{:?}", own.collect::<Vec<_>>());
            for shape in shapes {
                // A key is refused in every address. What else a path holds may be the name of something.
                let is_key = shape.text.contains("_live_");
                for spelling in shape.spellings() {
                    let there = told.contains(&spelling) || is_key && path.contains(&spelling);
                    assert!(!there, "{} reached {api}: {sighting:#}", shape.name);
                }
            }
        }
    }
}

/// Holds answers of the gateway's own to not repeating it.
#[track_caller]
fn assert_not_answered(shape: &Shape, answer: &Answer) {
    let told = answer.to_string();
    for spelling in shape.spellings() {
        assert!(!told.contains(&spelling), "{} came back: {told}", shape.name);
    }
}

#[track_caller]
fn assert_none_answered(shapes: &[Shape], answer: &Answer) {
    for shape in shapes {
        assert_not_answered(shape, answer);
    }
}

/// Enough entries that some are in bundles.
fn ask_often(world: &World) {
    let mut connection = world.gateway.door().secure(NSX);
    for number in 0..600 {
        let _ = connection.ask(&Request::get(NSX, &format!("/v2/nothing/{number}")));
    }
}

/// What was refused where, of all entries.
fn steps(world: &World) -> BTreeSet<String> {
    let told = world.gateway.entries().all();
    told.iter().filter_map(|it| it["decision"]["step"].as_str().map(str::to_owned)).collect()
}

/// Requests that get as far as each step, with a key in each of them that is good for some of it.
fn at_every_step(world: &World, keys: &[Key]) -> Vec<Answer> {
    let own = &keys[0].text;
    let mut answers = Vec::new();
    let stranger = world.key("novastraxis", &["network"]);
    let list = || Request::get(NSX, "/v2/compute/instances");
    for request in [
        list().header("Host", "nowhere.example").bearer(own),
        Request::get(NSX, "/v1/compute/instances").bearer(own),
        Request::new("PATCH", NSX, "/v2/compute/instances").bearer(own),
        list().bearer(&stranger.text),
        Request::post(NSX, "/v2/compute/instances").bearer(own).json(&json!({ "region": 1 })),
        Request::get(NSX, "/v2/compliance/posture").bearer(own),
    ] {
        answers.push(world.ask(&request));
    }
    for fault in ["garbage", "reset", "truncate", "wrong_length", "fail"] {
        world.clouds.arm("novastraxis", &json!({ "kind": fault, "times": 1 }));
        let _ = world.gateway.door().secure(NSX).ask_if_alive(&list().bearer(own));
    }
    world.clouds.heal();
    // More than its tier has in a minute.
    let nova = &keys[4].text;
    let models = Request::get(NOVA, "/router/v1/models").bearer(nova);
    let refused = (0..200).map(|_| world.ask(&models)).find(|it| it.status == 429);
    answers.push(refused.expect("a key whose allowance is used up"));
    answers
}

#[test]
fn planted_secrets_are_found_nowhere() {
    let (world, receivers) = world(|_| {});
    let keys = shapes::keys(&world);
    let shapes = shapes::shapes(&keys);
    let native = world.key("novastraxis", &["compliance"]);
    let posture = Request::get(NSX, "/v2/compliance/posture").bearer(&native.text);
    let mut last = world.ask(&posture).says("x-request-id").to_owned();
    for (number, shape) in shapes.iter().enumerate() {
        // Each at an API by turns, and at the one that takes the most kinds.
        for at in BTreeSet::from([number % APIS.len(), 3]) {
            let ((_, host, path, _), key) = (APIS[at], &keys[at]);
            for request in carriers::requests(shape, (host, path), &key.text) {
                let mut connection = world.gateway.door().connect(&request);
                let answer = connection.ask_if_alive(&request);
                // What the API behind was asked by somebody who may ask, it may repeat.
                let bearer = format!("Bearer {}", key.text);
                let may_ask = request.headers.iter().any(|(_, value)| *value == bearer);
                let asked = [request.target.as_bytes(), &request.body].concat();
                let asked = String::from_utf8_lossy(&asked).into_owned();
                let is_asked = shape.spellings().iter().any(|it| asked.contains(it));
                if let Some(answer) = answer.filter(|_| !(may_ask && is_asked)) {
                    assert_not_answered(shape, &answer);
                }
            }
            for head in carriers::broken(shape, host) {
                let mut broken = world.gateway.door().secure(host);
                broken.send(&head);
                broken.finish();
                let told = String::from_utf8_lossy(&broken.rest()).into_owned();
                assert!(!told.contains(&shape.text), "{} came back: {told}", shape.name);
            }
            for words in carriers::curled(shape, (host, path)) {
                let told = carriers::curl(&world, host, &words);
                assert!(!told.contains(&shape.text), "{} came back: {told}", shape.name);
            }
        }
    }
    for answer in at_every_step(&world, &keys) {
        assert_none_answered(&shapes, &answer);
        answer.says("x-request-id").clone_into(&mut last);
    }
    ask_often(&world);
    let _ = world.gateway.entries().of(&last);
    let expected = ["accept", "authenticate", "authorize", "forward", "identify", "limit", "validate"];
    let steps = steps(&world);
    assert!(expected.iter().all(|it| steps.contains(*it)), "{steps:?}");
    assert_not_sent_on(&world, &shapes);
    assert_nowhere(&shapes, &places::places(&world, &receivers));
    let scanned = world.gateway.command(&["audit", "scan"]);
    assert_eq!(scanned.code, 0, "{scanned:?}");
}

/// An upstream that says these, one after the other, to whoever asks.
fn upstream_that_says(answers: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for (mut stream, bytes) in listener.incoming().flatten().zip(answers.into_iter().cycle()) {
            let _ = stream.read(&mut [0; 16_384]).and_then(|_| stream.write_all(&bytes));
        }
    });
    address
}

/// Answers that repeat a credential wherever one can stand, good answers and bad ones.
fn echoes(secret: &str) -> Vec<Vec<u8>> {
    let headers = format!(
        "X-Echo: {secret}\r\nSet-Cookie: cnx_access={secret}\r\nLocation: https://u:{secret}@x/\r\n\
         WWW-Authenticate: Bearer error=\"{secret}\"\r\nX-Request-Id: {secret}\r\nContent-Type: text/{secret}\r\n"
    );
    let (length, close) = (secret.len(), "Connection: close\r\n");
    let mut echoes: Vec<String> = [200, 302, 401, 404, 500, 503]
        .iter()
        .map(|it| format!("HTTP/1.1 {it} {secret}\r\n{headers}{close}Content-Length: {length}\r\n\r\n{secret}"))
        .collect();
    echoes.extend([
        format!("{secret}\r\n\r\n"),
        format!("HTTP/1.1 {secret} OK\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{secret}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {secret}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{secret}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{secret}\r\n"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Echo: {secret}\r\n\r\n"),
        format!(
            "HTTP/1.1 103 Early Hints\r\nLink: <{secret}>\r\n\r\nHTTP/1.1 101 {secret}\r\nUpgrade: {secret}\r\n\r\n"
        ),
    ]);
    echoes.into_iter().map(String::into_bytes).collect()
}

#[test]
fn what_an_upstream_repeats_is_found_nowhere() {
    let shapes = shapes::shapes(&[]);
    let answers: Vec<Vec<u8>> = shapes.iter().flat_map(|it| echoes(&it.text)).collect();
    let count = answers.len();
    let upstream = upstream_that_says(answers);
    let (world, receivers) = world(|settings| settings.upstreams.extend([("novastraxis".to_owned(), upstream)]));
    let key = world.key("novastraxis", &["compute"]);
    for asked in [Request::get(NSX, "/v2/compute/instances"), Request::delete(NSX, "/v2/compute/instances/i-1")] {
        for _ in 0..count {
            let request = asked.clone().bearer(&key.text);
            let mut connection = world.gateway.door().secure(NSX);
            let answer = connection.ask_if_alive(&request);
            // What comes from behind is the API's to say; what the gateway says instead of it is not.
            if let Some(answer) = answer.filter(|it| it.status == 502) {
                assert_none_answered(&shapes, &answer);
            }
        }
    }
    ask_often(&world);
    assert_nowhere(&shapes, &places::places(&world, &receivers));
}

#[test]
fn a_key_that_is_typed_where_a_name_belongs_is_refused_and_in_no_entry() {
    let (world, receivers) = world(|_| {});
    let (tenant, key) = (world.tenant("novastraxis"), world.key("novastraxis", &["compute"]));
    let key = key.text.as_str();
    for words in [
        &["tenants", "create", "--name", key][..],
        &["tenants", "create", "--name", "x", "--id", key],
        &["tenants", "suspend", key],
        &["api-keys", "create", "--api", "novastraxis", "--tenant", &tenant, "--name", key],
        &["api-keys", "create", "--api", "novastraxis", "--tenant", key, "--name", "x"],
        &["api-keys", "create", "--api", "novastraxis", "--tenant", &tenant, "--name", "y", "--owner", key],
        &["api-keys", "create", "--api", key, "--tenant", &tenant, "--name", "x"],
        &["api-keys", "revoke", key],
        &["api-keys", "rotate", key],
    ] {
        let told = world.gateway.command(words);
        assert_ne!(told.code, 0, "{words:?}: {told:?}");
    }
    for words in [&["audit", "erase", "--tenant", &tenant, "--subject", key][..], &["audit", "query", "--key", key]] {
        let _ = world.gateway.command(words);
    }
    ask_often(&world);
    let shapes = [Shape { name: "the key".to_owned(), text: key.to_owned(), marked: true }];
    assert_nowhere(&shapes, &places::places(&world, &receivers));
    let refused = |it: &Value| it["outcome"] == "refused" && it.to_string().contains("[key]");
    let _ = world.gateway.entries().of_kind(7, refused);
}

#[test]
fn a_key_that_tls_is_asked_for_by_name_is_in_no_entry() {
    let world = World::start();
    let port = world.gateway.door().https.port().to_string();
    let asked = python_alone("named.py", &[&port, "nsx-live.nsx_live_a1b2c3d4e5f6.example"]);
    assert_eq!(asked.code, 0, "{asked:?}");
    let entry = until("an entry of what was no request", SOON, || {
        let strange = |it: &Value| it["request"]["host"].as_str().is_some_and(|it| it.starts_with("nsx-live."));
        world.gateway.entries().whole().into_iter().find(strange)
    });
    assert!(!entry.to_string().contains("a1b2c3d4e5f6"), "{entry:#}");
    assert_eq!(entry["request"]["redacted"], json!(["host"]), "{entry:#}");
}

#[test]
fn what_should_not_be_in_entries_is_found_by_whoever_looks() {
    let world = World::with(|settings, _| settings.more.push_str("[audit]\nscan_ms = 100\n"));
    let clean = world.gateway.json(&["audit", "scan"]);
    assert_eq!((&clean["found"], &clean["findings"]), (&json!(0), &json!([])), "{clean}");
    // Neither is a key of ours, so that nobody could be sure when they were typed.
    let (card, key) = ("4111 1111 1111 1111", "nsx_live_ofOldTimes4711");
    let tenants = [card, key].map(|it| world.new_tenant(it));
    let sealed = world.key_with("novastraxis", &tenants[0], &["compute"], &[]);
    let _ = world.ask(&Request::get(NSX, "/v2/compute/instances?a=1").bearer(&sealed.text)).expect(200);
    // What callers write into an address is taken out before it is entered.
    let deleted = world.ask(&Request::delete(NSX, "/v2/compute/instances/5555555555554444").bearer(&sealed.text));
    let entry = world.gateway.entries().of(deleted.says("x-request-id"));
    assert_eq!(entry["request"]["redacted"], json!(["path"]), "{entry:#}");
    let _ = world.new_tenant("5555555555554444");
    let found = until("what was planted to be found", SOON, || {
        let told = world.gateway.command(&["--output", "json", "audit", "scan"]);
        let found: Value = serde_json::from_str(&told.out).expect("what was found");
        (found["counts"] == json!({ "api_key": 1, "pan": 2 })).then_some((told.code, found))
    });
    assert_eq!(found.0, 1, "{found:?}");
    let fields: Vec<&Value> = found.1["findings"].as_array().expect("a list").iter().map(|it| &it["field"]).collect();
    assert_eq!(fields, ["facts/name", "facts/name", "facts/name"], "{found:?}");
    let later = found.1["findings"][2]["seq"].to_string();
    let rest = world.gateway.command(&["audit", "scan", "--from", &later]);
    assert!(rest.code == 1 && rest.out.contains("FOUND pan 1"), "{rest:?}");
    // The gateway finds them by itself, once, and says so.
    until("the gateway to find them", SOON, || (sum(&world) >= 3.0).then_some(()));
    let told = until("it to be entered", SOON, || {
        let mut scans = world.gateway.entries().whole();
        scans.retain(|it| it["action"] == "scan" && it["actor"] == "gateway");
        let found: u64 = scans.iter().filter_map(|it| it["found"].as_u64()).sum();
        (found == 3).then_some(scans)
    });
    assert!(told.windows(2).all(|it| it[0]["end"] == it[1]["first"]), "{told:#?}");
    assert!((sum(&world) - 3.0).abs() < 0.5, "one was found twice");
    let said = [world.gateway.process().log(), format!("{told:?}{found:?}")].concat();
    assert!(said.contains("entries hold what should not be there"), "{said}");
    assert!(!said.contains(card) && !said.contains(key) && !said.contains("5555555555554444"), "{said}");
}

fn sum(world: &World) -> f64 {
    world.gateway.metric("portcullis_audit_scan_findings_total", &[])
}

#[test]
fn the_files_of_secrets_are_for_nobody_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::start();
    let _ = world.key("novastraxis", &["compute"]);
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&world.gateway.data()), 0o700);
    let _ = world.ask(&Request::get(NSX, "/"));
    assert_eq!(mode(&world.gateway.entries().newest_file()), 0o600);
    for key in ["tls/ca.key", "tls/key.pem"] {
        assert_eq!(mode(&world.gateway.data().join(key)), 0o600, "{key}");
    }
}
