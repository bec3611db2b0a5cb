//! Legal holds: what one that is in force promises to whoever has placed it.

use std::fs;

use audit::{Age, Hold, Pruning, Unpruned, place_hold, tree};

use crate::retention::policy;
use crate::trouble::{NOW, until};

#[test]
fn nothing_goes_any_more_once_a_hold_is_in_force() {
    const LEFT: u64 = 4000;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path();
    // What a process has left that died while it let go of much.
    let bundle = |index| log.join("tile/entries").join(tree::path_of(index));
    for index in 0..LEFT {
        fs::create_dir_all(bundle(index).parent().unwrap()).unwrap();
        fs::write(bundle(index), "").unwrap();
    }
    fs::write(log.join("minimum"), format!("{}\n", LEFT * 256)).unwrap();
    let count = || (0..LEFT).filter(|it| bundle(*it).exists()).count();
    std::thread::scope(|threads| {
        let going = threads.spawn(|| Pruning::ready(log, &policy(), Age::by_clock(NOW)).unwrap());
        until("the first to go", || !bundle(0).exists());
        let hold = Hold { tenant: None, actor: "a".to_owned(), since: NOW };
        assert!(place_hold(log, &"case".parse().unwrap(), &hold).unwrap());
        let left = count();
        let _ = going.join().unwrap();
        assert_eq!(left, count(), "entries went while a hold was in force");
    });
    assert!(matches!(Pruning::ready(log, &policy(), Age::by_clock(NOW)), Err(Unpruned::Held(_))));
}
