//! A gateway that is killed under load, at any moment and at any call that changes its log, or that cannot write for a
//! while: no entry of an answer that waited for it is missing, nothing that was read before is gone, and the log is sound.
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "what fails here must fail the test")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use acceptance::{Door, Request, World, until};
use faults::{Dice, Disk, Done, Layer, Seed, journal, number, tell};
use serde_json::{Value, json};

const API: &str = "novastraxis";
const NSX: &str = "api.novastraxis.com";
const INSTANCES: &str = "/v2/compute/instances";
/// How many kills or failures one log lives through: a longer one takes longer to look at.
const LIFE: usize = 25;
const SOON: Duration = Duration::from_secs(30);

/// What was promised: ids of requests whose answers waited for their entries, and of every entry that was ever read.
#[derive(Debug, Default)]
struct Promised {
    answered: BTreeSet<String>,
    read: BTreeSet<String>,
    /// How many entries of the run that is killed were on the disk for certain, as it said itself.
    durable: u64,
}

/// A world of one API, because the gateway starts many times.
fn world() -> World {
    World::with(|settings, folder| {
        let apis = folder.join("apis");
        std::fs::create_dir(&apis).expect("a folder of the test");
        let done = Command::new("cp").arg("-r").arg(settings.apis.join(API)).arg(&apis).status();
        assert!(done.is_ok_and(|it| it.success()), "the profile cannot be copied");
        settings.apis = apis;
        settings.upstreams.retain(|it, _| it == API);
        // Signed for often, and with short write-ahead files, so that the calls of both are hit as well.
        let more = "[limits.shield]\nrate = 1000000\nburst = 1000000\n[audit]\ncheckpoint_ms = 50\nwal_bytes = 65536\n";
        more.clone_into(&mut settings.more);
    })
}

/// A key that may ask as often as anybody may.
fn enterprise(world: &World) -> String {
    world.key_with(API, &world.tenant(API), &["compute"], &["--tier", "enterprise"]).text
}

fn id_of(entry: &Value) -> String {
    entry["request"]["id"].as_str().expect("an id").to_owned()
}

/// Asks from several connections until the gateway is gone; what was answered and must be in the log.
struct Load<'k> {
    door: Door,
    key: &'k str,
    answered: Mutex<BTreeSet<String>>,
    refused: AtomicUsize,
    done: AtomicBool,
}

