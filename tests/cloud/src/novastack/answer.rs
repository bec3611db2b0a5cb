//! What the model says: its last message again, with a sentence that the whole conversation and the seed decide.

use serde_json::json;

use crate::ids::Seed;

/// One message of a conversation, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) role: String,
    pub(super) text: String,
}

/// How an answer is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manner {
    /// At most so many tokens.
    pub(super) most: Option<u64>,
    /// It ends before any of these.
    pub(super) stops: Vec<String>,
    /// It is to be a JSON object.
    pub(super) json: bool,
    /// Decides, with the conversation, what is said.
    pub(super) seed: i64,
}

/// An answer, in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) tokens: Vec<String>,
    pub(super) finish: &'static str,
}

const REMARKS: [&str; 6] = [
    "Nothing more needs to be said about that.",
    "That is all this model knows.",
    "A real model would have gone on for longer.",
    "The same words will be answered the same way tomorrow.",
    "This sentence was chosen by your messages.",
    "Ask again with another seed and it will be put differently.",
];

/// The answer of choice number `index` to a conversation.
pub(super) fn answer(talk: &[Said], manner: &Manner, index: u64) -> Answer {
    let last = talk.iter().rev().find(|it| it.role == "user").or_else(|| talk.last());
    let last = last.map_or("", |it| it.text.as_str());
    let whole: Vec<&str> = talk.iter().flat_map(|it| [it.role.as_str(), it.text.as_str()]).collect();
    let whole = whole.join("\n");
    let mut seed = Seed::of(&format!("{whole}{}:{index}", manner.seed));
    let remark = seed.pick(&REMARKS);
    let text = if manner.json {
        json!({ "echo": last, "remark": remark }).to_string()
    } else {
        format!("You said: {last} {remark}")
    };
    let cut = manner.stops.iter().filter_map(|stop| text.find(stop.as_str())).min();
    let text = cut.and_then(|at| text.get(..at)).unwrap_or(&text);
    let mut tokens = tokens(text);
    let most = manner.most.and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
    let finish = if most < tokens.len() { "length" } else { "stop" };
    tokens.truncate(most);
    Answer { tokens, finish }
}

/// A token is a word with the white space before it.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for letter in text.chars() {
        let begins = letter.is_whitespace() && in_word || tokens.is_empty();
        in_word = !letter.is_whitespace();
        match tokens.last_mut() {
            Some(token) if !begins => token.push(letter),
            Some(_) | None => tokens.push(letter.to_string()),
        }
    }
    tokens
}

/// How many tokens a conversation costs: its words, and 4 for each message.
pub(super) fn cost(talk: &[Said]) -> u64 {
    talk.iter().map(|it| 4 + tokens(&it.text).len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(text: &str) -> Vec<Said> {
        vec![
            Said { role: "system".to_owned(), text: "Be brief.".to_owned() },
            Said { role: "user".to_owned(), text: text.to_owned() },
        ]
    }

    #[test]
    fn the_same_conversation_is_answered_alike_and_another_seed_may_differ() {
        let manner = Manner::default();
        let first = answer(&said("hello there"), &manner, 0);
        assert_eq!(first, answer(&said("hello there"), &manner, 0));
        assert!(first.tokens.concat().starts_with("You said: hello there "));
        let others = (0..20).map(|seed| answer(&said("hello there"), &Manner { seed, ..Manner::default() }, 0));
        assert!(others.into_iter().any(|it| it != first));
    }

    #[test]
    fn an_answer_ends_where_it_was_told_to() {
        let short = answer(&said("one two three"), &Manner { most: Some(3), ..Manner::default() }, 0);
        assert_eq!((short.tokens.concat().as_str(), short.finish), ("You said: one", "length"));
        let stopped =
            answer(&said("one two three"), &Manner { stops: vec![" two".to_owned()], ..Manner::default() }, 0);
        assert_eq!((stopped.tokens.concat().as_str(), stopped.finish), ("You said: one", "stop"));
    }

    #[test]
    fn an_answer_that_is_to_be_json_is_json() {
        let it = answer(&said("a \"quoted\" word"), &Manner { json: true, ..Manner::default() }, 0);
        let read: serde_json::Value = serde_json::from_str(&it.tokens.concat()).unwrap();
        assert_eq!(read["echo"], "a \"quoted\" word");
    }

    proptest! {
        #[test]
        fn tokens_put_together_are_the_text(text in "\\PC{0,80}") {
            prop_assert_eq!(tokens(&text).concat(), text);
        }

        #[test]
        fn no_token_is_empty(text in "[a b\n]{0,40}") {
            prop_assert!(tokens(&text).iter().all(|it| !it.is_empty()));
        }
    }
}
