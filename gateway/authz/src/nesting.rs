//! How deeply a policy text nests and how long its policies are, counted before any parser sees it.
//!
//! Cedar's parser recurses without a check of the stack, and a stack overflow takes the whole process down. What comes after it recurses along
//! a flat chain of operators too.

/// Deeper nesting than this is refused.
pub(crate) const MAX_NESTING: usize = 40;

/// The longest policy, in bytes without white space, comments and the insides of strings. A chain of operators as long
/// as this can still be dropped on a 2-MiB stack.
pub(crate) const MAX_POLICY: usize = 10 * 1024;

/// Where a text would cost a parser too much, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Nested deeper than [`MAX_NESTING`], beginning here.
    Deep(usize),
    /// Longer than [`MAX_POLICY`], from here on.
    Long(usize),
}

/// The first place where one policy of `text` nests too deeply, outside strings and comments, or grows too long.
///
/// A run of prefix operators recurses as brackets do, so each counts as one until something else follows. So does each
/// `if` of a policy, for one may stand in the branch of another without a bracket.
pub(crate) fn excess(text: &str) -> Option<Excess> {
    let mut depth = 0_usize;
    let mut prefixes = 0_usize;
    let mut branches = 0_usize;
    let mut length = 0_usize;
    let mut word = Word::None;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                skip_string(&mut bytes);
                prefixes = 0;
            }
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                while bytes.next_if(|(_, it)| *it != b'\n').is_some() {}
                continue;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                prefixes = 0;
            }
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                prefixes = 0;
            }
            b'!' | b'-' => prefixes += 1,
            b';' => (branches, length) = (0, 0),
            _ if byte.is_ascii_whitespace() => {}
            _ => prefixes = 0,
        }
        length += usize::from(!byte.is_ascii_whitespace());
        word = word.then(byte);
        if word == Word::If && !bytes.peek().is_some_and(|(_, next)| is_word(*next)) {
            branches += 1;
        }
        if depth + prefixes + branches > MAX_NESTING {
            return Some(Excess::Deep(at));
        }
        if length > MAX_POLICY {
            return Some(Excess::Long(at));
        }
    }
    None
}

/// How much of the word `if` has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    I,
    If,
    Other,
}

impl Word {
    const fn then(self, byte: u8) -> Self {
        match (self, byte) {
            (_, byte) if !is_word(byte) => Self::None,
            (Self::None, b'i') => Self::I,
            (Self::I, b'f') => Self::If,
            _ => Self::Other,
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn skip_string(bytes: &mut impl Iterator<Item = (usize, u8)>) {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let many = "(".repeat(100);
        for text in [format!("\"{many}\""), format!("// {many}\n"), format!("\"\\\"{many}\"")] {
            assert_eq!(excess(&text), None, "{text}");
        }
        assert_eq!(excess(&format!("\"a\"{many}")), Some(Excess::Deep(3 + MAX_NESTING)));
        assert_eq!(excess(&format!("// a\n{many}")), Some(Excess::Deep(5 + MAX_NESTING)));
    }

    #[test]
    fn the_bound_is_on_depth_and_not_on_number() {
        assert_eq!(excess(&"()".repeat(1_000)), None);
        assert_eq!(excess(&"(".repeat(MAX_NESTING)), None);
        assert_eq!(excess(&"(".repeat(MAX_NESTING + 1)), Some(Excess::Deep(MAX_NESTING)));
        assert_eq!(excess(&"! ".repeat(MAX_NESTING + 1)), Some(Excess::Deep(MAX_NESTING * 2)));
    }

    #[test]
    fn the_length_is_that_of_one_policy_and_strings_and_comments_do_not_count() {
        let one = |length: usize| format!("{};", "a".repeat(length - 1));
        assert_eq!(excess(&one(MAX_POLICY).repeat(3)), None);
        assert_eq!(excess(&one(MAX_POLICY + 2)), Some(Excess::Long(MAX_POLICY)));
        let long = "x".repeat(2 * MAX_POLICY);
        assert_eq!(excess(&format!("\"{long}\" // {long}\n{}", " ".repeat(2 * MAX_POLICY))), None);
    }

    #[test]
    fn branches_within_branches_count_and_words_that_look_like_them_do_not() {
        let nested = "if a then b else ".repeat(MAX_NESTING + 1);
        assert!(excess(&nested).is_some());
        assert_eq!(excess(&nested.replace("if", "iff")), None);
        assert_eq!(excess(&nested.replace("if", "elif")), None);
        assert_eq!(excess(&"if a then b else c;".repeat(MAX_NESTING + 1)), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in "\\PC{0,200}") {
            let _ = excess(&text);
        }

        #[test]
        fn what_is_too_deep_stays_too_deep_within_anything(text in "[ a-z()\\[\\]]{0,50}", before in "[ a-z]{0,20}") {
            let deep = format!("{before}{}{text}", "[".repeat(MAX_NESTING + 1));
            prop_assert!(excess(&deep).is_some());
        }
    }
}
