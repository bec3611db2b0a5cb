//! What is done to the gateway itself is entered, beside what is asked of it; and so is that it lives.

use std::process::Command;
use std::time::Duration;

use acceptance::{Answer, Request, World, program, until};
use serde_json::{Value, json};

const NSX: &str = "api.novastraxis.com";
const LIST: &str = "/v2/compute/instances";
const SOON: Duration = Duration::from_secs(30);

/// The entries of a class, once there are so many.
#[track_caller]
fn of_class(world: &World, class: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} entries of `{class}`"), SOON, || {
        let mut all = world.gateway.entries().whole();
        all.retain(|it| it["class"] == class);
        (count <= all.len()).then_some(all)
    })
}

#[test]
fn what_commands_do_is_entered_with_who_did_it_and_for_whom() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let entries = of_class(&world, "key.change", 1);
    let made = entries.iter().find(|it| it["key"] == key.id.as_str()).expect("the entry of the key");
    assert_eq!((&made["action"], &made["outcome"]), (&json!("create"), &json!("done")));
    assert!(made["actor"].as_str().is_some_and(|it| it.starts_with("os:")), "{made}");
    assert_eq!((&made["facts"]["api"], made["tenant"].is_string()), (&json!("novastraxis"), true));
    let refused = world.gateway.command(&["api-keys", "revoke", "key_nobody"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    let of_refused = of_class(&world, "key.change", entries.len() + 1).pop().expect("an entry");
    assert_eq!((&of_refused["outcome"], &of_refused["key"]), (&json!("refused"), &json!("key_nobody")));
    assert!(of_refused["reason"].as_str().is_some_and(|it| it.contains("there is no key")), "{of_refused}");
    // What is done while no gateway runs is entered by the next one, once.
    let _ = world.gateway.stop();
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &key.id]).code, 0);
    world.gateway.start_again();
    let entries = of_class(&world, "key.change", entries.len() + 2);
    let revoked: Vec<_> = entries.iter().filter(|it| it["action"] == "revoke" && it["outcome"] == "done").collect();
    assert_eq!(revoked.len(), 1, "{revoked:#?}");
    assert!(!serde_json::to_string(&entries).expect("text").contains(&key.text), "a key is in an entry");
    world.gateway.entries().assert_sound();
}

#[test]
fn who_only_looks_into_the_data_folder_is_entered_as_well() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let looks: [(&[&str], &str); 7] = [
        (&["tenants", "list"], "list_tenants"),
        (&["api-keys", "list"], "list_keys"),
        (&["api-keys", "show", &key.id], "show_key"),
        (&["keys", "list"], "list_signing_keys"),
        (&["audit", "sinks"], "sinks"),
        (&["audit", "prune", "--dry-run"], "prune_dry_run"),
        (&["audit", "doctor"], "doctor"),
    ];
    for (words, _) in looks {
        let told = world.gateway.command(words);
        assert_eq!(told.code, 0, "{words:?}: {told:?}");
    }
    let said = of_class(&world, "audit.read", looks.len());
    for ((_, action), entry) in looks.iter().zip(&said) {
        assert_eq!((&entry["action"], &entry["outcome"]), (&json!(action), &json!("done")), "{entry}");
        assert!(entry["actor"].as_str().is_some_and(|it| it.starts_with("os:")), "{entry}");
    }
    // While no gateway runs it waits for the next one.
    let _ = world.gateway.stop();
    assert_eq!(world.gateway.command(&["tenants", "list"]).code, 0);
    world.gateway.start_again();
    assert_eq!(
        of_class(&world, "audit.read", looks.len() + 1).last().map(|it| &it["action"]),
        Some(&json!("list_tenants"))
    );
}

