//! The deadlines of one request, around everything pingora does for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Clock, Tick};
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;

use super::Edge;
use super::gate::LINK;
use super::settings::ConnectionSettings;
use super::wire::Refuser;

/// `Watch::deadline` of a request that may live as long as it likes.
const NEVER: u64 = u64::MAX;

/// How long to sleep before looking again whether a request still has no deadline.
const LOOK_AGAIN: Duration = Duration::from_hours(1);

tokio::task_local! {
    /// The deadlines of the request that the current task serves.
    pub(crate) static WATCH: Arc<Watch>;
}

/// How far a request has come, and until when it may go on.
#[derive(Debug)]
pub(crate) struct Watch {
    head_read: AtomicBool,
    deadline: AtomicU64,
}

impl Watch {
    fn until(deadline: Tick) -> Self {
        Self { head_read: AtomicBool::new(false), deadline: AtomicU64::new(deadline.nanos()) }
    }

    /// The head has been read; the request may go on until `deadline`.
    pub(crate) fn head_read(&self, deadline: Tick) {
        self.head_read.store(true, Ordering::Relaxed);
        self.deadline.store(deadline.nanos(), Ordering::Relaxed);
    }

    /// The operation is known, and with it how long it may take: `None` for as long as it likes.
    pub(crate) fn extend(&self, deadline: Option<Tick>) {
        self.deadline.store(deadline.map_or(NEVER, Tick::nanos), Ordering::Relaxed);
    }

    /// Resolves when the deadline has passed, wherever it has been moved meanwhile.
    async fn passed(&self, clock: &dyn Clock) {
        loop {
            let deadline = self.deadline.load(Ordering::Relaxed);
            if deadline == NEVER {
                tokio::time::sleep(LOOK_AGAIN).await;
                continue;
            }
            let left = Tick::from_nanos(deadline).since(clock.now().tick);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

/// Runs each request inside its deadlines, and notices those that pingora refuses by itself.
pub(crate) struct Guard {
    pub(crate) proxy: Arc<HttpProxy<Edge>>,
    edge: Edge,
    options: HttpServerOptions,
    settings: ConnectionSettings,
    clock: Arc<dyn Clock>,
}

impl Guard {
    pub(crate) fn new(
        proxy: Arc<HttpProxy<Edge>>,
        edge: Edge,
        settings: ConnectionSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut options = HttpServerOptions::default();
        options.keepalive_request_limit = Some(settings.requests);
        options.h2_idle_timeout = Some(settings.idle());
        Self { proxy, edge, options, settings, clock }
    }

    /// Who answers heads that pingora refuses by itself.
    pub(crate) fn refuser(&self) -> Arc<dyn Refuser> {
        Arc::new(self.edge.clone())
    }

    /// A fresh connection must send its head at once; a used one may first stand idle.
    fn head_deadline(&self, used: bool) -> Tick {
        let idle = if used { self.settings.idle() } else { Duration::ZERO };
        self.clock.now().tick + idle + self.settings.head()
    }
}

#[async_trait]
impl HttpServerApp for Guard {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let link = LINK.try_with(Arc::clone).ok();
        let before = link.as_ref().map(|it| it.moved());
        if let Some(link) = &link {
            link.begin_head();
        }
        session.set_write_timeout(Some(Duration::from_secs(30)));
        let used = before.is_some_and(|(read, _)| read > 0);
        let watch = Arc::new(Watch::until(self.head_deadline(used)));
        let inner = WATCH.scope(Arc::clone(&watch), self.proxy.process_new_http(session, shutdown));
        let finished = tokio::select! {
            biased;
            finished = inner => Some(finished),
            () = watch.passed(&*self.clock) => None,
        };
        if let Some((link, before)) = link.zip(before)
            && !watch.head_read.load(Ordering::Relaxed)
        {
            let (read, written) = link.moved();
            if read > before.0 && written == before.1 {
                self.edge.cut_in_head();
            }
        }
        if finished.is_none() && watch.head_read.load(Ordering::Relaxed) {
            self.edge.past_deadline();
        }
        finished.flatten()
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        // 64 KiB of list on each of 64 streams would pin four times as much memory as any real client needs.
        options
            .max_header_list_size(16 * 1024)
            .max_concurrent_streams(64)
            .initial_window_size(64 * 1024)
            .initial_connection_window_size(1024 * 1024);
        Some(options)
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    async fn http_cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
