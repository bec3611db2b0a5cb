//! Whom entries speak of: a key for each person, so that destroying it erases what was sealed with it.
//!
//! What is sealed is sealed before it is hashed. The log therefore never changes when somebody is erased, and every proof
//! goes on holding.

mod lines;
mod roll;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use domain::{Random, Timestamp};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::{Zeroize as _, Zeroizing};

use crate::disk;
use lines::Lines;
pub use roll::{LastSaid, Roll, Shortfall};

/// The key of one person, or of whatever else can be erased as one.
pub struct SubjectKey {
    id: String,
    key: LessSafeKey,
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What an entry has instead of personal fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize))]
pub struct Sealed {
    /// Which key opens it. Drawn, so that it says nothing of whose it is.
    pub key: String,
    /// AES-256-GCM: ciphertext and tag, in Base64 without padding.
    pub text: String,
}

/// The keys of all subjects. Each is made when somebody is first spoken of.
#[derive(Debug)]
pub struct Subjects {
    file: Mutex<Option<Lines>>,
    /// By tenant, then by name.
    known: RwLock<Known>,
    /// Which there ever were.
    roll: Mutex<Roll>,
    /// Something was written that is not on the disk for certain.
    dirty: AtomicBool,
}

/// One line of the file: a key, or that one was destroyed.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Key(KeyLine),
    Erased(ErasedLine),
}

/// A key that was destroyed, and for whom: who tries a second time finds that it was done.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErasedLine {
    erased: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
}

/// The deed that asks for an erasure: its number, and when it was done, because those of another registry have the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Under which number it is kept.
    pub number: u64,
    /// When it was done.
    pub time: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyLine {
    id: String,
    tenant: String,
    name: String,
    key: String,
}

impl Drop for KeyLine {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl SubjectKey {
    fn new(id: String, mut bytes: [u8; 32]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &bytes);
        bytes.zeroize();
        Some(Self { id, key: LessSafeKey::new(key.ok()?) })
    }

    /// Seals what an entry says of a person: from where something was asked, and which path. `id` is the id of the request
    /// in bytes: it is drawn anew for each, so that no nonce comes twice, but for the same words.
    ///
    /// INVARIANT: what is sealed for one request is always the same, because its id is the nonce.
    pub fn seal(&self, id: &[u8; 16], source: &str, path: &str, reads: Option<&str>) -> Option<Sealed> {
        let length = source.len() + 1 + path.len() + reads.map_or(0, |it| it.len() + 1);
        // Room for all of it at once: it is made for every request.
        let mut text = Vec::with_capacity(length + AES_256_GCM.tag_len());
        text.extend_from_slice(source.as_bytes());
        for line in std::iter::once(path).chain(reads) {
            text.push(b'\n');
            text.extend_from_slice(line.as_bytes());
        }
        self.key.seal_in_place_append_tag(nonce(id), Aad::from(id), &mut text).ok()?;
        Some(Sealed { key: self.id.clone(), text: STANDARD_NO_PAD.encode(text) })
    }

    /// What was sealed, provided that it was sealed for this request.
    pub fn open(&self, id: &[u8; 16], sealed: &str) -> Option<String> {
        let mut text = STANDARD_NO_PAD.decode(sealed).ok()?;
        let words = self.key.open_in_place(nonce(id), Aad::from(id), &mut text).ok()?;
        String::from_utf8(words.to_vec()).ok()
    }
}

fn nonce(id: &[u8; 16]) -> Nonce {
    Nonce::assume_unique_for_key(id.first_chunk::<NONCE_LEN>().copied().unwrap_or_default())
}

impl Subjects {
    /// Keys that live as long as the process: what is sealed with them is erased when it ends.
    pub fn passing() -> Self {
        Self { file: Mutex::default(), known: RwLock::default(), roll: Mutex::default(), dirty: AtomicBool::new(false) }
    }

