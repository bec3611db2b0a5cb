//! Going round through what was written before: what somebody did to it while nobody listened is found a little at a time.

use std::path::PathBuf;
use std::time::Duration;

use domain::Tick;

use crate::tree::{FULL, Tile, bundle_path};

/// How many bundles are looked at each time, with the tiles over them: entries wait meanwhile, and the disk may be slow.
const AT_ONCE: u64 = 4;

/// How long after one round has begun the next one does, at the earliest.
const AGAIN: Duration = Duration::from_hours(24);

/// How far it has come. The first round begins with the process.
#[derive(Debug, Default)]
pub(crate) struct Round {
    next: u64,
    begun: Option<Tick>,
}

impl Round {
    /// The names that are next, in their order, in a log that has so many entries in whole bundles, of which those from
    /// entry `minimum` on are kept.
    pub(crate) fn next(&mut self, size: u64, minimum: u64, now: Tick) -> Vec<PathBuf> {
        let begun = *self.begun.get_or_insert(now);
        let whole = size / FULL as u64;
        if whole <= self.next && AGAIN <= now.since(begun) {
            *self = Self { next: 0, begun: Some(now) };
        }
        let end = whole.min(self.next + AT_ONCE);
        let mut names = Vec::new();
        for index in self.next..end {
            // The tile over its hashes, and each whole one above that it is the first beneath: what is above comes first,
            // because what is beneath is held to it.
            let (mut tile, mut tiles) = (Tile { level: 0, index }, Vec::new());
            let mut span = 1_u64;
            while (tile.index + 1).saturating_mul(span) <= whole {
                tiles.push(tile.path(FULL));
                if tile.index % FULL as u64 != 0 {
                    break;
                }
                tile = Tile { level: tile.level.saturating_add(1), index: tile.index / FULL as u64 };
                span = span.saturating_mul(FULL as u64);
            }
            names.extend(tiles.into_iter().rev());
            if minimum <= index * FULL as u64 {
                names.push(bundle_path(index, FULL));
            }
        }
        self.next = self.next.max(end);
        names.into_iter().map(PathBuf::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> Tick {
        Tick::from_nanos(hours * 3_600_000_000_000)
    }

    #[test]
    fn each_file_is_looked_at_once_in_a_round_and_again_on_another_day() {
        let mut round = Round::default();
        let mut seen: Vec<PathBuf> = Vec::new();
        let size = 257 * 256 + 17;
        for _ in 0..70 {
            seen.extend(round.next(size, 512, at(1)));
        }
        assert_eq!(seen.len(), 255 + 257 + 1);
        for name in ["tile/entries/002", "tile/entries/256", "tile/0/000", "tile/0/256", "tile/1/000"] {
            assert_eq!(seen.iter().filter(|it| it.to_str() == Some(name)).count(), 1, "{name}");
        }
        assert!(!seen.contains(&PathBuf::from("tile/entries/001")), "it was pruned");
        assert_eq!(seen[..2], [PathBuf::from("tile/1/000"), PathBuf::from("tile/0/000")]);
        // What is written meanwhile was listened to, and is gone through all the same.
        assert_eq!(round.next(size + 256, 512, at(20)).len(), 2);
        assert_eq!(round.next(size + 256, 512, at(20)), Vec::<PathBuf>::new());
        assert_eq!(round.next(size + 256, 512, at(25)).len(), 5 + 2, "another round");
    }
}
