//! The configuration that a plugin was bound with.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Problem;

/// The configuration of a plugin: JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config(Value);

impl Config {
    /// Reads the text that the gateway hands over.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let value = serde_json::from_str(text);
        value.map(Self).map_err(|cause| vec![problem("", &format!("is no JSON: {cause}"))])
    }

    /// What stands at a JSON pointer (RFC 6901).
    pub fn get(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// The text that stands at a JSON pointer; nothing where there is none or something else.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.get(pointer)?.as_str()
    }

    /// All of it as a type that knows how to read itself.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        T::deserialize(&self.0).map_err(|cause| vec![problem("", &cause.to_string())])
    }
}

impl From<Value> for Config {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

/// Something that is wrong with what stands at a JSON pointer.
pub(crate) fn problem(pointer: &str, message: &str) -> Problem {
    Problem { pointer: pointer.to_owned(), message: message.to_owned() }
}

impl Problem {
    /// Something that is wrong with what stands at a JSON pointer.
    pub fn at(pointer: &str, message: &str) -> Self {
        problem(pointer, message)
    }
}
