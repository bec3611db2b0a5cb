//! Faults of what an operator wrote, as one error.

use std::fmt;

use domain::Faults;

/// Everything that was wrong, one fault a line.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Faults);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            writeln!(f, "{fault}")?;
        }
        let count = self.0.len();
        write!(f, "{count} {}", if count == 1 { "fault" } else { "faults" })
    }
}

impl std::error::Error for Refused {}
