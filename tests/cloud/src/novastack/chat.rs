//! Chat completions, at once or as a stream.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer::{Answer, Manner, Said, answer, cost};
use super::{Novastack, models, stream};
use crate::fields::Fields;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// What is common to every piece of one completion.
#[derive(Clone, Debug)]
pub(super) struct Completion {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) model: String,
    pub(super) answers: Vec<Answer>,
    pub(super) prompt_tokens: u64,
}

impl Completion {
    /// What it cost.
    pub(super) fn usage(&self) -> Value {
        let said: u64 = self.answers.iter().map(|it| it.tokens.len() as u64).sum();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": said,
            "total_tokens": self.prompt_tokens + said,
        })
    }

    fn whole(&self) -> Value {
        let choice = |(index, it): (usize, &Answer)| {
            json!({
                "index": index,
                "message": { "role": "assistant", "content": it.tokens.concat() },
                "finish_reason": it.finish,
            })
        };
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": self.answers.iter().enumerate().map(choice).collect::<Vec<_>>(),
            "usage": self.usage(),
        })
    }
}

/// `POST /router/v1/chat/completions`
pub(super) async fn complete(
    State(cloud): State<Novastack>,
    tenant: Tenant,
    order: Fields,
) -> Result<Response, Refused> {
    let model = order.required_text("model")?.to_owned();
    let talk = talk(&order)?;
    let manner = manner(&order)?;
    let choices = order.number("n", 1..=128)?.unwrap_or(1);
    let streamed = order.flag("stream")?;
    let usage = order.object("stream_options")?.map(Fields::within).unwrap_or_default().flag("include_usage")?;
    refuse_odd(&order)?;
    models::talks(&model)?;
    let completion = Completion {
        id: cloud.within(&tenant, |world| format!("chatcmpl-{}", world.ids.hex(8))),
        created: cloud.now().seconds(),
        answers: (0..choices).map(|index| answer(&talk, &manner, index)).collect(),
        prompt_tokens: cost(&talk),
        model,
    };
    if streamed {
        Ok(stream::events(&completion, usage, cloud.shared.pace.chunk))
    } else {
        Ok(Json(completion.whole()).into_response())
    }
}

const ROLES: [&str; 6] = ["developer", "system", "user", "assistant", "tool", "function"];

fn talk(order: &Fields) -> Result<Vec<Said>, Refused> {
    let wrong = |message: &str| Refused::invalid("messages", message);
    let messages = order.value("messages").and_then(Value::as_array).filter(|it| !it.is_empty());
    let messages = messages.ok_or_else(|| wrong("messages must be a list of at least one message"))?;
    let read = |message: &Value| {
        let fields = message.as_object().map(Fields::within).ok_or_else(|| wrong("a message must be an object"))?;
        let role = fields.required_choice("role", &ROLES).map_err(|_| wrong("a message must have a known role"))?;
        let text =
            text(fields.value("content")).ok_or_else(|| wrong("the content of a message must be text or parts"))?;
        Ok(Said { role: role.to_owned(), text })
    };
    messages.iter().map(read).collect()
}

/// The text of a content: of parts, those that are text; of what only calls a tool, none.
fn text(content: Option<&Value>) -> Option<String> {
    match content {
        None => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().map(|it| it.get("text").and_then(Value::as_str).unwrap_or_default());
            let all_typed = parts.iter().all(|it| it.get("type").is_some_and(Value::is_string));
            all_typed.then(|| texts.collect::<Vec<_>>().join(" "))
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => None,
    }
}

fn manner(order: &Fields) -> Result<Manner, Refused> {
    let most = order.number("max_completion_tokens", 1..=1_000_000)?.or(order.number("max_tokens", 1..=1_000_000)?);
    let stops = match order.value("stop") {
        None => Vec::new(),
        Some(Value::String(stop)) => vec![stop.clone()],
        Some(_) => order.texts("stop")?.unwrap_or_default(),
    };
    let format = order.object("response_format")?.map(Fields::within).unwrap_or_default();
    let kind = format.choice("type", &["text", "json_object", "json_schema"]);
    let kind = kind.map_err(|refused| Refused::invalid("response_format", refused.message))?;
    let json = matches!(kind, Some("json_object" | "json_schema"));
    let seed = order.value("seed").and_then(Value::as_i64).unwrap_or(0);
    Ok(Manner { most, stops: stops.into_iter().filter(|it| !it.is_empty()).collect(), json, seed })
}

/// Numbers outside of what the reference allows. Tools are taken and never called.
fn refuse_odd(order: &Fields) -> Result<(), Refused> {
    let ranges = [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("presence_penalty", -2.0, 2.0),
        ("frequency_penalty", -2.0, 2.0),
    ];
    for (name, least, most) in ranges {
        let Some(value) = order.value(name) else { continue };
        if !value.as_f64().is_some_and(|it| (least..=most).contains(&it)) {
            return Err(Refused::invalid(name, format!("{name} must be a number from {least} to {most}")));
        }
    }
    Ok(())
}
