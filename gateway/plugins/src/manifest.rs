//! `plugin.toml`: what a plugin is, and what its author asks for.
//!
//! Unknown keys are faults, and every fault is told at once with its line. What is asked for here is at most what the
//! settings of the operator allow.

mod reading;

use std::path::Path;
use std::time::Duration;

use domain::Faults;
use http::{HeaderName, Method};

use self::reading::Table;
use crate::PluginSettings;
use crate::contract::ABI;
use crate::headers;

/// The longest name of a plugin.
const LONGEST_NAME: usize = 64;

/// How many headers may be named for reading, and for writing.
const MOST_HEADERS: usize = 64;

/// What a manifest says, once it is known to be good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What the plugin is called.
    pub name: String,
    /// Which one of that name it is.
    pub version: String,
    /// Whether it runs on the head of a request.
    pub on_request: bool,
    /// The headers that it sees.
    pub reads: Vec<HeaderName>,
    /// The headers that it may set, append to and remove.
    pub writes: Vec<HeaderName>,
    /// Whether it keeps keys and values.
    pub kv: bool,
    /// Whether it has findings between its verdicts.
    pub audit: bool,
    /// How long it may compute on one request.
    pub cpu: Duration,
    /// How much memory it may have, in bytes.
    pub memory: u32,
    /// Which requests it runs on.
    pub when: When,
    /// What becomes of a request on which it fails.
    pub on_error: OnError,
}

/// Which requests a plugin runs on: looked at without it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// The path, or with a `*` at its end how it begins. None where any will do.
    pub path: Option<String>,
    /// The methods; none where any will do.
    pub methods: Vec<Method>,
}

impl When {
    /// Whether this is such a request.
    pub(crate) fn holds(&self, method: &Method, path: &str) -> bool {
        let of_method = self.methods.is_empty() || self.methods.contains(method);
        of_method
            && self.path.as_deref().is_none_or(|it| match it.strip_suffix('*') {
                Some(begins) => path.starts_with(begins),
                None => path == it,
            })
    }
}

/// What becomes of a request on which a plugin fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is refused.
    Deny,
    /// It goes on as if there were no plugin, which is entered.
    Skip,
}

impl Manifest {
    /// Reads the text of a `plugin.toml`.
    pub fn parse(file: &Path, text: &str, settings: &PluginSettings) -> Result<Self, Faults> {
        let mut root = Table::parse(file, text)?;
        let mut plugin = root.table("plugin");
        let name =
            plugin.required("name", |it| is_name(it).then(|| it.to_owned()).ok_or("has 1 to 64 of a-z, 0-9, `-`"));
        let version =
            plugin.required("version", |it| is_version(it).then(|| it.to_owned()).ok_or("is such as `1.0.0`"));
        plugin.required("abi", |it| (it == ABI).then_some(()).ok_or("is `portcullis:plugin@1.0`"));
        root.finish(plugin);

        let mut needs = root.table("needs");
        let phases = needs.texts("phases", |it| (it == "request").then_some(()).ok_or("names `request` alone"));
        let mut of_headers = needs.table("headers");
        let reads = of_headers.texts("read", readable);
        let writes = of_headers.texts("write", writable);
        for (key, list) in [("read", &reads), ("write", &writes)] {
            of_headers.hold(key, list.len() <= MOST_HEADERS, "names 64 headers at most");
        }
        needs.finish(of_headers);
        root.finish(needs);

        let mut caps = root.table("caps");
        let (kv, audit) = (caps.yes("kv"), caps.yes("audit"));
        root.finish(caps);

        let mut limits = root.table("limits");
        let cpu = limits.number("cpu_ms", settings.cpu_ms);
        let memory = limits.bytes("memory", settings.memory_bytes);
        root.finish(limits);

        let mut run = root.table("run");
        let mut of_when = run.table("when");
        let when = When {
            path: of_when.optional("path", |it| {
                it.starts_with('/').then(|| it.to_owned()).ok_or("begins with `/`, and may end with `*`")
            }),
            methods: of_when.texts("methods", |it| it.parse::<Method>().map_err(|_| "names methods such as `GET`")),
        };
        run.finish(of_when);
        let class = run.optional("class", Class::read).unwrap_or(Class::Security);
        let written = run.optional("on_error", on_error);
        let on_error = written.unwrap_or(OnError::Deny);
        let bypass = class == Class::Security && on_error == OnError::Skip;
        run.hold("on_error", !bypass, "is `deny` where `class` is `security`: skipping it would be a way past it");
        run.optional("isolation", |it| (it == "per-request").then_some(()).ok_or("is `per-request`"));
        root.finish(run);

        let faults = root.end();
        let (Some(name), Some(version)) = (name, version) else { return Err(faults) };
        if !faults.is_empty() {
            return Err(faults);
        }
        let cpu = Duration::from_millis(cpu.into());
        let on_request = !phases.is_empty();
        Ok(Self { name, version, on_request, reads, writes, kv, audit, cpu, memory, when, on_error })
    }
}

/// What a plugin is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Security,
    Shaping,
    Observe,
}

impl Class {
    fn read(text: &str) -> Result<Self, &'static str> {
        match text {
            "security" => Ok(Self::Security),
            "shaping" => Ok(Self::Shaping),
            "observe" => Ok(Self::Observe),
            _ => Err("is `security`, `shaping` or `observe`"),
        }
    }
}

fn on_error(text: &str) -> Result<OnError, &'static str> {
    match text {
        "deny" => Ok(OnError::Deny),
        "skip" => Ok(OnError::Skip),
        _ => Err("is `deny` or `skip`"),
    }
}

fn readable(text: &str) -> Result<HeaderName, &'static str> {
    let name = small(text)?;
    if headers::is_credential(&name) { Err("may not name what shows who calls: nobody is lent that") } else { Ok(name) }
}

fn writable(text: &str) -> Result<HeaderName, &'static str> {
    let name = small(text)?;
    if headers::is_barred(&name) { Err("may not name what the gateway itself says, or goes by") } else { Ok(name) }
}

fn small(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::from_lowercase(text.as_bytes());
    name.map_err(|_| "names headers in small letters, such as `x-region`")
}

fn is_name(text: &str) -> bool {
    let inner = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with('-')
}

fn is_version(text: &str) -> bool {
    let inner = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'+');
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests;
