//! Whether an export is what it says: read by somebody who has no log and believes nothing but a key.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{FORM, Format, Manifest, Proof, Totals, json};
use crate::note::{BadNote, Checkpoint, Verifier};
use crate::query::Found;
use crate::show::json_line;
use crate::tree::{self, BadProof, Hash, Levels};

/// The longest line: that of the longest entry, each byte of it escaped, and its proof.
const MAX_LINE: u64 = 1024 * 1024;

/// The longest manifest.
const MAX_MANIFEST: u64 = 1024 * 1024;

/// An export in which nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What its manifest says.
    pub manifest: Manifest,
    /// Whether nothing that was signed for can have been left out. Where only some entries were asked for nobody can tell
    /// without the log whether all of those are there.
    pub whole: bool,
}

/// What is wrong with an export, or why nothing can be said of it.
#[derive(Debug, thiserror::Error)]
pub enum Doubtful {
    /// A file cannot be read.
    #[error("`{path}` cannot be read: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The manifest is none, or one of another form.
    #[error("`{path}` is not the manifest of an export", path = .0.display())]
    Manifest(PathBuf),
    /// A form that has not the bytes that are hashed.
    #[error("only exports as `json` have what proves their entries")]
    Unprovable,
    /// The checkpoint is not signed by the key.
    #[error("its checkpoint {0}")]
    Note(#[from] BadNote),
    /// A line that the export would not have written so.
    #[error("line {line} {cause}")]
    Line {
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        cause: BadLine,
    },
    /// All entries together do not lead to the root.
    #[error("its entries are not those that the checkpoint speaks of")]
    Root,
    /// What the manifest says of the file is not so.
    #[error("its `{0}` is not what the manifest says")]
    Differs(&'static str),
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Not of the form of an entry with its bytes.
    #[error("is not an entry of an export")]
    Malformed,
    /// The words do not say what the bytes say.
    #[error("does not say what its bytes say")]
    Differs,
    /// A number that is not greater than the one before it, or is outside the range.
    #[error("has a number that does not come there")]
    Order,
    /// An entry that was not asked for.
    #[error("was not asked for")]
    Unasked,
    /// The hashes do not lead where they must.
    #[error("is not proved: {0}")]
    Proof(BadProof),
}

/// Where the manifest of an export lies.
pub fn manifest_of(export: &Path) -> PathBuf {
    let mut name = export.file_name().unwrap_or_default().to_owned();
    name.push(".manifest.json");
    export.with_file_name(name)
}

/// Holds an export and its manifest to a key.
pub fn verify_export(export: &Path, key: &Verifier) -> Result<Checked, Doubtful> {
    let manifest = read_manifest(&manifest_of(export))?;
    if manifest.format != Format::Json || manifest.proof == Proof::Nothing {
        return Err(Doubtful::Unprovable);
    }
    let checkpoint = Checkpoint::parse(key.open(&manifest.checkpoint)?)?;
    if checkpoint.size != manifest.tree_size {
        return Err(Doubtful::Differs("tree_size"));
    }
    let failed = |cause| Doubtful::Io { path: export.to_owned(), cause };
    let mut file = BufReader::new(File::open(export).map_err(failed)?);
    let mut seen = Seen::of(&manifest, &checkpoint);
    loop {
        let mut line = Vec::new();
        let length = (&mut file).take(MAX_LINE).read_until(b'\n', &mut line).map_err(failed)?;
        if length == 0 {
            break;
        }
        seen.sum.update(&line);
        seen.bytes += length as u64;
        seen.count += 1;
        seen.look(&line).map_err(|cause| Doubtful::Line { line: seen.count, cause })?;
    }
    seen.end()?;
    let whole = manifest.proof == Proof::Root;
    Ok(Checked { manifest, whole })
}

fn read_manifest(path: &Path) -> Result<Manifest, Doubtful> {
    let failed = |cause| Doubtful::Io { path: path.to_owned(), cause };
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(MAX_MANIFEST).read_to_string(&mut text).map_err(failed)?;
    let read: Option<Manifest> = serde_json::from_str(&text).ok();
    read.filter(|it| it.form == FORM).ok_or_else(|| Doubtful::Manifest(path.to_owned()))
}

/// What was read of an export so far.
struct Seen<'m> {
    manifest: &'m Manifest,
    checkpoint: &'m Checkpoint,
    /// The least number that may come.
    next: u64,
    count: u64,
    bytes: u64,
    sum: Context,
    totals: Totals,
    levels: Levels,
}

impl<'m> Seen<'m> {
    fn of(manifest: &'m Manifest, checkpoint: &'m Checkpoint) -> Self {
        Self {
            manifest,
            checkpoint,
            next: manifest.read.first,
            count: 0,
            bytes: 0,
            sum: Context::new(&SHA256),
            totals: Totals::default(),
            levels: Levels::default(),
        }
    }

