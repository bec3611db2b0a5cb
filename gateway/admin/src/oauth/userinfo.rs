//! `/oauth/userinfo`: who the user is that a token speaks of, as far as its scopes let be told.

use authn::TokenRules;
use authn::token::{Examined, examine};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, Scope, Standing};
use serde_json::{Map, Value, json};

use super::{Act, Code, Fault, Turned, keep_nowhere, private};
use crate::operations::REFUSED;

pub(super) async fn tell(act: &mut Act<'_>) -> Result<Response, Turned> {
    let books = act.books();
    let now = books.clock().now();
    let rules = TokenRules { issuer: &act.offered.issuer };
    let shown = shown(act).and_then(|it| Some((it, examine(it.token, rules, now.wall, &books.keyring())?)));
    let held = shown.map(|(it, examined)| held(act, it, &examined).map(|()| examined));
    if let Some(Err(Turned::Fault(Fault { code: code @ Code::UseDpopNonce, told }))) = held {
        return Ok(challenged("DPoP", StatusCode::UNAUTHORIZED, code.as_str(), told));
    }
    let Some(Ok(examined)) = held else {
        books.limiter().failed_credential(act.question.introduction.source, now.tick);
        return Ok(refusal(StatusCode::UNAUTHORIZED, "invalid_token", "the access token is missing or not good"));
    };
    act.about = Some(examined.standing.key.clone());
    let user = examined.standing.owner.as_deref().filter(|_| has(&examined.standing, "openid"));
    let Some(user) = user else {
        let told = "the token is without the scope openid";
        return Ok(refusal(StatusCode::FORBIDDEN, "insufficient_scope", told));
    };
    let Some(person) = act.identity().person(user).await?.filter(|it| !it.suspended) else {
        return Ok(refusal(StatusCode::UNAUTHORIZED, "invalid_token", "the access token is missing or not good"));
    };
    let mut told = Map::new();
    told.insert("sub".to_owned(), person.id.into());
    if has(&examined.standing, "profile") {
        // Where one tenant alone says that an address is theirs, an application would take them for whose it is elsewhere;
        // and that is in what they sign in by.
        let name = Some(person.name).filter(|_| person.home.is_none());
        told.extend(person.display.or_else(|| name.clone()).map(|it| ("name".to_owned(), it.into())));
        told.extend(name.map(|it| ("preferred_username".to_owned(), it.into())));
    }
    if let Some(email) = person.email.filter(|_| person.home.is_none() && has(&examined.standing, "email")) {
        told.insert("email".to_owned(), email.into());
    }
    Ok(private(Value::Object(told)))
}

fn has(standing: &Standing, scope: &str) -> bool {
    standing.scopes.iter().map(Scope::as_str).any(|it| it == scope)
}

/// A token, and whether it is shown as one that is bound to a key.
#[derive(Clone, Copy)]
struct Shown<'a> {
    token: &'a str,
    bound: bool,
}

/// The token in `Authorization`, once.
fn shown<'a>(act: &Act<'a>) -> Option<Shown<'a>> {
    let mut lines = act.question.headers.get_all(AUTHORIZATION).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    let bound = scheme.eq_ignore_ascii_case("dpop");
    (bound || scheme.eq_ignore_ascii_case("bearer")).then(|| Shown { token: token.trim(), bound })
}

/// Whether whoever shows a token that is bound to a key holds it, and shows it as such.
fn held(act: &Act<'_>, shown: Shown<'_>, examined: &Examined) -> Result<(), Turned> {
    let good = match &examined.bound {
        Some(key) if shown.bound => act.possessed(Some(shown.token))? == *key,
        Some(_) => false,
        None => !shown.bound,
    };
    if good { Ok(()) } else { Err(Declined::Unproven.into()) }
}

/// RFC 6750 section 3.1.
fn refusal(status: StatusCode, error: &'static str, told: &'static str) -> Response {
    challenged("Bearer", status, error, told)
}

fn challenged(scheme: &str, status: StatusCode, error: &'static str, told: &'static str) -> Response {
    let body = Json(json!({ "error": error, "error_description": told }));
    let mut response = (status, [(REFUSED, error)], body).into_response();
    keep_nowhere(&mut response);
    if let Ok(challenge) = HeaderValue::try_from(format!("{scheme} error=\"{error}\", error_description=\"{told}\"")) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
