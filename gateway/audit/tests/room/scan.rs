//! Looking for what should never have been entered.

use audit::cosignature::Cosigner;
use audit::note::Signer;
use audit::{Entries, Filter, Finding, Kind, Scan, Scanned, Shapes, keep_scanned, scanned_up_to, view};
use domain::{Random, Timestamp, keyformat};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::handmade::{encode, frame, log_of, put};

fn shapes() -> Shapes {
    let texts = |texts: &[&str]| texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let prefixes = texts(&["nsx_live_", "nx_live_sk_", "cn_live_sk_", "nvs_live_"]);
    Shapes::new(&prefixes, &texts(&["cnx_access", "cnx_refresh"])).unwrap()
}

fn scanned(log: &TempDir, first: u64) -> Scanned {
    let shapes = shapes();
    let mut scan = Scan::begin(log.path(), first, &shapes, None).unwrap();
    while scan.step(7) {}
    scan.finish()
}

/// What is drawn is what proptest says it is.
#[derive(Debug)]
struct Drawn([u8; 32]);

impl Random for Drawn {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(self.0.iter().cycle()).for_each(|(to, from)| *to = *from);
    }
}

const CARDS: [&str; 4] = ["4111111111111111", "5555-5555-5555-4444", "3782 822463 10005", "6011111111111117"];

/// A credential, or a number that belongs to somebody.
fn secret() -> impl Strategy<Value = (Kind, String)> {
    let token = "[A-Za-z0-9_-]{12,40}";
    prop_oneof![
        (0..CARDS.len()).prop_map(|it| (Kind::Pan, CARDS[it].to_owned())),
        "[1-5][0-9]{2}-[1-9][0-9]-[1-9][0-9]{3}".prop_map(|it| (Kind::Ssn, it)),
        any::<[u8; 32]>().prop_map(|mut it| (Kind::ApiKey, keyformat::write("nsx_live_", &mut it))),
        "(cn_live_sk|nvs_live)_[a-zA-Z0-9]{7,40}".prop_map(|it| (Kind::ApiKey, it)),
        "whsec_[A-Za-z0-9+/]{24,44}={0,2}".prop_map(|it| (Kind::WebhookSecret, it)),
        (token, token, token).prop_map(|(a, b, c)| (Kind::Token, format!("eyJ{a}.eyJ{b}.{c}"))),
        Just((Kind::PrivateKey, "-----BEGIN EC PRIVATE KEY-----\nMHc".to_owned())),
        "[A-Za-z]{15,20}[0-9][A-Za-z._~]{0,20}".prop_map(|it| (Kind::Authorization, format!("Bearer {it}"))),
        Just((Kind::Authorization, "basic Y2xpZW50OnNlY3JldC00NzEx".to_owned())),
        "[0-9a-f]{64}".prop_map(|it| (Kind::Signature, format!("X-Amz-Signature={it}"))),
        "[!#-+.-:<-~]{12,40}".prop_map(|it| (Kind::Session, format!("cnx_refresh={it}"))),
    ]
}

