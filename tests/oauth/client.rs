//! A client as its developer has it, and what it sends.

use acceptance::{Request, World};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

pub(crate) const NOVA: &str = "api.novastraxis.com";
pub(crate) const SERVERS: &str = "api.cloudnexus.io";

pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) grant: String,
    pub(crate) secret: Option<String>,
}

impl Client {
    /// Made with the command of the product, and known to the running gateway.
    #[track_caller]
    pub(crate) fn make(world: &World, api: &str, tenant: &str, more: &[&str]) -> Self {
        let words = ["clients", "create", "--api", api, "--tenant", tenant, "--name", "reports"];
        let made = world.gateway.json(&[&words[..], more].concat());
        world.gateway.catch_up();
        let secret = made["secret"].as_str().map(str::to_owned);
        Self { id: text(&made, "id"), tenant: tenant.to_owned(), grant: text(&made, "grant"), secret }
    }

    /// The same request, with its secret in the header.
    pub(crate) fn basic(&self, request: &Request) -> Request {
        let shown = format!("{}:{}", self.id, self.secret.as_deref().unwrap_or_default());
        request.clone().header("Authorization", &format!("Basic {}", STANDARD.encode(shown)))
    }
}

/// What a browser or a client posts.
pub(crate) fn form(host: &str, path: &str, fields: &[(&str, &str)]) -> Request {
    Request::post(host, path).body("application/x-www-form-urlencoded", query(fields))
}

pub(crate) fn query(fields: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let digit = |it: u8| match it {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(it).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(digit).collect()
}

pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut read = Vec::new();
    while let Some(byte) = bytes.next() {
        let mut hex = || char::from(bytes.next().expect("a digit")).to_digit(16).expect("a digit");
        read.push(if byte == b'%' { u8::try_from(hex() * 16 + hex()).expect("a byte") } else { byte });
    }
    String::from_utf8(read).expect("text")
}

#[track_caller]
pub(crate) fn text(body: &Value, name: &str) -> String {
    body[name].as_str().map_or_else(|| unreachable(body, name), str::to_owned)
}

#[track_caller]
#[expect(clippy::panic, reason = "what fails here must fail the test")]
fn unreachable(body: &Value, name: &str) -> String {
    panic!("no `{name}` in {body}")
}

/// What a token says.
#[track_caller]
pub(crate) fn claims(token: &str) -> Value {
    let parts: Vec<&str> = token.split('.').collect();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url")).expect("claims")
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "assertions are made for the gateway's own clock")]
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}
