//! The memory that bodies may take together which are read before they are sent on, until their requests are over.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::{IntGauge, Registry};

/// Of how much of it those of one address may have a part, so that nobody shuts out all others.
const PART: u64 = 4;

/// The least that one address may have: some of the largest bodies.
const LEAST: u64 = 16 * 1024 * 1024;

/// What is left of it, for all requests.
pub(crate) struct Room {
    left: AtomicU64,
    held: IntGauge,
    /// The most that the requests of one address may have, and what they have.
    most: u64,
    by: Mutex<HashMap<IpAddr, u64>>,
}

impl Room {
    /// Room for so many bytes, of which everybody sees how many are taken.
    pub(crate) fn new(bytes: u64, registry: &Registry) -> prometheus::Result<Self> {
        let held = IntGauge::new("bodies_held_bytes", "Bytes of bodies that are held before they are sent on.")?;
        registry.register(Box::new(held.clone()))?;
        Ok(Self { left: AtomicU64::new(bytes), held, most: (bytes / PART).max(LEAST), by: Mutex::default() })
    }

    fn take(&self, whose: IpAddr, bytes: u64) -> bool {
        let mut by = self.by();
        let taken = by.get(&whose).copied().unwrap_or_default() + bytes;
        let less = |left: u64| left.checked_sub(bytes);
        if self.most < taken || self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            return false;
        }
        by.insert(whose, taken);
        self.held.add(i64::try_from(bytes).unwrap_or(i64::MAX));
        true
    }

    fn give_back(&self, whose: IpAddr, bytes: u64) {
        let mut by = self.by();
        match by.get(&whose).map(|it| it.saturating_sub(bytes)) {
            Some(left) if left > 0 => drop(by.insert(whose, left)),
            Some(_) | None => drop(by.remove(&whose)),
        }
        self.left.fetch_add(bytes, Ordering::Relaxed);
        self.held.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn by(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        self.by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one request has of it, until it is over.
#[derive(Default)]
pub(crate) struct Share {
    taken: Option<Taken>,
}

struct Taken {
    room: Arc<Room>,
    whose: IpAddr,
    bytes: u64,
}

impl Share {
    /// Takes room for so many bytes more of a request from this address; `false` where there is not so much, for it or for
    /// anybody, and then nothing is taken.
    pub(crate) fn take(&mut self, room: &Arc<Room>, from: IpAddr, bytes: usize) -> bool {
        let (whose, bytes) = (network(from), bytes as u64);
        if !room.take(whose, bytes) {
            return false;
        }
        self.taken.get_or_insert_with(|| Taken { room: Arc::clone(room), whose, bytes: 0 }).bytes += bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(Taken { room, whose, bytes }) = self.taken.take() {
            room.give_back(whose, bytes);
        }
    }
}

/// Of the newer kind half of an address, which is what one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(it) => {
            let [a, b, c, d, ..] = it.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

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
                prop_assert!(shares[of].take(&room, ADDRESS, piece) == fits);
                taken += if fits { piece as u64 } else { 0 };
                prop_assert!(u64::try_from(room.held.get()) == Ok(taken));
            }
            drop(shares);
            prop_assert!(room.left.load(Ordering::Relaxed) == bytes && room.held.get() == 0);
        }
    }

    #[test]
    fn one_address_leaves_room_for_others_and_has_as_many_hosts_as_it_likes() {
        let room = Arc::new(Room::new(8 * LEAST, &Registry::new()).unwrap());
        let (mut one, mut neighbour, mut other) = (Share::default(), Share::default(), Share::default());
        let most = usize::try_from(2 * LEAST).unwrap();
        let [first, second, third] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|it| it.parse().unwrap());
        assert!(one.take(&room, first, most));
        assert!(!one.take(&room, first, 1) && !neighbour.take(&room, second, 1));
        assert!(other.take(&room, third, most));
        drop(one);
        assert!(neighbour.take(&room, second, most));
        drop((neighbour, other));
        assert!(room.by().is_empty() && room.held.get() == 0);
    }
}
