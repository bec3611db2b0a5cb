//! The catalog as other rooms see it, over the real profiles and over ones made up here.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod contradictions;
mod dialects;
mod profiles;
mod quiet;
mod sixth;

use std::path::{Path, PathBuf};

use catalog::{Catalog, Host, Unidentified};
use domain::{Arrival, Call, Moment, NormalPath, PathMode, RequestId, Source, Tick};
use http::{HeaderMap, Method};

/// The profiles that ship; tests run in the folder of their package.
fn shipped() -> PathBuf {
    PathBuf::from("../../policies/apis")
}

fn load(dir: &Path) -> Catalog {
    Catalog::load(dir).unwrap_or_else(|faults| panic!("{}", told(&faults)))
}

fn told(faults: &[domain::Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A request over TLS on 2026-11-22: `arrival("GET", "api.example.com/v2/x?y=1")`.
fn arrival(method: &str, target: &str) -> Arrival {
    let (host, path) = target.split_once('/').unwrap();
    let target = format!("/{path}");
    let path = target.split('?').next().unwrap();
    let mode = if host.starts_with("s3.") { PathMode::Objects } else { PathMode::Api };
    Arrival {
        id: RequestId::from_bytes([0xab; 16]),
        at: Moment { wall: "2026-11-22T12:00:00Z".parse().unwrap(), tick: Tick::default() },
        source: Source { address: [192, 0, 2, 1].into(), tls: true },
        method: method.parse::<Method>().unwrap(),
        host: host.to_owned(),
        path: NormalPath::parse(path, mode).unwrap(),
        target,
        headers: HeaderMap::new(),
    }
}

fn host<'a>(catalog: &'a Catalog, arrival: &Arrival) -> &'a Host {
    catalog.host(&arrival.host).unwrap_or_else(|| panic!("no host {}", arrival.host))
}

fn identify(catalog: &Catalog, arrival: &Arrival) -> Result<Call, Unidentified> {
    catalog.identify(host(catalog, arrival), arrival)
}
