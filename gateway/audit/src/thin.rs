//! Checkpoints that were kept grow fewer with age: one a minute is much to read for whoever verifies a log of years.
//!
//! What goes is missed by nobody. Every entry is covered by each newer checkpoint, and of each time some stay.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::{Lifetime, disk};

/// For how long all of them stay, and for how long one an hour does; of what is older, one a day.
const ALL: Duration = Duration::from_hours(2 * 24);
const HOURLY: Duration = Duration::from_hours(90 * 24);

/// How many go at once at most.
const MOST: usize = 4096;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How many lines the text of a note has that names no successor.
const PLAIN: usize = 3;

/// Removes checkpoints that are one too many for their age. Which are old is told by what was seen to pass: the first of
/// each start stays, the newest, and every one that names a successor. Gives how many went.
pub fn thin(log: &Path, life: &Lifetime) -> io::Result<usize> {
    let folder = log.join("checkpoints");
    let mut sizes = sizes(&folder)?;
    // The newest tells what the log was when it was written last.
    sizes.pop();
    let (some, few) = (life.as_old_as(ALL), life.as_old_as(HOURLY));
    let (mut told, mut gone) = (HashSet::new(), 0);
    for size in sizes {
        if some < size || MOST <= gone {
            break;
        }
        let span = if size <= few { DAY } else { HOUR };
        // What witnesses stood for goes first: by itself it would be one more kind of checkpoint to keep.
        let [cosigned, note] = ["cosigned", "note"].map(|end| folder.join(format!("{size}.{end}")));
        // Of each start and of each day that was lived the first one stays, whatever became of the times of files.
        let place = (life.era(size), span, written(&note)? / span);
        if told.insert(place) || names_successor(&note)? {
            continue;
        }
        for file in [cosigned, note] {
            match disk::take_away(&file) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
                Ok(()) | Err(_) => {}
            }
        }
        gone += 1;
    }
    if gone > 0 {
        disk::sync_folder(&folder)?;
    }
    Ok(gone)
}

/// How many entries those speak of that are kept, in order.
fn sizes(folder: &Path) -> io::Result<Vec<u64>> {
    let found = match std::fs::read_dir(folder) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut sizes = Vec::new();
    for it in found {
        sizes.extend(it?.file_name().to_str().and_then(|it| it.strip_suffix(".note")?.parse::<u64>().ok()));
    }
    sizes.sort_unstable();
    Ok(sizes)
}

/// When a note was written, in seconds, as its file says.
fn written(note: &Path) -> io::Result<u64> {
    Ok(note.metadata()?.modified()?.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs()))
}

/// Whether a note says more than a name, a size and a root: somebody will have to begin with it.
fn names_successor(note: &Path) -> io::Result<bool> {
    let bytes = disk::read(note)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).lines().take_while(|it| !it.is_empty()).count() != PLAIN)
}
