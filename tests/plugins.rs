//! Code of tenants: it runs on their own requests and on nobody else's, and whatever it does, others do not notice.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

use std::path::PathBuf;
use std::time::Duration;

use acceptance::{Answer, Commanded, Key, Refusal, Request, World, told, until};
use guests::Guest;
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const API: &str = "novastraxis";
const LIST: &str = "/v2/compute/instances";
const SOON: Duration = Duration::from_secs(20);

/// How a request is refused whose plugin cannot be run to its end.
const FAULT: Refusal<'static> =
    Refusal { status: 503, code: "service_unavailable", step: "plugins", reason: "plugin_fault" };

/// A gateway, a tenant with plugins, and another that has none.
struct Two {
    world: World,
    with: Key,
    without: Key,
}

impl Two {
    fn start() -> Self {
        // Few guests at once, so that a test reserves little.
        let world = World::with(|it, _| it.more.push_str("[plugins]\ninstances = 4\n"));
        let (with, other) = (world.key(API, &["compute"]), world.new_tenant("other"));
        let without = world.key_with(API, &other, &["compute"], &[]);
        Self { world, with, without }
    }

    /// The folder of a plugin of this name.
    fn folder(&self, name: &str, component: &[u8], lines: &str) -> String {
        let folder: PathBuf = self.world.folder().join("pushed").join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let manifest = format!(
            "[plugin]\nname = \"{name}\"\nversion = \"1.0.0\"\nabi = \"portcullis:plugin@1.0\"\n[needs]\n\
             phases = [\"request\"]\nheaders.read = [\"x-seen\"]\nheaders.write = [\"x-marked\"]\n{lines}"
        );
        std::fs::write(folder.join("plugin.toml"), manifest).expect("a manifest");
        std::fs::write(folder.join("plugin.wasm"), component).expect("a component");
        folder.display().to_string()
    }

    fn try_push(&self, tenant: &str, name: &str, component: &[u8], lines: &str) -> Commanded {
        let folder = self.folder(name, component, lines);
        self.world.gateway.command(&["plugin", "push", &folder, "--tenant", tenant, "--api", API, "--output", "json"])
    }

    /// Has a plugin run on the requests of the one who has some. Gives its id.
    #[track_caller]
    fn push(&self, name: &str, guest: &Guest, lines: &str) -> String {
        let pushed = self.try_push(&self.with.tenant, name, &guest.component(), lines).json();
        pushed["id"].as_str().expect("an id").to_owned()
    }

    fn ask(&self, key: &Key) -> Answer {
        self.world.ask(&Request::get(NSX, LIST).bearer(&key.text))
    }

    /// That the plugins of one tenant are nothing to another.
    #[track_caller]
    fn other_is_unharmed(&self) {
        let answer = self.world.permits(API, &Request::get(NSX, LIST).bearer(&self.without.text), 200);
        let id = answer.says("x-request-id");
        assert_eq!(self.world.gateway.entries().of(id).get("plugins"), None);
        assert_eq!(marks(&self.world, &answer), Vec::<String>::new());
    }

    /// What was entered of a request besides its own entry.
    #[track_caller]
    fn entered(&self, class: &str, answer: &Answer) -> Value {
        let id = answer.says("x-request-id");
        let of = |it: &Value| it["class"] == class && it["cause"].as_str().is_some_and(|it| id.ends_with(it));
        self.world.gateway.entries().of_kind(1, of).remove(0)
    }
}

/// What the API behind was told in the header that plugins of these tests may set.
#[track_caller]
fn marks(world: &World, answer: &Answer) -> Vec<String> {
    let seen = world.clouds.saw(API, answer.says("x-request-id")).expect("a sighting");
    let lines = seen["headers"].as_array().expect("headers").iter().filter(|it| it[0] == "x-marked");
    lines.filter_map(|it| it[1].as_str()).map(str::to_owned).collect()
}

