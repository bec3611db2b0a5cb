//! Entries in a stream of NATS: each once and in order, whoever is killed; and who must have them holds what is strict.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use acceptance::{Request, Running, World, python_alone, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const SOON: Duration = Duration::from_mins(1);
const PASSWORD: &str = "correct-horse-battery";
const STREAM: &str = "ENTRIES";
const SUBJECT: &str = "portcullis.audit";

/// A server of NATS with a folder and a port of its own.
struct Server {
    folder: PathBuf,
    /// Where it is, once that is known.
    port: Option<u64>,
    /// What is in its settings.
    conf: String,
    /// A file of authorities, where it speaks TLS.
    authority: Option<PathBuf>,
    process: Running,
}

impl Server {
    /// One that lets in whoever has the password.
    fn start(world: &World, more: &str) -> Self {
        Self::with(world, None, more)
    }

    /// The same over TLS.
    fn secured(world: &World) -> Self {
        let tls = world.gateway.data().join("tls");
        let file = |name: &str| tls.join(name).display().to_string();
        let more = format!("tls {{ cert_file: {:?}, key_file: {:?} }}\n", file("cert.pem"), file("key.pem"));
        Self::with(world, Some(world.gateway.authority().to_owned()), &more)
    }

    fn with(world: &World, authority: Option<PathBuf>, more: &str) -> Self {
        let folder = world.folder().join("nats");
        std::fs::create_dir(&folder).expect("a folder of the test");
        let conf = format!("authorization {{ user: gateway, password: {PASSWORD:?} }}\n{more}");
        let process = Self::serve(&folder, None, &conf);
        let mut server = Self { folder, port: None, conf, authority, process };
        server.port = Some(server.listens());
        server
    }

    fn serve(folder: &Path, port: Option<u64>, conf: &str) -> Running {
        std::fs::write(folder.join("conf"), conf).expect("settings");
        let usual = Path::new("/usr/sbin/nats-server");
        let program = if usual.is_file() { usual } else { Path::new("nats-server") };
        let mut command = Command::new(program);
        command.arg("-c").arg(folder.join("conf")).args(["-a", "127.0.0.1", "-js", "-p"]);
        command.arg(port.map_or_else(|| "-1".to_owned(), |it| it.to_string()));
        command.arg("-sd").arg(folder.join("store")).arg("--ports_file_dir").arg(folder);
        Running::start("nats-server", folder, &mut command)
    }

    /// Waits until it does, and says where.
    fn listens(&self) -> u64 {
        let file = self.folder.join(format!("nats-server_{}.ports", self.process.id()));
        until("nats-server to listen", SOON, || {
            let told: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            told["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
        })
    }

    /// Starts it again after it has ended.
    fn start_again(&mut self) {
        self.process = Self::serve(&self.folder, self.port, &self.conf);
        let _ = self.listens();
    }

    /// Has something done by a client that is not ours.
    fn client(&self, verb: &str, words: &[&str]) -> Vec<Value> {
        let port = self.port.expect("a port");
        let mut server = match &self.authority {
            Some(_) => format!("tls://localhost:{port},gateway,{PASSWORD}"),
            None => format!("nats://127.0.0.1:{port},gateway,{PASSWORD}"),
        };
        if let Some(authority) = &self.authority {
            server = format!("{server},{}", authority.display());
        }
        let done = python_alone("stream.py", &[&[verb, &server, STREAM], words].concat());
        assert_eq!(done.code, 0, "{done:?}");
        done.out.lines().map(|it| serde_json::from_str(it).expect("a message")).collect()
    }

    fn stream(&self, words: &[&str]) {
        let _ = self.client("make", &[&[SUBJECT], words].concat());
    }

    /// The row of the settings that names it.
    fn row(&self, more: &str) -> String {
        let secret = self.folder.join("secret");
        keep(&secret, &format!("gateway:{PASSWORD}\n"));
        let port = self.port.expect("a port");
        let url = match &self.authority {
            Some(authority) => format!("url = 'tls://localhost:{port}'\nca = '{}'", authority.display()),
            None => format!("url = 'nats://127.0.0.1:{port}'"),
        };
        format!(
            "[[audit.sinks]]\nname = 'bus'\nkind = 'nats'\n{url}\nsubject = '{SUBJECT}'\nstream = '{STREAM}'\nsecret_file = '{}'\n{more}",
            secret.display()
        )
    }
}

/// Writes a secret as its owner would.
fn keep(file: &Path, text: &str) {
    std::fs::write(file, text).expect("a secret");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
}

/// Starts the gateway again with this beside the settings it was made with.
fn name(world: &mut World, rows: &str) {
    let file = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&file).expect("settings");
    let own = text.split("[[audit.sinks]]").next().unwrap_or_default();
    std::fs::write(&file, format!("{own}\n{rows}")).expect("settings");
    world.gateway.restart();
}

