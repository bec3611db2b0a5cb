//! Deterministic CBOR (RFC 8949 section 4.2.1), written by hand and read with suspicion: of every entry there is one
//! encoding, so that what is hashed is what was said.

mod scan;

use std::fmt;

use serde_json::{Map, Number, Value};

pub(crate) use scan::{Scalar, scalars};

/// How deep an entry may be nested when it is read.
const MAX_DEPTH: usize = 8;

/// An object that is being written. Its fields must come in their order: shorter names first, then by their bytes.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    fields: u8,
}

impl<'o> Object<'o> {
    /// Writes one object of at most 23 fields.
    pub(crate) fn write(out: &'o mut Vec<u8>, fields: impl FnOnce(&mut Object<'_>)) {
        let start = out.len();
        out.push(0);
        let mut object = Object { out, fields: 0 };
        fields(&mut object);
        let count = object.fields;
        if let Some(first) = out.get_mut(start) {
            *first = 0xa0 | count;
        }
    }

    fn name(&mut self, name: &str) {
        self.fields += 1;
        text(self.out, name);
    }

    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        text(self.out, value);
    }

    pub(crate) fn text_if(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    pub(crate) fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        self.name(name);
        head(self.out, 0, value.into());
    }

    pub(crate) fn signed(&mut self, name: &'static str, value: i64) {
        self.name(name);
        match u64::try_from(value) {
            Ok(value) => head(self.out, 0, value),
            // -1 is written as 0 of the negative numbers.
            Err(_) => head(self.out, 1, value.unsigned_abs() - 1),
        }
    }

    pub(crate) fn flag(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.out.push(if value { 0xf5 } else { 0xf4 });
    }

    pub(crate) fn texts<'t>(&mut self, name: &'static str, values: impl ExactSizeIterator<Item = &'t str>) {
        self.name(name);
        head(self.out, 4, values.len() as u64);
        values.for_each(|it| text(self.out, it));
    }

    pub(crate) fn object(&mut self, name: &'static str, fields: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        Object::write(self.out, fields);
    }
}

/// Writes a value that was put together elsewhere; a number that is not whole as text.
pub(crate) fn write(fields: &Map<String, Value>, out: &mut Vec<u8>) {
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    sorted.sort_by_key(|(name, _)| (name.len(), name.as_str()));
    head(out, 5, sorted.len() as u64);
    for (name, value) in sorted {
        text(out, name);
        write_value(value, out);
    }
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => head(out, 0, value),
            (None, Some(value)) => head(out, 1, value.unsigned_abs() - 1),
            (None, None) => text(out, &number.to_string()),
        },
        Value::String(value) => text(out, value),
        Value::Array(values) => {
            head(out, 4, values.len() as u64);
            for value in values {
                write_value(value, out);
            }
        }
        Value::Object(fields) => write(fields, out),
    }
}

fn text(out: &mut Vec<u8>, value: &str) {
    head(out, 3, value.len() as u64);
    out.extend_from_slice(value.as_bytes());
}

/// The major type and its argument in as few bytes as will do.
fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..24 => out.push(major | bytes[7]),
        24..0x100 => out.extend_from_slice(&[major + 24, bytes[7]]),
        0x100..0x1_0000 => out.extend_from_slice(&[major + 25, bytes[6], bytes[7]]),
        0x1_0000..0x1_0000_0000 => out.extend_from_slice(&[major + 26, bytes[4], bytes[5], bytes[6], bytes[7]]),
        _ => {
            out.push(major + 27);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Bytes that are not the one encoding of anything an entry can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the deterministic encoding of an entry")]
pub struct NotCanonical;

/// The JSON view of one encoded value, and of nothing after it.
pub(crate) fn view(bytes: &[u8]) -> Result<Value, NotCanonical> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(NotCanonical) }
}

/// By what an entry is told from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity<'b> {
    pub(crate) node: &'b [u8],
    pub(crate) boot: &'b [u8],
    pub(crate) node_seq: u64,
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [node, boot] = [self.node, self.boot].map(String::from_utf8_lossy);
        write!(f, "{node}/{boot}/{}", self.node_seq)
    }
}

