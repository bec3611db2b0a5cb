//! `portcullis witness`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use audit::cosignature::Cosigner;
use audit::note::Verifier;
use audit::witness::{MAX_QUESTION, Uncosigned, Witness as Cosigning};
use clap::Args;
use domain::{Clock as _, SystemClock, Timestamp};
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::commands::output::print;

/// How many may ask at once, and how long one connection may last.
const CONNECTIONS: usize = 256;
const AGE: Duration = Duration::from_secs(30);

/// Whose logs are stood for, and where.
#[derive(Debug, Args)]
pub(crate) struct Witness {
    /// Where to be asked; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// The folder of the key, and of what was cosigned last. Whoever loses it begins anew, with another key
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// The key of a log to stand for, as `name+id+key`; once for each. Where another has taken over from it since this was
    /// asked last: first the older one, then the one that signs now
    #[arg(long = "log", value_name = "VKEY", required = true)]
    logs: Vec<Verifier>,
    /// What it is called in its cosignatures
    #[arg(long, value_name = "NAME", default_value = "portcullis-witness")]
    name: String,
}

impl Witness {
    /// Answers until told to stop. One JSON line on standard output says where, and by which key it is known.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        tracing_subscriber::fmt().json().log_internal_errors(false).with_writer(std::io::stderr).init();
        let seed = authn::secrets::seed(&self.data.join("witness.key"))?;
        let cosigner = Cosigner::from_seed(&self.name, &seed).context("`--name` has no spaces and no `+`")?;
        let witness = Arc::new(Cosigning::open(&self.data, cosigner, &self.logs)?);
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let listener = TcpListener::bind(self.listen).await.with_context(|| self.listen.to_string())?;
            let ready = serde_json::json!({ "ready": true, "address": listener.local_addr()?, "vkey": witness.key().to_string() });
            print(&format!("{ready}\n"))?;
            tokio::select! {
                () = serve(listener, witness) => {}
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

async fn serve(listener: TcpListener, witness: Arc<Cosigning>) {
    let (room, clock) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(SystemClock::new()));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, as a rule: others will be given back.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (witness, clock) = (Arc::clone(&witness), Arc::clone(&clock));
        let asked = service_fn(move |request| answer(request, Arc::clone(&witness), clock.now().wall));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), asked);
        // Whoever asked badly, or left, has been told or does not listen.
        tokio::spawn(async move { (timeout(AGE, connection).await.is_ok(), place) });
    }
}

async fn answer(asked: Request<Incoming>, witness: Arc<Cosigning>, now: Timestamp) -> http::Result<Response<String>> {
    if asked.uri().path() != "/add-checkpoint" || asked.method() != Method::POST {
        return Response::builder().status(StatusCode::NOT_FOUND).body("ask with POST at /add-checkpoint\n".to_owned());
    }
    let cosigned = match Limited::new(asked.into_body(), MAX_QUESTION).collect().await {
        Err(_) => Err(Uncosigned::Malformed),
        // Waits for the disk.
        Ok(body) => tokio::task::spawn_blocking(move || witness.cosign(&body.to_bytes(), now))
            .await
            .unwrap_or_else(|cause| Err(Uncosigned::Io(std::io::Error::other(cause)))),
    };
    let status = match &cosigned {
        Ok(_) => StatusCode::OK,
        Err(Uncosigned::Malformed) => StatusCode::BAD_REQUEST,
        Err(Uncosigned::UnknownLog) => StatusCode::NOT_FOUND,
        Err(Uncosigned::Unsigned(_)) => StatusCode::FORBIDDEN,
        Err(Uncosigned::Inconsistent(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        Err(Uncosigned::Io(_)) => StatusCode::INTERNAL_SERVER_ERROR,
        Err(Uncosigned::Conflict(known) | Uncosigned::Forked(known)) => {
            let told = Response::builder().status(StatusCode::CONFLICT).header(CONTENT_TYPE, "text/x.tlog.size");
            return told.body(format!("{known}\n"));
        }
    };
    Response::builder().status(status).body(cosigned.unwrap_or_else(|refused| format!("{refused}\n")))
}
