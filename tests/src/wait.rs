//! Waiting for something that will be true soon, and for nothing else.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; after `within`, fails and says `what` was waited for.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test outside the gateway has no clock but the machine's")]
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < within, "waited {within:?} in vain for {what}");
        // Not a guess at how long it takes: only a pause between two questions.
        std::thread::park_timeout(Duration::from_millis(3));
    }
}
