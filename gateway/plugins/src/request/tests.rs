use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::testing::{Bench, Guest, arrival, binding, caller, small};
use crate::{CompileFault, PluginSettings, compile};

/// A guest that answers 409 when it has been there before, going by a key of `kv`.
fn once() -> Guest {
    let once = Guest::answering(409, "again").importing("kv", "put-if-absent", "(param i32 i32 i32 i32 i64 i32)");
    // A verdict of 56 zeros at 4096 lets pass; what `put-if-absent` gives is put at 512.
    let on_request = "(call $put-if-absent (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i64.const 0) \
                      (i32.const 512)) (select (i32.const 4096) (i32.const 1024) (i32.load8_u (i32.const 516)))";
    Guest { on_request: on_request.to_owned(), ..once }
}

#[test]
fn a_plugin_lets_pass_changes_headers_or_answers_itself() {
    let bench = Bench::new();
    assert!(bench.plugins.is_idle());
    bench.bind("acme", &Guest::passing());
    assert_eq!(bench.ask("acme"), Ok(Vec::new()));
    bench.bind("acme", &Guest::setting(&[("x-a", "1"), ("x-b", "2")]));
    let (done, runs) = bench.ask_at("acme", 0);
    assert_eq!(done.unwrap().len(), 2);
    assert_eq!(
        (&runs[0].outcome, runs[0].headers.as_slice()),
        (&Outcome::Edited, &["x-a".to_owned(), "x-b".to_owned()][..])
    );
    bench.bind("acme", &Guest::answering(403, "no"));
    let Err(Stopped::Replied { reply, .. }) = bench.ask("acme") else { panic!("no reply") };
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (403, &b"no"[..]));
    assert_eq!(bench.ask("globex"), Ok(Vec::new()), "it is nobody else's plugin");
}

#[test]
fn a_guest_that_does_not_end_is_ended_and_one_that_takes_too_much_is_refused() {
    let bench = Bench::new();
    let looped = Guest::doing("(loop (br 0)) unreachable");
    let bomb = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    for (guest, kind) in [
        (looped, "deadline"),
        (Guest { configure: Some("(loop (br 0)) unreachable".to_owned()), ..Guest::passing() }, "deadline"),
        (Guest::doing(bomb), "memory"),
        (Guest::doing("(call $hook (local.get 0))"), "stack"),
        (Guest::doing("unreachable"), "trap"),
        (Guest::doing("i32.const -4"), "trap"),
        (Guest { configure: Some("unreachable".to_owned()), ..Guest::passing() }, "trap"),
        (Guest::setting(&[("content-length", "0")]), "verdict"),
        (Guest::setting(&[("x-a", "1\r\nx-b: 2")]), "verdict"),
        (Guest::answering(101, ""), "verdict"),
    ] {
        // Under a name of its own each, so that none is left alone for the faults of the one before.
        bench.change(Vec::clear);
        bench.bind("acme", &guest);
        assert_eq!(bench.fails("acme").kind(), kind, "{}", guest.on_request);
    }
    bench.bind("globex", &Guest::passing());
    assert_eq!(bench.ask("globex"), Ok(Vec::new()), "others do not notice");
}

#[test]
fn a_guest_hands_over_no_more_than_it_may_at_once() {
    let bench = Bench::with(PluginSettings { hostcall_bytes: 4096, ..small() });
    // Findings without end: where they begin, and that there are 100,000,000 of them.
    let mut huge = Guest::passing();
    huge.data = vec![0; 56];
    huge.data[48..52].copy_from_slice(&2048_u32.to_le_bytes());
    huge.data[52..56].copy_from_slice(&2_000_u32.to_le_bytes());
    bench.bind("acme", &huge);
    assert_eq!(bench.fails("acme").kind(), "handed_over");
    huge.data[52..56].copy_from_slice(&100_000_000_u32.to_le_bytes());
    bench.bind("acme", &huge);
    assert!(["handed_over", "trap"].contains(&bench.fails("acme").kind()));
}

