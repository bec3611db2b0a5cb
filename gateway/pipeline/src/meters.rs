//! What is counted, under names that hold no tenant, caller, key or path.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::{ApiName, Operation, OperationId};
use plugins::{Outcome, Run};
use prometheus::core::Collector;
use prometheus::proto::Metric;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::Configuration;

/// Upper bounds of the time histograms, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Upper bounds of the histogram of what the gateway itself takes, in seconds.
const OWN_BUCKETS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];

/// How long a request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// From its arrival to the last byte of its answer.
    pub(crate) whole: Duration,
    /// Until it was sent on, or all of it where it was not.
    pub(crate) own: Duration,
    /// From then to the head of the answer of the API behind, where there was one.
    pub(crate) upstream: Option<Duration>,
}

/// Status classes as they are labelled, by the first digit; `none` where nothing was answered.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Stands for the API and operation of a request that named none.
const UNKNOWN: &str = "unknown";

/// What was counted of requests since the process started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Those that ended.
    pub ended: u64,
    /// Those of them that were turned away, failed or broke off.
    pub refused: u64,
    /// Those of them that were answered with a status of 500 or more, whoever answered.
    pub failed: u64,
    /// For each bound of the histogram, in microseconds, how many took no longer.
    pub within: Vec<(u64, u64)>,
}

/// Every meter of the request path.
pub struct Meters {
    registry: Registry,
    requests: IntCounterVec,
    refusals: IntCounterVec,
    histograms: Histograms,
    known: ArcSwap<Known>,
    /// Requests begun.
    pub begun: IntCounter,
    /// Requests begun and not yet settled.
    pub in_flight: IntGauge,
    /// Connections held.
    pub connections: IntGauge,
    connections_closed: IntCounterVec,
    signature_repeats: IntCounterVec,
    policy_errors: IntCounterVec,
    plugin_runs: IntCounterVec,
    plugin_faults: IntCounterVec,
    generation: IntGauge,
    reload_failures: IntCounter,
}

/// The meters of every operation, made once so that a request looks for one and not for many.
struct Known {
    /// In the order of the addresses of their operations. Each row holds its operation, so no other can take the address.
    rows: Vec<(Arc<Operation>, OperationMeters)>,
    /// Where each stands, for requests that were identified by an earlier configuration.
    names: HashMap<(ApiName, OperationId), usize>,
    /// Those of requests that named an API and no operation of it.
    strays: HashMap<ApiName, OperationMeters>,
    unknown: OperationMeters,
}

impl Known {
    fn row(&self, operation: &Arc<Operation>) -> Option<&OperationMeters> {
        let here = self.rows.binary_search_by_key(&Arc::as_ptr(operation), |(it, _)| Arc::as_ptr(it)).ok();
        let at = here.or_else(|| self.names.get(&(operation.api.clone(), operation.id.clone())).copied())?;
        self.rows.get(at).map(|(_, row)| row)
    }
}

struct OperationMeters {
    classes: [IntCounter; 6],
    duration: Histogram,
    own: Histogram,
    upstream: Histogram,
}

/// The histograms of times, by API.
struct Histograms {
    duration: HistogramVec,
    own: HistogramVec,
    upstream: HistogramVec,
}

impl Histograms {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            registered(registry, HistogramVec::new(options, &["api"])?)
        };
        Ok(Self {
            duration: histogram("request_duration_seconds", "From arrival to the last byte of the answer.", &BUCKETS)?,
            own: histogram("gateway_duration_seconds", "From arrival until it was sent on, or refused.", &OWN_BUCKETS)?,
            upstream: histogram(
                "upstream_duration_seconds",
                "From being sent on to the head of the answer.",
                &BUCKETS,
            )?,
        })
    }
}

