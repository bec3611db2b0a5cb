//! The page of the issuer on which people show who they are: a name and a password, then a code where one is asked for.
//!
//! It knows where to go on from a path of the issuer's own, and goes nowhere else.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{Declined, NativeVerb};
use identity::{Authenticated, BeginBrowserSessionError, SignIn, SignInError};

use super::cookies::{cookie, kept_for_login};
use super::sessions::prove;
use super::{failed, guesser, passkeys};
use crate::asked::Asked;
use crate::html::{Field, Markup, Page};
use crate::oauth::{Act, Turned};
use crate::operations::{Operations, Question, REFUSED};
use crate::outside::Offer;

/// The cookie of the issuer's own session of a browser. Its prefix keeps siblings of the host from setting it (RFC 6265bis).
pub(crate) const BROWSER_COOKIE: &str = "__Host-portcullis";

/// How long the browser keeps it; what stands behind it may end before.
const LASTS: Duration = Duration::from_hours(12);

/// Where it goes on from here: the operations of the issuer, and nothing else on this host or any other.
const ONWARD: &str = "/oauth/";

/// The longest way on there can be, in bytes.
const LONGEST: usize = 4096;

/// By what those sign in whom an account has made known.
const OWN_USERS: &str = "<p class=\"quiet\">If an account has invited you or made you known, your name is the account's id, a slash \
and your address.</p>";

const TITLE: &str = "Sign in";

const REFUSED_NAME: HeaderName = HeaderName::from_static(REFUSED);

/// What the page says that somebody did wrong. One text for everything that is not believed.
const NOT_BELIEVED: &str = "That is not a name and a password that go together, or you have to wait.";
const NO_PASSKEY: &str = "That passkey is not good here. Sign in with your password.";
const CODE_NOT_BELIEVED: &str = "That code is not good.";
const CODE_AS_WELL: &str = "Code of your authenticator, if you use one";
const TOO_LATE: &str = "That took too long. Sign in again.";
const TOO_OFTEN: &str = "Too many attempts. Wait a while before the next.";

