//! `/oauth/device`: where a user types what their device shows, is told what that lets in, and says whether it may.
//!
//! Nothing is looked up before somebody who is signed in sends the page's own form, so that no address that a stranger has
//! sent them does anything, and guesses are counted against whoever makes them.

use std::time::Duration;

use authn::is_same_site;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use domain::{Declined, NativeVerb, Scope};
use identity::{AskingDevice, BrowserSession, Client, ClientGrant, DeviceAnswer, PERSONAL_SCOPES};
use serde::{Deserialize, Serialize};

use super::heed;
use crate::html::{Field, Markup, Page};
use crate::oauth::authorize::back::{query, see};
use crate::oauth::authorize::{LOGIN, meaning, page as told};
use crate::oauth::{Act, Code, Fault, Form, Turned};
use crate::operations::REFUSED;
use crate::people::guesser;

/// How long a user may think about it. The device may give up before.
const WAITS: Duration = Duration::from_mins(10);

/// What a question is kept as.
const ASKED: &str = "device";

const TITLE: &str = "Let a device in";

const NO_SUCH: &str = "No device waits with that code. It may have been typed wrongly, or have expired.";
const TOO_OFTEN: &str = "Too many codes were wrong. Wait a while before the next.";

/// What a user is asked.
#[derive(Serialize, Deserialize)]
struct Wish {
    device: String,
    client: String,
    scopes: Vec<Scope>,
}

pub(in super::super) async fn answer(act: &mut Act<'_>) -> Result<Response, Turned> {
    match lead(act).await {
        Err(Turned::Fault(fault)) => Ok(told(fault)),
        other => other,
    }
}

async fn lead(act: &mut Act<'_>) -> Result<Response, Turned> {
    let question = act.question;
    let safe = question.method == Method::GET;
    let form = if safe { Form::read(&question.query)? } else { Form::of_body(question)? };
    let place = act.place(NativeVerb::AnswerDevice).ok_or(Declined::Failed)?.to_owned();
    let code = form.get("user_code").unwrap_or_default();
    let Some(session) = act.signed_in().await? else { return Ok(see(&login(&place, act, code), None)) };
    if safe {
        return Ok(page(code_form(&place, code, None)).answer(StatusCode::OK));
    }
    if !is_same_site(&question.headers, [act.offered.issuer.as_str()]) {
        return Err(gone().into());
    }
    match form.get("asked") {
        Some(handle) => settle(act, &session, handle, form.get("decision") == Some("allow")).await,
        None => look_up(act, &session, (&place, code)).await,
    }
}

/// Where somebody signs in who comes back here.
fn login(place: &str, act: &Act<'_>, code: &str) -> String {
    let path = place.strip_prefix(act.offered.issuer.as_str()).unwrap_or(place);
    let onward = if code.is_empty() { path.to_owned() } else { format!("{path}?{}", query(&[("user_code", code)])) };
    format!("{LOGIN}?{}", query(&[("continue", &onward)]))
}

/// Shows who asks for what, from where and since when, to a user who has typed its code.
async fn look_up(act: &mut Act<'_>, session: &BrowserSession, shown: (&str, &str)) -> Result<Response, Turned> {
    let (place, code) = shown;
    let guessers = [format!("device codes of {}", session.user), guesser(act.question.introduction.source)];
    for it in &guessers {
        if let Err(wait) = heed(act, it) {
            return Ok(again(code_form(place, code, Some(TOO_OFTEN)), &wait));
        }
    }
    let Some(asking) = act.identity().asking_device(code).await? else {
        let now = act.books().clock().tick();
        for it in &guessers {
            act.books().limiter().failed_try(it, now);
        }
        return Ok(again(code_form(place, code, Some(NO_SUCH)), &Declined::NotFound));
    };
    let client = client(act, &asking.client).await?;
    let scopes = may(act, session, &client, &asking).await?;
    let wish = Wish { device: asking.id.clone(), client: client.id.clone(), scopes };
    let text = serde_json::to_string(&wish).map_err(|_| Declined::Failed)?;
    let handle = act.identity().keep_waiting(ASKED, &session.user, &text, WAITS).await?;
    let main = question(act, session, (&client, &asking, &wish.scopes), code).await?;
    let main = main.raw("<form method=\"post\" action=\"").text(place).raw("\">").hidden("asked", handle.reveal());
    let main = main.raw("<button name=\"decision\" value=\"deny\">Deny</button>");
    let main = main.raw("<button name=\"decision\" value=\"allow\">Allow</button></form>");
    Ok(page(main).answer(StatusCode::OK))
}