#[test]
fn a_plugin_runs_on_the_requests_of_its_tenant_from_push_to_revocation_and_on_nobody_elses() {
    let mut two = Two::start();
    two.other_is_unharmed();
    let guest = Guest::setting(&[("x-marked", "by its tenant")]).finding("pii.card", "a card", "pci-dss-3.4");
    let id = two.push("marker", &guest, "");
    for _ in 0..2 {
        let answer = two.ask(&two.with).expect(200);
        assert_eq!(marks(&two.world, &answer), ["by its tenant"]);
        let entry = two.world.gateway.entries().of(answer.says("x-request-id"));
        let words: Vec<&str> = entry["plugins"][0].as_str().expect("a plugin").split(' ').collect();
        assert_eq!((words[0], words[1].len(), words[2]), ("marker", 64, "edited"), "{entry:#}");
        let verdict = two.entered("plugin.verdict", &answer);
        assert_eq!(
            (&verdict["tenant"], &verdict["digest"]),
            (&json!(two.with.tenant), &json!(words[1])),
            "{verdict:#}"
        );
        assert_eq!(verdict["headers"], json!(["x-marked"]), "{verdict:#}");
        let finding =
            json!({ "code": "pii.card", "severity": "high", "message": "a card", "controls": ["pci-dss-3.4"] });
        assert_eq!(verdict["findings"], json!([finding]), "{verdict:#}");
        let words = ["audit", "query", "--request", answer.says("x-request-id"), "--output", "json"];
        let told = two.world.gateway.command(&words).out;
        let class = |it: &str| serde_json::from_str::<Value>(it).expect("an entry")["class"].clone();
        let classes: Vec<Value> = told.lines().map(class).collect();
        assert_eq!(classes, [json!("plugin.verdict"), json!("request.completed")], "{told}");
        two.other_is_unharmed();
        // What was bound is bound when it starts again.
        two.world.gateway.restart();
    }
    assert_eq!(two.push("marker", &Guest::answering(409, "not today"), ""), id, "the next version of it");
    let answer = two.ask(&two.with).expect(409);
    assert_eq!((answer.text().as_str(), answer.says("content-type")), ("not today", "text/plain; charset=utf-8"));
    assert_eq!(two.world.clouds.saw(API, answer.says("x-request-id")), None);
    let entry = two.world.gateway.entries().of(answer.says("x-request-id"));
    assert_eq!((&entry["decision"]["step"], &entry["decision"]["reason"]), (&json!("plugins"), &json!("plugin_reply")));
    two.other_is_unharmed();

    let listed = two.world.gateway.json(&["plugin", "list", "--tenant", &two.without.tenant]);
    assert_eq!(listed, json!([]));
    let ended = two.world.gateway.json(&["plugin", "revoke", &id]);
    assert_eq!((ended[0]["id"].as_str(), ended[0]["state"].as_str()), (Some(id.as_str()), Some("revoked")));
    let answer = two.world.refuses(API, &Request::get(NSX, LIST).bearer(&two.with.text), FAULT);
    assert_eq!(two.entered("plugin.fault", &answer)["kind"], "revoked");
    let again = two.try_push(&two.with.tenant, "marker", &Guest::answering(409, "not today").component(), "");
    assert!(again.code == 2 && again.errors.contains("was revoked"), "{again:?}");
    two.other_is_unharmed();
    let _ = two.world.gateway.json(&["plugin", "remove", &id]);
    assert_eq!(marks(&two.world, &two.ask(&two.with).expect(200)), Vec::<String>::new());

    let deeds = two.world.gateway.entries().of_kind(5, |it| it["class"] == "plugin.change");
    let told: Vec<_> = deeds.iter().map(|it| (it["action"].as_str(), it["outcome"].as_str())).collect();
    let expected = ["install", "update", "revoke", "install", "remove"];
    let expected =
        expected.iter().enumerate().map(|(at, it)| (Some(*it), Some(if at == 3 { "refused" } else { "done" })));
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert!(deeds.iter().all(|it| it["tenant"] == two.with.tenant.as_str()), "{deeds:#?}");
    two.world.gateway.entries().assert_sound();
}

