//! The fields of a JSON body. A fault names its field, and the value is never repeated.

use std::ops::RangeInclusive;

use axum::extract::{FromRequest, Request};
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, Limited};
use serde_json::{Map, Value};

use crate::refused::{Kind, Refused};

/// A JSON object that was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields(Map<String, Value>);

/// The longest body that is read whole: 4 MiB.
const LONGEST: usize = 4 << 20;

impl Fields {
    /// The object that `bytes` spell.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let invalid = |message| Refused::new(Kind::Invalid, message);
        let value: Value = serde_json::from_slice(bytes).map_err(|_| invalid("the body is not valid JSON"))?;
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(invalid("the body must be a JSON object"))
            }
        }
    }

    /// The fields of an object within a body.
    pub(crate) fn within(fields: &Map<String, Value>) -> Self {
        Self(fields.clone())
    }

    /// Whatever the field holds; null is the same as nothing.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|it| !it.is_null())
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refused> {
        let wrong = || Refused::invalid(name, format!("{name} must be a string that is not empty"));
        let read = |it: &Value| it.as_str().map(str::len).is_some_and(|length| length > 0);
        self.value(name).map(|it| if read(it) { it.as_str().ok_or_else(wrong) } else { Err(wrong()) }).transpose()
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, name: &str) -> Result<&str, Refused> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// One of `choices`.
    pub(crate) fn choice(&self, name: &str, choices: &[&str]) -> Result<Option<&str>, Refused> {
        let wrong = || Refused::invalid(name, format!("{name} must be one of {}", choices.join(", ")));
        self.text(name)?.map(|it| if choices.contains(&it) { Ok(it) } else { Err(wrong()) }).transpose()
    }

    /// One of `choices` that must be there.
    pub(crate) fn required_choice(&self, name: &str, choices: &[&str]) -> Result<&str, Refused> {
        self.choice(name, choices)?.ok_or_else(|| missing(name))
    }

    /// A whole number within `range`.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Refused> {
        let wrong = || {
            let (least, most) = (range.start(), range.end());
            Refused::invalid(name, format!("{name} must be a whole number from {least} to {most}"))
        };
        // `2.0` is the number 2 (JSON Schema 2020-12, section 6.1.1).
        let whole =
            |it: &Value| it.as_f64().filter(|it| it.fract() == 0.0).and_then(|it| format!("{it:.0}").parse().ok());
        let read = |it: &Value| it.as_u64().or_else(|| whole(it)).filter(|it| range.contains(it)).ok_or_else(wrong);
        self.value(name).map(read).transpose()
    }

    /// `true` or `false`; false when nothing is said.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refused> {
        let wrong = || Refused::invalid(name, format!("{name} must be true or false"));
        self.value(name).map_or(Ok(false), |it| it.as_bool().ok_or_else(wrong))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refused> {
        let wrong = || Refused::invalid(name, format!("{name} must be a list of strings"));
        let read = |it: &Value| {
            let items = it.as_array().ok_or_else(wrong)?;
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        };
        self.value(name).map(read).transpose()
    }

    /// A list of texts that must be there.
    pub(crate) fn listed_texts(&self, name: &str) -> Result<Vec<String>, Refused> {
        self.texts(name)?.ok_or_else(|| missing(name))
    }

    /// A list of texts that must be there and hold something.
    pub(crate) fn required_texts(&self, name: &str) -> Result<Vec<String>, Refused> {
        let texts = self.listed_texts(name)?;
        let empty = || Refused::invalid(name, format!("{name} must name at least one"));
        if texts.is_empty() { Err(empty()) } else { Ok(texts) }
    }

    /// An object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<&Map<String, Value>>, Refused> {
        let wrong = || Refused::invalid(name, format!("{name} must be an object"));
        self.value(name).map(|it| it.as_object().ok_or_else(wrong)).transpose()
    }
}

/// The fields of an object that is being written; none of anything else.
pub(crate) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn missing(name: &str) -> Refused {
    Refused::invalid(name, format!("{name} is required"))
}

impl<S: Sync> FromRequest<S> for Fields {
    type Rejection = Refused;
    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let declared = request.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media = declared.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(Refused::new(Kind::Invalid, "Content-Type must be application/json"));
        }
        let body = Limited::new(request.into_body(), LONGEST).collect().await;
        let bytes = body.map_err(|_| Refused::new(Kind::TooLarge, "the body is too large or was cut off"))?.to_bytes();
        Self::read(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Fields {
        Fields::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn fields_are_read_as_they_were_meant() {
        let it = read(r#"{"name":"a","count":2,"on":true,"keys":["x","y"],"none":null}"#);
        assert_eq!(it.required_text("name").unwrap(), "a");
        assert_eq!(it.number("count", 1..=10).unwrap(), Some(2));
        assert!(it.flag("on").unwrap());
        assert_eq!(it.required_texts("keys").unwrap(), ["x", "y"]);
        assert_eq!(it.listed_texts("keys").unwrap(), ["x", "y"]);
        assert_eq!((it.text("none").unwrap(), it.object("absent").unwrap()), (None, None));
    }

    #[test]
    fn a_fault_names_its_field() {
        let it = read(r#"{"name":"","count":11,"on":"yes","keys":[1],"none":[],"plan":"odd"}"#);
        let param = |refused: Refused| refused.param.unwrap();
        assert_eq!(param(it.text("name").unwrap_err()), "name");
        assert_eq!(param(it.number("count", 1..=10).unwrap_err()), "count");
        assert_eq!(param(it.flag("on").unwrap_err()), "on");
        assert_eq!(param(it.texts("keys").unwrap_err()), "keys");
        assert_eq!(param(it.required_texts("none").unwrap_err()), "none");
        assert_eq!(it.listed_texts("none").unwrap(), [""; 0]);
        assert_eq!(param(it.listed_texts("absent").unwrap_err()), "absent");
        assert_eq!(param(it.required_text("absent").unwrap_err()), "absent");
        assert_eq!(param(it.choice("plan", &["nano"]).unwrap_err()), "plan");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "{", "[]", "7", "{\"a\":1}x"] {
            assert_eq!(Fields::read(text.as_bytes()).unwrap_err().kind, Kind::Invalid, "{text}");
        }
    }
}
