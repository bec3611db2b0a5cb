//! The log of entries, wherever its process or its machine goes down: what was certain is there, and nothing else is wrong.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "what fails here must fail the test")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use audit::note::Signer;
use audit::{AuditSettings, Author, Before, Entries, Grounds, Log, Notice, verify, view};
use domain::{SystemClock, Timestamp};
use faults::{Call, Dice, Disk, Done, Layer, Seed, journal, number, tell};
use tempfile::TempDir;

/// Where the log lies in the folder for data, as with a gateway.
const LOG: &str = "audit";

/// What a process does: so many batches, of which the first so many are of long entries.
#[derive(Clone, Copy, Debug)]
struct Work {
    batches: u64,
    long: u64,
    /// From how many bytes on a write-ahead file is followed by another.
    wal_bytes: u64,
}

const SHORT: Work = Work { batches: 14, long: 0, wal_bytes: 16 << 20 };

/// Long enough that one write-ahead file follows another.
const LONG: Work = Work { batches: 14, long: 9, wal_bytes: 16 << 20 };

/// One follows another all the time: what was derived from one is made certain while the next is written.
const TURNING: Work = Work { batches: 60, long: 0, wal_bytes: 1 << 16 };

/// What became of a process.
#[derive(Debug)]
struct Ran {
    /// So many entries it was told to be certain of.
    certain: u64,
    /// It came to its end.
    closed: bool,
    calls: Vec<Call>,
}

/// A log, and what must be in it.
struct Bed {
    layer: Layer,
    folder: TempDir,
}

/// How many entries of each run were certain.
type Certain = BTreeMap<String, u64>;

/// A folder for data before a process works in it.
struct Begun {
    data: PathBuf,
    certain: Certain,
}

