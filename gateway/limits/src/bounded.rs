//! A map that never holds more than it was told to, in shards so that two requests rarely wait for each other.
//!
//! When a shard is full, whatever in it has been idle longest makes room. A hit allocates nothing and moves nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::Tick;
use hashbrown::HashTable;

const MAX_SHARDS: usize = 256;
/// A shard of fewer seats fills unevenly, so that a small map would forget well below its bound.
const MIN_SEATS: usize = 1024;

/// What is looked for: a key that need not be owned.
pub(crate) trait Probe<K>: Hash {
    fn is(&self, kept: &K) -> bool;
    fn keep(&self) -> K;
}

/// What is kept: something that means nothing any more once it has been left alone long enough.
pub(crate) trait Fades {
    fn has_faded(&self, now: Tick) -> bool;
}

pub(crate) struct Bounded<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    seats: usize,
    hasher: RandomState,
}

struct Shard<K, V> {
    /// Where in `seats` a key sits.
    index: HashTable<u32>,
    seats: Vec<Seat<K, V>>,
    /// Each seat once, with a moment at or before its last use. A seat is put in its right place when it comes up, not
    /// when it is used, which keeps use cheap and still finds the one longest idle.
    idle: BinaryHeap<Reverse<(Tick, u32)>>,
}

struct Seat<K, V> {
    hash: u64,
    used: Tick,
    key: K,
    value: V,
}

impl<K, V: Fades> Bounded<K, V> {
    pub(crate) fn new(bound: NonZeroU32) -> Self {
        let bound = usize::try_from(bound.get()).unwrap_or(usize::MAX);
        let shards = (bound / MIN_SEATS).clamp(1, MAX_SHARDS);
        let shard = || Mutex::new(Shard { index: HashTable::new(), seats: Vec::new(), idle: BinaryHeap::new() });
        Self {
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            seats: bound / shards,
            hasher: RandomState::new(),
        }
    }

    /// Acts on the value of a key, which is made if there is none.
    pub(crate) fn enter<Q: Probe<K>, R>(
        &self,
        probe: &Q,
        now: Tick,
        make: impl FnOnce() -> V,
        act: impl FnOnce(&mut V) -> R,
    ) -> R {
        let hash = self.hasher.hash_one(probe);
        let Some(mut shard) = self.shard(hash) else { return act(&mut make()) };
        let found = shard.find(hash, probe);
        let Some(seat) = found.and_then(|it| shard.seats.get_mut(it as usize)) else {
            let mut value = make();
            let result = act(&mut value);
            shard.seat(Seat { hash, used: now, key: probe.keep(), value }, self.seats);
            return result;
        };
        seat.used = seat.used.max(now);
        act(&mut seat.value)
    }

    /// Looks at the value of a key, if there is one.
    pub(crate) fn look<Q: Probe<K>, R>(&self, probe: &Q, see: impl FnOnce(&V) -> R) -> Option<R> {
        let hash = self.hasher.hash_one(probe);
        let shard = self.shard(hash)?;
        let seat = shard.find(hash, probe)?;
        shard.seats.get(seat as usize).map(|it| see(&it.value))
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|it| lock(it).seats.len()).sum()
    }

    /// The shard of a hash. Never `None`, for there is always a first.
    fn shard(&self, hash: u64) -> Option<MutexGuard<'_, Shard<K, V>>> {
        // The table inside takes its place from the low bits and its tag from the high ones.
        let middle = usize::try_from((hash >> 32) & 0xffff).unwrap_or(0);
        self.shards.get(middle % self.shards.len().max(1)).map(lock)
    }
}

impl<K, V: Fades> Shard<K, V> {
    fn find<Q: Probe<K>>(&self, hash: u64, probe: &Q) -> Option<u32> {
        let is_it = |it: &u32| self.seats.get(*it as usize).is_some_and(|it| it.hash == hash && probe.is(&it.key));
        self.index.find(hash, is_it).copied()
    }

