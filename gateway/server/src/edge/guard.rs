//! The deadlines of one request, around everything pingora does for it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Clock, Tick};
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use pipeline::Gateway;
use tokio::time::{Sleep, sleep};

use super::Edge;
use super::gate::LINK;
use super::lease::{Lease, PARTING};
use super::settings::ConnectionSettings;
use super::wire::Refuser;

/// `Watch::deadline` of a request that may live as long as it likes.
const NEVER: u64 = u64::MAX;

/// How many streams of HTTP/2 there may be on one connection: few enough that all of them may have a head of full size.
const STREAMS: u32 = 32;

/// How much longer than a head may be one of HTTP/2 is still read, to be refused in the words of the API.
const BEYOND: u32 = 16 * 1024;

/// How long telling a caller that its head took too long may take.
const TELLING: Duration = Duration::from_secs(1);

/// The longest that is slept before looking again.
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
    passed: AtomicBool,
    /// By what it was let in.
    pub(crate) lease: Lease,
}

impl Watch {
    fn until(deadline: Tick) -> Self {
        Self {
            head_read: AtomicBool::new(false),
            deadline: AtomicU64::new(deadline.nanos()),
            passed: AtomicBool::new(false),
            lease: Lease::default(),
        }
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

    /// Whether the request is being cut off because its time is up.
    pub(crate) fn has_passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }

    /// The next moment at which something is to be looked at.
    fn due(&self) -> u64 {
        self.deadline.load(Ordering::Relaxed).min(self.lease.next())
    }
}

/// Wakes a request at its deadline. One serves all requests of a connection in turn and is seldom set: requests end long
/// before their deadlines, so each finds it set to an earlier moment than it needs.
pub(crate) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    rings: u64,
}

impl Alarm {
    fn new(now: Tick) -> Self {
        Self { sleep: Box::pin(sleep(LOOK_AGAIN)), rings: (now + LOOK_AGAIN).nanos() }
    }

    fn set(&mut self, rings: u64, now: Tick) {
        let rings = rings.min((now + LOOK_AGAIN).nanos());
        self.sleep.set(sleep(Tick::from_nanos(rings).since(now)));
        self.rings = rings;
    }

    /// Ready when the deadline has passed, wherever it has been moved meanwhile. On the way it is asked, when it is time,
    /// whether the credential still stands: where not, the deadline is near.
    fn poll(&mut self, watch: &Watch, gateway: &Gateway, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if watch.due() < self.rings {
                self.set(watch.due(), gateway.clock.tick());
            }
            ready!(self.sleep.as_mut().poll(cx));
            let now = gateway.clock.now();
            let deadline = watch.deadline.load(Ordering::Relaxed);
            if deadline <= now.tick.nanos() {
                return Poll::Ready(());
            }
            if watch.lease.look(gateway, now) {
                watch.extend(Some(Tick::from_nanos(deadline).min(now.tick + PARTING)));
            }
            self.set(watch.due(), now.tick);
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
        // pingora counts how often a connection is used again.
        options.keepalive_request_limit = Some(settings.requests.saturating_sub(1));
        options.h2_idle_timeout = Some(settings.idle());
        Self { proxy, edge, options, settings, clock }
    }

    /// Who answers heads that pingora refuses by itself.
    pub(crate) fn refuser(&self) -> Arc<dyn Refuser> {
        Arc::new(self.edge.clone())
    }

    /// A fresh connection must send its head at once; a used one may first stand idle.
    fn head_deadline(&self, used: bool, now: Tick) -> Tick {
        let idle = if used { self.settings.idle() } else { Duration::ZERO };
        now + idle + self.settings.head()
    }
}

#[async_trait]
impl HttpServerApp for Guard {
    // Not an `async fn`: the session is large, and goes straight into pingora's own future instead of through one of ours.
    fn process_new_http<'s, 'w, 'f>(
        self: &'s Arc<Self>,
        session: ServerSession,
        shutdown: &'w ShutdownWatch,
    ) -> Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'f>>
    where
        's: 'f,
        'w: 'f,
        Self: 'f,
    {
        let request = self.proxy.process_new_http(session, shutdown);
        Box::pin(self.watched(request))
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        // A list counts 32 bytes more for each header (RFC 9113 section 10.5.1). With some room above the bound, whoever
        // exceeds it is answered by the gateway; beyond that the stream is refused without words.
        let list = self.settings.max_header_bytes + 32 * self.settings.max_headers;
        let list = u32::try_from(list).unwrap_or(u32::MAX).saturating_add(BEYOND);
        options
            .max_header_list_size(list)
            .max_concurrent_streams(STREAMS)
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

impl Guard {
    /// Runs one request inside its deadlines.
    async fn watched(&self, request: impl Future<Output = Option<ReusedHttpStream>>) -> Option<ReusedHttpStream> {
        let link = LINK.try_with(Arc::clone).ok();
        let before = link.as_ref().map(|it| it.moved());
        if let Some(link) = &link {
            link.begin_head();
        }
        let used = before.is_some_and(|(read, _)| read > 0);
        let now = self.clock.tick();
        let watch = Arc::new(Watch::until(self.head_deadline(used, now)));
        let kept = link.as_ref().and_then(|it| it.alarm.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut alarm = kept.unwrap_or_else(|| Alarm::new(now));
        let mut inner = pin!(WATCH.scope(Arc::clone(&watch), request));
        // The request before its deadline: what both have in common is one turn of this task, and the request may move
        // the deadline in it.
        let finished = poll_fn(|cx| {
            loop {
                if let Poll::Ready(finished) = inner.as_mut().poll(cx) {
                    return Poll::Ready(Some(finished));
                }
                ready!(alarm.poll(&watch, &self.edge.gateway, cx));
                let unread = !watch.head_read.load(Ordering::Relaxed);
                if !(unread && link.as_ref().is_some_and(|it| it.give_up())) {
                    watch.passed.store(true, Ordering::Relaxed);
                    return Poll::Ready(None);
                }
                // One more turn, in which the caller is told, and a moment for it to hear.
                watch.extend(Some(self.clock.tick() + TELLING));
            }
        })
        .await;
        if let Some(link) = &link {
            *link.alarm.lock().unwrap_or_else(PoisonError::into_inner) = Some(alarm);
        }
        // A stream that pingora has answered by itself: nobody else ever saw its head.
        if link.is_none() && !watch.head_read.load(Ordering::Relaxed) {
            self.edge.answered_unseen();
        }
        if let Some((link, before)) = link.zip(before)
            && !watch.head_read.load(Ordering::Relaxed)
        {
            let (read, written) = link.moved();
            if read > before.0 && written == before.1 {
                self.edge.cut_in_head();
            }
        }
        if finished.is_none() && watch.head_read.load(Ordering::Relaxed) {
            self.edge.cut_off(watch.lease.lapsed().is_some());
        }
        finished.flatten()
    }
}
