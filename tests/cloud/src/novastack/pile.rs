//! Things in the order they came, shown from the newest.
//!
//! A page begins after an id; that id keeps its place when its thing is deleted, so a walk goes on where it was.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::paging::{LONGEST, USUAL};
use crate::query::Query;
use crate::refused::Refused;

/// Such things.
#[derive(Debug)]
pub(super) struct Pile<T> {
    things: BTreeMap<u64, (String, T)>,
    /// Also of those that are gone.
    places: HashMap<String, u64>,
}

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Self { things: BTreeMap::new(), places: HashMap::new() }
    }
}

impl<T> Pile<T> {
    /// Puts one on top.
    pub(super) fn put(&mut self, id: String, thing: T) {
        let place = self.places.len() as u64;
        self.places.insert(id.clone(), place);
        self.things.insert(place, (id, thing));
    }

    /// The one of that id.
    pub(super) fn find(&self, id: &str) -> Option<&T> {
        self.things.get(self.places.get(id)?).map(|(_, thing)| thing)
    }

    /// Takes it out; its place remains known.
    pub(super) fn take(&mut self, id: &str) -> Option<T> {
        self.things.remove(self.places.get(id)?).map(|(_, thing)| thing)
    }

    /// One page of those that are `meant`, as a list of `OpenAI`'s form.
    pub(super) fn page(
        &self,
        query: &Query,
        meant: impl Fn(&T) -> bool,
        view: impl Fn(&str, &T) -> Value,
    ) -> Result<Value, Refused> {
        let limit = query.number("limit", 1..=LONGEST)?.unwrap_or(USUAL);
        let unknown = || Refused::invalid("after", "after must be the id of an item of this list");
        let after = query.text("after")?.map(|id| self.places.get(id).copied().ok_or_else(unknown)).transpose()?;
        let older = self.things.range(..after.unwrap_or(u64::MAX)).rev();
        let mut rest = older.map(|(_, thing)| thing).filter(|(_, thing)| meant(thing));
        let shown: Vec<Value> = rest.by_ref().take(limit).map(|(id, thing)| view(id, thing)).collect();
        Ok(json!({ "object": "list", "data": shown, "has_more": rest.next().is_some() }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(page: &Value) -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    fn page(pile: &Pile<()>, query: &str) -> Value {
        pile.page(&Query::of(query), |()| true, |id, ()| json!(id)).unwrap()
    }

    #[test]
    fn an_id_that_was_never_there_begins_no_page() {
        let pile: Pile<()> = Pile::default();
        assert_eq!(
            pile.page(&Query::of("after=x"), |()| true, |id, ()| json!(id)).unwrap_err().param.unwrap(),
            "after"
        );
    }

    proptest! {
        #[test]
        fn a_walk_shows_each_item_that_stays_once_and_from_the_newest(
            count in 0_usize..60,
            limit in 1_usize..8,
            gone in prop::collection::vec(0_usize..60, 0..20),
        ) {
            let mut pile = Pile::default();
            (0..count).for_each(|it| pile.put(format!("id{it}"), ()));
            let (mut seen, mut after, mut gone_now) = (Vec::new(), String::new(), gone.iter());
            loop {
                let page = page(&pile, &format!("limit={limit}&after={after}"));
                let shown = ids(&page);
                after = shown.last().cloned().unwrap_or_default();
                seen.extend(shown);
                // One is deleted and one is created behind the walk's back before the next page.
                if let Some(it) = gone_now.next() { pile.take(&format!("id{it}")); }
                pile.put(format!("new{}", seen.len()), ());
                if page["has_more"] == json!(false) { break }
            }
            let stayed: Vec<String> =
                (0..count).rev().filter(|it| !gone.contains(it)).map(|it| format!("id{it}")).collect();
            let met: Vec<String> = seen.iter().filter(|it| stayed.contains(it)).cloned().collect();
            prop_assert_eq!(met, stayed);
        }
    }
}
