//! Takes the settings file apart, so that one fault hides no other.

use std::collections::BTreeMap;
use std::path::Path;

use domain::{Fault, Faults};
use serde::de::{DeserializeOwned, IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A document whose tables are taken out one by one.
pub(super) struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    table: DeTable<'a>,
    pub(super) faults: Faults,
}

impl<'a> Reader<'a> {
    pub(super) fn of(file: &'a Path, text: &'a str) -> Result<Self, Faults> {
        let document = DeTable::parse(text).map_err(|cause| vec![fault(file, text, &cause)])?;
        Ok(Self { file, text, table: document.into_inner(), faults: Vec::new() })
    }

    /// What stands under a name; nothing where it is at fault.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let (_, value) = self.table.remove_entry(name)?;
        let before = self.faults.len();
        self.read(value).filter(|_| self.faults.len() == before)
    }

    /// The rows of a table under names of the operator's own choosing, those that are at fault left out, and where each
    /// stands, as a fault that has yet to be worded.
    pub(super) fn rows<T: DeserializeOwned>(&mut self, name: &str) -> BTreeMap<String, (T, Fault)> {
        let Some((_, value)) = self.table.remove_entry(name) else { return BTreeMap::new() };
        let rows: BTreeMap<String, Spanned<T>> = self.read(value).unwrap_or_default();
        let placed = |it: Spanned<T>| {
            let place = Fault::at_offset(self.file, self.text, it.span().start, "");
            (it.into_inner(), place)
        };
        rows.into_iter().map(|(name, it)| (name, placed(it))).collect()
    }

    /// Some keys of a table, as a table of their own. The others stay where they are.
    pub(super) fn part<T: DeserializeOwned>(&mut self, name: &str, keys: &[&str]) -> Option<T> {
        let table = self.table.get_mut(name)?;
        let span = table.span();
        let DeValue::Table(table) = table.get_mut() else { return None };
        let part: DeTable<'_> = keys.iter().filter_map(|it| table.remove_entry(*it)).collect();
        self.read(Spanned::new(span, DeValue::Table(part)))
    }

    /// What was read, and where it stands, as a fault that has yet to be worded.
    pub(super) fn placed<T: DeserializeOwned>(&mut self, name: &str) -> Option<(T, Fault)> {
        let offset = self.table.get(name)?.span().start;
        Some((self.take(name)?, Fault::at_offset(self.file, self.text, offset, "")))
    }

    /// What was read, held to something that its type cannot say.
    pub(super) fn held<T: DeserializeOwned>(
        &mut self,
        name: &str,
        wrong: impl FnOnce(&T) -> Option<String>,
    ) -> Option<T> {
        let (read, place) = self.placed(name)?;
        self.faults.extend(wrong(&read).map(|message| Fault { message, ..place }));
        Some(read)
    }

    /// All faults, those of names that nobody asked for too, in the order of the file.
    pub(super) fn finish(mut self) -> Faults {
        for (name, _) in &self.table {
            let message = format!("there is no setting `{}`", name.get_ref());
            self.faults.push(Fault::at_offset(self.file, self.text, name.span().start, message));
        }
        self.faults.sort_by_key(|it| (it.line, it.column));
        self.faults
    }

    /// What can be made of a value. `serde` stops at the first fault: what is at fault is taken out, and the rest read again.
    fn read<T: DeserializeOwned>(&mut self, mut value: Spanned<DeValue<'a>>) -> Option<T> {
        let mut gone = Vec::new();
        loop {
            let cause = match T::deserialize(value.clone().into_deserializer()) {
                Ok(read) => return Some(read),
                Err(cause) => cause,
            };
            // What was taken out is missing now, which is no news.
            if !gone.iter().any(|it| cause.message() == format!("missing field `{it}`")) {
                self.faults.push(fault(self.file, self.text, &cause));
            }
            gone.push(take_out(value.get_mut(), cause.span()?.start)?);
        }
    }
}

/// Takes out the smallest part of a value that stands at `offset`, and gives its name.
fn take_out(value: &mut DeValue<'_>, offset: usize) -> Option<String> {
    match value {
        DeValue::Table(table) => {
            if let Some(gone) = table.iter_mut().find_map(|(_, it)| take_out(it.get_mut(), offset)) {
                return Some(gone);
            }
            let there = |(key, it): &(&Spanned<_>, &Spanned<DeValue<'_>>)| {
                key.span().contains(&offset) || it.span().contains(&offset)
            };
            let name = table.iter().find(there)?.0.get_ref().to_string();
            table.remove(name.as_str()).map(|_| name)
        }
        DeValue::Array(items) => {
            if let Some(gone) = items.iter_mut().find_map(|it| take_out(it.get_mut(), offset)) {
                return Some(gone);
            }
            let kept = items.iter().filter(|it| !it.span().contains(&offset)).cloned().collect::<Vec<_>>();
            let shorter = kept.len() < items.len();
            *items = kept.into_iter().collect();
            shorter.then(String::new)
        }
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            None
        }
    }
}

fn fault(file: &Path, text: &str, cause: &toml::de::Error) -> Fault {
    let message = cause.message().replace('\n', ", ");
    match cause.span() {
        Some(span) => Fault::at_offset(file, text, span.start, message),
        None => Fault::of(file, message),
    }
}
