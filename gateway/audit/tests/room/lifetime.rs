//! Whatever the wall clock says and however often it is set, nothing is taken for older than it is.

use std::time::Duration;

use audit::{Age, Due, Lifetime, RetentionSettings, clock_at_start, held_back, written_last};
use domain::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::handmade::log_of;
use crate::retention::{old_log, policy};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const BEGUN: i64 = 1_790_000_000;

/// The world that clocks are to tell of: what time it really is, and by how much the wall clock is wrong.
#[derive(Debug)]
struct World {
    life: Lifetime,
    /// Seconds that have really passed.
    passed: u64,
    wrong_by: i64,
    /// When each entry was really written, and what it says.
    entries: Vec<(u64, Timestamp)>,
}

/// What may happen.
#[derive(Clone, Debug)]
enum Fate {
    /// The gateway runs for so many hours, and writes so many entries in each.
    Runs(u64, usize),
    /// It is away for so many hours, and another run begins.
    Away(u64),
    /// The wall clock is set by so many hours.
    Set(i64),
}

impl World {
    fn new() -> Self {
        let mut it = Self { life: Lifetime::default(), passed: 0, wrong_by: 0, entries: Vec::new() };
        it.begin();
        it
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_seconds(BEGUN + i64::try_from(self.passed).unwrap() + self.wrong_by)
    }

    fn begin(&mut self) {
        let last = self.entries.last().map(|it| it.1);
        let (entries, now) = (self.entries.len() as u64, self.wall());
        self.life.begin(last, entries, now);
    }

    fn go_on(&mut self, fate: &Fate) {
        match fate {
            Fate::Runs(hours, each) => {
                for _ in 0..*hours {
                    self.passed += HOUR;
                    let now = self.wall();
                    self.life.pass(Duration::from_secs(HOUR), self.entries.len() as u64, now);
                    self.entries.extend(std::iter::repeat_n((self.passed, now), *each));
                }
            }
            Fate::Away(hours) => {
                self.passed += hours * HOUR;
                self.begin();
            }
            Fate::Set(by) => self.wrong_by += by * i64::try_from(HOUR).unwrap(),
        }
    }

    /// How many entries, from the first, are really as old as this.
    fn really(&self, age: Duration) -> u64 {
        self.entries.iter().take_while(|(then, _)| age.as_secs() <= self.passed - then).count() as u64
    }
}

fn fates(most: usize) -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        3 => (1..40_u64, 0..20_usize).prop_map(|(hours, each)| Fate::Runs(hours, each)),
        1 => (0..2000_u64).prop_map(Fate::Away),
        2 => (-20_000..20_000_i64).prop_map(Fate::Set),
    ];
    prop::collection::vec(fate, 1..most)
}

