//! The stand-ins behind the gateway, and the port that tells them to misbehave.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Connection, Request, Running, program, until};

/// The access key with which the gateway signs for the object host.
pub(crate) const UPSTREAM_KEY: (&str, &str) = ("GATEWAYUPSTREAMKEY", "upstream-secret-of-the-acceptance-tests");

/// All clouds, running.
#[derive(Debug)]
pub struct Clouds {
    process: Running,
    ports: BTreeMap<String, SocketAddr>,
    identity_keys: PathBuf,
}

impl Clouds {
    /// Starts them with their data in `folder`, quick enough for tests. They believe nobody before they [know](Self::know)
    /// a gateway.
    #[track_caller]
    pub fn start(folder: &Path) -> Self {
        let (ports, identity_keys) = (folder.join("ports.json"), folder.join("identity-keys.json"));
        let mut command = Command::new(program("cloud"));
        command.arg("--data").arg(folder.join("clouds")).arg("--ports-file").arg(&ports).arg("--until-stdin-closes");
        command.args(["--s3-access-key", UPSTREAM_KEY.0, "--s3-secret-key", UPSTREAM_KEY.1]);
        command.arg("--identity-keys").arg(&identity_keys);
        command.args(["--provisioning", "50ms", "--working", "20ms", "--chunk", "5ms"]);
        let mut process = Running::start("clouds", folder, &mut command);
        // They write the file whole or not at all, and only once every port listens.
        let text = until("the clouds to say where they listen", Duration::from_mins(1), || {
            assert!(process.ended().is_none(), "the clouds did not start:\n{}", process.log());
            std::fs::read_to_string(&ports).ok()
        });
        let ports = serde_json::from_str(&text).expect("the ports of the clouds");
        Self { process, ports, identity_keys }
    }

    /// Has them believe the gateway that publishes these keys.
    #[track_caller]
    pub fn know(&self, keys: &str) {
        std::fs::write(&self.identity_keys, keys).expect("a file in the test's own folder");
    }

    /// Where one of them listens.
    #[track_caller]
    pub fn address(&self, api: &str) -> SocketAddr {
        *self.ports.get(api).unwrap_or_else(|| panic!("no cloud `{api}` among {:?}", self.ports))
    }

    /// Makes the answers of an API go wrong, for instance `{"kind": "hang", "times": 1}`.
    #[track_caller]
    pub fn arm(&self, api: &str, fault: &Value) {
        let mut fault = fault.clone();
        fault["api"] = json!(api);
        let _ = self.control(&Request::post("control", "/control/faults").json(&fault), 201);
    }

    /// Heals everything.
    #[track_caller]
    pub fn heal(&self) {
        let _ = self.control(&Request::delete("control", "/control/faults"), 204);
    }

    /// The last requests that reached an API, the newest last: `method`, `target`, `headers`, `operation`.
    #[track_caller]
    pub fn seen(&self, api: &str) -> Vec<Value> {
        let asked = Request::get("control", &format!("/control/seen?last=10000&api={api}"));
        self.control(&asked, 200)["seen"].as_array().expect("a list of sightings").clone()
    }

    /// The sighting of the request with this id, as the gateway names it upstream.
    #[track_caller]
    pub fn saw(&self, api: &str, request_id: &str) -> Option<Value> {
        let named = |it: &Value| header(it, "x-request-id").is_some_and(|it| it.ends_with(request_id));
        self.seen(api).into_iter().find(named)
    }

    /// Moves the clock of the clouds forward.
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        let body = json!({ "advance_ms": u64::try_from(by.as_millis()).expect("a short time") });
        let _ = self.control(&Request::post("control", "/control/clock").json(&body), 200);
    }

    /// Ends them without asking.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    #[track_caller]
    fn control(&self, request: &Request, status: u16) -> Value {
        let answer = Connection::to(self.address("control")).ask(request).expect(status);
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }
}

/// A header of a sighting.
pub(crate) fn header(sighting: &Value, name: &str) -> Option<String> {
    let lines = sighting["headers"].as_array()?;
    let line = lines.iter().find(|line| line[0].as_str().is_some_and(|it| it.eq_ignore_ascii_case(name)))?;
    line[1].as_str().map(str::to_owned)
}
