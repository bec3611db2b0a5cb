//! Passkeys on the pages of the issuer: signing in with one, and the page on which people look after theirs.
//!
//! An authenticator is asked by a script, and nothing else is: who has none running signs in with a password. The scripts
//! read what is written into the form beside them, and know nothing else.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::Declined;
use identity::{
    Authenticated, BrowserSession, Ceremony, NewPasskey, Party, RegisterPasskeyError, RemovePasskeyError, ShownPasskey,
    SignInError,
};

use super::cookies::shown_at_login;
use super::login::BROWSER_COOKIE;
use super::{failed, guesser, is_fresh, refused};
use crate::asked::Asked;
use crate::html::{Field, Markup, Page};
use crate::operations::{Operations, Question};

/// Where people look after theirs.
const PLACE: &str = "/oauth/passkeys";

/// Where they sign in who come back there.
const SIGN_IN_HERE: &str = "/oauth/login?continue=/oauth/passkeys";

const TITLE: &str = "Your passkeys";

/// Asks an authenticator for any passkey of this host, and sends the form with what it says.
pub(super) const SIGN_IN: &str = "\
const f=document.getElementById('passkey'),b=f.querySelector('button');\
const raw=t=>Uint8Array.from(atob(t.replace(/-/g,'+').replace(/_/g,'/')),c=>c.charCodeAt(0));\
const text=b=>b?btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\\+/g,'-').replace(/\\//g,'_').replace(/=+$/,''):'';\
if(window.PublicKeyCredential){f.hidden=false;b.addEventListener('click',async()=>{try{\
const c=await navigator.credentials.get({publicKey:{challenge:raw(f.dataset.challenge),rpId:f.dataset.host,userVerification:'required'}});\
f.elements.credential.value=text(c.rawId);f.elements.client_data.value=text(c.response.clientDataJSON);\
f.elements.authenticator_data.value=text(c.response.authenticatorData);f.elements.signature.value=text(c.response.signature);\
f.elements.user_handle.value=text(c.response.userHandle);f.submit()}catch(e){b.focus()}})}";

/// Has an authenticator make a passkey, and sends the form with what it says.
const REGISTER: &str = "\
const f=document.getElementById('passkey');\
const raw=t=>Uint8Array.from(atob(t.replace(/-/g,'+').replace(/_/g,'/')),c=>c.charCodeAt(0));\
const text=b=>btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\\+/g,'-').replace(/\\//g,'_').replace(/=+$/,'');\
if(window.PublicKeyCredential){f.hidden=false;f.addEventListener('submit',async e=>{e.preventDefault();try{\
const c=await navigator.credentials.create({publicKey:{challenge:raw(f.dataset.challenge),\
rp:{id:f.dataset.host,name:f.dataset.host},user:{id:new TextEncoder().encode(f.dataset.user),name:f.dataset.name,displayName:f.dataset.name},\
pubKeyCredParams:[-7,-8,-257].map(alg=>({type:'public-key',alg})),attestation:'none',\
authenticatorSelection:{residentKey:'required',userVerification:'required'}}});const r=c.response;\
f.elements.client_data.value=text(r.clientDataJSON);f.elements.authenticator_data.value=text(r.getAuthenticatorData());\
f.elements.key.value=text(r.getPublicKey());f.elements.algorithm.value=r.getPublicKeyAlgorithm();f.submit()}catch(e){f.querySelector('button').focus()}})}";

/// What the page says that somebody did wrong.
const NOT_TAKEN: &str = "That passkey could not be taken. Try again.";
const KNOWN: &str = "That passkey is registered already.";
const MANY: &str = "There are as many passkeys as there may be. Remove one first.";
const ELSEWHERE: &str = "You have signed in with the provider of one account. A passkey opens all that is yours here, so they alone \
look after passkeys who have signed in here itself.";
const NAMELESS: &str = "Give the passkey a name that you will know it by.";