/// Reads an entry for its identity alone, and holds the whole of it to its one encoding all the same.
pub(crate) fn identity(bytes: &[u8]) -> Result<Identity<'_>, NotCanonical> {
    let mut reader = Reader { rest: bytes };
    let (mut node, mut boot, mut node_seq) = (None, None, None);
    let (5, count) = reader.head()? else { return Err(NotCanonical) };
    reader.names(count, |name, reader| {
        let whole = reader.rest;
        reader.pass(1)?;
        let mut value = Reader { rest: whole };
        let (major, argument) = value.head()?;
        match (name, major) {
            (b"node", 3) => node = Some(value.text(argument)?),
            (b"boot", 3) => boot = Some(value.text(argument)?),
            (b"node_seq", 0) => node_seq = Some(argument),
            _ => {}
        }
        Ok(())
    })?;
    match (node, boot, node_seq) {
        (Some(node), Some(boot), Some(node_seq)) if reader.rest.is_empty() => Ok(Identity { node, boot, node_seq }),
        _ => Err(NotCanonical),
    }
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn value(&mut self, depth: usize) -> Result<Value, NotCanonical> {
        if depth > MAX_DEPTH {
            return Err(NotCanonical);
        }
        let (major, argument) = self.head()?;
        Ok(match major {
            0 => Value::Number(argument.into()),
            1 => {
                let value = i64::try_from(argument).map_err(|_| NotCanonical)?;
                Value::Number(Number::from(-1 - value))
            }
            3 => Value::String(owned(self.text(argument)?)?),
            4 => (0..argument).map(|_| self.value(depth + 1)).collect::<Result<_, _>>()?,
            5 => self.object(argument, depth)?,
            7 if argument == 20 => Value::Bool(false),
            7 if argument == 21 => Value::Bool(true),
            7 if argument == 22 => Value::Null,
            _ => return Err(NotCanonical),
        })
    }

    fn object(&mut self, count: u64, depth: usize) -> Result<Value, NotCanonical> {
        let mut fields = Map::new();
        self.names(count, |name, reader| {
            fields.insert(owned(name)?, reader.value(depth + 1)?);
            Ok(())
        })?;
        Ok(Value::Object(fields))
    }

    /// Reads the names of an object, each of which must come after the one before it; what follows each is for `value`.
    fn names(
        &mut self,
        count: u64,
        mut value: impl FnMut(&'b [u8], &mut Self) -> Result<(), NotCanonical>,
    ) -> Result<(), NotCanonical> {
        let mut last: Option<&[u8]> = None;
        for _ in 0..count {
            let (3, length) = self.head()? else { return Err(NotCanonical) };
            let name = self.text(length)?;
            if last.is_some_and(|last| (name.len(), name) <= (last.len(), last)) {
                return Err(NotCanonical);
            }
            last = Some(name);
            value(name, self)?;
        }
        Ok(())
    }

    /// Reads a value as strictly as [`Self::value`] and keeps nothing of it.
    fn pass(&mut self, depth: usize) -> Result<(), NotCanonical> {
        if depth > MAX_DEPTH {
            return Err(NotCanonical);
        }
        match self.head()? {
            (0, _) | (7, 20..=22) => Ok(()),
            (1, argument) => i64::try_from(argument).map(drop).map_err(|_| NotCanonical),
            (3, length) => self.text(length).map(drop),
            (4, count) => (0..count).try_for_each(|_| self.pass(depth + 1)),
            (5, count) => self.names(count, |_, reader| reader.pass(depth + 1)),
            _ => Err(NotCanonical),
        }
    }

    /// The bytes of a text. Of many entries few have any that are not ASCII, and to see that is quick.
    fn text(&mut self, length: u64) -> Result<&'b [u8], NotCanonical> {
        let length = usize::try_from(length).map_err(|_| NotCanonical)?;
        let text = self.take(length)?;
        if text.is_ascii() || std::str::from_utf8(text).is_ok() { Ok(text) } else { Err(NotCanonical) }
    }

    fn head(&mut self) -> Result<(u8, u64), NotCanonical> {
        let first = self.take(1)?.first().copied().ok_or(NotCanonical)?;
        let (major, short) = (first >> 5, first & 31);
        let width = match short {
            0..24 => return Ok((major, u64::from(short))),
            24..=27 => 1_usize << (short - 24),
            _ => return Err(NotCanonical),
        };
        let argument = self.take(width)?.iter().fold(0, |so_far, it| so_far << 8 | u64::from(*it));
        // A shorter form would have done.
        let least = if width == 1 { 24 } else { 1 << (4 * width) };
        if argument < least || major == 7 { Err(NotCanonical) } else { Ok((major, argument)) }
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], NotCanonical> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(NotCanonical)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn owned(text: &[u8]) -> Result<String, NotCanonical> {
    std::str::from_utf8(text).map(str::to_owned).map_err(|_| NotCanonical)
}

