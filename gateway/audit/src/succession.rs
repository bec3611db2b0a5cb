//! One key after another: which keys a log is signed with, and up to where.
//!
//! While a key takes over from another, both sign every checkpoint, and its text names both. So whoever has either can
//! come to the other, and nobody who has only the older one can name another heir to somebody who has the newer one.

use std::path::Path;

use crate::disk;
use crate::note::{BadNote, Checkpoint, Verifier};
use crate::read::ReadError;

/// How the line of a checkpoint begins that names the older key and the newer one.
const LINE: &str = "successor ";

/// The line that both keys sign while one takes over from the other.
pub(crate) fn line(older: &Verifier, newer: &Verifier) -> String {
    format!("{LINE}{older} {newer}\n")
}

/// That one key took over from another, as both say.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Handover {
    older: Verifier,
    newer: Verifier,
    /// How many entries there were when both first said so.
    size: u64,
}

impl Handover {
    /// What a note says of it, if it does. Whether both keys stand for that is for [`Self::holds`].
    fn claimed(note: &str) -> Option<Self> {
        let (text, _) = note.split_once("\n\n")?;
        let (older, newer) = text.lines().find_map(|it| it.strip_prefix(LINE))?.split_once(' ')?;
        let (older, newer): (Verifier, Verifier) = (older.parse().ok()?, newer.parse().ok()?);
        let stated = Checkpoint::parse(text).ok()?;
        let ours = [&older, &newer].iter().all(|it| it.name() == stated.origin);
        (ours && older != newer).then_some(Self { older, newer, size: stated.size })
    }

    fn holds(&self, note: &str) -> bool {
        [&self.older, &self.newer].iter().all(|it| it.open(note).is_ok())
    }

    /// Whether another says the same of the same keys, at whichever size.
    fn repeats(&self, other: &Self) -> bool {
        self.older == other.older && self.newer == other.newer
    }

    /// Of each change the first note that says so and holds: while it lasts every checkpoint does, and to look at the
    /// signatures of all would take long.
    fn all_of<'n>(notes: impl Iterator<Item = &'n str>) -> Vec<Self> {
        let mut claims: Vec<(Self, &str)> = notes.filter_map(|it| Some((Self::claimed(it)?, it))).collect();
        claims.sort_by_key(|(claim, _)| claim.size);
        let mut all: Vec<Self> = Vec::new();
        for (claim, note) in claims {
            if !all.iter().any(|it| it.repeats(&claim)) && claim.holds(note) {
                all.push(claim);
            }
        }
        all
    }
}

/// The keys of a log, the oldest first, as somebody finds them who knows one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Each with how many entries a checkpoint may cover that it alone has signed; nothing where it is still in use.
    all: Vec<(Verifier, Option<u64>)>,
}

/// Two keys that both took over from one: somebody else has had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TwoHeirs(pub(crate) Verifier);

impl Keys {
    /// What follows from one key that is known and the checkpoints that a log keeps.
    pub fn of_log(log: &Path, key: &Verifier) -> Result<Self, ReadError> {
        let notes = kept_notes(log)?;
        Ok(Self::known_by(key, notes.iter().filter_map(|(_, note)| note.as_deref())).0)
    }

    /// What follows from one key that is known and the notes that lie about. A note that is none says nothing.
    pub(crate) fn known_by<'n>(key: &Verifier, notes: impl Iterator<Item = &'n str>) -> (Self, Option<TwoHeirs>) {
        let handovers = Handover::all_of(notes);
        let mut all = vec![key.clone()];
        let mut bounds = Vec::new();
        let mut torn = None;
        // From the key that is known to those after it, and to those before it; never back and forth.
        while let Some(heir) = all.last().and_then(|last| handovers.iter().find(|it| it.older == *last))
            && !all.contains(&heir.newer)
        {
            let other = handovers.iter().any(|it| it.older == heir.older && it.newer != heir.newer);
            torn = torn.or_else(|| other.then(|| TwoHeirs(heir.older.clone())));
            bounds.push(Some(heir.size));
            all.push(heir.newer.clone());
        }
        bounds.push(None);
        while let Some(before) = all.first().and_then(|first| handovers.iter().find(|it| it.newer == *first))
            && !all.contains(&before.older)
        {
            bounds.insert(0, Some(before.size));
            all.insert(0, before.older.clone());
        }
        (Self { all: all.into_iter().zip(bounds).collect() }, torn)
    }

    /// Every key, the oldest first, with how many entries there were when the next took over.
    pub fn all(&self) -> impl Iterator<Item = (&Verifier, Option<u64>)> {
        self.all.iter().map(|(key, until)| (key, *until))
    }

    /// What a note says that one of the keys stands for. A key that another took over from stands alone for nothing newer.
    pub(crate) fn open(&self, note: &str) -> Result<Checkpoint, BadNote> {
        let mut refused = None;
        for (key, until) in self.all() {
            match key.open(note) {
                Ok(text) => {
                    let stated = Checkpoint::parse(text)?;
                    if until.is_none_or(|it| stated.size <= it) {
                        return Ok(stated);
                    }
                    refused = Some(BadNote::Retired(key.to_string()));
                }
                Err(BadNote::Unsigned(name)) => refused = refused.or(Some(BadNote::Unsigned(name))),
                Err(other) => return Err(other),
            }
        }
        Err(refused.unwrap_or(BadNote::Malformed))
    }
}

