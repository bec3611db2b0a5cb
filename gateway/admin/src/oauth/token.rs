//! `POST /oauth/token`: tokens for a client, by one of the ways in which it may come to them.

use std::sync::Arc;

use axum::response::Response;
use domain::{Declined, KeyId, Scope, Standing, Timestamp};
use identity::{
    AccessToken, Brought, Client, ClientGrant, DeviceError, Holder, Lapsed, NewIdToken, NewToken, NoSigner,
    RedeemError, RefreshError, Shown,
};
use serde_json::{Value, json};

use super::proof::FAILED;
use super::{Act, Code, Fault, Form, TOKEN_EXCHANGE, Turned, exchange, private, scopes};
use crate::operations::Books;

/// What is to be made.
struct Wanted {
    standing: Arc<Standing>,
    scopes: Vec<Scope>,
    /// Who has allowed it, where the client is to be told of the user.
    told: Option<SignedIn>,
    client: String,
    issuer: String,
    /// The key that it is bound to.
    key: Option<String>,
}

/// A user, and how they have shown who they are.
struct SignedIn {
    user: String,
    authenticated: Option<Timestamp>,
    methods: Vec<String>,
    nonce: Option<String>,
}

/// What was made.
struct Made {
    access: AccessToken,
    id: Option<Shown>,
    scopes: Vec<Scope>,
    bound: bool,
}

pub(super) async fn create(act: &mut Act<'_>) -> Result<Response, Turned> {
    let form = Form::of_body(act.question)?;
    if form.get("grant_type") == Some(TOKEN_EXCHANGE) {
        return exchange::exchange(act, &form).await;
    }
    let client = act.client(&form).await?;
    let key = act.possession(&client)?;
    match form.required("grant_type", "`grant_type` is missing")? {
        "client_credentials" => for_itself(act, &form, &client, key).await,
        "authorization_code" => for_code(act, &form, &client, key).await,
        "refresh_token" => for_refresh(act, &form, &client, key).await,
        "urn:ietf:params:oauth:grant-type:device_code" => for_device(act, &form, &client, key).await,
        _ => Err(Fault::new(Code::UnsupportedGrantType, "`grant_type` is not one that is taken").into()),
    }
}

async fn for_itself(act: &mut Act<'_>, form: &Form, client: &Client, key: Option<String>) -> Result<Response, Turned> {
    may(client, ClientGrant::ClientCredentials)?;
    let standing = act.standing(&client.grant)?;
    let scopes = scopes::among(form.get("scope"), &standing.scopes)?;
    let made =
        act.mint(Wanted { standing, scopes, told: None, client: client.id.clone(), issuer: issuer(act), key }).await?;
    Ok(told(&made, None))
}

async fn for_code(act: &mut Act<'_>, form: &Form, client: &Client, key: Option<String>) -> Result<Response, Turned> {
    may(client, ClientGrant::AuthorizationCode)?;
    let code = form.required("code", "`code` is missing")?;
    let brought = Brought {
        code,
        redirect_uri: form.get("redirect_uri"),
        verifier: form.get("code_verifier"),
        key: key.as_deref(),
    };
    let redeemed = act.identity().redeem_code(brought, client, &act.books().terms()).await;
    // Also where it was refused: what came of a code that was used before is dead by the time that this is answered.
    act.books().come_into_force().await?;
    let redeemed = redeemed.map_err(|why| unredeemed(&why))?;
    act.about = Some(redeemed.grant.id.clone());
    let standing = act.standing(&redeemed.grant.id)?;
    let scopes = redeemed.grant.scopes.clone();
    let allowed = redeemed.allowed;
    let (user, authenticated, methods) = (allowed.user, allowed.authenticated, allowed.methods);
    let told_of_user = is_told(&scopes).then_some(SignedIn { user, authenticated, methods, nonce: allowed.nonce });
    let wanted = Wanted { standing, scopes, told: told_of_user, client: client.id.clone(), issuer: issuer(act), key };
    let made = act.mint(wanted).await?;
    Ok(told(&made, redeemed.refresh.as_ref()))
}

