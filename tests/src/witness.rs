//! Somebody who stands for the log of a gateway.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::{Running, World, program};

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_mins(1);

/// A witness as somebody else would run it.
#[derive(Debug)]
pub struct Witness {
    /// Its process.
    pub process: Running,
    /// Where it is asked.
    pub url: String,
    /// What is believed.
    pub vkey: String,
    data: PathBuf,
}

impl Witness {
    /// For the log of a gateway, by its key.
    #[track_caller]
    pub fn of(world: &World, name: &str) -> Self {
        let data = world.folder().join(name);
        let log = std::fs::read_to_string(world.gateway.entries().folder().join("vkey")).expect("a key");
        let mut command = Command::new(program("portcullis"));
        // A settings file that cannot be read is nothing to it.
        command.args(["witness", "--listen", "127.0.0.1:0", "--config", "nowhere.toml", "--log", log.trim()]);
        let mut process = Running::start(name, world.folder(), command.arg("--data").arg(&data));
        let ready: Value = serde_json::from_str(&process.line(START)).expect("a ready line");
        let text = |name: &str| ready[name].as_str().expect("a text").to_owned();
        Self { process, data, url: format!("http://{}", text("address")), vkey: text("vkey") }
    }

    /// The checkpoint that it stood for last.
    #[track_caller]
    pub fn checkpoint(&self) -> PathBuf {
        let files = std::fs::read_dir(&self.data).expect("its folder").flatten().map(|it| it.path());
        files.into_iter().find(|it| it.extension().is_some_and(|it| it == "checkpoint")).expect("a checkpoint")
    }
}

/// Names witnesses in the settings of a gateway, and starts it again.
#[track_caller]
pub fn name_witnesses(world: &mut World, witnesses: &[(&str, &str)], more: &str) {
    let rows: Vec<String> =
        witnesses.iter().map(|(url, vkey)| format!("{{ url = \"{url}\", vkey = \"{vkey}\" }}")).collect();
    let file = world.gateway.settings().to_owned();
    let text = std::fs::read_to_string(&file).expect("settings");
    let own = text.split("[audit]").next().unwrap_or_default();
    let table = format!("[audit]\nwitness_ms = 100\nwitnesses = [{}]\n{more}", rows.join(", "));
    std::fs::write(&file, format!("{own}{table}")).expect("settings");
    world.gateway.restart();
}
