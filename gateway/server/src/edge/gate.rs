//! The accept loop: who may hold a connection, for how long, and how the last ones leave.
//!
//! Permits are taken before TLS, because a handshake costs more than a connection. pingora's own listener has no cap, no
//! age and no port it would tell, so sockets are accepted here and only HTTP is left to it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use pingora::apps::ServerApp;
use pipeline::Gateway;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::guard::Guard;
use super::settings::ConnectionSettings;
use super::wire::{Link, Wire, descriptor};

/// How long accepting rests when the process has no descriptors left.
const BREATHER: Duration = Duration::from_millis(100);

tokio::task_local! {
    /// The connection that the current task serves; absent in the tasks of HTTP/2 streams.
    pub(crate) static LINK: Arc<Link>;
}

/// What all listeners share.
pub(crate) struct Gate {
    pub(crate) guard: Arc<Guard>,
    pub(crate) settings: ConnectionSettings,
    pub(crate) gateway: Arc<Gateway>,
    total: Arc<Semaphore>,
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// Gives an address its place back, whatever became of the connection.
struct Place<'a> {
    gate: &'a Gate,
    address: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut held = self.gate.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.address);
            }
        }
        self.gate.gateway.meters.connections.dec();
    }
}

impl Gate {
    pub(crate) fn new(guard: Arc<Guard>, settings: ConnectionSettings, gateway: Arc<Gateway>) -> Self {
        let total = Arc::new(Semaphore::new(settings.total));
        Self { guard, settings, gateway, total, held: Mutex::default() }
    }

    /// Serves one listener until `shutdown` turns true, then waits for its connections to leave, no longer than the
    /// drain time. Connections that had reached the listener's queue are still served.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = shutdown.wait_for(|it| *it) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            };
            self.begin(accepted, tls.as_ref(), &shutdown, &mut connections).await;
        }
        while let Some(accepted) = listener.accept().now_or_never() {
            if accepted.is_err() {
                break;
            }
            self.begin(accepted, tls.as_ref(), &shutdown, &mut connections).await;
        }
        drop(listener);
        let drained = timeout(self.settings.drain(), async { while connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(left = connections.len(), "connections were still open at the end of the drain time");
        }
    }

    async fn begin(
        self: &Arc<Self>,
        accepted: io::Result<(TcpStream, SocketAddr)>,
        tls: Option<&TlsAcceptor>,
        shutdown: &watch::Receiver<bool>,
        connections: &mut JoinSet<()>,
    ) {
        match accepted {
            Ok((socket, peer)) => {
                let (gate, tls, shutdown) = (Arc::clone(self), tls.cloned(), shutdown.clone());
                connections.spawn(async move { gate.hold(socket, peer, tls, shutdown).await });
            }
            Err(cause) => {
                // The usual cause is a full descriptor table: spinning on it would starve those who could free one.
                self.gateway.meters.connection_closed("accept_failed");
                tracing::error!(%cause, "a connection could not be accepted");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }

    /// One connection, from accepting to closing.
    async fn hold(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        shutdown: watch::Receiver<bool>,
    ) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(_place) = self.place(peer.ip()) else { return };
        // Answers are written whole; waiting for more to send would only delay them.
        let _ = socket.set_nodelay(true);
        let fd = descriptor(&socket);
        let link = Link::new(peer, self.gateway.clock.tick(), self.guard.refuser());
        let age = AgeLimit::start(shutdown, self.settings.age());
        let Some(tls) = tls else {
            let link = Arc::new(link);
            let wire = Wire::new(socket, fd, Arc::clone(&link));
            LINK.scope(link, self.guard.process_new(Box::new(wire), &age.watch)).await;
            return;
        };
        match timeout(self.settings.handshake(), tls.accept(socket)).await {
            Ok(Ok(stream)) => {
                let (_, session) = stream.get_ref();
                let version = session.protocol_version().and_then(|it| it.as_str()).unwrap_or("TLS");
                let cipher = session.negotiated_cipher_suite().and_then(|it| it.suite().as_str()).unwrap_or_default();
                let h2 = session.alpn_protocol() == Some(b"h2");
                let link = Arc::new(link.over_tls(session.server_name()));
                let wire = Wire::new(stream, fd, Arc::clone(&link)).with_tls(version, cipher, h2);
                LINK.scope(link, self.guard.process_new(Box::new(wire), &age.watch)).await;
            }
            Ok(Err(cause)) => {
                self.gateway.meters.connection_closed("tls_handshake");
                tracing::debug!(%cause, %peer, "TLS handshake failed");
            }
            Err(_) => self.gateway.meters.connection_closed("tls_timeout"),
        }
    }

    fn place(&self, address: IpAddr) -> Option<Place<'_>> {
        let Ok(permit) = Arc::clone(&self.total).try_acquire_owned() else {
            self.gateway.meters.connection_closed("too_many");
            return None;
        };
        let address = network(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= self.settings.per_address {
            self.gateway.meters.connection_closed("too_many_from_address");
            return None;
        }
        *count += 1;
        self.gateway.meters.connections.inc();
        Some(Place { gate: self, address, _permit: permit })
    }
}

/// What counts as one address: all of IPv4, the first 64 bits of IPv6, which is what one customer is given.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// Tells one connection to finish: when the gateway shuts down, or when the connection has grown old.
struct AgeLimit {
    watch: watch::Receiver<bool>,
    teller: tokio::task::JoinHandle<()>,
}

impl AgeLimit {
    fn start(mut shutdown: watch::Receiver<bool>, age: Duration) -> Self {
        let (tell, watch) = watch::channel(*shutdown.borrow());
        let teller = tokio::spawn(async move {
            let _ = timeout(age, shutdown.wait_for(|it| *it)).await;
            tell.send_replace(true);
            // The receiver needs its sender alive for as long as it looks.
            tell.closed().await;
        });
        Self { watch, teller }
    }
}

impl Drop for AgeLimit {
    fn drop(&mut self) {
        self.teller.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customer_of_ipv6_is_one_address() {
        let first: IpAddr = "2001:db8:1:2:aaaa::1".parse().unwrap();
        let second: IpAddr = "2001:db8:1:2:bbbb::2".parse().unwrap();
        let other: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(network(first), network(second));
        assert_ne!(network(first), network(other));
    }
}
