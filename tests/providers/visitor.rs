//! Somebody at a browser, between an application, the gateway and the provider of their tenant.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use acceptance::{Answer, Connection, Request, Running, World, node_served};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::client::{Client, NOVA, decoded, form, query, text};

pub(crate) const BACK: &str = "https://app.example/cb";
pub(crate) const BYE: &str = "https://app.example/bye";
pub(crate) const SECRET: &str = "canary-secret-of-the-connection-canary";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A provider, the real one of others.
pub(crate) struct Idp {
    pub(crate) issuer: String,
    address: SocketAddr,
    _process: Running,
}

impl Idp {
    #[track_caller]
    pub(crate) fn start(world: &World) -> Self {
        let mut process = node_served(world, "provider.mjs");
        let line = process.line(Duration::from_secs(90));
        let issuer = text(&serde_json::from_str(&line).expect("where it is"), "issuer");
        let address = issuer.trim_start_matches("http://").parse().expect("an address");
        Self { issuer, address, _process: process }
    }

    /// Has it be something else from now on.
    #[track_caller]
    pub(crate) fn told(&self, what: &Value) -> Value {
        Connection::to(self.address).ask(&Request::post("control", "/control").json(what)).expect(200).json()
    }

    /// How often something of it was asked for.
    #[track_caller]
    pub(crate) fn asked(&self, path: &str) -> u64 {
        self.told(&json!({}))["asked"][path].as_u64().unwrap_or_default()
    }

    /// Connects a tenant with it by the command of the product, and has it know that.
    #[track_caller]
    pub(crate) fn connect(&self, world: &World, tenant: &str, more: &[&str]) -> Value {
        let file = world.folder().join("provider-secret");
        std::fs::write(&file, SECRET).expect("a file of the test's own");
        let file = file.to_str().expect("a name");
        let words = [
            "providers",
            "create",
            "--tenant",
            tenant,
            "--name",
            "Acme Login",
            "--issuer",
            &self.issuer,
            "--client-id",
            "portcullis",
            "--client-secret-file",
            file,
            "--private",
            "--scopes",
            "openid,profile,email,groups",
            "--domain",
            "example.com",
            "--map",
            "groups=ops=member",
        ];
        let made = world.gateway.json(&[&words[..], more].concat());
        self.told(&json!({ "clients": [{
            "client_id": "portcullis",
            "client_secret": SECRET,
            "redirect_uris": made["redirect_uris"],
            "post_logout_redirect_uris": made["post_logout_redirect_uris"],
            "backchannel_logout_uri": made["backchannel_logout_uris"][1],
        }] }));
        made
    }
}

/// An application of the tenant.
#[track_caller]
pub(crate) fn app(world: &World, tenant: &str) -> Client {
    let more = [
        "--auth",
        "none",
        "--grants",
        "authorization_code,refresh_token",
        "--redirect-uri",
        BACK,
        "--post-logout-uri",
        BYE,
        "--scopes",
        "openid,profile,email,compute",
    ];
    Client::make(world, "novastraxis", tenant, &more)
}

/// A browser, and who sits before it.
pub(crate) struct Visitor<'a> {
    world: &'a World,
    here: BTreeMap<String, String>,
    there: BTreeMap<String, String>,
}

fn keep(jar: &mut BTreeMap<String, String>, answer: &Answer) {
    for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
        let pair = line.split(';').next().and_then(|it| it.split_once('=')).expect("a cookie");
        let (name, value) = (pair.0.to_owned(), pair.1.to_owned());
        if value.is_empty() { drop(jar.remove(&name)) } else { drop(jar.insert(name, value)) }
    }
}