impl Bed {
    fn new() -> Self {
        Self { layer: Layer::compile(), folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new folder for data, in which there is no log yet.
    fn empty(&self, name: &str) -> PathBuf {
        let place = self.place(name);
        let _ = fs::remove_dir_all(&place);
        fs::create_dir(&place).expect("a folder of the test");
        place
    }

    /// A copy of a folder for data.
    fn copied(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.place(name);
        let _ = fs::remove_dir_all(&to);
        let done = Command::new("cp").arg("-r").arg(from).arg(&to).status();
        assert!(done.is_ok_and(|it| it.success()), "the log cannot be copied");
        to
    }

    /// Writes on, in a process of its own, with calls that go by the plan.
    fn run(&self, data: &Path, boot: &str, work: Work, plan: &str) -> Ran {
        let told = self.place("journal");
        let _ = fs::remove_file(&told);
        let mut command = Command::new(env!("CARGO_BIN_EXE_log-writer"));
        command.arg(data.join(LOG)).arg(boot);
        command.args([work.batches, work.long, work.wal_bytes].map(|it| it.to_string()));
        command.envs(self.layer.around(data, &told, plan)).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the writer");
        let mut text = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("what it said");
        let _ = child.wait();
        let certain = text.lines().rev().find_map(|it| it.strip_prefix("certain ")?.parse().ok()).unwrap_or(0);
        Ran { certain, closed: text.ends_with("closed\n"), calls: journal(&told) }
    }
}

/// Goes on with a log as the next start does, and holds it to what was certain.
#[track_caller]
fn hold(data: &Path, certain: &Certain, what: &str) {
    let log = &data.join(LOG);
    let signer = || Signer::from_seed("portcullis/faults", &[1; 32]).expect("a name");
    let settings = AuditSettings { flush_ms: 0, stall_ms: 60_000, ..AuditSettings::default() };
    let author = Author { node: "test".to_owned(), boot: "next".to_owned() };
    let (opened, recovered) = Log::open(log, settings, signer(), author, Arc::new(SystemClock::new()))
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    let (before, torn) = (recovered.before, recovered.torn);
    let _ = opened.note(&Notice::start(Timestamp::from_seconds(0), before, torn));
    drop(opened);
    let verified = verify(log, &Grounds::only(signer().verifier())).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(verified.faults.is_empty(), "{what}: {:?}", verified.faults);
    assert_eq!((verified.entries, verified.signed), (recovered.next + 1, recovered.next + 1), "{what}");
    let mut found = Certain::new();
    let (mut last, mut restored) = (before == Before::Nothing, 0);
    for entry in Entries::from(log, 0) {
        let (_, bytes) = entry.unwrap_or_else(|error| panic!("{what}: {error}"));
        let entry = view(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let count = found.entry(entry["boot"].as_str().expect("a boot").to_owned()).or_default();
        // That numbers have no gap is held by `verify`; that they are those of what was said, here.
        assert_eq!(entry["node_seq"], *count, "{what}");
        // What the log says itself takes a number as well.
        let said = entry["request"]["path"].as_str().and_then(|it| it.strip_prefix('/')?.parse().ok());
        restored += u64::from(entry["action"] == "restored");
        let right = said.is_some_and(|it: u64| it <= *count && *count <= it + restored);
        assert!(*count == 0 || right || entry["action"] == "restored", "{what}: {entry}");
        *count += 1;
        last = *count == 1 && entry["before"] == if before == Before::Nothing { "nothing" } else { "crash" };
    }
    assert!(last, "{what}: the last entry is not the beginning of this run");
    for (boot, certain) in certain {
        let found = found.get(boot).copied().unwrap_or_default();
        assert!(*certain <= found, "{what}: {found} entries of run `{boot}`, of which {certain} were certain");
    }
}

impl Bed {
    /// Lets one process die by the plan, and then goes on with what it left, and with what a power cut would have left.
    fn die(&self, begun: &Begun, work: Work, plan: &str, dice: &mut Dice) -> Ran {
        let data = self.copied(&begun.data, "data");
        let ran = self.run(&data, "dying", work, plan);
        let mut certain = begun.certain.clone();
        certain.insert("dying".to_owned(), ran.certain);
        let what = format!("{work:?} {plan}");
        let disk = Disk::of(&begun.data, &ran.calls);
        for cut in 0..2 {
            let left = self.place("left");
            let _ = fs::remove_dir_all(&left);
            disk.after_power_cut(dice, &left);
            hold(&left, &certain, &format!("{what}, power cut {cut}"));
        }
        hold(&data, &certain, &what);
        ran
    }

    /// No log at all.
    fn bare(&self) -> Begun {
        Begun { data: self.empty("bare"), certain: Certain::new() }
    }

    /// A log whose last process was killed in the middle.
    fn begun(&self, work: Work, plan: &str) -> Begun {
        let data = self.empty("begun");
        let ran = self.run(&data, "begun", work, plan);
        assert!(!ran.closed && ran.certain > 0, "{ran:?}");
        Begun { data, certain: Certain::from([("begun".to_owned(), ran.certain)]) }
    }
}

/// Every call of a process may be its last: so many of them, spread evenly, are tried.
#[track_caller]
fn every_call_may_be_the_last(campaign: &str, work: Work, part: u64, with: impl Fn(&Bed) -> Begun) {
    let (bed, seed) = (Bed::new(), Seed::of_environment());
    let mut dice = seed.dice(part);
    let begun = with(&bed);
    let whole = bed.run(&bed.copied(&begun.data, "whole"), "whole", work, "");
    assert!(whole.closed, "{whole:?}");
    let calls = whole.calls.len() as u64;
    // Long entries take long to look at.
    let points = (number("PORTCULLIS_POINTS", 8) / if work.long > 0 { 6 } else { 1 }).min(calls);
    for point in 0..points {
        let call = 1 + (point * calls + dice.below(calls)) / points;
        let plan = match dice.below(4) {
            0 => format!("crash@{call}"),
            1 => format!("after@{call}"),
            _ => format!("torn@{call}:{}", dice.below(5_000)),
        };
        let _ = bed.die(&begun, work, &plan, &mut dice);
    }
    tell(campaign, &format!("{points} of {calls} calls were the last, each also of two power cuts"));
}

#[test]
fn any_call_of_a_first_run_may_be_its_last() {
    every_call_may_be_the_last("a first run", SHORT, 1, Bed::bare);
}

#[test]
fn any_call_of_a_run_after_a_crash_may_be_its_last() {
    every_call_may_be_the_last("a run after a crash", SHORT, 2, |it| it.begun(SHORT, "torn@60:1000"));
}

#[test]
fn any_call_of_a_run_that_begins_another_file_may_be_its_last() {
    every_call_may_be_the_last("a run that begins another file", LONG, 3, |it| it.begun(SHORT, "torn@60:1000"));
}

#[test]
fn what_fails_for_a_while_is_made_up_for() {
    let (bed, seed) = (Bed::new(), Seed::of_environment());
    let mut dice = seed.dice(4);
    let rounds = number("PORTCULLIS_FAILURES", 4);
    for round in 0..rounds {
        let work = [SHORT, SHORT, TURNING, SHORT, LONG][usize::try_from(round % 5).expect("five")];
        let kind =
            ["write", "sync", "rename", "truncate", "create", "unlink"][usize::try_from(dice.below(6)).expect("six")];
        let first = 2 + dice.below(if kind == "sync" || kind == "write" { 40 } else { 12 });
        let fault = if dice.once_in(2) { "eio" } else { "enospc" };
        let mut plan = format!("{fault}:{kind}@{first}..{}", first + dice.below(3));
        // Half of the time the process does not live to make up for everything.
        let dies = dice.once_in(2);
        if dies {
            let _ = write!(plan, ",crash@{}", 20 + dice.below(150));
        }
        let ran = bed.die(&bed.bare(), work, &plan, &mut dice);
        // A log that cannot be begun is not begun; one that is goes on when calls succeed again.
        assert!(dies || ran.closed || ran.certain == 0, "{work:?} {plan}: it did not make up for it");
    }
    tell("calls of the writer that fail", &format!("{rounds} times, each also of two power cuts"));
}

#[test]
fn what_cannot_be_made_certain_of_bundles_and_tiles_is_written_anew_before_its_write_ahead_file_goes() {
    let (bed, seed) = (Bed::new(), Seed::of_environment());
    let mut dice = seed.dice(5);
    let whole = bed.run(&bed.copied(&bed.bare().data, "whole"), "whole", TURNING, "");
    let syncs: Vec<&Call> = whole.calls.iter().filter(|it| it.done == Done::Sync).collect();
    let is_derived = |it: &Call| it.path.starts_with(Path::new(LOG).join("tile"));
    let numbered = (1..).zip(&syncs).filter(|(_, it)| is_derived(it));
    let of_seals: Vec<u64> = numbered.map(|(number, _)| number).collect();
    assert!(of_seals.len() > 30, "write-ahead files do not follow one another: {} of {}", of_seals.len(), syncs.len());
    let (rounds, mut hit) = (number("PORTCULLIS_FAILURES", 4), 0);
    for _ in 0..rounds {
        // Which call it is moves a little from run to run, because seals and entries do not wait for each other.
        let first = of_seals[usize::try_from(dice.below(of_seals.len() as u64)).expect("few")];
        let mut plan = format!("eio:sync@{first}..{}", first + dice.below(6));
        let dies = dice.once_in(2);
        if dies {
            let _ = write!(plan, ",crash@{}", whole.calls.len() as u64 / 2 + dice.below(whole.calls.len() as u64 / 2));
        }
        let ran = bed.die(&bed.bare(), TURNING, &plan, &mut dice);
        assert!(dies || ran.closed, "{plan}: it did not make up for it");
        hit += u64::from(ran.calls.iter().any(|it| it.done == Done::SyncFailed && is_derived(it)));
    }
    assert!(hit > 0, "no sync of a bundle or tile has failed");
    tell(
        "syncs of bundles and tiles that fail",
        &format!("{rounds} times, {hit} of them at a seal, each also of two power cuts"),
    );
}
