//! Signing in and out of an API, and which sessions there are.

use std::sync::Arc;
use std::time::Duration;

use authn::TokenRules;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Json, Response};
use domain::{Declined, KeyId, Standing, TenantId};
use identity::{
    Authenticated, BeginSessionError, NewToken, NoSigner, Page, Person, RefreshError, Refreshed, SESSION_LIFETIME,
    Session, Shown, SignIn, SignInError,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cookies::SessionCookies;
use super::rights::{holds_here, roles_of};
use super::{Secret, failed, guesser, refused, users};
use crate::operations::{ABOUT_NAME, Offered, Operations, Question};

/// How many are on a page, unless somebody says otherwise, and at most.
pub(super) const USUAL: usize = 20;
pub(super) const MOST: usize = 100;

/// What allows to see and end the sessions of others.
const OF_OTHERS: &str = "sessions:write";

/// What the body of a sign-in says. It has no `Debug`.
#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: Secret,
    code: Option<Secret>,
    tenant_id: Option<String>,
}

pub(super) async fn sign_in(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let (offered, cookies) = offered(operations, question)?;
    question.must_come_from(cookies.origins.iter().map(String::as_str))?;
    let said: Credentials = question.said()?;
    let tenant: Option<TenantId> = said.tenant_id.as_deref().map(str::parse).transpose().map_err(|_| wrong_tenant())?;
    let who =
        prove(operations, question, &said.email, &said.password.0, said.code.as_ref().map(|it| it.0.as_str())).await?;
    let SignIn::Done(who) = who else { return Err(Declined::SecondFactor) };
    begin(operations, (&offered, &cookies), &who, tenant.as_ref()).await
}

/// Who shows a name and a password. Guesses count against the address they come from, and each has the next for the same name
/// wait.
pub(super) async fn prove(
    operations: &Operations,
    question: &Question,
    name: &str,
    password: &str,
    code: Option<&str>,
) -> Result<SignIn, Declined> {
    let guesser = guesser(question.introduction.source);
    operations.heed_tries(&guesser)?;
    operations.begin_guess(name)?;
    let signed_in = operations.books().identity().sign_in(name, password, code).await;
    match &signed_in {
        Ok(SignIn::Done(_)) => operations.forget_guesses(name),
        Err(SignInError::Wrong) => {
            operations.count_try(&guesser);
            // Whoever was meant is in the entry and in no answer, so that nothing is made of not finding out.
            let person = operations.books().identity().person_called(name).await.ok().flatten();
            question.meant.get_or_init(|| person.map(|it| it.id));
        }
        Ok(SignIn::CodeWanted(_))
        | Err(SignInError::TooOften(_) | SignInError::Gone | SignInError::Busy(_) | SignInError::Store(_)) => {
            operations.take_back_guess(name);
        }
    }
    signed_in.map_err(refused)
}

/// A session that has just begun, in two cookies.
pub(super) async fn begin(
    operations: &Operations,
    (offered, cookies): (&Offered, &SessionCookies),
    who: &Authenticated,
    tenant: Option<&TenantId>,
) -> Result<Response, Declined> {
    let identity = operations.books().identity();
    let terms = operations.books().terms();
    let terms = terms.of(&offered.api).map_err(failed)?;
    let Session { grant, refresh } = identity.begin_session(who, terms, tenant).await.map_err(|cause| match cause {
        // Whoever has no account here learns no more than whoever has none at all.
        BeginSessionError::NoRole | BeginSessionError::Ended => Declined::Unproven,
        BeginSessionError::Which => wrong_tenant(),
        BeginSessionError::Store(cause) => failed(cause),
    })?;
    operations.books().come_into_force().await?;
    let user = identity.person(who.user()).await.map_err(failed)?.ok_or(Declined::Unproven)?;
    hand_over(operations, (offered, cookies), (&grant.id, &refresh, SESSION_LIFETIME), user).await
}

