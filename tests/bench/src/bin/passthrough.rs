//! The bare pass-through that the gateway is measured against.
//!
//! The same proxy library, allocator, buffers and build profile as the gateway, and not one decision.
//! `passthrough LISTEN UPSTREAM`, both as `address:port`; one worker thread; ends on SIGTERM.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use async_trait::async_trait;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sends everything to one place.
struct Passthrough {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Passthrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, (): &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() -> anyhow::Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream] = given.as_slice() else { bail!("usage: passthrough LISTEN UPSTREAM") };
    let upstream = upstream.parse().context("UPSTREAM is no address:port")?;

    let settings = ServerConf {
        threads: 1,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(1),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, settings);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Passthrough { upstream });
    service.add_listener(ListenerConfig::tcp(listen).l4_buffer(L4BufferSettings::new(4096, 1460)));
    server.add_service(service);
    server.run_forever()
}
