//! Text of others, made fit to be looked at.
//!
//! What callers sent stands in entries as it came. A terminal acts on control characters, and people are fooled by
//! characters that turn the direction of text or that nobody sees: both are written as what they are.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

/// The same text with every character that could do something but be seen as `\u{...}`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for it in text.chars() {
        if acts(it) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(it));
        } else {
            out.push(it);
        }
    }
    Cow::Owned(out)
}

/// The same of what people read in several lines: what ends a line ends it still.
pub fn harmless_lines(text: &str) -> String {
    text.split('\n').map(harmless).collect::<Vec<_>>().join("\n")
}

/// A value as JSON in one line, with the same characters as JSON escapes: it is the same value to whoever reads it.
pub fn json_line(value: &Value) -> String {
    harmless_json(value.to_string())
}

/// JSON with the same characters as JSON escapes.
pub fn harmless_json(text: String) -> String {
    // What parts its lines is within no string: there it is written as an escape already.
    let escaped = |it: char| acts(it) && it != '\n';
    if !text.contains(escaped) {
        return text;
    }
    // Outside of strings JSON has none of the others.
    let mut out = String::with_capacity(text.len() + 16);
    for it in text.chars() {
        if escaped(it) {
            for unit in it.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(it);
        }
    }
    out
}

/// Whether a character does something to what shows it, or is not seen.
fn acts(it: char) -> bool {
    it.is_control()
        || matches!(it,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        for (text, shown) in [
            ("/plain/\u{e9}\u{4e2d}", "/plain/\u{e9}\u{4e2d}"),
            ("\u{1b}]0;title\u{7}\u{1b}[2J", r"\u{1b}]0;title\u{7}\u{1b}[2J"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("a\r\nb\tc", r"a\u{d}\u{a}b\u{9}c"),
            ("\u{202e}gpj.exe", r"\u{202e}gpj.exe"),
            ("a\u{200b}b\u{e0041}", r"a\u{200b}b\u{e0041}"),
            ("\u{7f}", r"\u{7f}"),
        ] {
            assert_eq!(harmless(text), shown);
        }
        assert_eq!(harmless_lines("a\u{9b}\r\n\u{202e}b\n"), "a\\u{9b}\\u{d}\n\\u{202e}b\n");
    }

    proptest! {
        #[test]
        fn a_line_of_json_is_the_same_value_and_does_nothing(text in any::<String>()) {
            let value = json!({ "a": text, "b": ["\u{1b}[2J\u{9b}1m\u{202e}\u{e0041}", text] });
            let line = json_line(&value);
            prop_assert!(!line.contains(acts));
            prop_assert_eq!(&serde_json::from_str::<Value>(&line).unwrap(), &value);
            let lines = harmless_json(serde_json::to_string_pretty(&value).unwrap());
            prop_assert!(!lines.contains(|it| acts(it) && it != '\n') && lines.lines().count() > 4);
            prop_assert_eq!(serde_json::from_str::<Value>(&lines).unwrap(), value);
        }
    }
}
