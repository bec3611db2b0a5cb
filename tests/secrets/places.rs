//! Everything that can be read of a gateway afterwards.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use acceptance::{Running, World, program, python_served, until};
use serde_json::Value;

const SOON: Duration = Duration::from_mins(1);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Who is given entries: a file, and somebody elsewhere.
pub(crate) struct Receivers {
    folder: PathBuf,
    _process: Running,
}

impl Receivers {
    /// Names them, and has the process say as much as it can.
    #[track_caller]
    pub(crate) fn of(world: &mut World) -> Self {
        let folder = world.folder().join("receivers");
        std::fs::create_dir(&folder).expect("a folder of the test");
        std::fs::write(folder.join("mood"), "200").expect("a mood");
        std::fs::write(folder.join("secret"), format!("{SECRET}\n")).expect("a secret");
        std::fs::set_permissions(folder.join("secret"), Permissions::from_mode(0o600)).expect("a mode");
        let tls = world.gateway.data().join("tls");
        let words = [&folder, &tls.join("cert.pem"), &tls.join("key.pem")].map(|it| it.display().to_string());
        let mut process = python_served(world, "collector.py", &[&words[0], &words[1], &words[2], SECRET]);
        let ready: Value = serde_json::from_str(&process.line(SOON)).expect("a ready line");
        let file = world.gateway.settings().to_owned();
        let settings = std::fs::read_to_string(&file).expect("settings");
        let rows = format!(
            "[[audit.sinks]]\nname = 'copy'\nkind = 'file'\npath = '{0}/copy.jsonl'\n\
             [[audit.sinks]]\nname = 'siem'\nkind = 'https'\nformat = 'ocsf'\nurl = 'https://localhost:{1}/in'\n\
             ca = '{2}'\nsecret_file = '{0}/secret'\n",
            folder.display(),
            ready["port"],
            world.gateway.authority().display()
        );
        std::fs::write(&file, format!("{}\n{rows}", settings.replacen("log = \"info\"", "log = \"debug\"", 1)))
            .expect("settings");
        world.gateway.restart();
        Self { folder, _process: process }
    }

    /// Waits until they have everything that is written now, and gives it.
    #[track_caller]
    fn given(&self, world: &World) -> Vec<Place> {
        let last = world.gateway.entries().whole().len() as u64;
        until("the receivers to have everything", SOON, || {
            let stands = world.gateway.json(&["audit", "sinks"]);
            let all = stands.as_array()?.iter().all(|it| Some(last) <= it["next"].as_u64());
            all.then_some(())
        });
        let mut given = Vec::new();
        files(&self.folder, &mut given);
        given
    }
}

/// Where something is, and what.
pub(crate) type Place = (String, Vec<u8>);

/// Every place.
#[track_caller]
pub(crate) fn places(world: &World, receivers: &Receivers) -> Vec<Place> {
    let mut places = receivers.given(world);
    places.extend([
        ("/metrics".to_owned(), world.gateway.ask_admin("/metrics").expect(200).body),
        ("/readyz".to_owned(), world.gateway.ask_admin("/readyz").body),
    ]);
    for words in [
        &["api-keys", "list", "--output", "json"][..],
        &["tenants", "list", "--output", "json"],
        &["audit", "query", "--output", "json"],
        &["audit", "query"],
        &["audit", "query", "--scan", "--class", "request.completed"],
        &["audit", "doctor"],
        &["audit", "sinks"],
    ] {
        let said = world.gateway.command(words);
        places.push((words.join(" "), [said.out, said.errors].concat().into_bytes()));
    }
    places.push(("audit tail".to_owned(), tail(world)));
    for format in ["json", "ocsf", "csv"] {
        let to = world.folder().join(format!("exported.{format}")).display().to_string();
        let said = world.gateway.command(&["audit", "export", "--format", format, "--to", &to]);
        assert_eq!(said.code, 0, "{said:?}");
        for file in [to.clone(), format!("{to}.manifest.json")] {
            places.push((file.clone(), std::fs::read(&file).expect("an export")));
        }
    }
    files(&world.gateway.data(), &mut places);
    places.push(("the log of the process".to_owned(), world.gateway.process().log().into_bytes()));
    places
}

/// What somebody sees who follows the log.
#[track_caller]
fn tail(world: &World) -> Vec<u8> {
    const LINES: usize = 500;
    let mut command = Command::new(program("portcullis"));
    command.args(["audit", "tail", "--output", "json", "-n", &LINES.to_string(), "--config"]);
    let mut tail = Running::start("tail", world.folder(), command.arg(world.gateway.settings()));
    (0..LINES).flat_map(|_| tail.line(SOON).into_bytes()).collect()
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<Place>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
        }
    }
}