#[test]
fn the_configuration_is_entered_at_the_start_and_whenever_it_changes_or_is_refused() {
    let world = World::with(|settings, folder| {
        let copy = folder.join("apis");
        let done = Command::new("cp").arg("-r").arg(&settings.apis).arg(&copy).status();
        assert!(done.expect("a copy").success());
        settings.apis = copy;
        for other in std::fs::read_dir(&settings.apis).expect("profiles").flatten() {
            if other.file_name() != "novastraxis" {
                std::fs::remove_dir_all(other.path()).expect("a folder of the test");
            }
        }
        settings.upstreams.retain(|api, _| api == "novastraxis");
        settings.more.clear();
    });
    let apis = world.folder().join("apis");
    let first = of_class(&world, "config.snapshot", 1).pop().expect("an entry");
    assert_eq!(first["occasion"], "start");
    assert_eq!(first["facts"]["apis"].as_array().map(Vec::len), Some(1), "{first}");
    let sum = Command::new("sha256sum").arg(program("portcullis")).output().expect("a digest");
    let sum = String::from_utf8(sum.stdout).expect("hexadecimal");
    let sum = sum.split(' ').next().expect("a digest");
    assert_eq!(first["binary"], format!("sha256:{sum}"), "{first}");
    assert_eq!(first["facts"]["tls"]["versions"], json!(["TLSv1_3", "TLSv1_2"]), "{first}");
    let file = apis.join("novastraxis/api.toml");
    let good = std::fs::read_to_string(&file).expect("a profile");
    std::fs::write(&file, format!("{good}\n# changed\n")).expect("a profile");
    let change = of_class(&world, "config.change", 1).pop().expect("an entry");
    assert_eq!((&change["before"], &change["outcome"]), (&first["digest"], &json!("done")), "{change}");
    let second = of_class(&world, "config.snapshot", 2).pop().expect("an entry");
    assert_eq!((&second["digest"], &second["occasion"]), (&change["after"], &json!("change")));
    assert_ne!(second["digest"], first["digest"]);
    std::fs::write(&file, "nonsense = true").expect("a profile");
    let refused = of_class(&world, "config.change", 2).pop().expect("an entry");
    assert_eq!((&refused["outcome"], &refused["after"]), (&json!("refused"), &second["digest"]));
    assert!(refused["reason"].as_str().is_some_and(|it| it.contains("nonsense")), "{refused}");
}

#[test]
fn a_gateway_that_is_asked_nothing_says_that_it_lives() {
    let world = World::with(|settings, _| settings.more.push_str("[audit]\nheartbeat_ms = 50\nsnapshot_ms = 100\n"));
    let _ = world.ask(&Request::get(NSX, "/nope"));
    let beats = of_class(&world, "heartbeat", 3);
    let told = until("a beat that counts the request", SOON, || {
        let beats = of_class(&world, "heartbeat", beats.len());
        beats.into_iter().find(|it| it["requests_total"] == 1 && it["requests_in_flight"] == 0)
    });
    assert!(told["entries_total"].as_u64() > Some(1), "{told}");
    assert_eq!(of_class(&world, "config.snapshot", 2)[1]["occasion"], "hour");
}

#[test]
fn how_the_gateway_is_is_entered_whether_or_not_it_is_asked_anything() {
    let world = World::with(|settings, _| settings.more.push_str("[audit]\nhealth_ms = 100\n"));
    let first = of_class(&world, "health.sample", 1).remove(0);
    assert_eq!((&first["ready"], &first["requests"], first.get("p50_us")), (&json!(true), &json!(0), None), "{first}");
    let key = world.key("novastraxis", &["compute"]);
    world.clouds.arm("novastraxis", &json!({ "kind": "fail", "status": 500, "times": 1 }));
    for (shown, status) in [(key.text.as_str(), 500), (&key.text, 200), ("nsx_live_nobody", 401)] {
        let _ = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(shown)).expect(status);
    }
    let samples = until("samples that count the requests", SOON, || {
        let samples = of_class(&world, "health.sample", 1);
        let sum = |name: &str| samples.iter().filter_map(|it| it[name].as_u64()).sum::<u64>();
        (["requests", "refused", "failed"].map(sum) == [3, 1, 1]).then_some(samples)
    });
    let busy = samples.iter().find(|it| it["requests"] != 0).expect("a sample with requests");
    assert!(busy["p50_us"].as_u64() <= busy["p99_us"].as_u64() && busy["p99_us"].is_u64(), "{busy}");
    let snapshot = of_class(&world, "config.snapshot", 1).remove(0);
    for sample in &samples {
        assert_eq!(sample["configuration"], snapshot["digest"]);
        assert!(sample["resident_bytes"].as_u64() > Some(1 << 20) && sample["disk_free_bytes"].as_u64() > Some(0));
        assert!(sample["disk_used_percent"].as_u64() <= Some(100) && sample["cores"].as_u64() > Some(0), "{sample}");
        let names = sample["conditions"].as_array().expect("conditions").iter().map(|it| &it["name"]);
        assert!(["audit", "keys", "policies"].iter().all(|name| names.clone().any(|it| it == name)), "{sample}");
    }
    assert!(samples.iter().filter_map(|it| it["cpu_ms"].as_u64()).sum::<u64>() > 0, "{samples:?}");
}

