//! The real binary `portcullis`, with settings of its own in a folder of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Answer, Connection, Door, Entries, Request, Running, program, until};

/// How long a start may take on a busy machine before a test gives it up.
const START: Duration = Duration::from_secs(90);

/// What a test chooses about its gateway. Everything else is as delivered.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of profiles; the project's own unless said otherwise.
    pub apis: PathBuf,
    /// The folder of guardrails; the project's own unless said otherwise.
    pub guardrails: PathBuf,
    /// Where each API really is.
    pub upstreams: BTreeMap<String, SocketAddr>,
    /// What is logged.
    pub log: &'static str,
    /// More lines of the settings file, tables among them.
    pub more: String,
}

impl Default for Settings {
    fn default() -> Self {
        let policies = project().join("policies");
        Self {
            apis: policies.join("apis"),
            guardrails: policies.join("guardrails"),
            upstreams: BTreeMap::new(),
            log: "info",
            more: String::new(),
        }
    }
}

impl Settings {
    /// Writes the settings file, with ports that the gateway chooses.
    fn write(&self, folder: &Path, file: &Path) {
        let mut text = format!(
            "log = {:?}\ndata = \"{}\"\napis = \"{}\"\nguardrails = \"{}\"\n\n\
             [listen]\nhttp = \"127.0.0.1:0\"\nhttps = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\n[upstreams]\n",
            self.log,
            folder.join("data").display(),
            self.apis.display(),
            self.guardrails.display()
        );
        for (api, address) in &self.upstreams {
            let _ = writeln!(text, "{api:?} = \"http://{address}\"");
        }
        text.push('\n');
        if !self.more.contains("[audit]") {
            // A busy machine is no disk that hangs.
            text.push_str("[audit]\nstall_ms = 60000\n\n");
        }
        text.push_str(&self.more);
        std::fs::write(file, text).expect("a settings file in the test's own folder");
    }
}

/// Where this project lies.
pub(crate) fn project() -> PathBuf {
    // Asked when the test runs: a build that is shared by two checkouts would answer for the other one.
    let tests = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    tests.as_deref().and_then(Path::parent).expect("run by cargo, in the project").to_owned()
}

/// What a command of the gateway said.
#[derive(Clone, Debug)]
pub struct Commanded {
    /// How it ended: 0 done, 1 no, 2 wrong use.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub errors: String,
}

