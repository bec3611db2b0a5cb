//! What is wrong with something an operator wrote, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Every fault found in one reading. Loading never stops at the first.
pub type Faults = Vec<Fault>;

/// One thing that is wrong in a settings file, profile, document or policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    /// The file as the operator would type it.
    pub file: PathBuf,
    /// Line, from 1; 0 where the whole file is meant.
    #[serde(skip_serializing_if = "is_default")]
    pub line: usize,
    /// Column, from 1; 0 where the whole line is meant.
    #[serde(skip_serializing_if = "is_default")]
    pub column: usize,
    /// Lower case, no full stop, the writer's own words in backticks.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

fn is_default<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}

impl Fault {
    /// A fault of the whole file.
    pub fn of(file: &Path, message: impl Into<String>) -> Self {
        Self::at(file, 0, 0, message)
    }

    /// A fault at a line and column, both from 1.
    pub fn at(file: &Path, line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, column, message: message.into(), help: None }
    }

    /// A fault at a byte offset of `text`, the content of `file`.
    pub fn at_offset(file: &Path, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|it| *it != '\n').count() + 1;
        Self::at(file, line, column, message)
    }

    /// The same fault with what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_becomes_the_line_and_column_an_editor_shows() {
        let fault = Fault::at_offset(Path::new("api.toml"), "a = 1\nbé = 2\n", 9, "no such key");
        assert_eq!(fault.to_string(), "api.toml:2:3: no such key");
    }

    #[test]
    fn a_fault_of_a_whole_file_names_no_line() {
        let fault = Fault::of(Path::new("api.toml"), "cannot be read").with_help("check its permissions");
        assert_eq!(fault.to_string(), "api.toml: cannot be read\n  help: check its permissions");
        let shown =
            serde_json::json!({ "file": "api.toml", "message": "cannot be read", "help": "check its permissions" });
        assert_eq!(serde_json::to_value(&fault).unwrap(), shown);
    }
}
