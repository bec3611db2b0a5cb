//! HTTP/1.1 and HTTP/2 beside each other, as curl speaks them.
#![expect(clippy::expect_used, reason = "a test may fail")]

use std::process::Command;
use std::time::Duration;

use acceptance::{World, until};

const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";

/// How many entries there are, once there are at least so many.
#[track_caller]
fn settled(world: &World, count: usize) -> usize {
    let log = world.gateway.entries();
    until(&format!("{count} entries"), Duration::from_secs(5), || (log.all().len() >= count).then_some(()));
    log.all().len()
}

/// Runs curl against the secure door, and gives what it printed.
#[track_caller]
fn curl(world: &World, host: &str, words: &[&str]) -> String {
    let port = world.gateway.door().https.port();
    let done = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--cacert"])
        .arg(world.gateway.authority())
        .args(["--connect-to", &format!("{host}:443:127.0.0.1:{port}")])
        .args(words)
        .output()
        .expect("curl is installed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn both_versions_of_http_are_spoken_over_tls() {
    let world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let bearer = format!("Authorization: Bearer {}", key.text);
    let url = format!("https://{NSX}{LIST}");
    for (asked, spoken) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let said =
            curl(&world, NSX, &[asked, "-H", &bearer, "-o", "/dev/null", "-w", "%{http_code} %{http_version}", &url]);
        assert_eq!(said, format!("200 {spoken}"));
        let refused = curl(&world, NSX, &[asked, "-w", " %{http_code} %{http_version}", &url]);
        assert!(
            refused.contains("\"error_code\":\"unauthorized\"") && refused.ends_with(&format!(" 401 {spoken}")),
            "{refused}"
        );
        let body = r#"{"machine_type":"n2-standard-4","region":"us-east-1","network_id":"vpc-4a1c","image_id":"img-debian-13"}"#;
        let json = "Content-Type: application/json";
        let made = curl(&world, NSX, &[asked, "-H", &bearer, "-H", json, "-d", body, "-w", " %{http_code}", &url]);
        assert!(made.ends_with(" 201"), "{made}");
        let large = format!("{{\"startup_script\":\"{}\"}}", "a".repeat(70_000));
        let file = world.folder().join("large.json");
        std::fs::write(&file, large).expect("a file of the test");
        let large = format!("@{}", file.display());
        let refused = curl(&world, NSX, &[asked, "-H", &bearer, "-H", json, "-d", &large, "-w", " %{http_code}", &url]);
        assert!(refused.contains("payload_too_large") && refused.ends_with(" 413"), "{refused}");
    }
    assert_eq!(settled(&world, 8), 8);
    assert!(
        world.gateway.entries().all().iter().all(|it| it["request"]["host"] == NSX && it["request"]["tls"] == true)
    );
}

#[test]
fn heads_are_bounded_alike_in_both_versions_of_http() {
    let world = World::with(|settings, _| settings.more.push_str("[connections]\nmax_header_bytes = 32768\n"));
    let key = world.key("novastraxis", &["compute"]);
    let bearer = format!("Authorization: Bearer {}", key.text);
    let url = format!("https://{NSX}{LIST}");
    for asked in ["--http1.1", "--http2"] {
        for (length, status) in [(20_000, 200), (40_000, 431)] {
            let long = format!("X-Long: {}", "a".repeat(length));
            let said = curl(&world, NSX, &[asked, "-H", &bearer, "-H", &long, "-w", " %{http_code}", &url]);
            assert!(said.ends_with(&format!(" {status}")), "{asked}: {said}");
            assert_eq!(said.contains("\"error_code\""), status == 431, "{said}");
        }
    }
    assert_eq!(settled(&world, 4), 4);
}
