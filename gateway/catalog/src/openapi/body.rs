//! The `requestBody` of an operation, and how much of it the gateway reads.

use domain::Body;

use super::media;
use super::node::{Key, Node};
use super::page::Page;
use super::schema::Schemas;
use crate::validate::{BodyRule, Media, MediaRule};

/// The longest body that is read whole, unless the document says otherwise.
const CHECKED: u64 = 64 * 1024;

/// The longest body the document can ask to be read whole.
const MOST_CHECKED: u64 = 1024 * 1024;

/// The longest body that is passed on, unless the document says otherwise.
const STREAMED: u64 = 5 * 1024 * 1024 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Stream,
    Check,
}

/// Reads what an operation says of its body.
pub(super) fn read<'a>(page: &Page<'a>, schemas: &Schemas, operation: &'a Node) -> BodyRule {
    let asked =
        page.word(operation, "x-portcullis-body", &[("stream", Treatment::Stream), ("checked", Treatment::Check)]);
    let max = page.bytes(operation, "x-portcullis-max-bytes");
    let Some(body) = operation.get("requestBody").and_then(|it| page.resolve(it)) else {
        for key in ["x-portcullis-body", "x-portcullis-max-bytes"] {
            if operation.get("requestBody").is_none()
                && let Some(node) = operation.get(key)
            {
                page.fault(node.place, format!("`{key}` speaks of a body, but there is no `requestBody`"));
            }
        }
        return BodyRule { treatment: Body::None, required: false, media: Vec::new() };
    };
    page.known_keys(body, &["description", "required", "content"]);
    let required = page.flag(body, "required").unwrap_or_default();
    let content = body.get("content").filter(|it| !it.entries().is_empty());
    let Some(content) = content else {
        page.fault(body.place, "request body has no `content`");
        return BodyRule { treatment: Body::None, required, media: Vec::new() };
    };
    let mut media: Vec<MediaRule> = content.entries().iter().filter_map(|it| media_rule(page, schemas, it)).collect();
    media.sort_by_key(|it| it.media.breadth());
    let usual = if media.iter().any(|it| it.media.is_json()) { Treatment::Check } else { Treatment::Stream };
    let treatment = match asked.unwrap_or(usual) {
        Treatment::Stream => Body::Streamed { max: max.unwrap_or(STREAMED) },
        Treatment::Check => {
            if let Some(max) = max.filter(|it| *it > MOST_CHECKED) {
                let place = operation.get("x-portcullis-max-bytes").map_or(operation.place, |it| it.place);
                page.fault(
                    place,
                    format!("a body that is read whole can have {MOST_CHECKED} bytes at most, not {max}"),
                );
            }
            Body::Checked { max: max.unwrap_or(CHECKED) }
        }
    };
    BodyRule { treatment, required, media }
}

fn media_rule<'a>(page: &Page<'a>, schemas: &Schemas, (key, node): &'a (Key, Node)) -> Option<MediaRule> {
    let Some(media) = Media::parse(&key.text) else {
        page.fault(key.place, format!("`{}` is not a media type", key.text));
        return None;
    };
    if !media::is_known(&media) {
        let near = media::meant(&media).map(|it| format!("did you mean `{it}`? "));
        let message =
            format!("`{}` is no media type that is known, so a body of it would be held to nothing", key.text);
        let help = "one of your own begins with `vnd.` or `x-`; `application/*` stands for any";
        page.fault_with_help(key.place, message, near.unwrap_or_default() + help);
    }
    page.known_keys(node, &["schema", "example", "examples", "encoding"]);
    let schema =
        match node.get("schema").filter(|_| media.is_json() || media.breadth() > 0).map(|it| (it, schemas.compile(it)))
        {
            Some((_, Ok(schema))) => Some(schema),
            Some((node, Err(error))) => {
                page.fault(node.place, format!("schema of the body does not compile: {error}"));
                None
            }
            None => None,
        };
    Some(MediaRule { media, schema })
}