fn ask(world: &World, count: usize) {
    let mut connection = world.gateway.door().secure(NSX);
    for number in 0..count {
        let _ = connection.ask(&Request::get(NSX, &format!("/v2/nothing/{number}")));
    }
}

fn metric(world: &World, name: &str, labels: &[&str]) -> f64 {
    world.gateway.metric(&format!("portcullis_audit_sink_{name}"), &[&["sink=\"bus\""], labels].concat())
}

/// Waits until a delivery has ended like this.
#[track_caller]
fn until_outcome(world: &World, outcome: &str) {
    let label = format!("outcome=\"{outcome}\"");
    until(&format!("a delivery to be `{outcome}`"), SOON, || {
        (metric(world, "deliveries_total", &[&label]) >= 1.0).then_some(())
    });
}

/// Waits until the stream has every entry that is in the log now: once each, in order, and named in its headers.
#[track_caller]
fn until_all(world: &World, server: &Server) -> Vec<Value> {
    let log = world.gateway.entries().whole();
    let messages = until("every entry to be in the stream", SOON, || {
        let read = server.client("read", &[]);
        (log.len() <= read.len()).then_some(read)
    });
    for (message, (number, entry)) in messages.iter().zip((0..).zip(&log)) {
        let sent = &message["entry"];
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        assert_eq!(sent["seq"].as_u64(), Some(number), "{message}");
        let identity = format!("{}/{}/{}", text(&entry["node"]), text(&entry["boot"]), entry["node_seq"]);
        let (class, headers) = (text(&entry["class"]), &message["headers"]);
        assert_eq!(sent["node_seq"], entry["node_seq"], "{message}");
        assert_eq!(message["subject"], format!("{SUBJECT}.{class}"));
        assert_eq!(headers["Nats-Msg-Id"], identity);
        assert_eq!(headers["ce-id"], identity);
        assert_eq!(headers["ce-type"], format!("portcullis.{class}"));
        assert_eq!(headers["ce-source"], "portcullis/portcullis");
        assert_eq!(headers["ce-specversion"], "1.0");
        assert_eq!(headers["ce-sequence"], format!("{number:020}"));
        assert_eq!(headers["ce-time"], entry["time"], "{message}");
        assert!(sent["raw"].is_string(), "{sent}");
        assert!(sent["sealed"].is_null() || sent["request"]["path"].is_null(), "{sent}");
    }
    messages
}

#[test]
fn a_stream_has_every_entry_once_and_in_order_whoever_is_killed() {
    let mut world = World::start();
    let mut server = Server::secured(&world);
    server.stream(&[]);
    name(&mut world, &server.row("batch_entries = 10\n"));
    for round in 0..3 {
        let before = metric(&world, "deliveries_total", &["outcome=\"accepted\""]);
        ask(&world, 150);
        until("something to leave", SOON, || {
            (before < metric(&world, "deliveries_total", &["outcome=\"accepted\""])).then_some(())
        });
        if round == 1 {
            server.process.kill();
            server.start_again();
        }
        world.gateway.kill();
        if round == 2 {
            // All of it is given again; the stream knows that it has it.
            std::fs::remove_file(world.gateway.data().join("audit/cursor/bus")).expect("a cursor");
        }
        world.gateway.start_again();
    }
    assert!(until_all(&world, &server).len() > 300);
    world.gateway.entries().assert_sound();
}

#[test]
fn a_server_that_is_away_or_hangs_is_given_all_of_it_in_order() {
    let mut world = World::start();
    let mut server = Server::start(&world, "");
    server.stream(&[]);
    server.process.kill();
    name(&mut world, &server.row("deadline_ms = 300\n"));
    ask(&world, 600);
    until_outcome(&world, "unreachable");
    assert_eq!(world.gateway.ask_admin("/readyz").status, 200);
    server.start_again();
    let _ = until_all(&world, &server);
    server.process.signal("STOP");
    ask(&world, 20);
    until_outcome(&world, "late");
    server.process.signal("CONT");
    let _ = until_all(&world, &server);
}

#[test]
fn what_only_an_operator_can_mend_is_said_and_nothing_is_lost() {
    let mut world = World::start();
    let server = Server::start(&world, "max_payload: 16384\n");
    server.stream(&["40"]);
    let row = server.row("");
    keep(&server.folder.join("secret"), "gateway:wrong-horse-battery");
    name(&mut world, &row);
    until_outcome(&world, "refused");
    keep(&server.folder.join("secret"), &format!("gateway:{PASSWORD}"));
    for (row, outcome, said) in [
        (row.replace(STREAM, "OTHERS"), "refused", "expected stream"),
        (row.replace(SUBJECT, "nobody.keeps"), "no_stream", "nobody keeps `nobody.keeps`"),
        (row.clone(), "full", "maximum messages exceeded"),
    ] {
        name(&mut world, &row);
        ask(&world, 60);
        until_outcome(&world, outcome);
        until(said, SOON, || world.gateway.process().log().contains(said).then_some(()));
    }
    let _ = server.client("grow", &[]);
    let _ = until_all(&world, &server);
    let said = world.gateway.process().log();
    assert!(said.contains("Authorization Violation") && said.contains("until somebody sets it right"), "{said}");
    assert!(!said.contains("horse"), "a password was said");
}

