//! Which requests were sent on and have no entry yet: a table on the disk that the next start reads.
//!
//! It outlives the process and not the machine: what is written is left to the system to bring to the disk.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::read::{Entries, ReadError};
use crate::{Notice, wal};

/// How many bytes each request has. An empty place begins with a zero.
const PLACE: usize = 512;

/// A request that was sent on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// The request id.
    pub id: String,
    /// When it arrived.
    pub time: Timestamp,
    /// The API.
    pub api: String,
    /// The operation.
    pub operation: String,
    /// The tenant, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The key, by its id, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The table.
#[derive(Debug)]
pub struct InFlight {
    file: File,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// How many there are.
    count: u32,
    free: Vec<u32>,
    /// Those whose request was entered, and under which number of this run.
    leaving: Vec<(u64, u32)>,
}

/// The place of one request. Dropping it without [`InFlight::leave`] leaves it in the table.
#[derive(Debug)]
pub struct Place(u32);

impl InFlight {
    /// Opens the table of a log and empties it. Gives those that were in it and of which the log says nothing.
    pub fn open(log: &Path) -> Result<(Self, Vec<UnderWay>), ReadError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(log.join("inflight"))?;
        let bytes = std::fs::read(log.join("inflight"))?;
        let left: Vec<UnderWay> = bytes.chunks(PLACE).filter_map(read).collect();
        let unknown = without_entry(log, left)?;
        file.set_len(0)?;
        Ok((Self { file, places: Mutex::default() }, unknown))
    }

    /// Notes that a request is about to be sent on.
    pub fn enter(&self, request: &UnderWay) -> io::Result<Place> {
        let mut bytes = serde_json::to_vec(request)?;
        if bytes.len() > PLACE {
            // An id is short, and says which one it was.
            let known =
                UnderWay { tenant: None, key: None, api: String::new(), operation: String::new(), ..request.clone() };
            bytes = serde_json::to_vec(&known)?;
        }
        bytes.resize(PLACE, 0);
        let place = {
            let mut places = self.places();
            places.free.pop().unwrap_or_else(|| {
                places.count += 1;
                places.count - 1
            })
        };
        let written = self.file.write_all_at(&bytes, offset(place));
        if written.is_err() {
            self.places().free.push(place);
        }
        written.map(|()| Place(place))
    }

    /// Notes that a request was entered, as this number of this run, of which so many are on the disk for certain. Until
    /// the entry is, the request keeps its place.
    pub fn leave(&self, Place(place): Place, number: u64, durable: u64) {
        self.places().leaving.push((number, place));
        self.sweep(durable);
    }

    /// Clears the places of those whose entry is on the disk by now.
    pub fn sweep(&self, durable: u64) {
        let mut places = self.places();
        let Places { free, leaving, .. } = &mut *places;
        leaving.retain(|(number, place)| {
            let certain = *number <= durable;
            // One that cannot be cleared is found to have an entry at the next start.
            if certain && self.file.write_all_at(&[0], offset(*place)).is_ok() {
                free.push(*place);
            }
            !certain
        });
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// The entry that says that a request was sent on, and that nobody knows what became of it.
    pub fn notice(&self) -> Notice {
        let request = serde_json::json!({ "id": self.id, "api": self.api, "operation": self.operation });
        let notice = Notice::new("request.lost", self.time).with("request", request);
        let notice = self.key.as_ref().map_or_else(|| notice.clone(), |it| notice.clone().with("key", it.as_str()));
        match &self.tenant {
            Some(tenant) => notice.of(tenant),
            None => notice,
        }
    }
}

fn offset(place: u32) -> u64 {
    u64::from(place) * PLACE as u64
}

fn read(place: &[u8]) -> Option<UnderWay> {
    let end = place.iter().position(|it| *it == 0).unwrap_or(place.len());
    serde_json::from_slice(place.get(..end)?).ok()
}

/// Those whose id is in no entry of the write-ahead files. An entry that is in none of them any more was on the disk long
/// before its place was left.
fn without_entry(log: &Path, mut left: Vec<UnderWay>) -> Result<Vec<UnderWay>, ReadError> {
    let first = wal::files(log)?.first().map_or(0, |(first, _)| *first);
    if left.is_empty() {
        return Ok(left);
    }
    let ids: Vec<Arc<str>> = left.iter().map(|it| it.id.as_str().into()).collect();
    let mut entered = BTreeSet::new();
    for entry in Entries::from(log, first) {
        let (_, entry) = entry?;
        entered.extend(ids.iter().filter(|id| memchr::memmem::find(&entry, id.as_bytes()).is_some()).cloned());
    }
    left.retain(|it| !entered.contains(it.id.as_str()));
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str) -> UnderWay {
        UnderWay {
            id: id.to_owned(),
            time: Timestamp::from_seconds(1_790_000_000),
            api: "novastraxis".to_owned(),
            operation: "createThing".to_owned(),
            tenant: Some("acme".to_owned()),
            key: None,
        }
    }

    #[test]
    fn who_did_not_leave_is_found_at_the_next_start_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let (table, found) = InFlight::open(folder.path()).unwrap();
        assert_eq!(found, []);
        let places: Vec<Place> = ["a1", "b2", "c3"].iter().map(|id| table.enter(&request(id)).unwrap()).collect();
        let [a, b, _c] = places.try_into().unwrap();
        table.leave(a, 1, 1);
        table.leave(b, 2, 1);
        drop(table);
        let (table, found) = InFlight::open(folder.path()).unwrap();
        assert_eq!(found, [request("b2"), request("c3")], "an entry that may be lost is no entry");
        drop(table);
        assert_eq!(InFlight::open(folder.path()).unwrap().1, []);
    }

    #[test]
    fn places_are_used_again_once_their_entry_is_certain() {
        let folder = tempfile::tempdir().unwrap();
        let (table, _) = InFlight::open(folder.path()).unwrap();
        for number in 1..1000 {
            let place = table.enter(&request("a1")).unwrap();
            table.leave(place, number, number - 1);
        }
        assert!(std::fs::metadata(folder.path().join("inflight")).unwrap().len() <= 2 * PLACE as u64);
        table.sweep(999);
        drop(table);
        assert_eq!(InFlight::open(folder.path()).unwrap().1, []);
    }

    #[test]
    fn one_that_does_not_fit_keeps_its_id_and_rubbish_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (table, _) = InFlight::open(folder.path()).unwrap();
        let _ = table.enter(&UnderWay { operation: "x".repeat(600), ..request("a1") }).unwrap();
        drop(table);
        let file = folder.path().join("inflight");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.extend_from_slice(&[b'{'; 700]);
        std::fs::write(&file, bytes).unwrap();
        let (_, found) = InFlight::open(folder.path()).unwrap();
        assert_eq!(found.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["a1"]);
    }
}
