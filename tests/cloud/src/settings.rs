//! What can be chosen on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use domain::clock::SystemClock;

use crate::pace::{Pace, duration};
use crate::vouched::Believed;

/// A test double: the clouds behind the gateway.
///
/// One loopback port per API and one for control. Believes the header `X-Portcullis-Tenant`, and asks for the gateway's
/// signature only where it is told of its key: it must never be reachable from anywhere but the gateway.
#[derive(Clone, Debug, Parser)]
#[command(name = "cloud", version)]
pub struct Settings {
    /// Where uploaded objects are kept.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where to write the chosen ports, as JSON, once every port listens; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub ports_file: Option<PathBuf>,
    /// Stop when standard input ends, so that no process outlives the test that started it.
    #[arg(long)]
    pub until_stdin_closes: bool,

    /// The Novastraxis API.
    #[arg(long, value_name = "ADDR", default_value = ANY)]
    pub novastraxis: SocketAddr,
    /// The CloudNexus API.
    #[arg(long, value_name = "ADDR", default_value = ANY)]
    pub cloudnexus: SocketAddr,
    /// The CloudNexus servers API.
    #[arg(long, value_name = "ADDR", default_value = ANY)]
    pub cloudnexus_servers: SocketAddr,
    /// The `CloudNx` API.
    #[arg(long, value_name = "ADDR", default_value = ANY)]
    pub cloudnx: SocketAddr,
    /// The S3-compatible objects of `CloudNx`.
    #[arg(long, value_name = "ADDR", default_value = ANY)]
    pub cloudnx_objects: SocketAddr,
    /// The Novastack model router.
    #[arg(long, value_name = "ADDR", default_value = ANY)]
    pub novastack: SocketAddr,
    /// Faults, sightings and the clock.
    #[arg(long, value_name = "ADDR", default_value = ANY)]
    pub control: SocketAddr,

    /// The one access key with which the objects port is signed.
    #[arg(long, value_name = "ID", default_value = "CLOUDUPSTREAMKEY")]
    pub s3_access_key: String,
    /// Its secret.
    #[arg(long, value_name = "SECRET", default_value = "cloud-upstream-secret", conflicts_with = "s3_secret_key_file")]
    pub s3_secret_key: String,
    /// A file that holds its secret; white space at its end is left out.
    #[arg(long, value_name = "FILE")]
    pub s3_secret_key_file: Option<PathBuf>,

    /// The keys by which the gateway is known, as it publishes them: whatever it does not vouch for is refused. They may
    /// be there only later.
    #[arg(long, value_name = "FILE")]
    pub identity_keys: Option<PathBuf>,

    /// How long an instance is provisioned before it runs.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub provisioning: Duration,
    /// How long a scan, query or task waits, and again how long it works.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub working: Duration,
    /// The pause between two chunks of a stream.
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = duration)]
    pub chunk: Duration,
}

const ANY: &str = "127.0.0.1:0";

impl Settings {
    pub(crate) fn pace(&self) -> Pace {
        Pace { provisioning: self.provisioning, working: self.working, chunk: self.chunk }
    }

    /// Who is believed, where not everybody is.
    pub(crate) fn believed(&self) -> Option<Believed> {
        self.identity_keys.clone().map(|it| Believed::of(it, Arc::new(SystemClock::default())))
    }

    /// The upstream key's secret, from wherever it was given.
    pub(crate) fn s3_secret(&self) -> std::io::Result<String> {
        match &self.s3_secret_key_file {
            Some(file) => Ok(std::fs::read_to_string(file)?.trim_end().to_owned()),
            None => Ok(self.s3_secret_key.clone()),
        }
    }
}