/// The part of the login page by which somebody signs in with a passkey.
pub(super) fn form(operations: &Operations, issuer: &str, onward: &str, before: &str) -> Markup {
    let challenge = operations.books().identity().passkey_challenge(Ceremony::SignIn, before);
    let form =
        Markup::new().raw("<form id=\"passkey\" method=\"post\" action=\"/oauth/login\" hidden data-challenge=\"");
    let form = form.text(&challenge).raw("\" data-host=\"").text(Party { origin: issuer }.host()).raw("\">");
    let form = form.hidden("continue", onward).hidden("credential", "").hidden("client_data", "");
    let form = form.hidden("authenticator_data", "").hidden("signature", "").hidden("user_handle", "");
    form.raw("<button type=\"button\">Sign in with a passkey</button></form>")
}

/// Who signs in with a passkey, by what the form says. Guesses count against the address they come from.
pub(super) async fn prove(
    operations: &Operations,
    question: &Question,
    (form, issuer): (&Asked, &str),
) -> Result<Authenticated, Declined> {
    let guesser = guesser(question.introduction.source);
    operations.heed_tries(&guesser)?;
    let before = shown_at_login(&question.headers).ok_or(Declined::Unproven)?;
    let text = |name: &str| form.text(name).unwrap_or_default();
    let (credential, client_data) = (text("credential"), text("client_data"));
    let (authenticator_data, signature) = (text("authenticator_data"), text("signature"));
    let shown = ShownPasskey {
        credential: &credential,
        client_data: &client_data,
        authenticator_data: &authenticator_data,
        signature: &signature,
        user_handle: &text("user_handle"),
    };
    let identity = operations.books().identity();
    let proven = identity.sign_in_with_passkey(&shown, (Party { origin: issuer }, before)).await;
    proven.map_err(|cause| {
        if let SignInError::Wrong = cause {
            operations.count_try(&guesser);
        }
        refused(cause)
    })
}

/// Who sits at the browser, as far as they may look after passkeys.
enum Sitting<'a> {
    /// Somebody who has shown who they are to this issuer itself a moment ago; and what their browser shows.
    Here(BrowserSession, &'a str),
    /// Somebody of whom the provider of one tenant says who they are. A passkey is good in every tenant of its user, so
    /// whoever runs that provider could make themself one for all the others.
    Elsewhere,
    /// Nobody, or somebody who has signed in too long ago.
    Nobody,
}

async fn sitting<'a>(operations: &Operations, question: &'a Question) -> Result<Sitting<'a>, Declined> {
    let Ok(Some(shown)) = authn::cookie(&question.headers, BROWSER_COOKIE) else { return Ok(Sitting::Nobody) };
    let issuer = operations.offered(question)?.issuer;
    let session = operations.books().identity().browser_session(shown, &issuer).await.map_err(failed)?;
    let now = operations.books().clock().now().wall;
    Ok(match session {
        Some(session) if session.tenant.is_some() => Sitting::Elsewhere,
        Some(session) if session.authenticated.is_some_and(|it| is_fresh(it, now)) => Sitting::Here(session, shown),
        Some(_) | None => Sitting::Nobody,
    })
}

fn to_sign_in() -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, HeaderValue::from_static(SIGN_IN_HERE))]).into_response()
}

/// They are told why, and are not led round in circles: the page for signing in leads on to this one.
fn not_from_elsewhere() -> Response {
    let main = Markup::new().fault(ELSEWHERE).raw("<p><a href=\"").text(SIGN_IN_HERE);
    let page = Page::new(TITLE, main.raw("\">Sign in with a password or a passkey</a></p>"));
    super::login::refused_page(page, &Declined::Beyond)
}

/// The passkeys of whoever has signed in.
pub(super) async fn page(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let (session, shown) = match sitting(operations, question).await? {
        Sitting::Here(session, shown) => (session, shown),
        Sitting::Elsewhere => return Ok(not_from_elsewhere()),
        Sitting::Nobody => return Ok(to_sign_in()),
    };
    let page = page_of(operations, question, (&session.user, shown), None).await?;
    Ok(page.answer(StatusCode::OK))
}

