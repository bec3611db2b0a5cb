//! Headings of tables that lack a bracket.
//!
//! A parser that goes on after one takes what stands under it for part of the table before, so that everything in there
//! would be told to be wrong. With the heading put right it is read where it belongs.

/// What a file is once its headings are put right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Headings {
    /// They are as they were.
    Whole,
    /// The file with these lines (from 1) put right; what is on other lines stays where it was.
    Mended(String, Vec<usize>),
    /// What one was meant to be cannot be known, nor what stands under it.
    Lost,
}

/// Puts the headings on these lines right, from 1: those on which the parser has found something wrong.
pub(super) fn put_right(text: &str, lines: &[usize]) -> Headings {
    let (mut mended, mut lost) = (Vec::new(), false);
    let whole: Vec<String> = text
        .split('\n')
        .enumerate()
        .map(|(above, line)| match heading(line) {
            _ if !lines.contains(&(above + 1)) => line.to_owned(),
            Some(heading) => {
                if heading != line.trim_end() {
                    mended.push(above + 1);
                }
                heading
            }
            None => {
                lost |= line.trim_start().starts_with('[');
                line.to_owned()
            }
        })
        .collect();
    if lost {
        Headings::Lost
    } else if mended.is_empty() {
        Headings::Whole
    } else {
        Headings::Mended(whole.join("\n"), mended)
    }
}

/// The heading that a line was meant to be: names, with as many brackets on both sides as there are on one.
fn heading(line: &str) -> Option<String> {
    let bare = line.split('#').next().unwrap_or_default().trim();
    let name = bare.trim_start_matches('[').trim_end_matches(']');
    let opened = bare.len() - bare.trim_start_matches('[').len();
    let closed = bare.len() - bare.trim_end_matches(']').len();
    let named = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
    match opened.max(closed) {
        1 if named => Some(format!("[{name}]")),
        2 if named => Some(format!("[[{name}]]")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_gets_the_bracket_that_it_lacks_and_nothing_else_is_touched() {
        for (line, expected) in [
            ("[limits", "[limits]"),
            ("[limits # why", "[limits]"),
            ("limits]", "[limits]"),
            ("[[limits.tier", "[[limits.tier]]"),
            ("[[limits.tier]", "[[limits.tier]]"),
            ("[limits.tier]]", "[[limits.tier]]"),
        ] {
            let text = format!("a = 1\n{line}\nb = [[1], [2]]\n");
            let expected = Headings::Mended(format!("a = 1\n{expected}\nb = [[1], [2]]\n"), vec![2]);
            assert_eq!(put_right(&text, &[2, 3]), expected, "{line}");
            assert_eq!(put_right(&text, &[1]), Headings::Whole, "{line}");
        }
        for line in ["[li mits", "[]", "[[[limits", "[\"limits\"", "[[1], = ]"] {
            assert_eq!(put_right(&format!("a = 1\n{line}\n"), &[2]), Headings::Lost, "{line}");
        }
        for line in ["limits", "[limits]", "[[limits]]", "a = [[1], = ]"] {
            assert_eq!(put_right(&format!("a = 1\n{line}\n"), &[2]), Headings::Whole, "{line}");
        }
    }
}
