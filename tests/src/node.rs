//! Runs a script of `tests/node` with the real client libraries.

use std::process::Command;

use crate::{Commanded, World, gateway};

/// Runs `tests/node/<script>` against a world. It finds the listener and the authority in its environment, and `more`
/// besides; it must end with 0, and what it printed last is given back.
#[track_caller]
pub fn node(world: &World, script: &str, more: &[(&str, &str)]) -> Commanded {
    let folder = gateway::project().join("tests/node");
    assert!(
        folder.join("node_modules").is_dir(),
        "`tests/node/node_modules` is missing: `scripts/setup node` makes it"
    );
    let mut command = Command::new("node");
    command.arg(folder.join(script)).env("PORTCULLIS_HTTPS", world.gateway.door().https.to_string());
    command.env("NODE_EXTRA_CA_CERTS", world.gateway.authority()).envs(more.iter().copied());
    let done = command.output().unwrap_or_else(|error| panic!("cannot run node: {error}"));
    let done = Commanded {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        errors: String::from_utf8_lossy(&done.stderr).into_owned(),
    };
    assert_eq!(done.code, 0, "{script} failed\n{}\n{}", done.out, done.errors);
    done
}
