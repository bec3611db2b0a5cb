//! What an operator wrote in a TOML file, each value with its place.
//!
//! Knows lines, columns and keys; does not know what an API is. `serde` stops at the first fault of a file; who reads
//! through here hears of all of them at once, and of each key that nobody asked for.

mod headings;

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use domain::{ApiName, BadName, Fault, Faults, RoleName, Scope, TierName, Timestamp};
use http::HeaderName;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::headings::Headings;

/// How it is said that a key is not there.
const MISSING: &str = " is missing";

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> Placed<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: change(self.value), place: self.place }
    }
}

/// A line and column, both from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// A fault of `file` at this place.
    pub(crate) fn fault(self, file: &Path, message: impl Into<String>) -> Fault {
        Fault::at(file, self.line, self.column, message)
    }
}

/// One file, with all that was found wrong in it so far.
pub(crate) struct Sheet<'a> {
    file: &'a Path,
    text: &'a str,
    faults: RefCell<Faults>,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, faults: RefCell::default() }
    }

    /// Reads the whole file: what `read` could make of it, and everything that is wrong with it. The value is good only
    /// where nothing is wrong.
    pub(crate) fn read<T>(self, read: impl FnOnce(&Section<'_>) -> T) -> (T, Faults) {
        let (_, errors) = DeTable::parse_recoverable(self.text);
        let told: Faults = errors.iter().map(|it| self.slip(it)).collect();
        let lines: Vec<usize> = told.iter().map(|it| it.line).collect();
        let (text, mended) = match headings::put_right(self.text, &lines) {
            Headings::Whole => return self.read_as_it_is(read),
            Headings::Lost => return (self.read_as_it_is(read).0, told),
            Headings::Mended(text, mended) => (text, mended),
        };
        let sheet = Sheet::new(self.file, &text);
        let (_, errors) = DeTable::parse_recoverable(&text);
        let lost = errors.iter().any(|it| mended.contains(&sheet.slip(it).line));
        let (value, mut faults) = sheet.read_as_it_is(read);
        if lost {
            return (value, told);
        }
        faults.extend(told.into_iter().filter(|it| mended.contains(&it.line)));
        faults.sort();
        (value, faults)
    }

    fn read_as_it_is<T>(self, read: impl FnOnce(&Section<'_>) -> T) -> (T, Faults) {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            self.say(self.slip(error));
        }
        let section = Section::new(&self, root.span(), root.get_ref());
        let value = read(&section);
        drop(section);
        let mut faults = self.faults.into_inner();
        if !errors.is_empty() {
            // What stands behind a slip of the pen is not missing: it could not be read.
            faults.retain(|it| !it.message.ends_with(MISSING));
        }
        faults.sort();
        (value, faults)
    }

    fn slip(&self, error: &toml::de::Error) -> Fault {
        let offset = error.span().map_or(self.text.len(), |it| it.start);
        Fault::at_offset(self.file, self.text, offset, error.message().replace('\n', ", "))
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        let fault = Fault::at_offset(self.file, self.text, offset, "");
        Place { line: fault.line, column: fault.column }
    }

    pub(crate) fn say(&self, fault: Fault) {
        self.faults.borrow_mut().push(fault);
    }
}

/// One table of a sheet. Every key is asked for by name; whatever is left when it closes is a fault.
pub(crate) struct Section<'a> {
    sheet: &'a Sheet<'a>,
    span: Range<usize>,
    table: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
    closed: Cell<bool>,
}

impl<'a> Section<'a> {
    fn new(sheet: &'a Sheet<'a>, span: Range<usize>, table: &'a DeTable<'a>) -> Self {
        Self { sheet, span, table, asked: RefCell::default(), closed: Cell::new(false) }
    }

    /// Where the table begins.
    pub(crate) fn place(&self) -> Place {
        self.sheet.place(self.span.start)
    }

    /// Adds a fault at `place`.
    pub(crate) fn fault(&self, place: Place, message: impl Into<String>) {
        self.sheet.say(place.fault(self.sheet.file, message));
    }

