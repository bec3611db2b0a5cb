//! Token exchange (RFC 8693) for workloads: the word of the platform that one runs on, for a token of the service account
//! that it is here. It keeps no secret, and shows none.

use std::sync::Arc;

use authn::token::{KeySet, claimed_issuer, named_key, workload};
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use domain::{Declined, KeyId, NativeVerb};
use identity::{ExchangeError, ShownWorkload, TrustedIssuer};
use serde_json::json;

use super::{Act, Code, Fault, Form, Turned, private, scopes, token};

/// What a client asks for in `grant_type`.
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What the word of a platform may be called.
const SHOWN: [&str; 2] = ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];

/// What is given for it.
const GIVEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Whatever was wrong with the word of a platform, a workload is told no more.
const NOT_GOOD: Fault = Fault { code: Code::InvalidRequest, told: "`subject_token` is not good here" };

pub(super) async fn exchange(act: &mut Act<'_>, form: &Form) -> Result<Response, Turned> {
    refuse_odd(act, form)?;
    let text = form.required("subject_token", "`subject_token` is missing")?;
    let asked = form.get("scope").map(scopes::read).transpose()?;
    let now = act.books().clock().now();
    let Some(issuer) = claimed_issuer(text) else { return Err(failed(act, "it is no token")) };
    let Some(trusted) = act.identity().trusted_issuer(&issuer).await? else {
        return Err(failed(act, "its issuer is not trusted"));
    };
    let keys = keys(act, &trusted, text).await?;
    let shown = match workload(text, (&trusted.issuer, &keys), &act.offered.issuer, now.wall) {
        Ok(shown) => shown,
        Err(why) => {
            tracing::debug!(%why, "the word of a platform does not hold");
            return Err(failed(act, "it does not hold"));
        }
    };
    let vouched =
        ShownWorkload { issuer: &trusted.issuer, subject: &shown.subject, name: &shown.name, ends: shown.ends };
    let place = (&act.offered.api, form.get("service_account"));
    let given = act.identity().exchange_workload(vouched, place, asked.as_deref(), &act.books().terms()).await;
    let grant = given.map_err(|why| ungiven(act, &why))?;
    act.books().come_into_force().await?;
    give(act, &grant.id).await
}

/// The keys that the word of an issuer is known by. While it cannot be asked, what is known of it is gone by.
async fn keys(act: &Act<'_>, trusted: &TrustedIssuer, text: &str) -> Result<Arc<KeySet>, Turned> {
    if let Some(keys) = &trusted.keys {
        let keys = KeySet::from_json(keys.as_bytes());
        return keys.map(Arc::new).map_err(|_| failed(act, "the keys of its issuer cannot be read"));
    }
    let kid = named_key(text).ok_or_else(|| failed(act, "it names no key"))?;
    let elsewhere = trusted.elsewhere().ok_or(Declined::Failed)?;
    // That nobody answers there is not the fault of who shows something, so that it counts against nobody.
    act.keys_of_issuer(elsewhere, &kid).await.map_err(|_| Declined::Busy.into())
}

async fn give(act: &mut Act<'_>, grant: &KeyId) -> Result<Response, Turned> {
    act.about = Some(grant.clone());
    let access = token::for_grant(act, grant).await?;
    let body = json!({
        "access_token": access.text.reveal(),
        "issued_token_type": GIVEN,
        "token_type": "Bearer",
        "expires_in": access.expires_in,
        "scope": scopes::written(&act.standing(grant)?.scopes),
    });
    Ok(private(body))
}

/// What would mean something else here, or would be believed though nobody looks at it.
fn refuse_odd(act: &Act<'_>, form: &Form) -> Result<(), Turned> {
    let fault = |code, told| Err(Fault::new(code, told).into());
    let proves = form.has("client_secret") || form.has("client_assertion");
    if proves || form.has("client_id") || act.question.headers.contains_key(AUTHORIZATION) {
        return fault(Code::InvalidRequest, "a workload shows the token of its platform and nothing else");
    }
    if form.has("actor_token") || form.has("actor_token_type") {
        return fault(Code::InvalidRequest, "`actor_token` is not taken");
    }
    if !form.get("subject_token_type").is_some_and(|it| SHOWN.contains(&it)) {
        return fault(Code::InvalidRequest, "`subject_token_type` is not one that is taken");
    }
    if form.get("requested_token_type").is_some_and(|it| it != GIVEN) {
        return fault(Code::InvalidRequest, "`requested_token_type` is not one that is given");
    }
    let own = |it: &str| it == act.offered.issuer || act.place(NativeVerb::CreateToken) == Some(it);
    if ["audience", "resource"].iter().filter_map(|it| form.get(it)).any(|it| !own(it)) {
        return fault(Code::InvalidTarget, "tokens are given for this issuer's own API alone");
    }
    Ok(())
}

/// Counts it against the address.
fn failed(act: &Act<'_>, why: &'static str) -> Turned {
    let now = act.books().clock().now();
    act.books().limiter().failed_credential(act.question.introduction.source, now.tick);
    tracing::debug!(why, "a workload is not believed");
    NOT_GOOD.into()
}

fn ungiven(act: &Act<'_>, why: &ExchangeError) -> Turned {
    match why {
        ExchangeError::Store(_) | ExchangeError::Unfit(_) => {
            tracing::error!(%why, "the word of a platform could not be exchanged");
            Declined::Failed.into()
        }
        ExchangeError::Which => {
            Fault::new(Code::InvalidRequest, "`service_account` must name which of several is meant").into()
        }
        ExchangeError::Beyond => Fault::new(Code::InvalidScope, "a scope goes beyond what may be granted here").into(),
        ExchangeError::Nobody => failed(act, "it is nobody here"),
        ExchangeError::Suspended => failed(act, "its service account is suspended"),
        ExchangeError::Used => failed(act, "it was used before"),
    }
}