fn shown(jar: &BTreeMap<String, String>) -> String {
    jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

impl<'a> Visitor<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self { world, here: BTreeMap::new(), there: BTreeMap::new() }
    }

    /// Sends a request to the gateway as a browser does from its own page.
    #[track_caller]
    pub(crate) fn send(&mut self, request: Request) -> Answer {
        let request = if request.headers.iter().any(|(name, _)| name == "Sec-Fetch-Site") {
            request
        } else {
            request.header("Sec-Fetch-Site", "same-origin")
        };
        let answer = self.world.ask(&request.header("Cookie", &shown(&self.here)));
        keep(&mut self.here, &answer);
        answer
    }

    #[track_caller]
    pub(crate) fn see(&mut self, place: &str) -> Answer {
        let path = place.strip_prefix(&format!("https://{NOVA}")).unwrap_or(place);
        self.send(Request::get(NOVA, path))
    }

    /// Where the application sends people.
    pub(crate) fn asks(app: &Client, more: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let request = [
            ("client_id", app.id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", BACK),
            ("scope", "openid profile email compute"),
            ("state", "s"),
            ("nonce", "n"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        format!("/oauth/authorize?{}", query(&[&request[..], more].concat()))
    }

    /// From the application to the page on which one chooses how to sign in.
    #[track_caller]
    pub(crate) fn chooses(&mut self, app: &Client, more: &[(&str, &str)]) -> Answer {
        let login = self.see(&Self::asks(app, more)).expect(303);
        self.see(login.says("location"))
    }

    /// On to the provider: where it is sent.
    #[track_caller]
    pub(crate) fn sets_out(&mut self, app: &Client) -> Answer {
        self.sets_out_for(app, &[])
    }

    /// The same for an application that asks for more.
    #[track_caller]
    pub(crate) fn sets_out_for(&mut self, app: &Client, more: &[(&str, &str)]) -> Answer {
        let page = self.chooses(app, more).expect(200).text();
        assert!(page.contains("Sign in with Acme Login"), "{page}");
        let link = page.split("class=\"other\" href=\"").nth(1).and_then(|it| it.split('"').next()).expect("a link");
        self.see(&link.replace("&amp;", "&"))
    }

    /// Signs in at the provider: where that leads.
    #[track_caller]
    pub(crate) fn signs_in_there(&mut self, idp: &Idp, sent: &Answer, account: &str) -> String {
        let mut place = sent.says("location").to_owned();
        let mut posts = false;
        for _ in 0..10 {
            let Some(path) =
                place.strip_prefix(&idp.issuer).or_else(|| place.starts_with('/').then_some(place.as_str()))
            else {
                return place;
            };
            let host = idp.issuer.trim_start_matches("http://");
            let request = if posts { form(host, path, &[("account", account)]) } else { Request::get(host, path) };
            let answer = Connection::to(idp.address).ask(&request.header("Cookie", &shown(&self.there)));
            keep(&mut self.there, &answer);
            posts = answer.status == 200;
            if !posts {
                answer.expect(303).says("location").clone_into(&mut place);
            }
        }
        unreachable(&place)
    }

    /// From the application to the provider and back: what the gateway answers then.
    #[track_caller]
    pub(crate) fn signs_in(&mut self, idp: &Idp, app: &Client, account: &str) -> Answer {
        let sent = self.sets_out(app).expect(303);
        let back = self.signs_in_there(idp, &sent, account);
        self.see(&back)
    }

    /// Lets the application act for them, once they are signed in: what it gets.
    #[track_caller]
    pub(crate) fn lets(&mut self, app: &Client, onward: &str) -> Value {
        let code = self.code(onward);
        let told = redeem(self.world, app, &code).expect(200);
        told.json()
    }

    /// The code that comes of it.
    #[track_caller]
    pub(crate) fn code(&mut self, onward: &str) -> String {
        let mut told = self.see(onward);
        if told.status == 200 {
            let page = told.text();
            let asked = page.split("name=\"asked\" value=\"").nth(1).and_then(|it| it.split('"').next());
            let fields = [("asked", asked.expect("a question")), ("decision", "allow")];
            told = self.send(form(NOVA, "/oauth/consent", &fields));
        }
        parameter(told.expect(303).says("location"), "code").expect("a code")
    }

    /// Forgets who they are here.
    pub(crate) fn forgets(&mut self) {
        self.here.clear();
    }
}

pub(crate) fn redeem(world: &World, app: &Client, code: &str) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("client_id", &app.id),
    ];
    world.ask(&form(NOVA, "/oauth/token", &fields))
}

pub(crate) fn refresh(world: &World, app: &Client, token: &str) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &app.id)];
    world.ask(&form(NOVA, "/oauth/token", &fields))
}

/// A parameter of an address.
pub(crate) fn parameter(place: &str, name: &str) -> Option<String> {
    let (_, query) = place.split_once('?')?;
    let found = query.split('&').filter_map(|it| it.split_once('=')).find(|(it, _)| *it == name)?;
    Some(decoded(&found.1.replace('+', " ")))
}

/// An address with a parameter said otherwise, or left out.
pub(crate) fn with(place: &str, name: &str, value: Option<&str>) -> String {
    let (path, asked) = place.split_once('?').expect("a query");
    let kept = asked.split('&').filter(|it| it.split('=').next() != Some(name)).map(str::to_owned);
    let said = value.map(|it| query(&[(name, it)]));
    format!("{path}?{}", kept.chain(said).collect::<Vec<_>>().join("&"))
}

#[track_caller]
#[expect(clippy::panic, reason = "what fails here must fail the test")]
fn unreachable(place: &str) -> String {
    panic!("led on for ever, last to {place}")
}
