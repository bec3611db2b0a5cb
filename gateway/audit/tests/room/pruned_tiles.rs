//! A tile of entries that are gone is told by the one above it.

use std::fs;

use audit::Unproven;

use crate::retention::{good, old_log, step_by, verified};

#[test]
fn a_tile_of_entries_that_are_gone_is_told_by_the_one_above_it_and_by_nobody_is_it_made_anew() {
    let log = old_log();
    step_by(log.path());
    good(log.path());
    let (path, signed) = (|it: &str| log.path().join("tile").join(it), verified(log.path()).signed);
    let tiles = ["0/000", "0/001", "0/002"];
    let above = format!("1/000.p/{}", signed / 256);
    let flipped = |name: &str, at: usize| {
        let mut bytes = fs::read(path(name)).unwrap();
        bytes[at] ^= 1;
        bytes
    };
    let says = |it: &str| {
        let first = it.strip_prefix("0/").map_or(0, |it| it.parse::<u64>().unwrap() * 256);
        let last = if it.starts_with('0') { first + 255 } else { signed / 256 * 256 - 1 };
        format!("tile `tile/{it}` is not that of entries {first} to {last}")
    };
    // A bit of the first hash, or of the last, or half of the file.
    for damaged in [vec![0], vec![1], vec![2], vec![0, 1], vec![1, 2], vec![0, 1, 2]] {
        for damage in 0..3 {
            let whole: Vec<_> = damaged.iter().map(|it| (tiles[*it], fs::read(path(tiles[*it])).unwrap())).collect();
            for (name, bytes) in &whole {
                let bytes = [flipped(name, 3), flipped(name, 8191), bytes[..4096].to_vec()][damage].clone();
                fs::write(path(name), bytes).unwrap();
            }
            let found: Vec<String> = verified(log.path()).faults.iter().map(ToString::to_string).collect();
            assert_eq!(found, whole.iter().map(|(it, _)| says(it)).collect::<Vec<_>>(), "{damage}");
            let named: Vec<String> = whole.iter().map(|(it, _)| format!("tile/{it}")).collect();
            let examined = audit::examine(log.path()).unwrap();
            assert_eq!((&examined.tiles, examined.unlike), (&named, false), "{damage}");
            assert!(matches!(crate::doctor::mend(log.path()), Err(Unproven::Tile(it)) if it == named[0]));
            for (name, bytes) in whole {
                fs::write(path(name), bytes).unwrap();
            }
        }
    }
    // The one above is blamed where it is the one that was changed.
    let whole = fs::read(path(&above)).unwrap();
    fs::write(path(&above), flipped(&above, 40)).unwrap();
    let found: Vec<String> = verified(log.path()).faults.iter().map(ToString::to_string).collect();
    assert_eq!(found, [says(&above)]);
    fs::write(path(&above), whole).unwrap();
    good(log.path());
}