#[test]
fn a_guest_that_is_hostile_is_held_and_its_neighbours_do_not_notice() {
    let two = Two::start();
    let bomb = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    for (name, guest, kind) in [
        ("loop", Guest::doing("(loop (br 0)) unreachable"), "deadline"),
        ("bomb", Guest::doing(bomb), "memory"),
        ("stack", Guest::doing("(call $hook (local.get 0))"), "stack"),
        ("trap", Guest::doing("unreachable"), "trap"),
        ("length", Guest::setting(&[("content-length", "0")]), "verdict"),
        ("smuggler", Guest::setting(&[("x-marked", "1\r\nx-portcullis-tenant: other")]), "verdict"),
        ("impostor", Guest::setting(&[("x-portcullis-tenant", "other")]), "verdict"),
    ] {
        let id = two.push(name, &guest, "");
        let answer = two.world.refuses(API, &Request::get(NSX, LIST).bearer(&two.with.text), FAULT);
        assert!(answer.header("retry-after").is_some(), "{answer}");
        let words = told(API, &answer).message;
        assert!(!words.contains(name) && !words.contains("plugin"), "the caller learns nothing of it: {words}");
        let fault = two.entered("plugin.fault", &answer);
        let told = [&fault["plugin"], &fault["kind"], &fault["blame"], &fault["effect"]].map(Value::as_str);
        assert_eq!(told, [name, kind, "plugin", "blocked"].map(Some), "{fault:#}");
        two.other_is_unharmed();
        let _ = two.world.gateway.json(&["plugin", "remove", &id]);
    }
    let _ = two.ask(&two.with).expect(200);
    // Whoever fails and fails is not even run any more, which is nothing to others.
    let _ = two.push("trap", &Guest::doing("(unreachable)"), "");
    let kinds = (0..6).map(|_| {
        let kind = two.entered("plugin.fault", &two.ask(&two.with).expect(503));
        kind["kind"].as_str().map(str::to_owned)
    });
    assert!(kinds.flatten().any(|it| it == "quarantined"));
    two.other_is_unharmed();
    let counted = two.world.gateway.metric("portcullis_plugin_faults_total", &["kind=\"trap\"", "blame=\"plugin\""]);
    assert!(counted >= 2.0, "{counted}");
}

#[test]
fn one_that_is_not_for_security_may_be_passed_over_and_its_entry_says_so() {
    let two = Two::start();
    let _ = two.push("trap", &Guest::doing("unreachable"), "[run]\nclass = \"shaping\"\non_error = \"skip\"\n");
    let answer = two.ask(&two.with).expect(200);
    let fault = two.entered("plugin.fault", &answer);
    assert_eq!((&fault["kind"], &fault["effect"]), (&json!("trap"), &json!("skipped")), "{fault:#}");
    let bypass = two.try_push(&two.with.tenant, "no", &Guest::passing().component(), "[run]\non_error = \"skip\"\n");
    assert!(bypass.code == 2 && bypass.errors.contains("a way past it"), "{bypass:?}");
}

#[test]
fn what_is_no_plugin_or_asks_for_more_than_it_says_is_refused_when_it_is_pushed() {
    let two = Two::start();
    let tenant = &two.with.tenant;
    let kv = Guest::passing().importing("kv", "get", "(param i32 i32 i32)");
    let kv =
        Guest { on_request: "(call $get (i32.const 0) (i32.const 0) (i32.const 8)) i32.const 1024".to_owned(), ..kv };
    let says_no = Guest { configure: Some("unreachable".to_owned()), ..Guest::passing() };
    let compiled = [b"\x7fELF".to_vec(), vec![0; 64]].concat();
    for (component, why) in [
        (b"#!/bin/sh\n".to_vec(), "no Wasm component"),
        (Guest::passing().module(), "core module"),
        (compiled, "never taken from anybody"),
        (kv.component(), "add `kv = true` to `[caps]`"),
        (says_no.component(), "the guest trapped"),
    ] {
        let told = two.try_push(tenant, "p", &component, "");
        assert!(told.code == 2 && told.errors.contains(why), "{why}: {told:?}");
    }
    let told = two.try_push(tenant, "p", &Guest::passing().component(), "[caps]\nsudo = true\n");
    assert!(told.code == 2 && told.errors.contains("\"line\":10") && told.errors.contains("sudo"), "{told:?}");
    let told = two.try_push("nobody", "p", &Guest::passing().component(), "");
    assert!(told.code == 2 && told.errors.contains("no tenant"), "{told:?}");
    assert_eq!(two.world.gateway.json(&["plugin", "list"]), json!([]));
    let _ = two.ask(&two.with).expect(200);
    let _ = two.push("p", &kv, "[caps]\nkv = true\n");
    let _ = two.ask(&two.with).expect(200);
}

#[test]
fn compiled_code_that_somebody_has_put_there_is_not_run() {
    let mut two = Two::start();
    let _ = two.push("marker", &Guest::setting(&[("x-marked", "yes")]), "");
    let code = || {
        let files = std::fs::read_dir(two.world.gateway.data().join("plugins")).expect("a folder").flatten();
        files.map(|it| it.path()).find(|it| it.extension().is_some_and(|it| it == "cwasm")).expect("compiled code")
    };
    let file = code();
    let mut forged = std::fs::read(&file).expect("compiled code");
    forged.iter_mut().skip(32).for_each(|it| *it ^= 1);
    std::fs::write(&file, &forged).expect("a file that may be written");
    two.world.gateway.restart();
    assert_eq!(marks(&two.world, &two.ask(&two.with).expect(200)), ["yes"]);
    assert_ne!(std::fs::read(&file).expect("compiled code"), forged, "it was compiled anew");
}

