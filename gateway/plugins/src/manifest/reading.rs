//! Takes a `plugin.toml` apart, table by table, so that one fault hides no other.

use std::path::{Path, PathBuf};

use domain::{Fault, Faults};
use toml::de::{DeTable, DeValue};

/// One table that is taken apart key by key.
pub(super) struct Table<'a> {
    file: PathBuf,
    text: &'a str,
    /// Its name with those of the tables around it, and where it begins.
    name: String,
    start: usize,
    keys: DeTable<'a>,
    /// Where each key stood that was taken.
    seen: Vec<(&'static str, usize)>,
    faults: Faults,
}

impl<'a> Table<'a> {
    /// The outermost one.
    pub(super) fn parse(file: &Path, text: &'a str) -> Result<Self, Faults> {
        let table = DeTable::parse(text).map_err(|cause| {
            let message = cause.message().replace('\n', ", ");
            vec![Fault::at_offset(file, text, cause.span().map_or(0, |it| it.start), message)]
        })?;
        let table = table.into_inner();
        Ok(Self {
            file: file.to_owned(),
            text,
            name: String::new(),
            start: 0,
            keys: table,
            seen: Vec::new(),
            faults: Vec::new(),
        })
    }

    /// The one under this key; an empty one where there is none.
    pub(super) fn table(&mut self, key: &'static str) -> Self {
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        let (start, table) = match self.take(key) {
            Some((start, DeValue::Table(table))) => (start, table),
            Some((start, _)) => {
                self.fault(start, key, "is a table");
                (start, DeTable::new())
            }
            None => (self.start, DeTable::new()),
        };
        Self {
            file: self.file.clone(),
            text: self.text,
            name,
            start,
            keys: table,
            seen: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// What this text says.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let (start, value) = self.take(key)?;
        let DeValue::String(text) = value else {
            self.fault(start, key, "is a text");
            return None;
        };
        read(&text).map_err(|why| self.fault(start, key, why)).ok()
    }

    /// What this text says, which must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        if !self.keys.contains_key(key) {
            self.fault(self.start, key, "is missing");
        }
        self.optional(key, read)
    }

    /// What these texts say; none where nothing is said.
    pub(super) fn texts<T>(&mut self, key: &'static str, read: impl Fn(&str) -> Result<T, &'static str>) -> Vec<T> {
        let Some((start, value)) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            self.fault(start, key, "is a list of texts");
            return Vec::new();
        };
        let mut all = Vec::new();
        for item in items {
            let at = item.span().start;
            if let DeValue::String(text) = item.into_inner() {
                all.extend(read(&text).map_err(|why| self.fault(at, key, why)).ok());
            } else {
                self.fault(at, key, "is a list of texts");
            }
        }
        all
    }

    /// Whether it is said to be so.
    pub(super) fn yes(&mut self, key: &'static str) -> bool {
        match self.take(key) {
            Some((_, DeValue::Boolean(yes))) => yes,
            Some((start, _)) => {
                self.fault(start, key, "is `true` or `false`");
                false
            }
            None => false,
        }
    }

    /// A number of at least one and at most what the operator allows, which it is where nothing is said.
    pub(super) fn number(&mut self, key: &'static str, most: u32) -> u32 {
        let Some((start, value)) = self.take(key) else { return most };
        let number = if let DeValue::Integer(it) = &value { it.as_str().parse::<u32>().ok() } else { None };
        self.at_most(key, start, number, most)
    }

    /// The same of bytes, such as `"8MiB"`.
    pub(super) fn bytes(&mut self, key: &'static str, most: u32) -> u32 {
        let Some((start, value)) = self.take(key) else { return most };
        let number = if let DeValue::String(it) = &value { bytes(it) } else { None };
        if number.is_none() {
            self.fault(start, key, "is such as `\"8MiB\"` or `\"512KiB\"`");
            return most;
        }
        self.at_most(key, start, number, most)
    }

    fn at_most(&mut self, key: &'static str, start: usize, number: Option<u32>, most: u32) -> u32 {
        number.filter(|it| (1..=most).contains(it)).unwrap_or_else(|| {
            self.fault(start, key, &format!("is 1 to {most} here"));
            most
        })
    }

    /// Holds a key that was taken to something.
    pub(super) fn hold(&mut self, key: &'static str, holds: bool, why: &str) {
        if !holds {
            let start = self.seen.iter().find(|it| it.0 == key).map_or(self.start, |it| it.1);
            self.fault(start, key, why);
        }
    }

    /// Ends a table that was taken out of this one.
    pub(super) fn finish(&mut self, inner: Self) {
        self.faults.extend(inner.end());
    }

    /// All faults, those of keys that nobody asked for too, in the order of the file.
    pub(super) fn end(mut self) -> Faults {
        for (key, _) in &self.keys {
            let place = if self.name.is_empty() { String::new() } else { format!("[{}] ", self.name) };
            let message = format!("{place}there is no key `{}`", key.get_ref());
            self.faults.push(Fault::at_offset(&self.file, self.text, key.span().start, message));
        }
        self.faults.sort_by_key(|it| (it.line, it.column));
        self.faults
    }

    fn take(&mut self, key: &'static str) -> Option<(usize, DeValue<'a>)> {
        let (_, value) = self.keys.remove_entry(key)?;
        let start = value.span().start;
        self.seen.push((key, start));
        Some((start, value.into_inner()))
    }

    fn fault(&mut self, start: usize, key: &str, why: &str) {
        let place = if self.name.is_empty() { String::new() } else { format!("[{}] ", self.name) };
        self.faults.push(Fault::at_offset(&self.file, self.text, start, format!("{place}`{key}` {why}")));
    }
}

/// A length such as `8MiB`.
fn bytes(text: &str) -> Option<u32> {
    let units = [("MiB", 1024 * 1024), ("KiB", 1024)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
    number.parse::<u32>().ok()?.checked_mul(unit)
}
