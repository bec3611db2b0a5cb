//! An index file as it is read: its head, the times of its bundles, and two sorted tables of terms.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::Path;

use super::build::{SHIFT, odd, term};
use super::pages::Pages;
use super::{BUNDLES, SEGMENT, Spot};
use crate::disk;
use crate::query::Filter;
use crate::tree::FULL;

/// What a file begins with; its last byte is the version of the form.
pub(super) const MAGIC: &[u8; 8] = b"pcindex\x02";

/// How long the head is: the magic, the number of the segment and three counts.
const HEAD: usize = 28;

/// How long the least and the greatest time of a bundle are.
const TIMES: usize = 16;

/// How long a row is: of a term that was met once, and of one that was met more often.
const SINGLE: usize = 8;
const MANY: usize = 16;

/// More rows or places than any segment gives: its entries have at most a dozen terms each.
const MOST: usize = 1 << 20;

/// How many rows around the place where a term should be are read first.
const AROUND: usize = 300;

/// A file that is missing, damaged, or of another version: all the same to whoever needs one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAnIndex;

/// How many rows and places there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) single: usize,
    pub(super) many: usize,
    pub(super) places: usize,
}

impl Counts {
    fn times() -> usize {
        usize::try_from(BUNDLES).unwrap_or_default() * TIMES
    }

    fn singles_at() -> usize {
        HEAD + Self::times()
    }

    fn manys_at(self) -> usize {
        Self::singles_at() + self.single * SINGLE
    }

    fn places_at(self) -> usize {
        self.manys_at() + self.many * MANY
    }

    /// How long the content is.
    pub(super) fn end(self) -> usize {
        self.places_at() + self.places * 2
    }
}

/// An index that can be asked.
#[derive(Debug)]
pub(super) struct Index {
    pages: Pages,
    segment: u64,
    counts: Counts,
}

impl Index {
    pub(super) fn open(path: &Path, segment: u64) -> Result<Self, NotAnIndex> {
        Self::over(Pages::Of(disk::open_to_read(path).map_err(|_| NotAnIndex)?), segment)
    }

    pub(super) fn of(bytes: Vec<u8>, segment: u64) -> Result<Self, NotAnIndex> {
        Self::over(Pages::In(bytes), segment)
    }

    fn over(pages: Pages, segment: u64) -> Result<Self, NotAnIndex> {
        let head = pages.read(segment, 0, HEAD)?;
        let (magic, rest) = head.split_first_chunk::<8>().ok_or(NotAnIndex)?;
        let (own, rest) = rest.split_first_chunk::<8>().ok_or(NotAnIndex)?;
        let [single, many, places] = rest.as_chunks::<4>().0 else { return Err(NotAnIndex) };
        if magic != MAGIC || u64::from_le_bytes(*own) != segment {
            return Err(NotAnIndex);
        }
        let wide = |it: &[u8; 4]| usize::try_from(u32::from_le_bytes(*it)).unwrap_or_default();
        let counts = Counts { single: wide(single), many: wide(many), places: wide(places) };
        if [counts.single, counts.many, counts.places].iter().any(|it| MOST < *it) {
            return Err(NotAnIndex);
        }
        Ok(Self { pages, segment, counts })
    }

    /// Whether all of it can be read.
    pub(super) fn is_whole(&self) -> bool {
        self.read(0, self.counts.end()).is_ok()
    }

    fn read(&self, at: usize, length: usize) -> Result<Vec<u8>, NotAnIndex> {
        self.pages.read(self.segment, at, length)
    }

    /// The least and the greatest time of each bundle.
    fn times(&self) -> Result<Vec<(i64, i64)>, NotAnIndex> {
        let bytes = self.read(HEAD, Counts::times())?;
        let pairs = bytes.as_chunks::<8>().0.as_chunks::<2>().0;
        Ok(pairs.iter().map(|[least, greatest]| (i64::from_le_bytes(*least), i64::from_le_bytes(*greatest))).collect())
    }

