//! The way back from a provider: whoever comes must have been sent from this browser, to this provider, and just now.

use std::time::Duration;

use axum::http::header::SET_COOKIE;
use axum::response::Response;
use domain::{Declined, DeedClass, Timestamp};
use identity::{EnterError, OutsideUser, Provider, digest_of};

use super::AWAY;
use super::ask::Sent;
use super::page::Stop;
use super::start::Away;
use crate::oauth::{Act, Form, Turned, see};
use crate::people::{BROWSER_COOKIE, browser_cookie, shown_at_login};

/// How far the clock of a provider may be off.
const LEEWAY: Duration = Duration::from_mins(1);

/// What a provider says where it is not well, and the user has done nothing wrong (RFC 6749 section 4.1.2.1).
const NOT_WELL: [&str; 2] = ["server_error", "temporarily_unavailable"];

/// `GET /oauth/providers/{provider}/callback`.
pub(super) async fn come(act: &mut Act<'_>) -> Result<Response, Turned> {
    let Ok(form) = Form::read(&act.question.query) else { return Ok(Stop::NotBegun.page(None, None)) };
    let Some(away) = taken(act, &form).await? else { return Ok(Stop::NotBegun.page(None, None)) };
    let Some(provider) = act.identity().open_provider(&away.provider).await? else {
        return Ok(Stop::NoConnection.page(None, Some(&away.onward)));
    };
    match arrive(act, &form, &away, &provider).await {
        Err(Turned::Stopped(stop)) => {
            // Who was not let in though it is certain who they are is entered by whoever refused them.
            if !matches!(stop, Stop::Unknown(_)) {
                let about = |deed: domain::Deed| deed.on(&provider.id).of(&provider.tenant).with("kind", "browser");
                let about = |deed| about(deed).refused(stop.reason());
                act.identity().keep_deed(DeedClass::SessionStart, "sign_in", about).await?;
            }
            Ok(stop.page(Some(&provider.name), Some(&away.onward)))
        }
        other => other,
    }
}

/// Whoever was sent away with this state, from this browser. They come back once.
async fn taken(act: &Act<'_>, form: &Form) -> Result<Option<Away>, Turned> {
    let shown = shown_at_login(&act.question.headers);
    let (Some(secret), Some(state)) = (shown, form.get("state")) else { return Ok(None) };
    let Some(text) = act.identity().take_waiting(AWAY, &digest_of(secret), state).await? else { return Ok(None) };
    Ok(Some(serde_json::from_str(&text).map_err(|_| Declined::Failed)?))
}

async fn arrive(act: &Act<'_>, form: &Form, away: &Away, provider: &Provider) -> Result<Response, Turned> {
    // Each has an address of its own: whoever comes to another's was sent to another.
    let arrived_at = act.question.introduction.parameters.get("provider");
    if arrived_at != Some(&away.provider) {
        return Err(Stop::MixedUp.into());
    }
    let metadata = act.metadata(provider).await?;
    match form.get("iss") {
        Some(issuer) if issuer != provider.issuer => return Err(Stop::MixedUp.into()),
        None if metadata.names_itself => return Err(Stop::MixedUp.into()),
        Some(_) | None => {}
    }
    if let Some(error) = form.get("error") {
        return Err(if NOT_WELL.contains(&error) { Stop::Unreachable } else { Stop::Denied }.into());
    }
    let code = form.get("code").ok_or(Stop::Denied)?;
    let way_back = act.way_back(provider)?;
    let tokens =
        act.redeemed(provider, &metadata, &Sent { code, verifier: &away.verifier, way_back: &way_back }).await?;
    let now = act.books().clock().now().wall;
    let expected = (away.nonce.as_str(), max_age(away, now));
    let mut token = act.verified(provider, &metadata, &tokens, expected).await?;
    act.told_of(provider, &metadata, &tokens, &mut token).await?;
    let who = OutsideUser {
        issuer: &act.offered.issuer,
        subject: &token.subject,
        session: token.session.as_deref(),
        authenticated: token.authenticated.map(|it| authenticated(it, away, now)),
        methods: token.methods.clone(),
        claims: &token.claims,
        id_token: &tokens.id_token,
    };
    let entered = act.identity().enter_outside(provider, &who, &act.books().terms()).await;
    let value = match entered {
        Err(EnterError::Store(cause)) => return Err(cause.into()),
        other => other.map_err(Stop::from)?,
    };
    if let Ok(Some(before)) = authn::cookie(&act.question.headers, BROWSER_COOKIE) {
        act.identity().supersede_browser_session(before, value.reveal()).await?;
    }
    // What they are may be another thing than before, and what they had before is over with that.
    act.books().come_into_force().await?;
    if let Some(session) = act.identity().browser_session(value.reveal(), &act.offered.issuer).await? {
        act.person.get_or_init(|| session.user);
    }
    let mut response = see(&away.onward, None);
    response.headers_mut().insert(SET_COOKIE, browser_cookie(Some(value.reveal()))?);
    Ok(response)
}

/// How long ago they may have shown who they are by now: they may take their time there.
fn max_age(away: &Away, now: Timestamp) -> Option<Duration> {
    let took = now.since(Timestamp::from_seconds(away.began));
    away.max_age.map(|it| Duration::from_secs(it).saturating_add(took))
}

/// When somebody showed who they are, of whom the provider says when they did. Who did so on this very errand did so now,
/// whatever the clock of the provider says.
fn authenticated(said: Timestamp, away: &Away, now: Timestamp) -> Timestamp {
    if said + LEEWAY < Timestamp::from_seconds(away.began) { said } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_showed_long_ago_who_they_are_did_not_do_so_now() {
        let (began, now) = (1_790_000_000, Timestamp::from_seconds(1_790_000_030));
        let text = String::new;
        let away = Away { provider: text(), verifier: text(), nonce: text(), onward: text(), max_age: None, began };
        let at = |seconds| Timestamp::from_seconds(seconds);
        assert_eq!(authenticated(at(began - 61), &away, now), at(began - 61));
        for said in [at(began - 60), at(began + 5), at(began + 99)] {
            assert_eq!(authenticated(said, &away, now), now);
        }
    }

    #[test]
    fn how_long_ago_is_counted_from_when_they_set_out() {
        let (began, now) = (1_790_000_000, Timestamp::from_seconds(1_790_000_300));
        let text = String::new;
        let of = |max_age| Away { provider: text(), verifier: text(), nonce: text(), onward: text(), max_age, began };
        for (asked, most) in [(None, None), (Some(0), Some(300)), (Some(60), Some(360))] {
            assert_eq!(max_age(&of(asked), now), most.map(Duration::from_secs), "{asked:?}");
        }
        assert_eq!(max_age(&of(Some(u64::MAX)), now), Some(Duration::MAX), "and nothing overflows");
    }
}
