//! The words that a schema of OpenAPI 3.1 knows: those of JSON Schema 2020-12, and the four that OpenAPI adds.
//!
//! JSON Schema passes over a word it does not know, so that a slip of the pen would hold requests to nothing.

use crate::written::closest;

/// What stands under a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas under names of the writer's own.
    Named,
    /// No schema.
    Other,
}

/// Every keyword, and what stands under it.
const KEYWORDS: [(&str, Holds); 55] = [
    ("$ref", Holds::Other),
    ("$comment", Holds::Other),
    ("$defs", Holds::Named),
    ("allOf", Holds::Schemas),
    ("anyOf", Holds::Schemas),
    ("oneOf", Holds::Schemas),
    ("not", Holds::Schema),
    ("if", Holds::Schema),
    ("then", Holds::Schema),
    ("else", Holds::Schema),
    ("dependentSchemas", Holds::Named),
    ("prefixItems", Holds::Schemas),
    ("items", Holds::Schema),
    ("contains", Holds::Schema),
    ("properties", Holds::Named),
    ("patternProperties", Holds::Named),
    ("additionalProperties", Holds::Schema),
    ("propertyNames", Holds::Schema),
    ("unevaluatedItems", Holds::Schema),
    ("unevaluatedProperties", Holds::Schema),
    ("type", Holds::Other),
    ("enum", Holds::Other),
    ("const", Holds::Other),
    ("multipleOf", Holds::Other),
    ("maximum", Holds::Other),
    ("exclusiveMaximum", Holds::Other),
    ("minimum", Holds::Other),
    ("exclusiveMinimum", Holds::Other),
    ("maxLength", Holds::Other),
    ("minLength", Holds::Other),
    ("pattern", Holds::Other),
    ("maxItems", Holds::Other),
    ("minItems", Holds::Other),
    ("uniqueItems", Holds::Other),
    ("maxContains", Holds::Other),
    ("minContains", Holds::Other),
    ("maxProperties", Holds::Other),
    ("minProperties", Holds::Other),
    ("required", Holds::Other),
    ("dependentRequired", Holds::Other),
    ("format", Holds::Other),
    ("contentEncoding", Holds::Other),
    ("contentMediaType", Holds::Other),
    ("contentSchema", Holds::Schema),
    ("title", Holds::Other),
    ("description", Holds::Other),
    ("default", Holds::Other),
    ("deprecated", Holds::Other),
    ("readOnly", Holds::Other),
    ("writeOnly", Holds::Other),
    ("examples", Holds::Other),
    ("discriminator", Holds::Other),
    ("xml", Holds::Other),
    ("externalDocs", Holds::Other),
    ("example", Holds::Other),
];

/// What stands under a keyword; `None` where there is no such keyword.
pub(super) fn holds(keyword: &str) -> Option<Holds> {
    KEYWORDS.iter().find(|(it, _)| *it == keyword).map(|(_, it)| *it)
}

/// The keyword that was most likely meant.
pub(super) fn meant(word: &str) -> Option<&'static str> {
    let known: Vec<&'static str> = KEYWORDS.iter().map(|(it, _)| *it).collect();
    closest(word, &known)
}