pub(super) async fn page(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    let onward = onward(&question.asked)?;
    let offer = offer(operations, question, &onward).await?;
    // Who comes back from there may want to choose.
    let chosen = offer.as_ref().filter(|it| it.chosen && question.asked.text("choose").is_none());
    if let Some(chosen) = chosen {
        let place = HeaderValue::try_from(chosen.place.as_str()).map_err(|_| Declined::Failed)?;
        return Ok((StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response());
    }
    let (before, set) = kept_for_login(&question.headers, operations.books().random())?;
    let issuer = operations.offered(question)?.issuer;
    let forms = password_form(&onward, "", None).then(&passkeys::form(operations, &issuer, &onward, &before));
    let forms = forms.then(&elsewhere(offer.as_ref())).then(&looked_after(operations, question)?);
    let mut page = page_of(forms).with_script(passkeys::SIGN_IN).answer(StatusCode::OK);
    page.headers_mut().insert(SET_COOKIE, set);
    Ok(page)
}

/// How else one may sign in to go on there.
async fn offer(operations: &Operations, question: &Question, onward: &str) -> Result<Option<Offer>, Declined> {
    let act =
        Act { operations, question, offered: operations.offered(question)?, about: None, person: OnceLock::new() };
    act.offer(onward).await.map_err(|cause| match cause {
        Turned::Declined(declined) => declined,
        Turned::Fault(_) | Turned::Stopped(_) => Declined::Failed,
    })
}

fn elsewhere(offer: Option<&Offer>) -> Markup {
    let Some(offer) = offer else { return Markup::new() };
    let link = Markup::new().raw("<p class=\"quiet\">or</p><p><a class=\"other\" href=\"").text(&offer.place);
    link.raw("\">Sign in with ").text(&offer.name).raw("</a></p>")
}

/// Where people see what they have let applications do, once they are signed in.
fn looked_after(operations: &Operations, question: &Question) -> Result<Markup, Declined> {
    let offered = operations.offered(question)?;
    let Some(place) = offered.place(NativeVerb::ConsentsPage) else { return Ok(Markup::new()) };
    let link = Markup::new().raw("<p class=\"quiet\"><a href=\"").text(place);
    Ok(link.raw("\">Applications that may act for you</a></p>"))
}

pub(super) async fn submit(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    question.unseen()?;
    let offered = operations.offered(question)?;
    question.must_come_from([offered.issuer.as_str()])?;
    let form = std::str::from_utf8(&question.body).map_err(|_| Declined::Parameter("body".to_owned()))?;
    let form = Asked::of(form)?;
    let onward = onward(&form)?;
    if form.text("credential").is_some() {
        return match passkeys::prove(operations, question, (&form, &offered.issuer)).await {
            Ok(who) => let_in(operations, question, &who, &onward).await,
            Err(Declined::Unproven) => Ok(again(password_form(&onward, "", Some(NO_PASSKEY)), &Declined::Unproven)),
            Err(wait @ Declined::TooOften(_)) => Ok(again(password_form(&onward, "", Some(TOO_OFTEN)), &wait)),
            Err(other) => Err(other),
        };
    }
    match form.text("halfway") {
        Some(halfway) => submit_code(operations, question, &form, (&onward, &halfway)).await,
        None => submit_password(operations, question, &form, &onward).await,
    }
}

async fn submit_password(
    operations: &Operations,
    question: &Question,
    form: &Asked,
    onward: &str,
) -> Result<Response, Declined> {
    let text = |name: &str| form.text(name).unwrap_or_default();
    let (user, password) = (text("user"), zeroize::Zeroizing::new(text("password")));
    let code = form.text("code").filter(|it| !it.is_empty()).map(zeroize::Zeroizing::new);
    match prove(operations, question, &user, &password, code.as_ref().map(|it| it.as_str())).await {
        Ok(SignIn::Done(who)) => let_in(operations, question, &who, onward).await,
        Ok(SignIn::CodeWanted(who)) => {
            let halfway = operations.books().identity().await_code(&who).await.map_err(failed)?;
            let mut response = page_of(code_form(onward, halfway.reveal(), None)).answer(StatusCode::OK);
            operations.name_person(&mut response, who.user()).await?;
            Ok(response)
        }
        Err(Declined::Unproven) => {
            let form = password_form(onward, &user, Some(NOT_BELIEVED));
            let other = offer(operations, question, onward).await?;
            Ok(again(form.then(&elsewhere(other.as_ref())), &Declined::Unproven))
        }
        Err(wait @ Declined::TooOften(_)) => Ok(again(password_form(onward, &user, Some(TOO_OFTEN)), &wait)),
        Err(other) => Err(other),
    }
}

async fn submit_code(
    operations: &Operations,
    question: &Question,
    form: &Asked,
    (onward, halfway): (&str, &str),
) -> Result<Response, Declined> {
    let guesser = guesser(question.introduction.source);
    operations.heed_tries(&guesser)?;
    let code = zeroize::Zeroizing::new(form.text("code").unwrap_or_default());
    match operations.books().identity().show_code(halfway, &code).await {
        Ok(who) => let_in(operations, question, &who, onward).await,
        Err(SignInError::Gone) => Ok(again(password_form(onward, "", Some(TOO_LATE)), &Declined::Unproven)),
        Err(SignInError::Wrong) => {
            operations.count_try(&guesser);
            Ok(again(code_form(onward, halfway, Some(CODE_NOT_BELIEVED)), &Declined::Unproven))
        }
        Err(SignInError::TooOften(wait)) => {
            let wait = Declined::TooOften(wait.as_secs().max(1));
            Ok(again(code_form(onward, halfway, Some(TOO_OFTEN)), &wait))
        }
        Err(cause @ (SignInError::Busy(_) | SignInError::Store(_))) => Err(super::refused(cause)),
    }
}

/// Begins a session of the browser, never the one that it had before, and goes on.
async fn let_in(
    operations: &Operations,
    question: &Question,
    who: &Authenticated,
    onward: &str,
) -> Result<Response, Declined> {
    let identity = operations.books().identity();
    let issuer = operations.offered(question)?.issuer;
    let value = match identity.begin_browser_session(who, &issuer).await {
        Ok(value) => value,
        Err(BeginBrowserSessionError::Ended) => {
            return Ok(again(password_form(onward, "", Some(TOO_LATE)), &Declined::Unproven));
        }
        Err(BeginBrowserSessionError::Store(cause)) => return Err(failed(cause)),
    };
    if let Ok(Some(before)) = authn::cookie(&question.headers, BROWSER_COOKIE) {
        identity.supersede_browser_session(before, value.reveal()).await.map_err(failed)?;
    }
    let set = browser_cookie(Some(value.reveal()))?;
    let onward = HeaderValue::try_from(onward).map_err(|_| Declined::Failed)?;
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, onward), (SET_COOKIE, set)]).into_response();
    operations.name_person(&mut response, who.user()).await?;
    Ok(response)
}

/// Sets the cookie of a session of the browser, or takes it away.
pub(crate) fn browser_cookie(value: Option<&str>) -> Result<HeaderValue, Declined> {
    cookie(BROWSER_COOKIE, value.map_or(("", Duration::ZERO), |it| (it, LASTS)), "/", "Lax")
}

/// Where somebody has allowed an application before, signing in leads on to it at once, and browsers hold that to the page.
fn page_of(form: Markup) -> Page<'static> {
    Page::new(TITLE, form).leading_to_applications()
}

/// The page once more, with what was wrong; for the entry, why. Not 401, which would have to name a scheme of HTTP.
fn again(form: Markup, why: &Declined) -> Response {
    refused_page(page_of(form), why)
}

