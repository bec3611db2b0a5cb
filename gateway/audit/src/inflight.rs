//! Which requests were sent on and have no entry yet: a table on the disk that the next start reads.
//!
//! It outlives the process and not the machine: what is written is left to the system to bring to the disk. Where even
//! that hangs, a thread of its own hangs with it, and whoever waits for a place is refused in the end.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::field::{Fact, Field, facts};
use crate::minimum::minimum;
use crate::read::{Entries, ReadError};
use crate::tag::{TAG, Tags};
use crate::tree::FULL;
use crate::watch::Left;
use crate::{Notice, disk, wal};

/// How many bytes each request has: its text, zeros, and the tag of the text. An empty place begins with a zero.
const PLACE: usize = 512;

/// How many of them may be text.
const TEXT: usize = PLACE - TAG - 1;

/// How many requests may wait for a place; those after them wait until they may.
const WAITING: usize = 1024;

/// How many entries before the write-ahead files are looked through at least.
const BEHIND: u64 = 16 * 1024;

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

/// The table. Its file is written by a thread of its own, and cleared by the writer of the log.
#[derive(Debug)]
pub struct InFlight {
    table: Arc<Table>,
    asked: mpsc::Sender<Asked>,
    patience: Duration,
}

#[derive(Debug)]
struct Table {
    tags: Tags,
    /// Held while the disk is waited for, and by nobody who serves.
    file: Mutex<Written>,
    places: Mutex<Places>,
}

/// The file, and what is in it unless somebody else has changed that.
#[derive(Debug)]
struct Written {
    file: File,
    bytes: Vec<u8>,
}

/// Nobody waits for the disk who holds this.
#[derive(Debug, Default)]
struct Places {
    /// How many there are.
    count: u32,
    free: Vec<u32>,
    /// Those whose request was entered, and under which number of this run.
    leaving: Vec<(u64, u32)>,
    /// Those of the run before, of which no entry says anything yet.
    lost: Vec<u32>,
}

/// Somebody waits for a place.
#[derive(Debug)]
struct Asked {
    bytes: Vec<u8>,
    told: oneshot::Sender<io::Result<Granted>>,
}

/// A place that is written. Where nobody takes it the request was not sent on, and it is free again.
#[derive(Debug)]
struct Granted {
    place: Option<u32>,
    table: Arc<Table>,
}

/// The place of one request. Dropping it without [`InFlight::leave`] leaves it in the table.
#[derive(Debug)]
pub struct Place(u32);

