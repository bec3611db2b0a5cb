//! What a write-ahead file still has, over what was changed in it.

use super::{Frame, Frames, HEAD, Inserted, is_whole, may_be, split};
use crate::sequencer::MAX_ENTRY;
use crate::tree::{self, FULL, Hash};

/// What a file has of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'b> {
    /// Its bytes; nothing where they are not what they were.
    pub(crate) entry: Option<&'b [u8]>,
    /// The frame is not as it was written.
    pub(crate) changed: bool,
}

/// What a file has of each of its entries, over those that were changed, and what was put between them. `told` gives the
/// leaf hash of an entry where it is known. What comes after the last whole entry is torn, but for one frame that ends where
/// the file does.
pub(crate) fn survey(bytes: &[u8], first: u64, told: impl Fn(u64) -> Option<Hash>) -> (Vec<Piece<'_>>, Vec<Inserted>) {
    let (mut all, mut inserted, mut rest) = (Vec::new(), Vec::new(), bytes);
    loop {
        let (mut frames, before) = (Frames::of(rest), all.len() as u64);
        all.extend(frames.by_ref().map(|(_, entry)| Piece { entry: Some(entry), changed: false }));
        inserted.extend(frames.inserted().iter().map(|it| Inserted { before: before + it.before, ..*it }));
        rest = frames.rest;
        let seq = first + all.len() as u64;
        let goes_on = |after: &[u8]| after.is_empty() || split(after).is_some_and(|it| is_whole(&it));
        if let Some(Frame { entry, rest: after, .. }) = split(rest).filter(|it| goes_on(it.rest)) {
            // Where the part of the hash was changed the entry is what it was.
            let entry = Some(entry).filter(|it| told(seq) == Some(tree::leaf(it)));
            all.push(Piece { entry, changed: true });
            rest = after;
            continue;
        }
        // The length was changed, or something was put before the next one.
        let Some((after, next)) = following(rest) else { return (all, inserted) };
        let next = Some(tree::leaf(next));
        let lost = (0..FULL).find(|it| told(seq + *it as u64) == next).unwrap_or(1);
        if lost == 0 {
            inserted.push(Inserted { before: all.len() as u64, bytes: rest.len() - after.len() });
        }
        all.extend(std::iter::repeat_n(Piece { entry: None, changed: true }, lost));
        rest = after;
    }
}

/// What comes from the first whole frame on after the one that begins here, and the entry in it. The one that begins here has
/// an entry that is no longer than it may be.
fn following(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    (1..=HEAD + MAX_ENTRY).map_while(|at| bytes.get(at..)).find_map(|rest| {
        let frame = split(rest).filter(may_be)?;
        is_whole(&frame).then_some((rest, frame.entry))
    })
}