    /// The keys in this file, which is made where there is none. A line that was never finished is cut off.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            disk::make_folder(folder)?;
        }
        let Found { known, drawn, erased, whole } = read(path)?;
        Ok(Self {
            file: Mutex::new(Some(Lines::found(path, whole)?)),
            known: RwLock::new(known),
            roll: Mutex::new(Roll::of(&drawn, erased.len())),
            dirty: AtomicBool::new(true),
        })
    }

    /// The key of this subject, if it has one. Never waits for the disk.
    pub fn known(&self, tenant: &str, name: &str) -> Option<Arc<SubjectKey>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tenant).and_then(|it| it.get(name)).cloned()
    }

    /// The key of this subject; one is drawn, and written down, where there is none.
    pub fn key(&self, tenant: &str, name: &str, random: &dyn Random) -> io::Result<Arc<SubjectKey>> {
        if let Some(key) = self.known(tenant, name) {
            return Ok(key);
        }
        // Whoever changes what is known holds the file, so that nobody need hold both while the disk is waited for.
        let mut file = self.file();
        if let Some(key) = self.known(tenant, name) {
            return Ok(key);
        }
        let (mut id, mut bytes) = ([0; 8], Zeroizing::new([0; 32]));
        random.fill(&mut id);
        random.fill(&mut *bytes);
        let line =
            KeyLine { id: hex::encode(id), tenant: tenant.to_owned(), name: name.to_owned(), key: hex::encode(*bytes) };
        let key = SubjectKey::new(line.id.clone(), *bytes).ok_or_else(|| io::Error::other("no key can be made"))?;
        if let Some(file) = &mut *file {
            let mut text = Zeroizing::new(serde_json::to_vec(&line)?);
            text.push(b'\n');
            file.add(&text)?;
            self.dirty.store(true, Ordering::Release);
        }
        self.roll_mut().draw(&line.id);
        let key = Arc::new(key);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(tenant.to_owned()).or_default().insert(name.to_owned(), Arc::clone(&key));
        Ok(key)
    }

    /// The keys of one tenant's subjects by their ids: what is sealed of anybody else stays sealed.
    pub fn of_tenant(&self, tenant: &str) -> SubjectKeys {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let own = || known.get(tenant).into_iter().flatten();
        let keys = own().map(|(_, it)| (it.id.clone(), Arc::clone(it))).collect();
        let names = HashMap::from([(tenant.to_owned(), own().map(|(name, _)| name.clone()).collect())]);
        SubjectKeys { keys, drawn: Vec::new(), erased: HashSet::new(), names }
    }

    /// Makes certain that every key is on the disk. To be called before what was sealed with them is.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.dirty.swap(false, Ordering::AcqRel)
            && let Err(cause) = self.sync_file()
        {
            self.dirty.store(true, Ordering::Release);
            return Err(cause);
        }
        Ok(())
    }

    fn sync_file(&self) -> io::Result<()> {
        let unsynced = self.file().as_mut().map_or(Ok(None), Lines::unsynced)?;
        let Some(unsynced) = unsynced else { return Ok(()) };
        // Nobody else waits for the disk meanwhile.
        let synced = unsynced.sync();
        if let Some(file) = &mut *self.file() {
            file.synced(&unsynced, synced.is_ok());
        }
        synced
    }

    /// Puts the file back where it was taken away, replaced or changed. Says whether it was.
    pub(crate) fn look(&self) -> io::Result<bool> {
        self.file().as_mut().map_or(Ok(false), Lines::look)
    }

    /// Which keys there ever were, for a sign of life to say.
    pub fn roll(&self) -> Roll {
        *self.roll_mut()
    }

    /// Destroys the key of a subject, here and on the disk, where only its id is left. Gives that; nothing where there was
    /// none. What is said of the subject from now on is sealed with another.
    pub fn erase(&self, tenant: &str, name: &str, asked: Asked) -> io::Result<Option<String>> {
        let Some(id) = self.known(tenant, name).map(|it| it.id.clone()) else { return Ok(None) };
        let gone = self.destroy(&HashSet::from([id.clone()]), Some(asked))?;
        Ok((gone > 0).then_some(id))
    }

    /// The id of the key that was destroyed for this deed already, by a run that may have ended before that was entered.
    pub fn erased_for(&self, asked: Asked) -> Option<String> {
        let file = self.file();
        let lines = file.as_ref().map(Lines::all).unwrap_or_default();
        let erased = |line: &[u8]| match serde_json::from_slice(line) {
            Ok(Line::Erased(it)) if it.asked == Some(asked) => Some(it.erased),
            Ok(Line::Key(_) | Line::Erased(_)) | Err(_) => None,
        };
        // A cheap look first: of most lines it is not asked who asked.
        lines.split(|it| *it == b'\n').filter(|it| memchr::memmem::find(it, b"\"asked\"").is_some()).find_map(erased)
    }

    /// Destroys the keys of these ids, as far as they are there. Says how many were.
    pub fn erase_keys(&self, ids: &HashSet<String>) -> io::Result<u64> {
        self.destroy(ids, None)
    }

    fn destroy(&self, ids: &HashSet<String>, asked: Option<Asked>) -> io::Result<u64> {
        let mut file = self.file();
        let there = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let gone = there.values().flat_map(HashMap::values).filter(|it| ids.contains(&it.id)).count() as u64;
        drop(there);
        if let Some(file) = file.as_mut().filter(|_| gone > 0) {
            // In the place of the key: which keys there ever were, and in which order, does not change.
            file.replace(|line| match serde_json::from_slice(line) {
                Ok(Line::Key(it)) if ids.contains(&it.id) => {
                    let mut said = serde_json::to_vec(&ErasedLine { erased: it.id.clone(), asked }).ok()?;
                    said.push(b'\n');
                    Some(said)
                }
                Ok(Line::Key(_) | Line::Erased(_)) | Err(_) => None,
            })?;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.values_mut().for_each(|it| it.retain(|_, key| !ids.contains(&key.id)));
        self.roll_mut().erase(gone);
        Ok(gone)
    }

    /// Says in each sign of life that so many more keys are to be gone than are, so that the next start looks for them.
    pub fn miss_erased(&self, count: u64) {
        self.roll_mut().erase(count);
    }

    fn roll_mut(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Option<Lines>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Known = HashMap<String, HashMap<String, Arc<SubjectKey>>>;

/// What a file holds.
struct Found {
    known: Known,
    /// The ids of all keys that were ever drawn, in their order.
    drawn: Vec<String>,
    /// Those of keys that were destroyed.
    erased: HashSet<String>,
    /// Its whole lines.
    whole: Zeroizing<Vec<u8>>,
}

fn read(path: &Path) -> io::Result<Found> {
    let mut text = Zeroizing::new(disk::read(path)?.unwrap_or_default());
    let end = text.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
    text.truncate(end);
    let (mut known, mut drawn, mut erased) = (Known::new(), Vec::new(), HashSet::new());
    for line in text.split(|it| *it == b'\n').filter(|it| !it.is_empty()) {
        let bad =
            || io::Error::new(io::ErrorKind::InvalidData, format!("`{}` holds a line that is no key", path.display()));
        let line = match serde_json::from_slice(line).map_err(|_| bad())? {
            Line::Key(line) => line,
            Line::Erased(ErasedLine { erased: id, .. }) => {
                drawn.push(id.clone());
                erased.insert(id);
                continue;
            }
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(&line.key, &mut bytes).map_err(|_| bad())?;
        let key = SubjectKey::new(line.id.clone(), bytes).ok_or_else(bad)?;
        drawn.push(line.id.clone());
        known.entry(line.tenant.clone()).or_default().insert(line.name.clone(), Arc::new(key));
    }
    Ok(Found { known, drawn, erased, whole: text })
}

/// The keys by their ids, for whoever may read what was sealed, and the ids of those that were destroyed.
#[derive(Debug, Default)]
pub struct SubjectKeys {
    keys: HashMap<String, Arc<SubjectKey>>,
    /// The ids of all that were ever drawn, in their order.
    drawn: Vec<String>,
    erased: HashSet<String>,
    /// Whose keys they are: by tenant, the names.
    names: HashMap<String, HashSet<String>>,
}

impl SubjectKeys {
    /// The keys in this file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let Found { known, drawn, erased, .. } = read(path)?;
        let names = known.iter().map(|(tenant, all)| (tenant.clone(), all.keys().cloned().collect())).collect();
        let keys = known.into_values().flat_map(HashMap::into_values).map(|it| (it.id.clone(), it)).collect();
        Ok(Self { keys, drawn, erased, names })
    }

    /// Whether one of them seals what is said of this subject of a tenant.
    pub fn has(&self, tenant: &str, name: &str) -> bool {
        self.names.get(tenant).is_some_and(|it| it.contains(name))
    }

    /// Whether the key of this id is neither there nor was destroyed by [`Subjects::erase`]: somebody has lost it.
    pub fn is_lost(&self, id: &str) -> bool {
        !self.keys.contains_key(id) && !self.erased.contains(id)
    }

    /// Puts back into the view of an entry what was sealed of it, where its key is still there; says so where it was
    /// erased.
    pub fn unseal(&self, entry: &mut Value) {
        let text = |it: &Value, at: &str| it.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let (Some(key), Some(sealed)) = (text(entry, "/sealed/key"), text(entry, "/sealed/text")) else { return };
        let opened = self.keys.get(&key).and_then(|it| {
            let mut id = [0; 16];
            hex::decode_to_slice(text(entry, "/request/id")?, &mut id).ok()?;
            it.open(&id, &sealed)
        });
        let told = opened.as_deref().and_then(|it| it.split_once('\n'));
        if let Some(section) = entry.get_mut("sealed") {
            *section = json!({ "key": key });
            if told.is_none() && self.erased.contains(&key) {
                *section = json!({ "key": key, "erased": true });
            }
        }
        let request = entry.get_mut("request").and_then(Value::as_object_mut);
        if let (Some(request), Some((source, paths))) = (request, told) {
            let (path, reads) = paths.split_once('\n').map_or((paths, None), |(path, reads)| (path, Some(reads)));
            request.insert("path".to_owned(), path.into());
            request.insert("source".to_owned(), source.into());
            request.extend(reads.map(|it| ("reads".to_owned(), it.into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU8;

    use super::*;

    #[derive(Debug, Default)]
    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    const ID: [u8; 16] = [7; 16];

    #[test]
    fn what_is_sealed_opens_for_its_request_alone_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/subjects");
        let random = Counting::default();
        let subjects = Subjects::open(&path).unwrap();
        let alice = subjects.key("acme", "alice", &random).unwrap();
        let sealed = alice.seal(&ID, "203.0.113.9", "/", None).unwrap();
        assert!(!sealed.text.contains("203"));
        let again = Subjects::open(&path).unwrap();
        let key = again.key("acme", "alice", &random).unwrap();
        assert_eq!(key.open(&ID, &sealed.text).as_deref(), Some("203.0.113.9\n/"));
        assert_eq!(key.open(&[8; 16], &sealed.text), None, "of another request");
        for other in [again.key("globex", "alice", &random), again.key("acme", "bob", &random)] {
            assert_eq!(other.unwrap().open(&ID, &sealed.text), None, "of somebody else");
        }
        assert_eq!(
            SubjectKeys::read(&path).unwrap().keys[&sealed.key].open(&ID, &sealed.text).as_deref(),
            Some("203.0.113.9\n/")
        );
    }

    #[test]
    fn who_is_erased_is_gone_from_memory_and_disk_and_nobody_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subjects");
        let random = Counting::default();
        let subjects = Subjects::open(&path).unwrap();
        let sealed = subjects.key("acme", "alice", &random).unwrap().seal(&ID, "hers", "/", None).unwrap();
        let his = subjects.key("acme", "bob", &random).unwrap().seal(&ID, "his", "/", None).unwrap();
        let copied = subjects.key("acme", "bob", &random).unwrap().seal(&[8; 16], "his", "/a", Some("/b")).unwrap();
        let mut copy =
            json!({ "request": { "id": hex::encode([8; 16]) }, "sealed": { "key": copied.key, "text": copied.text } });
        subjects.of_tenant("acme").unseal(&mut copy);
        let said = ["source", "path", "reads"].map(|it| copy["request"][it].clone());
        assert_eq!(said, ["his", "/a", "/b"]);
        let entry = json!({ "request": { "id": hex::encode(ID) }, "sealed": { "key": his.key, "text": his.text } });
        let opened = |tenant: &str| {
            let mut entry = entry.clone();
            subjects.of_tenant(tenant).unseal(&mut entry);
            entry["request"].get("source").cloned()
        };
        assert_eq!((opened("acme"), opened("globex")), (Some("his".into()), None), "a tenant opens its own only");
        let asked = Asked { number: 7, time: Timestamp::from_nanos(1_790_000_000_000_000_001) };
        assert_eq!(subjects.erase("globex", "alice", asked).unwrap(), None, "a tenant erases its own people only");
        assert_eq!(subjects.erased_for(asked), None);
        assert_eq!(subjects.erase("acme", "alice", asked).unwrap().as_deref(), Some(sealed.key.as_str()));
        assert_eq!(subjects.erase("acme", "alice", asked).unwrap(), None);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("alice"));
        let later = subjects.key("acme", "alice", &random).unwrap();
        assert_eq!(later.open(&ID, &sealed.text), None);
        // Whoever tries again finds what was done for them, whoever else has a number like theirs does not.
        let again = Subjects::open(&path).unwrap();
        assert_eq!(again.erased_for(asked).as_deref(), Some(sealed.key.as_str()));
        assert_eq!(again.erased_for(Asked { time: Timestamp::from_nanos(5), ..asked }), None);
        assert_eq!(again.erased_for(Asked { number: 8, ..asked }), None);
        let left = SubjectKeys::read(&path).unwrap();
        assert!(left.erased.contains(&sealed.key) && !left.is_lost(&sealed.key) && left.is_lost("0000"));
        let kept = left.keys;
        assert_eq!((kept.len(), kept.contains_key(&sealed.key)), (2, false));
        assert_eq!(kept[&his.key].open(&ID, &his.text).as_deref(), Some("his\n/"));
    }

    #[test]
    fn a_line_that_was_never_finished_is_cut_off_and_one_that_was_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subjects");
        let random = Counting::default();
        drop(Subjects::open(&path).unwrap().key("acme", "alice", &random).unwrap());
        let good = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{good}{{\"id\":\"x\"")).unwrap();
        let _ = Subjects::open(&path).unwrap().key("acme", "bob", &random).unwrap();
        assert_eq!(SubjectKeys::read(&path).unwrap().keys.len(), 2);
        std::fs::write(&path, format!("nonsense\n{good}")).unwrap();
        assert!(Subjects::open(&path).is_err());
    }
}
