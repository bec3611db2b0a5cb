//! Runs a script of `tests/node` with the real client libraries, or with a browser.

use std::path::PathBuf;
use std::process::Command;

use crate::{Commanded, Running, World, gateway};

/// Runs `tests/node/<script>` against a world. It finds the listener in its environment, and `more` besides; whatever host
/// it asks, it asks the gateway. It must end with 0, and what it printed is given back.
#[track_caller]
pub fn node(world: &World, script: &str, more: &[(&str, &str)]) -> Commanded {
    let mut command = command(world, script);
    command.envs(more.iter().copied());
    let done = command.output().unwrap_or_else(|error| panic!("cannot run {script}: {error}"));
    let done = Commanded::of(&done);
    assert_eq!(done.code, 0, "{script} failed\n{}\n{}", done.out, done.errors);
    done
}

/// Starts `tests/node/<script>` beside a world, and leaves it running.
#[track_caller]
pub fn node_served(world: &World, script: &str) -> Running {
    Running::start(script, world.folder(), &mut command(world, script))
}

#[track_caller]
fn command(world: &World, script: &str) -> Command {
    let scripts = gateway::project().join("tests/node");
    let file = scripts.join(script);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|cause| panic!("cannot read {}: {cause}", file.display()));
    let mut command = Command::new("node");
    // A module that is not in a file finds packages from where it is run.
    command.current_dir(packages()).arg("--require").arg(scripts.join("door.cjs"));
    command.args(["--no-warnings", "--input-type=module", "--eval", &text]);
    command.env("NODE_EXTRA_CA_CERTS", world.gateway.authority());
    command.env("PORTCULLIS_HTTPS", world.gateway.door().https.to_string());
    command
}

/// The folder that `scripts/setup node` fills.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "where tools are kept is said by the environment")]
fn packages() -> PathBuf {
    let usual = || {
        let home = PathBuf::from(std::env::var("HOME").unwrap_or_default());
        let cache = std::env::var("PORTCULLIS_CACHE").map_or_else(|_| home.join(".cache/portcullis"), PathBuf::from);
        cache.join("node")
    };
    let packages = std::env::var("PORTCULLIS_NODE").map_or_else(|_| usual(), PathBuf::from);
    assert!(
        packages.join("node_modules").is_dir(),
        "`{}` is missing: `scripts/setup node` makes it",
        packages.display()
    );
    packages
}
