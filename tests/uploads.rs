//! Bodies that come slowly: how slowly they may, and whose fault it is when they do not come.
#![expect(clippy::indexing_slicing, reason = "what fails here must fail the test")]

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

/// The head of a request whose body is to follow.
fn head(request: &Request, length: usize) -> Vec<u8> {
    request.clone().header("Content-Length", &length.to_string()).bytes()
}

fn chat(key: &str) -> Request {
    Request::post(NVS, CHAT).bearer(key).header("Content-Type", "application/json")
}

fn object(key: &str, name: &str) -> Request {
    let target = format!("/v2/objects/bk_prod-assets/{name}");
    Request::new("PUT", NX, &target).bearer(key).header("Content-Type", "application/octet-stream")
}

#[test]
fn a_body_that_trickles_is_cut_in_the_words_of_its_api_whether_it_is_checked_or_passed_on() {
    let slow = "[connections]\nbody_rate = 1000000\nbody_grace_s = 1\n";
    let world = World::with(|settings, _| settings.more.push_str(slow));
    let (chats, objects) = (world.key("novastack", &["write"]), world.key("cloudnexus", &["storage:write"]));
    let mut checked = world.gateway.door().secure(NVS);
    checked.send(&head(&chat(&chats.text), 100_000));
    let mut streamed = world.gateway.door().secure(NX);
    streamed.send(&head(&object(&objects.text, "slow"), 100_000));
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
    connection.send(&head(&object(&objects.text, "stalled"), 100_000));
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
        let hasty = text.lines().map(|line| match line.split_once(" = ") {
            Some((name @ ("first_byte" | "between_bytes"), _)) => format!("{name} = \"1s\"\n"),
            Some(_) | None => format!("{line}\n"),
        });
        let hasty: String = hasty.collect();
        std::fs::write(&file, hasty).expect("a profile");
        settings.apis = apis;
    });
    let key = world.key("novastack", &["write"]);
    let body = json!({ "model": "nova-large", "messages": [{ "role": "user", "content": "a".repeat(100_000) }] });
    let body = body.to_string();
    let (first, rest) = body.split_at(50_000);
    let mut connection = world.gateway.door().secure(NVS);
    connection.send(&head(&chat(&key.text), body.len()));
    connection.send(first.as_bytes());
    two_seconds(&world);
    connection.send(rest.as_bytes());
    let answer = connection.answer("POST");
    assert_ne!(answer.status, 504, "{answer}");
    assert!(world.clouds.saw("novastack", answer.says("x-request-id")).is_some(), "{answer}");
}
