//! Entries as they are, for whoever may read those of a tenant: page by page, one by one, and with what proves them.

use std::time::Duration;

use audit::{Filter, Found, Query, Unproven, Way, prove_entry, read_of};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, NativeVerb};
use serde::Serialize;
use serde_json::{Value, json};

use crate::checkpoints;
use crate::operations::{Books, Operations, Question};
use crate::page::{Page, begin, genuine, is_theirs, unreadable};

/// How many are on a page, unless somebody says otherwise, and at most.
const USUAL: usize = 20;
const MOST: usize = 100;

/// How long a checkpoint may be waited for that covers an entry. One is signed each second.
const SIGNED: Duration = Duration::from_secs(5);

/// What is asked for; a cursor goes with it.
#[derive(Clone, Serialize)]
struct Wanted {
    verb: NativeVerb,
    filter: Filter,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

/// Answers what is asked of entries, and of the checkpoints that are signed over them.
#[expect(clippy::wildcard_enum_match_arm, reason = "no other verb is handed on to here")]
pub(crate) async fn answer(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    match question.introduction.verb {
        NativeVerb::ListEntries => list(operations, question).await,
        NativeVerb::GetEntry => get(operations, question).await,
        NativeVerb::ProveEntry => prove(operations, question).await,
        NativeVerb::NewestCheckpoint => checkpoints::newest(operations, question).await,
        NativeVerb::ProveGrowth => checkpoints::prove(operations, question).await,
        // What others answer.
        _ => Err(Declined::Failed),
    }
}

/// A page of them, the newest first.
async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let asked = &question.asked;
    let limit = asked.number("limit", USUAL, MOST)?;
    let filter = Filter {
        // With or without what an API puts before it.
        request: asked.text("request").map(|it| it.rsplit('_').next().unwrap_or_default().to_owned()),
        key: asked.text("key"),
        actor: asked.text("actor"),
        api: asked.text("api"),
        operation: asked.text("operation"),
        outcome: asked.text("outcome"),
        class: asked.text("class"),
        since: asked.moment("since")?,
        until: asked.moment("until")?,
        tenant: Some(question.caller()?.tenant.clone()),
    };
    let wanted = Wanted { verb: question.introduction.verb, filter, seq: None };
    let before = begin(&wanted, asked.text("cursor").as_deref())?;
    let (own, bounds) = (wanted.clone(), operations.bounds);
    let looked = operations.look(move |books| {
        let page = Page::of((books, bounds), &own.filter, before, limit, |_| true)?;
        let shown = unsealed(books, &own.filter, &page.found);
        Ok((page, shown))
    });
    let (page, shown) = looked.await?;
    let read = read_of(&question.caller()?.key, &wanted, &page.range, shown.len() as u64);
    operations.enter(question, &read).await?;
    Ok(Json(page.complete(json!({ "entries": shown, "next_cursor": page.next(&wanted) }))).into_response())
}

/// One of them.
async fn get(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let (wanted, seq) = one(question)?;
    let filter = wanted.filter.clone();
    let looked = operations.look(move |books| {
        let found = own(books, &filter, seq)?;
        Ok(unsealed(books, &filter, &[found]))
    });
    let shown = looked.await?;
    operations.enter(question, &read_of(&question.caller()?.key, &wanted, &(seq..seq + 1), 1)).await?;
    Ok(Json(shown.into_iter().next()).into_response())
}

/// The proof that one of them is in the log. What is sealed in it stays sealed: the proof is of the entry as it is.
async fn prove(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let (wanted, seq) = one(question)?;
    let again = wanted.filter.clone();
    let prove = |filter: Filter| {
        operations.look(move |books| {
            let _ = own(books, &filter, seq)?;
            proved(prove_entry(books.log().folder(), seq))
        })
    };
    let mut proof = prove(again.clone()).await?;
    if proof.is_none() {
        // It was written a moment ago, and is signed for in another.
        let log = operations.log();
        log.signed_up_to(log.appended(), SIGNED).await.map_err(|_| Declined::Busy)?;
        proof = prove(again).await?;
    }
    let proof = proof.ok_or(Declined::Busy)?;
    operations.enter(question, &read_of(&question.caller()?.key, &wanted, &(seq..seq + 1), 1)).await?;
    Ok(plain(proof))
}

/// A proof; nothing where no checkpoint covers yet what is to be proved.
pub(crate) fn proved(made: Result<String, Unproven>) -> Result<Option<String>, Declined> {
    match made {
        Ok(proof) => Ok(Some(proof)),
        Err(Unproven::Unsigned { .. }) => Ok(None),
        Err(cause) => {
            tracing::error!(%cause, "a proof cannot be made");
            Err(Declined::Failed)
        }
    }
}

/// A text for a file.
pub(crate) fn plain(text: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Which one is asked for.
fn one(question: &Question) -> Result<(Wanted, u64), Declined> {
    let seq = question.number("seq")?;
    let filter = Filter { tenant: Some(question.caller()?.tenant.clone()), ..Filter::default() };
    Ok((Wanted { verb: question.introduction.verb, filter, seq: Some(seq) }, seq))
}

/// The entry of this number, where it is the tenant's. Another's is as good as none.
fn own(books: &dyn Books, filter: &Filter, seq: u64) -> Result<Found, Declined> {
    let query = Query::new(books.log().folder(), seq, filter.clone(), Way::Scan).map_err(unreadable)?;
    let found = query.before(seq.saturating_add(1)).next().transpose().map_err(unreadable)?;
    // Bytes that are no entry belong to nobody.
    let own = |it: &Found| it.seq == seq && filter.admits(&it.bytes).unwrap_or(false) && is_theirs(it);
    let found = found.filter(own).ok_or(Declined::NotFound)?;
    genuine(books.log().folder(), std::slice::from_ref(&found))?;
    Ok(found)
}

/// Entries with what is sealed of the tenant's own people.
fn unsealed(books: &dyn Books, filter: &Filter, found: &[Found]) -> Vec<Value> {
    let keys = books.log().subjects().of_tenant(filter.tenant.as_deref().unwrap_or_default());
    let view = |it: &Found| {
        let mut entry = it.view();
        keys.unseal(&mut entry);
        entry
    };
    found.iter().map(view).collect()
}