impl InFlight {
    /// Opens the table of a log. Gives those that were in it and of which the log says nothing: they keep their places
    /// until [`InFlight::said`]. What others have written into it is no request. Whoever asks for a place waits so long at
    /// most, and so many entries may be short of the disk.
    pub(crate) fn open(
        log: &Path,
        (patience, backlog): (Duration, u64),
        tags: Tags,
    ) -> Result<(Self, Vec<UnderWay>), ReadError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = disk::open_own(&log.join("inflight"), &mut options)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let all = bytes.chunks(PLACE).zip(0..);
        let left: Vec<(UnderWay, u32)> = all.filter_map(|(bytes, place)| Some((read(bytes, &tags)?, place))).collect();
        let entered = entered(log, &left, behind(backlog))?;
        let (known, unknown): (Vec<_>, Vec<_>) = left.into_iter().partition(|(it, _)| entered.contains(it.id.as_str()));
        let (mut places, mut written) = (Places::default(), Written { file, bytes });
        if unknown.is_empty() {
            written.file.set_len(0)?;
            written.bytes.clear();
        } else {
            known.iter().try_for_each(|(_, place)| written.write(&[0], *place))?;
            let bytes = &written.bytes;
            places.count = u32::try_from(bytes.len().div_ceil(PLACE)).unwrap_or(u32::MAX);
            places.lost = unknown.iter().map(|(_, place)| *place).collect();
            places.free = (0..places.count).filter(|it| !places.lost.contains(it)).collect();
        }
        let table = Arc::new(Table { tags, file: Mutex::new(written), places: Mutex::new(places) });
        let (asked, asking) = mpsc::channel(WAITING);
        let own = Arc::clone(&table);
        let thread = std::thread::Builder::new().name("audit-table".to_owned());
        let _ = thread.spawn(move || own.serve(asking))?;
        Ok((Self { table, asked, patience }, unknown.into_iter().map(|(it, _)| it).collect()))
    }

    /// Notes that a request is about to be sent on.
    pub async fn enter(&self, request: &UnderWay) -> io::Result<Place> {
        let bytes = self.table.written(request)?;
        let (told, hear) = oneshot::channel();
        let granted = async {
            let ended = || io::Error::other("nobody writes the table any more");
            self.asked.send(Asked { bytes, told }).await.map_err(|_| ended())?;
            hear.await.map_err(|_| ended())?
        };
        let granted = tokio::time::timeout(self.patience, granted).await;
        let place = granted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?.place.take();
        place.map(Place).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Notes that a request was entered, as this number of this run. Until that entry is on the disk for certain, the
    /// request keeps its place.
    pub fn leave(&self, Place(place): Place, number: u64) {
        self.table.places().leaving.push((number, place));
    }

    /// Notes that what the run before left behind is said in the log, by entries up to this number of this run.
    pub fn said(&self, number: u64) {
        let mut places = self.table.places();
        let lost = std::mem::take(&mut places.lost);
        places.leaving.extend(lost.into_iter().map(|place| (number, place)));
    }

    /// Clears the places of those whose entry is on the disk by now: so many are.
    pub fn sweep(&self, durable: u64) {
        let mut certain: Vec<_> = self
            .table
            .places()
            .leaving
            .extract_if(.., |(number, _)| *number <= durable)
            .map(|(_, place)| place)
            .collect();
        // One that cannot be cleared is found to have an entry at the next start.
        certain.retain(|place| self.table.write(&[0], *place).is_ok());
        self.table.places().free.append(&mut certain);
    }
}

impl InFlight {
    /// Whether the table lies there, and is what was written.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let Written { file, bytes } = &*self.table.file();
        let same = || disk::read(path).is_ok_and(|it| it.as_ref() == Some(bytes));
        Left::open(file, path, 0).is_ok_and(|it| it.holds()) && same()
    }

    /// Puts the table there, as it was written.
    pub(crate) fn put_back(&self, path: &Path) -> io::Result<()> {
        let mut table = self.table.file();
        disk::put_durably(path, &table.bytes)?;
        table.file = disk::open_own(path, OpenOptions::new().read(true).write(true))?;
        Ok(())
    }
}

impl Table {
    /// A request as its place holds it.
    fn written(&self, request: &UnderWay) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(request)?;
        if bytes.len() > TEXT {
            // An id is short, and says which one it was.
            let known =
                UnderWay { tenant: None, key: None, api: String::new(), operation: String::new(), ..request.clone() };
            bytes = serde_json::to_vec(&known)?;
        }
        let tag = self.tags.of_place(&bytes);
        bytes.resize(PLACE - TAG, 0);
        bytes.extend_from_slice(&tag);
        Ok(bytes)
    }

    /// Writes requests into places, until nobody can ask for one any more.
    fn serve(self: &Arc<Self>, mut asking: mpsc::Receiver<Asked>) {
        while let Some(Asked { bytes, told }) = asking.blocking_recv() {
            if told.is_closed() {
                continue;
            }
            let place = self.places().take();
            let granted = Granted { place: Some(place), table: Arc::clone(self) };
            let _ = told.send(self.write(&bytes, place).map(|()| granted));
        }
    }

    fn write(&self, bytes: &[u8], place: u32) -> io::Result<()> {
        self.file().write(bytes, place)
    }

    fn file(&self) -> MutexGuard<'_, Written> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    fn write(&mut self, bytes: &[u8], place: u32) -> io::Result<()> {
        let start = usize::try_from(place).unwrap_or(usize::MAX).saturating_mul(PLACE);
        self.file.write_all_at(bytes, start as u64)?;
        let end = start.saturating_add(bytes.len());
        self.bytes.resize(self.bytes.len().max(end), 0);
        if let Some(own) = self.bytes.get_mut(start..end) {
            own.copy_from_slice(bytes);
        }
        Ok(())
    }
}

