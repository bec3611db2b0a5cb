//! What was signed for: the newest checkpoint, and that an older one is its beginning.

use audit::{prove_growth, read_of};
use axum::response::Response;
use domain::{Declined, NativeVerb};
use serde::Serialize;

use crate::entries::{plain, proved};
use crate::operations::{Operations, Question};

/// What is asked for.
#[derive(Serialize)]
struct Wanted {
    verb: NativeVerb,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

/// The newest checkpoint, as it was signed.
pub(crate) async fn newest(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let looked = operations.look(|books| proved(audit::newest(books.log().folder()).map(|(note, _)| note)));
    // A log is signed for within a second of its first entry.
    let note = looked.await?.ok_or(Declined::Busy)?;
    enter(operations, question, None).await?;
    Ok(plain(note))
}

/// The proof that the log of so many entries is the beginning of what the newest checkpoint covers.
pub(crate) async fn prove(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let size = question.number("size")?;
    let looked = operations.look(move |books| proved(prove_growth(books.log().folder(), size)));
    let proof = looked.await?.ok_or(Declined::NotFound)?;
    enter(operations, question, Some(size)).await?;
    Ok(plain(proof))
}

async fn enter(operations: &Operations, question: &Question, size: Option<u64>) -> Result<(), Declined> {
    let wanted = Wanted { verb: question.introduction.verb, size };
    operations.enter(question, &read_of(&question.caller()?.key, &wanted, &(0..size.unwrap_or_default()), 0)).await
}
