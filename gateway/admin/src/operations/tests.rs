mod tokens;

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Mutex;

use audit::note::Signer;
use audit::{
    AuditSettings, AuthSection, Author, Custody, DecisionSection, Entry, Notice, Outcome, RequestSection, Subjects,
    view,
};
use authn::{MasterKey, Peppers, SystemRandom};
use axum::body::Body;
use domain::{FixedClock, Random, Timestamp};
use limits::LimitsSettings;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};
use tower::ServiceExt as _;

use super::*;

const THEN: Timestamp = Timestamp::from_seconds(1_790_000_000);

struct Fixed(u8);

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

struct Kept {
    log: Log,
    clock: Arc<FixedClock>,
    keyring: Mutex<Arc<Keyring>>,
    secrets: Arc<Secrets>,
    limiter: Limiter,
    issuer: Issuer,
    /// Somebody's introduction is looked at.
    asked: Notify,
}

#[async_trait]
impl Books for Kept {
    fn log(&self) -> &Log {
        &self.log
    }

    fn clock(&self) -> &dyn Clock {
        self.asked.notify_one();
        &*self.clock
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring.lock().unwrap())
    }

    fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    fn random(&self) -> &dyn Random {
        &SystemRandom
    }

    fn identity(&self) -> &Identity {
        panic!("nothing here changes what is kept of anybody")
    }

    fn terms(&self) -> Terms {
        Terms::default()
    }

    async fn come_into_force(&self) -> Result<(), Declined> {
        Ok(())
    }

    fn shelf(&self, api: &str) -> Option<Shelf> {
        let [host, region, service] = ["books.example.org", "in-mum", "s3"].map(str::to_owned);
        (api == "library").then_some(Shelf { host, region, service })
    }

    fn offered(&self, api: &str) -> Option<Offered> {
        (api == "library").then(|| Offered {
            api: "library".parse().unwrap(),
            issuer: "https://books.example.org".to_owned(),
            places: vec![(NativeVerb::IssuerKeys, "https://books.example.org/oauth/jwks".to_owned())],
            scopes: vec!["audit:read".to_owned(), "read".to_owned()],
            session: None,
        })
    }
}

/// A log of a test, and everything that is answered from it.
struct Room {
    kept: Arc<Kept>,
    key: Arc<IntroductionKey>,
    bounds: Bounds,
    folder: TempDir,
}

impl Room {
    fn open() -> Self {
        Self::with(AuditSettings { reserve_bytes: 0, ..AuditSettings::default() }, Bounds::default())
    }

    fn with(settings: AuditSettings, bounds: Bounds) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(THEN));
        let custody = Custody {
            signer: Signer::from_seed("test", &[7; 32]).unwrap(),
            subjects: Subjects::open(&folder.path().join("subjects")).unwrap(),
            anchor: None,
        };
        let author = Author { node: "n".to_owned(), boot: "b".to_owned() };
        let (log, _) =
            Log::open(&folder.path().join("audit"), settings, custody, author, Arc::clone(&clock) as _).unwrap();
        let key = Arc::new(IntroductionKey::draw(&Fixed(1)));
        let secrets = Peppers::new([(1, [7; 32])]).map(|it| Secrets::new(it, MasterKey::from_bytes([9; 32]).unwrap()));
        let secrets = Arc::new(secrets.unwrap());
        let kept = Kept {
            log,
            clock,
            keyring: Mutex::default(),
            issuer: Issuer::new(Arc::clone(&secrets) as _),
            secrets,
            limiter: Limiter::new(&LimitsSettings::default()),
            asked: Notify::new(),
        };
        Self { kept: Arc::new(kept), key, bounds, folder }
    }

    /// Enters that somebody asked for something; `number` makes the id of the request.
    async fn asked(&self, tenant: Option<&str>, key: &str, operation: &str, number: u8) {
        let id = hex(number);
        let subject = tenant.map(|it| self.kept.log.subjects().key(it, key, &Fixed(number)).unwrap());
        let sealed = subject.as_ref().and_then(|it| it.seal(&[number; 16], "203.0.113.9", &format!("/own/{number}")));
        let number = self.kept.log.append(&Entry {
            schema: 1,
            class: "request.completed",
            strict: false,
            time: THEN + Duration::from_secs(number.into()),
            tenant,
            request: RequestSection {
                id: &id,
                method: "GET",
                host: "books.example.org",
                path: sealed.is_none().then_some("/"),
                source: None,
                tls: true,
                secured: None,
                labels: &[],
                redacted: &[],
                api: Some("library"),
                operation: Some(operation),
                trace: None,
            },
            auth: Some(AuthSection { key, method: Some("api_key"), repeated: false }),
            sealed: sealed.as_ref(),
            limit: None,
            decision: DecisionSection {
                outcome: Outcome::Permit,
                step: None,
                reason: None,
                detail: None,
                blame: None,
                policies: &[],
                bundle: None,
            },
            upstream: None,
            status: Some(if operation == "fails" { 500 } else { 200 }),
            bytes_in: 0,
            bytes_out: 0,
            duration_us: 1,
        });
        self.kept.log.durable_up_to(number).await.unwrap();
    }

    fn operations(&self) -> Operations {
        Operations::new(Arc::clone(&self.key), Arc::clone(&self.kept) as _, self.bounds)
    }

    async fn ask_of(&self, operations: Operations, reader: &Introduction, target: &str) -> Answered {
        let text = self.key.introduce(reader, "GET", target, self.kept.clock.tick()).unwrap();
        send(operations, target, Some(&text)).await
    }

    async fn ask(&self, tenant: &str, target: &str) -> Answered {
        self.ask_of(self.operations(), &introduction(tenant), target).await
    }

    /// The ids on one page, and the cursor of the next.
    async fn page(&self, tenant: &str, query: &str) -> (Vec<String>, Option<String>) {
        let answered = self.ask(tenant, &format!("/audit?{query}")).await;
        assert_eq!(answered.status, StatusCode::OK, "{answered:?}");
        let ids = answered.body["audit_logs"].as_array().unwrap().iter();
        let ids = ids.filter(|it| it["action"] != "audit.read").map(|it| it["resource"].as_str().unwrap().to_owned());
        (ids.collect(), answered.body["next_cursor"].as_str().map(str::to_owned))
    }

    /// Every entry of this class.
    fn entries(&self, class: &str) -> Vec<Value> {
        let all = audit::Entries::from(self.kept.log.folder(), 0).map(|it| view(&it.unwrap().1).unwrap());
        all.filter(|it| it["class"] == class).collect()
    }
}

