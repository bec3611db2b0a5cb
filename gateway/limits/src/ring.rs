//! The slot ring: how many requests fell into the last window, wherever the window begins.
//!
//! A window of `n` slots keeps `n + 1` counters: the running slot and `n` whole ones before it. The oldest counts whole
//! although part of it has left the window, so the ring may count a slot too much and never one too little.

use std::time::Duration;

use domain::Tick;

/// Slots of a window: 240 ms each in a minute, 4 ms in a second. A client that keeps up 99.6 % of its limit is never
/// refused if a slot is at most 0.4 % of the window; with 240 slots one whose limit is small would lose 3.6 %.
const SLOTS: u64 = 250;

#[derive(Debug)]
pub(crate) struct Ring {
    /// How long a slot is, in nanoseconds.
    slot: u64,
    /// The number of the running slot; slots are numbered from tick zero.
    head: u64,
    /// Where the running slot is among the cells.
    head_at: usize,
    /// How many slots ago the oldest one that holds anything was; 0 when nothing is held.
    // INVARIANT: cells older than this hold nothing, and while `sum` is not zero this one does.
    span: usize,
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
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX).max(1);
        // Rounded up: the slots are never shorter than the window.
        Self::spanning(window.div_ceil(SLOTS), SLOTS, limit)
    }

    fn spanning(slot: u64, whole: u64, limit: u32) -> Self {
        let len = usize::try_from(whole).unwrap_or(usize::MAX).saturating_add(1);
        let cells = if u16::try_from(limit).is_ok() {
            Cells::Narrow(vec![0; len].into())
        } else {
            Cells::Wide(vec![0; len].into())
        };
        Self { slot, head: 0, head_at: 0, span: 0, sum: 0, cells }
    }

    /// Lets go of what has left the window. Each slot is visited once in its life, so this is O(1) amortised.
    pub(crate) fn advance(&mut self, now: Tick) {
        // Two requests may arrive in one order and be counted in the other. Counting the earlier one late is the
        // conservative side.
        let head = self.head.max(now.nanos() / self.slot);
        let step = usize::try_from(head - self.head).unwrap_or(usize::MAX);
        self.head = head;
        if step == 0 || self.sum == 0 {
            return;
        }
        let (tail, len) = (self.tail_at(), self.cells.len());
        let span = self.span.saturating_add(step);
        self.head_at = (self.head_at + step % len) % len;
        self.span = span;
        if span >= len {
            let leaving = (span - len + 1).min(span - step + 1);
            let (freed, empty) = match &mut self.cells {
                Cells::Narrow(cells) => release(cells, tail, leaving),
                Cells::Wide(cells) => release(cells, tail, leaving),
            };
            self.sum = self.sum.saturating_sub(freed);
            self.span = if self.sum == 0 { 0 } else { span - leaving - empty };
        }
    }

    /// What is counted now, as of the last [`Self::advance`].
    pub(crate) fn sum(&self) -> u32 {
        self.sum
    }

    /// Counts `cost` in the running slot.
    pub(crate) fn spend(&mut self, cost: u32) {
        let added = match &mut self.cells {
            Cells::Narrow(cells) => add(cells, self.head_at, cost),
            Cells::Wide(cells) => add(cells, self.head_at, cost),
        };
        self.sum = self.sum.saturating_add(added);
    }

    /// How long until the oldest counted slot leaves.
    pub(crate) fn until_next(&self, now: Tick) -> Duration {
        self.leaves(self.span).since(now)
    }

    /// How long until `cost` more would be within `limit`; `None` if that will never be.
    pub(crate) fn until_room(&self, cost: u32, limit: u32, now: Tick) -> Option<Duration> {
        let room = limit.checked_sub(cost)?;
        let mut left = self.sum;
        let freeing = self.oldest_first().find(|(_, held)| {
            left = left.saturating_sub(*held);
            left <= room
        })?;
        Some(self.leaves(freeing.0).since(now))
    }

    /// Whether everything ever counted has left the window.
    pub(crate) fn is_spent(&self, now: Tick) -> bool {
        self.sum == 0 || now.nanos() / self.slot >= self.head.saturating_add(self.cells.len() as u64)
    }

    /// How long the window is, to within the rounding of a slot.
    pub(crate) fn reach(&self) -> u64 {
        self.slot.saturating_mul(self.cells.len() as u64 - 1)
    }

    /// Counts what another ring holds. Each of its slots is taken to have come as late as it can have, so that nothing
    /// is let go of early.
    pub(crate) fn take_over(&mut self, other: &Self, now: Tick) {
        for (age, held) in other.oldest_first().filter(|(_, held)| *held > 0) {
            let end = (other.head + 1 - age as u64).saturating_mul(other.slot);
            self.advance(Tick::from_nanos((end - 1).min(now.nanos())));
            self.spend(held);
        }
        self.advance(now);
    }

    /// When the slot of this age leaves the window.
    fn leaves(&self, age: usize) -> Tick {
        let slot = (self.head + self.cells.len() as u64).saturating_sub(age as u64);
        Tick::from_nanos(slot.saturating_mul(self.slot))
    }

    fn tail_at(&self) -> usize {
        self.at(self.span)
    }

    /// Where the slot of this age is among the cells.
    fn at(&self, age: usize) -> usize {
        self.head_at.checked_sub(age).unwrap_or_else(|| (self.head_at + self.cells.len()).saturating_sub(age))
    }

    /// The age of each slot and what it holds.
    fn oldest_first(&self) -> impl Iterator<Item = (usize, u32)> {
        (0..=self.span).rev().map(|age| (age, self.cells.held(self.at(age))))
    }
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Self::Narrow(cells) => cells.len(),
            Self::Wide(cells) => cells.len(),
        }
    }

    fn held(&self, at: usize) -> u32 {
        match self {
            Self::Narrow(cells) => cells.get(at).map_or(0, |it| u32::from(*it)),
            Self::Wide(cells) => cells.get(at).map_or(0, |it| *it),
        }
    }
}

/// Empties `count` cells from `at` on. Gives what they held and how many cells after them are empty already.
fn release<T: Copy + Default + Into<u32>>(cells: &mut [T], at: usize, count: usize) -> (u32, usize) {
    let (front, back) = cells.split_at_mut_checked(at).unwrap_or_default();
    let mut held = 0u32;
    for cell in back.iter_mut().chain(front.iter_mut()).take(count) {
        held = held.saturating_add(std::mem::take(cell).into());
    }
    let (front, back) = cells.split_at_checked((at + count) % cells.len().max(1)).unwrap_or_default();
    let empty = back.iter().chain(front).position(|it| (*it).into() > 0);
    (held, empty.unwrap_or(0))
}

/// Adds to one cell and gives by how much it grew. Saturates: a full cell is at least any limit its width was chosen
/// for, so nothing is admitted while it stands.
fn add<T: Copy + Into<u32> + TryFrom<u32>>(cells: &mut [T], at: usize, cost: u32) -> u32 {
    let widest = if size_of::<T>() == 2 { u32::from(u16::MAX) } else { u32::MAX };
    let Some(cell) = cells.get_mut(at) else { return 0 };
    let before: u32 = (*cell).into();
    let after = before.saturating_add(cost).min(widest);
    if let Ok(full) = T::try_from(after) {
        *cell = full;
    }
    after - before
}

#[cfg(test)]
mod tests;