    /// Adds a fault at `place`, with what to do about it.
    pub(crate) fn fault_with(&self, place: Place, message: impl Into<String>, help: impl Into<String>) {
        self.sheet.say(place.fault(self.sheet.file, message).with_help(help));
    }

    /// A value that must be there.
    pub(crate) fn required<T: Readable>(&self, key: &'static str) -> Option<Placed<T>> {
        match self.find(key) {
            Some(value) => self.read(key, value),
            None => self.missing(key),
        }
    }

    /// A value that may be left out. One that makes no sense is faulted, and as good as left out.
    pub(crate) fn optional<T: Readable>(&self, key: &'static str) -> Option<Placed<T>> {
        self.find(key).and_then(|it| self.read(key, it))
    }

    /// A value that is `default` where it is left out.
    pub(crate) fn value_or<T: Readable>(&self, key: &'static str, default: T) -> T {
        self.optional(key).map_or(default, |it| it.value)
    }

    /// A list of values; empty where it is left out, `None` where one of them makes no sense.
    pub(crate) fn list<T: Readable>(&self, key: &'static str) -> Option<Vec<Placed<T>>> {
        self.items(key)?.into_iter().collect()
    }

    /// The same, with `None` for each that makes no sense.
    pub(crate) fn items<T: Readable>(&self, key: &'static str) -> Option<Vec<Option<Placed<T>>>> {
        let Some(value) = self.find(key) else { return Some(Vec::new()) };
        let Some(items) = value.get_ref().as_array() else { return self.mistyped(key, value, "a list") };
        Some(items.iter().map(|it| self.read(key, it)).collect())
    }

    /// A table that must be there.
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        match self.find(key) {
            Some(value) => self.table(key, value),
            None => self.missing(key),
        }
    }

    /// A table that may be left out.
    pub(crate) fn optional_section(&self, key: &'static str) -> Option<Section<'a>> {
        self.find(key).and_then(|it| self.table(key, it))
    }

    /// The tables of a list, such as each `[[surface]]`.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.find(key) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(items) => items.iter().filter_map(|it| self.table(key, it)).collect(),
            None => self.mistyped(key, value, "a list of tables").unwrap_or_default(),
        }
    }

    /// The tables of this table under names of the operator's own choosing.
    pub(crate) fn named_sections(&self) -> Vec<(Placed<&'a str>, Section<'a>)> {
        self.closed.set(true);
        self.table
            .iter()
            .filter_map(|(key, value)| {
                let name = Placed { value: &**key.get_ref(), place: self.sheet.place(key.span().start) };
                Some((name, self.table(key.get_ref(), value)?))
            })
            .collect()
    }

    /// Whether a key that nobody asked for holds tables, which may be those of another key.
    pub(crate) fn may_lack_tables(&self) -> bool {
        let asked = self.asked.borrow();
        let unknown = self.table.iter().filter(|(it, _)| !asked.contains(&&**it.get_ref()));
        let mut values = unknown.map(|(_, it)| it.get_ref());
        values.any(|it| it.is_table() || it.as_array().is_some_and(|it| it.iter().any(|it| it.get_ref().is_table())))
    }

    /// Faults each key that nobody asked for. Runs when the section is dropped, too.
    fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        let asked = self.asked.borrow();
        for (key, _) in self.table {
            if asked.contains(&&**key.get_ref()) {
                continue;
            }
            let near = closest(key.get_ref(), &asked);
            let help = near
                .map_or_else(|| format!("known here: {}", asked.join(", ")), |near| format!("did you mean `{near}`?"));
            self.fault_with(self.sheet.place(key.span().start), format!("no such key `{}`", key.get_ref()), help);
        }
    }

    fn find(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn read<T: Readable>(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<Placed<T>> {
        if is_stopgap(value) {
            return None;
        }
        let place = self.sheet.place(value.span().start);
        match T::read(value.get_ref()) {
            Ok(value) => Some(Placed { value, place }),
            Err(Unreadable::Kind(expected)) => self.mistyped(key, value, expected),
            Err(Unreadable::Text(why)) => {
                self.fault(place, format!("`{key}`: {why}"));
                None
            }
        }
    }

    fn table(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Option<Section<'a>> {
        match value.get_ref().as_table() {
            Some(table) => Some(Section::new(self.sheet, value.span(), table)),
            None => self.mistyped(key, value, "a table"),
        }
    }

    fn missing<T>(&self, key: &str) -> Option<T> {
        self.fault(self.place(), format!("`{key}`{MISSING}"));
        None
    }

    fn mistyped<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) -> Option<T> {
        if is_stopgap(value) {
            return None;
        }
        let found = value.get_ref().type_str();
        self.fault(self.sheet.place(value.span().start), format!("`{key}` is {expected}, not this {found}"));
        None
    }
}

