//! The binary `cloud`: the clouds behind the gateway, for tests and for the demo.

use clap::Parser;
use cloud::Settings;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cloud::run(Settings::parse()).await
}
