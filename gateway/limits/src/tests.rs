use std::time::Duration;

use domain::{ApiName, CountedBy, RateRule, Timestamp};
use http::HeaderMap;
use proptest::prelude::*;

use super::*;

const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLI;

fn tier(rules: &[(&str, u32, u64)]) -> Arc<Tier> {
    let rule = |&(name, limit, window): &(&str, u32, u64)| RateRule {
        name: name.to_owned(),
        limit: NonZeroU32::new(limit).unwrap(),
        window: Duration::from_secs(window),
    };
    Arc::new(Tier { name: "t".parse().unwrap(), rules: rules.iter().map(rule).collect() })
}

fn standard() -> Arc<Tier> {
    tier(&[("sustained", 1000, 60), ("burst", 333, 10)])
}

/// 2025-01-15T14:22:00.25Z and so much later, on both clocks.
fn moment(nanos: u64) -> Moment {
    let wall = Timestamp::from_nanos(1_736_950_920_250_000_000) + Duration::from_nanos(nanos);
    Moment { wall, tick: Tick::from_nanos(nanos) }
}

struct Asker {
    limiter: Limiter,
    api: ApiName,
}

impl Asker {
    fn new() -> Self {
        Self { limiter: Limiter::new(&LimitsSettings::default()), api: "novastraxis".parse().unwrap() }
    }

    fn ask_as(&self, id: &str, tier: &Arc<Tier>, now: u64) -> Result<Allowance, OverLimit> {
        let counter = Counter { api: &self.api, by: CountedBy::Lineage, tenant: "t1", id };
        self.limiter.admit(tier, counter, moment(now))
    }

    fn ask(&self, tier: &Arc<Tier>, now: u64) -> Result<Allowance, OverLimit> {
        self.ask_as("lin_1", tier, now)
    }
}

fn text(headers: &HeaderMap) -> String {
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    lines.sort();
    lines.concat()
}

#[test]
fn an_admitted_request_carries_the_headers_of_the_strictest_rule() {
    let (asker, tier) = (Asker::new(), standard());
    let mut headers = HeaderMap::new();
    headers.insert("x-ratelimit-remaining", "from the upstream".parse().unwrap());
    asker.ask(&tier, 0).unwrap();
    asker.ask(&tier, 100 * MILLI).unwrap().write(&HeaderNames::default(), &mut headers);
    assert_eq!(
        text(&headers),
        "ratelimit-policy: \"burst\";q=333;w=10, \"sustained\";q=1000;w=60\n\
         ratelimit: \"burst\";r=331;t=10\n\
         x-ratelimit-limit: 1000\n\
         x-ratelimit-remaining: 331\n\
         x-ratelimit-reset: 1736950931\n"
    );
}

#[test]
fn a_refused_request_is_told_when_to_come_back_and_is_let_in_then() {
    let (asker, tier) = (Asker::new(), standard());
    for _ in 0..333 {
        asker.ask(&tier, 40 * MILLI).unwrap();
    }
    let over = asker.ask(&tier, 2 * SECOND).unwrap_err();
    let mut headers = HeaderMap::new();
    over.write(&HeaderNames::default(), &mut headers);
    assert_eq!(
        text(&headers),
        "ratelimit-policy: \"burst\";q=333;w=10, \"sustained\";q=1000;w=60\n\
         ratelimit: \"burst\";r=0;t=9\n\
         retry-after: 9\n\
         x-ratelimit-limit: 1000\n\
         x-ratelimit-remaining: 0\n\
         x-ratelimit-reset: 1736950931\n"
    );
    assert_eq!(over.told().reason, "rate_limited");
    assert!(asker.ask(&tier, 11 * SECOND).is_ok());
}

#[test]
fn reset_stays_put_within_a_burst() {
    let (asker, tier) = (Asker::new(), tier(&[("minute", 1000, 60)]));
    let first = asker.ask(&tier, 3 * SECOND).unwrap().reset();
    for step in 1..500 {
        assert_eq!(asker.ask(&tier, 3 * SECOND + step * 20 * MILLI).unwrap().reset(), first);
    }
}

