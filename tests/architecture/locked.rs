//! The bans and floors of `.deny.toml` against what `Cargo.lock` really holds.
//!
//! cargo-deny says the same and more, but is not on every machine.

/// A crate with the version that is built in.
#[derive(Debug, PartialEq)]
pub(crate) struct Locked {
    name: String,
    version: String,
}

/// A crate that may not be built in: always, or below a floor.
#[derive(Debug, PartialEq)]
pub(crate) struct Ban {
    name: String,
    below: Option<String>,
}

impl Ban {
    /// Whether this crate is what the ban means.
    pub(crate) fn hits(&self, locked: &Locked) -> bool {
        let too_old = |floor: &String| parts(&locked.version) < parts(floor);
        self.name == locked.name && self.below.as_ref().is_none_or(too_old)
    }
}

/// Every crate of a lock file.
pub(crate) fn crates(lock: &str) -> Vec<Locked> {
    let value =
        |line: &str, key: &str| Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned());
    lock.split("[[package]]")
        .filter_map(|package| {
            let name = package.lines().find_map(|line| value(line, "name"))?;
            let version = package.lines().find_map(|line| value(line, "version"))?;
            Some(Locked { name, version })
        })
        .collect()
}

/// The entries of `deny`, written `{ crate = "name", .. }` or `{ crate = "name:<version", .. }`.
pub(crate) fn bans(deny: &str) -> Vec<Ban> {
    deny.lines()
        .filter_map(|line| {
            let spec = line.trim().strip_prefix("{ crate = \"")?.split('"').next()?;
            let (name, below) = match spec.split_once(":<") {
                Some((name, floor)) => (name, Some(floor.to_owned())),
                None => (spec, None),
            };
            Some(Ban { name: name.to_owned(), below })
        })
        .collect()
}

/// The numbers of a version; what follows `-` or `+` is left out.
fn parts(version: &str) -> Vec<u64> {
    let plain = version.split(['-', '+']).next().unwrap_or(version);
    plain.split('.').map(|it| it.parse().unwrap_or(0)).collect()
}

#[test]
fn a_floor_lets_newer_versions_through_and_a_ban_none() {
    let bans = bans("  { crate = \"h2:<0.4.16\", reason = \"a\" },\n  { crate = \"rsa\", reason = \"b\" },\n");
    let lock =
        |version: &str, name: &str| crates(&format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n"));
    let hit = |version: &str, name: &str| lock(version, name).iter().any(|it| bans.iter().any(|ban| ban.hits(it)));
    assert!(hit("0.4.9", "h2") && hit("0.3.99", "h2") && hit("0.9.6", "rsa") && hit("0.4.2-rc.1", "h2"));
    assert!(!hit("0.4.16", "h2") && !hit("0.4.20+x", "h2") && !hit("1.0.0", "h2") && !hit("1.0.0", "rsa2"));
}
