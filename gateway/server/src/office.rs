//! Everything that is not a request: opening what is kept, following its changes, reloading, and saying how it stands.

mod custody;
mod ending;
mod following;
mod holding;
mod keeping;
mod opening;
mod remembering;
mod vouchers;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use admin::{Condition, Posts};
use anyhow::Context as _;
use audit::Notice;
use authn::dpop::Nonces;
use authn::upstream::{IdentityKeySet, IdentityTokens};
use authn::{Keyring, KeyringBuilder, SystemRandom};
use domain::{Clock, SystemClock, Version};
use identity::{Identity, Issuer};
use limits::Limiter;
use pipeline::{Gateway, Parts};
use store::Sqlite;
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, watch};

pub(crate) use following::key_set;

use crate::boot;
use crate::cosign::Cosigning;
use crate::desk;
use crate::diary::{self, Diary, Occasion};
use crate::edge::{Peers, Signers};
use crate::faults::Refused;
use crate::guests::{self, Guests};
use crate::hashing;
use crate::heard::Heard;
use crate::scanning::Scanning;
use crate::settings::{Incomplete, Settings};
use crate::tls::{self, Certificate};
use crate::watched::{self, Watcher};

use ending::Ending;
use holding::fit_to_roles;
pub(crate) use opening::{DeedsSoFar, is_begun, known_deeds, older, open_log, signer};
use remembering::Remembering;

/// How often uses of keys are written down, and names of upstreams resolved again.
const ROUND: Duration = Duration::from_secs(30);

/// How long keys may be out of touch with their registry before the gateway says that it is not ready.
const OUT_OF_TOUCH: Duration = Duration::from_secs(3);

/// What the process holds open.
pub(crate) struct Office {
    pub(crate) settings: Arc<Settings>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) signers: Arc<Signers>,
    pub(crate) certificate: Arc<Certificate>,
    diary: Diary,
    /// The digest of the configuration in force.
    digest: Mutex<String>,
    /// Who stands for the log besides its own key, where somebody was named.
    cosigning: Option<Cosigning>,
    /// Who looks through what was entered.
    scanning: Scanning,
    pub(crate) identity: Identity,
    /// Who makes access tokens.
    pub(crate) issuer: Arc<Issuer>,
    /// Who tells the APIs behind who calls.
    pub(crate) identity_tokens: Arc<IdentityTokens>,
    store: Sqlite,
    /// The last change of keys and tenants that was taken in.
    version: AtomicU64,
    /// The same, for commands.
    followed: Heard,
    /// The plugins of tenants.
    guests: Guests,
    /// Keys that end soon.
    ending: Ending,
    /// Where the next run learns which changes were signed for before it.
    signatures: Remembering,
    /// What the next run needs to go on as this one does.
    secrets: custody::Secrets,
    /// When the folder of secrets had changed as it was taken in last.
    secrets_seen: Mutex<SystemTime>,
    /// When the registry was last heard, as ticks of the clock.
    heard: AtomicU64,
    /// Changes are taken in one after the other.
    following: tokio::sync::Mutex<()>,
    /// What everybody holds is fitted to the roles of one configuration at a time.
    fitting: tokio::sync::Mutex<()>,
}