/// The notes that a log keeps for good, each with the name of its file; nothing where one is no text.
pub(crate) fn kept_notes(log: &Path) -> Result<Vec<(String, Option<String>)>, ReadError> {
    let mut files = Vec::new();
    if let Ok(kept) = std::fs::read_dir(log.join("checkpoints")) {
        let ours = |it: &str| [".note", ".cosigned"].iter().any(|end| it.ends_with(end));
        let names = kept.flatten().filter_map(|it| it.file_name().into_string().ok()).filter(|it| ours(it));
        files.extend(names.map(|it| format!("checkpoints/{it}")));
    }
    files.sort();
    files.into_iter().map(|file| note(log, file)).filter_map(Result::transpose).collect()
}

/// A note of a log by the name of its file, if it is there.
pub(crate) fn note(log: &Path, file: String) -> Result<Option<(String, Option<String>)>, ReadError> {
    Ok(disk::read_whatever(&log.join(&file))?.map(|bytes| (file, String::from_utf8(bytes).ok())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Signer;

    const NAME: &str = "portcullis/test";

    fn signer(seed: u8) -> Signer {
        Signer::from_seed(NAME, &[seed; 32]).unwrap()
    }

    /// A checkpoint of so many entries by the newest of these keys, which takes over from the one before it if there is one.
    fn note(seeds: &[u8], size: u64) -> String {
        let newest = signer(*seeds.last().unwrap());
        let newest = match seeds {
            [.., older, _] => newest.after(&[*older; 32]).unwrap(),
            _ => newest,
        };
        newest.checkpoint(size, [7; 32])
    }

    fn keys<'n>(seed: u8, notes: &'n [String]) -> (Vec<(Verifier, Option<u64>)>, Option<TwoHeirs>) {
        let (keys, torn) = Keys::known_by(&signer(seed).verifier(), notes.iter().map(|it: &'n String| it.as_str()));
        (keys.all, torn)
    }

    fn chain(of: &[(u8, Option<u64>)]) -> Vec<(Verifier, Option<u64>)> {
        of.iter().map(|(seed, until)| (signer(*seed).verifier(), *until)).collect()
    }

    #[test]
    fn whoever_knows_one_key_finds_those_before_and_after_it() {
        let notes = [note(&[1], 5), note(&[1, 2], 12), note(&[1, 2], 10), note(&[2], 20), note(&[2, 3], 30)];
        let all = chain(&[(1, Some(10)), (2, Some(30)), (3, None)]);
        for seed in 1..=3 {
            assert_eq!(keys(seed, &notes), (all.clone(), None), "{seed}");
        }
        assert_eq!(keys(4, &notes), (chain(&[(4, None)]), None));
    }

    #[test]
    fn each_key_stands_alone_up_to_where_the_next_took_over() {
        let notes = [note(&[1, 2], 10)];
        let known = Keys::known_by(&signer(2).verifier(), notes.iter().map(String::as_str)).0;
        for (made, stands) in [(note(&[1], 10), true), (note(&[1], 11), false), (note(&[2], 11), true)] {
            assert_eq!(known.open(&made).is_ok(), stands, "{made}");
        }
        assert!(matches!(known.open(&note(&[1], 11)), Err(BadNote::Retired(_))));
        assert!(matches!(known.open(&note(&[3], 11)), Err(BadNote::Unsigned(_))));
        assert_eq!(known.open(&note(&[1, 2], 11)).unwrap().size, 11);
    }

    #[test]
    fn who_has_an_old_key_cannot_name_an_heir_to_those_who_know_the_newer_one() {
        let notes = [note(&[1, 2], 10), note(&[1, 9], 11)];
        assert_eq!(keys(2, &notes).0, chain(&[(1, Some(10)), (2, None)]));
        // Who knows only the old one is told that there are two.
        assert_eq!(keys(1, &notes).1, Some(TwoHeirs(signer(1).verifier())));
    }

    #[test]
    fn a_handover_that_one_of_the_two_does_not_sign_is_none() {
        let both = note(&[1, 2], 10);
        let lines: Vec<&str> = both.lines().collect();
        for left_out in [lines.len() - 1, lines.len() - 2] {
            let kept: Vec<&str> =
                lines.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, it)| *it).collect();
            let note = kept.join("\n") + "\n";
            assert_eq!(Handover::all_of([note.as_str()].into_iter()), [], "{note}");
        }
        let stranger = Signer::from_seed("portcullis/other", &[2; 32]).unwrap().verifier();
        let text = format!("{NAME}\n10\n{}\n{}", "AA==", line(&signer(1).verifier(), &stranger));
        assert_eq!(Handover::all_of([signer(1).sign(&text).as_str()].into_iter()), []);
        assert_eq!(Handover::all_of([both.as_str()].into_iter()).len(), 1);
    }
}
