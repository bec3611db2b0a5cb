//! Unpredictable bytes.

use std::cell::RefCell;

use domain::Random;

/// How many bytes each thread draws ahead, and the most that may be asked of them at once.
const AHEAD: usize = 512;
const SMALL: usize = 32;

thread_local! {
    static DRAWN: RefCell<Ahead> = const { RefCell::new(Ahead { bytes: [0; AHEAD], used: AHEAD }) };
}

/// The crypto library's generator, seeded by the operating system. Every request draws an id, so each thread keeps some
/// bytes ready: a draw of many costs hardly more than one of few.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > SMALL {
            draw(bytes);
        } else {
            DRAWN.with_borrow_mut(|it| it.take(bytes));
        }
    }
}

struct Ahead {
    bytes: [u8; AHEAD],
    used: usize,
}

impl Ahead {
    fn take(&mut self, wanted: &mut [u8]) {
        if AHEAD - self.used < wanted.len() {
            draw(&mut self.bytes);
            self.used = 0;
        }
        let ready = self.bytes.iter_mut().skip(self.used);
        for (wanted, ready) in wanted.iter_mut().zip(ready) {
            // What was handed out may become a key, so nothing of it stays behind.
            *wanted = std::mem::take(ready);
        }
        self.used += wanted.len();
    }
}

fn draw(bytes: &mut [u8]) {
    // Predictable ids and keys would be worse than none. The library itself ends the process when the operating system
    // has no randomness to give; this loop only says that there is no way on without it.
    while aws_lc_rs::rand::fill(bytes).is_err() {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_draw_is_ever_repeated_however_many_are_drawn_ahead() {
        let mut drawn = HashSet::new();
        for length in [32, 33, 16, 32].into_iter().cycle().take(400) {
            let mut bytes = vec![0; length];
            SystemRandom.fill(&mut bytes);
            assert!(bytes.iter().any(|it| *it != 0));
            // Pieces of draws as well: neighbours in the store must not overlap.
            assert!(bytes.as_chunks::<8>().0.iter().all(|it| drawn.insert(*it)));
        }
    }

    #[test]
    fn what_was_handed_out_does_not_stay_behind() {
        let mut ahead = Ahead { bytes: [7; AHEAD], used: 0 };
        let mut bytes = [0; 20];
        ahead.take(&mut bytes);
        assert_eq!(bytes, [7; 20]);
        assert!(ahead.bytes.iter().take(20).all(|it| *it == 0) && ahead.bytes.iter().skip(20).all(|it| *it == 7));
    }
}
