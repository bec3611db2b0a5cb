//! `kv`: keys and values of one plugin of one tenant, in the memory of this process.
//!
//! A guest is handed its own space and spells only keys within it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Tick;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::Lent;
use crate::PluginSettings;
use crate::wire::HostError;

/// What one space may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpaceBounds {
    key: usize,
    value: usize,
    entries: usize,
    bytes: usize,
}

impl From<&PluginSettings> for SpaceBounds {
    fn from(settings: &PluginSettings) -> Self {
        Self {
            key: settings.kv_key_bytes as usize,
            value: settings.kv_value_bytes as usize,
            entries: settings.kv_entries as usize,
            bytes: settings.kv_bytes as usize,
        }
    }
}

/// The keys and values of one plugin of one tenant.
#[derive(Debug)]
pub(crate) struct Space {
    bounds: SpaceBounds,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    entries: HashMap<String, Kept>,
    bytes: usize,
    /// No entry ends before this; none does at all where it is nothing.
    earliest: Option<Tick>,
}

#[derive(Debug)]
struct Kept {
    value: Vec<u8>,
    until: Option<Tick>,
}

impl Kept {
    fn is_live(&self, now: Tick) -> bool {
        self.until.is_none_or(|it| now < it)
    }
}

impl Space {
    pub(crate) fn new(bounds: SpaceBounds) -> Self {
        Self { bounds, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, key: &str, now: Tick) -> Option<Vec<u8>> {
        self.held().live(key, now).map(|it| it.value.clone())
    }

    /// Keeps a value, if what is there now may be replaced by it. Whether it was.
    fn put_where(
        &self,
        key: String,
        kept: Kept,
        now: Tick,
        may: impl Fn(Option<&[u8]>) -> bool,
    ) -> Result<bool, HostError> {
        let mut held = self.held();
        if !may(held.live(&key, now).map(|it| it.value.as_slice())) {
            return Ok(false);
        }
        held.keep(key, kept, &self.bounds, now).map(|()| true)
    }

    /// A counter keeps the end that it began with, so that it counts within a window.
    fn incr(&self, key: String, delta: i64, until: Option<Tick>, now: Tick) -> Result<i64, HostError> {
        let mut held = self.held();
        let (before, until) = match held.live(&key, now) {
            Some(kept) => {
                let number = std::str::from_utf8(&kept.value).ok().and_then(|it| it.parse::<i64>().ok());
                (number.ok_or_else(|| HostError::Invalid("the value is no number".to_owned()))?, kept.until)
            }
            None => (0, until),
        };
        let sum =
            before.checked_add(delta).ok_or_else(|| HostError::Invalid("the number would be too large".to_owned()))?;
        held.keep(key, Kept { value: sum.to_string().into_bytes(), until }, &self.bounds, now)?;
        Ok(sum)
    }

    fn delete(&self, key: &str) {
        self.held().forget(key);
    }
}

impl Held {
    fn live(&self, key: &str, now: Tick) -> Option<&Kept> {
        self.entries.get(key).filter(|it| it.is_live(now))
    }

    fn keep(&mut self, key: String, kept: Kept, bounds: &SpaceBounds, now: Tick) -> Result<(), HostError> {
        let limit = |what: &str| Err(HostError::Limit(what.to_owned()));
        if bounds.key < key.len() {
            return limit("key too long");
        }
        if bounds.value < kept.value.len() {
            return limit("value too long");
        }
        if !self.has_room(&key, &kept, bounds) {
            self.sweep(now);
            if !self.has_room(&key, &kept, bounds) {
                return limit("no room");
            }
        }
        self.forget(&key);
        self.earliest = [self.earliest, kept.until].into_iter().flatten().min();
        self.bytes += key.len() + kept.value.len();
        self.entries.insert(key, kept);
        Ok(())
    }

    fn has_room(&self, key: &str, kept: &Kept, bounds: &SpaceBounds) -> bool {
        let before = self.entries.get(key).map(|it| key.len() + it.value.len());
        let entries = self.entries.len() + usize::from(before.is_none());
        let bytes = self.bytes + key.len() + kept.value.len() - before.unwrap_or_default();
        entries <= bounds.entries && bytes <= bounds.bytes
    }

    fn forget(&mut self, key: &str) {
        if let Some(gone) = self.entries.remove(key) {
            self.bytes -= key.len() + gone.value.len();
        }
    }

