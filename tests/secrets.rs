//! No secret is found anywhere but where it was shown once and where it is kept.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

use std::path::Path;

use acceptance::{Answer, Request, World};
use serde_json::json;

const NSX: &str = "api.novastraxis.com";
const NEXUS: &str = "api.cloudnexus.io";
const NX: &str = "cloudnx.in";
const NOVA: &str = "api.novapai.ai";

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        }
    }
}

fn holds(hay: &[u8], needle: &str) -> bool {
    hay.windows(needle.len()).any(|it| it == needle.as_bytes())
}

/// A gateway whose process says as much as it can.
#[track_caller]
fn talkative() -> World {
    // Bad credentials are what this is about.
    let mut world = World::with(|settings, _| settings.more.insert_str(0, "[limits.shield]\nfailures = 10000\n"));
    let file = world.gateway.settings().to_owned();
    let settings = std::fs::read_to_string(&file).expect("settings");
    std::fs::write(&file, format!("log = \"debug\"\n{settings}")).expect("settings");
    world.gateway.restart();
    world
}

const PASSWORD: &str = "canary-password-4711";
const MADE_UP: &str = "nsx_live_canary4711canary4711canary4711";
const BODY: &str = "canary-in-a-body-4711";

/// A key wherever somebody might put one.
fn requests(host: &str, path: &str, key: &str) -> Vec<Request> {
    let bearer = format!("Bearer {key}");
    let get = |target: &str| Request::get(host, target);
    let own = || get(path).header("Authorization", &bearer);
    let post = || Request::post(host, path).header("Authorization", &bearer);
    vec![
        own(),
        own().header("Authorization", &bearer),
        own().plain(),
        own().header("Cookie", &format!("session={PASSWORD}")),
        own().header("Host", key),
        get(path).header("Authorization", &format!("Basic {key}")),
        get(path).bearer(MADE_UP),
        get(path).bearer(&format!("{key}x")),
        get(&format!("{path}?api_key={key}")),
        get(&format!("{path}?access_token={key}")),
        get(&format!("/nothing/{key}")),
        get(&format!("/nothing/{}", key.replace('_', "%5F"))),
        get(&format!("http://{PASSWORD}@{host}{path}")),
        post().json(&json!({ "password": BODY })),
        post().body("application/json", format!("{{\"{BODY}")),
        Request::new(key, host, path),
    ]
}

/// Everything that can be read of a gateway afterwards.
#[track_caller]
fn places(world: &World) -> Vec<(String, Vec<u8>)> {
    let listed = world.gateway.command(&["api-keys", "list", "--output", "json"]);
    let mut places = vec![
        ("/metrics".to_owned(), world.gateway.ask_admin("/metrics").expect(200).body),
        ("/readyz".to_owned(), world.gateway.ask_admin("/readyz").body),
        ("the list of keys".to_owned(), listed.out.into_bytes()),
        ("the log of the process".to_owned(), world.gateway.process().log().into_bytes()),
    ];
    files(&world.gateway.data(), &mut places);
    places
}

#[test]
fn planted_secrets_are_found_nowhere() {
    let world = talkative();
    let signing = world.key("cloudnx", &[]);
    let secret = signing.secret.expect("a secret half");
    let mut canaries = vec![PASSWORD.to_owned(), MADE_UP.to_owned(), BODY.to_owned(), secret.clone()];
    let mut answers: Vec<Answer> = Vec::new();
    for (host, path, api, scope) in [
        (NSX, "/v2/compute/instances", "novastraxis", "compute"),
        (NEXUS, "/v2/instances", "cloudnexus", "instances:read"),
        (NOVA, "/router/v1/models", "novastack", "read"),
    ] {
        let key = world.key(api, &[scope]).text;
        canaries.extend([key.clone(), key.replace('_', "%5F")]);
        answers.extend(requests(host, path, &key).iter().map(|it| world.ask(it)));
        let mut broken = world.gateway.door().secure(host);
        broken.send(format!("GET /{key} HTTP/1.1\r\nAuthorization: Bearer {key}\r\nbroken\r\n\r\n").as_bytes());
        answers.push(broken.answer("GET").expect(400));
        // An error of the gateway's own.
        world.clouds.arm(api, &json!({ "kind": "garbage", "times": 1 }));
        answers.push(world.ask(&Request::get(host, path).bearer(&key)).expect(502));
    }
    let scope = format!("Credential={}/20261122/in-mum/cloudnx/aws4_request, SignedHeaders=host", signing.text);
    let signature = format!("AWS4-HMAC-SHA256 {scope}, Signature={}", "0".repeat(64));
    for shown in [signature, format!("Bearer {secret}")] {
        answers.push(world.ask(&Request::get(NX, "/compute/instances").header("Authorization", &shown)));
    }
    let last = answers.last().map(|it| it.says("x-request-id").to_owned()).unwrap_or_default();
    let _ = world.gateway.entries().of(&last);
    let places = places(&world);
    for canary in &canaries {
        for (place, bytes) in &places {
            assert!(!holds(bytes, canary), "`{canary}` is in {place}");
        }
        for answer in &answers {
            assert!(!answer.to_string().contains(canary), "`{canary}` came back: {answer}");
        }
    }
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
