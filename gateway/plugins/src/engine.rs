//! How guests are compiled and run. The only file that builds a `Config`.
//!
//! What compiles and what serves share everything but where instances come from, or compiled code would not fit.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::thread;
use std::time::Duration;

use wasmparser::WasmFeatures;
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::PluginSettings;

/// How long an epoch is: a guest is stopped at most so much later than its deadline.
pub(crate) const EPOCH: Duration = Duration::from_millis(1);

/// How many core instances one component may be made of. What tools make of one core module has four.
const CORE_INSTANCES: u32 = 16;

/// How much of a slot's memory stays in place for the next guest, set to what it was. More of it would cost every guest where
/// the kernel cannot say which pages were touched (before Linux 6.7).
const RESIDENT: usize = 16 * 1024;

/// Address space of one memory. All of what 32 bits can point at, so that no access needs a check of its own.
const RESERVED: u64 = 4 * 1024 * 1024 * 1024;

/// What cannot be accessed after it.
const GUARD: u64 = 32 * 1024 * 1024;

/// What compilers emit. Whatever else there is or will be is off: surface for attacks, and nothing else.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::BULK_MEMORY_OPT)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// No engine could be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineFault {
    /// The library has refused.
    #[error("guests cannot be run on this machine: {0}")]
    Refused(String),
    /// Nothing would stop a guest.
    #[error("there is no thread that tells guests the time: {0}")]
    Ticker(#[source] io::Error),
}

/// What runs guests. Instances come from a pool that is sized by the settings, and a thread counts epochs for as long as
/// the engine lives.
pub(crate) fn serving(settings: &PluginSettings) -> Result<Engine, EngineFault> {
    let refused = |it: wasmtime::Error| EngineFault::Refused(format!("{it:#}"));
    let mut config = config(settings);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    let engine = Engine::new(&config).map_err(refused)?;
    let weak = engine.weak();
    thread::Builder::new().name("epochs".to_owned()).spawn(move || tick(&weak)).map_err(EngineFault::Ticker)?;
    Ok(engine)
}

/// What compiles components for [`serving`], in a process of its own.
pub(crate) fn compiling(settings: &PluginSettings) -> Result<Engine, EngineFault> {
    Engine::new(&config(settings)).map_err(|it| EngineFault::Refused(format!("{it:#}")))
}

/// What compiled code must agree with to be run by an engine: version, processor, and every value below.
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn config(settings: &PluginSettings) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(settings.stack_bytes as usize)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(u64::from(settings.component_bytes))
        .memory_reservation(RESERVED)
        .memory_guard_size(GUARD)
        .concurrency_support(false)
        .gc_support(false)
        .shared_memory(false);
    // Last, so that nothing above turns one on again.
    config.wasm_features(WasmFeatures::all(), false).wasm_features(FEATURES, true);
    config
}

fn pool(settings: &PluginSettings) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(settings.instances)
        .total_core_instances(settings.instances.saturating_mul(CORE_INSTANCES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(settings.instances)
        .max_memories_per_component(1)
        .max_memories_per_module(1)
        .max_memory_size(settings.memory_bytes as usize)
        .total_tables(settings.instances.saturating_mul(settings.tables))
        .max_tables_per_component(settings.tables)
        .max_tables_per_module(settings.tables)
        .table_elements(settings.table_elements as usize)
        .table_keep_resident(8 * 1024)
        .linear_memory_keep_resident(RESIDENT)
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(settings.instances)
        .decommit_batch_size(16);
    pool
}

/// Counts epochs until nobody runs guests any more.
fn tick(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(EPOCH);
    }
}
