//! Compiling, which what serves requests never does: a component is compiled in a process of its own, that has a few
//! seconds, bounded memory, no files, no network and no secrets.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, nice, setrlimit};

use crate::engine::{self, EngineFault};
use crate::{PluginSettings, Shape};

/// How much of its own time a process that compiles is left behind the others.
const NICE: i32 = 10;

/// The longest that compiled code may be, for each byte of the component, and at least.
const CODE_PER_BYTE: u64 = 64;
const CODE_AT_LEAST: u64 = 4 * 1024 * 1024;

/// How much is kept of what it says when it fails.
const LONGEST_TOLD: u64 = 4096;

/// What makes code of the machine out of a component that was looked at.
pub trait Compiles: Send + Sync {
    /// The code, which fits the engine of these settings.
    fn compile(&self, component: &[u8], settings: &PluginSettings) -> Result<Vec<u8>, CompileFault>;
}

/// A component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileFault {
    /// The process could not be begun, or spoken to.
    #[error("the process that compiles could not be used: {0}")]
    Process(#[from] io::Error),
    /// It took more time or memory than there is.
    #[error(
        "the component takes more than {seconds} s (`compile_seconds`) or {bytes} bytes (`compile_bytes`) to compile"
    )]
    TooMuch {
        /// Of a processor.
        seconds: u32,
        /// Of address space.
        bytes: u32,
    },
    /// The compiler has refused.
    #[error("the component cannot be compiled: {0}")]
    Refused(String),
    /// There is no engine to compile for.
    #[error(transparent)]
    Engine(#[from] EngineFault),
}

/// Compiles here and now. For the process that does nothing else, and for tests.
pub fn compile(component: &[u8], settings: &PluginSettings) -> Result<Vec<u8>, CompileFault> {
    let engine = engine::compiling(settings)?;
    engine.precompile_component(component).map_err(|it| CompileFault::Refused(format!("{it:#}")))
}

/// The whole life of the process that compiles: settings and component in, code out. What it may use is limited before it
/// has read a byte of the component.
pub fn compile_apart(input: &mut dyn Read, output: &mut dyn Write) -> Result<(), CompileFault> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let mut settings = Vec::new();
    input.take(u32::from_le_bytes(length).into()).read_to_end(&mut settings)?;
    let settings: PluginSettings = serde_json::from_slice(&settings).map_err(io::Error::from)?;
    confine(&settings)?;
    let mut component = Vec::new();
    input.take(u64::from(settings.component_bytes) + 1).read_to_end(&mut component)?;
    Shape::of(&component, &settings).map_err(|it| CompileFault::Refused(it.to_string()))?;
    output.write_all(&compile(&component, &settings)?)?;
    Ok(output.flush()?)
}

/// From here on: so much time and memory, and nothing that was not open already can be opened.
fn confine(settings: &PluginSettings) -> io::Result<()> {
    let most = |it: u64| Rlimit { current: Some(it), maximum: Some(it) };
    setrlimit(Resource::Core, most(0))?;
    setrlimit(Resource::Fsize, most(0))?;
    setrlimit(Resource::Cpu, most(settings.compile_seconds.into()))?;
    setrlimit(Resource::As, most(settings.compile_bytes.into()))?;
    setrlimit(Resource::Nofile, most(3))?;
    nice(NICE)?;
    Ok(())
}

/// Compiles in a process of this program.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The program.
    pub program: PathBuf,
    /// What makes it compile and do nothing else.
    pub argument: &'static str,
}

impl Compiles for Apart {
    fn compile(&self, component: &[u8], settings: &PluginSettings) -> Result<Vec<u8>, CompileFault> {
        let mut child = Command::new(&self.program)
            .arg(self.argument)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let done = converse(&mut child, component, settings);
        // Whatever it came to, nothing of it is left running.
        let _ = child.kill();
        let status = child.wait()?;
        let (code, told) = done?;
        if status.success() && !code.is_empty() {
            return Ok(code);
        }
        let told = String::from_utf8_lossy(&told).trim().to_owned();
        if status.code().is_none() || told.is_empty() {
            return Err(CompileFault::TooMuch { seconds: settings.compile_seconds, bytes: settings.compile_bytes });
        }
        Err(CompileFault::Refused(told))
    }
}

/// Hands over the component and waits for the code, and for what is said of it: no longer than it can take.
fn converse(
    child: &mut Child,
    component: &[u8],
    settings: &PluginSettings,
) -> Result<(Vec<u8>, Vec<u8>), CompileFault> {
    let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
    let mut input = child.stdin.take().ok_or_else(closed)?;
    let output = child.stdout.take().ok_or_else(closed)?;
    let complaint = child.stderr.take().ok_or_else(closed)?;
    let most = CODE_AT_LEAST.max(component.len() as u64 * CODE_PER_BYTE);
    let (sender, answers) = mpsc::channel();
    let complaints = sender.clone();
    thread::spawn(move || sender.send((true, read(output, most))));
    thread::spawn(move || complaints.send((false, read(complaint, LONGEST_TOLD))));
    let written = serde_json::to_vec(settings).map_err(io::Error::from)?;
    let length = u32::try_from(written.len()).unwrap_or(u32::MAX).to_le_bytes();
    // One that ends before it has read everything says why.
    let _ = [&length[..], &written, component].iter().try_for_each(|it| input.write_all(it));
    drop(input);
    // It waits for nobody, so that what it computes is nearly all of the time that it takes.
    let patience = Duration::from_secs(u64::from(settings.compile_seconds) * 4);
    let too_much = || CompileFault::TooMuch { seconds: settings.compile_seconds, bytes: settings.compile_bytes };
    let (mut code, mut told) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (is_code, bytes) = answers.recv_timeout(patience).map_err(|_| too_much())?;
        *(if is_code { &mut code } else { &mut told }) = bytes?;
    }
    Ok((code, told))
}

fn read(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