/// What entries of every kind say, with numbers and ids as they are drawn.
fn ordinary() -> impl Strategy<Value = Value> {
    let id = "[0-9a-f]{32}";
    let path = "/v2(/[a-z]{2,12}(/[a-z]{1,4}-[0-9a-f]{4,17}|/([A-Z][a-z]{2,8}){1,4}|/[0-9]{1,12}|/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?){1,4}";
    let request = (id, path, "key_[A-Za-z0-9]{16}", "tnt_[A-Za-z0-9]{12}", any::<(u32, u32, [u8; 4])>(), id);
    let request = request.prop_map(|(id, path, key, tenant, (one, other, source), trace)| {
        let source = std::net::Ipv4Addr::from(source).to_string();
        json!({
            "class": "request.completed", "tenant": tenant, "status": 200, "bytes_in": one, "duration_us": other,
            "request": { "id": id, "method": "GET", "host": "api.cloudnexus.io", "path": path, "source": source,
                "tls": true, "trace": trace, "api": "cloudnexus-servers", "operation": "listServers" },
            "auth": { "key": key, "method": "api_key" }, "limit": { "tier": "standard", "remaining": one },
            "decision": { "outcome": "refuse", "step": "authenticate", "reason": "missing_credential",
                "detail": "neither `Bearer` with a key that begins with `nsx_live_` nor a bearer authentication token",
                "bundle": format!("sha256:{id}{trace}"), "policies": ["novastraxis/readers-may-read@3"] },
        })
    });
    let sealed = ("[0-9a-f]{16}", "[A-Za-z0-9+/]{34,120}")
        .prop_map(|(key, text)| json!({ "class": "request.completed", "sealed": { "key": key, "text": text } }));
    let snapshot = (id, any::<u64>()).prop_map(|(id, number)| {
        json!({ "class": "config.snapshot", "digest": format!("sha256:{id}{id}"), "number": number, "facts": {
            "listeners": { "https": "127.0.0.1:8443" }, "unaudited": ["GET /healthz"], "created": "2026-11-22T13:41:31.123456789Z" } })
    });
    prop_oneof![4 => request, 2 => sealed, 1 => snapshot]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_planted_is_found_where_it_is_and_nothing_else_is(
        mut entries in prop::collection::vec(ordinary(), 1..20), (kind, text) in secret(),
        at in any::<prop::sample::Index>(), place in 0_usize..5, before in "([a-z]{1,9}[ ,:(]){0,2}", after in "([ ,;)][a-z]{1,9}){0,2}",
        encoded in 0_usize..4,
    ) {
        let planted = at.index(entries.len());
        let encode = |text: String, _| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
        let said = (0..encoded).fold(format!("{before}{text}{after}"), encode);
        let (field, value) = [
            ("note", json!(said)),
            ("facts/name", json!({ "name": said })),
            ("list", json!(["a", said])),
            ("deep/er/est", json!({ "er": { "est": said } })),
            ("names", json!({ said: 1 })),
        ][place].clone();
        entries[planted][field.split('/').next().unwrap()] = value;
        let log = log_of(&entries);
        let found = scanned(&log, 0);
        prop_assert_eq!(found.end, entries.len() as u64);
        let expected = Finding { seq: planted as u64, field: field.to_owned(), kind };
        prop_assert!(found.findings.contains(&expected), "{:?} is not among {:?}", expected, found);
        prop_assert!(found.findings.iter().all(|it| it.seq == expected.seq && it.field == expected.field), "{:?}", found);
        prop_assert!(!format!("{found:?}").contains(&text), "it is repeated");
        prop_assert!(scanned(&log, planted as u64 + 1).findings.is_empty());
    }

    #[test]
    fn in_ordinary_entries_nothing_is_found(entries in prop::collection::vec(ordinary(), 1..60)) {
        let found = scanned(&log_of(&entries), 0);
        prop_assert_eq!((found.total(), found.findings), (0, vec![]));
    }
}

