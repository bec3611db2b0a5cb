//! The binary itself: it announces its ports once they listen, answers there, and stops when it is told to.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

struct Running {
    child: Child,
    ports: BTreeMap<String, SocketAddr>,
    _data: tempfile::TempDir,
}

fn start(more: &[&str]) -> Running {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud"));
    command.arg("--data").arg(data.path()).args(["--ports-file", "-"]).args(more);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Running { child, ports: serde_json::from_str(&line).unwrap(), _data: data }
}

impl Running {
    fn get(&self, port: &str, target: &str) -> String {
        let mut stream = TcpStream::connect(self.ports[port]).unwrap();
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: x\r\nx-portcullis-tenant: acme\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn every_port_is_announced_and_answers_for_its_own_api() {
    let mut it = start(&["--until-stdin-closes"]);
    for (port, target) in [
        ("novastraxis", "/v2/network/vpcs"),
        ("cloudnexus", "/v2/buckets"),
        ("cloudnexus-servers", "/v2/servers"),
        ("cloudnx", "/compute/vpcs"),
        ("novastack", "/router/v1/models"),
        ("control", "/control/health"),
    ] {
        let answer = it.get(port, target);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{port}: {answer}");
    }
    assert!(it.get("cloudnx-objects", "/").contains("<Code>AccessDenied</Code>"), "an unsigned request is refused");
    assert!(it.ports.values().all(|it| it.ip().is_loopback()));
    drop(it.child.stdin.take());
    assert!(it.child.wait().unwrap().success());
}

#[test]
fn no_port_of_an_api_leads_to_the_control_port() {
    let mut it = start(&["--until-stdin-closes"]);
    for port in ["novastraxis", "cloudnexus", "cloudnexus-servers", "cloudnx", "novastack"] {
        assert!(it.get(port, "/control/health").starts_with("HTTP/1.1 404"), "{port}");
    }
    drop(it.child.stdin.take());
    assert!(it.child.wait().unwrap().success());
}

#[test]
fn either_signal_ends_it_in_order_though_its_input_stays_open() {
    for signal in ["-TERM", "-INT"] {
        let mut it = start(&[]);
        let sent = Command::new("kill").arg(signal).arg(it.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        assert!(it.child.wait().unwrap().success(), "{signal}");
    }
}

#[test]
fn an_address_that_is_taken_is_told_and_nothing_runs() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloud"));
    command.arg("--data").arg(data.path()).args(["--novastack", &address]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&address) && told.contains("novastack"), "{told}");
}