/// What is asked. Whoever was talked into typing a code can see here that the device is not theirs (RFC 8628 section 5.4).
async fn question(
    act: &Act<'_>,
    session: &BrowserSession,
    (client, asking, scopes): (&Client, &AskingDevice, &[Scope]),
    code: &str,
) -> Result<Markup, Turned> {
    let person = act.identity().person(&session.user).await?;
    let name = person.as_ref().map_or("", |it| it.display.as_deref().unwrap_or(&it.name));
    let minutes = act.books().clock().now().wall.since(asking.since).as_secs() / 60;
    let since = if minutes == 0 { "less than a minute ago".to_owned() } else { format!("{minutes} min ago") };
    let main =
        Markup::new().raw("<p>You are signed in as <strong>").text(name).raw("</strong>. A device that shows <strong>");
    let main = main.text(&code.to_ascii_uppercase()).raw("</strong> and runs <strong>").text(&client.name);
    let main = main.raw("</strong> asks to act for you in <strong>").text(client.tenant.as_str());
    let mut main = main.raw("</strong>. It will be able to:</p><ul>");
    for scope in scopes {
        main = main.raw("<li>").text(&meaning(scope)).raw("</li>");
    }
    let main = main.raw("</ul><p>It asked from the address <strong>").text(&asking.source.to_string());
    let main = main.raw("</strong>, ").text(&since);
    Ok(main.raw(
        ".</p><p class=\"fault\">Allow this only if you have just started it yourself and the device is in front of you. If \
         somebody has sent you this code, or asks you for it, deny it.</p>",
    ))
}

/// What the user answers.
async fn settle(act: &mut Act<'_>, session: &BrowserSession, handle: &str, allow: bool) -> Result<Response, Turned> {
    let text = act.identity().take_waiting(ASKED, &session.user, handle).await?.ok_or(gone())?;
    let Wish { device, client: id, scopes } = serde_json::from_str(&text).map_err(|_| Declined::Failed)?;
    // It may have been suspended meanwhile, and the user have signed in otherwise.
    let client = client(act, &id).await?;
    good_for(session, &client)?;
    let answer = if allow { DeviceAnswer::Allowed(scopes) } else { DeviceAnswer::Denied };
    let identity = act.identity().clone().acting_for(&session.user);
    if !identity.answer_device(&device, &client, (session, &answer)).await? {
        return Err(gone().into());
    }
    let said = if allow { "The device is let in. You can go back to it." } else { "The device is not let in." };
    let main = Markup::new().raw("<p role=\"status\">").text(said).raw("</p>");
    Ok(page(main).answer(StatusCode::OK))
}

/// A client of this issuer that may be let in so.
async fn client(act: &mut Act<'_>, id: &str) -> Result<Client, Turned> {
    let client = act.identity().client(id).await?;
    let client = client.filter(|it| it.api == act.offered.api && it.suspended.is_none());
    let stands = |it: &Client| act.books().keyring().by_id(&it.grant).is_some_and(|it| !it.standing().suspended);
    let client = client.filter(|it| it.may(ClientGrant::DeviceCode) && stands(it));
    let client = client.ok_or(Fault::new(Code::InvalidRequest, "the application is not known here"))?;
    act.about = Some(client.grant.clone());
    Ok(client)
}

/// Refuses what the provider of one tenant says of somebody in any other: whoever runs it could be them there.
fn good_for(session: &BrowserSession, client: &Client) -> Result<(), Fault> {
    let elsewhere = session.tenant.as_ref().is_some_and(|it| *it != client.tenant);
    let told =
        "you have signed in with the provider of another account: sign out, and in again with a password or a passkey";
    if elsewhere { Err(Fault::new(Code::AccessDenied, told)) } else { Ok(()) }
}

/// What comes of it if the user agrees: never more than they have in the tenant of the client.
async fn may(
    act: &Act<'_>,
    session: &BrowserSession,
    client: &Client,
    asking: &AskingDevice,
) -> Result<Vec<Scope>, Turned> {
    good_for(session, client)?;
    let own = act.scopes_of(&session.user, &client.tenant).await?;
    let own = own.ok_or(Fault::new(Code::AccessDenied, "you do not belong to the tenant of the application"))?;
    let may = |it: &&Scope| own.contains(it) || PERSONAL_SCOPES.contains(&it.as_str());
    let scopes: Vec<Scope> = asking.scopes.iter().filter(may).cloned().collect();
    let none = Fault::new(Code::AccessDenied, "you may do nothing of what the device asks for");
    if scopes.is_empty() { Err(none.into()) } else { Ok(scopes) }
}

fn gone() -> Fault {
    Fault::new(Code::InvalidRequest, "the question is not here any more: begin anew on the device")
}

fn page(main: Markup) -> Page<'static> {
    Page::new(TITLE, main)
}

fn code_form(place: &str, code: &str, fault: Option<&str>) -> Markup {
    let field = Field {
        name: "user_code",
        label: "Code that your device shows",
        kind: "text",
        hints: "autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\" maxlength=\"20\"",
        value: code,
        fault: fault.is_some(),
    };
    let form = Markup::new().raw("<form method=\"post\" action=\"").text(place).raw("\">");
    let form = fault.map_or_else(|| form.clone(), |it| form.clone().fault(it));
    form.field(&field).raw("<button>Go on</button></form>")
}

/// The page once more, with what was wrong; for the entry, why.
fn again(form: Markup, why: &Declined) -> Response {
    let wait = if let Declined::TooOften(seconds) = why { Some(*seconds) } else { None };
    let status = if wait.is_some() { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::BAD_REQUEST };
    let mut response = page(form).answer(status);
    response.headers_mut().insert(HeaderName::from_static(REFUSED), HeaderValue::from_static(why.reason()));
    response.headers_mut().extend(wait.map(|it| (RETRY_AFTER, HeaderValue::from(it))));
    response
}
