//! Cedar's own corpus, decided by index and ready conditions.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;

use cedar_policy::{Context, Entities, EntityId, EntityUid, PolicySet, Request, Schema, ValidationMode, Validator};
use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::index::tests::by_index;
use crate::stock::{StockDecision, by_stock};

#[path = "../tests/vectors/mod.rs"]
mod vectors;

/// How many cases and requests the corpus holds.
const CASES: usize = 7_809;
const REQUESTS: usize = 62_472;
/// Cases that say they must not validate and that pass with a warning since Cedar 4.13: a policy that can never apply.
const PASS_WITH_A_WARNING: usize = 35;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    should_validate: bool,
    requests: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    principal: Named,
    action: Named,
    resource: Named,
    context: serde_json::Value,
    decision: String,
    reason: Vec<String>,
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

impl Named {
    fn uid(&self) -> EntityUid {
        EntityUid::from_type_name_and_id(self.kind.parse().unwrap(), EntityId::new(&self.id))
    }
}

/// What became of one case.
#[derive(Default)]
struct Tally {
    cases: usize,
    requests: usize,
    warned: usize,
}

/// The four files of a case, by their endings.
type Files = HashMap<&'static str, String>;

const ENDINGS: [&str; 4] = [".entities.json", ".cedarschema", ".cedar", ".json"];

fn run(name: &str, files: &Files) -> Tally {
    let case: Case = serde_json::from_str(&files[".json"]).unwrap();
    let (schema, _) = Schema::from_cedarschema_str(&files[".cedarschema"]).unwrap();
    let policies: PolicySet = files[".cedar"].parse().unwrap();
    let entities = Entities::from_json_str(&files[".entities.json"], Some(&schema)).unwrap();
    let validated = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
    let warned = validated.validation_passed() && !case.should_validate;
    assert!(validated.validation_passed() == case.should_validate || warned, "{name}: validation");
    assert!(!warned || !validated.validation_passed_without_warnings(), "{name}: validated without a warning");
    for (at, asked) in case.requests.iter().enumerate() {
        let action = asked.action.uid();
        let context = Context::from_json_value(asked.context.clone(), Some((&schema, &action))).unwrap();
        let (principal, resource) = (asked.principal.uid(), asked.resource.uid());
        let request = Request::new(principal, action, resource, context, Some(&schema)).unwrap();
        let expected = StockDecision {
            allowed: asked.decision == "allow",
            determining: asked.reason.clone(),
            erring: asked.errors.clone(),
        };
        assert_eq!(by_index(&request, &policies, &entities), expected, "{name}: request {at} by index");
        assert_eq!(by_stock(&request, &policies, &entities), expected, "{name}: request {at} by stock");
    }
    Tally { cases: 1, requests: case.requests.len(), warned: usize::from(warned) }
}

#[test]
fn every_case_of_the_corpus_is_decided_as_cedar_decides_it() {
    let Some(file) = vectors::find("cedar/corpus-tests.tar.gz") else { return };
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(file).unwrap()));
    let (sender, receiver) = std::sync::mpsc::sync_channel::<(String, Files)>(64);
    let receiver = std::sync::Mutex::new(receiver);
    let tally = std::thread::scope(|scope| {
        let work = || {
            let mut tally = Tally::default();
            loop {
                let next = receiver.lock().unwrap().recv();
                let Ok((name, files)) = next else { return tally };
                let one = run(&name, &files);
                tally.cases += one.cases;
                tally.requests += one.requests;
                tally.warned += one.warned;
            }
        };
        let workers = [(); 2]
            .map(|()| std::thread::Builder::new().stack_size(16 * 1024 * 1024).spawn_scoped(scope, work).unwrap());
        let mut open: HashMap<String, Files> = HashMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let Some(ending) = ENDINGS.into_iter().find(|it| path.ends_with(it)) else { continue };
            let name = path.trim_end_matches(ending).to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let files = open.entry(name.clone()).or_default();
            files.insert(ending, text);
            if files.len() == ENDINGS.len() {
                let files = open.remove(&name).unwrap();
                sender.send((name, files)).unwrap();
            }
        }
        drop(sender);
        assert!(open.is_empty(), "half a case: {:?}", open.keys().next());
        workers.into_iter().map(|it| it.join().unwrap()).fold(Tally::default(), |sum, it| Tally {
            cases: sum.cases + it.cases,
            requests: sum.requests + it.requests,
            warned: sum.warned + it.warned,
        })
    });
    println!("corpus: {} requests of {} cases", tally.requests, tally.cases);
    assert_eq!((tally.cases, tally.requests, tally.warned), (CASES, REQUESTS, PASS_WITH_A_WARNING));
}