/// Whether a value stands where the parser could read none: what is wrong there is told already.
fn is_stopgap(value: &Spanned<DeValue<'_>>) -> bool {
    value.span().is_empty() && value.get_ref().as_integer().is_some()
}

impl Drop for Section<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a TOML value can be read as.
pub(crate) trait Readable: Sized {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable>;
}

/// Why it could not.
pub(crate) enum Unreadable {
    /// It is of another kind; this one was expected.
    Kind(&'static str),
    /// Its text makes no sense, for this reason.
    Text(String),
}

impl Readable for String {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = value.as_str().ok_or(Unreadable::Kind("a text"))?;
        Ok(text.to_owned())
    }
}

impl Readable for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        value.as_bool().ok_or(Unreadable::Kind("`true` or `false`"))
    }
}

impl Readable for u32 {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let integer = value.as_integer().ok_or(Unreadable::Kind("a whole number"))?;
        Self::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| Unreadable::Text(format!("`{integer}` is not a whole number from 0 to {}", Self::MAX)))
    }
}

impl Readable for Duration {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = value.as_str().ok_or(Unreadable::Kind("a time such as `\"30s\"`"))?;
        duration(text)
            .filter(|it| !it.is_zero())
            .ok_or_else(|| Unreadable::Text(format!("`{text}` is not a time such as `500ms`, `30s`, `5m` or `1h`")))
    }
}

impl Readable for Timestamp {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = match value.as_datetime() {
            Some(moment) => moment.to_string(),
            None => value.as_str().ok_or(Unreadable::Kind("a moment such as `\"2026-07-31T23:59:59Z\"`"))?.to_owned(),
        };
        text.parse().map_err(|why: domain::clock::BadTimestamp| Unreadable::Text(why.to_string()))
    }
}

impl Readable for HeaderName {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = value.as_str().ok_or(Unreadable::Kind("a header name"))?;
        text.parse().map_err(|_| Unreadable::Text(format!("`{text}` is not a header name")))
    }
}

macro_rules! readable_names {
    ($($name:ty: $what:literal,)*) => {$(
        impl Readable for $name {
            fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
                let text = value.as_str().ok_or(Unreadable::Kind($what))?;
                text.parse().map_err(|why: BadName| Unreadable::Text(why.to_string()))
            }
        }
    )*};
}

readable_names! {
    ApiName: "the name of an API",
    RoleName: "the name of a role",
    Scope: "a scope",
    TierName: "the name of a tier",
}

/// A text that must be one of these words.
pub(crate) fn one_of<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, Unreadable> {
    let text = value.as_str().ok_or(Unreadable::Kind("a text"))?;
    words.iter().find(|(word, _)| *word == text).map(|(_, it)| *it).ok_or_else(|| {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        Unreadable::Text(format!("`{text}` is not one of {}", known.join(", ")))
    })
}

