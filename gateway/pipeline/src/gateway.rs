//! What lives as long as the process: counters, keys, the log and the meters.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use audit::Log;
use authn::dpop::Nonces;
use authn::{Keyring, Replays, Secrets};
use domain::{Clock, Random, Timestamp};
use limits::Limiter;
use plugins::Plugins;
use prometheus::Registry;

use crate::ledger::Ledger;
use crate::{Configuration, Meters};

/// How many signatures of changes are remembered: for half an hour at the very most, so that 290 a second find room for
/// all of it. What is signed now is good for a quarter of an hour as a rule.
const REMEMBERED: usize = 524_288;

/// For how long a signature can be good, and a little more.
const LONGEST: Duration = Duration::from_mins(31);

/// How what is written down for the next process begins, where this one does not know what was seen before a moment.
const BEFORE: &str = "before ";

/// The same of objects, where nothing is refused for it.
const REMEMBERED_OF_OBJECTS: usize = 131_072;

/// How many proofs of possession are remembered: for three minutes, so that 2,900 a second find room.
const REMEMBERED_PROOFS: usize = 524_288;

/// The signatures that changed something, and may still be good.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(crate) api: Replays,
    pub(crate) objects: Replays,
    pub(crate) proofs: Replays,
    /// The moment before which nobody knows what was seen of changes of APIs, where there is one.
    pub(crate) forgotten: OnceLock<Timestamp>,
}

/// What is the same for every request, and outlives every configuration.
pub struct Gateway {
    /// What has been used.
    pub limiter: Limiter,
    /// The keys as they are now.
    pub keyring: ArcSwap<Keyring>,
    /// The peppers and the master key.
    pub secrets: Secrets,
    /// The plugins of tenants, as they are now.
    pub plugins: Arc<Plugins>,
    /// Where entries go.
    pub log: Log,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// What is counted.
    pub meters: Meters,
    ledger: Ledger,
    pub(crate) nonces: Nonces,
    pub(crate) replays: Remembered,
    configuration: ArcSwap<Configuration>,
}

/// What a gateway is made of.
pub struct Parts {
    /// See [`Gateway::limiter`].
    pub limiter: Limiter,
    /// See [`Gateway::keyring`].
    pub keyring: Keyring,
    /// See [`Gateway::secrets`].
    pub secrets: Secrets,
    /// See [`Gateway::plugins`].
    pub plugins: Arc<Plugins>,
    /// See [`Gateway::log`].
    pub log: Log,
    /// See [`Gateway::clock`].
    pub clock: Arc<dyn Clock>,
    /// See [`Gateway::random`].
    pub random: Arc<dyn Random>,
    /// See [`Gateway::nonces`].
    pub nonces: Nonces,
    /// The first configuration.
    pub configuration: Configuration,
}

impl Gateway {
    /// A gateway that has served nothing yet.
    pub fn new(parts: Parts) -> prometheus::Result<Self> {
        let meters = Meters::new(&parts.configuration)?;
        Ok(Self {
            ledger: Ledger::register(meters.registry())?,
            meters,
            limiter: parts.limiter,
            keyring: ArcSwap::from_pointee(parts.keyring),
            secrets: parts.secrets,
            plugins: parts.plugins,
            log: parts.log,
            clock: parts.clock,
            random: parts.random,
            nonces: parts.nonces,
            replays: Remembered {
                api: Replays::new(REMEMBERED),
                objects: Replays::new(REMEMBERED_OF_OBJECTS),
                proofs: Replays::new(REMEMBERED_PROOFS),
                forgotten: OnceLock::new(),
            },
            configuration: ArcSwap::from_pointee(parts.configuration),
        })
    }

    /// Where everything that is measured is read, with the log as it stands now.
    pub fn measured(&self) -> &Registry {
        self.ledger.read(&self.log);
        self.meters.registry()
    }

    /// The configuration in force: to be pinned once per request.
    pub fn configuration(&self) -> Arc<Configuration> {
        self.configuration.load_full()
    }

    /// Puts another configuration in force. Requests under way keep theirs.
    pub fn reconfigure(&self, configuration: Configuration) -> prometheus::Result<()> {
        self.meters.reloaded(&configuration)?;
        self.configuration.store(Arc::new(configuration));
        Ok(())
    }

    /// The signed changes of APIs that were seen, for a process that goes on as this one.
    pub fn remembered(&self) -> String {
        let now = self.clock.now();
        let seen = self.replays.api.written(now);
        match self.replays.forgotten.get().filter(|it| now.wall < **it + LONGEST) {
            Some(begun) => format!("{BEFORE}{}\n{seen}", begun.seconds()),
            None => seen,
        }
    }

    /// Goes on as a process that has left this; nothing where it could leave nothing. What it may have seen is refused then, as
    /// far as that can be told: every signature of a change that is dated before this moment, to the second.
    pub fn go_on_from(&self, left: Option<&str>) {
        let now = self.clock.now();
        let told = left.and_then(|left| {
            let (before, seen) = match left.strip_prefix(BEFORE).and_then(|it| it.split_once('\n')) {
                // What was forgotten by the one before it stays so.
                Some((before, seen)) => (Some(before.parse().ok()?), seen),
                None => (None, left),
            };
            self.replays.api.take_up(seen, now).then_some(before)
        });
        if let Some(begun) = told.unwrap_or_else(|| Some(now.wall.seconds())) {
            self.replays.forgotten.get_or_init(|| Timestamp::from_seconds(begun));
        }
    }

    /// What proofs of possession must repeat.
    pub fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    /// The proofs of possession that were shown and may still be good.
    pub fn proofs(&self) -> &Replays {
        &self.replays.proofs
    }

    /// The keys as they are at this moment.
    pub fn keys(&self) -> Guard<Arc<Keyring>> {
        self.keyring.load()
    }
}