#[test]
fn nothing_is_left_of_a_guest_for_the_next_one_of_whomever() {
    // The same slot for all of them.
    let bench = Bench::with(PluginSettings { instances: 1, ..PluginSettings::default() });
    let dirty = "(memory.fill (i32.const 70000) (i32.const 255) (i32.const 60000)) \
                 (drop (memory.grow (i32.const 40))) (memory.fill (i32.const 200000) (i32.const 255) (i32.const 2000000)) \
                 (global.set $mark (i32.const 7)) (table.set $kept (i32.const 3) (ref.func $hook)) (i32.const 1024)";
    let more = "(global $mark (mut i32) (i32.const 0)) (table $kept 8 funcref) (elem declare func $hook)";
    let clean = "(if (i32.or (i32.or (i32.load (i32.const 70000)) (i32.load (i32.const 129996))) \
                 (i32.or (global.get $mark) (i32.eqz (ref.is_null (table.get $kept (i32.const 3)))))) (then (unreachable))) \
                 (drop (memory.grow (i32.const 40))) \
                 (if (i32.or (i32.load (i32.const 200000)) (i32.load (i32.const 2199996))) (then (unreachable))) \
                 (i32.const 1024)";
    bench.bind("acme", &Guest { more: more.to_owned(), ..Guest::doing(dirty) });
    bench.bind("globex", &Guest { more: more.to_owned(), ..Guest::doing(clean) });
    for _ in 0..20 {
        assert_eq!(bench.ask("acme"), Ok(Vec::new()));
        assert_eq!(bench.ask("globex"), Ok(Vec::new()));
    }
}

#[test]
fn two_tenants_have_nothing_in_common_by_the_same_key() {
    let bench = Bench::new();
    for tenant in ["acme", "globex"] {
        assert!(bench.bind_with(tenant, &once().component(), "[caps]\nkv = true\n").is_empty());
    }
    for tenant in ["acme", "globex"] {
        assert_eq!(bench.ask(tenant), Ok(Vec::new()), "{tenant} has not been there before");
        assert!(matches!(bench.ask(tenant), Err(Stopped::Replied { .. })), "{tenant} has");
    }
    bench.change(|it| it.retain(|it| it.tenant.as_str() == "acme"));
    assert!(bench.bind_with("globex", &once().component(), "[caps]\nkv = true\n").is_empty());
    assert_eq!(bench.ask("globex"), Ok(Vec::new()), "what is gone has left nothing behind");
    assert!(matches!(bench.ask("acme"), Err(Stopped::Replied { .. })));
}

#[test]
fn what_is_not_granted_is_refused_with_the_line_that_asks_for_it() {
    let bench = Bench::new();
    let unloaded = bench.bind_with("acme", &once().component(), "");
    let told = "the plugin could not be loaded: the component imports `kv`, which it is not granted; help: add \
                `kv = true` to `[caps]` in plugin.toml";
    assert_eq!(unloaded[0].fault.to_string(), told);
    assert_eq!(bench.fails("acme").kind(), "not_loaded", "and where it should run nothing passes");
    assert_eq!(bench.ask("globex"), Ok(Vec::new()));
}

#[test]
fn nothing_that_may_be_otherwise_is_lent_to_configure() {
    let bench = Bench::new();
    let timed = Guest::passing().importing("clock", "now-ms", "(result i64)");
    bench.bind("acme", &Guest { configure: Some("(drop (call $now-ms)) (i32.const 16)".to_owned()), ..timed.clone() });
    assert_eq!(bench.fails("acme").kind(), "trap");
    bench.bind("globex", &Guest { on_request: "(drop (call $now-ms)) (i32.const 1024)".to_owned(), ..timed });
    assert_eq!(bench.ask("globex"), Ok(Vec::new()));
}

#[test]
fn a_plugin_that_says_no_to_its_configuration_is_told_with_a_pointer() {
    let bench = Bench::new();
    // One problem at 768: the pointer `/a` and the message `no`.
    let more = r#"(data (i32.const 640) "\01\00\00\00\00\03\00\00\01\00\00\00")
                  (data (i32.const 768) "\20\03\00\00\02\00\00\00\22\03\00\00\02\00\00\00") (data (i32.const 800) "/ano")"#;
    let guest = Guest { more: more.to_owned(), configure: Some("i32.const 640".to_owned()), ..Guest::passing() };
    bench.bind("acme", &guest);
    assert_eq!(bench.fails("acme"), Fault::Configuration("`/a` no".to_owned()));
}

#[test]
fn a_version_that_fails_to_load_never_takes_the_place_of_one_that_works() {
    let bench = Bench::new();
    bench.bind("acme", &Guest::answering(403, "works"));
    let unloaded = bench.bind_with("acme", &once().component(), "");
    assert!(unloaded[0].kept_before, "{unloaded:?}");
    assert!(matches!(bench.ask("acme"), Err(Stopped::Replied { .. })), "the one before still runs");
    bench.change(|it| it[0].revoked = true);
    assert_eq!(bench.fails("acme"), Fault::Revoked, "but not once it is revoked");
}

