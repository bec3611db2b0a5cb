//! JSON Schema 2020-12, compiled: nothing is fetched, patterns are matched in linear time, formats are asserted.

use jsonschema::{PatternOptions, Registry, RegistryBuilder, ValidationError, ValidationOptions, Validator};
use serde_json::json;

use super::node::Node;

/// The name under which schemas find the document they stand in.
const DOCUMENT: &str = "urn:portcullis:document";

/// How large a compiled pattern can be, in bytes.
const MAX_PATTERN: usize = 1024 * 1024;

/// Formats of the OpenAPI registry that say how a value is meant, not what it must be.
const ANNOTATIONS: [&str; 10] =
    ["binary", "byte", "double", "float", "int16", "int32", "int64", "int8", "media-range", "password"];

/// The schemas of one document, which may refer to each other.
#[derive(Debug)]
pub(super) struct Schemas {
    /// `None` where the document is at fault, and nothing will be validated.
    registry: Option<Registry<'static>>,
}

impl Schemas {
    pub(super) fn new(root: &Node) -> Result<Self, String> {
        let document = root.to_json(&link);
        let registry = Registry::new()
            .draft(jsonschema::Draft::Draft202012)
            .add(DOCUMENT, document)
            .and_then(RegistryBuilder::prepare)
            .map_err(|error| format!("schemas cannot be read: {error}"))?;
        Ok(Self { registry: Some(registry) })
    }

    /// Of a document that is at fault: each of them compiles, so that the rest of it can be read for its faults.
    pub(super) fn none() -> Self {
        Self { registry: None }
    }

    /// Compiles a schema that stands anywhere in the document.
    pub(super) fn compile(&self, schema: &Node) -> Result<Validator, ValidationError<'static>> {
        match &self.registry {
            Some(registry) => options().with_registry(registry).build(&schema.to_json(&link)),
            None => options().build(&json!(true)),
        }
    }
}

/// Whether a pattern can be matched in linear time.
pub(super) fn is_pattern(pattern: &str) -> bool {
    options().build(&json!({ "pattern": pattern })).is_ok()
}

/// Whether a format is known.
pub(super) fn is_format(format: &str) -> bool {
    ANNOTATIONS.contains(&format) || options().is_known_format(jsonschema::Draft::Draft202012, format)
}

/// A reference within the document, as one that leads there from anywhere.
fn link(reference: &str) -> String {
    format!("{DOCUMENT}{reference}")
}

fn options() -> ValidationOptions<'static> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN))
}
