//! Runs a script of `tests/python` with the real client libraries.

use std::path::PathBuf;
use std::process::Command;

use crate::{Commanded, Running, World, gateway};

/// Runs `tests/python/<script>` against a world. It finds the listeners and the authority in its environment, and
/// `more` besides; it must end with 0, and what it printed last is given back.
#[track_caller]
pub fn python(world: &World, script: &str, more: &[(&str, &str)]) -> Commanded {
    let file = gateway::project().join("tests/python").join(script);
    let door = world.gateway.door();
    let mut command = Command::new(interpreter());
    command.arg("-u").arg("-B").arg(&file);
    command.env("PORTCULLIS_HTTP", door.http.to_string()).env("PORTCULLIS_HTTPS", door.https.to_string());
    command.env("PORTCULLIS_CA", world.gateway.authority());
    command.envs(more.iter().copied());
    let done = command.output().unwrap_or_else(|error| panic!("cannot run {}: {error}", file.display()));
    let done = Commanded::of(&done);
    assert_eq!(done.code, 0, "{script} failed\n{}\n{}", done.out, done.errors);
    done
}

/// Runs `tests/python/<script>` with these words, whatever comes of it.
#[track_caller]
pub fn python_alone(script: &str, words: &[&str]) -> Commanded {
    let file = gateway::project().join("tests/python").join(script);
    let done = Command::new(interpreter()).arg("-B").arg(&file).args(words).output();
    let done = done.unwrap_or_else(|error| panic!("cannot run {}: {error}", file.display()));
    Commanded::of(&done)
}

/// Starts `tests/python/<script>` with these words, and leaves it running.
#[track_caller]
pub fn python_served(world: &World, script: &str, words: &[&str]) -> Running {
    let file = gateway::project().join("tests/python").join(script);
    let mut command = Command::new(interpreter());
    Running::start(script, world.folder(), command.arg("-u").arg("-B").arg(&file).args(words))
}

/// The interpreter of the environment that `scripts/setup python` makes.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "where tools are kept is said by the environment")]
fn interpreter() -> PathBuf {
    let said = std::env::var("PORTCULLIS_PYTHON").ok().map(PathBuf::from);
    let usual = || {
        let home = PathBuf::from(std::env::var("HOME").unwrap_or_default());
        let cache = std::env::var("PORTCULLIS_CACHE").map_or_else(|_| home.join(".cache/portcullis"), PathBuf::from);
        cache.join("venv/bin/python")
    };
    let python = said.unwrap_or_else(usual);
    assert!(python.is_file(), "`{}` is missing: `scripts/setup python` makes it", python.display());
    python
}