impl Office {
    /// Opens everything, in the order in which a fault is cheapest to find.
    pub(crate) async fn open(settings: Arc<Settings>) -> anyhow::Result<Self> {
        // Before anything is read, so that a change meanwhile makes another digest.
        let digest = diary::configuration_digest(&settings);
        let configuration = boot::configuration(&settings).map_err(Refused)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let desk = desk::open(&settings, Arc::clone(&clock)).await?;
        // Before anything is changed: only who holds the log may, and only in a database that is no older than it.
        let (log, deeds) = open_log(&settings, &clock, Some(&known_deeds(&**desk.identity.registry()).await?))?;
        desk.identity.tend_token_keys(clock.now().wall).await?;
        fit_to_roles(&desk.identity, &desk::terms(&configuration.catalog)).await?;
        let (keyring, version, issuer) = known_keys(&desk.identity).await?;
        let identity_tokens = desk::identity_tokens(&settings)?;
        let hosts = hosts(&configuration);
        let certificate = Certificate::load(settings.tls.as_ref(), &settings.data, &hosts, clock.now().wall)?;
        let (peers, signers) = (resolved(&configuration), Signers::read(&settings)?);
        let plugins = Arc::new(guests::open(&settings, Arc::clone(&clock))?);
        let gateway = Gateway::new(Parts {
            limiter: Limiter::new(&settings.limits),
            keyring,
            secrets: desk.secrets,
            plugins: Arc::clone(&plugins),
            log,
            clock,
            random: Arc::new(SystemRandom),
            nonces: Nonces::draw(settings.keys.proof_nonce, &SystemRandom),
            configuration,
        })?;
        let signatures = Remembering::go_on(&settings.data, &gateway)?;
        let guests = Guests::start(plugins, &desk.identity).await?;
        let (cosigning, ending) = (Cosigning::new(&settings, &gateway)?, Ending::new(gateway.meters.registry())?);
        let followed = Heard::open(&settings.data, version).context("commands cannot be told what is in force")?;
        hashing::measure(gateway.meters.registry(), desk.identity.clone())?;
        certificate.measure(gateway.meters.registry())?;
        let gateway = Arc::new(gateway);
        let diary = Diary::new(Arc::clone(&gateway), Arc::clone(desk.identity.registry()), deeds);
        diary.snapshot(&settings, &digest, Occasion::Start);
        Ok(Self {
            signatures,
            secrets: custody::Secrets::beneath(&settings.data),
            heard: AtomicU64::new(gateway.clock.tick().nanos()),
            scanning: Scanning::new(gateway.meters.registry())?,
            settings,
            gateway,
            diary,
            cosigning,
            digest: Mutex::new(digest),
            peers: Arc::new(peers),
            signers: Arc::new(signers),
            certificate: Arc::new(certificate),
            identity: desk.identity,
            issuer: Arc::new(issuer),
            identity_tokens: Arc::new(identity_tokens),
            store: desk.store,
            version: AtomicU64::new(version),
            guests,
            followed,
            ending,
            secrets_seen: Mutex::new(vouchers::UNSEEN),
            following: tokio::sync::Mutex::default(),
            fitting: tokio::sync::Mutex::default(),
        })
    }

    /// Follows keys, files and SIGHUP, and has the log witnessed, until told to stop. Keys never wait for files: a revocation
    /// is urgent, and a configuration takes as long as it takes.
    pub(crate) async fn watch(self: Arc<Self>, hang_up: Signal, stopped: watch::Receiver<bool>) {
        let (keys, files) = (self.watch_keys(stopped.clone()), self.watch_files(hang_up, stopped.clone()));
        let old = self.diary.retain(self.settings.audit.retention, stopped.clone());
        let scan = self.scanning.run(&self.gateway, &self.settings, stopped.clone());
        let (diary, tokens) = (self.keep_diary(stopped.clone()), self.tend_token_keys(stopped.clone()));
        tokio::join!(keys, files, old, scan, diary, tokens, self.ask_witnesses(stopped));
    }

    async fn ask_witnesses(&self, mut stopped: watch::Receiver<bool>) {
        let Some(cosigning) = &self.cosigning else { return };
        tokio::select! {
            () = told(&mut stopped) => {}
            () = cosigning.run() => {}
        }
    }