/// Any page that says what was wrong.
pub(super) fn refused_page(page: Page<'_>, why: &Declined) -> Response {
    let wait = if let Declined::TooOften(seconds) = why { Some(*seconds) } else { None };
    let status = if wait.is_some() { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::FORBIDDEN };
    let mut response = page.answer(status);
    response.headers_mut().insert(REFUSED_NAME, HeaderValue::from_static(why.reason()));
    response.headers_mut().extend(wait.map(|it| (RETRY_AFTER, HeaderValue::from(it))));
    response
}

fn form(onward: &str, fault: Option<&str>) -> Markup {
    let form = Markup::new().raw("<form method=\"post\" action=\"/oauth/login\">").hidden("continue", onward);
    fault.map_or_else(|| form.clone(), |it| form.clone().fault(it))
}

fn password_form(onward: &str, user: &str, fault: Option<&str>) -> Markup {
    let name = Field {
        name: "user",
        label: "Name or e-mail address",
        kind: "text",
        hints: "autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"383\"",
        value: user,
        fault: fault.is_some(),
    };
    let hints = "autocomplete=\"current-password\" maxlength=\"1024\"";
    let password = Field { name: "password", label: "Password", kind: "password", hints, value: "", ..name };
    let form = form(onward, fault).field(&name).field(&password);
    // Whoever is locked out by the guesses of others shows both at once. Nobody is asked for it who was not refused, and
    // everybody is who was.
    let form = if fault.is_some() { form.optional(&code_field(CODE_AS_WELL, false)) } else { form };
    form.raw("<button>Sign in</button></form>").raw(OWN_USERS)
}

fn code_form(onward: &str, halfway: &str, fault: Option<&str>) -> Markup {
    let code = code_field("Code of your authenticator, or a recovery code", fault.is_some());
    form(onward, fault).hidden("halfway", halfway).field(&code).raw("<button>Go on</button></form>")
}

fn code_field(label: &str, fault: bool) -> Field<'_> {
    let hints = "autocomplete=\"one-time-code\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"16\"";
    Field { name: "code", label, kind: "text", hints, value: "", fault }
}

/// Where it goes on. Another host could make this page send people anywhere, if it took more than its own paths.
fn onward(asked: &Asked) -> Result<String, Declined> {
    asked.text("continue").filter(|it| leads_on(it)).ok_or_else(|| Declined::Parameter("continue".to_owned()))
}

pub(crate) fn leads_on(text: &str) -> bool {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'/' | b'-' | b'_' | b'.');
    let segments = || path.split('/').skip(1);
    text.len() <= LONGEST
        && path.len() > ONWARD.len()
        && path.starts_with(ONWARD)
        && path.bytes().all(plain)
        && segments().all(|it| !matches!(it, "" | "." | ".."))
        && query.bytes().all(|it| it.is_ascii_graphic() && !matches!(it, b'#' | b'\\' | b'"' | b'<' | b'>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_within_the_issuer_and_nowhere_else() {
        for good in ["/oauth/authorize", "/oauth/authorize?client_id=a&redirect_uri=https%3A%2F%2Fb%2Fc&x=//y"] {
            assert!(leads_on(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "/oauth",
            "/oauth/",
            "https://evil.example/oauth/authorize",
            "//evil.example/oauth/authorize",
            "/\\evil.example/oauth/",
            "/oauth//evil.example",
            "/oauth/../v2/keys",
            "/oauth/./x",
            "/oauth/%2e%2e/x",
            "/oauth/x\r\nSet-Cookie: a=b",
            "/oauth/x?a\nb",
            "/oauth/x#f",
            "/OAUTH/x",
            " /oauth/x",
            "javascript:/oauth/x",
            &format!("/oauth/{}", "x".repeat(LONGEST)),
        ] {
            assert!(!leads_on(bad), "{bad}");
        }
    }

    #[test]
    fn whoever_was_refused_may_show_a_code_as_well_and_nobody_must() {
        let page = |fault| format!("{:?}", password_form("/oauth/authorize", "ann", fault));
        let (first, again) = (page(None), page(Some(NOT_BELIEVED)));
        assert!(!first.contains("one-time-code") && again.contains("one-time-code"), "{again}");
        assert_eq!([&first, &again].map(|it| it.matches(" required ").count()), [2, 2]);
    }

    #[test]
    fn what_somebody_typed_is_text_on_the_page_and_the_password_is_not_there() {
        let page = format!("{:?}", password_form("/oauth/authorize", "\"><script>", Some(NOT_BELIEVED)));
        assert!(page.contains("&quot;&gt;&lt;script&gt;") && !page.contains("<script"), "{page}");
        assert!(page.contains("aria-describedby") && page.contains("current-password"), "{page}");
    }
}