async fn for_device(act: &mut Act<'_>, form: &Form, client: &Client, key: Option<String>) -> Result<Response, Turned> {
    may(client, ClientGrant::DeviceCode)?;
    let code = form.required("device_code", "`device_code` is missing")?;
    let redeemed = act.identity().redeem_device(code, client, key.as_deref(), &act.books().terms()).await;
    let redeemed = redeemed.map_err(|why| undeviced(act, code, &why))?;
    act.books().come_into_force().await?;
    act.about = Some(redeemed.grant.id.clone());
    let standing = act.standing(&redeemed.grant.id)?;
    let scopes = redeemed.grant.scopes.clone();
    let (user, authenticated, methods) = (redeemed.user, redeemed.authenticated, redeemed.methods);
    let told_of_user = is_told(&scopes).then_some(SignedIn { user, authenticated, methods, nonce: None });
    let wanted = Wanted { standing, scopes, told: told_of_user, client: client.id.clone(), issuer: issuer(act), key };
    let made = act.mint(wanted).await?;
    Ok(told(&made, redeemed.refresh.as_ref()))
}

/// Whether a client is told who its user is.
fn is_told(scopes: &[Scope]) -> bool {
    scopes.iter().any(|it| it.as_str() == "openid")
}

async fn for_refresh(act: &mut Act<'_>, form: &Form, client: &Client, key: Option<String>) -> Result<Response, Turned> {
    may(client, ClientGrant::RefreshToken)?;
    let text = form.required("refresh_token", "`refresh_token` is missing")?;
    let holder = Holder { client: Some(&client.id), key: key.as_deref() };
    let asked = form.get("scope").map(scopes::read).transpose()?;
    let refreshed = act.identity().refresh_for(text, holder, &client.api, asked.as_deref().unwrap_or_default()).await;
    // As above: reuse has ended the grant.
    act.books().come_into_force().await?;
    let refreshed = refreshed.map_err(|why| unrefreshed(&why))?;
    act.about = Some(refreshed.grant.id.clone());
    let standing = act.standing(&refreshed.grant.id)?;
    // It was judged before the token turned; what the grant has lost in that moment is left out.
    let mut scopes = asked.unwrap_or_else(|| standing.scopes.clone());
    scopes.retain(|it| standing.scopes.contains(it));
    let made =
        act.mint(Wanted { standing, scopes, told: None, client: client.id.clone(), issuer: issuer(act), key }).await?;
    Ok(told(&made, Some(&refreshed.token)))
}

/// A token of a grant that is in force, for all that it may do.
pub(super) async fn for_grant(act: &Act<'_>, grant: &KeyId) -> Result<AccessToken, Turned> {
    let standing = act.standing(grant)?;
    let scopes = standing.scopes.clone();
    let wanted = Wanted { standing, scopes, told: None, client: String::new(), issuer: issuer(act), key: None };
    Ok(act.mint(wanted).await?.access)
}

fn may(client: &Client, grant: ClientGrant) -> Result<(), Fault> {
    let fault = Fault::new(Code::UnauthorizedClient, "this client may not use this grant type");
    if client.may(grant) { Ok(()) } else { Err(fault) }
}

fn issuer(act: &Act<'_>) -> String {
    act.offered.issuer.clone()
}

impl Act<'_> {
    /// What a grant may do as it is in force here.
    pub(super) fn standing(&self, grant: &KeyId) -> Result<Arc<Standing>, Turned> {
        let keyring = self.books().keyring();
        let standing = keyring.by_id(grant).map(|it| Arc::clone(it.standing())).ok_or(Declined::Busy)?;
        if standing.suspended { Err(ended().into()) } else { Ok(standing) }
    }

    async fn mint(&self, wanted: Wanted) -> Result<Made, Turned> {
        let made = self.operations.sign(move |books| Ok(make(books, wanted))).await?;
        made.map_err(|cause| match cause {
            NoSigner::Ended => ended().into(),
            NoSigner::None => Declined::Busy.into(),
            NoSigner::Bad(cause) => {
                tracing::error!(%cause, "no token could be made");
                Declined::Failed.into()
            }
        })
    }
}

