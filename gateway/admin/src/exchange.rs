//! An access token for an access key that is shown whole.
//!
//! Whatever is wrong with what is shown, the answer is the same and comes after the same work: whether there is such a key,
//! and what became of it, is for the entry alone.

use authn::WholeKey;
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, KeyId, Standing};
use identity::{AccessToken, NewToken, NoSigner};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::operations::{Books, Operations, Question};

/// What the body says. It has no `Debug`.
#[derive(Deserialize)]
struct Shown {
    access_key_id: String,
    secret_access_key: String,
}

/// What came of it, and whose key it is about, where it is one that is known.
pub(crate) struct Exchanged {
    pub(crate) answer: Result<Response, Declined>,
    pub(crate) about: Option<KeyId>,
}

impl From<Declined> for Exchanged {
    fn from(declined: Declined) -> Self {
        Self { answer: Err(declined), about: None }
    }
}

pub(crate) async fn answer(operations: &Operations, question: Question) -> Exchanged {
    // The host refuses plain HTTP before that, unless its profile says otherwise; a secret never goes that way.
    if !question.introduction.tls {
        return Declined::PlainHttp.into();
    }
    let made = operations.sign(move |books| Ok(exchange(books, &question))).await;
    made.unwrap_or_else(Exchanged::from)
}

fn exchange(books: &dyn Books, question: &Question) -> Exchanged {
    let Ok(Shown { access_key_id: id, secret_access_key }) = serde_json::from_slice(&question.body) else {
        return Declined::Parameter("body".to_owned()).into();
    };
    let secret = Zeroizing::new(secret_access_key);
    let (now, source) = (books.clock().now(), question.introduction.source);
    let Some(offered) = books.offered(&question.introduction.api) else { return Declined::Failed.into() };
    let key = WholeKey { id: &id, secret: &secret, api: &offered.api, source };
    match authn::prove_whole(key, now.wall, &books.keyring(), books.secrets()) {
        Ok(standing) => {
            let token =
                NewToken { issuer: &offered.issuer, standing: &standing, scopes: &standing.scopes, bound: None };
            let token = books.issuer().mint(token, now.wall, books.random());
            let answer = token.map(|it| told(&it)).map_err(|it| declined(it, &standing));
            Exchanged { answer, about: Some(standing.key.clone()) }
        }
        Err(why) => {
            // Not against the key as well: its secret cannot be guessed, and others could shut it out, for its id is no secret.
            books.limiter().failed_credential(source, now.tick);
            let about = why.standing.as_ref().map(|it| it.key.clone());
            tracing::debug!(key = about.as_ref().map(KeyId::as_str), %why, "an access key was not exchanged");
            Exchanged { answer: Err(Declined::Unproven), about }
        }
    }
}

fn told(token: &AccessToken) -> Response {
    let body: Json<Value> = Json(json!({
        "access_token": token.text.reveal(),
        "token_type": "Bearer",
        "expires_in": token.expires_in,
    }));
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response()
}

fn declined(cause: NoSigner, standing: &Standing) -> Declined {
    match cause {
        // It ended between being looked at and being used.
        NoSigner::Ended => Declined::Unproven,
        NoSigner::None => Declined::Busy,
        NoSigner::Bad(cause) => {
            tracing::error!(%cause, key = %standing.key, "no token could be made");
            Declined::Failed
        }
    }
}