impl<'k> Load<'k> {
    fn new(world: &World, key: &'k str) -> Self {
        let (refused, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { door: world.gateway.door().clone(), key, answered: Mutex::default(), refused, done }
    }

    /// How many answers were given that must be in the log.
    fn count(&self) -> usize {
        self.answered.lock().expect("no thread failed").len()
    }

    fn ask(&self, mut dice: Dice) {
        let post = Request::post(NSX, INSTANCES).bearer(self.key).json(&json!({}));
        let get = Request::get(NSX, "/v2/nothing");
        while !self.done.load(Ordering::Relaxed)
            && let Some(mut connection) = self.door.secure_if_any(NSX)
        {
            while !self.done.load(Ordering::Relaxed) {
                // Those that nobody waits for stand between those that somebody waits for.
                let strict = !dice.once_in(3);
                let Some(answer) = connection.ask_if_alive(if strict { &post } else { &get }) else { break };
                match answer.status {
                    400 | 429 if strict => {
                        let id = answer.says("x-request-id").to_owned();
                        self.answered.lock().expect("no thread failed").insert(id);
                    }
                    404 if !strict => {}
                    503 => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
                    _ => panic!("{answer}"),
                }
                if answer.header("connection") == Some("close") {
                    break;
                }
            }
        }
    }
}

/// Ends the load with this value, also where the test fails before its end.
struct Ends<'l>(&'l AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Holds the log to what was promised, after the gateway was started again.
#[track_caller]
fn hold(world: &World, promised: &mut Promised, what: &str) {
    world.gateway.entries().assert_sound();
    let (mut runs, mut found): (Vec<(Value, u64)>, _) = (Vec::new(), BTreeSet::new());
    let mut start = Value::Null;
    for entry in world.gateway.entries().whole() {
        if runs.last().is_none_or(|(boot, _)| *boot != entry["boot"]) {
            runs.push((entry["boot"].clone(), 0));
        }
        let (_, count) = runs.last_mut().expect("a run");
        assert_eq!(entry["node_seq"], *count, "{what}: {entry}");
        *count += 1;
        if entry["class"] == "audit.control" && entry["action"] == "start" {
            start = entry;
        } else if entry["class"] == "request.completed" {
            assert!(found.insert(id_of(&entry)), "{what}: entered twice: {entry}");
        }
    }
    assert_eq!((&start["action"], &start["before"]), (&json!("start"), &json!("crash")), "{what}: {start}");
    let lost: Vec<_> = promised.answered.union(&promised.read).filter(|it| !found.contains(*it)).collect();
    assert!(lost.is_empty(), "{what}: {} of {} are lost: {lost:?}", lost.len(), promised.answered.len());
    let (_, kept) = runs.iter().rev().nth(1).expect("the run that was killed");
    assert!(promised.durable <= *kept, "{what}: {kept} entries of a run of which {} were durable", promised.durable);
    promised.read = found;
    promised.durable = 0;
}

/// How many entries of this run are on the disk for certain, those that nobody waited for among them.
fn durable(world: &World) -> u64 {
    let told: Value = serde_json::from_slice(&world.gateway.ask_admin("/readyz").body).expect("the conditions");
    let audit = told["conditions"].as_array().and_then(|all| all.iter().find(|it| it["name"] == "audit"));
    let detail = audit.and_then(|it| it["detail"].as_str()).unwrap_or_default();
    let number = detail.split(", ").nth(1).and_then(|it| it.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no number of durable entries: {told}"))
}

/// Kills a gateway that is asked by four at once, when it has answered so many, and starts it again.
fn kill_under_load(world: &mut World, key: &str, promised: &mut Promised, dice: &mut Dice) {
    let load = Load::new(world, key);
    let (enough, moment) = (1 + dice.below(60), Duration::from_micros(dice.below(30_000)));
    std::thread::scope(|scope| {
        let _ends = Ends(&load.done);
        for _ in 0..4 {
            let dice = Dice::new(dice.any());
            scope.spawn(|| load.ask(dice));
        }
        until("answers", SOON, || (load.count() as u64 >= enough).then_some(()));
        std::thread::park_timeout(moment);
        promised.durable = durable(world);
        world.gateway.process().signal("KILL");
    });
    promised.answered.append(&mut load.answered.into_inner().expect("no thread failed"));
    world.gateway.crash();
}

#[test]
fn killed_at_any_moment_under_load_it_loses_no_entry() {
    let seed = Seed::of_environment();
    let (kills, mut answered) = (number("PORTCULLIS_KILLS", 3), 0);
    for first in (0..kills).step_by(LIFE) {
        let mut world = world();
        let key = enterprise(&world);
        let mut promised = Promised::default();
        for round in first..kills.min(first + LIFE as u64) {
            kill_under_load(&mut world, &key, &mut promised, &mut seed.dice(round));
            hold(&world, &mut promised, &format!("kill {round}"));
        }
        answered += promised.answered.len();
    }
    assert!(answered as u64 > kills, "nothing was asked");
    tell("the gateway, at any moment under load", &format!("{kills} kills, {answered} answers that waited"));
}

/// A gateway whose calls on its log go by a plan, until it dies of it.
struct Plagued<'w> {
    world: &'w mut World,
    key: String,
    layer: Layer,
    promised: Promised,
}

impl<'w> Plagued<'w> {
    fn new(world: &'w mut World) -> Self {
        let key = enterprise(world);
        Self { world, key, layer: Layer::compile(), promised: Promised::default() }
    }

    fn journal(&self) -> PathBuf {
        self.world.folder().join("journal")
    }

    /// Starts it again with a plan. Says whether it lived until it was ready.
    fn start(&mut self, plan: &str) -> bool {
        let _ = std::fs::remove_file(self.journal());
        let around = self.layer.around(&self.world.gateway.data().join("audit"), &self.journal(), plan);
        self.world.gateway.crash_into(&around)
    }

    /// How many calls of the kind in a plan a start needs with the log as it is.
    fn calls_of_a_start(&mut self, kind: &str) -> u64 {
        assert!(self.start(""), "it did not start");
        let own = |done: &Done| match done {
            Done::Write(..) => kind.ends_with(":write"),
            Done::Sync | Done::SyncFailed => kind.ends_with(":sync"),
            Done::Rename(_) => kind.ends_with(":rename"),
            Done::Create | Done::Folder => kind.ends_with(":create"),
            Done::Unlink | Done::Truncate(_) => false,
        };
        journal(&self.journal()).iter().filter(|it| own(&it.done)).count() as u64
    }

