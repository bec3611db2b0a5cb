//! What a schema says is wrong, in words for the caller: the field, what it must be, never what it was.

use std::borrow::Cow;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

/// The longest key that is repeated to the caller.
const MAX_KEY: usize = 64;

/// How many documented values are listed.
const MAX_LISTED: usize = 20;

/// The field at fault, beginning with `root`, and what is wrong with it. The field is `None` for the whole value.
pub(crate) fn describe(root: Option<&str>, error: &ValidationError<'_>) -> (Option<String>, Cow<'static, str>) {
    let error = closest(error);
    let mut field = Field::of(root);
    for segment in error.instance_path().segments() {
        match segment {
            LocationSegment::Property(key) => field.key(&key),
            LocationSegment::Index(index) => field.index(index),
        }
    }
    if let ValidationErrorKind::Required { property } = error.kind() {
        field.key(property.as_str().unwrap_or_default());
    }
    if let ValidationErrorKind::AdditionalProperties { unexpected }
    | ValidationErrorKind::UnevaluatedProperties { unexpected } = error.kind()
    {
        field.key(unexpected.first().map_or("", String::as_str));
    }
    (field.text, message(error.kind()))
}

/// Of a value that fits none of several schemas, the fault of the one it came closest to.
fn closest<'a, 'e>(error: &'a ValidationError<'e>) -> &'a ValidationError<'e> {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) = error.kind() else {
        return error;
    };
    let depth = |it: &ValidationError<'_>| it.instance_path().segments().count();
    let here = depth(error);
    let best = context.iter().filter_map(|branch| branch.first()).max_by_key(|it| depth(it));
    best.filter(|it| depth(it) > here).unwrap_or(error)
}

/// The dotted path of a field.
struct Field {
    text: Option<String>,
    /// A key that is not repeated hides what lies beneath it.
    hidden: bool,
}

impl Field {
    fn of(root: Option<&str>) -> Self {
        Self { text: root.map(str::to_owned), hidden: false }
    }

    fn key(&mut self, key: &str) {
        self.hidden |= !is_plain(key);
        if self.hidden {
            return;
        }
        match &mut self.text {
            Some(text) => {
                text.push('.');
                text.push_str(key);
            }
            None => self.text = Some(key.to_owned()),
        }
    }

    fn index(&mut self, index: usize) {
        if !self.hidden {
            let text = self.text.get_or_insert_default();
            text.extend(["[", &index.to_string(), "]"]);
        }
    }
}

/// Whether a key that was sent can be repeated without repeating anything but a name.
pub(crate) fn is_plain(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len())
        && key.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.' | b'$'))
}

/// The same of a key and what it stands in, as in `a.b[1].c`.
pub(crate) fn is_plain_path(path: &str) -> bool {
    let keys = path.split(['[', ']']).filter(|it| !it.is_empty());
    !path.is_empty() && keys.map(|it| it.strip_prefix('.').unwrap_or(it)).all(is_plain)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is jsonschema's, and most of its kinds read alike")]
fn message(kind: &ValidationErrorKind) -> Cow<'static, str> {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Required { .. } => "is required".into(),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } | Kind::FalseSchema => {
            "is not documented".into()
        }
        Kind::Type { kind } => format!("must be {}", type_name(kind)).into(),
        Kind::Enum { options } => one_of(options),
        Kind::Constant { expected_value } => format!("must be {}", listed(expected_value)).into(),
        Kind::Minimum { limit } => format!("must be at least {limit}").into(),
        Kind::Maximum { limit } => format!("must be at most {limit}").into(),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}").into(),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}").into(),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}").into(),
        Kind::MinLength { limit } => format!("must have at least {}", count(*limit, "character")).into(),
        Kind::MaxLength { limit } => format!("must have at most {}", count(*limit, "character")).into(),
        Kind::MinItems { limit } => format!("must have at least {}", count(*limit, "item")).into(),
        Kind::MaxItems { limit } => format!("must have at most {}", count(*limit, "item")).into(),
        Kind::AdditionalItems { limit } => {
            format!("must have at most {}", count(u64::try_from(*limit).unwrap_or(u64::MAX), "item")).into()
        }
        Kind::MinProperties { limit } => format!("must have at least {}", count(*limit, "field")).into(),
        Kind::MaxProperties { limit } => format!("must have at most {}", count(*limit, "field")).into(),
        Kind::UniqueItems => "must not hold an item twice".into(),
        Kind::Pattern { .. } => "must match the documented pattern".into(),
        Kind::Format { format } => format!("must be a valid {format}").into(),
        Kind::PropertyNames { .. } => "must only have keys of the documented form".into(),
        Kind::Contains => "must hold an item of the documented form".into(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => "must have one of the documented forms".into(),
        Kind::OneOfMultipleValid { .. } => "must have only one of the documented forms".into(),
        _ => "does not have the documented form".into(),
    }
}

fn count(limit: u64, noun: &str) -> String {
    if limit == 1 { format!("1 {noun}") } else { format!("{limit} {noun}s") }
}

fn one_of(options: &Value) -> Cow<'static, str> {
    let Some(options) = options.as_array().filter(|it| it.len() <= MAX_LISTED) else {
        return "must be one of the documented values".into();
    };
    let options: Vec<String> = options.iter().map(listed).collect();
    format!("must be one of {}", options.join(", ")).into()
}

/// A documented value as a person writes it.
fn listed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |it| format!("`{it}`"))
}

fn type_name(kind: &TypeKind) -> String {
    let name = |it: JsonType| match it {
        JsonType::Array => "an array",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    };
    match kind {
        TypeKind::Single(it) => name(*it).to_owned(),
        TypeKind::Multiple(set) => set.iter().map(name).collect::<Vec<_>>().join(" or "),
    }
}
