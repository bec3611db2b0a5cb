//! Entries as a table (RFC 4180), for people who open it with a program that computes.

use serde_json::Value;

use crate::query::Found;
use crate::show::{harmless, json_line};

/// The columns, and where an entry has what stands in them. What has no column is in the last one, as JSON.
const COLUMNS: [(&str, &str); 24] = [
    ("seq", "/seq"),
    ("time", "/time"),
    ("class", "/class"),
    ("node", "/node"),
    ("boot", "/boot"),
    ("node_seq", "/node_seq"),
    ("tenant", "/tenant"),
    ("key", "/auth/key"),
    ("api", "/request/api"),
    ("operation", "/request/operation"),
    ("request", "/request/id"),
    ("method", "/request/method"),
    ("host", "/request/host"),
    ("path", "/request/path"),
    ("source", "/request/source"),
    ("outcome", "/decision/outcome"),
    ("step", "/decision/step"),
    ("reason", "/decision/reason"),
    ("status", "/status"),
    ("upstream_status", "/upstream/status"),
    ("bytes_in", "/bytes_in"),
    ("bytes_out", "/bytes_out"),
    ("duration_us", "/duration_us"),
    ("schema", "/schema"),
];

/// What programs that compute take for the beginning of a formula, as narrow and as wide characters.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// The first line.
pub(super) fn head() -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).chain(["more"]).collect();
    names.join(",") + "\r\n"
}

/// One entry.
pub(super) fn line(found: &Found) -> String {
    let mut rest = found.view();
    let mut cells: Vec<String> = COLUMNS.iter().map(|(_, at)| column(&mut rest, at)).collect();
    prune(&mut rest);
    let more = if rest.as_object().is_some_and(serde_json::Map::is_empty) { String::new() } else { json_line(&rest) };
    cells.push(cell(&more));
    cells.join(",") + "\r\n"
}

/// What stands in a column. Of deeds it is not in a section of its own how they ended, and why.
fn column(rest: &mut Value, at: &str) -> String {
    let cell = taken(rest, at);
    let Some(outside) = at.strip_prefix("/decision").filter(|_| cell.is_empty()) else { return cell };
    taken(rest, outside)
}

/// A cell, of a value that is taken out of what is left.
fn taken(rest: &mut Value, at: &str) -> String {
    let Some((section, name)) = at.rsplit_once('/') else { return String::new() };
    let fields = rest.pointer_mut(section).and_then(Value::as_object_mut);
    let is_one = |it: &Value| !it.is_object() && !it.is_array();
    match fields.filter(|it| it.get(name).is_some_and(is_one)).and_then(|it| it.remove(name)) {
        Some(Value::String(text)) => cell(&text),
        Some(other) => cell(&other.to_string()),
        None => String::new(),
    }
}

/// Takes out the sections of which nothing is left.
fn prune(rest: &mut Value) {
    if let Some(fields) = rest.as_object_mut() {
        fields.retain(|_, it| it.as_object().is_none_or(|it| !it.is_empty()));
    }
}

/// A text that is a text to whoever opens it.
fn cell(text: &str) -> String {
    let kept = harmless(text);
    let guard = if text.starts_with(FORMULA) { "'" } else { "" };
    if kept.contains([',', '"']) {
        format!("\"{guard}{}\"", kept.replace('"', "\"\""))
    } else {
        format!("{guard}{kept}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_breaks_its_line() {
        for (text, written) in [
            ("plain", "plain"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", r"'\u{9}=1"),
            ("\r=1", r"'\u{d}=1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("=cmd|' /C calc'!A0, \"x\"", "\"'=cmd|' /C calc'!A0, \"\"x\"\"\""),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\r\nb", r"a\u{d}\u{a}b"),
        ] {
            assert_eq!(cell(text), written);
        }
    }

    #[test]
    fn a_line_has_as_many_cells_as_the_first_and_loses_nothing() {
        let entry = crate::cbor::entry_of(|it| {
            it.text("node", "n");
            it.text("class", "key.change");
            it.object("entity", |it| it.text("id", "key_1"));
            it.text("outcome", "done");
        });
        let told = line(&Found { seq: 4, bytes: entry });
        assert_eq!(told, "4,,key.change,n,,,,,,,,,,,,done,,,,,,,,,\"{\"\"entity\"\":{\"\"id\"\":\"\"key_1\"\"}}\"\r\n");
        let bytes = line(&Found { seq: 5, bytes: vec![0xff] });
        assert_eq!(bytes.matches(',').count(), head().matches(',').count());
        assert!(bytes.ends_with("\"{\"\"not_an_entry\"\":\"\"ff\"\"}\"\r\n"), "{bytes}");
    }
}
