//! The ports: bound first, announced once all of them listen, closed in order.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::vouched::Origin;
use crate::wire::{Wire, WiredStream};

/// How long an answer may still take when the clouds are told to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// A port that is bound, and what answers there.
pub(crate) struct Port {
    name: &'static str,
    listener: TcpListener,
    router: Router,
}

impl Port {
    /// Binds `address`; connections wait in the kernel until it is served.
    pub(crate) async fn bind(name: &'static str, address: SocketAddr, router: Router) -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} for {name}"))?;
        Ok(Self { name, listener, router })
    }

    /// Answers until `stop` changes, and then as long as answers under way may take.
    pub(crate) async fn serve(self, mut stop: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            // A connection that died while it waited is its peer's affair.
            let Ok((tcp, _)) = accepted else { continue };
            let connection = graceful.watch(connection(tcp, self.router.clone()));
            tokio::spawn(async move {
                // An error here is a peer that hung up, or a fault that was asked for.
                let _ = connection.await;
            });
        }
        drop(self.listener);
        let _ = tokio::time::timeout(LAST_ANSWERS, graceful.shutdown()).await;
    }
}

fn connection(
    tcp: TcpStream,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + 'static {
    let wire = Wire::default();
    // Small chunks of a stream must leave at once.
    let _ = tcp.set_nodelay(true);
    let here = tcp.local_addr().ok().map(|it| Origin(format!("http://{it}")));
    let io = TokioIo::new(WiredStream::new(tcp, wire.clone()));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(wire.clone());
        if let Some(here) = &here {
            request.extensions_mut().insert(here.clone());
        }
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}))
        }
    });
    // HTTP/1 only, as these clouds' faults are spelt in it.
    http1::Builder::new().timer(TokioTimer::new()).max_buf_size(128 << 10).serve_connection(io, service)
}

/// Writes the ports for whoever waits for them, whole or not at all; `-` is standard output.
pub(crate) fn announce(ports: &[Port], file: &Path) -> anyhow::Result<()> {
    let mut chosen = BTreeMap::new();
    for port in ports {
        chosen.insert(port.name, port.listener.local_addr()?.to_string());
    }
    if file == Path::new("-") {
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&chosen)?)?;
        return Ok(());
    }
    let beside = file.with_extension("tmp");
    std::fs::write(&beside, serde_json::to_vec_pretty(&chosen)?)
        .with_context(|| format!("cannot write {}", beside.display()))?;
    std::fs::rename(&beside, file).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests;