pub(super) async fn renew(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let (offered, cookies) = offered(operations, question)?;
    question.must_come_from(cookies.origins.iter().map(String::as_str))?;
    let shown = authn::cookie(&question.headers, &cookies.refresh).ok().flatten().ok_or(Declined::Unproven)?;
    let identity = operations.books().identity();
    let Refreshed { grant, token } = match identity.refresh(shown, None, &offered.api).await {
        Ok(refreshed) => refreshed,
        Err(RefreshError::Store(cause)) => return Err(failed(cause)),
        Err(RefreshError::Reused) => {
            operations.books().come_into_force().await?;
            return Err(Declined::Unproven);
        }
        Err(
            RefreshError::Unknown
            | RefreshError::OtherClient
            | RefreshError::OtherKey
            | RefreshError::OtherApi
            | RefreshError::Ended
            | RefreshError::Beyond,
        ) => {
            return Err(Declined::Unproven);
        }
    };
    let user = identity.person(grant.owner.as_deref().unwrap_or_default()).await.map_err(failed)?;
    let left = grant.expires.unwrap_or(grant.created).since(operations.books().clock().now().wall);
    hand_over(operations, (&offered, &cookies), (&grant.id, &token, left), user.ok_or(Declined::Unproven)?).await
}

/// The tokens of a session that lasts for so long, in its cookies.
async fn hand_over(
    operations: &Operations,
    (offered, cookies): (&Offered, &SessionCookies),
    (grant, refresh, left): (&KeyId, &Shown, Duration),
    user: Person,
) -> Result<Response, Declined> {
    let (id, issuer) = (grant.clone(), offered.issuer.clone());
    let minted = operations.sign(move |books| {
        let keyring = books.keyring();
        let standing = Arc::clone(keyring.by_id(&id).ok_or(Declined::Unproven)?.standing());
        let token = NewToken { issuer: &issuer, standing: &standing, scopes: &standing.scopes, bound: None };
        books.issuer().mint(token, books.clock().now().wall, books.random()).map_err(|cause| match cause {
            NoSigner::Ended => Declined::Unproven,
            NoSigner::None => Declined::Busy,
            NoSigner::Bad(cause) => failed(cause),
        })
    });
    let access = minted.await?;
    let set = cookies.set(access.text.reveal(), refresh.reveal(), left)?;
    let mut response = Json(json!({ "user": users::shown(user) })).into_response();
    for line in set {
        response.headers_mut().append(SET_COOKIE, line);
    }
    let about = grant.as_str().parse().ok();
    response.headers_mut().extend(about.map(|it| (ABOUT_NAME, it)));
    Ok(response)
}

pub(super) async fn sign_out(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let (offered, cookies) = offered(operations, question)?;
    question.must_come_from(cookies.origins.iter().map(String::as_str))?;
    let (books, identity) = (operations.books(), operations.books().identity());
    let mut about = None;
    if let Ok(Some(shown)) = authn::cookie(&question.headers, &cookies.refresh) {
        about = identity.sign_out(shown).await.map_err(failed)?;
        books.come_into_force().await?;
    }
    // Somebody else's refresh token, or none, ends nothing of what the access token opens.
    if let Ok(Some(shown)) = authn::cookie(&question.headers, &cookies.access) {
        let rules = TokenRules { issuer: &offered.issuer };
        if let Some(shown) = authn::token::examine(shown, rules, books.clock().now().wall, &books.keyring()) {
            let Standing { key, tenant, .. } = &*shown.standing;
            identity.end_session(&offered.api, tenant, key).await.map_err(failed)?;
            books.come_into_force().await?;
            about.get_or_insert_with(|| key.clone());
        }
    }
    let mut response = Json(json!({ "status": "signed_out" })).into_response();
    // Whose session it was is said in its entry, and sealed with their key.
    response.headers_mut().extend(about.and_then(|it| Some((ABOUT_NAME, it.as_str().parse().ok()?))));
    for line in cookies.clear()? {
        response.headers_mut().append(SET_COOKIE, line);
    }
    Ok(response)
}

