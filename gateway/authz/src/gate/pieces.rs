//! A text of policies of which some cannot be read, so that one slip of the pen does not hide what else is wrong.

use std::ops::Range;
use std::path::Path;

use cedar_policy::{ParseErrors, PolicySet};
use domain::Faults;

use super::wording::pointed_from;

/// What could be read, and what is wrong with the rest.
pub(super) struct Readable {
    /// The policies, each where it stands in the whole text.
    pub(super) set: PolicySet,
    pub(super) faults: Faults,
    /// Whether some of the text is left out.
    pub(super) lacks: bool,
}

/// Reads a text, or as much of it as can be read.
pub(super) fn read(file: &Path, text: &str) -> Readable {
    let whole: Result<PolicySet, ParseErrors> = text.parse();
    let told = match whole {
        Ok(set) => return Readable { set, faults: Faults::new(), lacks: false },
        Err(told) => told,
    };
    let (mut faults, mut rest) = (Faults::new(), text.to_owned().into_bytes());
    for piece in pieces(text) {
        let Some(Err(told)) = text.get(piece.clone()).map(str::parse::<PolicySet>) else { continue };
        faults.extend(told.iter().map(|it| pointed_from(file, text, it, piece.start)));
        // Blank, so that everything else stays where it is.
        for byte in rest.get_mut(piece).into_iter().flatten().filter(|it| **it != b'\n') {
            *byte = b' ';
        }
    }
    let rest = String::from_utf8(rest).ok().and_then(|it| it.parse().ok());
    if faults.is_empty() || rest.is_none() {
        faults = told.iter().map(|it| pointed_from(file, text, it, 0)).collect();
    }
    Readable { set: rest.unwrap_or_default(), faults, lacks: true }
}

/// Each policy with its `;`, outside of strings and comments.
fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, inner)) = bytes.next() {
                    match inner {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                while bytes.next_if(|(_, it)| *it != b'\n').is_some() {}
            }
            b';' => {
                pieces.push(start..at + 1);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(start..text.len());
    pieces
}
