//! A map that never holds more than it was told to, in shards so that two requests rarely wait for each other.
//!
//! When a shard is full, whatever in it has been idle longest makes room. A hit allocates nothing and moves nothing.
//! Instead of a key the map keeps 128 bits of its hash under secrets drawn at start: one less place in memory to visit,
//! and among a million keys two are mistaken for one with a probability below 2^-88.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::Tick;
use hashbrown::HashTable;
use siphasher::sip128::{Hasher128, SipHasher13};

const MAX_SHARDS: usize = 256;
/// A shard of fewer seats fills unevenly, so that a small map would forget well below its bound.
const MIN_SEATS: usize = 1024;

/// Something that means nothing any more once it has been left alone long enough.
pub(crate) trait Fades {
    fn has_faded(&self, now: Tick) -> bool;
}

pub(crate) struct Bounded<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    seats: usize,
    /// Begun with the secrets.
    hasher: SipHasher13,
}

struct Shard<V> {
    seats: HashTable<Seat<V>>,
    /// Each seat once, with a moment at or before its last use. A seat is put in its right place when it comes up, not
    /// when it is used, which keeps use cheap and still finds the one longest idle.
    idle: BinaryHeap<Reverse<(Tick, Name)>>,
}

struct Seat<V> {
    name: Name,
    used: Tick,
    value: V,
}

/// The hash of a key, in two halves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name(u64, u64);

impl<V: Fades> Bounded<V> {
    pub(crate) fn new(bound: NonZeroU32) -> Self {
        let bound = usize::try_from(bound.get()).unwrap_or(usize::MAX);
        let shards = (bound / MIN_SEATS).clamp(1, MAX_SHARDS);
        let shard = || Mutex::new(Shard { seats: HashTable::new(), idle: BinaryHeap::new() });
        Self {
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            seats: bound / shards,
            hasher: SipHasher13::new_with_keys(RandomState::new().hash_one(0), RandomState::new().hash_one(1)),
        }
    }

    /// Acts on the value of a key, which is made if there is none.
    pub(crate) fn enter<R>(
        &self,
        key: &impl Hash,
        now: Tick,
        make: impl FnOnce() -> V,
        act: impl FnOnce(&mut V) -> R,
    ) -> R {
        let name = self.name(key);
        let Some(mut shard) = self.shard(name) else { return act(&mut make()) };
        if let Some(seat) = shard.seats.find_mut(name.0, |it| it.name == name) {
            seat.used = seat.used.max(now);
            return act(&mut seat.value);
        }
        let mut value = make();
        let result = act(&mut value);
        shard.seat(Seat { name, used: now, value }, self.seats);
        result
    }

    /// Looks at the value of a key, if there is one.
    pub(crate) fn look<R>(&self, key: &impl Hash, see: impl FnOnce(&V) -> R) -> Option<R> {
        let name = self.name(key);
        self.shard(name)?.seats.find(name.0, |it| it.name == name).map(|it| see(&it.value))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|it| lock(it).seats.len()).sum()
    }

    fn name(&self, key: &impl Hash) -> Name {
        let mut hasher = self.hasher;
        key.hash(&mut hasher);
        let hash = hasher.finish128();
        Name(hash.h1, hash.h2)
    }

    /// The shard of a name. Never `None`, for there is always a first. The table inside takes its place and its tag from
    /// the other half of the name.
    fn shard(&self, name: Name) -> Option<MutexGuard<'_, Shard<V>>> {
        let place = usize::try_from(name.1 % self.shards.len().max(1) as u64).unwrap_or(0);
        self.shards.get(place).map(lock)
    }
}

impl<V: Fades> Shard<V> {
    /// Takes in a key that has no seat yet. It gets the seat longest idle if there is no other, or if what sits there
    /// means nothing any more.
    fn seat(&mut self, new: Seat<V>, most: usize) {
        if let Some(oldest) = self.longest_idle()
            && let Ok(entry) = self.seats.find_entry(oldest.0, |it| it.name == oldest)
            && (entry.get().value.has_faded(new.used) || most <= self.idle.len())
        {
            entry.remove();
            self.idle.pop();
        }
        self.idle.push(Reverse((new.used, new.name)));
        self.seats.insert_unique(new.name.0, new, |it| it.name.0);
    }

    fn longest_idle(&mut self) -> Option<Name> {
        loop {
            let mut top = self.idle.peek_mut()?;
            let Reverse((stamp, name)) = *top;
            let used = self.seats.find(name.0, |it| it.name == name)?.used;
            if used <= stamp {
                return Some(name);
            }
            *top = Reverse((used, name));
        }
    }
}

impl<V> fmt::Debug for Bounded<V> {
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

    /// Fades at the tick it holds.
    struct Until(u64);

    impl Fades for Until {
        fn has_faded(&self, now: Tick) -> bool {
            now.nanos() >= self.0
        }
    }

    const NEVER: u64 = u64::MAX;

    fn touch(map: &Bounded<Until>, key: u64, now: u64, until: u64) {
        map.enter(&key, Tick::from_nanos(now), || Until(until), |_| ());
    }

    fn holds(map: &Bounded<Until>, key: u64) -> bool {
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
