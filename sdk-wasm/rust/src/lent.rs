//! What the gateway lends, as plain functions. In a test, [`crate::testing`] stands in for it.

#[cfg(target_arch = "wasm32")]
use crate::bindings::portcullis::plugin as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing as host;

pub mod log {
    //! Lines in the log of the gateway. There is room for a few of each request.

    use super::host;

    /// What helps to find a fault.
    pub fn debug(message: &str) {
        host::log::write(host::log::Level::Debug, message, &[]);
    }

    /// What happens in the course of things.
    pub fn info(message: &str) {
        host::log::write(host::log::Level::Info, message, &[]);
    }

    /// What somebody should look at.
    pub fn warn(message: &str) {
        host::log::write(host::log::Level::Warn, message, &[]);
    }

    /// What went wrong.
    pub fn error(message: &str) {
        host::log::write(host::log::Level::Error, message, &[]);
    }
}

pub mod clock {
    //! The time.

    use super::host;

    /// When the request arrived, in milliseconds since 1970. It stands still while the plugin runs.
    pub fn now_ms() -> u64 {
        host::clock::now_ms()
    }
}

pub mod random {
    //! What nobody can foretell.

    use super::host;

    /// So many random bytes, 1,024 at most.
    pub fn bytes(count: u32) -> Vec<u8> {
        host::random::bytes(count)
    }
}

pub mod audit {
    //! Evidence for the audit log. Needs `audit = true`.

    use super::host;
    use crate::Finding;

    /// Has a finding entered with the request, whatever the verdict comes to.
    pub fn emit(finding: &Finding) {
        host::audit::emit(finding);
    }
}

pub mod kv {
    //! Keys and values of this plugin and this tenant alone. Needs `kv = true`.
    //!
    //! What is kept has a time to live in milliseconds, or none where that is 0. It is in the memory of the gateway, and is
    //! gone when that starts again.

    use super::host;
    use crate::HostError;

    /// The value of a key.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, HostError> {
        host::kv::get(key)
    }

    /// Gives a key this value.
    pub fn put(key: &str, value: &[u8], ttl_ms: u64) -> Result<(), HostError> {
        host::kv::put(key, value, ttl_ms)
    }

    /// The same where it has none. Whether it was so: of many that ask at once, one is told.
    pub fn put_if_absent(key: &str, value: &[u8], ttl_ms: u64) -> Result<bool, HostError> {
        host::kv::put_if_absent(key, value, ttl_ms)
    }

    /// The same where it has the value that is expected, or none where none is. Whether it was so.
    pub fn compare_and_put(key: &str, expected: Option<&[u8]>, value: &[u8], ttl_ms: u64) -> Result<bool, HostError> {
        host::kv::compare_and_put(key, expected, value, ttl_ms)
    }

    /// Adds to a number, which begins at 0 and lives for as long as was said first. Gives the sum.
    pub fn incr(key: &str, delta: i64, ttl_ms: u64) -> Result<i64, HostError> {
        host::kv::incr(key, delta, ttl_ms)
    }

    /// Forgets a key.
    pub fn delete(key: &str) -> Result<(), HostError> {
        host::kv::delete(key)
    }
}

pub mod crypto {
    //! What is faster outside of a guest.

    use super::host;

    /// The SHA-256 of these bytes.
    pub fn sha256(bytes: &[u8]) -> Vec<u8> {
        host::crypto::sha256(bytes)
    }
}
