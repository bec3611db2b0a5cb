//! One documented parameter: how its text becomes a value, and what the value must be.

use std::borrow::Cow;

use jsonschema::Validator as Schema;
use serde_json::{Number, Value};

use super::{Wrong, json, words};

/// A parameter of the path, the query, a header or a cookie.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Its name, spelled as the document spells it.
    pub(crate) name: String,
    /// Whether a request without it is refused.
    pub(crate) required: bool,
    /// How its text is read.
    pub(crate) shape: Shape,
    /// What its value must be.
    pub(crate) schema: Schema,
}

/// How the text of a parameter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One value.
    One(Scalar),
    /// A list: the parameter repeated.
    Repeated(Scalar),
    /// A list: one value, its items between commas.
    Commas(Scalar),
    /// One JSON text.
    Json {
        /// Bytes.
        max: u64,
    },
}

/// The types a text can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// As it is.
    Text,
    /// Digits, as JSON writes an integer.
    Integer,
    /// A number, as JSON writes it.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl Parameter {
    /// Adds what is wrong with the decoded values that were sent for it.
    pub(crate) fn check(&self, values: &[Cow<'_, str>], wrongs: &mut Vec<Wrong>) {
        if values.is_empty() {
            if self.required {
                wrongs.push(Wrong::parameter(&self.name, "is required"));
            }
            return;
        }
        match self.read(values) {
            Err(message) => wrongs.push(Wrong::parameter(&self.name, message)),
            Ok(value) if self.schema.is_valid(&value) => {}
            Ok(value) => wrongs.extend(self.schema.iter_errors(&value).map(|error| {
                let (field, message) = words::describe(Some(&self.name), &error);
                Wrong::parameter(field.as_deref().unwrap_or(&self.name), message)
            })),
        }
    }

    fn read(&self, values: &[Cow<'_, str>]) -> Result<Value, Cow<'static, str>> {
        let one = || match values {
            [one] => Ok(one.as_ref()),
            _ => Err(Cow::from("must be given once")),
        };
        match self.shape {
            Shape::One(scalar) => scalar.read(one()?),
            Shape::Repeated(scalar) => values.iter().map(|it| scalar.read(it)).collect(),
            Shape::Commas(scalar) => one()?.split(',').map(|it| scalar.read(it.trim())).collect(),
            Shape::Json { max } => {
                let text = one()?;
                if u64::try_from(text.len()).map_or(true, |it| it > max) {
                    return Err(format!("must not be longer than {max} bytes").into());
                }
                json::parse(text.as_bytes()).map_err(|it| it.message())
            }
        }
    }
}

impl Scalar {
    fn read(self, text: &str) -> Result<Value, Cow<'static, str>> {
        match self {
            Self::Text => Ok(Value::String(text.to_owned())),
            Self::Boolean => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err("must be true or false".into()),
            },
            Self::Integer => integer(text).map(Value::Number).ok_or_else(|| "must be an integer".into()),
            Self::Number => text.parse().map(Value::Number).map_err(|_| "must be a number".into()),
        }
    }
}

/// An integer as JSON writes it: no `+`, no leading zero, no fraction.
fn integer(text: &str) -> Option<Number> {
    text.parse::<Number>().ok().filter(|it| it.is_i64() || it.is_u64())
}