#[test]
fn the_secrets_of_access_keys_are_told_from_names_of_their_length() {
    let mut runner = TestRunner::deterministic();
    let secrets: Vec<String> = (0..500)
        .map(|_| {
            let bits = any::<[u8; 32]>().new_tree(&mut runner).unwrap().current();
            let other = any::<[u8; 32]>().new_tree(&mut runner).unwrap().current();
            // As the gateway draws them: forty of 62.
            [keyformat::draw_id("", 20, &Drawn(bits)), keyformat::draw_id("", 20, &Drawn(other))].concat()
        })
        .chain(["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()])
        .collect();
    let entries: Vec<Value> =
        secrets.iter().map(|it| json!({ "facts": { "text": format!("secret={it}&") } })).collect();
    assert_eq!(scanned(&log_of(&entries), 0).counts[&Kind::AccessKeySecret], secrets.len() as u64);
    let names = [
        "createCloudNexusKubernetesClusterVersion",
        "/v2/Compute/Instances/Snapshots/i-0123ab",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "aaaaaaaaaaaaaaaaaaaaBBBBBBBBBBBBBBBBBBBB",
    ];
    assert!(names.iter().all(|it| it.len() == 40));
    let entries: Vec<Value> = names.iter().map(|it| json!({ "facts": { "text": it } })).collect();
    assert_eq!(scanned(&log_of(&entries), 0).total(), 0);
}

#[test]
fn the_public_key_of_a_log_or_a_witness_is_no_secret_though_part_of_it_looks_drawn() {
    let seeds = (0..=u8::MAX).map(|it| [it; 32]);
    let keys: Vec<String> = seeds
        .flat_map(|seed| {
            let (log, witness) = (Signer::from_seed("portcullis/one", &seed), Cosigner::from_seed("witness", &seed));
            [log.unwrap().verifier().to_string(), witness.unwrap().witness().to_string()]
        })
        .collect();
    let found = |change: &dyn Fn(&str) -> String| {
        let entry = |key: &String| json!({ "class": "audit.control", "facts": { "vkey": change(key) } });
        scanned(&log_of(&keys.iter().map(entry).collect::<Vec<_>>()), 0).total()
    };
    assert_eq!(found(&str::to_owned), 0);
    // By another name it is no key.
    assert!(0 < found(&|key| key.replacen(['p', 'w'], "x", 1)), "none of them looks drawn: the test shows nothing");
}

#[test]
fn bytes_that_are_no_entry_are_looked_at_too() {
    let folder = tempfile::tempdir().unwrap();
    let (mut good, mut frames) = (Vec::new(), Vec::new());
    encode(&json!({ "boot": "00", "class": "x", "node": "n", "node_seq": 0 }), &mut good);
    frame(0, &good, &mut frames);
    frame(1, b"\xff\xffno entry: nsx_live_a1b2c3d4e5f6", &mut frames);
    put(folder.path(), &frames);
    let found = scanned(&folder, 0);
    assert_eq!(found.findings, [Finding { seq: 1, field: String::new(), kind: Kind::ApiKey }]);
    assert_eq!(Entries::from(folder.path(), 0).count() as u64, found.end);
}

#[test]
fn what_was_found_is_counted_and_only_the_first_of_it_is_named() {
    let entries: Vec<Value> =
        (0..40).map(|_| json!({ "one": "4111111111111111", "two": "nvs_live_0123456789" })).collect();
    let found = scanned(&log_of(&entries), 0);
    assert_eq!((found.total(), found.findings.len()), (80, 16));
    assert_eq!((found.counts[&Kind::Pan], found.counts[&Kind::ApiKey]), (40, 40));
    assert_eq!(found.entries(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn it_goes_on_where_it_ended_and_begins_anew_for_other_shapes() {
    let log = log_of(&[json!({ "class": "x" })]);
    let (shapes, others) = (shapes(), Shapes::new(&[], &[]).unwrap());
    assert_eq!(scanned_up_to(log.path(), &shapes).unwrap(), 0);
    keep_scanned(log.path(), 1, &shapes).unwrap();
    assert_eq!(scanned_up_to(log.path(), &shapes).unwrap(), 1);
    assert_eq!(scanned_up_to(log.path(), &others).unwrap(), 0);
    std::fs::write(log.path().join("scanned"), "nonsense").unwrap();
    assert_eq!(scanned_up_to(log.path(), &shapes).unwrap(), 0);
    let class = Filter { class: Some("y".to_owned()), ..Filter::default() };
    let mut none = Scan::of(log.path(), 0, class, &shapes, None).unwrap();
    assert!(!none.step(9) && none.finish().end == 1, "what nobody asked for was passed over");
}

#[test]
fn what_cannot_be_read_is_said_and_hides_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path();
    crate::sample::append(log, 1500);
    crate::retention::seal(log, "later");
    std::fs::write(log.join("tile/entries/001"), "another").unwrap();
    std::fs::remove_file(log.join("tile/entries/002")).unwrap();
    // What is no file keeps nobody waiting.
    std::fs::remove_file(log.join("tile/entries/004")).unwrap();
    std::fs::create_dir(log.join("tile/entries/004")).unwrap();
    let end = Entries::from(log, 1280).last().unwrap().unwrap().0 + 1;
    let shapes = shapes();
    let scan_from = |first| {
        let mut scan = Scan::begin(log, first, &shapes, None).unwrap();
        let mut steps = 1;
        while scan.step(100) {
            steps += 1;
        }
        (scan.finish(), steps)
    };
    let (found, steps) = scan_from(0);
    assert_eq!((found.first, found.end, found.unread.clone()), (0, end, vec![256..768, 1024..1280]));
    assert_eq!((found.unread_total(), steps), (768, 1 + (end - 768) / 100));
    let other = tempfile::tempdir().unwrap();
    let (running, _) = crate::sample::open(other.path()).unwrap();
    let _ = running.note(&found.notice("gateway", Timestamp::from_seconds(0)));
    drop(running);
    let said = view(&Entries::from(other.path(), 0).next().unwrap().unwrap().1).unwrap();
    let ranges = json!([{ "first": 256, "end": 768 }, { "first": 1024, "end": 1280 }]);
    assert_eq!((&said["unread"], &said["unreadable"]), (&json!(768), &ranges), "{said:#}");
    assert_eq!(scan_from(700).0.unread, [700..768, 1024..1280]);
    // Of a scan that ends early only what it came past is unread.
    let mut scan = Scan::begin(log, 0, &shapes, None).unwrap();
    assert!(scan.step(256));
    assert_eq!(scan.finish().unread, []);
}