fn make(books: &dyn Books, wanted: Wanted) -> Result<Made, NoSigner> {
    let Wanted { standing, scopes, told, client, issuer, key } = wanted;
    let now = books.clock().now().wall;
    let new = NewToken { issuer: &issuer, standing: &standing, scopes: &scopes, bound: key.as_deref() };
    let access = books.issuer().mint(new, now, books.random())?;
    let id = told.as_ref().map(|it| NewIdToken {
        issuer: &issuer,
        client: &client,
        user: &it.user,
        authenticated: it.authenticated,
        methods: &it.methods,
        nonce: it.nonce.as_deref(),
        access_token: access.text.reveal(),
    });
    let id = id.map(|it| books.issuer().mint_id(it, now)).transpose()?;
    Ok(Made { access, id, scopes, bound: key.is_some() })
}

fn told(made: &Made, refresh: Option<&Shown>) -> Response {
    let mut body = json!({
        "access_token": made.access.text.reveal(),
        "token_type": if made.bound { "DPoP" } else { "Bearer" },
        "expires_in": made.access.expires_in,
        "scope": scopes::written(&made.scopes),
    });
    let more = [("refresh_token", refresh), ("id_token", made.id.as_ref())];
    if let Some(body) = body.as_object_mut() {
        let there = more.into_iter().filter_map(|(name, it)| Some((name.to_owned(), Value::from(it?.reveal()))));
        body.extend(there);
    }
    private(body)
}

fn ended() -> Fault {
    Fault::new(Code::InvalidGrant, "the grant has ended")
}

fn unredeemed(why: &RedeemError) -> Turned {
    match why {
        RedeemError::Lapsed(Lapsed::NoClient) => FAILED.into(),
        RedeemError::Store(_) | RedeemError::Unfit(_) => {
            tracing::error!(%why, "a code could not be redeemed");
            Declined::Failed.into()
        }
        RedeemError::Unknown
        | RedeemError::OtherClient
        | RedeemError::Expired
        | RedeemError::OtherPlace
        | RedeemError::Verifier
        | RedeemError::OtherKey
        | RedeemError::Lapsed(_)
        | RedeemError::Reused => {
            tracing::debug!(%why, "a code was not redeemed");
            Fault::new(Code::InvalidGrant, "the code, its verifier or its redirect URI is not good").into()
        }
    }
}

/// RFC 8628 section 3.5.
fn undeviced(act: &Act<'_>, code: &str, why: &DeviceError) -> Turned {
    let (code, told) = match why {
        DeviceError::Lapsed(Lapsed::NoClient) => return FAILED.into(),
        DeviceError::Store(_) | DeviceError::Unfit(_) => {
            tracing::error!(%why, "the code of a device could not be redeemed");
            return Declined::Failed.into();
        }
        DeviceError::Waiting if act.operations.polls.too_soon(code, act.books().clock().tick()) => {
            (Code::SlowDown, "it was asked again too soon: wait five seconds longer from now on")
        }
        DeviceError::Waiting => (Code::AuthorizationPending, "the user has not answered yet"),
        DeviceError::Denied => (Code::AccessDenied, "the user does not let the device in"),
        DeviceError::Expired => (Code::ExpiredToken, "the code has expired: begin anew"),
        DeviceError::Unknown | DeviceError::OtherClient | DeviceError::Lapsed(_) => {
            tracing::debug!(%why, "the code of a device was not redeemed");
            (Code::InvalidGrant, "the code is not good")
        }
    };
    Fault::new(code, told).into()
}

fn unrefreshed(why: &RefreshError) -> Turned {
    match why {
        RefreshError::Store(_) => {
            tracing::error!(%why, "a token could not be refreshed");
            Declined::Failed.into()
        }
        RefreshError::Beyond => scopes::BEYOND.into(),
        RefreshError::Unknown
        | RefreshError::OtherClient
        | RefreshError::OtherKey
        | RefreshError::OtherApi
        | RefreshError::Ended
        | RefreshError::Reused => {
            tracing::debug!(%why, "a token was not refreshed");
            Fault::new(Code::InvalidGrant, "the refresh token is not good").into()
        }
    }
}
