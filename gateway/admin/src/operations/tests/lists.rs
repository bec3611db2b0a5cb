//! Entries of a tenant, page by page.

use super::*;

#[tokio::test]
async fn a_reader_is_told_what_of_its_log_cannot_be_read_and_all_that_can() {
    let room = Room::open();
    room.asked(Some("acme"), "key_0", "list", 1).await;
    for _ in 0..300 {
        let _ = room.kept.log.note(&Notice::new("heartbeat", THEN));
    }
    room.kept.log.seal(Duration::from_mins(1)).await.unwrap();
    room.asked(Some("acme"), "key_0", "list", 2).await;
    let log = room.kept.log.folder();
    let whole = room.ask("acme", "/audit?").await;
    assert_eq!((whole.status, whole.body.get("unreadable")), (StatusCode::OK, None), "{whole:?}");
    // Until its write-ahead file is gone the entries of the bundle are held there as well.
    while fs::read_dir(log.join("wal")).unwrap().count() > 1 {
        tokio::task::yield_now().await;
    }
    fs::write(log.join("tile/entries/000"), "another").unwrap();
    let told = room.ask("acme", "/audit?").await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    assert_eq!(told.body["unreadable"], json!([{ "first": 0, "end": 256 }]), "{told:?}");
    let resources: Vec<&Value> = told.body["audit_logs"].as_array().unwrap().iter().map(|it| &it["resource"]).collect();
    assert!(resources.contains(&&json!("/own/2")) && told.body["next_cursor"].is_null(), "{told:?}");
}

#[tokio::test]
async fn a_reader_sees_its_own_tenant_whole_and_nothing_else() {
    let room = Room::open();
    for number in 0..12 {
        let tenant = [Some("acme"), Some("globex"), None][usize::from(number) % 3];
        room.asked(tenant, &format!("key_{}", number % 2), if number < 6 { "list" } else { "fails" }, number).await;
    }
    let own = |numbers: &[u8]| numbers.iter().map(|it| format!("/own/{it}")).collect::<Vec<_>>();
    assert_eq!(room.page("acme", "").await.0, own(&[9, 6, 3, 0]));
    assert_eq!(room.page("globex", "").await.0, own(&[10, 7, 4, 1]));
    assert_eq!(room.page("nobody", "").await, (Vec::new(), None));
    assert_eq!(room.page("acme", "actor=key_0").await.0, own(&[6, 0]));
    assert_eq!(room.page("acme", "action=list").await.0, own(&[3, 0]));
    assert_eq!(room.page("acme", "action=list&actor=key_1").await.0, own(&[3]));
    assert_eq!(room.page("acme", "actor=os%3Aroot").await.0, own(&[]));
    let since = THEN + Duration::from_secs(3);
    let until = THEN + Duration::from_secs(9);
    assert_eq!(room.page("acme", &format!("since={since}&until={until}")).await.0, own(&[6, 3]));
    let answered = room.ask("acme", "/audit?action=fails&limit=1").await;
    let expected = json!({
        "id": "evt_9", "at": (THEN + Duration::from_secs(9)).to_string(), "actor": "key_1", "action": "fails",
        "resource": "/own/9", "outcome": "failure", "source_ip": Ipv4Addr::new(203, 0, 113, 9),
    });
    assert_eq!(answered.body["audit_logs"][0], expected);
    // Who was erased has neither address nor path.
    let asked = audit::Asked { number: 1, time: Timestamp::from_seconds(0) };
    assert!(room.kept.log.subjects().erase("acme", "key_1", asked).unwrap().is_some());
    let erased = room.ask("acme", "/audit?action=fails&limit=1").await.body["audit_logs"][0].take();
    assert_eq!((erased["id"].clone(), erased.get("source_ip"), erased.get("resource")), ("evt_9".into(), None, None));
}

#[tokio::test]
async fn what_somebody_did_is_found_by_who_they_are_and_in_their_own_tenant_alone() {
    let room = Room::open();
    room.asked(Some("acme"), "key_0", "list", 1).await;
    room.asked(Some("globex"), "key_0", "list", 2).await;
    for (number, tenant) in (1..).zip(["acme", "globex"]) {
        let done = |class, target: &str, actor| {
            Notice::deed(number, &Deed::new(class, "create", actor, THEN).on(target).of(&tenant.parse().unwrap()))
        };
        for (target, actor) in [("key_0", "usr_ann"), ("key_1", "key_0"), ("key_2", "os:root")] {
            let _ = room.kept.log.note(&done(DeedClass::Key, target, actor));
        }
        let number = room.kept.log.note(&done(DeedClass::Role, &format!("usr_of_{tenant}"), "usr_ann"));
        room.kept.log.durable_up_to(number).await.unwrap();
    }
    assert_eq!(room.page("acme", "actor=usr_ann").await.0, ["usr_of_acme", "key_0"]);
    assert_eq!(room.page("globex", "actor=usr_ann").await.0, ["usr_of_globex", "key_0"]);
    assert_eq!(room.page("acme", "actor=key_0").await.0, ["key_1", "/own/1"]);
    assert_eq!(room.page("acme", "actor=key_0&action=key.change").await.0, ["key_1"]);
    assert_eq!(room.page("acme", "actor=os%3Aroot").await.0, ["key_2"]);
    assert_eq!(room.page("acme", "actor=key_2").await.0, Vec::<String>::new());
    assert_eq!(room.page("nobody", "actor=usr_ann").await.0, Vec::<String>::new());
}

#[tokio::test]
async fn pages_have_no_gap_and_no_repeat_while_the_log_grows() {
    let room = Room::open();
    for number in 0..7 {
        room.asked(Some("acme"), "key_0", "list", number).await;
    }
    let (mut seen, mut query) = (Vec::new(), "limit=2&action=list".to_owned());
    for more in 100.. {
        let (ids, cursor) = room.page("acme", &query).await;
        seen.extend(ids);
        room.asked(Some("acme"), "key_0", "list", more).await;
        let Some(cursor) = cursor else { break };
        query = format!("limit=2&action=list&cursor={cursor}");
    }
    assert_eq!(seen, (0..7).rev().map(|it| format!("/own/{it}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_fits_the_question_and_the_tenant_that_it_was_given_out_for() {
    let room = Room::open();
    for number in 0..4 {
        room.asked(Some(["acme", "globex"][usize::from(number) % 2]), "key_0", "list", number).await;
    }
    let (_, cursor) = room.page("acme", "limit=1&action=list").await;
    let cursor = cursor.unwrap();
    assert_eq!(room.page("acme", &format!("action=list&cursor={cursor}")).await.0, ["/own/0"]);
    let bad = [
        ("globex", format!("action=list&cursor={cursor}"), "cursor"),
        ("acme", format!("cursor={cursor}"), "cursor"),
        ("acme", "cursor=garbage".to_owned(), "cursor"),
        ("acme", "limit=101".to_owned(), "limit"),
        ("acme", "since=yesterday".to_owned(), "since"),
        ("acme", "actor=a&actor=b".to_owned(), "actor"),
    ];
    for (tenant, query, name) in bad {
        let answered = room.ask(tenant, &format!("/audit?{query}")).await;
        assert_eq!(answered.declined, Some(Declined::Parameter(name.to_owned())), "{query}");
        assert_eq!(answered.body, Value::Null);
    }
}
