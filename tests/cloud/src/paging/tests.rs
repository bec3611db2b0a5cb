//! The laws of a walk through a list.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn cursor(after: Option<&str>, limit: usize) -> Cursor {
    let mark = after
        .map(|it| format!("&cursor={}", percent_encoding::utf8_percent_encode(it, percent_encoding::NON_ALPHANUMERIC)));
    Cursor::asked(&Query::of(&format!("limit={limit}{}", mark.unwrap_or_default()))).unwrap()
}

fn id(it: &String) -> &str {
    it
}

#[test]
fn the_cursor_is_the_one_of_the_reference() {
    assert_eq!(write_mark("inst_9x7a2b1c"), "eyJpZCI6Imluc3RfOXg3YTJiMWMifQ==");
    assert_eq!(read_mark("eyJpZCI6Imluc3RfOXg3YTJiMWMifQ==").unwrap(), "inst_9x7a2b1c");
}

#[test]
fn a_cursor_that_no_list_gave_out_is_refused() {
    for foreign in ["x", "e30=", "eyJpZCI6MX0=", "%%%"] {
        assert_eq!(read_mark(foreign).unwrap_err().param.as_deref(), Some("cursor"), "{foreign}");
    }
}

#[test]
fn a_page_is_at_most_a_hundred_long_and_begins_at_one() {
    for (query, param) in
        [("per_page=101", "per_page"), ("per_page=0", "per_page"), ("page=0", "page"), ("page=x", "page")]
    {
        assert_eq!(Page::asked(&Query::of(query)).unwrap_err().param.as_deref(), Some(param), "{query}");
    }
    assert_eq!(Page::asked(&Query::of("")).unwrap(), Page { number: 1, size: 20 });
}

#[test]
fn the_last_piece_names_no_next_one() {
    let items: Vec<String> = ["a", "b", "c"].map(str::to_owned).to_vec();
    let first = cursor(None, 2).piece(items.clone(), id);
    assert_eq!(first.items, ["a", "b"]);
    let last = cursor(first.next.as_deref(), 2).piece(items.clone(), id);
    assert_eq!((last.items, last.next), (vec!["c".to_owned()], None));
    assert_eq!(cursor(None, 3).piece(items, id).next, None);
}

/// What happens to the list between two pieces.
#[derive(Clone, Debug)]
enum Change {
    Create(String),
    Delete(String),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let name = "[a-e]{1,3}";
    prop::collection::vec(prop_oneof![name.prop_map(Change::Create), name.prop_map(Change::Delete)], 0..6)
}

proptest! {
    #[test]
    fn walking_all_pages_shows_each_item_once(count in 0_usize..250, size in 1_usize..=100) {
        let items: Vec<usize> = (0..count).collect();
        let walked: Vec<usize> = (1..=count / size + 1).flat_map(|number| Page { number, size }.of(&items)).collect();
        prop_assert_eq!(walked, items);
    }

    #[test]
    fn a_walk_shows_every_item_that_stays_exactly_once_whatever_comes_and_goes(
        start in prop::collection::btree_set("[a-e]{1,3}", 0..60),
        between in prop::collection::vec(changes(), 1..30),
        limit in 1_usize..=7,
    ) {
        let (mut items, mut stayed) = (start.clone(), start);
        let (mut seen, mut next, mut rounds) = (BTreeMap::<String, usize>::new(), None::<String>, 0);
        loop {
            let piece = cursor(next.as_deref(), limit).piece(items.iter().cloned(), id);
            for it in piece.items {
                *seen.entry(it).or_default() += 1;
            }
            for change in between.get(rounds).into_iter().flatten() {
                match change {
                    Change::Create(name) => { items.insert(name.clone()); }
                    Change::Delete(name) => { items.remove(name); stayed.remove(name); }
                }
            }
            rounds += 1;
            let Some(mark) = piece.next else { break };
            next = Some(mark);
        }
        // An item that left and came back behind the cursor may be met twice by name; it is not one that stayed.
        let once: BTreeSet<&String> = stayed.iter().filter(|it| seen.get(*it) == Some(&1)).collect();
        prop_assert_eq!(once.len(), stayed.len());
    }

    #[test]
    fn what_a_cursor_names_is_read_back(id in "\\PC{0,40}") {
        prop_assert_eq!(read_mark(&write_mark(&id)).unwrap(), id);
    }

    #[test]
    fn no_text_makes_reading_a_cursor_panic(text in "\\PC{0,60}") {
        let _ = read_mark(&text);
    }
}
