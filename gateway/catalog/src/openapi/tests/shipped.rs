//! The documents under `policies/apis` load without a fault, and their examples are what their schemas say.

use std::borrow::Cow;
use std::path::PathBuf;

use domain::{Arrival, Call, Moment, NormalPath, PathMode, RequestId, Source, Tick, Timestamp};
use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use super::*;
use crate::openapi::node::Key;
use crate::validate::{Invalid, Media, Parameter, Shape};

/// How headers begin that the profile of the object host refuses where they are not documented.
const CLOSED: &str = "x-amz-";

/// Every shipped OpenAPI document with its text.
fn documents() -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from("../../policies/apis");
    let files = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut found: Vec<PathBuf> = files(folder).filter(|it| it.is_dir()).flat_map(files).collect();
    found.retain(|it| it.to_string_lossy().ends_with("openapi.yaml"));
    found.sort();
    assert!(found.len() >= 6, "{found:?}");
    found.into_iter().map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
}

/// The documented example or examples of a media type or parameter.
fn examples<'a>(page: &Page<'a>, node: &'a Node) -> Vec<&'a Node> {
    let named = node.get("examples").map_or(&[][..], Node::entries);
    let named = named.iter().filter_map(|(_, it)| page.resolve(it)?.get("value"));
    node.get("example").into_iter().chain(named).collect()
}

fn plain(node: &Node) -> Value {
    node.to_json(&str::to_owned)
}

#[test]
fn every_shipped_document_loads_without_a_fault() {
    for (file, text) in documents() {
        let api = "acme".parse().unwrap();
        let closed = [CLOSED.to_owned()];
        let read = read(&file, &text, &Surface { closed_headers: &closed, ..surface(&api) });
        let faults: Vec<String> = read.faults.iter().map(ToString::to_string).collect();
        assert!(read.whole, "{}", file.display());
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

#[test]
fn every_example_of_a_body_or_an_answer_fits_its_schema() {
    for (file, text) in documents() {
        let root = Node::parse(&file, &text).unwrap();
        let page = Page::new(&file, &root);
        let schemas = Schemas::new(&root).unwrap();
        let mut checked = 0;
        let mut left = vec![&root];
        while let Some(node) = left.pop() {
            left.extend(node.items().iter().chain(node.entries().iter().map(|(_, it)| it)));
            for (key, media) in node.get("content").map_or(&[][..], Node::entries) {
                let Some(schema) = media.get("schema").filter(|_| Media::parse(&key.text).unwrap().is_json()) else {
                    continue;
                };
                let schema = schemas.compile(schema).unwrap();
                for example in examples(&page, media) {
                    let value = plain(example);
                    let wrong: Vec<String> = schema.iter_errors(&value).map(|it| it.to_string()).collect();
                    assert!(wrong.is_empty(), "{}:{}: {wrong:?}", file.display(), example.place.line);
                    checked += 1;
                }
            }
        }
        assert!(checked > 0 || file.ends_with("s3.openapi.yaml"), "{} has no examples", file.display());
    }
}

#[test]
fn every_example_of_a_request_is_one_the_operation_takes() {
    for (file, text) in documents() {
        let api = "acme".parse().unwrap();
        let closed = [CLOSED.to_owned()];
        let document =
            read(&file, &text, &Surface { base_path: "", closed_headers: &closed, ..surface(&api) }).sound().unwrap();
        let root = Node::parse(&file, &text).unwrap();
        let page = Page::new(&file, &root);
        let mut operations = document.operations.iter();
        for (_, item) in root.get("paths").unwrap().entries() {
            for (method, node) in item.entries().iter().filter(|(it, _)| METHODS.contains(&it.text.as_str())) {
                let documented = operations.next().unwrap();
                assert_eq!(documented.operation.method.as_str().to_lowercase(), method.text);
                for (example, wrong) in bodies(&page, documented, node) {
                    assert_eq!(wrong, Ok(()), "{}:{}", file.display(), example.place.line);
                }
                let listed = [item, node].map(|it| it.get("parameters").map_or(&[][..], Node::items));
                for parameter in listed.into_iter().flatten().map(|it| page.resolve(it).unwrap()) {
                    let name = parameter.get("name").and_then(Node::text).unwrap();
                    let known = known(documented, name, parameter.get("in").and_then(Node::text).unwrap());
                    let content = parameter.get("content").map_or(&[][..], Node::entries).iter().map(|(_, it)| it);
                    for example in content.chain([parameter]).flat_map(|it| examples(&page, it)) {
                        let mut wrongs = Vec::new();
                        let texts = texts(known, &plain(example));
                        known.check(&texts.into_iter().map(Cow::Owned).collect::<Vec<_>>(), &mut wrongs);
                        assert!(wrongs.is_empty(), "{}:{}: {wrongs:?}", file.display(), example.place.line);
                    }
                }
            }
        }
    }
}

/// Every example of a JSON body, and what the operation says to it.
fn bodies<'a>(page: &Page<'a>, documented: &Documented, node: &'a Node) -> Vec<(&'a Node, Result<(), Invalid>)> {
    let body = node.get("requestBody").and_then(|it| page.resolve(it)).and_then(|it| it.get("content"));
    let json = body.map_or(&[][..], Node::entries).iter().filter(|(key, _)| Media::parse(&key.text).unwrap().is_json());
    let checked = json.flat_map(|(key, media)| examples(page, media).into_iter().map(move |it| (key, it)));
    let take = |(key, example): (&Key, &'a Node)| {
        let arrival = arrival(&key.text);
        let call = Call { operation: documented.operation.clone(), parameters: Vec::new() };
        (example, documented.validator.body(&call, &arrival, plain(example).to_string().as_bytes()))
    };
    checked.map(take).collect()
}

fn arrival(content_type: &str) -> Arrival {
    Arrival {
        id: RequestId::from_bytes([1; 16]),
        at: Moment { wall: Timestamp::from_seconds(0), tick: Tick::default() },
        source: Source { address: [127, 0, 0, 1].into(), tls: true },
        method: Method::POST,
        host: "api.acme.test".to_owned(),
        target: "/".to_owned(),
        path: NormalPath::parse("/", PathMode::Api).unwrap(),
        headers: [(CONTENT_TYPE, content_type.parse().unwrap())].into_iter().collect(),
    }
}

fn known<'d>(documented: &'d Documented, name: &str, stands: &str) -> &'d Parameter {
    let validator = &documented.validator;
    let mut all: Vec<&Parameter> = match stands {
        "path" => validator.path.iter().collect(),
        "query" => validator.query.iter().collect(),
        "cookie" => validator.cookies.iter().collect(),
        _ => validator.headers.iter().map(|(_, it)| it).collect(),
    };
    all.retain(|it| it.name == name);
    assert_eq!(all.len(), 1, "{name} in {stands}");
    all[0]
}

/// An example as a client would send it.
fn texts(parameter: &Parameter, example: &Value) -> Vec<String> {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    match (parameter.shape, example) {
        (Shape::Json { .. }, it) => vec![it.to_string()],
        (Shape::Commas(_), Value::Array(items)) => vec![items.iter().map(text).collect::<Vec<_>>().join(",")],
        (_, Value::Array(items)) => items.iter().map(text).collect(),
        (_, it) => vec![text(it)],
    }
}