    fn digest_now(&self) -> String {
        self.digest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn watch_files(self: &Arc<Self>, mut hang_up: Signal, mut stopped: watch::Receiver<bool>) {
        let (notice, mut changes) = mpsc::channel(1);
        let mut watcher = watch_anew(&self.settings, &notice, None);
        // What changed between being read at the start and being watched.
        if self.settings_now().map_or(true, |it| diary::configuration_digest(&it) != self.digest_now()) {
            let _ = notice.try_send(());
        }
        loop {
            tokio::select! {
                () = told(&mut stopped) => return,
                Some(()) = changes.recv() => watched::settle(&mut changes).await,
                Some(()) = hang_up.recv() => {}
            }
            if let Ok(settings) = self.settings_now() {
                // Before anything is read, so that no change after it is missed.
                watcher = watch_anew(&settings, &notice, watcher);
            }
            let office = Arc::clone(self);
            // Reading and checking everything holds its thread for long, and others wait for that of the office.
            if let Err(cause) = tokio::task::spawn_blocking(move || office.reload()).await {
                tracing::error!(%cause, "a reload ended badly");
            }
            // There may be many who hold something, and the next change must be heard meanwhile.
            let office = Arc::clone(self);
            drop(tokio::spawn(async move { office.fit_to_roles().await }));
        }
    }

    /// What is done now and then: uses written down, digests renewed, names resolved.
    async fn round(&self) {
        let since = self.gateway.clock.now().wall - ROUND - ROUND;
        let (uses, renewals) = {
            let keys = self.gateway.keys();
            (keys.used_since(since), keys.take_renewals())
        };
        let noted = async {
            self.identity.note_uses(&uses).await?;
            self.identity.renew_digests(&renewals).await
        };
        if let Err(cause) = noted.await {
            tracing::error!(%cause, "uses of keys could not be written down");
        }
        let configuration = self.gateway.configuration();
        let (peers, gateway) = (Arc::clone(&self.peers), Arc::clone(&self.gateway));
        // Resolving waits for the network, and keys must not.
        let refreshed = tokio::task::spawn_blocking(move || {
            peers.refresh(&configuration, || Arc::ptr_eq(&configuration, &gateway.configuration()))
        })
        .await;
        for it in refreshed.into_iter().flatten() {
            tracing::warn!("{it}");
        }
    }

    /// Loads everything anew, and puts it in force whole or not at all.
    pub(crate) fn reload(&self) {
        let before = self.digest_now();
        match self.try_reload(&before) {
            Ok((bundle, waiting)) if waiting.is_empty() => tracing::info!(%bundle, "reloaded"),
            Ok((bundle, waiting)) => {
                let waiting = waiting.join(", ");
                tracing::warn!(%bundle, waiting, "reloaded; some settings were changed that wait for a restart");
            }
            Err(cause) => {
                self.diary.change(&before, &before, Some(&format!("{cause:#}")));
                self.gateway.meters.reload_failed();
                tracing::error!(%cause, "not reloaded: the configuration in force stays");
            }
        }
    }

    /// The settings as they stand in their file.
    fn settings_now(&self) -> Result<Settings, Incomplete> {
        Settings::read(Some(&self.settings.file)).or_else(|faults| {
            // Defaults alone were in force where there was no file, and still are.
            let still = !self.settings.written && !self.settings.file.exists();
            if still { Ok((*self.settings).clone()) } else { Err(faults) }
        })
    }

    /// The bundle that is in force, and which settings are not.
    fn try_reload(&self, before: &str) -> anyhow::Result<(Arc<str>, Vec<String>)> {
        let settings = self.settings_now().map_err(|it| Refused(boot::faults(it)))?;
        let digest = diary::configuration_digest(&settings);
        let configuration = boot::configuration(&settings).map_err(Refused)?;
        // Another data folder waits for a restart, and what clients trust with it.
        let pair =
            tls::read(settings.tls.as_ref(), &self.settings.data, &hosts(&configuration)).context("certificate")?;
        self.certificate.may_give_way(&pair, self.gateway.clock.now().wall).context("certificate")?;
        for it in self.peers.refresh(&configuration, || true) {
            tracing::warn!("{it}");
        }
        let bundle = Arc::clone(configuration.authorizer.bundle());
        self.gateway.reconfigure(configuration)?;
        self.certificate.replace(pair);
        self.digest.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&digest);
        self.diary.change(before, &digest, None);
        self.diary.snapshot(&settings, &digest, Occasion::Change);
        Ok((bundle, settings.waiting(&self.settings)))
    }

