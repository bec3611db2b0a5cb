//! What every refusal must be: the right status, in the words of its API, and in the log.

use serde_json::Value;

use crate::{Answer, Request, World};

/// A refusal as a test expects it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The status.
    pub status: u16,
    /// The code in the body; empty where the API's words have none.
    pub code: &'a str,
    /// The step that refused, as in the entry.
    pub step: &'a str,
    /// The reason token, as in the entry.
    pub reason: &'a str,
}

/// What an answer says in the words of its API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The code a program acts on.
    pub code: String,
    /// What a person reads.
    pub message: String,
    /// The kind, where the API has kinds.
    pub kind: String,
    /// The parameter at fault, where the API names it.
    pub param: Option<String>,
    /// The request id, where the body holds it.
    pub request_id: Option<String>,
}

/// Reads the body of a refusal by the API's own reference, and fails on any other shape.
#[track_caller]
pub fn told(api: &str, answer: &Answer) -> Words {
    if answer.header("content-type").is_some_and(|it| it.contains("xml")) {
        return told_in_xml(answer);
    }
    let body = answer.json();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("not a text in {answer}")).to_owned();
    let shape = |value: &Value, fields: &[&str]| {
        let mut own: Vec<_> =
            value.as_object().unwrap_or_else(|| panic!("no object: {answer}")).keys().cloned().collect();
        let mut wanted: Vec<_> = fields.iter().map(|it| (*it).to_owned()).collect();
        own.sort();
        wanted.sort();
        assert_eq!(own, wanted, "not the shape of {api}: {answer}");
    };
    match api {
        "novastraxis" => {
            shape(&body, &["error_code", "message", "request_id"]);
            let (code, message) = (text(&body["error_code"]), text(&body["message"]));
            Words { code, message, request_id: Some(text(&body["request_id"])), ..Words::default() }
        }
        "cloudnexus" | "cloudnexus-servers" => {
            shape(&body, &["error"]);
            let error = &body["error"];
            shape(error, &["code", "message", "request_id"]);
            let (code, message) = (text(&error["code"]), text(&error["message"]));
            Words { code, message, request_id: Some(text(&error["request_id"])), ..Words::default() }
        }
        "cloudnx" => {
            shape(&body, &["error"]);
            Words { message: text(&body["error"]), ..Words::default() }
        }
        "novastack" => {
            shape(&body, &["error"]);
            let error = &body["error"];
            shape(error, &["code", "message", "param", "type"]);
            let (code, message, kind) = (text(&error["code"]), text(&error["message"]), text(&error["type"]));
            Words { code, message, kind, param: error["param"].as_str().map(str::to_owned), request_id: None }
        }
        other => panic!("nobody has said how `{other}` words a refusal"),
    }
}

#[track_caller]
fn told_in_xml(answer: &Answer) -> Words {
    let text = answer.text();
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    assert!(text.starts_with("<?xml ") && element("Error").is_some(), "not S3's shape: {answer}");
    Words {
        code: element("Code").unwrap_or_else(|| panic!("no code: {answer}")),
        message: element("Message").unwrap_or_else(|| panic!("no message: {answer}")),
        request_id: element("RequestId"),
        ..Words::default()
    }
}

impl World {
    /// Asks, and holds the refusal to its status, its body and its entry. Nothing of it may have reached the cloud.
    #[track_caller]
    pub fn refuses(&self, api: &str, request: &Request, expected: Refusal<'_>) -> Answer {
        let answer = self.ask(request).expect(expected.status);
        self.check_refusal(api, &answer, expected);
        answer
    }

    /// Holds a refusal that was already received to its status, its body and its entry.
    #[track_caller]
    pub fn check_refusal(&self, api: &str, answer: &Answer, expected: Refusal<'_>) {
        let Refusal { status, code, step, reason } = expected;
        let id = answer.says("x-request-id").to_owned();
        if !answer.body.is_empty() {
            let words = told(api, answer);
            assert_eq!(words.code, code, "{answer}");
            assert!(!words.message.is_empty(), "{answer}");
            assert!(words.request_id.is_none_or(|it| it.ends_with(&id)), "two request ids: {answer}");
        }
        let entry = self.gateway.entries().of(&id);
        assert_eq!(entry["status"], status, "{entry:#}");
        assert_eq!(entry["decision"]["outcome"], "refuse", "{entry:#}");
        assert_eq!(entry["decision"]["step"], step, "{entry:#}");
        assert_eq!(entry["decision"]["reason"], reason, "{entry:#}");
        assert_eq!(entry.get("upstream"), None, "a refused request has an upstream: {entry:#}");
        let cloud =
            if answer.header("content-type").is_some_and(|it| it.contains("xml")) { "cloudnx-objects" } else { api };
        assert_eq!(self.clouds.saw(cloud, &id), None, "a refused request reached the cloud");
    }

    /// Asks, and holds a success to its status, its entry, and the one request that reached the cloud.
    #[track_caller]
    pub fn permits(&self, api: &str, request: &Request, status: u16) -> Answer {
        let answer = self.ask(request).expect(status);
        let id = answer.says("x-request-id").to_owned();
        let entry = self.gateway.entries().of(&id);
        assert_eq!(entry["status"], status, "{entry:#}");
        assert_eq!(entry["request"]["api"], api, "{entry:#}");
        assert_eq!(entry["decision"]["outcome"], "permit", "{entry:#}");
        assert!(entry["decision"]["policies"].as_array().is_some_and(|it| !it.is_empty()), "{entry:#}");
        answer
    }
}
