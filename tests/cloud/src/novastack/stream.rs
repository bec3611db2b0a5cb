//! A completion as server-sent events: a token to a chunk, a pause between them, `[DONE]` at the end.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};

use super::chat::Completion;
use crate::fields::fields;

/// The stream of `completion`, with what it cost where that was asked for.
pub(super) fn events(completion: &Completion, usage: bool, pause: Duration) -> Response {
    let lines: Vec<Bytes> = chunks(completion, usage)
        .iter()
        .map(|it| Bytes::from(format!("data: {it}\n\n")))
        .chain([Bytes::from_static(b"data: [DONE]\n\n")])
        .collect();
    let paced = futures::stream::iter(lines).enumerate().then(move |(number, line)| async move {
        if number > 0 {
            tokio::time::sleep(pause).await;
        }
        Ok::<_, std::convert::Infallible>(line)
    });
    let headers = [("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache")];
    (headers, Body::from_stream(paced)).into_response()
}

fn chunks(completion: &Completion, usage: bool) -> Vec<Value> {
    let chunk = |choices: Value, cost: Value| {
        let mut chunk = fields(json!({
            "id": completion.id,
            "object": "chat.completion.chunk",
            "created": completion.created,
            "model": completion.model,
            "choices": choices,
        }));
        if usage {
            chunk.insert("usage".to_owned(), cost);
        }
        Value::Object(chunk)
    };
    let choice = |index: usize, delta: Value, finish: Value| {
        chunk(json!([{ "index": index, "delta": delta, "finish_reason": finish }]), Value::Null)
    };
    let mut chunks = Vec::new();
    for (index, answer) in completion.answers.iter().enumerate() {
        chunks.push(choice(index, json!({ "role": "assistant", "content": "" }), Value::Null));
        chunks.extend(answer.tokens.iter().map(|token| choice(index, json!({ "content": token }), Value::Null)));
        chunks.push(choice(index, json!({}), json!(answer.finish)));
    }
    if usage {
        chunks.push(chunk(json!([]), completion.usage()));
    }
    chunks
}
