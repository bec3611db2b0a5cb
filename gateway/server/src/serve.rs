//! Running: one set of threads for requests, another for everything else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pingora::apps::HttpServerApp as _;
use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::edge::{Edge, Gate, Guard, Inward, Room, Vouching};
use crate::inside::Inside;
use crate::office::Office;
use crate::settings::Settings;
use crate::sinks::Sinks;
use crate::tls;

/// How long idle connections are still listened to once the gateway stops.
const LINGER: Duration = Duration::from_secs(1);

/// How long what is done beside requests, as a reload, may take to end once the gateway stops.
const ENDING: Duration = Duration::from_secs(10);

/// `SIGXFSZ`, which ends a process that writes beyond its limit for files.
const FILE_TOO_LARGE: i32 = 25;

/// What is printed once requests are served: where, and which authority to trust.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names are those of the printed line")]
pub(crate) struct Ready {
    ready: bool,
    listeners: Addresses,
    /// The development authority, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Addresses {
    http: SocketAddr,
    https: SocketAddr,
    admin: SocketAddr,
}

/// The sockets, bound before anything is served, so that a taken port is a fault of the start.
struct Listeners {
    http: TcpListener,
    https: TcpListener,
    admin: TcpListener,
}

/// Serves until it is told to stop, then until the last request has been answered. It has not ended well where entries are
/// lost.
pub(crate) fn serve(settings: Settings, announce: impl FnOnce(&Ready)) -> anyhow::Result<ExitCode> {
    let one = |name: &str| Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build();
    // Operators have a thread to themselves: whatever hangs, they are told.
    let (rest, operators) = (one("office")?, one("admin")?);
    let settings = Arc::new(settings);
    let office = Arc::new(rest.block_on(Office::open(Arc::clone(&settings)))?);
    let edge = edge_threads(&settings)?;
    let served = edge.block_on(run(Arc::clone(&office), &rest, &operators, announce));
    edge.shutdown_timeout(Duration::from_secs(1));
    rest.block_on(office.close());
    let closed = office.gateway.log.close();
    if let Err(lost) = &closed {
        tracing::error!("{lost}");
    }
    served.map(|()| if closed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn edge_threads(settings: &Settings) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Some(workers) = settings.workers {
        builder.worker_threads(workers.max(1));
    }
    // Policies are evaluated on these threads, and Cedar gives up where less than 100 KiB of stack is left.
    builder.thread_name("edge").thread_stack_size(4 * 1024 * 1024).enable_all().build()
}

async fn run(
    office: Arc<Office>,
    rest: &Runtime,
    operators: &Runtime,
    announce: impl FnOnce(&Ready),
) -> anyhow::Result<()> {
    let settings = &office.settings;
    let sinks = Sinks::open(settings, &office.gateway)?;
    let listeners = bind(settings).await?;
    let addresses = Addresses {
        http: listeners.http.local_addr()?,
        https: listeners.https.local_addr()?,
        admin: listeners.admin.local_addr()?,
    };
    let (stop, stopped) = watch::channel(false);
    let Inside { operations, listener, inward } = Inside::open(&settings.data, &office)?;
    let gate = gate(&office, inward)?;
    let tls = TlsAcceptor::from(Arc::new(tls::server_config(Arc::clone(&office.certificate))?));
    // Signals are taken before anybody is told that there is something to send them to.
    let (terminate, interrupt, hang_up) = signals()?;
    let admin = operators.spawn(admin::serve(listeners.admin, Arc::clone(&office) as _, until(stopped.clone())));
    let (close, closed) = watch::channel(false);
    let own = rest.spawn(operations.serve(listener, until(closed)));
    let mut watcher = rest.spawn(Arc::clone(&office).watch(hang_up, stopped.clone()));
    let plain = tokio::spawn(Arc::clone(&gate).serve(listeners.http, None, stopped.clone()));
    let secure = tokio::spawn(Arc::clone(&gate).serve(listeners.https, Some(tls), stopped.clone()));
    let ca = settings.tls.is_none().then(|| tls::authority_file(&settings.data));
    let ca = ca.map(std::path::absolute).transpose()?;
    announce(&Ready { ready: true, listeners: addresses, ca });
    // Standard output is theirs from here on.
    let sinks = rest.spawn(sinks.run(stopped));

    told_to_stop(terminate, interrupt).await;
    tracing::info!("stopping: requests in flight are answered first");
    stop.send_replace(true);
    // Answers say `Connection: close` from now on. Callers that are about to ask are still heard; only those that have
    // nothing to ask are hung up on.
    tokio::time::sleep(LINGER).await;
    gate.guard.http_cleanup().await;
    let (plain, secure) = (plain.await, secure.await);
    // Nobody is left to be answered who could ask it.
    close.send_replace(true);
    own.await??;
    // What it has begun it enters: the log is closed next.
    if tokio::time::timeout(ENDING, &mut watcher).await.is_err() {
        watcher.abort();
    }
    sinks.abort();
    admin.await??;
    plain.and(secure).context("a listener ended badly")
}

async fn bind(settings: &Settings) -> anyhow::Result<Listeners> {
    let bind = async |name: &str, address: SocketAddr| {
        TcpListener::bind(address).await.with_context(|| format!("[listen] {name}: `{address}` cannot be bound"))
    };
    Ok(Listeners {
        http: bind("http", settings.listen.http).await?,
        https: bind("https", settings.listen.https).await?,
        admin: bind("admin", settings.listen.admin).await?,
    })
}

/// Puts the edge together: pingora inside the guard, the guard inside the gate.
fn gate(office: &Office, inward: Inward) -> anyhow::Result<Arc<Gate>> {
    let (connections, gateway) = (&office.settings.connections, &office.gateway);
    let (clock, random) = (Arc::clone(&gateway.clock), Arc::clone(&gateway.random));
    let edge = Edge {
        gateway: Arc::clone(gateway),
        peers: Arc::clone(&office.peers),
        inward: Arc::new(inward),
        signers: Arc::clone(&office.signers),
        vouching: Arc::new(Vouching::with(Arc::clone(&office.identity_tokens), clock, random)),
        room: Arc::new(Room::new(connections.held_bytes, gateway.meters.registry())?),
        bounds: connections.clone(),
    };
    // One try: what may be tried again without doing it twice is for a retry policy to say, and there is none.
    let conf = ServerConf { max_retries: 1, upstream_keepalive_pool_size: 512, ..ServerConf::default() };
    let mut proxy = HttpProxy::new(edge.clone(), Arc::new(conf));
    proxy.handle_init_modules();
    let guard = Guard::new(Arc::new(proxy), edge, connections.clone(), Arc::clone(&gateway.clock));
    Ok(Arc::new(Gate::new(Arc::new(guard), connections.clone(), Arc::clone(gateway))))
}

fn signals() -> std::io::Result<(Signal, Signal, Signal)> {
    // Listening is enough: the write that was one too many then fails like one on a full disk, and is answered for.
    let _ = signal(SignalKind::from_raw(FILE_TOO_LARGE))?;
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?))
}

async fn told_to_stop(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is as good a reason to stop.
    let _ = stopped.wait_for(|it| *it).await;
}
