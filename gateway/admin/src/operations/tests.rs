mod account;
mod lists;
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
use domain::{Deed, DeedClass, FixedClock, Random, Timestamp};
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
    nonces: Nonces,
    proofs: Replays,
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

    fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    fn proofs(&self) -> &Replays {
        &self.proofs
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

    fn messenger(&self) -> &dyn Messenger {
        panic!("nothing here asks anybody elsewhere")
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
            session: Some(SessionCookies {
                access: "access".to_owned(),
                refresh: "refresh".to_owned(),
                refresh_path: "/auth".to_owned(),
                origins: Vec::new(),
            }),
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
            nonces: Nonces::draw(Duration::ZERO, &Fixed(1)),
            proofs: Replays::new(8),
            limiter: Limiter::new(&LimitsSettings::default()),
            asked: Notify::new(),
        };
        Self { kept: Arc::new(kept), key, bounds, folder }
    }

    /// Enters that somebody asked for something; `number` makes the id of the request.
    async fn asked(&self, tenant: Option<&str>, key: &str, operation: &str, number: u8) {
        let id = hex(number);
        let subject = tenant.map(|it| self.kept.log.subjects().key(it, key, &Fixed(number)).unwrap());
        let sealed =
            subject.as_ref().and_then(|it| it.seal(&[number; 16], "203.0.113.9", &format!("/own/{number}"), None));
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
                reads: None,
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
            plugins: &[],
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