proptest! {
    #[test]
    fn nothing_is_as_old_for_certain_as_it_is_not(fates in fates(40), days in 0..20_u64) {
        let mut world = World::new();
        for fate in &fates {
            world.go_on(fate);
            let age = Duration::from_secs(days * DAY);
            prop_assert!(world.life.as_old_as(age) <= world.really(age), "{world:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_clock_prunes_what_is_younger_than_is_kept(fates in fates(24), at_last in -20_000..20_000_i64) {
        let mut world = World::new();
        for fate in &fates {
            world.go_on(fate);
        }
        world.go_on(&Fate::Set(at_last));
        world.go_on(&Fate::Runs(60, 20));
        let class = |it: usize| if it.is_multiple_of(7) { "config.change" } else { "heartbeat" };
        let entry = |(at, (_, time)): (usize, &(u64, Timestamp))| json!({ "class": class(at), "time": time.nanos() });
        let mut entries: Vec<Value> = world.entries.iter().enumerate().map(entry).collect();
        entries[0] = json!({ "class": "audit.control", "action": "start", "before": "nothing", "time": 0 });
        let log = log_of(&entries);
        crate::retention::seal(log.path(), "01");
        // For a day, and for two.
        let settings = RetentionSettings::of_days(1, 2).unwrap();
        let due = Due::now(log.path(), &settings, Age::for_certain(world.wall(), &world.life), u64::MAX).unwrap();
        prop_assert!(due.end <= world.really(Duration::from_secs(DAY)), "{due:?}");
        let older = world.really(Duration::from_secs(2 * DAY));
        let kept_longer = (older..due.end).filter(|it| it.is_multiple_of(7)).count() as u64;
        prop_assert!(kept_longer <= due.kept(), "{due:?}");
    }
}

#[test]
fn what_was_seen_to_grow_old_goes_by_itself_and_a_leap_alone_makes_nothing_old() {
    let log = old_log();
    let mut life = Lifetime::default();
    let then = Timestamp::from_seconds(0);
    life.begin(None, 1500, then);
    let far = Timestamp::from_seconds(1_000_000_000);
    let due = |life: &Lifetime, now| Due::now(log.path(), &policy(), Age::for_certain(now, life), u64::MAX).unwrap();
    assert_eq!(due(&life, far).end, 0);
    assert_eq!(Due::now(log.path(), &policy(), Age::by_clock(far), u64::MAX).unwrap().end, 1792);
    assert_eq!(held_back(log.path(), &policy(), far).unwrap(), Some(0));
    // Restarts under the wrong clock make nothing older.
    for _ in 0..100 {
        life.begin(Some(far), 2304, far);
    }
    assert_eq!(due(&life, far).end, 0);
    life.pass(Duration::from_secs(DAY - 1), 2304, far);
    assert_eq!(due(&life, far).end, 0);
    life.pass(Duration::from_secs(1), 2304, far);
    // Whole bundles of what was there at the start.
    assert_eq!(due(&life, far).end, 1280);
    // And nothing that is not old by the clock as well.
    assert_eq!(due(&life, then).end, 0);
    assert_eq!(held_back(log.path(), &policy(), then).unwrap(), None);
}

#[test]
fn a_leap_is_told_until_the_clock_is_back_or_somebody_knows_better() {
    let hours = |it: i64| Timestamp::from_seconds(BEGUN + it * 3600);
    let mut life = Lifetime::default();
    life.begin(Some(hours(-24)), 7, hours(0));
    let week = 7 * 24;
    assert_eq!(life.leapt(hours(week)), None);
    let ahead = |life: &Lifetime, at| life.leapt(hours(at)).map(|it| it.as_secs() / HOUR);
    assert_eq!(ahead(&life, 9600), Some(9600));
    // However often it begins under the wrong clock, and however long it runs.
    for run in 0..5 {
        life.begin(Some(hours(9600 + run)), 7, hours(9600 + run));
        life.pass(Duration::from_secs(HOUR), 7, hours(9601 + run));
    }
    assert_eq!(ahead(&life, 9605), Some(9600));
    let mut back = life.clone();
    back.begin(Some(hours(9605)), 7, hours(5));
    assert_eq!((ahead(&back, 5), ahead(&back, 9605)), (None, Some(9600)));
    life.confirm(hours(9605));
    assert_eq!(ahead(&life, 9606), None);
}

#[test]
fn a_start_says_how_its_clock_goes_on_from_the_newest_entries() {
    let at = |seconds: i64| Timestamp::from_seconds(BEGUN + seconds);
    let said = |now: i64| clock_at_start(at(0), at(now)).map(|it| format!("{it:?}"));
    let day = 86_400;
    for fine in [-1, 0, 1, 7 * day] {
        assert_eq!(said(fine), None, "{fine}");
    }
    for (now, action, by) in [(-2, "clock_step", "-2000"), (400 * day, "clock_gap", "34560000000")] {
        let said = said(now).unwrap();
        assert!([action, by, "start"].iter().all(|it| said.contains(it)), "{said}");
    }
    assert_eq!(written_last(tempfile::tempdir().unwrap().path()).unwrap(), None);
    // The newest entries of this log are of its third day.
    assert_eq!(written_last(old_log().path()).unwrap(), Some(Timestamp::from_seconds(3 * day)));
}

#[test]
fn it_is_read_as_it_was_put_and_what_is_something_else_is_refused() {
    let log = tempfile::tempdir().unwrap();
    assert_eq!(Lifetime::read(log.path()).unwrap(), None);
    let mut life = Lifetime::default();
    life.begin(None, 3, Timestamp::from_seconds(BEGUN));
    life.pass(Duration::from_secs(3 * DAY), 9, Timestamp::from_seconds(BEGUN));
    life.put(log.path()).unwrap();
    assert_eq!(Lifetime::read(log.path()).unwrap(), Some(life.clone()));
    assert_eq!((life.lived().as_secs(), life.as_old_as(Duration::from_secs(DAY))), (3 * DAY, 3));
    // Of a log that was cut short, what came in the place of what was there is younger.
    life.begin(None, 2, Timestamp::from_seconds(BEGUN));
    assert_eq!(life.as_old_as(Duration::ZERO), 2);
    for bad in ["", "{}", r#"{"form":1,"lived_ms":5,"marks":[[6,1]]}"#, r#"{"form":2,"lived_ms":5,"marks":[]}"#] {
        std::fs::write(log.path().join("lived"), bad).unwrap();
        assert!(Lifetime::read(log.path()).is_err(), "{bad}");
    }
}
