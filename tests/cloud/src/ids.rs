//! Names and choices that look random and are not: the same tenant always begins with the same resources.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A stream of choices fixed by a text, normally the API and the tenant.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    state: u64,
}

impl Seed {
    /// The stream that `text` fixes.
    pub(crate) fn of(text: &str) -> Self {
        // FNV-1a: spreads short texts well enough, and needs no dependency.
        let state = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self { state }
    }

    /// The next number (splitmix64).
    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to `end`, which is never reached.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// One of `choices`; an empty text where there is none.
    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.below(choices.len() as u64)).unwrap_or(0);
        choices.get(at).copied().unwrap_or_default()
    }

    /// A number of days within `range`.
    pub(crate) fn days(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_hours(24 * (range.start() + self.below(1 + range.end() - range.start())))
    }

    /// True `percent` times of a hundred.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Gives out short ids, each once.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    offset: u64,
    given: u64,
}

/// Odd and not a multiple of 3, so coprime to every power of 16 and of 36: multiplying by it permutes the ids.
const STEP: u64 = 0x9e37_79b1;

impl Ids {
    /// The ids that `text` fixes.
    pub(crate) fn of(text: &str) -> Self {
        Self { offset: Seed::of(text).number(), given: 0 }
    }

    /// `digits` hexadecimal digits, as in `nsx-i-8f3a2b`.
    pub(crate) fn hex(&mut self, digits: u32) -> String {
        self.next_in(16, digits)
    }

    /// `digits` lower-case letters and digits, as in `inst_9x7a2b1c`.
    pub(crate) fn base36(&mut self, digits: u32) -> String {
        self.next_in(36, digits)
    }

    fn next_in(&mut self, base: u64, digits: u32) -> String {
        self.given += 1;
        let span = u128::from(base.pow(digits));
        let place = (u128::from(self.given) * u128::from(STEP) + u128::from(self.offset)) % span;
        spell(u64::try_from(place).unwrap_or(0), base, digits)
    }
}

fn spell(mut number: u64, base: u64, digits: u32) -> String {
    let mut spelt: Vec<char> = Vec::new();
    for _ in 0..digits {
        let digit = u32::try_from(number % base).unwrap_or(0);
        spelt.push(char::from_digit(digit, 36).unwrap_or('0'));
        number /= base;
    }
    spelt.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_text_fixes_the_same_choices() {
        let (mut one, mut two, mut other) = (Seed::of("tenant-a"), Seed::of("tenant-a"), Seed::of("tenant-b"));
        let run: Vec<u64> = (0..10).map(|_| one.number()).collect();
        assert_eq!(run, (0..10).map(|_| two.number()).collect::<Vec<_>>());
        assert_ne!(run, (0..10).map(|_| other.number()).collect::<Vec<_>>());
    }

    #[test]
    fn no_id_is_given_twice() {
        let mut ids = Ids::of("tenant");
        let given: HashSet<String> = (0..50_000).map(|_| ids.hex(6)).collect();
        assert_eq!(given.len(), 50_000);
        let mut ids = Ids::of("tenant");
        assert_eq!((0..50_000).map(|_| ids.base36(8)).collect::<HashSet<String>>().len(), 50_000);
    }

    #[test]
    fn an_id_has_the_digits_asked_for() {
        assert_eq!(spell(0xbeef, 16, 6), "00beef");
        assert_eq!(spell(35, 36, 3), "00z");
    }
}