fn introduction(tenant: &str) -> Introduction {
    Introduction {
        request: hex(0xee),
        verb: NativeVerb::ListAudit,
        api: "library".to_owned(),
        operation: "listAudit".to_owned(),
        parameters: [].into(),
        source: "203.0.113.9".parse().unwrap(),
        tls: true,
        caller: Some(Introduced { tenant: tenant.to_owned(), key: "key_reader".to_owned(), scopes: Vec::new() }),
    }
}

#[derive(Debug)]
struct Answered {
    status: StatusCode,
    declined: Option<Declined>,
    body: Value,
}

async fn send(operations: Operations, target: &str, introduction: Option<&str>) -> Answered {
    let request = Request::get(target);
    let request = introduction.into_iter().fold(request, |it, text| it.header(INTRODUCTION, text));
    let response = operations.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let declined = response.headers().get(DECLINED).and_then(|it| Declined::heard(it.to_str().unwrap()));
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answered { status, declined, body: serde_json::from_slice(&body).unwrap_or_default() }
}

fn hex(number: u8) -> String {
    format!("{number:02x}").repeat(16)
}

#[tokio::test]
async fn nobody_is_answered_whom_the_edge_did_not_introduce() {
    let room = Room::open();
    let reader = introduction("acme");
    let good = room.key.introduce(&reader, "GET", "/audit", room.kept.clock.tick()).unwrap();
    assert_eq!(send(room.operations(), "/audit", Some(&good)).await.status, StatusCode::OK);
    let stranger = IntroductionKey::draw(&Fixed(9));
    let forged = stranger.introduce(&reader, "GET", "/audit", room.kept.clock.tick()).unwrap();
    for (target, text) in
        [("/audit", None), ("/audit", Some("")), ("/audit?limit=2", Some(&*good)), ("/audit", Some(&*forged))]
    {
        let answered = send(room.operations(), target, text).await;
        assert_eq!((answered.status, answered.declined), (StatusCode::UNAUTHORIZED, None), "{target} {text:?}");
    }
    room.kept.clock.advance(Duration::from_secs(11));
    assert_eq!(send(room.operations(), "/audit", Some(&good)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(room.entries("audit.read").len(), 1, "what was not answered was not read");
    let nobody = Introduction { caller: None, ..reader };
    let answered = room.ask_of(room.operations(), &nobody, "/audit").await;
    assert_eq!(answered.declined, Some(Declined::Failed));
}

#[tokio::test]
async fn a_reader_is_told_what_of_its_log_cannot_be_read_and_all_that_can() {
    let room = Room::open();
    room.asked(Some("acme"), "key_0", "list", 1).await;
    for _ in 0..300 {
        let _ = room.kept.log.note(&audit::Notice::new("heartbeat", THEN));
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
    assert!(room.kept.log.subjects().erase("acme", "key_1").unwrap().is_some());
    let erased = room.ask("acme", "/audit?action=fails&limit=1").await.body["audit_logs"][0].take();
    assert_eq!((erased["id"].clone(), erased.get("source_ip"), erased.get("resource")), ("evt_9".into(), None, None));
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

#[tokio::test]
async fn what_is_read_is_entered_first_and_what_cannot_be_is_not_shown() {
    let room = Room::open();
    room.asked(Some("acme"), "key_0", "list", 1).await;
    let _ = room.page("acme", "action=list").await;
    let read = room.entries("audit.read").pop().unwrap();
    let expected = json!({
        "class": "audit.read", "tenant": "acme", "action": "audit.list", "actor": "key_reader", "key": "key_reader",
        "api": "library", "cause": hex(0xee), "outcome": "done", "node": "n", "boot": "b", "node_seq": 1, "schema": 1,
        "time": THEN.to_string(),
        "facts": { "query_digest": read["facts"]["query_digest"], "first": "0", "end": "1", "count": "1" },
    });
    assert_eq!(read, expected);
    let _ = room.page("acme", "action=other").await;
    let other = room.entries("audit.read").pop().unwrap();
    assert_ne!(other["facts"]["query_digest"], read["facts"]["query_digest"]);
    // Where somebody else has its lock the log takes nothing more, as soon as that is noticed.
    let folder = room.kept.log.folder();
    let other = fs::File::create(folder.join("OTHER")).unwrap();
    other.lock().unwrap();
    fs::rename(folder.join("OTHER"), folder.join("LOCK")).unwrap();
    let refused = timeout(Duration::from_mins(1), async {
        loop {
            let answered = room.ask("acme", "/audit").await;
            if answered.declined.is_some() {
                return answered;
            }
        }
    });
    let answered = refused.await.unwrap();
    assert_eq!((answered.declined, answered.body), (Some(Declined::Unrecorded), Value::Null));
}

#[tokio::test]
async fn no_more_is_looked_up_at_once_than_may_be() {
    let bounds = Bounds { at_once: 1, turn: Duration::ZERO, ..Bounds::default() };
    let room = Room::with(AuditSettings { reserve_bytes: 0, ..AuditSettings::default() }, bounds);
    let operations = room.operations();
    let turn = Arc::clone(&operations.turns).try_acquire_owned().unwrap();
    let answered = room.ask_of(operations, &introduction("acme"), "/audit").await;
    assert_eq!(answered.declined, Some(Declined::Busy));
    drop(turn);
    assert_eq!(room.ask("acme", "/audit").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_answered() {
    let bounds = Bounds { at_once: 1, turn: Duration::from_mins(1), ..Bounds::default() };
    let room = Room::with(AuditSettings { reserve_bytes: 0, ..AuditSettings::default() }, bounds);
    let (operations, socket) = (room.operations(), room.folder.path().join("own"));
    let turn = Arc::clone(&operations.turns).try_acquire_owned().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(operations.serve(UnixListener::bind(&socket).unwrap(), async {
        let _ = stopped.await;
    }));
    let text = room.key.introduce(&introduction("acme"), "GET", "/audit", room.kept.clock.tick()).unwrap();
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    let head = format!("GET /audit HTTP/1.1\r\nHost: gateway\r\n{INTRODUCTION}: {text}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    room.kept.asked.notified().await;
    stop.send(()).unwrap();
    drop(turn);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("audit_logs"), "{answer}");
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_entry_and_its_proof_are_for_its_own_tenant_and_for_others_there_is_none() {
    let room = Room::open();
    for number in 0..3 {
        let tenant = [Some("acme"), Some("globex"), None][usize::from(number)];
        room.asked(tenant, "key_0", "list", number).await;
    }
    let ask = async |verb, tenant: &str, seq: &str| {
        let parameters = [("seq".to_owned(), seq.to_owned())].into();
        let reader = Introduction { verb, parameters, ..introduction(tenant) };
        room.ask_of(room.operations(), &reader, "/entries").await
    };
    let own = ask(NativeVerb::GetEntry, "acme", "0").await;
    assert_eq!((own.status, &own.body["seq"], &own.body["tenant"]), (StatusCode::OK, &json!(0), &json!("acme")));
    assert_eq!(own.body["request"]["path"], "/own/0");
    for verb in [NativeVerb::GetEntry, NativeVerb::ProveEntry] {
        for (tenant, seq) in
            [("acme", "1"), ("acme", "2"), ("globex", "0"), ("acme", "99"), ("acme", &u64::MAX.to_string())]
        {
            let answered = ask(verb, tenant, seq).await;
            assert_eq!((answered.declined, answered.body), (Some(Declined::NotFound), Value::Null), "{tenant} {seq}");
        }
        let answered = ask(verb, "acme", "first").await;
        assert_eq!(answered.declined, Some(Declined::Parameter("seq".to_owned())));
    }
    // That its entries are to be kept is the operator's matter.
    let hold = Notice::new("legal_hold.change", THEN).of("acme").with("action", "place");
    let erasure = Notice::new("subject.erased", THEN).of("acme").with("outcome", "refused");
    for notice in [hold, erasure] {
        let number = room.kept.log.note(&notice);
        room.kept.log.durable_up_to(number).await.unwrap();
        let place = (number - 1).to_string();
        for verb in [NativeVerb::GetEntry, NativeVerb::ProveEntry] {
            assert_eq!(ask(verb, "acme", &place).await.declined, Some(Declined::NotFound));
        }
    }
    // An entry that was written a moment ago is proved as soon as it is signed for.
    room.kept.clock.advance(Duration::from_secs(2));
    assert_eq!(ask(NativeVerb::ProveEntry, "globex", "1").await.status, StatusCode::OK);
    let read: Vec<_> = room.entries("audit.read").into_iter().map(|it| it["action"].clone()).collect();
    assert_eq!(read, ["entries.get", "entries.prove"], "what was not shown was not read");
}