impl Meters {
    /// Meters that stand at zero, with a row for each operation of the first configuration.
    pub fn new(configuration: &Configuration) -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("portcullis".to_owned()), None)?;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let gauge = |name: &str, help: &str| registered(&registry, IntGauge::new(name, help)?);
        let requests =
            counters("requests_total", "Requests settled, by operation and status.", &["api", "operation", "class"])?;
        let histograms = Histograms::new(&registry)?;
        let known = ArcSwap::from_pointee(known(&requests, &histograms, configuration)?);
        Ok(Self {
            refusals: counters("refusals_total", "Requests turned away, by reason.", &["api", "reason"])?,
            begun: registered(&registry, IntCounter::new("requests_begun_total", "Requests begun.")?)?,
            in_flight: gauge("requests_in_flight", "Requests begun and not yet settled.")?,
            connections: gauge("connections", "Connections held by clients.")?,
            connections_closed: counters("connections_closed_total", "Connections the gateway closed.", &["reason"])?,
            signature_repeats: counters(
                "signature_repeats_total",
                "Signatures that were seen before, or may have been, by what became of the request.",
                &["surface", "outcome"],
            )?,
            policy_errors: counters(
                "policy_errors_total",
                "Policies that could not be evaluated: forbids, which refused, and permits, which were passed over.",
                &["effect"],
            )?,
            plugin_runs: counters("plugin_runs_total", "Runs of plugins, by what they came to.", &["outcome"])?,
            plugin_faults: counters(
                "plugin_faults_total",
                "Runs of plugins that failed, by how and by whose doing.",
                &["kind", "blame"],
            )?,
            generation: gauge("config_generation", "How often the configuration has been replaced.")?,
            reload_failures: registered(
                &registry,
                IntCounter::new("config_reload_failures_total", "Configurations that were not taken.")?,
            )?,
            registry,
            requests,
            histograms,
            known,
        })
    }

    /// Where the meters are read, and where other rooms may add theirs.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Counts what a plugin came to. By tenant nothing is counted here: whose they are stands in entries.
    pub(crate) fn plugin_ran(&self, run: &Run) {
        self.plugin_runs.with_label_values(&[run.outcome.as_str()]).inc();
        if let Outcome::Failed(fault) | Outcome::Skipped(fault) = &run.outcome {
            self.plugin_faults.with_label_values(&[fault.kind(), fault.blame().as_str()]).inc();
        }
    }

    /// Counts a connection that the gateway closed or never took.
    pub fn connection_closed(&self, reason: &str) {
        self.connections_closed.with_label_values(&[reason]).inc();
    }

    /// How many connections were closed before a request was known, by reason.
    pub fn closed_connections(&self) -> impl Iterator<Item = (String, u64)> {
        metrics(&self.connections_closed).map(|it| {
            let reason = it.get_label().first().map(|it| it.value().to_owned()).unwrap_or_default();
            (reason, whole(it.get_counter().get_value()))
        })
    }

    /// What was counted up to now. It is gathered from every row, so that it is for now and then.
    pub fn totals(&self) -> Totals {
        let failed = |it: &Metric| it.get_label().iter().any(|it| it.name() == "class" && it.value() == "5xx");
        let mut totals = Totals {
            refused: counted(&self.refusals, |_| true),
            failed: counted(&self.requests, failed),
            ..Totals::default()
        };
        for metric in metrics(&self.histograms.duration) {
            let histogram = metric.get_histogram();
            totals.ended += histogram.get_sample_count();
            for (at, bucket) in histogram.get_bucket().iter().enumerate() {
                match totals.within.get_mut(at) {
                    Some((_, count)) => *count += bucket.cumulative_count(),
                    None => totals.within.push((whole(bucket.upper_bound() * 1e6), bucket.cumulative_count())),
                }
            }
        }
        totals
    }

    /// Counts a signature that was seen before, or may have been.
    pub(crate) fn signature_repeated(&self, surface: &str, outcome: &str) {
        self.signature_repeats.with_label_values(&[surface, outcome]).inc();
    }

    /// Counts policies of one effect that could not be evaluated.
    pub(crate) fn policies_erred(&self, effect: &str, count: usize) {
        if count > 0 {
            self.policy_errors.with_label_values(&[effect]).inc_by(count as u64);
        }
    }

    /// Counts a configuration that was refused.
    pub fn reload_failed(&self) {
        self.reload_failures.inc();
    }

    /// Makes a row for each operation of a configuration that is about to be put in force.
    pub(crate) fn reloaded(&self, configuration: &Configuration) -> prometheus::Result<()> {
        self.known.store(Arc::new(known(&self.requests, &self.histograms, configuration)?));
        self.generation.inc();
        Ok(())
    }

    /// Counts one finished request.
    pub(crate) fn settled(
        &self,
        (api, operation): (Option<&ApiName>, Option<&Arc<Operation>>),
        reason: Option<&str>,
        status: Option<u16>,
        times: Times,
    ) {
        let known = self.known.load();
        let stray = || api.and_then(|it| known.strays.get(it)).unwrap_or(&known.unknown);
        let row = operation.and_then(|it| known.row(it)).unwrap_or_else(stray);
        if let Some(class) = row.classes.get(usize::from(status.unwrap_or(0) / 100)) {
            class.inc();
        }
        row.duration.observe(times.whole.as_secs_f64());
        row.own.observe(times.own.as_secs_f64());
        if let Some(upstream) = times.upstream {
            row.upstream.observe(upstream.as_secs_f64());
        }
        if let Some(reason) = reason {
            let api = api.map_or(UNKNOWN, ApiName::as_str);
            self.refusals.with_label_values(&[api, reason]).inc();
        }
    }
}

fn metrics(of: &impl Collector) -> impl Iterator<Item = Metric> {
    of.collect().into_iter().flat_map(|mut family| family.take_metric())
}

fn counted(of: &IntCounterVec, which: impl Fn(&Metric) -> bool) -> u64 {
    metrics(of).filter(which).map(|it| whole(it.get_counter().get_value())).sum()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is counted up from 0 by one")]
fn whole(count: f64) -> u64 {
    count.round() as u64
}

/// Shows a meter among the others.
pub(crate) fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn known(
    requests: &IntCounterVec,
    histograms: &Histograms,
    configuration: &Configuration,
) -> prometheus::Result<Known> {
    let row = |api: &str, operation: &str| -> prometheus::Result<OperationMeters> {
        let class = |it: &str| requests.get_metric_with_label_values(&[api, operation, it]);
        let [none, info, good, moved, theirs, ours] = CLASSES;
        Ok(OperationMeters {
            classes: [class(none)?, class(info)?, class(good)?, class(moved)?, class(theirs)?, class(ours)?],
            duration: histograms.duration.get_metric_with_label_values(&[api])?,
            own: histograms.own.get_metric_with_label_values(&[api])?,
            upstream: histograms.upstream.get_metric_with_label_values(&[api])?,
        })
    };
    let mut rows = Vec::new();
    for operation in configuration.catalog.profiles().iter().flat_map(|it| &it.api.operations) {
        rows.push((Arc::clone(operation), row(operation.api.as_str(), operation.id.as_str())?));
    }
    rows.sort_by_key(|(it, _)| Arc::as_ptr(it));
    let name = |it: &Operation| (it.api.clone(), it.id.clone());
    let names = rows.iter().enumerate().map(|(at, (it, _))| (name(it), at)).collect();
    let apis = configuration.catalog.profiles().iter().map(|it| &it.api.name);
    let strays = apis.map(|it| Ok((it.clone(), row(it.as_str(), UNKNOWN)?))).collect::<prometheus::Result<_>>()?;
    Ok(Known { rows, names, strays, unknown: row(UNKNOWN, UNKNOWN)? })
}
