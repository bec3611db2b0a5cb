//! `POST /oauth/introspect` (RFC 7662): what a token is good for, told to whom it concerns.

use authn::TokenRules;
use authn::token::examine;
use axum::response::Response;
use domain::{KeyRecord, KeySecret};
use identity::Client;
use serde_json::{Value, json};

use super::{Act, Form, Turned, private, scopes};

/// Of what is not good, or of another tenant, nothing is told but that.
pub(super) async fn introspect(act: &mut Act<'_>) -> Result<Response, Turned> {
    let form = Form::of_body(act.question)?;
    let client = act.confidential(&form).await?;
    let token = form.required("token", "`token` is missing")?;
    let told = match access(act, token, &client) {
        Some(told) => Some(told),
        None => act.identity().refreshes(token, &client.id).await?.as_ref().map(|it| refresh(act, it, &client)),
    };
    Ok(private(told.unwrap_or_else(|| json!({ "active": false }))))
}

fn access(act: &Act<'_>, token: &str, client: &Client) -> Option<Value> {
    let books = act.books();
    let rules = TokenRules { issuer: &act.offered.issuer };
    let examined = examine(token, rules, books.clock().now().wall, &books.keyring())?;
    let standing = &examined.standing;
    (standing.tenant == client.tenant).then(|| {
        let mut told = json!({
            "active": true,
            "scope": scopes::written(&standing.scopes),
            "client_id": examined.client,
            "token_type": if examined.bound.is_some() { "DPoP" } else { "Bearer" },
            "exp": examined.expires.seconds(),
            "iat": examined.issued.seconds(),
            "sub": examined.subject,
            "aud": act.offered.issuer,
            "iss": act.offered.issuer,
            "jti": examined.jti,
            "tenant": standing.tenant.as_str(),
        });
        // Whoever is shown the token must see the proof as well (RFC 9449 section 6.2).
        if let (Some(told), Some(key)) = (told.as_object_mut(), &examined.bound) {
            told.insert("cnf".to_owned(), json!({ "jkt": key }));
        }
        told
    })
}

fn refresh(act: &Act<'_>, grant: &KeyRecord, client: &Client) -> Value {
    let mut told = json!({
        "active": true,
        "scope": scopes::written(&grant.scopes),
        "client_id": client.id,
        "iat": grant.created.seconds(),
        "sub": grant.owner,
        "iss": act.offered.issuer,
        "tenant": grant.tenant.as_str(),
    });
    let authenticated = match &grant.secret {
        KeySecret::Granted(it) => it.authenticated,
        KeySecret::Minted { .. } | KeySecret::Imported { .. } | KeySecret::AccessKey { .. } => None,
    };
    if let Some(told) = told.as_object_mut() {
        let moments = [("exp", grant.expires), ("auth_time", authenticated)];
        told.extend(moments.into_iter().filter_map(|(name, at)| Some((name.to_owned(), Value::from(at?.seconds())))));
    }
    told
}