async fn page_of(
    operations: &Operations,
    question: &Question,
    (user, shown): (&str, &str),
    fault: Option<&str>,
) -> Result<Page<'static>, Declined> {
    let (identity, issuer) = (operations.books().identity(), operations.offered(question)?.issuer);
    let person = identity.person(user).await.map_err(failed)?.ok_or(Declined::NotFound)?;
    let mut main = fault.map_or_else(Markup::new, |it| Markup::new().fault(it));
    for passkey in identity.passkeys_of(user).await.map_err(failed)? {
        let when = passkey.last_used.map_or_else(|| "never used".to_owned(), |it| format!("last used {it}"));
        main = main.raw("<form method=\"post\" action=\"/oauth/passkeys\">").hidden("remove", &passkey.id);
        main = main.raw("<p>").text(&passkey.name).raw(" <span class=\"quiet\">").text(&when).raw("</span></p>");
        main = main.raw("<button>Remove ").text(&passkey.name).raw("</button></form>");
    }
    let challenge = identity.passkey_challenge(Ceremony::Register(user), shown);
    let name = Field {
        name: "name",
        label: "Name of a new passkey",
        kind: "text",
        hints: "autocomplete=\"off\" maxlength=\"100\"",
        value: "",
        fault: fault.is_some(),
    };
    main = main.raw("<form id=\"passkey\" method=\"post\" action=\"/oauth/passkeys\" hidden data-challenge=\"");
    main = main.text(&challenge).raw("\" data-host=\"").text(Party { origin: &issuer }.host());
    main = main.raw("\" data-user=\"").text(user).raw("\" data-name=\"").text(&person.name).raw("\">");
    main = main.hidden("client_data", "").hidden("authenticator_data", "").hidden("key", "").hidden("algorithm", "");
    main = main.field(&name).raw("<button>Add a passkey</button></form>");
    main = main.raw("<noscript><p>A passkey is added by a script, which this browser does not run.</p></noscript>");
    Ok(Page::new(TITLE, main).with_script(REGISTER))
}

/// Adds or removes one.
pub(super) async fn change(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let issuer = operations.offered(question)?.issuer;
    question.must_come_from([issuer.as_str()])?;
    let form = std::str::from_utf8(&question.body).map_err(|_| Declined::Parameter("body".to_owned()))?;
    let form = Asked::of(form)?;
    let (session, shown) = match sitting(operations, question).await? {
        Sitting::Here(session, shown) => (session, shown),
        Sitting::Elsewhere => return Ok(not_from_elsewhere()),
        Sitting::Nobody => return Ok(to_sign_in()),
    };
    let (user, identity) = (session.user.as_str(), operations.books().identity().clone().acting_for(&session.user));
    if let Some(id) = form.text("remove") {
        identity.remove_passkey(user, &id).await.map_err(|cause| match cause {
            RemovePasskeyError::Unknown => Declined::NotFound,
            RemovePasskeyError::Store(cause) => failed(cause),
        })?;
        return Ok((StatusCode::SEE_OTHER, [(LOCATION, HeaderValue::from_static(PLACE))]).into_response());
    }
    let text = |name: &str| form.text(name).unwrap_or_default();
    let (name, client_data, key) = (text("name"), text("client_data"), text("key"));
    let authenticator_data = text("authenticator_data");
    let new = NewPasskey {
        name: &name,
        client_data: &client_data,
        authenticator_data: &authenticator_data,
        key: &key,
        algorithm: text("algorithm").parse().unwrap_or_default(),
    };
    let fault = match identity.register_passkey(user, &new, (Party { origin: &issuer }, shown)).await {
        Ok(_) => return Ok((StatusCode::SEE_OTHER, [(LOCATION, HeaderValue::from_static(PLACE))]).into_response()),
        Err(RegisterPasskeyError::Store(cause)) => return Err(failed(cause)),
        Err(RegisterPasskeyError::Wrong) => NOT_TAKEN,
        Err(RegisterPasskeyError::Taken) => KNOWN,
        Err(RegisterPasskeyError::TooMany) => MANY,
        Err(RegisterPasskeyError::Unfit(_)) => NAMELESS,
    };
    let page = page_of(operations, question, (user, shown), Some(fault)).await?;
    Ok(super::login::refused_page(page, &Declined::Unproven))
}