/// A whole number and its unit.
fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|it: char| !it.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// The known word that `word` most likely stands for.
pub(crate) fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let (near, likeness) =
        known.iter().map(|it| (*it, strsim::jaro_winkler(word, it))).max_by(|a, b| a.1.total_cmp(&b.1))?;
    (likeness > 0.8).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let (_, faults) = Sheet::new(Path::new("api.toml"), text).read(|root| {
            let name = root.required::<String>("name");
            let wait = root.value_or("wait", Duration::from_secs(1));
            let hosts = root.list::<String>("hosts");
            let inner = root.optional_section("inner").map(|it| it.required::<u32>("limit"));
            let (name, hosts) = (name?, hosts?);
            Some((name.value, wait, hosts.len(), inner.is_some()))
        });
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_column() {
        let text = "nam = \"x\"\nwait = \"5 years\"\nhosts = [\"a\", 1, true]\n[inner]\nlimit = -1\nlimt = 1\n";
        assert_eq!(
            faults(text),
            [
                "api.toml:1:1: `name` is missing",
                "api.toml:1:1: no such key `nam`\n  help: did you mean `name`?",
                "api.toml:2:8: `wait`: `5 years` is not a time such as `500ms`, `30s`, `5m` or `1h`",
                "api.toml:3:15: `hosts` is a text, not this integer",
                "api.toml:3:18: `hosts` is a text, not this boolean",
                "api.toml:5:9: `limit`: `-1` is not a whole number from 0 to 4294967295",
                "api.toml:6:1: no such key `limt`\n  help: did you mean `limit`?",
            ]
        );
    }

    #[test]
    fn broken_toml_does_not_hide_what_else_is_wrong() {
        let faults = faults("name = \nwait = \"x\"\n");
        assert!(faults.iter().any(|it| it.starts_with("api.toml:1:")), "{faults:?}");
        assert!(faults.iter().any(|it| it.starts_with("api.toml:2:8: `wait`")), "{faults:?}");
        assert!(!faults.iter().any(|it| it.contains("missing")), "{faults:?}");
    }

    #[test]
    fn a_slip_of_the_pen_is_told_where_it_is_and_nothing_is_told_of_what_was_not_read() {
        for slip in ["hosts = = [\"a\"]", "wait = = \"1s\"", "inner ="] {
            let told = faults(&format!("name = \"x\"\n{slip}\n"));
            assert!(!told.is_empty() && told.iter().all(|it| it.starts_with("api.toml:2:")), "{slip}: {told:?}");
            assert!(!told.iter().any(|it| it.contains("not this integer")), "{slip}: {told:?}");
        }
    }

    #[test]
    fn a_heading_that_lacks_a_bracket_is_told_and_what_stands_under_it_is_read() {
        let text = |heading: &str| format!("name = \"x\"\nhosts = []\n{heading}\nlimit = 1\n");
        for heading in ["[inner", "inner]", "[inner # of all"] {
            let told = faults(&text(heading));
            assert!(told.len() == 1 && told[0].starts_with("api.toml:3:"), "{heading}: {told:?}");
            let told = faults(&text(heading).replace("[]", "1").replace("limit", "limt"));
            let places: Vec<&str> = told.iter().filter_map(|it| it.get(.."api.toml:3:".len())).collect();
            assert_eq!(places, ["api.toml:2:", "api.toml:3:", "api.toml:3:", "api.toml:4:"], "{heading}: {told:?}");
        }
        // Nobody knows what stands under these.
        for heading in ["[", "[]", "[in ner]", "[inner.]", "[.inner"] {
            let told = faults(&format!("name = \"x\"\n{heading}\nlimt = 1\n"));
            assert!(told.iter().all(|it| it.starts_with("api.toml:2:")), "{heading}: {told:?}");
        }
    }

    #[test]
    fn a_time_is_a_whole_number_and_a_unit() {
        for (text, expected) in [
            ("500ms", Some(Duration::from_millis(500))),
            ("30s", Some(Duration::from_secs(30))),
            ("5m", Some(Duration::from_mins(5))),
            ("1h", Some(Duration::from_hours(1))),
            ("30", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("1 s", None),
            ("99999999999999999999s", None),
            ("", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