impl Commanded {
    /// How a program ended, and what it said.
    pub(crate) fn of(done: &Output) -> Self {
        Self {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&done.stdout).into_owned(),
            errors: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// Standard output as JSON, of a command that must have worked.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

/// One running gateway.
#[derive(Debug)]
pub struct Gateway {
    folder: PathBuf,
    settings: PathBuf,
    process: Running,
    door: Door,
    admin: SocketAddr,
    authority: PathBuf,
    log: PathBuf,
}

impl Gateway {
    /// Writes the settings, starts, and returns once it says that it is ready.
    #[track_caller]
    pub fn start(folder: &Path, settings: &Settings) -> Self {
        let file = folder.join("portcullis.toml");
        settings.write(folder, &file);
        Self::serve(folder, &file)
    }

    #[track_caller]
    fn serve(folder: &Path, settings: &Path) -> Self {
        let mut process = Self::spawn(folder, settings, &[]);
        let line = process.line(START);
        Self::ready(folder, settings, process, &line)
    }

    #[track_caller]
    fn spawn(folder: &Path, settings: &Path, environment: &[(&str, PathBuf)]) -> Running {
        let mut command = Command::new(program("portcullis"));
        command.arg("serve").arg("--config").arg(settings).envs(environment.iter().cloned());
        Running::start("gateway", folder, &mut command)
    }

    #[track_caller]
    fn ready(folder: &Path, settings: &Path, process: Running, line: &str) -> Self {
        let ready: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not a ready line: `{line}`"));
        assert_eq!(ready["ready"], true, "{line}");
        let listener = |name: &str| -> SocketAddr {
            let address = ready["listeners"][name].as_str().unwrap_or_else(|| panic!("no listener `{name}`: {line}"));
            address.parse().expect("an address with its port")
        };
        // Where it has been given a certificate it names none: what an earlier run has made is there still.
        let authority = ready["ca"].as_str().map_or_else(|| folder.join("data/tls/ca.pem"), PathBuf::from);
        let door = Door::new(listener("http"), listener("https"), &authority);
        let admin = listener("admin");
        let log = folder.join("data/audit");
        Self { folder: folder.to_owned(), settings: settings.to_owned(), process, door, admin, authority, log }
    }

    /// Ends it as a service manager does, and starts it again with the settings as they are now.
    #[track_caller]
    pub fn restart(&mut self) {
        let status = self.stop();
        assert!(status.success(), "the gateway ended with {status}");
        self.start_again();
    }

    /// Starts it again after it has ended.
    #[track_caller]
    pub fn start_again(&mut self) {
        *self = Self::serve(&self.folder.clone(), &self.settings.clone());
    }

    /// Starts it again after it has ended, with its log on a disk of its own of so many MiB, which is empty at first. Says
    /// whether this machine lets anybody make one.
    #[track_caller]
    pub fn start_again_on_small_disk(&mut self, mebibytes: u32) -> bool {
        let mount = format!("mount -t tmpfs -o size={mebibytes}m tmpfs \"$0\" && exec \"$@\"");
        let alone = ["--mount", "--map-root-user"];
        let probe = Command::new("unshare").args(alone).args(["sh", "-c", &mount]).arg(&self.log).arg("true").output();
        if !probe.is_ok_and(|it| it.status.success()) {
            return false;
        }
        // Another log, on purpose.
        let _ = std::fs::remove_file(self.data().join("secrets/audit.newest"));
        let mut command = Command::new("unshare");
        command.args(alone).args(["sh", "-c", &mount]).arg(&self.log).arg(program("portcullis"));
        command.arg("serve").arg("--config").arg(&self.settings);
        let mut process = Running::start("gateway", &self.folder, &mut command);
        let line = process.line(START);
        // What only the process sees.
        let seen = PathBuf::from(format!("/proc/{}/root", process.id()));
        let log = seen.join(self.log.strip_prefix("/").unwrap_or(&self.log));
        *self = Self { log, ..Self::ready(&self.folder.clone(), &self.settings.clone(), process, &line) };
        true
    }

    /// Ends it without asking.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Ends it without asking, and starts it again.
    #[track_caller]
    pub fn crash(&mut self) {
        self.process.kill();
        self.start_again();
    }

    /// The same, with more in its environment. Says whether it lived until it was ready.
    #[track_caller]
    pub fn crash_into(&mut self, environment: &[(&str, PathBuf)]) -> bool {
        self.process.kill();
        let mut process = Self::spawn(&self.folder, &self.settings, environment);
        let Some(line) = process.line_if_any(START) else { return false };
        *self = Self::ready(&self.folder.clone(), &self.settings.clone(), process, &line);
        true
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.process.stop(Duration::from_secs(30))
    }

    /// Its listeners.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Its process.
    pub fn process(&self) -> &Running {
        &self.process
    }

    /// The next line that it says after its ready line.
    #[track_caller]
    pub fn line(&mut self, within: Duration) -> String {
        self.process.line(within)
    }

    /// The settings file.
    pub fn settings(&self) -> &Path {
        &self.settings
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The file of the authority that signed its certificates.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Its entries.
    #[track_caller]
    pub fn entries(&self) -> Entries {
        Entries::of_gateway(&self.settings, &self.log)
    }

    /// Asks on a connection of its own.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Answer {
        self.door.ask(request)
    }

    /// Asks the operator's listener.
    #[track_caller]
    pub fn ask_admin(&self, target: &str) -> Answer {
        Connection::to(self.admin).ask(&Request::get("localhost", target).header("Connection", "close"))
    }

    /// The sum of a metric over all its labels that hold these, such as `api="novastack"`; zero where there is none.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.ask_admin("/metrics").expect(200).text();
        let own = |line: &&str| {
            let series = line.strip_prefix(name).filter(|it| it.starts_with(['{', ' ']));
            series.is_some_and(|it| labels.iter().all(|label| it.contains(label)))
        };
        text.lines().filter(own).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// How many keys it has in force.
    #[track_caller]
    pub fn keys(&self) -> u64 {
        self.registry_says(|detail| detail.split(' ').next())
    }

    /// Waits until it has taken in every change of tenants and keys that was made so far.
    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "a test outside the gateway has no clock but the machine's")]
    pub fn catch_up(&self) {
        let start = Instant::now();
        let mut last = Duration::ZERO;
        // Twice, because the first hearing may have begun before the change was made.
        for _ in 0..2 {
            last = until("the gateway to hear its registry", Duration::from_secs(20), || {
                let ago = self.registry_says(|detail| detail.split("heard ").nth(1)?.split(' ').next());
                let heard = start.elapsed().checked_sub(Duration::from_millis(ago))?;
                (heard > last + Duration::from_millis(50)).then_some(heard)
            });
        }
    }

    /// A number from the words in which `/readyz` says how it stands with the registry.
    #[track_caller]
    fn registry_says(&self, number: impl Fn(&str) -> Option<&str>) -> u64 {
        let body: Value = serde_json::from_slice(&self.ask_admin("/readyz").body).expect("the conditions");
        let conditions = body["conditions"].as_array().expect("a list of conditions");
        let keys = conditions.iter().find(|it| it["name"] == "keys").unwrap_or_else(|| panic!("no `keys`: {body}"));
        let detail = keys["detail"].as_str().unwrap_or_default();
        number(detail).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no number: `{detail}`"))
    }

    /// Runs a command of the binary with these settings.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> Commanded {
        command(&self.settings, words)
    }

    /// The same, with this on its standard input.
    #[track_caller]
    pub fn command_reading(&self, words: &[&str], input: &str) -> Commanded {
        let mut command = Command::new(program("portcullis"));
        command.args(words).arg("--config").arg(&self.settings);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = piped.spawn().expect("the program");
        running.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("somebody who reads");
        Commanded::of(&running.wait_with_output().expect("an end"))
    }

    /// Runs a command that must work and answer in JSON.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Value {
        self.command(&[words, &["--output", "json"]].concat()).json()
    }

    /// Tells it to read its settings again, and waits until it has taken them or said why not.
    #[track_caller]
    pub fn reload(&self) {
        let told = |it: &Self| {
            (it.metric("portcullis_config_generation", &[]), it.metric("portcullis_config_reload_failures_total", &[]))
        };
        let before = told(self);
        self.process.signal("HUP");
        until("the gateway to read its settings again", Duration::from_secs(20), || {
            (told(self) != before).then_some(())
        });
    }
}

/// Runs a command of the binary with a settings file, whether or not a gateway runs.
#[track_caller]
pub(crate) fn command(settings: &Path, words: &[&str]) -> Commanded {
    let done = Command::new(program("portcullis")).args(words).arg("--config").arg(settings).output();
    let done = done.unwrap_or_else(|error| panic!("cannot run portcullis: {error}"));
    Commanded::of(&done)
}