#[test]
fn when_two_rules_refuse_the_later_one_speaks() {
    let (asker, tier) = (Asker::new(), tier(&[("day", 5, 86_400), ("second", 5, 1)]));
    for _ in 0..5 {
        asker.ask(&tier, 0).unwrap();
    }
    let over = asker.ask(&tier, 0).unwrap_err();
    assert_eq!(over.allowance().rule(), "day");
    assert!(over.retry_after() >= Duration::from_hours(24));
}

#[test]
fn a_cost_above_the_limit_is_never_admitted_and_costs_nothing() {
    let (asker, tier) = (Asker::new(), tier(&[("minute", 10, 60)]));
    let counter = Counter { api: &asker.api, by: CountedBy::Tenant, tenant: "t1", id: "t1" };
    let ask = |cost| asker.limiter.admit_cost(NonZeroU32::new(cost).unwrap(), &tier, counter, moment(0));
    assert_eq!(ask(11).unwrap_err().retry_after(), Duration::from_mins(1));
    assert_eq!(ask(4).unwrap().remaining(), 6);
    assert_eq!(ask(7).unwrap_err().allowance().remaining(), 6);
    assert_eq!(ask(6).unwrap().remaining(), 0);
}

#[test]
fn a_reload_keeps_what_was_counted() {
    let asker = Asker::new();
    assert_eq!(asker.ask(&standard(), 0).unwrap().remaining(), 332);
    assert_eq!(asker.ask(&standard(), 0).unwrap().remaining(), 331);
}

#[test]
fn a_change_of_tier_keeps_what_was_counted() {
    let (asker, enterprise) = (Asker::new(), tier(&[("sustained", 10_000, 60), ("burst", 3333, 10)]));
    for _ in 0..300 {
        asker.ask(&standard(), 0).unwrap();
    }
    assert_eq!(asker.ask(&enterprise, SECOND).unwrap().remaining(), 3333 - 301);
    assert_eq!(asker.ask(&standard(), SECOND).unwrap().remaining(), 333 - 302);
    let hourly = tier(&[("hour", 5000, 3600)]);
    assert_eq!(asker.ask(&hourly, 2 * SECOND).unwrap().remaining(), 5000 - 303);
    let big = tier(&[("sustained", 100_000, 60)]);
    assert_eq!(asker.ask(&big, 2 * SECOND).unwrap().remaining(), 100_000 - 304);
}

#[test]
fn a_tier_without_rules_admits_nothing() {
    assert!(Asker::new().ask(&tier(&[]), 0).is_err());
}

#[test]
fn what_a_rule_is_called_cannot_break_out_of_its_header() {
    let (asker, tier) = (Asker::new(), tier(&[("a\"b\\c\r\né", 1, 60)]));
    let mut headers = HeaderMap::new();
    asker.ask(&tier, 0).unwrap().write(&HeaderNames::default(), &mut headers);
    assert_eq!(headers["ratelimit-policy"], r#""a\"b\\c___";q=1;w=60"#);
    assert_eq!(headers["ratelimit"], r#""a\"b\\c___";r=0;t=61"#);
}

#[test]
fn a_counter_forgotten_for_want_of_room_is_the_one_longest_idle() {
    let settings = LimitsSettings { counters: NonZeroU32::new(2).unwrap(), ..LimitsSettings::default() };
    let asker = Asker { limiter: Limiter::new(&settings), ..Asker::new() };
    let tier = tier(&[("minute", 10, 60)]);
    for (id, now) in [("a", 0), ("b", 1), ("a", 2), ("c", 3)] {
        asker.ask_as(id, &tier, now).unwrap();
    }
    assert_eq!(asker.limiter.counters.len(), 2);
    assert_eq!(asker.ask_as("a", &tier, 4).unwrap().remaining(), 7);
    assert_eq!(asker.ask_as("b", &tier, 5).unwrap().remaining(), 9);
}

#[test]
fn threads_that_race_for_one_counter_never_get_more_than_its_limit() {
    let (asker, tier) = (Asker::new(), tier(&[("minute", 500, 60)]));
    let admitted: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..1000).filter(|now| asker.ask(&tier, now * MILLI).is_ok()).count()))
            .collect();
        workers.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(admitted, 500);
}

