//! Bodies that come slowly: how slowly they may, and whose fault it is when they do not come.
#![expect(clippy::expect_used, reason = "what fails here must fail the test")]

use std::process::Command;

use acceptance::{Answer, Request, Settings, World};
use serde_json::json;

const NSX: &str = "api.novastraxis.com";
const NX: &str = "api.cloudnexus.io";
const NVS: &str = "api.novapai.ai";
const CHAT: &str = "/router/v1/chat/completions";

/// Lets two seconds pass, by the clock of a cloud that takes so long to answer.
#[track_caller]
fn two_seconds(world: &World) {
    let key = world.key("novastraxis", &["compute"]);
    world.clouds.arm("novastraxis", &json!({ "kind": "slow", "ms": 2_000, "times": 1 }));
    let _ = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).expect(200);
}

/// The body did not come: the caller is told so in the words of its API, and it is the caller's fault.
#[track_caller]
fn is_cut(world: &World, answer: &Answer) {
    let answer = answer.clone().expect(400);
    assert_eq!(answer.says("refusal-reason"), "body_cut", "{answer}");
    let entry = world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!(entry["decision"]["outcome"], "refuse", "{entry:#}");
    assert_eq!(entry["decision"]["reason"], "body_cut", "{entry:#}");
}

fn head(method: &str, host: &str, target: &str, media_type: &str, key: &str, length: usize) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\nContent-Type: {media_type}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

#[test]
fn a_body_that_trickles_is_cut_in_the_words_of_its_api_whether_it_is_checked_or_passed_on() {
    let slow = "[connections]\nbody_rate = 1000000\nbody_grace_s = 1\n";
    let world = World::with(|settings, _| settings.more.push_str(slow));
    let (chats, objects) = (world.key("novastack", &["write"]), world.key("cloudnexus", &["storage:write"]));
    let mut checked = world.gateway.door().secure(NVS);
    checked.send(head("POST", NVS, CHAT, "application/json", &chats.text, 100_000).as_bytes());
    let mut streamed = world.gateway.door().secure(NX);
    let object = "/v2/objects/bk_prod-assets/slow";
    streamed.send(head("PUT", NX, object, "application/octet-stream", &objects.text, 100_000).as_bytes());
    for it in [&mut checked, &mut streamed] {
        it.send(b" ");
    }
    two_seconds(&world);
    for (it, method) in [(&mut checked, "POST"), (&mut streamed, "PUT")] {
        it.send(b" ");
        is_cut(&world, &it.answer(method));
    }
}

#[test]
fn a_body_that_stalls_is_cut_as_well() {
    let world = World::with(|settings, _| settings.more.push_str("[connections]\nidle_s = 1\n"));
    let objects = world.key("cloudnexus", &["storage:write"]);
    let mut connection = world.gateway.door().secure(NX);
    let object = "/v2/objects/bk_prod-assets/stalled";
    connection.send(head("PUT", NX, object, "application/octet-stream", &objects.text, 100_000).as_bytes());
    connection.send(b"begun");
    is_cut(&world, &connection.answer("PUT"));
}

#[test]
fn an_upload_may_take_longer_than_the_api_behind_may_take_to_answer() {
    let world = World::with(|settings: &mut Settings, folder| {
        let apis = folder.join("apis");
        let copied = Command::new("cp").arg("-r").arg(&settings.apis).arg(&apis).status();
        assert!(copied.is_ok_and(|it| it.success()), "the profiles cannot be copied");
        let file = apis.join("novastack/api.toml");
        let text = std::fs::read_to_string(&file).expect("a profile");
        let hasty = ["first_byte", "between_bytes"].iter().fold(text, |text, name| {
            let at = text.find(&format!("\n{name} = ")).expect("a time");
            let end = text[at + 1..].find('\n').map_or(text.len(), |it| at + 1 + it);
            format!("{}\n{name} = \"1s\"{}", &text[..at], &text[end..])
        });
        std::fs::write(&file, hasty).expect("a profile");
        settings.apis = apis;
    });
    let key = world.key("novastack", &["write"]);
    let body = json!({ "model": "nova-large", "messages": [{ "role": "user", "content": "a".repeat(100_000) }] });
    let body = body.to_string();
    let (first, rest) = body.split_at(50_000);
    let mut connection = world.gateway.door().secure(NVS);
    connection.send(head("POST", NVS, CHAT, "application/json", &key.text, body.len()).as_bytes());
    connection.send(first.as_bytes());
    two_seconds(&world);
    connection.send(rest.as_bytes());
    let answer = connection.answer("POST");
    assert_ne!(answer.status, 504, "{answer}");
    assert_eq!(world.clouds.saw("novastack", answer.says("x-request-id")).is_some(), true, "{answer}");
}
