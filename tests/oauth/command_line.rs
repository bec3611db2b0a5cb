//! The command line as a client: signing in, asking, and signing out again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use acceptance::{Running, World, program, until};
use serde_json::{Value, json};

use crate::client::{Client, NOVA, form, text};
use crate::list;
use crate::users::Browser;

const SOON: Duration = Duration::from_mins(1);

/// Somebody at a terminal, with a folder of their own.
pub(crate) struct Terminal<'a> {
    world: &'a World,
    home: PathBuf,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl<'a> Terminal<'a> {
    pub(crate) fn of(world: &'a World, name: &str) -> Self {
        Self { world, home: world.folder().join(name) }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("portcullis"));
        command.args(words).env("PORTCULLIS_HOME", &self.home).current_dir(self.world.folder());
        command
    }

    /// Runs a command that is given this to read.
    #[track_caller]
    pub(crate) fn tell(&self, words: &[&str], input: &str) -> Said {
        let mut command = self.command(words);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
        let done = child.wait_with_output().expect("its end");
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        Said { code: done.status.code(), out: text(&done.stdout), errors: text(&done.stderr) }
    }

    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        self.tell(words, "")
    }

    /// The token that the next command would ask with.
    #[track_caller]
    fn token(&self) -> String {
        let said = self.run(&["token"]);
        assert_eq!(said.code, Some(0), "{}", said.errors);
        said.out.trim().to_owned()
    }

    /// Begins to sign in, and goes on waiting for its user.
    #[track_caller]
    fn login(&self, name: &str, client: &Client, more: &[&str]) -> Running {
        let gateway = &self.world.gateway;
        let (ca, way) = (gateway.authority().display().to_string(), gateway.door().https.to_string());
        let issuer = format!("https://{NOVA}");
        let words = ["login", "--issuer", &issuer, "--client", &client.id, "--ca", &ca, "--connect", &way];
        Running::start(name, self.world.folder(), &mut self.command(&[&words[..], more].concat()))
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.home.join("credentials/default.json")
    }

    /// As if the access token had ended.
    fn outlive(&self) {
        let mut kept: Value = serde_json::from_slice(&std::fs::read(self.file()).expect("a file")).expect("JSON");
        kept["expires"] = json!(1);
        std::fs::write(self.file(), kept.to_string()).expect("a file of the test's own");
    }
}

fn client(world: &World) -> Client {
    Client::make(world, "novastraxis", &world.tenant("novastraxis"), &["--device", "--scopes", "openid,compute"])
}

/// What stands in the log of a program after this, up to a space.
#[track_caller]
fn told(running: &Running, after: &str) -> String {
    until("the program to say what to do", SOON, || {
        let log = running.log();
        let rest = log.split(after).nth(1)?;
        let end = rest.find(char::is_whitespace)?;
        rest.get(..end).map(str::to_owned)
    })
}

#[track_caller]
fn ended(running: &mut Running) {
    let status = until("the program to end", SOON, || running.ended());
    assert!(status.success(), "{}", running.log());
}

/// A user who has typed the code that a terminal shows, and allowed it.
#[track_caller]
fn allow(world: &World, name: &str, tenant: &str, code: &str) {
    let mut browser = Browser::of(world, name, tenant);
    let login = browser.see("/oauth/device").expect(303);
    let _ = browser.sign_in(&login);
    let question = browser.send(form(NOVA, "/oauth/device", &[("user_code", code)])).expect(200).text();
    let asked = question.split("name=\"asked\" value=\"").nth(1).and_then(|it| it.split('"').next());
    let fields = [("asked", asked.expect("a question")), ("decision", "allow")];
    let _ = browser.send(form(NOVA, "/oauth/device", &fields)).expect(200);
}