#[test]
fn what_has_not_changed_is_not_loaded_anew() {
    let bench = Bench::new();
    let compiled = || bench.compiler.0.load(std::sync::atomic::Ordering::Relaxed);
    bench.bind("acme", &Guest::passing());
    bench.bind("globex", &Guest::passing());
    assert_eq!(compiled(), 1, "two tenants share the code of one component");
    let before = Arc::clone(&bench.plugins.in_force().of(&"acme".parse().unwrap(), &"api".parse().unwrap())[0]);
    bench.bind("globex", &Guest::answering(403, "no"));
    let after = Arc::clone(&bench.plugins.in_force().of(&"acme".parse().unwrap(), &"api".parse().unwrap())[0]);
    assert!(Arc::ptr_eq(&before, &after));
}

#[test]
fn a_plugin_that_is_not_for_security_may_be_passed_over_and_that_is_told() {
    let bench = Bench::new();
    let lines = "[run]\nclass = 'shaping'\non_error = 'skip'\n";
    bench.bind_with("acme", &Guest::doing("unreachable").component(), lines);
    let (done, runs) = bench.ask_at("acme", 0);
    assert_eq!(done, Ok(Vec::new()));
    assert!(matches!(&runs[0].outcome, Outcome::Skipped(Fault::Trapped(_))), "{runs:?}");
}

#[test]
fn a_plugin_that_fails_and_fails_is_left_alone_and_others_are_not() {
    let bench = Bench::new();
    bench.bind("acme", &Guest::doing("unreachable"));
    bench.bind("globex", &Guest::passing());
    (0..5).for_each(|_| assert_eq!(bench.fails("acme").kind(), "trap"));
    assert_eq!(bench.fails("acme"), Fault::Quarantined);
    assert_eq!(bench.ask("globex"), Ok(Vec::new()));
    let (later, _) = bench.ask_at("acme", 2_000);
    assert!(matches!(later, Err(Stopped::Failed { fault: Fault::Trapped(_), .. })), "one tries: {later:?}");
}

#[test]
fn a_guest_sees_the_headers_that_it_was_granted_and_no_other() {
    let plain = Bench::new();
    plain.bind("acme", &Guest::passing());
    let set = plain.plugins.in_force();
    let bound = &set.of(&"acme".parse().unwrap(), &"api".parse().unwrap())[0];
    let headers = granted(&arrival(0).headers, bound);
    assert_eq!(headers.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["x-seen"]);
    let lent = bound.lend(bound.loaded().unwrap(), headers, arrival(0).at, &plain.plugins.random);
    let arrival = arrival(0);
    let head = head(
        &lent,
        &Asked { arrival: &arrival, call: &crate::testing::call(), caller: &caller("acme"), tenant_header: None },
    );
    assert_eq!((head.query.as_deref(), head.params.len()), (Some("b=c"), 1));
    assert!(!format!("{head:?}").contains("secret"));
}

#[test]
fn of_two_plugins_the_second_sees_what_the_first_has_changed() {
    let mut heard = Heard { arrived: &arrival(0).headers, edited: None };
    heard.edit(&[HeaderEdit::Set("x-seen".parse().unwrap(), "changed".parse().unwrap())]);
    assert_eq!(heard.now()["x-seen"], "changed");
    assert_eq!(heard.arrived["x-seen"], "seen");
}

#[test]
fn compiled_code_is_believed_only_where_this_node_has_put_it_there() {
    let bench = Bench::new();
    bench.bind("acme", &Guest::answering(403, "no"));
    let code = |folder: &std::path::Path| {
        let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
        files.filter(|it| it.extension().is_some_and(|it| it == "cwasm")).collect::<Vec<_>>()
    };
    let file = code(bench.folder.path()).remove(0);
    let genuine = fs::read(&file).unwrap();
    let mut folder = bench.folder;
    let mut other = vec![0; 32];
    other.extend(compile(&Guest::passing().component(), &small()).unwrap());
    let mut changed = genuine.clone();
    *changed.last_mut().unwrap() ^= 1;
    for (forged, why, compiled) in [
        (genuine.clone(), "as it was", 0),
        (changed, "changed", 1),
        (genuine[..genuine.len() / 2].to_vec(), "cut", 1),
        (genuine[..16].to_vec(), "nearly nothing", 1),
        (other, "code of another", 1),
        (Vec::new(), "nothing", 1),
    ] {
        fs::write(&file, forged).unwrap();
        let again = Bench::in_folder(small(), folder);
        again.bind("acme", &Guest::answering(403, "no"));
        let done = again.compiler.0.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(done, compiled, "{why}");
        assert!(matches!(again.ask("acme"), Err(Stopped::Replied { .. })), "{why}");
        folder = again.folder;
    }
    // The code of one component under the name of another.
    let two = Bench::in_folder(small(), folder);
    two.bind("acme", &Guest::passing());
    for file in code(two.folder.path()) {
        fs::write(file, &genuine).unwrap();
    }
    let again = Bench::in_folder(small(), two.folder);
    again.bind("acme", &Guest::passing());
    assert_eq!(again.ask("acme"), Ok(Vec::new()));
}

