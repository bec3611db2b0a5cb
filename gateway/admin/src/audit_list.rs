//! Who did what in a tenant, for its people: entries in the shape that APIs give their audit logs.

use audit::{Filter, Found, SubjectKeys, read_of};
use axum::response::Json;
use domain::{Declined, NativeVerb};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::operations::{Operations, Question};
use crate::page::{Page, begin};

/// How many are on a page, unless somebody says otherwise, and at most.
const USUAL: usize = 20;
const MOST: usize = 100;

/// What is asked for; a cursor goes with it.
#[derive(Clone, Serialize)]
struct Wanted {
    verb: NativeVerb,
    /// What the index can find.
    filter: Filter,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
}

pub(crate) async fn answer(operations: &Operations, question: &Question) -> Result<Json<Value>, Declined> {
    let asked = &question.asked;
    let limit = asked.number("limit", USUAL, MOST)?;
    let wanted = Wanted::of(question)?;
    let before = begin(&wanted, asked.text("cursor").as_deref())?;
    let (own, bounds) = (wanted.clone(), operations.bounds);
    let looked = operations.look(move |books| {
        let page = Page::of((books, bounds), &own.filter, before, limit, |it| own.takes(it))?;
        let keys = books.log().subjects().of_tenant(own.filter.tenant.as_deref().unwrap_or_default());
        let shown: Vec<Value> = page.found.iter().map(|it| shown(it, &keys)).collect();
        Ok((page, shown))
    });
    let (page, shown) = looked.await?;
    let count = shown.len() as u64;
    operations.enter(question, &read_of(&question.caller()?.key, &wanted, &page.range, count)).await?;
    Ok(Json(page.complete(json!({ "audit_logs": shown, "next_cursor": page.next(&wanted) }))))
}

impl Wanted {
    fn of(question: &Question) -> Result<Self, Declined> {
        let asked = &question.asked;
        let (actor, action) = (asked.text("actor"), asked.text("action"));
        let (since, until) = (asked.moment("since")?, asked.moment("until")?);
        // Operations have no dot, and classes have one.
        let (class, operation) = match &action {
            Some(it) if it.contains('.') => (action.clone(), None),
            other => (None, other.clone()),
        };
        let tenant = Some(question.caller()?.tenant.clone());
        let filter = Filter { tenant, actor, class, operation, since, until, ..Filter::default() };
        Ok(Self { verb: question.introduction.verb, filter, action })
    }

    /// What the index cannot tell: which of two an entry is shown as.
    fn takes(&self, found: &Found) -> bool {
        self.action.is_none() || self.action.as_deref() == action(&found.view())
    }
}

fn text<'e>(entry: &'e Value, at: &str) -> Option<&'e str> {
    entry.pointer(at).and_then(Value::as_str)
}

/// Who did it: a key or a user, by its id, or an account of the machine that the gateway runs on.
fn actor(entry: &Value) -> Option<&str> {
    text(entry, "/auth/key").or_else(|| text(entry, "/actor"))
}

/// What was done: an operation; where there is none, what kind of entry it is.
fn action(entry: &Value) -> Option<&str> {
    text(entry, "/request/operation").or_else(|| text(entry, "/class"))
}

/// How it ended, in three words. Whatever the API behind answered with is its own matter, and an error was no success.
fn outcome(entry: &Value) -> Option<&'static str> {
    let ended = text(entry, "/decision/outcome").or_else(|| text(entry, "/outcome"))?;
    let good = entry.get("status").and_then(Value::as_u64).is_none_or(|it| it < 400);
    Some(match ended {
        "permit" | "done" if good => "success",
        "refuse" | "refused" => "refused",
        _ => "failure",
    })
}

/// One entry. What was erased of it, or is not known, is left out.
fn shown(found: &Found, keys: &SubjectKeys) -> Value {
    let mut entry = found.view();
    keys.unseal(&mut entry);
    let resource = text(&entry, "/request/path").or_else(|| text(&entry, "/target")).or_else(|| text(&entry, "/key"));
    let fields = [
        ("at", text(&entry, "/time")),
        ("actor", actor(&entry)),
        ("action", action(&entry)),
        ("resource", resource),
        ("outcome", outcome(&entry)),
        ("source_ip", text(&entry, "/request/source")),
    ];
    let told = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    let id = ("id".to_owned(), format!("evt_{}", found.seq).into());
    Value::Object(std::iter::once(id).chain(told).collect::<Map<_, _>>())
}