#[test]
fn who_signs_in_by_a_code_asks_with_what_is_kept_and_signs_out_again() {
    let world = World::start();
    let (client, terminal) = (client(&world), Terminal::of(&world, "home"));
    let unsigned = terminal.run(&["token"]);
    assert_eq!((unsigned.code, unsigned.out.as_str()), (Some(2), ""));
    assert!(unsigned.errors.contains("portcullis login"), "{}", unsigned.errors);
    let mut login = terminal.login("login", &client, &[]);
    allow(&world, "ann", &client.tenant, &told(&login, "type the code "));
    ended(&mut login);
    let mode = std::fs::metadata(terminal.file()).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = terminal.token();
    let _ = list(&world, &first).expect(200);

    // Many at once, when it has ended: one fetches the next, and nobody ends what the others have.
    terminal.outlive();
    let asking: Vec<_> =
        (0..6).map(|_| terminal.command(&["token"]).stdout(Stdio::piped()).spawn().expect("the program")).collect();
    let printed = asking.into_iter().map(|it| it.wait_with_output().expect("its end").stdout);
    let tokens: Vec<String> = printed.map(|it| String::from_utf8_lossy(&it).trim().to_owned()).collect();
    assert!(
        !tokens[0].is_empty() && tokens[0] != first && tokens.iter().all(|it| *it == tokens[0]),
        "they have the same"
    );
    terminal.outlive();
    let next = terminal.token();
    let _ = list(&world, &next).expect(200);

    let inspected = terminal.run(&["tokens", "inspect", "--output", "json"]);
    let found: Value = serde_json::from_str(&inspected.out).expect("what was found");
    assert_eq!((inspected.code, &found["good"]), (Some(0), &json!(true)), "{found}");
    assert_eq!((&found["claims"]["client_id"], &found["header"]["typ"]), (&json!(client.id), &json!("at+jwt")));
    let signature = next.rsplit('.').next().expect("a signature");
    assert!(!inspected.out.contains(signature) && !inspected.errors.contains(signature), "the token is not repeated");
    let forged = format!("{}x", next.trim_end_matches(char::is_alphanumeric));
    let forged = terminal.tell(&["tokens", "inspect", "--stdin"], &forged);
    assert!(forged.code == Some(1) && forged.out.contains("not good: "), "{}{}", forged.out, forged.errors);

    let out = terminal.run(&["logout"]);
    assert_eq!(out.code, Some(0), "{}", out.errors);
    assert!(!terminal.file().exists());
    let _ = list(&world, &next).expect(401);
    assert_eq!(terminal.run(&["token"]).code, Some(2));
    let everything = json!(world.gateway.entries().whole()).to_string() + &login.log();
    assert!(!everything.contains(&next) && !everything.contains(&first), "a token is in a log");
}

