//! The memory that request bodies may take together while they are read before they are sent on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{IntGauge, Registry};

/// What is left of it, for all requests.
pub(crate) struct Room {
    left: AtomicU64,
    held: IntGauge,
}

impl Room {
    /// Room for so many bytes, of which everybody sees how many are taken.
    pub(crate) fn new(bytes: u64, registry: &Registry) -> prometheus::Result<Self> {
        let held = IntGauge::new("bodies_held_bytes", "Bytes of bodies that are held before they are sent on.")?;
        registry.register(Box::new(held.clone()))?;
        Ok(Self { left: AtomicU64::new(bytes), held })
    }

    fn moved(&self, bytes: u64, taken: bool) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if taken { self.held.add(bytes) } else { self.held.sub(bytes) }
    }
}

/// What one request has of it, until it is over.
#[derive(Default)]
pub(crate) struct Share {
    taken: Option<(Arc<Room>, u64)>,
}

impl Share {
    /// Takes room for so many bytes more; `false` where there is not so much, and then nothing is taken.
    pub(crate) fn take(&mut self, room: &Arc<Room>, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let less = |left: u64| left.checked_sub(bytes);
        if room.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            return false;
        }
        let (_, taken) = self.taken.get_or_insert_with(|| (Arc::clone(room), 0));
        *taken += bytes;
        room.moved(bytes, true);
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((room, taken)) = self.taken.take() {
            room.left.fetch_add(taken, Ordering::Relaxed);
            room.moved(taken, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    use super::*;

    proptest! {
        #[test]
        fn no_more_is_taken_than_there_is_and_all_of_it_comes_back(
            bytes in 0_u64..1000,
            asked in vec((0_usize..5, 0_usize..400), 0..50),
        ) {
            let (room, mut shares, mut taken) = (Arc::new(Room::new(bytes, &Registry::new()).unwrap()), Vec::new(), 0);
            shares.resize_with(5, Share::default);
            for (of, piece) in asked {
                let fits = taken + piece as u64 <= bytes;
                prop_assert!(shares[of].take(&room, piece) == fits);
                taken += if fits { piece as u64 } else { 0 };
                prop_assert!(u64::try_from(room.held.get()) == Ok(taken));
            }
            drop(shares);
            prop_assert!(room.left.load(Ordering::Relaxed) == bytes && room.held.get() == 0);
        }
    }
}
