//! A bounded place for what can always be made again. Reading takes no lock.

use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};

/// A fixed number of slots. Each value may stand in two of them; a third value that wants the same two displaces one.
#[derive(Debug)]
pub(crate) struct Slots<T>(Box<[ArcSwapOption<T>]>);

impl<T> Slots<T> {
    pub(crate) fn new(number: usize) -> Self {
        Self(std::iter::repeat_with(ArcSwapOption::empty).take(number.max(2)).collect())
    }

    /// The value that stands under `hash` and is the one looked for. Whether it is must be told by what it holds: a hash
    /// is a hint.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<Guard<Option<Arc<T>>>> {
        self.pair(hash).into_iter().flatten().map(ArcSwapOption::load).find(|it| it.as_deref().is_some_and(&is_it))
    }

    /// Puts a value under `hash`, into an empty slot if there is one.
    pub(crate) fn keep(&self, hash: u64, value: Arc<T>) {
        let [first, second] = self.pair(hash);
        let empty = [first, second].into_iter().flatten().find(|it| it.load().is_none());
        let other = if hash & 1 == 0 { first } else { second };
        if let Some(slot) = empty.or(other) {
            slot.store(Some(value));
        }
    }

    fn pair(&self, hash: u64) -> [Option<&ArcSwapOption<T>>; 2] {
        [hash >> 32, hash & u64::from(u32::MAX)].map(|half| {
            // Both factors are below 2^32, so the product's upper half is a place within the slots.
            let at = half.wrapping_mul(self.0.len() as u64) >> 32;
            usize::try_from(at).ok().and_then(|it| self.0.get(it))
        })
    }
}

/// Spreads an address and a number over 64 bits.
pub(crate) const fn hash(address: usize, number: usize) -> u64 {
    // Finalizer of SplitMix64: every bit of the input moves half of the output.
    let mut it = (address as u64).rotate_left(17) ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    it ^ (it >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_what_it_is_and_not_by_its_hash() {
        let slots = Slots::new(8);
        slots.keep(7, Arc::new("one"));
        assert!(slots.find(7, |it| *it == "one").is_some());
        assert!(slots.find(7, |it| *it == "two").is_none());
    }

    #[test]
    fn the_number_of_values_never_grows_beyond_the_slots() {
        let slots = Slots::new(16);
        for number in 0..1_000 {
            slots.keep(hash(0, number), Arc::new(number));
        }
        let kept = (0..1_000).filter(|number| slots.find(hash(0, *number), |it| it == number).is_some()).count();
        assert!((8..=16).contains(&kept), "{kept}");
    }
}
