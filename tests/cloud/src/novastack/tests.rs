//! Novastack behaves as its reference says, and as `OpenAI`'s clients expect.

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::testing::{Asker, Bench, WORKING, bytes, read};

fn stack(bench: &Bench) -> Asker {
    bench.api("novastack", "acme")
}

fn talk(more: &Value) -> Value {
    let mut body = json!({ "model": "nova-large", "messages": [{ "role": "user", "content": "Say hello." }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

const CHAT: &str = "/router/v1/chat/completions";

async fn events(stack: &Asker, body: &Value) -> Vec<String> {
    let request = Request::post(CHAT).header("content-type", "application/json");
    let response = stack.send(request, Body::from(body.to_string())).await;
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let text = String::from_utf8(bytes(response).await.to_vec()).unwrap();
    text.split_terminator("\n\n").map(|it| it.strip_prefix("data: ").unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_says_what_the_whole_answer_says_and_ends_with_done() {
    let bench = Bench::new();
    let stack = stack(&bench);
    let whole = stack.tell("POST", CHAT, &talk(&json!({}))).await.1;
    let mut events =
        events(&stack, &talk(&json!({ "stream": true, "stream_options": { "include_usage": true } }))).await;
    assert_eq!(events.pop().unwrap(), "[DONE]");
    let chunks: Vec<Value> = events.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let said: String = chunks.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(whole["choices"][0]["message"]["content"], said);
    let (last, others) = chunks.split_last().unwrap();
    assert_eq!((&last["usage"], &last["choices"]), (&whole["usage"], &json!([])));
    assert!(others.iter().all(|it| it["usage"].is_null() && it["object"] == "chat.completion.chunk"));
    assert_eq!(others.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

#[tokio::test(start_paused = true)]
async fn without_being_asked_a_stream_tells_no_usage() {
    let bench = Bench::new();
    let events = events(&stack(&bench), &talk(&json!({ "stream": true }))).await;
    assert!(events.iter().all(|it| !it.contains("usage")));
}

#[tokio::test(start_paused = true)]
async fn chunks_come_one_at_a_time_with_a_pause_between_them() {
    let bench = Bench::new();
    let request = Request::post(CHAT).header("content-type", "application/json");
    let body = Body::from(talk(&json!({ "stream": true })).to_string());
    let mut stream = stack(&bench).send(request, body).await.into_body();
    let started = tokio::time::Instant::now();
    let mut count = 0_u32;
    while let Some(frame) = stream.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.strip_suffix(b"\n\n").is_some_and(|it| !it.contains(&b'\n')), "one event to a frame");
        assert_eq!(started.elapsed(), bench.shared.pace.chunk * count);
        count += 1;
    }
    assert!(count > 5);
}

#[tokio::test]
async fn what_is_asked_of_an_answer_is_kept_to() {
    let bench = Bench::new();
    let stack = stack(&bench);
    let (_, it) =
        stack.tell("POST", CHAT, &talk(&json!({ "n": 2, "max_tokens": 2, "tools": [{ "type": "function" }] }))).await;
    assert_eq!(it["choices"].as_array().unwrap().len(), 2);
    assert_eq!((&it["choices"][1]["finish_reason"], &it["usage"]["completion_tokens"]), (&json!("length"), &json!(4)));
    let parts = json!([{ "role": "user", "content": [{ "type": "text", "text": "in parts" }] }]);
    let (_, it) = stack.tell("POST", CHAT, &json!({ "model": "meridian/atlas-8b", "messages": parts })).await;
    assert!(it["choices"][0]["message"]["content"].as_str().unwrap().contains("in parts"));
}

#[tokio::test]
async fn a_talk_that_does_not_fit_is_refused_and_param_names_what() {
    let bench = Bench::new();
    let stack = stack(&bench);
    for (more, status, param) in [
        (json!({ "model": "no-such" }), 404, "model"),
        (json!({ "model": "nova-image" }), 400, "model"),
        (json!({ "messages": [] }), 400, "messages"),
        (json!({ "messages": [{ "role": "robot", "content": "x" }] }), 400, "messages"),
        (json!({ "messages": [{ "role": "user", "content": 7 }] }), 400, "messages"),
        (json!({ "temperature": 2.5 }), 400, "temperature"),
        (json!({ "n": 0 }), 400, "n"),
        (json!({ "stream": "yes" }), 400, "stream"),
        (json!({ "response_format": { "type": "xml" } }), 400, "response_format"),
    ] {
        let (found, refused) = stack.tell("POST", CHAT, &talk(&more)).await;
        assert_eq!((found, &refused["error"]["param"]), (status, &json!(param)), "{more}");
        assert_eq!(refused["error"]["type"], "invalid_request_error");
    }
}

#[tokio::test]
async fn a_task_is_queued_then_runs_then_has_succeeded_and_goes() {
    let bench = Bench::new();
    let stack = stack(&bench);
    let (status, made) =
        stack.tell("POST", "/router/v1/tasks", &json!({ "model": "nova-image", "input": "A lighthouse" })).await;
    assert_eq!(status, 200);
    let one = format!("/router/v1/tasks/{}", made["id"].as_str().unwrap());
    for expected in ["queued", "running", "succeeded"] {
        let task = stack.get(&one).await;
        assert_eq!((&task["status"], task.get("output").is_some()), (&json!(expected), expected == "succeeded"));
        bench.clock.advance(WORKING);
    }
    assert_eq!(stack.get("/router/v1/tasks?limit=1").await["data"][0]["id"], made["id"]);
    assert_eq!(bench.api("novastack", "globex").ask("GET", &one).await.0, 404);
    assert_eq!(stack.ask("DELETE", &one).await.1["deleted"], true);
    assert_eq!(stack.ask("GET", &one).await.0, 404);
    assert_eq!(
        stack.tell("POST", "/router/v1/tasks", &json!({ "model": "nova-image" })).await.1["error"]["param"],
        "input"
    );
}

fn form(parts: &[(&str, &str)]) -> String {
    let part =
        |(head, body): &(&str, &str)| format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n");
    parts.iter().map(part).collect::<String>() + "--edge--\r\n"
}

async fn upload(stack: &Asker, parts: &[(&str, &str)]) -> (u16, Value) {
    let request = Request::post("/router/v1/files").header("content-type", "multipart/form-data; boundary=edge");
    read(stack.send(request, Body::from(form(parts))).await).await
}

#[tokio::test]
async fn a_file_goes_up_comes_back_and_goes() {
    let bench = Bench::new();
    let stack = stack(&bench);
    let parts = [("name=\"purpose\"", "assistants"), ("name=\"file\"; filename=\"notes.txt\"", "some notes")];
    let (status, made) = upload(&stack, &parts).await;
    assert_eq!((status, &made["bytes"], &made["filename"]), (200, &json!(10), &json!("notes.txt")));
    let one = format!("/router/v1/files/{}", made["id"].as_str().unwrap());
    assert_eq!(stack.get(&one).await, made);
    let content = stack.send(Request::get(format!("{one}/content")), Body::empty()).await;
    assert_eq!(bytes(content).await, "some notes");
    assert_eq!(stack.get("/router/v1/files?purpose=assistants").await["data"], json!([made]));
    assert_eq!(stack.get("/router/v1/files?purpose=batch").await["data"], json!([]));
    assert_eq!(bench.api("novastack", "globex").ask("GET", &format!("{one}/content")).await.0, 404);
    assert_eq!(stack.ask("DELETE", &one).await.0, 200);
    assert_eq!(stack.ask("GET", &format!("{one}/content")).await.0, 404);
}

#[tokio::test]
async fn a_form_that_lacks_something_or_is_cut_off_is_refused() {
    let bench = Bench::new();
    let stack = stack(&bench);
    assert_eq!(upload(&stack, &[("name=\"purpose\"", "x")]).await.1["error"]["param"], "file");
    assert_eq!(upload(&stack, &[("name=\"file\"; filename=\"a\"", "x")]).await.1["error"]["param"], "purpose");
    let cut = Request::post("/router/v1/files").header("content-type", "multipart/form-data; boundary=edge");
    let body = form(&[("name=\"file\"; filename=\"a\"", "xyz")]).replace("--edge--\r\n", "");
    assert_eq!(read(stack.send(cut, Body::from(body)).await).await.0, 400);
    let json = Request::post("/router/v1/files").header("content-type", "application/json");
    assert_eq!(read(stack.send(json, Body::from("{}")).await).await.0, 400);
}

#[tokio::test]
async fn models_are_told_also_where_their_id_has_a_slash() {
    let bench = Bench::new();
    let stack = stack(&bench);
    assert!(stack.get("/router/v1/models").await["data"].as_array().unwrap().len() >= 3);
    assert_eq!(stack.get("/router/v1/models/meridian/atlas-70b").await["owned_by"], "meridian");
    assert_eq!(stack.ask("GET", "/router/v1/models/none").await.0, 404);
    assert_ne!(stack.get("/router/v1/account").await, bench.api("novastack", "globex").get("/router/v1/account").await);
}