#[test]
fn a_request_that_was_sent_on_and_never_entered_is_named_by_the_next_start() {
    let mut world = World::start();
    let key = world.key("novastraxis", &["compute"]);
    let wanted = json!({
        "machine_type": "n2-standard-4", "region": "us-east-1", "network_id": "vpc-4a1c", "image_id": "img-debian-13",
    });
    let request = Request::post(NSX, "/v2/compute/instances").bearer(&key.text).json(&wanted);
    world.clouds.arm("novastraxis", &json!({ "kind": "slow", "ms": 30_000, "times": 1 }));
    let door = world.gateway.door().clone();
    let asked = std::thread::spawn(move || door.ask(&request));
    until("the cloud to have it", SOON, || (!world.clouds.seen("novastraxis").is_empty()).then_some(()));
    world.gateway.crash();
    assert!(asked.join().is_err(), "an answer from a gateway that was killed");
    let lost = of_class(&world, "request.lost", 1);
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0]["key"], key.id.as_str());
    assert_eq!(lost[0]["request"]["api"], "novastraxis");
    // It is said once, and of requests that were answered it is not said.
    let answer = world.ask(&Request::post(NSX, "/v2/compute/instances").bearer(&key.text).json(&wanted));
    assert_eq!(world.gateway.entries().of(answer.says("x-request-id"))["strict"], true);
    world.gateway.crash();
    world.gateway.crash();
    assert_eq!(of_class(&world, "request.lost", 1).len(), 1);
    world.gateway.entries().assert_sound();
}

#[test]
fn what_entries_say_of_a_person_is_sealed_and_can_be_erased_while_the_log_goes_on_verifying() {
    let mut world = World::start();
    let (acme, globex) = (world.tenant("novastraxis"), world.new_tenant("globex"));
    let roles = [&acme, &globex].map(|it| format!("{it}=member"));
    let made = world.gateway.json(&["users", "create", "--name", "alice", "--role", &roles[0], "--role", &roles[1]]);
    let (her, him) = (made["id"].as_str().expect("an id"), &*world.user("bob", &acme, "member").id);
    let key_of = |who: &str, tenant: &str| world.key_with("novastraxis", tenant, &["compute"], &["--owner", who]);
    let (alice, bob, other_alice) = (key_of(her, &acme), key_of(him, &acme), key_of(her, &globex));
    let asked = |key: &acceptance::Key| {
        let answer = world.ask(&Request::get(NSX, "/v2/compute/instances").bearer(&key.text)).expect(200);
        answer.says("x-request-id").to_owned()
    };
    let [hers, his, others] = [&alice, &bob, &other_alice].map(asked);
    let entries = world.gateway.entries();
    let told = |id: &str| entries.of(id)["request"].clone();
    for id in [&hers, &his, &others] {
        assert_eq!((&told(id)["path"], &told(id)["source"]), (&json!("/v2/compute/instances"), &json!("127.0.0.1")));
    }
    // Whoever has the files alone reads neither.
    let folder = entries.folder().to_str().expect("a path").to_owned();
    let bare = world.gateway.command(&["audit", "query", "--log", &folder, "--api", "novastraxis", "--output", "json"]);
    assert!(bare.out.contains("\"sealed\"") && !bare.out.contains("\"source\""), "{bare:?}");
    let stored = std::fs::read(entries.newest_file()).expect("the log");
    assert!(!String::from_utf8_lossy(&stored).contains("compute/instances"), "a path is in the log");

    let erase =
        |tenant: &str, who: &str| world.gateway.command(&["audit", "erase", "--tenant", tenant, "--subject", who]);
    let nobody = erase(&acme, "nobody");
    let nothing =
        "nothing is sealed for this subject; a user is known by their id, which `portcullis users list` shows";
    assert_eq!((nobody.code, nobody.out.trim()), (1, nothing), "{nobody:?}");
    let erased = erase(&acme, her);
    assert!(erased.code == 0 && erased.out.starts_with("done"), "{erased:?}");
    for (tenant, who) in [(acme.as_str(), her), (globex.as_str(), him), ("nowhere", her)] {
        let again = erase(tenant, who);
        assert_eq!((again.code, again.out.trim()), (1, nothing), "{again:?}");
    }
    let said = of_class(&world, "subject.erased", 5);
    let outcomes: Vec<_> = said.iter().map(|it| it["outcome"].as_str().unwrap_or_default()).collect();
    assert_eq!(outcomes, ["refused", "done", "refused", "refused", "refused"]);
    assert!(!serde_json::to_string(&said).expect("text").contains(her), "{said:#?}");
    let gone = entries.of(&hers);
    assert_eq!((&gone["sealed"]["erased"], gone["request"].get("path")), (&json!(true), None), "{gone:#}");
    for id in [&his, &others] {
        assert_eq!(told(id)["source"], "127.0.0.1", "somebody else was erased");
    }
    let shown = world.gateway.command(&["audit", "query", "--request", &hers]);
    assert!(shown.out.contains("GET  (erased)  "), "{shown:?}");
    // She may come back, and is another then.
    let later = asked(&alice);
    assert_eq!(told(&later)["source"], "127.0.0.1");
    entries.assert_sound();
    // Without a gateway it is said what it waits for.
    assert!(world.gateway.stop().success());
    let waits = world.gateway.command(&["audit", "erase", "--tenant", &acme, "--subject", her]);
    assert!(waits.code == 0 && waits.out.contains("nobody is erased yet: it waits for a gateway to run"), "{waits:?}");
}

