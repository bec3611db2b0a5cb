//! The clouds and the OpenAPI documents of the gateway say the same: which operations there are, and what they answer.
//!
//! Every documented operation that the gateway forwards is asked with the document's own examples, and its answer is
//! held against the document's schema.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::body::Body;
use http::Request;
use serde_json::{Map, Value, json};

use crate::testing::{Asker, Bench, read};

/// API, document, and the base path that the document leaves out.
const DOCUMENTS: [(&str, &str, &str); 6] = [
    ("novastraxis", "novastraxis/openapi.yaml", ""),
    ("cloudnexus", "cloudnexus/openapi.yaml", "/v2"),
    ("cloudnexus-servers", "cloudnexus-servers/openapi.yaml", "/v2"),
    ("cloudnx", "cloudnx/api.openapi.yaml", ""),
    ("cloudnx-objects", "cloudnx/s3.openapi.yaml", ""),
    ("novastack", "novastack/openapi.yaml", "/router/v1"),
];

const METHODS: [&str; 6] = ["get", "put", "post", "delete", "patch", "head"];

/// One operation of a document.
struct Documented {
    name: String,
    method: String,
    path: String,
    operation: Value,
}

fn document(file: &str) -> Value {
    let file = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default())
        .join("../../policies/apis")
        .join(file);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
    serde_saphyr::from_str(&text).unwrap()
}

/// The operations that are forwarded, with the parameters of their path among their own.
fn forwarded(document: &Value, base: &str) -> Vec<Documented> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            if operation.get("x-portcullis-native").is_some() {
                continue;
            }
            let mut operation = operation.clone();
            let shared = item["parameters"].as_array().into_iter().flatten();
            let own = operation["parameters"].as_array().into_iter().flatten();
            let parameters: Vec<Value> = shared.chain(own).map(|it| resolved(document, it).clone()).collect();
            operation["parameters"] = json!(parameters);
            all.push(Documented {
                name: operation["operationId"].as_str().unwrap().to_owned(),
                method: method.to_ascii_uppercase(),
                path: format!("{base}{path}"),
                operation,
            });
        }
    }
    all
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// A template without the names of its parameters, which each side chooses.
fn shape(path: &str) -> String {
    let (template, selector) = path.split_once('#').unwrap_or((path, ""));
    let anonymous = |it: &str| if it.starts_with('{') { "{}".to_owned() } else { it.to_owned() };
    let shape: Vec<String> = template.split('/').map(anonymous).collect();
    format!("{}#{selector}", shape.join("/"))
}

