//! Logs of entries that no gateway of today writes.

use std::fs;
use std::path::Path;

use audit::{Entries, Log, tree};
use aws_lc_rs::{digest, hmac};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Opens a log, with an end to it as soon as it is dropped.
pub(crate) fn open(folder: &Path) -> Log {
    crate::sample::open(folder).unwrap().0
}

/// A signed log of these entries. What every entry has is added, where it is not there.
pub(crate) fn log_of(entries: &[Value]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut frames = Vec::new();
    for (number, entry) in (0_i64..).zip(entries) {
        let mut whole =
            json!({ "boot": "00", "node": "test", "node_seq": number, "schema": 1, "time": number * 1_000_000_000 });
        for (name, value) in entry.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let mut bytes = Vec::new();
        encode(&whole, &mut bytes);
        frame(u64::try_from(number).unwrap(), &bytes, &mut frames);
    }
    put(folder.path(), &frames);
    folder
}

/// Adds an entry to what a write-ahead file is to hold, as the signer of these tests writes it.
pub(crate) fn frame(seq: u64, entry: &[u8], frames: &mut Vec<u8>) {
    frame_by(1, seq, entry, frames);
}

/// Adds an entry as the gateway writes it whose seed has this in every byte.
pub(crate) fn frame_by(seed: u8, seq: u64, entry: &[u8], frames: &mut Vec<u8>) {
    let leaf = tree::leaf(entry);
    let key = |of: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, of);
    let drawn = hmac::sign(&key(&[seed; 32]), b"portcullis audit tag v1");
    let tag = hmac::sign(&key(drawn.as_ref()), &[&[0][..], &seq.to_le_bytes(), &leaf].concat());
    frames.extend_from_slice(&u32::try_from(entry.len()).unwrap().to_le_bytes());
    let tag = &tag.as_ref()[..16];
    frames.extend_from_slice(&digest::digest(&digest::SHA256, &[&leaf, tag].concat()).as_ref()[..8]);
    frames.extend_from_slice(tag);
    frames.extend_from_slice(entry);
}

/// Makes a log of a write-ahead file: the writer finds it, and signs.
pub(crate) fn put(folder: &Path, frames: &[u8]) {
    fs::create_dir(folder.join("wal")).unwrap();
    fs::write(folder.join(format!("wal/{:020}.wal", 0)), frames).unwrap();
    drop(open(folder));
    // What the writer puts in place as soon as it is given an entry.
    let mut levels = tree::Levels::default();
    for entry in Entries::from(folder, 0) {
        levels.push(tree::leaf(&entry.unwrap().1), |tile, hashes| {
            fs::write(folder.join(tile.path(tree::FULL)), hashes.concat()).unwrap();
        });
    }
}

/// Deterministic CBOR, once more and independent of the crate's own.
pub(crate) fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(it) => out.push(if *it { 0xf5 } else { 0xf4 }),
        Value::Number(it) if it.is_u64() => head(0, it.as_u64().unwrap(), out),
        Value::Number(it) => head(1, (-1 - it.as_i64().unwrap()).try_into().unwrap(), out),
        Value::String(it) => {
            head(3, it.len() as u64, out);
            out.extend_from_slice(it.as_bytes());
        }
        Value::Array(it) => {
            head(4, it.len() as u64, out);
            for it in it {
                encode(it, out);
            }
        }
        Value::Object(it) => {
            let mut names: Vec<&String> = it.keys().collect();
            names.sort_by_key(|it| (it.len(), it.as_bytes()));
            head(5, names.len() as u64, out);
            for name in names {
                encode(&Value::String(name.clone()), out);
                encode(&it[name], out);
            }
        }
    }
}

fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let bytes = argument.to_be_bytes();
    let (short, length) = match argument {
        0..24 => return out.push(major << 5 | bytes[7]),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    out.push(major << 5 | short);
    out.extend_from_slice(&bytes[8 - length..]);
}
