//! Keys that open one resource and nothing else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Call;

/// The one resource that a key opens: operations whose path names it, and no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bound {
    /// The path parameter that names it.
    pub parameter: String,
    /// What that parameter must say.
    pub value: String,
}

/// A text that binds to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no parameter and value, such as `bucket=photos`")]
pub struct BadBound;

impl Bound {
    /// Whether a call is for this resource. One whose path does not name it is for another.
    pub fn admits(&self, call: &Call) -> bool {
        call.parameter(&self.parameter) == Some(self.value.as_str())
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.parameter, self.value)
    }
}

impl FromStr for Bound {
    type Err = BadBound;

    fn from_str(text: &str) -> Result<Self, BadBound> {
        let halves = text.split_once('=').filter(|(parameter, value)| !parameter.is_empty() && !value.is_empty());
        let (parameter, value) = halves.ok_or(BadBound)?;
        Ok(Self { parameter: parameter.to_owned(), value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_names_nothing_is_not() {
        let bound = Bound { parameter: "bucket".to_owned(), value: "a=b".to_owned() };
        assert_eq!(bound.to_string().parse(), Ok(bound));
        for bad in ["", "bucket", "bucket=", "=photos"] {
            assert_eq!(bad.parse::<Bound>(), Err(BadBound), "{bad}");
        }
    }
}
