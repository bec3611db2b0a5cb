//! Entries as files for auditors and for systems that gather security events, each with a manifest that says what it holds.
//!
//! What is exported is signed for: entries that no checkpoint covers yet are left out, and counted.

mod check;
mod csv;
pub(crate) mod json;
pub(crate) mod ocsf;
pub(crate) mod proofs;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field::{Fact, Field, facts};
use crate::prove::Unproven;
use crate::query::{Filter, Query, Way};
use crate::read::ReadError;
use crate::{Reading, read_of};
pub use check::{BadLine, Checked, Doubtful, manifest_of, verify_export};
use proofs::Proofs;
pub use proofs::{Judge, hold_to_newest};

/// The form of manifests that this writes and reads.
const FORM: u16 = 1;

/// What stands for an entry without one in totals.
const NONE: &str = "none";

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON lines of entries, with what proves them.
    Json,
    /// JSON lines of OCSF events.
    Ocsf,
    /// A table (RFC 4180).
    Csv,
}

/// How what stands in an export can be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// All entries of the log are there, and lead to its root.
    Root,
    /// Each entry has the hashes that lead to the root.
    Inclusion,
    /// Not by itself: the form has not the bytes that are hashed.
    Nothing,
}

/// What is to be exported.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// How it is written.
    pub format: Format,
    /// Which entries.
    pub filter: Filter,
    /// From which number on.
    pub first: u64,
    /// By which way they are found.
    pub way: Way,
    /// Who asks: the user of the operating system.
    pub reader: &'a str,
    /// The name of the file.
    pub file: &'a str,
    /// When.
    pub now: Timestamp,
}

/// What an export holds. It lies beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of this manifest.
    pub form: u16,
    /// The name of the file.
    pub file: String,
    /// How entries are written in it.
    pub format: Format,
    /// When it was made.
    pub made: Timestamp,
    /// What was asked for.
    pub query: Filter,
    /// Who asked, what range of numbers was looked at, and how many entries that gave.
    pub read: Reading,
    /// How many bytes the file has.
    pub bytes: u64,
    /// The SHA-256 over it, in hexadecimal.
    pub sha256: String,
    /// How many entries the checkpoint covers.
    pub tree_size: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// How the entries are proved.
    pub proof: Proof,
    /// How many entries were written and not signed for yet, and so were not looked at.
    pub unsigned: u64,
    /// The first entry that was not pruned: of those before it only what is kept longer can be there.
    #[serde(default)]
    pub minimum: u64,
    /// How many there are of each kind.
    pub totals: Totals,
}

/// How many entries there are of each outcome and of each class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// By how they ended; `none` for those that say nothing of it.
    pub outcome: BTreeMap<String, u64>,
    /// By what they are about.
    pub class: BTreeMap<String, u64>,
}

/// An export that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing is signed for, or what was cannot be proved.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// What is there is not what was signed for.
    #[error("entry {0} is not the one that was signed for: `portcullis audit verify` says what is wrong with the log")]
    Altered(u64),
    /// The file cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(io::Error),
}

/// Writes what is wanted of a log, and says what was written.
pub fn export(log: &Path, wanted: &Wanted<'_>, out: &mut impl Write) -> Result<Manifest, ExportError> {
    let mut proofs = Proofs::open(log)?;
    let size = proofs.checkpoint().size;
    let query = Query::new(log, wanted.first, wanted.filter.clone(), wanted.way)?;
    let unsigned = query.range().end.saturating_sub(size.max(wanted.first));
    let query = query.before(size);
    let range = query.range();
    let whole = wanted.filter.is_empty() && range == (0..size) && query.minimum() == 0;
    let proof = match wanted.format {
        Format::Json if whole => Proof::Root,
        Format::Json => Proof::Inclusion,
        Format::Ocsf | Format::Csv => Proof::Nothing,
    };
    let minimum = query.minimum();
    let mut out = Summed { out, sum: Context::new(&SHA256), bytes: 0 };
    let (mut count, mut totals) = (0, Totals::default());
    if wanted.format == Format::Csv {
        out.write_all(csv::head().as_bytes()).map_err(ExportError::Write)?;
    }
    for found in query {
        let found = found?;
        let path = proofs.held(found.seq, &found.bytes)?.ok_or(ExportError::Altered(found.seq))?;
        let path = (proof == Proof::Inclusion).then_some(path);
        let line = match wanted.format {
            Format::Json => json::line(&found, path.as_deref()),
            Format::Ocsf => ocsf::line(&found),
            Format::Csv => csv::line(&found),
        };
        out.write_all(line.as_bytes()).map_err(ExportError::Write)?;
        totals.count(&found.bytes);
        count += 1;
    }
    out.flush().map_err(ExportError::Write)?;
    Ok(Manifest {
        form: FORM,
        file: wanted.file.to_owned(),
        format: wanted.format,
        made: wanted.now,
        query: wanted.filter.clone(),
        read: read_of(wanted.reader, &wanted.filter, &range, count),
        bytes: out.bytes,
        sha256: hex::encode(out.sum.finish()),
        tree_size: size,
        checkpoint: proofs.note().to_owned(),
        proof,
        unsigned,
        minimum,
        totals,
    })
}

impl Format {
    /// How the names of such files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "jsonl",
            Self::Ocsf => "ocsf.jsonl",
            Self::Csv => "csv",
        }
    }
}

impl Totals {
    fn count(&mut self, entry: &[u8]) {
        let (mut outcome, mut class) = (NONE, NONE);
        let read = facts(entry, |fact| match fact {
            Fact::Says(Field::Outcome, it) => outcome = it,
            Fact::Says(Field::Class, it) => class = it,
            Fact::Says(..) | Fact::Time(_) => {}
        });
        if read.is_err() {
            (outcome, class) = (NONE, NONE);
        }
        for (totals, name) in [(&mut self.outcome, outcome), (&mut self.class, class)] {
            match totals.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(totals.insert(name.to_owned(), 1)),
            }
        }
    }
}

/// Counts and sums what passes through.
struct Summed<W> {
    out: W,
    sum: Context,
    bytes: u64,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sum.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