impl Places {
    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.count += 1;
            self.count - 1
        })
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        // Cleared before it is anybody's again. No entry need come first.
        let place = self.place.take().map(|place| (0, place));
        self.table.places().leaving.extend(place);
    }
}

impl UnderWay {
    /// The entry that says that a request was sent on, and that nobody knows what became of it.
    pub fn notice(&self) -> Notice {
        let request = serde_json::json!({ "id": self.id, "api": self.api, "operation": self.operation });
        let notice = Notice::new("request.lost", self.time).with("request", request);
        let notice =
            self.key.iter().fold(notice, |notice, key| notice.with("actor", key.as_str()).with("key", key.as_str()));
        self.tenant.iter().fold(notice, |notice, tenant| notice.of(tenant))
    }
}

fn read(place: &[u8], tags: &Tags) -> Option<UnderWay> {
    let (text, tag) = place.split_at_checked(PLACE - TAG)?;
    let text = text.get(..text.iter().position(|it| *it == 0)?)?;
    if text.is_empty() {
        return None;
    }
    if tags.place_by(text, tag).is_none() {
        tracing::error!("somebody else has written into the table of requests in flight: that is passed over");
        return None;
    }
    serde_json::from_slice(text).ok()
}

/// How many entries before the write-ahead files are looked through, where so many may be short of the disk: more than are
/// written from when an entry is handed over until the place of its request is cleared.
fn behind(backlog: u64) -> u64 {
    BEHIND.max(backlog.saturating_mul(2))
}

/// The ids of requests that have an entry: among those of the write-ahead files, and the last so many before, as far as they
/// are there.
fn entered(log: &Path, left: &[(UnderWay, u32)], behind: u64) -> Result<HashSet<String>, ReadError> {
    let mut entered = HashSet::new();
    if left.is_empty() {
        return Ok(entered);
    }
    let mut wanting: HashSet<&str> = left.iter().map(|(it, _)| it.id.as_str()).collect();
    let mut take = |entry: &[u8]| {
        entered.extend(request_of(entry).filter(|it| wanting.remove(*it)).map(str::to_owned));
        wanting.is_empty()
    };
    let first = wal::files(log)?.first().map_or(0, |(first, _)| *first);
    let mut all = false;
    for entry in Entries::from(log, first) {
        all = take(&entry?.1);
    }
    // Bundle by bundle, the newest first: most were written just before.
    let (oldest, mut end) = (first.saturating_sub(behind).max(minimum(log)?), first);
    while oldest < end && !all {
        let begin = end.saturating_sub(FULL as u64);
        for (_, entry) in Entries::from(log, begin).map_while(Result::ok).take_while(|(seq, _)| *seq < end) {
            all = take(&entry);
        }
        end = begin;
    }
    Ok(entered)
}

/// The id of the request that an entry is the one of. What a request has caused besides speaks of it as well.
fn request_of(entry: &[u8]) -> Option<&str> {
    let (mut id, mut is_request) = (None, false);
    facts(entry, |fact| match fact {
        Fact::Says(Field::Request, it) => id = Some(it),
        Fact::Says(Field::Class, class) => is_request = class.starts_with("request."),
        Fact::Says(..) | Fact::Time(_) => {}
    })
    .ok()?;
    id.filter(|_| is_request)
}

#[cfg(test)]
mod tests;
