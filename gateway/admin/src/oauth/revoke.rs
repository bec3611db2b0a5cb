//! `POST /oauth/revoke` (RFC 7009): the end of a token, and of all that came of the same grant.

use authn::TokenRules;
use authn::token::examine;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::{GrantKind, KeyId};
use identity::Client;

use super::{Act, Form, Turned, keep_nowhere};

/// Whether it was a token, and whether it was good, is not told. What is another client's stays as it is.
pub(super) async fn revoke(act: &mut Act<'_>) -> Result<Response, Turned> {
    let form = Form::of_body(act.question)?;
    let client = act.client(&form).await?;
    let token = form.required("token", "`token` is missing")?;
    if let Some(grant) = act.identity().grant_behind(token, Some(&client.id)).await? {
        act.identity().end_grant(&grant.id, "revoke").await?;
    } else if let Some(kind) = access(act, token, &client) {
        match kind {
            Behind::Client => act.identity().end_client_tokens(&client).await?,
            Behind::Grant(id) => act.identity().end_grant(&id, "revoke").await?,
        }
    }
    act.books().come_into_force().await?;
    let mut response = StatusCode::OK.into_response();
    keep_nowhere(&mut response);
    Ok(response)
}

/// What stands behind an access token.
enum Behind {
    /// The client itself, which may come to other tokens.
    Client,
    /// What a user has allowed.
    Grant(KeyId),
}

fn access(act: &Act<'_>, token: &str, client: &Client) -> Option<Behind> {
    let books = act.books();
    let rules = TokenRules { issuer: &act.offered.issuer };
    let examined = examine(token, rules, books.clock().now().wall, &books.keyring())?;
    let grant = examined.standing.grant.as_ref().filter(|it| it.client.as_ref() == Some(&client.id))?;
    match grant.kind {
        GrantKind::Client => Some(Behind::Client),
        GrantKind::Consent => Some(Behind::Grant(examined.standing.key.clone())),
        GrantKind::Session | GrantKind::Workload => None,
    }
}
