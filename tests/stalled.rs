//! A disk that hangs is no error, and is treated as one: nothing is promised that is not kept, nobody waits for ever, the
//! operator is told, and what was begun is finished when the disk goes on.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::path::PathBuf;
use std::time::Duration;

use acceptance::{Answer, Key, Request, World, until};
use faults::Layer;
use serde_json::{Value, json};

const API: &str = "novastraxis";
const NSX: &str = "api.novastraxis.com";
const INSTANCES: &str = "/v2/compute/instances";
const SOON: Duration = Duration::from_secs(20);

/// A gateway whose disk can be told to hang, all that it keeps being on it.
struct Bed {
    world: World,
    hang: PathBuf,
    _layer: Layer,
}

impl Bed {
    fn new(audit: &str) -> Self {
        let mut world = World::with(|settings, _| settings.more.push_str(audit));
        let (layer, hang) = (Layer::compile(), world.folder().join("hang"));
        let plan = format!("hang:{}", hang.display());
        let around = layer.around(&world.gateway.data(), &world.folder().join("journal"), &plan);
        assert!(world.gateway.crash_into(&around), "it did not start");
        Self { world, hang, _layer: layer }
    }

    fn hang(&self) {
        std::fs::write(&self.hang, "").expect("a file of the test");
    }

    fn go_on(&self) {
        std::fs::remove_file(&self.hang).expect("a file of the test");
        until("the gateway to be ready again", SOON, || (self.ready().status == 200).then_some(()));
    }

    fn ready(&self) -> Answer {
        self.world.gateway.ask_admin("/readyz")
    }

    fn post(&self, key: &Key) -> Answer {
        let wanted = json!({
            "machine_type": "n2-standard-4", "region": "us-east-1", "network_id": "vpc-4a1c", "image_id": "img-debian-13",
        });
        self.world.ask(&Request::post(NSX, INSTANCES).bearer(&key.text).json(&wanted))
    }

    fn get(&self, key: &Key) -> Answer {
        self.world.ask(&Request::get(NSX, INSTANCES).bearer(&key.text))
    }

    /// Waits for the entry of each of these answers, and holds the log to having one of each.
    #[track_caller]
    fn hold(&self, answers: &[Answer]) {
        let ids: Vec<&str> = answers.iter().map(|it| it.says("x-request-id")).collect();
        let _ = self.world.gateway.entries().of_each(&ids);
        self.world.gateway.entries().assert_sound();
    }

    fn entries(&self, says: impl Fn(&Value) -> bool) -> usize {
        self.world.gateway.entries().whole().iter().filter(|it| says(it)).count()
    }
}

#[track_caller]
fn refused(answer: Answer) -> Answer {
    let answer = answer.expect(503);
    assert_eq!(answer.json()["error_code"], "service_unavailable", "{answer}");
    assert_eq!(answer.says("refusal-reason"), "unavailable", "{answer}");
    answer
}

#[test]
fn while_the_disk_hangs_nothing_is_promised_and_when_it_goes_on_nothing_is_lost() {
    let mut bed = Bed::new("[audit]\n");
    let key = bed.world.key(API, &["compute"]);
    let mut answers = vec![bed.post(&key).expect(201), bed.get(&key).expect(200)];
    let stranger = bed.world.key(API, &["compute"]);
    bed.hang();
    // Found out by this one, or by the watch before it; and by one for whom a key to seal with has yet to be kept.
    answers.push(refused(bed.post(&key)));
    answers.push(refused(bed.get(&stranger)));
    let told = until("the operator to be told", SOON, || Some(bed.ready()).filter(|it| it.status == 503));
    assert!(told.text().contains("the disk has not answered"), "{}", told.text());
    for _ in 0..5 {
        answers.push(refused(bed.post(&key)));
        answers.push(refused(bed.get(&key)));
        assert_eq!(bed.world.gateway.ask_admin("/healthz").status, 200);
    }
    bed.go_on();
    answers.push(bed.post(&key).expect(201));
    answers.push(bed.get(&stranger).expect(200));
    bed.hold(&answers);
    let stalled = |it: &Value| it["action"] == "stalled" && it["ms"].as_u64().is_some_and(|it| 500 <= it);
    assert!(bed.entries(stalled) > 0, "nobody can read afterwards that the disk hung");
    // Those that waited in vain for a place among the requests under way were never sent on.
    bed.world.gateway.crash();
    assert_eq!(bed.entries(|it| it["class"] == "request.lost"), 0);
}

#[test]
fn reads_go_on_until_their_bound_and_are_refused_then() {
    // So patient that nobody says that the disk hangs.
    let bed = Bed::new("[audit]\nstall_ms = 60000\nbacklog_entries = 5\n");
    let key = bed.world.key(API, &["compute"]);
    let mut answers = vec![bed.get(&key).expect(200)];
    bed.hang();
    let last = until("the bound", SOON, || {
        let answer = bed.get(&key);
        if answer.status == 200 {
            answers.push(answer);
            return None;
        }
        Some(refused(answer))
    });
    answers.push(last);
    assert!(answers.len() < 20, "{} answers whose entries are in memory alone", answers.len());
    assert_eq!(bed.ready().status, 200);
    bed.go_on();
    answers.push(bed.get(&key).expect(200));
    bed.hold(&answers);
}