    /// Writes down what is only in memory. The log is closed when the last request lets go of the gateway.
    pub(crate) async fn close(&self) {
        self.round().await;
        if let Err(cause) = self.diary.enter_deeds().await {
            tracing::error!(%cause, "what commands have done is left for the next start to enter");
        }
        self.store.close().await;
        if let Err(cause) = self.signatures.end(&self.gateway.remembered()) {
            tracing::error!(%cause, "the next start will not know which changes were signed for before it");
        }
        self.diary.heartbeat();
        let _ = self.gateway.log.note(&Notice::stop(self.gateway.clock.now().wall));
    }
}

impl Posts for Office {
    fn registry(&self) -> &prometheus::Registry {
        self.gateway.measured()
    }

    fn identity_keys(&self) -> IdentityKeySet {
        self.identity_tokens.keys()
    }

    fn conditions(&self) -> Vec<Condition> {
        let heard = domain::Tick::from_nanos(self.heard.load(Ordering::Acquire));
        let silent = self.gateway.clock.tick().since(heard);
        let (writable, missing) = (self.gateway.log.writable(), self.gateway.log.missing());
        let configuration = self.gateway.configuration();
        let mut conditions = vec![
            Condition {
                name: "audit",
                ok: writable.is_ok() && missing.is_none(),
                detail: match (writable, missing) {
                    (Ok(()), None) => {
                        format!("{} entries, {} durable", self.gateway.log.appended(), self.gateway.log.durable())
                    }
                    (Ok(()), Some(missing)) => missing,
                    (Err(cause), _) => self.gateway.log.trouble().unwrap_or_else(|| cause.to_string()),
                },
            },
            Condition {
                name: "keys",
                ok: silent < OUT_OF_TOUCH,
                detail: format!("{} keys, heard {} ms ago", self.gateway.keys().len(), silent.as_millis()),
            },
            Condition {
                name: "policies",
                ok: !configuration.authorizer.is_empty(),
                detail: format!(
                    "{} policies, bundle {}",
                    configuration.authorizer.len(),
                    configuration.authorizer.bundle()
                ),
            },
        ];
        conditions.extend(self.secrets.condition());
        conditions.extend(self.cosigning.as_ref().map(Cosigning::condition));
        conditions.extend(crate::sinks::condition(&self.settings, &self.gateway));
        conditions
    }
}

/// Watches what is named now: folders may have been replaced, or others be named. Where that cannot be, the watcher so
/// far is kept. Dropping one ends its watching.
fn watch_anew(settings: &Settings, notice: &mpsc::Sender<()>, so_far: Option<Watcher>) -> Option<Watcher> {
    match watched::files(settings, notice.clone()) {
        Ok(watcher) => Some(watcher),
        Err(cause) => {
            tracing::warn!(%cause, "changes of some files may go unnoticed; SIGHUP still reloads");
            so_far
        }
    }
}

/// Resolves when it is time to stop; also when nobody is left to say so.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|it| *it).await;
}

/// Every key that is known, as of which version, and who signs tokens with some of them.
async fn known_keys(identity: &Identity) -> anyhow::Result<(Keyring, Version, Issuer)> {
    let mut keys = KeyringBuilder::new();
    let version = identity.registry().load(&mut |change| keys.add(change)).await?;
    let token_keys = identity.token_keys().await?;
    let issuer = identity.issuer();
    issuer.take_in(&token_keys)?;
    Ok((keys.finish().with_token_keys(key_set(&token_keys)), version, issuer))
}

/// Where upstreams are, and a word in the log of those that are nowhere yet.
fn resolved(configuration: &pipeline::Configuration) -> Peers {
    let (peers, unresolved) = Peers::resolve(configuration);
    for it in unresolved {
        tracing::warn!("{it}");
    }
    peers
}

fn hosts(configuration: &pipeline::Configuration) -> Vec<String> {
    let mut hosts: Vec<String> = configuration.catalog.names().collect();
    hosts.sort();
    hosts
}
