//! Noticing that the disk does not answer. A call that hangs is no error, and must be treated as one.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Clock, Tick};

/// What the writer is about, as the one who watches it sees it.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Since when it has waited for the disk.
    since: Option<Tick>,
    /// That was too long, and was said.
    said: bool,
    ended: bool,
}

impl Stall {
    /// Makes a call that may hang. Gives also how long it took, where it was said to take too long.
    pub(crate) fn during<T>(&self, clock: &dyn Clock, call: impl FnOnce() -> T) -> (T, Option<Duration>) {
        let since = clock.tick();
        self.state().since = Some(since);
        let done = call();
        let mut state = self.state();
        state.since = None;
        let long = std::mem::take(&mut state.said).then(|| clock.tick().since(since));
        (done, long)
    }

    /// Watches until told that there is nothing more to be watched, and says once of each call that it takes longer than
    /// this. A call does not end while that is being said.
    pub(crate) fn watch(&self, clock: &dyn Clock, limit: Duration, say: impl Fn()) {
        let mut state = self.state();
        while !state.ended {
            let woken = self.changed.wait_timeout(state, limit / 4);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
            if !state.said && state.since.is_some_and(|since| limit <= clock.tick().since(since)) {
                state.said = true;
                say();
            }
        }
    }

    /// There is nothing more to be watched.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use domain::SystemClock;

    use super::*;

    #[test]
    fn a_call_that_takes_too_long_is_said_while_it_lasts_and_once() {
        let (stall, clock) = (Stall::default(), SystemClock::new());
        let (say, said) = mpsc::channel();
        std::thread::scope(|scope| {
            let (stall, clock) = (&stall, &clock);
            scope.spawn(move || stall.watch(clock, Duration::from_millis(1), || say.send(()).unwrap()));
            // It hangs until somebody has said so.
            let (done, long) = stall.during(clock, || said.recv().is_ok());
            assert!(done && long.is_some_and(|it| Duration::from_millis(1) <= it), "{long:?}");
            stall.end();
        });
        assert!(said.recv().is_err(), "it was said twice");
    }
}