    fn look(&mut self, line: &[u8]) -> Result<(), BadLine> {
        let line = std::str::from_utf8(line).ok().and_then(|it| it.strip_suffix('\n')).ok_or(BadLine::Malformed)?;
        let read: Value = serde_json::from_str(line).map_err(|_| BadLine::Malformed)?;
        let (found, path) = parts(&read).ok_or(BadLine::Malformed)?;
        let written = json::line(&found, path.as_deref());
        // The same value in as many bytes: the order of names is a matter of how this was built, and a name that stands
        // there twice is not.
        let same = serde_json::from_str(&written).is_ok_and(|it: Value| it == read);
        if !same || json_line(&read).len() != line.len() {
            return Err(BadLine::Differs);
        }
        let inside = self.next <= found.seq && found.seq < self.manifest.read.end.min(self.checkpoint.size);
        if !inside {
            return Err(BadLine::Order);
        }
        self.next = found.seq + 1;
        if !self.manifest.query.admits(&found.bytes).unwrap_or(true) {
            return Err(BadLine::Unasked);
        }
        self.totals.count(&found.bytes);
        let leaf = tree::leaf(&found.bytes);
        match (self.manifest.proof, path) {
            (Proof::Inclusion, Some(path)) => {
                let Checkpoint { size, root, .. } = self.checkpoint;
                tree::verify_inclusion(&leaf, found.seq, *size, &path, root).map_err(BadLine::Proof)
            }
            (Proof::Root, None) if found.seq == self.levels.size() => {
                self.levels.push(leaf, |_, _| ());
                Ok(())
            }
            (Proof::Root, None) => Err(BadLine::Order),
            (Proof::Nothing | Proof::Root | Proof::Inclusion, _) => Err(BadLine::Malformed),
        }
    }

    /// Whether what the manifest says of the whole is so.
    fn end(self) -> Result<(), Doubtful> {
        let Self { manifest, checkpoint, .. } = self;
        if manifest.proof == Proof::Root
            && (self.levels.size() != checkpoint.size || self.levels.root() != checkpoint.root)
        {
            return Err(Doubtful::Root);
        }
        for (name, same) in [
            ("count", manifest.read.count == self.count),
            ("bytes", manifest.bytes == self.bytes),
            ("sha256", manifest.sha256 == hex::encode(self.sum.finish())),
            ("totals", manifest.totals == self.totals),
        ] {
            if !same {
                return Err(Doubtful::Differs(name));
            }
        }
        Ok(())
    }
}

/// The entry of a line, and the hashes that prove it where there are any.
fn parts(line: &Value) -> Option<(Found, Option<Vec<Hash>>)> {
    let seq = line.get("seq")?.as_u64()?;
    let bytes = STANDARD.decode(line.get("raw")?.as_str()?).ok()?;
    let hash = |it: &Value| STANDARD.decode(it.as_str()?).ok()?.try_into().ok();
    let path = match line.get("proof") {
        Some(path) => Some(path.as_array()?.iter().map(hash).collect::<Option<_>>()?),
        None => None,
    };
    Some((Found { seq, bytes }, path))
}