#[test]
fn what_the_gateway_answers_itself_no_plugin_sees() {
    let world = World::with(|it, _| it.more.push_str("[plugins]\ninstances = 4\n"));
    let ann = world.user("ann", &world.tenant("cloudnx"), "viewer");
    let two = Two { with: world.key(API, &["compute"]), without: world.key(API, &["compute"]), world };
    let folder = two.folder("trap", &Guest::doing("unreachable").component(), "");
    let tenant = two.world.tenant("cloudnx");
    let words = ["plugin", "push", &folder, "--tenant", &tenant, "--api", "cloudnx"];
    assert_eq!(two.world.gateway.command(&words).code, 0);
    let body = json!({ "email": ann.name, "password": ann.password });
    let own = |it: Request| it.header("Origin", "https://cloudnx.in");
    let session = two.world.ask(&own(Request::post("cloudnx.in", "/auth/login")).json(&body)).expect(200);
    let cookie = |name: &str| {
        let mut lines = session.headers.iter().filter(|it| it.0 == "set-cookie");
        let found = lines.find_map(|it| it.1.strip_prefix(name)?.strip_prefix('='));
        format!("{name}={}", found.and_then(|it| it.split(';').next()).expect("a cookie"))
    };
    let shown = |request: Request| two.world.ask(&own(request).header("Cookie", &cookie("cnx_access")));
    assert_eq!(
        shown(Request::get("cloudnx.in", "/compute/instances")).expect(503).says("refusal-reason"),
        "plugin_fault"
    );
    let _ = shown(Request::post("cloudnx.in", "/auth/logout")).expect(200);
}

#[test]
fn a_plugin_that_was_begun_a_moment_ago_is_built_pushed_and_runs() {
    let two = Two::start();
    let folder = two.world.folder().join("greeter");
    let folder = folder.to_str().expect("a path that is text");
    assert_eq!(two.world.gateway.json(&["plugin", "new", folder])["name"], "greeter");
    let again = two.world.gateway.command(&["plugin", "new", folder]);
    assert!(again.code == 2 && again.errors.contains("is there already"), "{again:?}");
    let built = two.world.gateway.json(&["plugin", "build", folder]);
    assert_eq!(built["needs"], json!(["log"]), "{built}");
    let words = ["plugin", "push", folder, "--tenant", &two.with.tenant, "--api", API, "--plugin-config"];
    let config = |text: &str| {
        let file = two.world.folder().join("greeting.json");
        std::fs::write(&file, text).expect("a configuration");
        two.world.gateway.command(&[&words[..], &[file.to_str().expect("a path that is text")]].concat())
    };
    let refused = config(r#"{"greeting": "a\nb"}"#);
    assert!(refused.code == 2 && refused.errors.contains("`/greeting` has a character"), "{refused:?}");
    assert_eq!(config(r#"{"greeting": "good day"}"#).code, 0);
    let answer = two.ask(&two.with).expect(200);
    let seen = two.world.clouds.saw(API, answer.says("x-request-id")).expect("a sighting").to_string();
    assert!(seen.contains(r#"["x-greeting","good day"]"#), "{seen}");
    let blocked = Request::get(NSX, LIST).bearer(&two.with.text).header("X-Blocked", "rain");
    let answer = two.world.ask(&blocked).expect(403);
    assert_eq!((answer.text().as_str(), answer.says("refusal-reason")), ("not today: rain", "plugin_reply"));
    assert_eq!(two.entered("plugin.verdict", &answer)["findings"][0]["code"], "hello.blocked");
    let _ = two.world.ask(&Request::get(NSX, LIST).bearer(&two.without.text).header("X-Blocked", "rain")).expect(200);
}

#[test]
fn a_plugin_that_another_process_has_pushed_is_in_force_when_it_says_so() {
    let two = Two::start();
    for mark in ["one", "two", "three"] {
        let _ = two.push("marker", &Guest::setting(&[("x-marked", mark)]), "");
        assert_eq!(marks(&two.world, &two.ask(&two.with).expect(200)), [mark]);
    }
    // A key that is made meanwhile is good as well.
    let key = two.world.key(API, &["compute"]);
    assert_eq!(marks(&two.world, &two.ask(&key).expect(200)), ["three"]);
    let runs = || two.world.gateway.metric("portcullis_plugin_runs_total", &["outcome=\"edited\""]);
    until("the count of runs", SOON, || (runs() > 3.5).then_some(()));
}