#[test]
fn counters_that_differ_in_any_part_are_kept_apart() {
    let (asker, tier, other) = (Asker::new(), tier(&[("minute", 10, 60)]), "novastraxi".parse().unwrap());
    let first = Counter { api: &asker.api, by: CountedBy::Owner, tenant: "b", id: "c" };
    let all = [
        first,
        Counter { api: &other, tenant: "sb", ..first },
        Counter { tenant: "bc", id: "", ..first },
        Counter { id: "c\0", ..first },
        Counter { by: CountedBy::Lineage, ..first },
    ];
    for counter in all {
        assert_eq!(asker.limiter.admit(&tier, counter, moment(0)).unwrap().remaining(), 9, "{counter:?}");
    }
    assert_eq!(asker.limiter.admit(&tier, first, moment(0)).unwrap().remaining(), 8);
}

const CROWD: &str = "192.0.2.1";

fn shielded() -> (Limiter, IpAddr) {
    (Limiter::new(&LimitsSettings::default()), CROWD.parse().unwrap())
}

#[test]
fn one_address_may_send_4000_at_once_and_1000_a_second_after_that() {
    let (limiter, source) = shielded();
    let passed = |from: u64, count: u64, gap: u64| {
        (0..count).filter(|it| limiter.shield(source, Tick::from_nanos(from + it * gap)).is_ok()).count()
    };
    assert_eq!(passed(0, 10_000, 0), 4_000);
    assert_eq!(passed(SECOND, 4_000, MILLI / 4), 1_999, "1000 saved up in the first second and 999 more in the next");
    let other = "192.0.2.2".parse().unwrap();
    assert!((0..4_000).all(|_| limiter.shield(other, Tick::from_nanos(2 * SECOND)).is_ok()));
    let Err(Barred::Told(refused)) = limiter.shield(other, Tick::from_nanos(2 * SECOND)) else { panic!("not told") };
    assert_eq!((refused.retry_after().as_secs(), refused.told().reason), (1, "address_limited"));
}

#[test]
fn nobody_is_refused_in_words_more_often_than_is_set_however_much_they_ask() {
    let (limiter, source) = shielded();
    let told = |from: u64, count: u64, gap: u64| {
        let asked = (0..count).map(|it| limiter.shield(source, Tick::from_nanos(from + it * gap)));
        asked.filter(|it| matches!(it, Err(Barred::Told(_)))).count()
    };
    assert_eq!(told(0, 4_000, 0), 0);
    assert_eq!(told(0, 100_000, 0), 5, "five at once");
    assert_eq!(told(0, 30_000, MILLI / 10), 14, "and five a second while it goes on");
    assert_eq!(told(60 * SECOND, 4_010, 0), 5);
}

#[test]
fn an_ipv6_subscriber_is_one_address_and_a_mapped_one_is_ipv4() {
    let (limiter, _) = shielded();
    let spend =
        |text: &str| (0..4_000).filter(|_| limiter.shield(text.parse().unwrap(), Tick::default()).is_ok()).count();
    assert_eq!(spend("2001:db8:0:1::1"), 4_000);
    assert_eq!(spend("2001:db8:0:1:ffff::2"), 0);
    assert_eq!(spend("2001:db8:0:2::1"), 4_000);
    assert_eq!(spend("::ffff:192.0.2.1"), 4_000);
    assert_eq!(spend(CROWD), 0);
    assert_eq!(limiter.shield.len(), 3);
}