    /// Asks it from four sides until it is dead, or `enough` says so.
    fn ask_until(&mut self, dice: &mut Dice, enough: impl Fn(&Load<'_>) -> bool) {
        let load = Load::new(self.world, &self.key);
        std::thread::scope(|scope| {
            let _ends = Ends(&load.done);
            let mut asking = Vec::new();
            for _ in 0..4 {
                let (dice, load) = (Dice::new(dice.any()), &load);
                asking.push(scope.spawn(move || load.ask(dice)));
            }
            until("the end of the load", SOON, || {
                (enough(&load) || asking.iter().all(ScopedJoinHandle::is_finished)).then_some(())
            });
        });
        self.promised.answered.append(&mut load.answered.into_inner().expect("no thread failed"));
    }

    fn hold(&mut self, what: &str) {
        self.world.gateway.crash();
        hold(self.world, &mut self.promised, what);
    }
}

/// Lets the gateway die by a plan, or the machine with it, and then goes on with what is left.
fn die(plagued: &mut Plagued<'_>, what: &str, plan: &str, power_cut: bool, dice: &mut Dice) {
    let audit = plagued.world.gateway.data().join("audit");
    let before = plagued.world.folder().join("before");
    let _ = std::fs::remove_dir_all(&before);
    plagued.world.gateway.kill();
    let done = Command::new("cp").arg("-r").arg(&audit).arg(&before).status();
    assert!(done.is_ok_and(|it| it.success()), "the log cannot be copied");
    if plagued.start(plan) {
        plagued.ask_until(dice, |_| false);
    }
    if power_cut {
        plagued.world.gateway.kill();
        std::fs::remove_dir_all(&audit).expect("a folder of the test");
        Disk::of(&before, &journal(&plagued.journal())).after_power_cut(dice, &audit);
        plagued.promised.read.clear();
    }
    plagued.hold(what);
}

#[test]
fn killed_at_any_call_that_changes_the_log_it_loses_no_entry() {
    let seed = Seed::of_environment();
    let (kills, mut answered) = (number("PORTCULLIS_KILLS", 3), 0);
    for first in (0..kills).step_by(LIFE) {
        let mut world = world();
        let mut plagued = Plagued::new(&mut world);
        for round in first..kills.min(first + LIFE as u64) {
            let mut dice = seed.dice(1_000_000 + round);
            // A start has some twenty such calls.
            let call = 1 + if dice.once_in(4) { dice.below(30) } else { dice.below(400) };
            let plan = match dice.below(3) {
                0 => format!("crash@{call}"),
                1 => format!("after@{call}"),
                _ => format!("torn@{call}:{}", dice.below(3_000)),
            };
            let power_cut = round % 2 == 1;
            let what = format!("round {round}, {plan}, power cut: {power_cut}");
            die(&mut plagued, &what, &plan, power_cut, &mut dice);
        }
        answered += plagued.promised.answered.len();
    }
    let cuts = kills / 2;
    let done = format!("{kills} kills, {cuts} of them as power cuts, {answered} answers that waited");
    tell("the gateway, at a call that changes its log", &done);
}

/// Lets calls of one kind fail for a while, and holds what was answered meanwhile.
fn fail_for_a_while(plagued: &mut Plagued<'_>, round: u64, mut dice: Dice) {
    let kinds = ["eio:sync", "enospc:write", "eio:write", "eio:rename", "enospc:create"];
    let kind = kinds[usize::try_from(round % 5).expect("five")];
    let first = plagued.calls_of_a_start(kind) + 20 + dice.below(60);
    // A failed call is tried again five times a second, and an answer waits for a second.
    let plan = format!("{kind}@{first}..{}", first + 7 + dice.below(4));
    assert!(plagued.start(&plan), "{plan}: it did not start");
    let refused = Mutex::new(None);
    plagued.ask_until(&mut dice, |load| {
        let mut healed = refused.lock().expect("no thread failed");
        if healed.is_none() && load.refused.load(Ordering::Relaxed) > 0 {
            *healed = Some(load.count());
        }
        healed.is_some_and(|it| load.count() > it + 20)
    });
    let refused = refused.into_inner().expect("no thread failed");
    assert!(refused.is_some(), "round {round}, {plan}: nothing was refused");
    assert_eq!(plagued.world.gateway.ask_admin("/readyz").status, 200, "round {round}, {plan}");
    plagued.hold(&format!("round {round}, {plan}"));
}

#[test]
fn what_cannot_be_written_for_a_while_is_refused_and_then_made_up_for() {
    let seed = Seed::of_environment();
    let (rounds, mut answered) = (number("PORTCULLIS_FAILURES", 2), 0);
    for first in (0..rounds).step_by(LIFE) {
        let mut world = world();
        let mut plagued = Plagued::new(&mut world);
        for round in first..rounds.min(first + LIFE as u64) {
            fail_for_a_while(&mut plagued, round, seed.dice(2_000_000 + round));
        }
        answered += plagued.promised.answered.len();
    }
    tell("the gateway, unable to write for a while", &format!("{rounds} times, {answered} answers that waited"));
}
