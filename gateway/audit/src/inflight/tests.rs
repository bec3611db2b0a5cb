//! Requests in flight that the next start finds, and those that it does not.

use super::*;

const PATIENCE: Duration = Duration::from_mins(1);

fn request(id: &str) -> UnderWay {
    UnderWay {
        id: id.to_owned(),
        time: Timestamp::from_seconds(1_790_000_000),
        api: "novastraxis".to_owned(),
        operation: "createThing".to_owned(),
        tenant: Some("acme".to_owned()),
        key: None,
    }
}

fn open(log: &Path) -> (InFlight, Vec<UnderWay>) {
    InFlight::open(log, (PATIENCE, 1), Tags::of(&[1; 32])).unwrap()
}

#[tokio::test]
async fn who_did_not_leave_is_found_at_every_start_until_an_entry_that_says_so_is_certain() {
    let folder = tempfile::tempdir().unwrap();
    let (table, found) = open(folder.path());
    assert_eq!(found, []);
    let (a, b) = (table.enter(&request("a1")).await.unwrap(), table.enter(&request("b2")).await.unwrap());
    let _c = table.enter(&request("c3")).await.unwrap();
    table.leave(a, 1);
    table.leave(b, 2);
    table.sweep(1);
    drop(table);
    let left = [request("b2"), request("c3")];
    let (table, found) = open(folder.path());
    assert_eq!(found, left, "an entry that may be lost is no entry");
    // The process dies before anybody has said so; or has said so, and not for certain.
    drop(table);
    let (table, found) = open(folder.path());
    assert_eq!(found, left);
    let _new = table.enter(&request("d4")).await.unwrap();
    table.said(7);
    table.sweep(6);
    drop(table);
    let (table, found) = open(folder.path());
    assert_eq!(found, [request("d4"), request("b2"), request("c3")], "a new one took the place of an old one");
    table.said(7);
    table.sweep(7);
    drop(table);
    assert_eq!(open(folder.path()).1, []);
}

#[tokio::test]
async fn places_are_used_again_once_their_entry_is_certain() {
    let folder = tempfile::tempdir().unwrap();
    let (table, _) = open(folder.path());
    for number in 1..1000 {
        let place = table.enter(&request("a1")).await.unwrap();
        table.leave(place, number);
        table.sweep(number - 1);
    }
    assert!(std::fs::metadata(folder.path().join("inflight")).unwrap().len() <= 2 * PLACE as u64);
    table.sweep(999);
    drop(table);
    assert_eq!(open(folder.path()).1, []);
}

#[tokio::test]
async fn who_waits_no_longer_has_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let (table, _) = open(folder.path());
    let (told, hear) = oneshot::channel();
    let bytes = table.table.written(&request("a1")).unwrap();
    table.asked.send(Asked { bytes, told }).await.unwrap();
    drop(hear.await.unwrap().unwrap());
    table.sweep(0);
    drop(table);
    assert_eq!(open(folder.path()).1, []);
}

#[tokio::test]
async fn one_that_does_not_fit_keeps_its_id_and_rubbish_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let (table, _) = open(folder.path());
    let _ = table.enter(&UnderWay { operation: "x".repeat(600), ..request("a1") }).await.unwrap();
    drop(table);
    let file = folder.path().join("inflight");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend_from_slice(&[b'{'; 700]);
    std::fs::write(&file, bytes).unwrap();
    let (_, found) = open(folder.path());
    assert_eq!(found.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["a1"]);
}

#[tokio::test]
async fn what_somebody_else_wrote_into_it_is_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let (table, _) = open(folder.path());
    let _ = table.enter(&request("a1")).await.unwrap();
    drop(table);
    let file = folder.path().join("inflight");
    let ours = std::fs::read(&file).unwrap();
    let mut forged = serde_json::to_vec(&request("b2")).unwrap();
    forged.resize(PLACE, 0);
    let changed = String::from_utf8(ours[..PLACE - TAG].to_vec()).unwrap().replace("acme", "evil");
    let changed = [changed.as_bytes(), &ours[PLACE - TAG..]].concat();
    std::fs::write(&file, [ours, forged, changed].concat()).unwrap();
    assert_eq!(open(folder.path()).1, [request("a1")]);
}

#[test]
fn only_an_entry_of_the_request_itself_says_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (node, boot) = ("n".to_owned(), "b".to_owned());
    let signer = crate::note::Signer::from_seed("test", &[1; 32]).unwrap();
    let settings = crate::AuditSettings { reserve_bytes: 0, ..crate::AuditSettings::default() };
    let (author, clock) = (crate::Author { node, boot }, Arc::new(domain::SystemClock::new()));
    let (log, _) = crate::Log::open(folder.path(), settings, signer, author, clock).unwrap();
    let _ = log.note(&request("a1").notice());
    // Both are about something else: what one caused, and what somebody sent who knew its id.
    let _ = log.note(&Notice::new("audit.read", Timestamp::from_seconds(0)).with("cause", "b2"));
    let _ = log.note(&UnderWay { operation: "c3".to_owned(), ..request("d4") }.notice());
    drop(log);
    let left: Vec<(UnderWay, u32)> = ["a1", "b2", "c3"].into_iter().map(request).zip(0..).collect();
    assert_eq!(entered(folder.path(), &left, 1).unwrap(), HashSet::from(["a1".to_owned()]));
}

#[test]
fn an_entry_is_found_behind_as_many_as_may_be_short_of_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (author, clock) =
        (crate::Author { node: "n".to_owned(), boot: "b".to_owned() }, Arc::new(domain::SystemClock::new()));
    let signer = crate::note::Signer::from_seed("test", &[1; 32]).unwrap();
    let settings = crate::AuditSettings { reserve_bytes: 0, ..crate::AuditSettings::default() };
    let (log, _) = crate::Log::open(folder.path(), settings, signer, author, clock).unwrap();
    for id in ["a1", "b2"] {
        let _ = log.note(&request(id).notice());
        for _ in 0..511 {
            let _ = log.note(&Notice::new("heartbeat", Timestamp::from_seconds(0)));
        }
    }
    let sealed = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    sealed.block_on(log.seal(PATIENCE)).unwrap();
    drop(log);
    let left: Vec<(UnderWay, u32)> = ["a1", "b2", "c3"].into_iter().map(request).zip(0..).collect();
    assert_eq!(entered(folder.path(), &left, 600).unwrap(), HashSet::from(["b2".to_owned()]));
    assert_eq!(entered(folder.path(), &left, 1024).unwrap(), HashSet::from(["a1".to_owned(), "b2".to_owned()]));
    for backlog in [1, crate::AuditSettings::default().backlog_entries, 1 << 20] {
        assert!(BEHIND <= behind(backlog) && 2 * backlog <= behind(backlog), "{backlog}");
    }
}