#[test]
fn twenty_failures_in_a_minute_spend_the_budget_until_the_first_is_a_minute_old() {
    let (limiter, source) = shielded();
    let at = |seconds: u64| Tick::from_nanos(seconds * SECOND);
    assert!(limiter.failures_refusal(source, at(0)).is_none());
    (0..19).for_each(|second| limiter.failed_credential(source, at(second)));
    assert!(limiter.failures_refusal(source, at(19)).is_none());
    limiter.failed_credential(source, at(19));
    assert!(limiter.failures_refusal(source, at(20)).is_some());
    assert_eq!(limiter.failures_refusal(source, at(20)).unwrap().retry_after(), Duration::from_secs(40));
    assert!(limiter.failures_refusal(source, at(59)).is_some());
    assert!(limiter.failures_refusal(source, at(60)).is_none());
    limiter.failed_credential(source, at(60));
    assert!(limiter.failures_refusal(source, Tick::from_nanos(61 * SECOND - 1)).is_some(), "20 since second 1");
}

#[test]
fn what_is_kept_for_one_is_bounded_and_for_others_not_touched_by_it() {
    let (limiter, _) = shielded();
    let at = |seconds: u64| Tick::from_nanos(seconds * SECOND);
    for _ in 0..120 {
        assert_eq!(limiter.leave("192.0.2.1", at(0)), Ok(()));
    }
    let refusal = limiter.leave("192.0.2.1", at(20)).unwrap_err();
    assert_eq!(refusal.retry_after(), Duration::from_secs(40));
    assert_eq!((limiter.leave("192.0.2.2", at(20)), limiter.leave("192.0.2.1", at(60))), (Ok(()), Ok(())));
    assert_eq!(limiter.tries_refusal("192.0.2.1", at(20)), None, "it was counted as a guess");
}

#[test]
fn a_name_is_tried_twenty_times_a_minute_from_wherever_and_no_other_name_pays() {
    let (limiter, _) = shielded();
    let at = |seconds: u64| Tick::from_nanos(seconds * SECOND);
    for second in 0..20 {
        assert_eq!(limiter.tries_refusal("AKID", at(second)), None);
        limiter.failed_try("AKID", at(second));
    }
    let refusal = limiter.tries_refusal("AKID", at(20)).unwrap();
    assert_eq!((refusal.retry_after(), refusal.told().reason), (Duration::from_secs(40), "too_many_tries"));
    assert_eq!(limiter.tries_refusal("OTHER", at(20)), None);
    assert_eq!(limiter.tries_refusal("AKID", at(60)), None);
}

proptest! {
    #[test]
    fn no_schedule_breaks_any_rule_of_a_tier_and_every_wait_is_honest(
        gaps in prop::collection::vec(prop_oneof![4 => Just(0), 2 => 0..SECOND, 1 => 0..15 * SECOND], 1..150)
    ) {
        let (asker, tier) = (Asker::new(), tier(&[("sustained", 60, 60), ("burst", 20, 10), ("spike", 9, 1)]));
        let (mut now, mut admitted) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            match asker.ask(&tier, now) {
                Ok(_) => admitted.push(now),
                Err(over) => {
                    let retry = over.retry_after().as_secs();
                    let drift = over.allowance().reset().nanos() - moment(now + retry * SECOND).wall.nanos();
                    prop_assert!(retry >= 1 && drift.unsigned_abs() <= SECOND);
                    now += retry * SECOND;
                    prop_assert!(asker.ask(&tier, now).is_ok());
                    admitted.push(now);
                }
            }
            for (limit, window) in [(60, 60), (20, 10), (9, 1)] {
                let recent = admitted.iter().rev().take_while(|it| **it + window * SECOND > now).count();
                prop_assert!(recent <= limit, "{} in {} s", recent, window);
            }
        }
    }

    #[test]
    fn no_address_sends_more_than_its_burst_and_its_rate(gaps in prop::collection::vec(0..20 * MILLI, 1..600)) {
        let shield = ShieldSettings {
            rate: NonZeroU32::new(200).unwrap(),
            burst: NonZeroU32::new(400).unwrap(),
            ..ShieldSettings::default()
        };
        let limiter = Limiter::new(&LimitsSettings { shield, ..LimitsSettings::default() });
        let source = CROWD.parse().unwrap();
        let (mut now, mut passed) = (0, 0);
        for gap in gaps {
            now += gap;
            passed += u64::from(limiter.shield(source, Tick::from_nanos(now)).is_ok());
            prop_assert!(passed <= 400 + now / (5 * MILLI));
        }
    }
}
