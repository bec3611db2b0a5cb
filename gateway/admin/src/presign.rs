//! An address by which whoever is given it gets or puts one object: signed by the very key that asks for it.

use std::time::Duration;

use authn::sigv4::{Link, Rules, SKEW};
use authn::{Unlinkable, link};
use axum::http::Method;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, KeyId, PathMode, Scope, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use crate::introduction::Introduced;
use crate::operations::{Books, Operations, Question, Shelf};

/// What SigV4 leaves bare in a path.
const BARE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The path parameter that names the bucket.
const BUCKET: &str = "bucket";

/// For how long, unless it is said.
const USUAL: u64 = 900;

/// What the body says. What else it may say is the document's.
#[derive(Deserialize)]
struct Order {
    key: String,
    #[serde(default)]
    method: Verb,
    #[serde(default = "usual")]
    expires_in: u64,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Get,
    Put,
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Put => Method::PUT,
        }
    }
}

fn usual() -> u64 {
    USUAL
}

pub(crate) async fn answer(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let order: Order = serde_json::from_slice(&question.body).map_err(|_| Declined::Parameter("body".to_owned()))?;
    let bucket = question.introduction.parameters.get(BUCKET).ok_or_else(|| Declined::Parameter(BUCKET.to_owned()))?;
    let path = format!("/{bucket}/{}", utf8_percent_encode(&order.key, BARE));
    let caller = question.caller()?.clone();
    let api = question.introduction.api.clone();
    operations
        .sign(move |books| {
            let shelf = books.shelf(&api).ok_or(Declined::Failed)?;
            let now = books.clock().now().wall;
            let url = signed(books, &shelf, &caller, (&path, &order), now)?;
            let expires_at = now + Duration::from_secs(order.expires_in);
            Ok(Json(json!({ "url": url, "method": order.method.method().as_str(), "expires_at": expires_at })))
        })
        .await
        .map(IntoResponse::into_response)
}

fn signed(
    books: &dyn Books,
    shelf: &Shelf,
    caller: &Introduced,
    (path, order): (&str, &Order),
    now: Timestamp,
) -> Result<String, Declined> {
    let key: KeyId = caller.key.parse().map_err(|_| Declined::Failed)?;
    let scopes: Vec<Scope> = caller.scopes.iter().filter_map(|it| it.parse().ok()).collect();
    let method = order.method.method();
    let wanted = Link { method: &method, host: &shelf.host, path, seconds: order.expires_in };
    let rules = Rules { region: &shelf.region, service: &shelf.service, paths: PathMode::Objects, skew: SKEW };
    link(&wanted, (&key, &scopes), &rules, now, (&books.keyring(), books.secrets())).map_err(|why| match why {
        Unlinkable::NoKey | Unlinkable::Narrower => Declined::NoSigner,
        Unlinkable::Nowhere => Declined::Parameter("key".to_owned()),
        Unlinkable::Unsealable => {
            tracing::error!(key = caller.key, %why, "no address could be signed");
            Declined::Failed
        }
    })
}
