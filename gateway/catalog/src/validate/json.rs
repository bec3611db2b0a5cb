//! JSON that every reader understands alike: UTF-8, no key twice, not deeper than 64, numbers that fit.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// How many arrays and objects may stand inside each other.
const MAX_DEPTH: usize = 64;

/// Why a text is not taken as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Not UTF-8.
    NotUtf8,
    /// Arrays and objects more than 64 deep.
    TooDeep,
    /// An object names a key twice: where it stands, as in `x.items[2].y`.
    Twice(String),
    /// Not JSON from this line and column on.
    Syntax(usize, usize),
}

impl Broken {
    /// What is wrong, as the rest of a sentence.
    pub(crate) fn message(&self) -> Cow<'static, str> {
        match self {
            Self::NotUtf8 => "must be UTF-8".into(),
            Self::TooDeep => format!("must not be nested deeper than {MAX_DEPTH}").into(),
            Self::Twice(_) => "is given twice".into(),
            Self::Syntax(line, column) => format!("is not well-formed JSON at line {line} column {column}").into(),
        }
    }
}

/// Reads the whole text, and nothing after it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Broken> {
    let text = std::str::from_utf8(bytes).map_err(|_| Broken::NotUtf8)?;
    let broken = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Reading { left: MAX_DEPTH, broken: &broken }.deserialize(&mut reader);
    read.and_then(|it| reader.end().map(|()| it))
        .map_err(|error| broken.take().unwrap_or_else(|| Broken::Syntax(error.line(), error.column())))
}

/// Reads one value; says through `broken` what serde has no word for.
#[derive(Clone, Copy)]
struct Reading<'b> {
    left: usize,
    broken: &'b Cell<Option<Broken>>,
}

impl Reading<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| self.refuse(Broken::TooDeep))?;
        Ok(Self { left, ..self })
    }

    /// Says of what is named twice in what it stands.
    fn within(self, place: impl FnOnce() -> String) {
        let broken = self.broken.take().map(|it| match it {
            Broken::Twice(inner) if inner.starts_with('[') => Broken::Twice(place() + &inner),
            Broken::Twice(inner) => Broken::Twice(place() + "." + &inner),
            Broken::NotUtf8 | Broken::TooDeep | Broken::Syntax(..) => it,
        });
        self.broken.set(broken);
    }

    fn refuse<E: serde::de::Error>(self, broken: Broken) -> E {
        self.broken.set(Some(broken));
        E::custom("")
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::Number(it.into()))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(Value::Number(it.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, it: f64) -> Result<Value, E> {
        Number::from_f64(it).map(Value::Number).ok_or_else(|| E::custom(""))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::String(it.to_owned()))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::String(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        loop {
            match seq.next_element_seed(inner) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return Ok(Value::Array(items)),
                Err(error) => {
                    self.within(|| format!("[{}]", items.len()));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match object.entry(key) {
                Entry::Vacant(entry) => {
                    let value = map.next_value_seed(inner).inspect_err(|_| self.within(|| entry.key().clone()))?;
                    entry.insert(value);
                }
                Entry::Occupied(entry) => return Err(self.refuse(Broken::Twice(entry.key().clone()))),
            }
        }
        Ok(Value::Object(object))
    }
}