#[test]
fn the_clouds_answer_exactly_what_the_documents_forward() {
    let bench = Bench::new();
    for (api, file, base) in DOCUMENTS {
        let documented: BTreeSet<(String, String, String)> =
            forwarded(&document(file), base).into_iter().map(|it| (it.name, it.method, shape(&it.path))).collect();
        let served = bench.served.iter().find(|it| it.api == api).unwrap();
        let answered: BTreeSet<(String, String, String)> = served
            .operations
            .iter()
            // These two are for tests that look behind the gateway, and say so.
            .filter(|it| !it.name.starts_with("lookAt"))
            .map(|it| (it.name.to_owned(), it.method.to_owned(), shape(it.path)))
            .collect();
        let missing: Vec<_> = documented.difference(&answered).collect();
        let more: Vec<_> = answered.difference(&documented).collect();
        assert!(missing.is_empty() && more.is_empty(), "{api}: missing {missing:#?}, more {more:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_to_a_documented_example_is_as_documented() {
    let mut faults = Vec::new();
    for (api, file, base) in DOCUMENTS {
        // The object host takes signed requests only: `check_s3.py` asks it with boto3.
        if api == "cloudnx-objects" {
            continue;
        }
        let document = document(file);
        for documented in forwarded(&document, base) {
            let bench = Bench::new();
            let asker = bench.api(api, "acme");
            if documented.name == "createBucket" {
                // The example's bucket is there from the beginning.
                asker.ask("DELETE", "/storage/buckets/prod-assets").await;
            }
            let target = target(&documented, &asker).await;
            let (status, body) = ask(&document, &documented, &asker, &target).await;
            faults.extend(unlike(&document, &documented, status, &body));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A path that leads to something: what the document gives as an example where that is there, else what a list shows.
async fn target(documented: &Documented, asker: &Asker) -> String {
    let mut target = documented.path.clone();
    for parameter in documented.operation["parameters"].as_array().unwrap() {
        if parameter["in"] != "path" {
            continue;
        }
        let name = parameter["name"].as_str().unwrap();
        let example = parameter["example"].as_str().unwrap();
        let place = format!("{{{name}}}");
        let (before, _) = target.split_once(&place).unwrap();
        let known = ["bucket", "key", "model"].contains(&name);
        let value = if known { example.to_owned() } else { listed(before, &documented.name, asker).await };
        target = target.replace(&place, &value);
    }
    let query: Vec<String> =
        documented.operation["parameters"].as_array().unwrap().iter().filter_map(query_of).collect();
    if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
}

/// Examples that choose among what is there would often choose nothing; those of plain values do no harm.
fn query_of(parameter: &Value) -> Option<String> {
    let name = parameter["name"].as_str()?;
    (parameter["in"] == "query" && ["limit", "per_page"].contains(&name)).then(|| format!("{name}=5"))
}

/// The id of something in the list at `path`, made first where the list begins empty.
async fn listed(path: &str, operation: &str, asker: &Asker) -> String {
    let all = path.trim_end_matches('/');
    let filter = if operation == "startInstance" { "?status=stopped" } else { "" };
    match all.rsplit('/').next().unwrap() {
        "files" => {
            upload(asker, all).await;
        }
        "autoscaling-groups" => {
            asker.tell("POST", all, &json!({ "name": "n", "min_size": 1, "max_size": 1 })).await;
        }
        "access-keys" => {
            asker.ask("POST", all).await;
        }
        _ => {}
    }
    let page = asker.get(&format!("{all}{filter}")).await;
    let items = page.as_object().unwrap().values().find_map(Value::as_array).unwrap();
    let ids = items.iter().map(|it| it["id"].as_str().or_else(|| it["access_key_id"].as_str()).unwrap());
    let unused: Vec<&str> = ids.collect();
    if operation == "deleteVpc" {
        let order = json!({ "name": "empty", "cidr": "10.99.0.0/16" });
        return asker.tell("POST", all, &order).await.1["id"].as_str().unwrap().to_owned();
    }
    if operation == "stopInstance" || operation == "rebootInstance" {
        return "i_7f3a2b".to_owned();
    }
    (*unused.last().unwrap()).to_owned()
}

async fn upload(asker: &Asker, path: &str) -> (u16, Value) {
    let form = "--edge\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nnotes\r\n--edge--\r\n";
    let request = Request::post(path).header("content-type", "multipart/form-data; boundary=edge");
    read(asker.send(request, Body::from(form)).await).await
}

async fn ask(document: &Value, documented: &Documented, asker: &Asker, target: &str) -> (u16, Value) {
    let body = resolved(document, &documented.operation["requestBody"]);
    let Some((media, content)) = body["content"].as_object().and_then(|it| it.iter().next()) else {
        return asker.ask(&documented.method, target).await;
    };
    match media.as_str() {
        "application/json" => {
            let mut example = content["example"].clone();
            if documented.name == "createChatCompletion" {
                example["stream"] = json!(false);
            }
            asker.tell(&documented.method, target, &example).await
        }
        "multipart/form-data" => upload(asker, target).await,
        media => {
            let request =
                Request::builder().method(documented.method.as_str()).uri(target).header("content-type", media);
            read(asker.send(request, Body::from("some bytes")).await).await
        }
    }
}

/// In what an answer is unlike the document: its status, its schema, or the fields of its example.
fn unlike(document: &Value, documented: &Documented, status: u16, body: &Value) -> Vec<String> {
    let name = &documented.name;
    let answer = documented.operation["responses"].get(status.to_string()).filter(|_| (200..300).contains(&status));
    let Some(answer) = answer else { return vec![format!("{name}: {status} {body}")] };
    let content = &resolved(document, answer)["content"]["application/json"];
    let Some(schema) = content.get("schema") else { return Vec::new() };
    let mut whole: Map<String, Value> = schema.as_object().unwrap().clone();
    whole.insert("components".to_owned(), document["components"].clone());
    let validator = jsonschema::options().should_validate_formats(true).build(&Value::Object(whole)).unwrap();
    let misfits = validator.iter_errors(body).map(|it| format!("{name}{}: {it}", it.instance_path()));
    let unsaid = unsaid(&content["example"], body, "").into_iter().map(|it| format!("{name} does not tell {it}"));
    misfits.chain(unsaid).collect()
}

/// The fields of the document's own example that an answer lacks: schemas require little, so they alone would not tell.
fn unsaid(example: &Value, body: &Value, place: &str) -> Vec<String> {
    match (example, body) {
        (Value::Object(fields), Value::Object(own)) => fields
            .iter()
            .flat_map(|(name, inner)| {
                let place = format!("{place}/{name}");
                own.get(name).map_or_else(|| vec![place.clone()], |it| unsaid(inner, it, &place))
            })
            .collect(),
        (Value::Array(items), Value::Array(own)) => {
            items.first().zip(own.first()).map_or_else(Vec::new, |(one, it)| unsaid(one, it, place))
        }
        _ => Vec::new(),
    }
}