#[test]
fn whoever_shows_a_known_key_that_is_refused_is_sealed_with_its_owner_and_found_with_its_tenant() {
    let world = World::start();
    let acme = world.tenant("novastraxis");
    let her = world.user("alice", &acme, "member").id;
    let alice = world.key_with("novastraxis", &acme, &["compute"], &["--owner", &her]);
    assert_eq!(world.gateway.command(&["api-keys", "revoke", &alice.id]).code, 0);
    world.gateway.catch_up();
    let paths = ["/v2/compute/instances", "/v2/no/such/thing"];
    let ids = paths.map(|path| {
        let status = if path == paths[0] { 401 } else { 404 };
        world.ask(&Request::get(NSX, path).bearer(&alice.text)).expect(status).says("x-request-id").to_owned()
    });
    let entries = world.gateway.entries();
    for (id, path) in ids.iter().zip(paths) {
        let entry = entries.of(id);
        let known = (&entry["tenant"], &entry["auth"]["key"], &entry["request"]["path"]);
        assert_eq!(known, (&json!(acme), &json!(alice.id), &json!(path)), "{entry:#}");
        assert!(entry["sealed"].is_object() && entry["auth"]["method"] == "api_key", "{entry:#}");
    }
    let attacks = ["audit", "query", "--tenant", &acme, "--outcome", "refuse", "--output", "json"];
    assert_eq!(world.gateway.command(&attacks).out.lines().count(), 2);
    assert_eq!(world.gateway.command(&["audit", "erase", "--tenant", &acme, "--subject", &her]).code, 0);
    for id in &ids {
        let gone = entries.of(id);
        assert_eq!((&gone["sealed"]["erased"], gone["request"].get("path")), (&json!(true), None), "{gone:#}");
    }
    entries.assert_sound();
}

#[test]
fn who_was_to_be_erased_is_named_nowhere_afterwards() {
    let world = World::start();
    let acme = world.tenant("novastraxis");
    let name = "alice@example.com";
    assert_eq!(world.gateway.command(&["audit", "erase", "--tenant", &acme, "--subject", name]).code, 1);
    let data = world.gateway.data().display().to_string();
    let found = || Command::new("grep").args(["-rlaF", name, &data]).output().expect("a search").stdout;
    until("the name to be nowhere", SOON, || found().is_empty().then_some(()));
}

#[test]
fn a_request_is_followed_step_by_step_in_the_log() {
    let world = World::with(|settings, _| settings.log = "info,pipeline=debug");
    let key = world.key("novastraxis", &["compute"]);
    let steps = |answer: &Answer| -> Vec<Value> {
        let id = answer.says("x-request-id").rsplit('_').next().unwrap_or_default().to_owned();
        until("the last step", Duration::from_secs(20), || {
            let log = world.gateway.process().log();
            let lines = log.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
            let own: Vec<Value> = lines.filter(|it| it["span"]["id"] == id.as_str()).collect();
            own.iter().any(|it| it["fields"]["message"] == "settled").then_some(own)
        })
    };
    let told = |steps: &[Value]| -> Vec<String> {
        steps.iter().filter_map(|it| it["fields"]["message"].as_str().map(str::to_owned)).collect()
    };
    let permitted = steps(&world.ask(&Request::get(NSX, LIST).bearer(&key.text)).expect(200));
    let expected = ["begun", "identified", "authenticated", "within the limit", "permitted", "sent on"];
    assert_eq!(told(&permitted), [&expected[..], &["answered by the upstream", "settled"]].concat());
    let last = permitted.last().expect("a step");
    assert_eq!((&last["span"]["tenant"], &last["span"]["key"]), (&json!(key.tenant), &json!(key.id)), "{last:#}");
    assert_eq!(
        (&last["span"]["operation"], &last["fields"]["status"]),
        (&json!("listInstances"), &json!(200)),
        "{last:#}"
    );
    let refused = steps(&world.ask(&Request::get(NSX, LIST).bearer("nsx_live_nobodyhasthiskey")).expect(401));
    assert_eq!(told(&refused), ["begun", "identified", "refused", "settled"]);
    assert_eq!(refused[2]["fields"]["reason"], "unknown", "{refused:#?}");
    let log = world.gateway.process().log();
    assert!(!log.contains(&key.text) && !log.contains(LIST), "whose path it is, is sealed in the entry");
}
