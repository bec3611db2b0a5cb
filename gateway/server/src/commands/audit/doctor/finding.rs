//! One line of what the doctor says.

use std::fmt;

use audit::harmless;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    state: State,
    what: &'static str,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// Nothing is to be done about it.
pub(super) fn fine(what: &'static str, says: &str) -> Finding {
    Finding { state: State::Ok, what, says: harmless(says).into_owned(), help: None }
}

/// Something is to be done in time.
pub(super) fn warning(what: &'static str, says: &str, help: &str) -> Finding {
    Finding { state: State::Warning, what, says: harmless(says).into_owned(), help: Some(help.to_owned()) }
}

/// Something is wrong.
pub(super) fn fault(what: &'static str, says: &str, help: &str) -> Finding {
    Finding { state: State::Fault, ..warning(what, says, help) }
}

impl Finding {
    pub(super) fn is_fault(&self) -> bool {
        self.state == State::Fault
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Fault => "fault",
        };
        write!(f, "{state:<8} {}: {}", self.what, self.says)?;
        match &self.help {
            Some(help) => write!(f, "; help: {help}"),
            None => Ok(()),
        }
    }
}
