use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLI;
const MINUTE: Duration = Duration::from_mins(1);

fn tick(nanos: u64) -> Tick {
    Tick::from_nanos(nanos)
}

/// Admits what one rule alone would.
fn ask(ring: &mut Ring, limit: u32, now: u64) -> bool {
    ring.advance(tick(now));
    let admitted = ring.sum() < limit;
    if admitted {
        ring.spend(1);
    }
    admitted
}

/// The most that was ever admitted within one window, counted from the list of all admitted moments.
fn worst(admitted: &[u64], window: u64) -> usize {
    let mut first = 0;
    let mut worst = 0;
    for (last, now) in admitted.iter().enumerate() {
        while admitted[first] + window <= *now {
            first += 1;
        }
        worst = worst.max(last + 1 - first);
    }
    worst
}

/// Asks at each moment of a schedule and gives the moments at which it was let in.
fn run(ring: &mut Ring, limit: u32, schedule: impl IntoIterator<Item = u64>) -> Vec<u64> {
    schedule.into_iter().filter(|now| ask(ring, limit, *now)).collect()
}

/// A burst in the last nanosecond of a slot, then a flood one window later.
fn late_burst_then_flood(slot: u64) -> impl Iterator<Item = u64> {
    let end = 400 * slot - 1;
    std::iter::repeat_n(end, 2000).chain((0..100 * slot / MILLI).map(move |it| end + 59 * SECOND + it * MILLI))
}

#[test]
fn a_window_has_251_counters_of_two_bytes_while_its_limit_allows_it() {
    for (window, slot) in [(MINUTE, 240), (Duration::from_secs(1), 4)] {
        let ring = Ring::new(window, 65_535);
        let Cells::Narrow(cells) = &ring.cells else { panic!("wide") };
        assert_eq!((ring.slot, cells.len(), size_of_val(&**cells)), (slot * MILLI, 251, 502));
    }
    assert!(matches!(Ring::new(MINUTE, 65_536).cells, Cells::Wide(_)));
}

#[test]
fn a_burst_at_the_end_of_a_slot_cannot_be_followed_by_another_within_the_window() {
    let mut ring = Ring::new(MINUTE, 1000);
    let admitted = run(&mut ring, 1000, late_burst_then_flood(240 * MILLI));
    assert_eq!(worst(&admitted, 60 * SECOND), 1000);
    assert!(admitted.len() > 1000, "the flood is let in once the burst has left");
}

#[test]
fn with_one_slot_too_few_the_same_burst_would_go_over() {
    let mut ring = Ring::spanning(240 * MILLI, SLOTS - 1, 1000);
    let admitted = run(&mut ring, 1000, late_burst_then_flood(240 * MILLI));
    assert!(worst(&admitted, 60 * SECOND) > 1000, "this test would not notice a missing slot");
}

#[test]
fn a_steady_client_at_996_thousandths_of_its_limit_loses_nothing() {
    for (limit, window) in [(1000u64, 60u64), (333, 10), (30, 1), (10_000, 60), (100, 60), (10, 60), (5, 1), (1, 60)] {
        let mut ring = Ring::new(Duration::from_secs(window), 60_000);
        let gap = (window * SECOND * 1000).div_ceil(limit * 996);
        let asked = 20 * limit.max(100);
        let admitted = run(&mut ring, u32::try_from(limit).unwrap(), (0..asked).map(|it| 7 + it * gap));
        assert_eq!(admitted.len() as u64, asked, "{limit} in {window} s");
    }
}

#[test]
fn everything_is_forgotten_after_a_long_silence() {
    let mut ring = Ring::new(MINUTE, 10);
    assert_eq!(run(&mut ring, 10, (0..20).map(|it| it * MILLI)).len(), 10);
    assert!(!ring.is_spent(tick(30 * SECOND)));
    assert!(ring.is_spent(tick(61 * SECOND)));
    assert_eq!(run(&mut ring, 10, (0..20).map(|it| 1_000_000 * SECOND + it)).len(), 10);
}

#[test]
fn a_cell_that_is_full_stays_full() {
    let mut ring = Ring::new(MINUTE, 65_535);
    ring.spend(65_535);
    ring.spend(10);
    assert_eq!(ring.sum(), 65_535);
    ring.advance(tick(61 * SECOND));
    assert_eq!(ring.sum(), 0);
}

