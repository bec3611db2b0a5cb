//! What an index file is made of.

use aws_lc_rs::digest::{SHA256, digest as sha256};

use super::BUNDLES;
use super::file::{Counts, MAGIC};
use super::pages::pages;
use crate::field::{Fact, Field, facts};
use crate::tree::FULL;

/// How far the digest of a term is shifted: beneath it stands where an entry lies in its segment.
pub(super) const SHIFT: u32 = 16;

/// The digest by which a field and what is said of it are found: 48 bits. That others have the same costs a look at an
/// entry, no more.
pub(super) fn term(field: Field, value: &str) -> u64 {
    digest(field.name().as_bytes(), value.as_bytes())
}

/// The same for bytes that are no entry, which every question is shown.
pub(super) fn odd() -> u64 {
    digest(b"", b"")
}

fn digest(field: &[u8], value: &[u8]) -> u64 {
    // One call over a copy costs less than the context that several calls share.
    let digest = sha256(&SHA256, &[field, &[0], value].concat());
    u64::from_be_bytes(digest.as_ref().first_chunk().copied().unwrap_or_default()) >> SHIFT
}

/// Takes the entries of a segment in order.
pub(super) struct Builder {
    segment: u64,
    /// Terms, and beneath each where it was met.
    met: Vec<u64>,
    /// The least and the greatest time in each bundle.
    times: Vec<(i64, i64)>,
    said: Said,
}

/// What was last said of each field, with its term: entries in a row say much the same, and looking is cheaper than digesting.
#[derive(Default)]
struct Said(Vec<(Field, String, u64)>);

impl Said {
    fn term(&mut self, field: Field, value: &str) -> u64 {
        // No two requests have the same id.
        if field == Field::Request {
            return term(field, value);
        }
        if let Some((.., known)) = self.0.iter().find(|(it, last, _)| *it == field && last == value) {
            return *known;
        }
        let new = term(field, value);
        self.0.retain(|(it, ..)| *it != field);
        self.0.push((field, value.to_owned(), new));
        new
    }
}

impl Builder {
    pub(super) fn new(segment: u64) -> Self {
        let bundles = usize::try_from(BUNDLES).unwrap_or_default();
        Self { segment, met: Vec::new(), times: vec![(i64::MAX, i64::MIN); bundles], said: Said::default() }
    }

    pub(super) fn add(&mut self, bundle: u64, place: usize, entry: &[u8]) {
        let at = bundle * FULL as u64 + place as u64;
        let mut nothing = (0, 0);
        let times = usize::try_from(bundle).ok().and_then(|it| self.times.get_mut(it)).unwrap_or(&mut nothing);
        let before = self.met.len();
        let (met, said) = (&mut self.met, &mut self.said);
        let read = facts(entry, |fact| match fact {
            Fact::Time(time) => *times = (times.0.min(time), times.1.max(time)),
            Fact::Says(field, value) => met.push(said.term(field, value) << SHIFT | at),
        });
        if read.is_err() {
            self.met.truncate(before);
            self.met.push(odd() << SHIFT | at);
            *times = (i64::MIN, i64::MAX);
        }
    }

    /// The bytes of the file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.met.sort_unstable();
        self.met.dedup();
        let (mut single, mut many, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for group in self.met.chunk_by(|one, other| one >> SHIFT == other >> SHIFT) {
            match group {
                [] => {}
                [one] => single.push(*one),
                [first, ..] => {
                    many.push((first >> SHIFT << SHIFT, places.len(), group.len()));
                    places.extend(group.iter().map(|it| u16::try_from(it & 0xffff).unwrap_or_default()));
                }
            }
        }
        let counts = Counts { single: single.len(), many: many.len(), places: places.len() };
        let mut content = Vec::with_capacity(counts.end());
        content.extend_from_slice(MAGIC);
        content.extend_from_slice(&self.segment.to_le_bytes());
        let narrow = |it: usize| u32::try_from(it).unwrap_or(u32::MAX).to_le_bytes();
        for count in [counts.single, counts.many, counts.places] {
            content.extend_from_slice(&narrow(count));
        }
        for (least, greatest) in &self.times {
            content.extend_from_slice(&least.to_le_bytes());
            content.extend_from_slice(&greatest.to_le_bytes());
        }
        content.extend(single.iter().flat_map(|it| it.to_le_bytes()));
        for (term, at, count) in many {
            content.extend_from_slice(&term.to_le_bytes());
            content.extend_from_slice(&narrow(at));
            content.extend_from_slice(&narrow(count));
        }
        content.extend(places.iter().flat_map(|it| it.to_le_bytes()));
        pages(self.segment, &content)
    }
}
