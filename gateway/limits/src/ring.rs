//! The slot ring: how many requests fell into the last window, wherever the window begins.
//!
//! A window of `n` slots keeps `n + 1` counters: the running slot and `n` whole ones before it. The oldest counts whole
//! although part of it has left the window, so the ring may count a slot too much and never one too little.

use std::time::Duration;

use domain::Tick;

/// Slots of a window of more than a second: a quarter of a second each in a minute.
const SLOTS: u32 = 240;
/// Slots of a window of a second or less. Its limits are small, and with 30 in a second every single loss is 3 %: a client
/// at 99.6 % of its limit loses none only if a slot is at most 0.4 % of the window.
const SHORT_SLOTS: u32 = 250;

#[derive(Debug)]
pub(crate) struct Ring {
    /// How long a slot is, in nanoseconds.
    slot: u64,
    /// How many slots before the running one are counted.
    whole: u32,
    /// The number of the running slot; slots are numbered from tick zero.
    head: u64,
    /// The oldest slot that holds anything; the running one when nothing is held.
    tail: u64,
    /// What all slots hold together.
    sum: u32,
    cells: Cells,
}

/// One counter for each slot; two bytes wide where the limit allows it, for most memory goes here.
#[derive(Debug)]
enum Cells {
    Narrow(Box<[u16]>),
    Wide(Box<[u32]>),
}

impl Ring {
    /// An empty ring for a window and the highest count it will be asked to hold.
    pub(crate) fn new(window: Duration, limit: u32) -> Self {
        let slots = if window <= Duration::from_secs(1) { SHORT_SLOTS } else { SLOTS };
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX).max(1);
        // Rounded up: `slots` of them are never shorter than the window.
        Self::spanning(window.div_ceil(u64::from(slots)), slots, limit)
    }

    fn spanning(slot: u64, whole: u32, limit: u32) -> Self {
        let len = usize::try_from(whole).unwrap_or(usize::MAX).saturating_add(1);
        let cells = if u16::try_from(limit).is_ok() {
            Cells::Narrow(vec![0; len].into())
        } else {
            Cells::Wide(vec![0; len].into())
        };
        Self { slot, whole, head: 0, tail: 0, sum: 0, cells }
    }

    /// Lets go of what has left the window. Each slot is visited once in its life, so this is O(1) amortised.
    pub(crate) fn advance(&mut self, now: Tick) {
        // Two requests may arrive in one order and be counted in the other. Counting the earlier one late is the
        // conservative side.
        self.head = self.head.max(now.nanos() / self.slot);
        let horizon = self.head.saturating_sub(u64::from(self.whole));
        while self.sum > 0 {
            let held = self.cells.held(self.tail);
            if self.tail >= horizon && held > 0 {
                return;
            }
            self.cells.clear(self.tail);
            self.sum = self.sum.saturating_sub(held);
            self.tail += 1;
        }
        self.tail = self.head;
    }

    /// What is counted now, as of the last [`Self::advance`].
    pub(crate) fn sum(&self) -> u32 {
        self.sum
    }

    /// Counts `cost` in the running slot.
    pub(crate) fn spend(&mut self, cost: u32) {
        let before = self.cells.held(self.head);
        let after = self.cells.add(self.head, cost);
        self.sum = self.sum.saturating_add(after - before);
    }

    /// How long until the oldest counted slot leaves.
    pub(crate) fn until_next(&self, now: Tick) -> Duration {
        self.leaves(self.tail).since(now)
    }

    /// How long until `cost` more would be within `limit`; `None` if that will never be.
    pub(crate) fn until_room(&self, cost: u32, limit: u32, now: Tick) -> Option<Duration> {
        let mut left = self.sum;
        let room = limit.checked_sub(cost)?;
        let freeing = (self.tail..=self.head).find(|slot| {
            left = left.saturating_sub(self.cells.held(*slot));
            left <= room
        })?;
        Some(self.leaves(freeing).since(now))
    }

    /// Whether everything ever counted has left the window.
    pub(crate) fn is_spent(&self, now: Tick) -> bool {
        self.sum == 0 || now.nanos() / self.slot > self.head.saturating_add(u64::from(self.whole))
    }

    /// How long the window is, to within the rounding of a slot.
    pub(crate) fn reach(&self) -> u64 {
        self.slot.saturating_mul(u64::from(self.whole))
    }

    /// Counts what another ring holds. Each of its slots is taken to have come as late as it can have, so that nothing
    /// is let go of early.
    pub(crate) fn take_over(&mut self, other: &Self, now: Tick) {
        for old in other.tail..=other.head {
            let held = other.cells.held(old);
            let latest = (old + 1).saturating_mul(other.slot).saturating_sub(1).min(now.nanos());
            if held > 0 {
                self.advance(Tick::from_nanos(latest));
                self.spend(held);
            }
        }
        self.advance(now);
    }

    /// When a slot leaves the window.
    fn leaves(&self, slot: u64) -> Tick {
        Tick::from_nanos((slot + u64::from(self.whole) + 1).saturating_mul(self.slot))
    }
}

impl Cells {
    fn held(&self, slot: u64) -> u32 {
        match self {
            Self::Narrow(cells) => at(cells, slot).map_or(0, |it| u32::from(*it)),
            Self::Wide(cells) => at(cells, slot).map_or(0, |it| *it),
        }
    }

    fn clear(&mut self, slot: u64) {
        match self {
            Self::Narrow(cells) => at_mut(cells, slot).map_or((), |it| *it = 0),
            Self::Wide(cells) => at_mut(cells, slot).map_or((), |it| *it = 0),
        }
    }

    /// Gives what the slot holds afterwards. Saturates: a full cell is at least any limit its width was chosen for, so
    /// nothing is admitted while it stands.
    fn add(&mut self, slot: u64, cost: u32) -> u32 {
        match self {
            Self::Narrow(cells) => at_mut(cells, slot).map_or(0, |it| {
                *it = it.saturating_add(u16::try_from(cost).unwrap_or(u16::MAX));
                u32::from(*it)
            }),
            Self::Wide(cells) => at_mut(cells, slot).map_or(0, |it| {
                *it = it.saturating_add(cost);
                *it
            }),
        }
    }
}

fn at<T>(cells: &[T], slot: u64) -> Option<&T> {
    cells.get(place(cells.len(), slot))
}

fn at_mut<T>(cells: &mut [T], slot: u64) -> Option<&mut T> {
    let place = place(cells.len(), slot);
    cells.get_mut(place)
}

fn place(len: usize, slot: u64) -> usize {
    usize::try_from(slot % len.max(1) as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