fn schedules() -> impl Strategy<Value = (u64, u32, Vec<u64>)> {
    // Gaps that stand on, just before and just after the edges of slots and windows, and bursts without any gap.
    let window = prop_oneof![Just(SECOND), Just(10 * SECOND), Just(60 * SECOND), Just(777 * MILLI + 13)];
    (window, 1u32..40).prop_flat_map(|(window, limit)| {
        let slot = Ring::new(Duration::from_nanos(window), limit).slot;
        let gap = prop_oneof![
            6 => Just(0),
            2 => 0..slot,
            2 => (1..4u64, 0..3u64).prop_map(move |(n, off)| (n * slot + off).saturating_sub(1)),
            1 => (0..3u64).prop_map(move |off| window + off - 1),
            1 => (0..3u64).prop_map(move |off| window + slot + off - 1),
            1 => (0..3u64).prop_map(move |off| (window - slot) + off - 1),
            1 => 0..2 * window,
        ];
        let moments = prop::collection::vec(gap, 1..150).prop_map(|gaps| {
            gaps.into_iter()
                .scan(0, |now, gap| {
                    *now += gap;
                    Some(*now)
                })
                .collect()
        });
        (Just(window), Just(limit), moments)
    })
}

proptest! {
    #[test]
    fn no_schedule_gets_more_than_the_limit_into_any_window((window, limit, schedule) in schedules()) {
        let mut ring = Ring::new(Duration::from_nanos(window), limit);
        let admitted = run(&mut ring, limit, schedule);
        prop_assert!(worst(&admitted, window) <= limit as usize);
    }

    #[test]
    fn nobody_is_refused_who_has_not_used_the_limit_within_a_window_and_a_slot((window, limit, schedule) in schedules()) {
        let mut ring = Ring::new(Duration::from_nanos(window), limit);
        let mut admitted = Vec::new();
        for now in schedule {
            if ask(&mut ring, limit, now) {
                admitted.push(now);
            } else {
                let recent = admitted.iter().filter(|it| **it + ring.reach() + ring.slot > now).count();
                prop_assert!(recent >= limit as usize);
            }
        }
    }

    #[test]
    fn a_refused_request_costs_nothing((window, limit, schedule) in schedules()) {
        let mut flooded = Ring::new(Duration::from_nanos(window), limit);
        let admitted = run(&mut flooded, limit, schedule);
        let mut calm = Ring::new(Duration::from_nanos(window), limit);
        prop_assert_eq!(run(&mut calm, limit, admitted.iter().copied()), admitted);
    }

    #[test]
    fn whoever_waits_as_long_as_told_is_let_in_and_a_slot_earlier_is_not((window, limit, schedule) in schedules()) {
        let mut ring = Ring::new(Duration::from_nanos(window), limit);
        for now in schedule {
            if !ask(&mut ring, limit, now) {
                let wait = ring.until_room(1, limit, tick(now)).unwrap();
                let free = (tick(now) + wait).nanos();
                ring.advance(tick(free - 1));
                prop_assert!(ring.sum() >= limit);
                ring.advance(tick(free));
                prop_assert!(ring.sum() < limit);
                break;
            }
        }
    }

    #[test]
    fn the_sum_is_what_the_cells_hold((window, limit, schedule) in schedules()) {
        let mut ring = Ring::new(Duration::from_nanos(window), limit);
        for now in schedule {
            ask(&mut ring, limit, now);
            let Cells::Narrow(cells) = &ring.cells else { panic!("wide") };
            prop_assert_eq!(cells.iter().map(|it| u32::from(*it)).sum::<u32>(), ring.sum());
        }
    }

    #[test]
    fn a_ring_taken_over_by_another_window_lets_go_of_nothing_early(
        (window, limit, schedule) in schedules(),
        shorter in 1u64..=60,
    ) {
        let mut old = Ring::new(Duration::from_nanos(window), limit);
        let admitted = run(&mut old, limit, schedule.iter().copied());
        let now = *schedule.last().unwrap();
        let reach = (window * shorter / 60).max(1);
        let mut new = Ring::new(Duration::from_nanos(reach), limit);
        new.take_over(&old, tick(now));
        let truth = admitted.iter().filter(|it| **it + reach > now).count();
        prop_assert!(new.sum() as usize >= truth);
        prop_assert!(new.sum() <= NonZeroU32::new(limit).unwrap().get());
    }
}
