//! Stands in for the gateway in tests: each thread has one of its own, with the time, keys and values, lines and findings.
//!
//! ```
//! use portcullis_plugin::{kv, testing};
//!
//! testing::begin();
//! assert_eq!(kv::put_if_absent("once", b"", 1_000), Ok(true));
//! assert_eq!(kv::put_if_absent("once", b"", 1_000), Ok(false));
//! testing::set_now_ms(testing::NOW_MS + 1_000);
//! assert_eq!(kv::put_if_absent("once", b"", 1_000), Ok(true));
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::{Call, Caller, Config, Finding, Header, Mode, Peer, Plugin, Problem, Request};

/// When it is in a test that has not said otherwise, in milliseconds since 1970.
pub const NOW_MS: u64 = 1_800_000_000_000;

/// What a test can see of what a plugin has done.
#[derive(Default)]
struct Host {
    now_ms: u64,
    drawn: u8,
    lines: Vec<String>,
    findings: Vec<Finding>,
    kept: BTreeMap<String, (Vec<u8>, Option<u64>)>,
}

impl Host {
    fn new() -> Self {
        Self { now_ms: NOW_MS, ..Self::default() }
    }
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::new());
}

fn with<T>(what: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with_borrow_mut(what)
}

/// Begins anew: nothing is kept, and it is [`NOW_MS`].
pub fn begin() {
    with(|host| *host = Host::new());
}

/// From now on it is so late.
pub fn set_now_ms(now_ms: u64) {
    with(|host| host.now_ms = now_ms);
}

/// What was logged since [`begin`], each line after its level.
pub fn lines() -> Vec<String> {
    with(|host| host.lines.clone())
}

/// What was entered since [`begin`] besides what verdicts say.
pub fn findings() -> Vec<Finding> {
    with(|host| host.findings.clone())
}

/// A plugin that has taken this configuration, which is JSON.
pub fn configured<P: Plugin>(config: &str) -> Result<P, Vec<Problem>> {
    P::configure(&Config::parse(config)?)
}

/// A request with these headers, by somebody of the tenant `acme`.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query.to_owned())));
    let header = |(name, value): &(&str, &str)| Header { name: name.to_ascii_lowercase(), value: (*value).into() };
    Request {
        method: method.to_owned(),
        scheme: "https".to_owned(),
        authority: "api.example.com".to_owned(),
        path: path.to_owned(),
        query,
        params: Vec::new(),
        headers: headers.iter().map(header).collect(),
        caller: Some(Caller {
            id: "key_1".to_owned(),
            kind: "api_key".to_owned(),
            tier: Some("standard".to_owned()),
            claims: Vec::new(),
        }),
        peer: Peer { ip: "192.0.2.1".to_owned(), country: None, tls_client_sha256: None },
    }
}

/// What a hook is told besides the request.
pub fn call() -> Call {
    Call {
        request_id: "req_1".to_owned(),
        tenant: "acme".to_owned(),
        api: "example".to_owned(),
        operation: "things:get".to_owned(),
        plugin_digest: "0".repeat(64),
        config_revision: 1,
        mode: Mode::Enforce,
        deadline_ms: 5,
    }
}

pub(crate) mod log {
    #[derive(Clone, Copy)]
    pub(crate) enum Level {
        Debug,
        Info,
        Warn,
        Error,
    }

    pub(crate) fn write(level: Level, message: &str, _: &[(String, String)]) {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        super::with(|host| host.lines.push(format!("{level}: {message}")));
    }
}

pub(crate) mod clock {
    pub(crate) fn now_ms() -> u64 {
        super::with(|host| host.now_ms)
    }
}

pub(crate) mod random {
    /// The same in every run of a test, and never the same twice in one.
    pub(crate) fn bytes(count: u32) -> Vec<u8> {
        super::with(|host| {
            host.drawn = host.drawn.wrapping_add(1);
            (0..count).map(|at| host.drawn.wrapping_add(at.to_le_bytes()[0])).collect()
        })
    }
}

pub(crate) mod audit {
    use crate::Finding;

    pub(crate) fn emit(finding: &Finding) {
        super::with(|host| host.findings.push(finding.clone()));
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the contract has it so, and here nothing is denied")]
pub(crate) mod kv {
    use super::{Host, with};
    use crate::HostError;

    fn live<'a>(host: &'a Host, key: &str) -> Option<&'a (Vec<u8>, Option<u64>)> {
        host.kept.get(key).filter(|it| it.1.is_none_or(|until| host.now_ms < until))
    }

    fn until(host: &Host, ttl_ms: u64) -> Option<u64> {
        (ttl_ms > 0).then(|| host.now_ms.saturating_add(ttl_ms))
    }

    fn put_where(key: &str, value: &[u8], ttl_ms: u64, may: impl Fn(Option<&[u8]>) -> bool) -> bool {
        with(|host| {
            let may = may(live(host, key).map(|it| it.0.as_slice()));
            if may {
                let until = until(host, ttl_ms);
                host.kept.insert(key.to_owned(), (value.to_vec(), until));
            }
            may
        })
    }

    pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(with(|host| live(host, key).map(|it| it.0.clone())))
    }

    pub(crate) fn put(key: &str, value: &[u8], ttl_ms: u64) -> Result<(), HostError> {
        put_where(key, value, ttl_ms, |_| true);
        Ok(())
    }

    pub(crate) fn put_if_absent(key: &str, value: &[u8], ttl_ms: u64) -> Result<bool, HostError> {
        Ok(put_where(key, value, ttl_ms, |it| it.is_none()))
    }

    pub(crate) fn compare_and_put(
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
        ttl_ms: u64,
    ) -> Result<bool, HostError> {
        Ok(put_where(key, value, ttl_ms, |it| it == expected))
    }

    pub(crate) fn incr(key: &str, delta: i64, ttl_ms: u64) -> Result<i64, HostError> {
        with(|host| {
            let (before, until) = match live(host, key) {
                Some((value, until)) => {
                    let number = std::str::from_utf8(value).ok().and_then(|it| it.parse::<i64>().ok());
                    (number.ok_or_else(|| HostError::Invalid("the value is no number".to_owned()))?, *until)
                }
                None => (0, until(host, ttl_ms)),
            };
            let too_large = || HostError::Invalid("the number would be too large".to_owned());
            let sum = before.checked_add(delta).ok_or_else(too_large)?;
            host.kept.insert(key.to_owned(), (sum.to_string().into_bytes(), until));
            Ok(sum)
        })
    }

    pub(crate) fn delete(key: &str) -> Result<(), HostError> {
        with(|host| host.kept.remove(key));
        Ok(())
    }
}

pub(crate) mod crypto {
    use sha2::Digest as _;

    pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
        sha2::Sha256::digest(bytes).to_vec()
    }
}