    /// Forgets what has had its time. Nothing is looked through while nothing has.
    fn sweep(&mut self, now: Tick) {
        if self.earliest.is_none_or(|it| now < it) {
            return;
        }
        self.entries.retain(|_, it| it.is_live(now));
        self.bytes = self.entries.iter().map(|(key, it)| key.len() + it.value.len()).sum();
        self.earliest = self.entries.values().filter_map(|it| it.until).min();
    }
}

/// When what is kept now for so long ends; never, for zero.
fn until(ttl_ms: u64, now: Tick) -> Option<Tick> {
    (ttl_ms > 0).then(|| now + Duration::from_millis(ttl_ms))
}

pub(super) fn add(to: &mut LinkerInstance<'_, Lent>) -> wasmtime::Result<()> {
    type Store<'a> = StoreContextMut<'a, Lent>;
    type Put = (String, Vec<u8>, u64);
    type Compared = (String, Option<Vec<u8>>, Vec<u8>, u64);
    to.func_wrap("get", |store: Store<'_>, (key,): (String,)| {
        let lent = store.data();
        Ok((lent.on_request().map(|()| lent.kv.get(&key, lent.at.tick)),))
    })?;
    to.func_wrap("put", |store: Store<'_>, (key, value, ttl): Put| {
        Ok((put(store.data(), key, value, ttl, |_| true).map(drop),))
    })?;
    to.func_wrap("put-if-absent", |store: Store<'_>, (key, value, ttl): Put| {
        Ok((put(store.data(), key, value, ttl, |it| it.is_none()),))
    })?;
    to.func_wrap("compare-and-put", |store: Store<'_>, (key, expected, value, ttl): Compared| {
        Ok((put(store.data(), key, value, ttl, |it| it == expected.as_deref()),))
    })?;
    to.func_wrap("incr", |store: Store<'_>, (key, delta, ttl): (String, i64, u64)| {
        let lent = store.data();
        let now = lent.at.tick;
        Ok((lent.on_request().and_then(|()| lent.kv.incr(key, delta, until(ttl, now), now)),))
    })?;
    to.func_wrap("delete", |store: Store<'_>, (key,): (String,)| {
        let lent = store.data();
        Ok((lent.on_request().map(|()| lent.kv.delete(&key)),))
    })
}

fn put(
    lent: &Lent,
    key: String,
    value: Vec<u8>,
    ttl: u64,
    may: impl Fn(Option<&[u8]>) -> bool,
) -> Result<bool, HostError> {
    lent.on_request()?;
    let now = lent.at.tick;
    lent.kv.put_where(key, Kept { value, until: until(ttl, now) }, now, may)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(entries: u32, bytes: u32) -> Space {
        let settings = PluginSettings {
            kv_key_bytes: 4,
            kv_value_bytes: 8,
            kv_entries: entries,
            kv_bytes: bytes,
            ..PluginSettings::default()
        };
        Space::new((&settings).into())
    }

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    fn put(space: &Space, key: &str, value: &str, ttl: u64, now: u64) -> Result<bool, HostError> {
        space.put_where(key.to_owned(), Kept { value: value.into(), until: until(ttl, at(now)) }, at(now), |_| true)
    }

    #[test]
    fn a_value_is_there_until_its_time_is_over() {
        let space = space(9, 99);
        put(&space, "k", "v", 10, 0).unwrap();
        put(&space, "e", "v", 0, 0).unwrap();
        assert_eq!(space.get("k", at(9)).unwrap(), b"v");
        assert_eq!((space.get("k", at(10)), space.get("e", at(1_000_000)).is_some()), (None, true));
        space.delete("e");
        assert_eq!(space.get("e", at(1)), None);
    }

    #[test]
    fn what_there_is_no_room_for_is_refused_and_changes_nothing() {
        let space = space(2, 12);
        for (key, value, why) in [
            ("fives", "v", "key too long"),
            ("k", "nine long", "value too long"),
            ("a", "12345678", ""),
            ("b", "12", ""),
            ("c", "", "no room"),
            ("b", "123", "no room"),
            ("b", "1", ""),
        ] {
            let done = put(&space, key, value, 5, 0);
            let expected = if why.is_empty() { Ok(true) } else { Err(HostError::Limit(why.to_owned())) };
            assert_eq!(done, expected, "{key} {value}");
        }
        assert_eq!(space.get("b", at(1)).unwrap(), b"1");
        assert_eq!(put(&space, "c", "12345678", 0, 6), Ok(true), "what is over makes room");
    }

    #[test]
    fn only_the_first_is_first_and_only_what_was_expected_is_replaced() {
        let space = space(9, 99);
        let absent = |now| {
            let kept = Kept { value: b"a".to_vec(), until: Some(at(10)) };
            space.put_where("k".to_owned(), kept, at(now), |it| it.is_none())
        };
        assert_eq!((absent(0), absent(1), absent(10)), (Ok(true), Ok(false), Ok(true)));
        let swap = |old: &[u8], new: &[u8]| {
            let kept = Kept { value: new.to_vec(), until: None };
            space.put_where("s".to_owned(), kept, at(0), |it| it.unwrap_or_default() == old)
        };
        assert_eq!((swap(b"", b"1"), swap(b"", b"2"), swap(b"1", b"2")), (Ok(true), Ok(false), Ok(true)));
    }

    #[test]
    fn a_counter_counts_within_the_window_that_it_began() {
        let space = space(9, 99);
        let incr = |delta, now| space.incr("n".to_owned(), delta, until(10, at(now)), at(now));
        assert_eq!((incr(2, 0), incr(3, 9), incr(1, 10), incr(-2, 11)), (Ok(2), Ok(5), Ok(1), Ok(-1)));
        assert!(matches!(incr(i64::MIN, 12), Err(HostError::Invalid(_))));
        put(&space, "n", "x", 0, 0).unwrap();
        assert!(matches!(incr(1, 1), Err(HostError::Invalid(_))));
    }
}