/// An entry as a test wants it.
#[cfg(test)]
pub(crate) fn entry_of(fields: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    Object::write(&mut out, fields);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The examples of RFC 8949, Appendix A, as far as entries can hold them.
    #[test]
    fn examples_of_the_standard_are_read() {
        for (hexadecimal, value) in [
            ("00", json!(0)),
            ("17", json!(23)),
            ("1818", json!(24)),
            ("1903e8", json!(1000)),
            ("1a000f4240", json!(1_000_000)),
            ("1bffffffffffffffff", json!(u64::MAX)),
            ("20", json!(-1)),
            ("3903e7", json!(-1000)),
            ("f4", json!(false)),
            ("f5", json!(true)),
            ("f6", json!(null)),
            ("6449455446", json!("IETF")),
            ("62c3bc", json!("\u{fc}")),
            ("83010203", json!([1, 2, 3])),
            ("a26161016162820203", json!({ "a": 1, "b": [2, 3] })),
        ] {
            assert_eq!(view(&hex::decode(hexadecimal).unwrap()), Ok(value), "{hexadecimal}");
        }
    }

    #[test]
    fn what_could_be_written_otherwise_is_refused() {
        for hexadecimal in [
            "",     // nothing
            "0000", // something after it
            "1817", // longer than needed
            "190018",
            "1a00000100",
            "1b0000000000000001",
            "a2616202616101",       // out of order
            "a2616101616102",       // twice
            "a10101",               // a name that is no text
            "5f42010243030405ff",   // of no definite length
            "f97e00",               // a float
            "f818",                 // a simple value
            "61ff",                 // no UTF-8
            "42ffff",               // bytes
            "c074",                 // a tag
            "62c3",                 // cut off
            "818181818181818181f4", // too deep
            "9bffffffffffffffff",   // longer than all there is
        ] {
            assert_eq!(view(&hex::decode(hexadecimal).unwrap()), Err(NotCanonical), "{hexadecimal}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            texts in prop::collection::vec("\\PC{0,300}", 3), numbers in any::<(u64, i64, bool)>(), list in prop::collection::vec("\\PC{0,30}", 0..40),
        ) {
            let mut out = Vec::new();
            Object::write(&mut out, |it| {
                it.number("a", numbers.0);
                it.signed("b", numbers.1);
                it.flag("c", numbers.2);
                it.text("aa", &texts[0]);
                it.texts("ab", list.iter().map(String::as_str));
                it.object("aaa", |it| {
                    it.text_if("x", Some(&texts[1]));
                    it.text_if("y", None);
                });
            });
            prop_assert_eq!(view(&out).unwrap(), json!({
                "a": numbers.0, "b": numbers.1, "c": numbers.2, "aa": texts[0], "ab": list, "aaa": { "x": texts[1] },
            }));
        }

        #[test]
        fn a_value_put_together_elsewhere_is_read_back(
            texts in prop::collection::btree_map("\\PC{0,30}", "\\PC{0,300}", 0..40), numbers in any::<(u64, i64, bool)>(),
        ) {
            let value = json!({ "deep": { "list": [numbers.0, numbers.1, numbers.2, null], "texts": texts } });
            let mut out = Vec::new();
            write(value.as_object().unwrap(), &mut out);
            prop_assert_eq!(view(&out).unwrap(), value);
        }

        #[test]
        fn no_bytes_make_the_reader_fail_and_both_readers_agree(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let viewed = view(&bytes);
            let mut reader = Reader { rest: &bytes };
            let passed = reader.pass(0).is_ok() && reader.rest.is_empty();
            prop_assert_eq!(viewed.is_ok(), passed);
            if identity(&bytes).is_ok() {
                prop_assert!(viewed.is_ok());
            }
        }
    }
}