    /// Where in the segment a term was met, in order.
    fn places(&self, term: u64) -> Result<Vec<u16>, NotAnIndex> {
        if let Some(row) = self.row(term, Counts::singles_at(), self.counts.single, SINGLE)? {
            return Ok(vec![u16::try_from(first(&row) & 0xffff).unwrap_or_default()]);
        }
        let Some(row) = self.row(term, self.counts.manys_at(), self.counts.many, MANY)? else { return Ok(Vec::new()) };
        let [_, _, at, count] = row.as_chunks::<4>().0 else { return Err(NotAnIndex) };
        let wide = |it: &[u8; 4]| usize::try_from(u32::from_le_bytes(*it)).unwrap_or_default();
        let (at, count) = (wide(at), wide(count));
        if self.counts.places < at.saturating_add(count) {
            return Err(NotAnIndex);
        }
        let bytes = self.read(self.counts.places_at() + at * 2, count * 2)?;
        Ok(bytes.as_chunks::<2>().0.iter().map(|it| u16::from_le_bytes(*it)).collect())
    }

    /// The row of a term in a table. Digests lie evenly, so that one look where it should be mostly finds it.
    fn row(&self, term: u64, at: usize, count: usize, width: usize) -> Result<Option<Vec<u8>>, NotAnIndex> {
        // 48 bits times a count of 32 fit into 128.
        let guess = usize::try_from((u128::from(term) * count as u128) >> 48).unwrap_or_default();
        let mut around = AROUND;
        loop {
            let (low, high) = (guess.saturating_sub(around), guess.saturating_add(around).min(count));
            let rows = self.read(at + low * width, (high - low) * width)?;
            let rows: Vec<&[u8]> = rows.chunks_exact(width).collect();
            let found = rows.binary_search_by(|it| (first(it) >> SHIFT).cmp(&term));
            let inside = |place: usize| (low == 0 || place > 0) && (high == count || place < rows.len());
            match found {
                Ok(place) => return Ok(rows.get(place).map(|it| it.to_vec())),
                Err(place) if inside(place) => return Ok(None),
                Err(_) => around = around.saturating_mul(8),
            }
        }
    }
}

/// The number a row begins with.
fn first(row: &[u8]) -> u64 {
    row.first_chunk().map_or(0, |it| u64::from_le_bytes(*it))
}

/// Where in the segment the entries are that a filter may admit.
pub(super) fn spots(index: &Index, filter: &Filter) -> Result<Vec<Spot>, NotAnIndex> {
    let mut kept: Option<Vec<u16>> = None;
    for (field, value) in filter.asked() {
        let places = index.places(term(field, value))?;
        kept = Some(match kept {
            None => places,
            Some(before) => both(&before, &places),
        });
    }
    let odd = index.places(odd())?;
    let kept = kept.map(|it| it.into_iter().chain(odd).collect::<BTreeSet<u16>>());
    let first = index.segment * SEGMENT / FULL as u64;
    let mut spots: Vec<Spot> = match kept {
        None => (first..first + BUNDLES).map(Spot::whole).collect(),
        Some(places) => spread(first, &places),
    };
    if filter.since.is_some() || filter.until.is_some() {
        let times = index.times()?;
        let time_of = |it: &Spot| usize::try_from(it.bundle - first).ok().and_then(|it| times.get(it)).copied();
        spots.retain(|it| time_of(it).is_none_or(|(least, greatest)| filter.overlaps(least, greatest)));
    }
    Ok(spots)
}

/// Places of a segment, bundle by bundle.
fn spread(first: u64, places: &BTreeSet<u16>) -> Vec<Spot> {
    let mut spots: Vec<Spot> = Vec::new();
    for place in places {
        let [bundle, within] = place.to_be_bytes();
        let bundle = first + u64::from(bundle);
        match spots.last_mut() {
            Some(Spot { bundle: last, only: Some(only) }) if *last == bundle => only.push(within),
            _ => spots.push(Spot { bundle, only: Some(vec![within]) }),
        }
    }
    spots
}

/// What is in two sorted lists.
fn both(one: &[u16], other: &[u16]) -> Vec<u16> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut both = Vec::new();
    while let (Some(left), Some(right)) = (one.peek(), other.peek()) {
        match left.cmp(right) {
            Ordering::Less => drop(one.next()),
            Ordering::Greater => drop(other.next()),
            Ordering::Equal => {
                both.push(**left);
                one.next();
                other.next();
            }
        }
    }
    both
}