#[test]
fn a_component_that_was_changed_on_the_shelf_is_not_loaded() {
    let bench = Bench::new();
    let digest = bench.plugins.shelf().put(&Guest::passing().component(), &*bench.random).unwrap();
    fs::write(bench.folder.path().join(format!("{digest}.wasm")), Guest::answering(200, "").component()).unwrap();
    let unloaded = bench.change(|it| it.push(binding("acme", &digest)));
    assert!(unloaded[0].fault.to_string().contains("is damaged"), "{unloaded:?}");
    assert_eq!(bench.fails("acme"), Fault::NotCompiled);
}

#[test]
fn what_has_no_code_yet_is_not_compiled_where_others_wait_for_it() {
    let bench = Bench::new();
    let put = |guest: &Guest| bench.plugins.shelf().put(&guest.component(), &*bench.random).unwrap();
    let (works, next) = (put(&Guest::answering(403, "works")), put(&Guest::passing()));
    let bound = |digest: &str| vec![binding("acme", digest)];
    let none = BTreeSet::new();
    let unloaded = bench.plugins.put_in_force(bound(&works), &none);
    assert_eq!((&unloaded[0].fault, unloaded[0].kept_before), (&Fault::NotCompiled, false));
    assert_eq!(bench.fails("acme"), Fault::NotCompiled, "and where it should run nothing passes");
    assert!(bench.plugins.compile(&bound(&works)).is_empty());
    assert!(bench.plugins.put_in_force(bound(&works), &none).is_empty());
    assert!(bench.plugins.put_in_force(bound(&next), &none)[0].kept_before);
    assert!(matches!(bench.ask("acme"), Err(Stopped::Replied { .. })), "the one before still runs");
    let revoked = BTreeSet::from([works]);
    assert!(!bench.plugins.put_in_force(bound(&next), &revoked)[0].kept_before);
    assert_eq!(bench.fails("acme"), Fault::NotCompiled, "but not once its component is revoked");
    let compiled = bench.compiler.0.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(compiled, 1);
}

#[test]
fn what_cannot_be_compiled_is_a_fault_and_no_panic() {
    assert!(matches!(compile(b"no wasm", &small()), Err(CompileFault::Refused(_))));
}

#[test]
fn a_tenant_that_has_computed_for_as_long_as_it_may_waits_and_others_do_not() {
    let bench = Bench::new();
    bench.bind("acme", &Guest::passing());
    bench.bind("globex", &Guest::passing());
    let set = bench.plugins.in_force();
    let bound = &set.of(&"acme".parse().unwrap(), &"api".parse().unwrap())[0];
    bound.budget.spend(std::time::Duration::from_secs(1), arrival(0).at.tick);
    assert_eq!(bench.fails("acme"), Fault::TenantCpu);
    assert_eq!(bench.ask("globex"), Ok(Vec::new()));
    assert_eq!(bench.ask_at("acme", 1_000).0, Ok(Vec::new()));
}

#[test]
fn a_bad_verdict_is_told_to_its_author_whole() {
    let bench = Bench::new();
    bench.bind("acme", &Guest::setting(&[("x-c", "1")]));
    assert_eq!(bench.fails("acme"), Fault::Verdict(BadVerdict::NotGranted("x-c".parse().unwrap())));
}

#[test]
fn no_plugin_says_whose_account_is_meant() {
    let bench = Bench::new();
    bench.bind("acme", &Guest::setting(&[("x-a", "globex")]));
    let (arrival, call, caller) = (arrival(0), crate::testing::call(), caller("acme"));
    let name = "x-a".parse().unwrap();
    let asked = Asked { arrival: &arrival, call: &call, caller: &caller, tenant_header: Some(&name) };
    let done = bench.plugins.on_request(&asked, &mut Vec::new());
    assert!(matches!(done, Err(Stopped::Failed { fault: Fault::Verdict(BadVerdict::Barred(_)), .. })), "{done:?}");
}
