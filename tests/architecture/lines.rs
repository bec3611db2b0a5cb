//! Looks for words in the lines of a file, and says on which line they stand.

/// The part of a source file above its inline tests.
pub(crate) fn above_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| line.trim() != "#[cfg(test)]")
}

/// The inline tests of a source file.
pub(crate) fn tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ").and_then(|at| text.get(at..)).unwrap_or_default()
}

/// The first line above the inline tests, from 1, whose code has this word.
pub(crate) fn above_tests_with(text: &str, word: &str) -> Option<usize> {
    above_tests(text).position(|line| code_of(line).contains(word)).map(|it| it + 1)
}

/// The first line, from 1, whose code has this word.
pub(crate) fn with(text: &str, word: &str) -> Option<usize> {
    text.lines().position(|line| line.contains(word)).map(|it| it + 1)
}

/// The first line, from 1, where this stands as a word of its own.
pub(crate) fn with_word(text: &str, word: &str) -> Option<usize> {
    let part_of_a_word = |it: char| it.is_alphanumeric() || it == '_';
    first(text, word, |before, after| !before.is_some_and(part_of_a_word) && !after.is_some_and(part_of_a_word))
}

/// The first line, from 1, where a path begins like this.
pub(crate) fn with_path(text: &str, beginning: &str) -> Option<usize> {
    let part_of_a_path = |it: char| it.is_alphanumeric() || "_-.~}/*".contains(it);
    first(text, beginning, |before, _| !before.is_some_and(part_of_a_path))
}

/// Whether the first thing in a file is a `//!` line, a script's first line apart.
pub(crate) fn says_what_it_is(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > "//! ".len())
}

fn first(text: &str, word: &str, stands_alone: impl Fn(Option<char>, Option<char>) -> bool) -> Option<usize> {
    let alone = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let (before, rest) = line.split_at(at);
            stands_alone(before.chars().next_back(), rest.chars().nth(word.chars().count()))
        })
    };
    text.lines().position(alone).map(|it| it + 1)
}

/// A line without its comment. A `//` inside a string cuts the line short, which hides nothing that is looked for here.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

#[test]
fn words_are_found_whole_and_paths_only_at_their_beginning() {
    assert_eq!(with_word("undoes\nredo it\na do: b", "do"), Some(3));
    assert_eq!(with_path("a/srv/b\nsee `/srv/b`", "/srv/"), Some(2));
}

#[test]
fn comments_and_inline_tests_are_not_code() {
    let text = "//! Never Instant::now.\nfn a() {}\n#[cfg(test)]\nInstant::now()";
    assert_eq!(above_tests_with(text, "Instant::now"), None);
    assert_eq!(above_tests_with("\nlet a = Instant::now();", "Instant::now"), Some(2));
    assert_eq!((tests("a\n#[cfg(test)]\nmod tests {}"), tests("a")), ("\n#[cfg(test)]\nmod tests {}", ""));
    assert!(says_what_it_is(text) && !says_what_it_is("use a;") && !says_what_it_is("//! "));
}