    /// Takes in a key that has no seat yet.
    fn seat(&mut self, new: Seat<K, V>, most: usize) {
        let (hash, used) = (new.hash, new.used);
        let number = if let Some(number) = self.vacate(used, most) {
            if let Some(seat) = self.seats.get_mut(number as usize) {
                *seat = new;
            }
            number
        } else {
            self.seats.push(new);
            u32::try_from(self.seats.len() - 1).unwrap_or(u32::MAX)
        };
        self.idle.push(Reverse((used, number)));
        let seats = &self.seats;
        self.index.insert_unique(hash, number, |it| seats.get(*it as usize).map_or(0, |it| it.hash));
    }

    /// Frees the seat longest idle if there is no other, or if what sits there means nothing any more.
    fn vacate(&mut self, now: Tick, most: usize) -> Option<u32> {
        let number = self.longest_idle()?;
        let seat = self.seats.get(number as usize)?;
        if self.seats.len() < most && !seat.value.has_faded(now) {
            return None;
        }
        if let Ok(entry) = self.index.find_entry(seat.hash, |it| *it == number) {
            entry.remove();
        }
        self.idle.pop();
        Some(number)
    }

    fn longest_idle(&mut self) -> Option<u32> {
        loop {
            let mut top = self.idle.peek_mut()?;
            let Reverse((stamp, number)) = *top;
            let used = self.seats.get(number as usize)?.used;
            if used <= stamp {
                return Some(number);
            }
            *top = Reverse((used, number));
        }
    }
}

impl<K, V> fmt::Debug for Bounded<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded")
            .field("shards", &self.shards.len())
            .field("seats", &self.seats)
            .finish_non_exhaustive()
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl Probe<u64> for u64 {
        fn is(&self, kept: &u64) -> bool {
            self == kept
        }
        fn keep(&self) -> u64 {
            *self
        }
    }

    /// Fades at the tick it holds.
    struct Until(u64);

    impl Fades for Until {
        fn has_faded(&self, now: Tick) -> bool {
            now.nanos() >= self.0
        }
    }

    const NEVER: u64 = u64::MAX;

    fn touch(map: &Bounded<u64, Until>, key: u64, now: u64, until: u64) {
        map.enter(&key, Tick::from_nanos(now), || Until(until), |_| ());
    }

    fn holds(map: &Bounded<u64, Until>, key: u64) -> bool {
        map.look(&key, |_| ()).is_some()
    }

    #[test]
    fn whoever_was_idle_longest_makes_room() {
        let map = Bounded::new(NonZeroU32::new(3).unwrap());
        for (now, key) in [(1, 1), (2, 2), (3, 3), (4, 1), (5, 4)] {
            touch(&map, key, now, NEVER);
        }
        assert_eq!([1, 2, 3, 4].map(|key| holds(&map, key)), [true, false, true, true]);
    }

    #[test]
    fn what_has_faded_makes_room_before_the_map_grows() {
        let map = Bounded::new(NonZeroU32::new(1000).unwrap());
        (0..10_000).for_each(|now| touch(&map, now, now, now + 5));
        assert!(map.len() <= 6, "{}", map.len());
    }

    proptest! {
        #[test]
        fn it_holds_exactly_the_last_used(touches in prop::collection::vec(0u64..12, 1..200), bound in 1u32..8) {
            let map = Bounded::new(NonZeroU32::new(bound).unwrap());
            let mut model = BTreeMap::new();
            for (now, key) in (1u64..).zip(touches) {
                touch(&map, key, now, NEVER);
                if !model.contains_key(&key) && model.len() == bound as usize {
                    let oldest = *model.iter().min_by_key(|(_, used)| **used).unwrap().0;
                    model.remove(&oldest);
                }
                model.insert(key, now);
                for key in 0..12 {
                    prop_assert_eq!(holds(&map, key), model.contains_key(&key));
                }
            }
        }
    }

    #[test]
    fn a_large_map_stays_within_its_bound_and_uses_nearly_all_of_it() {
        let map = Bounded::new(NonZeroU32::new(50_000).unwrap());
        (0..200_000).for_each(|key| touch(&map, key, key, NEVER));
        assert!((48_000..=50_000).contains(&map.len()), "{}", map.len());
    }
}