#[test]
fn a_server_that_takes_less_than_an_entry_is_named() {
    let mut world = World::start();
    let server = Server::start(&world, "max_payload: 1200\n");
    server.stream(&[]);
    name(&mut world, &server.row(""));
    until_outcome(&world, "refused");
    let said = world.gateway.process().log();
    assert!(said.contains("the server's `max_payload` is 1200"), "{said}");
}

#[test]
fn a_required_receiver_holds_what_is_strict_until_it_accepts_and_nothing_else() {
    let mut world = World::start();
    // Who waits asks often.
    let key = world.key_with("novastraxis", &world.tenant("novastraxis"), &["compute"], &["--tier", "enterprise"]);
    let mut server = Server::start(&world, "");
    server.stream(&[]);
    name(&mut world, &server.row("required = true\nrequired_lag_ms = 2000\n"));
    let read = Request::get(NSX, "/v2/compute/instances").bearer(&key.text);
    let create = Request::post(NSX, "/v2/compute/instances").bearer(&key.text).json(&json!({}));
    let sinks = |world: &World| {
        let told = world.gateway.ask_admin("/readyz").json();
        let conditions = told["conditions"].as_array().expect("conditions").clone();
        conditions.into_iter().find(|it| it["name"] == "sinks").expect("a condition of that name")
    };
    // A start that takes long leaves entries of the run before it that are too old.
    until("strict operations to go on", SOON, || (world.ask(&create).status == 400).then_some(()));
    assert!(sinks(&world)["ok"] == true && metric(&world, "held", &[]) < 0.5);

    server.process.kill();
    let held = until("strict operations to be held", SOON, || Some(world.ask(&create)).filter(|it| it.status == 503));
    assert_eq!(held.json()["error_code"], "service_unavailable", "{held}");
    assert_eq!(held.says("refusal-reason"), "unavailable", "{held}");
    assert_eq!(world.clouds.saw("novastraxis", held.says("x-request-id")), None);
    let entry = world.gateway.entries().of(held.says("x-request-id"));
    assert!(entry["decision"]["step"] == "record" && entry["status"] == 503, "{entry}");
    for _ in 0..20 {
        let _ = world.ask(&read).expect(200);
    }
    // Who may not ask learns nothing of it.
    let _ = world.ask(&Request::post(NSX, "/v2/compute/instances").json(&json!({}))).expect(401);
    let told = sinks(&world);
    assert!(told["ok"] == false && told["detail"].as_str().is_some_and(|it| it.contains("`bus`")), "{told}");
    assert!(world.gateway.ask_admin("/readyz").status == 503 && metric(&world, "held", &[]) > 0.5);

    // What was not accepted counts after a start as well.
    world.gateway.crash();
    let _ = world.ask(&create).expect(503);
    server.start_again();
    until("strict operations to go on", SOON, || (world.ask(&create).status == 400).then_some(()));
    until("the gateway to be ready", SOON, || (world.gateway.ask_admin("/readyz").status == 200).then_some(()));
    let messages = until_all(&world, &server);
    let turns = messages.iter().filter(|it| it["entry"]["class"] == "sink.delivery");
    let turns: Vec<&str> = turns.filter_map(|it| it["entry"]["outcome"].as_str()).collect();
    let turns: Vec<&str> = turns.into_iter().filter(|it| matches!(*it, "held" | "released")).collect();
    assert!(turns.windows(2).any(|it| *it == ["held", "held"]) && turns.ends_with(&["released"]), "{turns:?}");
}

#[test]
fn rows_that_cannot_work_are_named_by_check_all_at_once() {
    let world = World::start();
    let server = Server::start(&world, "");
    let row = server.row("");
    let secret = server.folder.join("secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    let file = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&file).expect("settings");
    let line = text.lines().count() + 1;
    let check = |rows: &str| {
        std::fs::write(&file, format!("{}\n{rows}", text.trim_end())).expect("settings");
        let told = world.gateway.command(&["check"]);
        assert_eq!(told.code, 2, "{told:?}");
        told.errors
    };
    let told = check(&row);
    let place = format!("portcullis.toml:{line}:1: [[audit.sinks]] `bus`:");
    assert!(told.contains(&place) && told.contains("has mode 640"), "{told}");
    let wrong = row.replace(SUBJECT, "a..b").replace(STREAM, "*").replace("nats://127.0.0.1", "nats://a.example");
    let told = check(&format!("{wrong}required_lag_ms = 5\n"));
    for fault in ["`subject` is", "`stream` is", "in the clear", "`required_lag_ms` is at least", "without `required"] {
        assert!(told.contains(fault), "{fault}: {told}");
    }
}