#[test]
fn who_signs_in_with_a_browser_comes_back_to_a_port_of_their_own() {
    let world = World::start();
    let (client, terminal) = (client(&world), Terminal::of(&world, "home"));
    let mut login = terminal.login("login", &client, &["--browser", "--scopes", "compute"]);
    let url = told(&login, "open ");
    let path = url.strip_prefix(&format!("https://{NOVA}")).expect("an address of the issuer");
    let mut ann = Browser::of(&world, "ann", &client.tenant);
    let page = ann.see(path).expect(303);
    let onward = ann.sign_in(&page);
    let question = ann.see(&onward).expect(200);
    let back = ann.answer(&question, "allow").expect(303).says("location").to_owned();
    let place = back.strip_prefix("http://").expect("the user's own machine");
    let (host, target) = place.split_once('/').expect("a path");
    let visit = |target: &str| {
        let mut stream = TcpStream::connect(host).expect("the port of the program");
        write!(stream, "GET /{target} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(visit("favicon.ico").starts_with("HTTP/1.1 404"));
    let shown = visit(target);
    assert!(shown.contains("go back to the command line") && shown.contains("Cache-Control: no-store"), "{shown}");
    ended(&mut login);
    let _ = list(&world, &terminal.token()).expect(200);

    // The answer to another question is not taken, and ends nothing: whoever sits at the browser still comes back.
    let mut other = terminal.login("other", &client, &["--browser", "--profile", "other"]);
    let url = told(&other, "open ");
    let port = url.split("127.0.0.1%3A").nth(1).and_then(|it| it.split("%2F").next()).expect("a port");
    let visit = |target: &str| {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the port of the program");
        write!(stream, "GET /{target} HTTP/1.1\r\n\r\n").expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    for stray in [target, "callback?state=wrong", "callback?error=access_denied", "callback?"] {
        let shown = visit(stray);
        assert!(shown.starts_with("HTTP/1.1 400") && !shown.contains("close this window"), "{stray}: {shown}");
    }
    assert_eq!(terminal.run(&["token", "--profile", "other"]).code, Some(2));
    let path = url.strip_prefix(&format!("https://{NOVA}")).expect("an address of the issuer");
    let question = ann.see(path);
    let back = if question.status == 200 { ann.answer(&question, "allow") } else { question }.expect(303);
    let place = back.says("location").strip_prefix("http://").expect("the user's own machine");
    let shown = visit(place.split_once('/').expect("a path").1);
    assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
    ended(&mut other);
    let _ = list(&world, terminal.run(&["token", "--profile", "other"]).out.trim()).expect(200);
}

#[test]
fn a_profile_says_once_what_is_meant_and_an_api_key_is_kept_where_nobody_else_reads_it() {
    let world = World::start();
    let terminal = Terminal::of(&world, "home");
    let key = world.key("novastraxis", &["compute"]);
    let typed = format!("\n\nhttps://{NOVA}/v2\n{}\n\n\napi_key\n{}\n", key.tenant, key.text);
    let said = terminal.tell(&["configure"], &typed);
    assert_eq!(said.code, Some(0), "{}", said.errors);
    assert!(!said.out.contains(&key.text) && !said.errors.contains(&key.text));
    let shown = terminal.run(&["configure", "--show", "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.out).expect("what it says");
    assert_eq!((&shown["base_url"], &shown["ready"]), (&json!(format!("https://{NOVA}/v2")), &json!(true)), "{shown}");
    assert_eq!((&shown["account"], &shown["credential"]), (&json!(key.tenant), &json!("api_key")));
    assert_eq!(terminal.token(), key.text);
    let _ = list(&world, &terminal.token()).expect(200);
    let clear = terminal.run(&["configure", "--issuer", "http://api.example.com"]);
    assert_eq!(clear.code, Some(2), "{}", clear.out);
    assert_eq!(terminal.run(&["configure", "--profile", "../x", "--account", "a"]).code, Some(2));
}

#[test]
fn an_operator_ends_the_tokens_of_a_client_of_a_user_or_whatever_a_token_was_made_for() {
    let world = World::start();
    let (client, terminal) = (client(&world), Terminal::of(&world, "home"));
    let service = Client::make(&world, "novastraxis", &client.tenant, &["--scopes", "compute"]);
    let own = |client: &Client| {
        let told = world.ask(&client.basic(&form(NOVA, "/oauth/token", &[("grant_type", "client_credentials")])));
        text(&told.expect(200).json(), "access_token")
    };
    let mut login = terminal.login("login", &client, &[]);
    let code = told(&login, "type the code ");
    allow(&world, "ann", &client.tenant, &code);
    ended(&mut login);
    let (user, config) = (terminal.token(), world.gateway.settings().display().to_string());
    let operate = |words: &[&str], input: &str| {
        let said = terminal.tell(&[words, &["--config", &config]].concat(), input);
        world.gateway.catch_up();
        said
    };
    let by_data = operate(&["tokens", "inspect", "--data", "--stdin"], &user);
    assert!(by_data.code == Some(0) && by_data.out.ends_with("good\n"), "{}{}", by_data.out, by_data.errors);
    let one = own(&service);
    let ended_one = operate(&["tokens", "revoke", "--stdin"], &one);
    assert_eq!(ended_one.code, Some(0), "{}", ended_one.errors);
    let _ = list(&world, &one).expect(401);
    let other = own(&service);
    let _ = list(&world, &other).expect(200);
    assert_eq!(operate(&["tokens", "revoke", "--client", &service.id], "").code, Some(0));
    let _ = list(&world, &other).expect(401);
    let _ = list(&world, &user).expect(200);
    let whose = crate::client::claims(&user)["sub"].as_str().expect("a user").to_owned();
    let told = operate(&["tokens", "revoke", "--user", &whose], "");
    assert!(told.code == Some(0) && told.out.contains("1 grant is ended"), "{}{}", told.out, told.errors);
    let _ = list(&world, &user).expect(401);
    let dead = operate(&["tokens", "inspect", "--data", "--stdin"], &user);
    assert!(dead.code == Some(1) && dead.out.contains("is revoked"), "{}{}", dead.out, dead.errors);
    assert_eq!(operate(&["tokens", "revoke", "--stdin"], "nonsense").code, Some(2));
    assert_eq!(operate(&["tokens", "revoke", "--client", "cli_nobody"], "").code, Some(2));
    assert_eq!(operate(&["tokens", "revoke"], "").code, Some(2), "it must be said what ends");
    terminal.outlive();
    let gone = terminal.run(&["token"]);
    assert!(gone.code == Some(2) && gone.errors.contains("has ended"), "{}", gone.errors);
    assert!(!terminal.file().exists());
}