pub(super) async fn list(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let limit = question.asked.number("limit", USUAL, MOST)?;
    let after = question.asked.text("cursor").map(|it| it.parse()).transpose();
    let after: Option<KeyId> = after.map_err(|_| Declined::Parameter("cursor".to_owned()))?;
    let (tenant, caller) = (question.tenant()?, question.caller()?);
    // After one that is not there, or is another tenant's, nothing comes: that is not the end of the list.
    if let Some(last) = &after {
        let known = operations.books().identity().key(last).await.map_err(failed)?;
        known.filter(|it| it.tenant == tenant).ok_or_else(|| Declined::Parameter("cursor".to_owned()))?;
    }
    // A user sees their own, by a key of theirs too; whoever looks after all of them, and a key that is no user's, those of the
    // tenant.
    let own = operations.user_behind(question)?.filter(|_| !caller.scopes.iter().any(|it| it == OF_OTHERS));
    let page = Page { after, limit: u32::try_from(limit + 1).unwrap_or(u32::MAX) };
    let identity = operations.books().identity();
    let mut found = identity.sessions(&question.api()?, &tenant, own.as_deref(), &page).await.map_err(failed)?;
    let more = limit < found.len();
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|it| it.id.to_string());
    let shown = |it: &identity::SessionShown| {
        json!({
            "id": it.id.as_str(),
            "user_id": it.user,
            "created_at": it.created.to_string(),
            "last_seen_at": it.last_used.unwrap_or(it.created).to_string(),
            "current": it.id.as_str() == caller.key,
        })
    };
    let sessions: Vec<Value> = found.iter().map(shown).collect();
    Ok(Json(json!({ "sessions": sessions, "next_cursor": next })).into_response())
}

pub(super) async fn end(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let id: KeyId = question.named("id")?.parse().map_err(|_| Declined::NotFound)?;
    may_end(operations, question, &id).await?;
    let identity = operations.acting(question)?;
    let ended = identity.end_session(&question.api()?, &question.tenant()?, &id).await.map_err(failed)?;
    if !ended {
        return Err(Declined::NotFound);
    }
    operations.books().come_into_force().await?;
    Ok(Json(json!({ "id": id.as_str(), "status": "ended" })).into_response())
}

/// Refuses to end a session of somebody else to who may not look after them, and to who has less than they do. Whoever may not
/// is told the same of every session that is not their own, whether there is one or not.
async fn may_end(operations: &Operations, question: &Question, id: &KeyId) -> Result<(), Declined> {
    let (tenant, caller) = (question.tenant()?, question.caller()?);
    let session = operations.books().identity().key(id).await.map_err(failed)?.filter(|it| it.tenant == tenant);
    let owner = session.as_ref().and_then(|it| it.owner.as_deref());
    if operations.user_of(question).is_ok_and(|own| owner == Some(own.user.as_str())) {
        return Ok(());
    }
    if !caller.scopes.iter().any(|it| it == OF_OTHERS) {
        return Err(Declined::Beyond);
    }
    let owner = owner.ok_or(Declined::NotFound)?;
    holds_here(operations, question, &roles_of(operations, question, owner).await?)
}

/// Ends whatever the user has signed in to, this session too, and takes its cookies away.
pub(super) async fn end_own(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let (_, cookies) = offered(operations, question)?;
    let own = operations.user_of(question)?;
    let ended = operations.acting(question)?.leave_everywhere(&own.user, None).await.map_err(failed)?;
    operations.books().come_into_force().await?;
    let mut response = Json(json!({ "status": "ended", "ended": ended })).into_response();
    for line in cookies.clear()? {
        response.headers_mut().append(SET_COOKIE, line);
    }
    Ok(response)
}

/// What the API offers, of which sessions are a part.
pub(super) fn offered(operations: &Operations, question: &Question) -> Result<(Offered, SessionCookies), Declined> {
    let mut offered = operations.offered(question)?;
    let cookies = offered.session.take().ok_or(Declined::Failed)?;
    Ok((offered, cookies))
}

fn wrong_tenant() -> Declined {
    Declined::Parameter("tenant_id".to_owned())
}
