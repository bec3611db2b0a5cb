//! An issuer, asked over HTTP: what it offers, and tokens.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use domain::Timestamp;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::kept::Tokens;
use super::profile::{self, Profile};
use crate::outward::Door;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is encoded in a form: all but RFC 3986's unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An issuer that has said what it offers, and the client that asks it.
pub(crate) struct Issuer {
    profile: Profile,
    name: String,
    client: String,
    offered: Value,
}

/// What an issuer does not do, in its own words (RFC 6749 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer says `{error}`{}", .told.as_deref().map(|it| format!(": {it}")).unwrap_or_default())]
pub(crate) struct Refusal {
    /// The word for it.
    pub(crate) error: String,
    told: Option<String>,
}

impl Issuer {
    /// The one that a profile names, as far as it says so itself.
    pub(crate) async fn discover(profile: &Profile) -> anyhow::Result<Self> {
        let name = profile.issuer.clone().context("which issuer? help: `--issuer https://...`")?;
        let client = profile.client.clone().context("which client? help: `--client cli_...`")?;
        let issuer = Self { profile: profile.clone(), client, offered: Value::Null, name };
        let told = issuer.get(&format!("{}/.well-known/openid-configuration", issuer.name)).await?;
        let offered: Value = serde_json::from_slice(&told).context("what the issuer offers is no JSON")?;
        // Else one issuer could speak for another (RFC 8414 section 3.3).
        ensure!(
            offered.get("issuer").and_then(Value::as_str) == Some(&issuer.name),
            "`{}` says it is another",
            issuer.name
        );
        Ok(Self { offered, ..issuer })
    }

    /// What it calls itself.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Who asks it.
    pub(crate) fn client(&self) -> &str {
        &self.client
    }

    /// The keys by which its tokens are known.
    pub(crate) async fn keys(&self) -> anyhow::Result<Bytes> {
        self.get(&self.place("jwks_uri")?).await
    }

    /// Where something is that it offers.
    pub(crate) fn place(&self, name: &str) -> anyhow::Result<String> {
        let place = self.offered.get(name).and_then(Value::as_str);
        let place = place.with_context(|| format!("`{}` offers no `{name}`", self.name))?;
        profile::address(place).map_err(anyhow::Error::msg)
    }

    /// Sends a form there: what it answers, or what it says is wrong.
    pub(crate) async fn post(&self, name: &str, fields: &[(&str, &str)]) -> anyhow::Result<Result<Value, Refusal>> {
        let place = self.place(name)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let told = self.door(&place)?.post(headers, form(fields).into(), PATIENCE).await;
        let told = told.with_context(|| place.clone())?;
        read(&told).with_context(|| place)
    }

    /// The tokens that it gives for this.
    pub(crate) async fn tokens(
        &self,
        fields: &[(&str, &str)],
        now: Timestamp,
    ) -> anyhow::Result<Result<Tokens, Refusal>> {
        let told = match self.post("token_endpoint", fields).await? {
            Ok(told) => told,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
        let lasts = told.get("expires_in").and_then(Value::as_i64).unwrap_or_default();
        ensure!(
            text("token_type").is_some_and(|it| it.eq_ignore_ascii_case("bearer")),
            "the issuer gives tokens of a kind that is not known here"
        );
        Ok(Ok(Tokens {
            issuer: self.name.clone(),
            client: self.client.clone(),
            access: text("access_token").context("the issuer gave no access token")?,
            expires: now.seconds() + lasts,
            refresh: text("refresh_token"),
        }))
    }

    async fn get(&self, place: &str) -> anyhow::Result<Bytes> {
        let told = self.door(place)?.get(PATIENCE).await.with_context(|| place.to_owned())?;
        ensure!(told.status() == StatusCode::OK, "`{place}` answers {}", told.status());
        Ok(told.into_body())
    }

    fn door(&self, place: &str) -> anyhow::Result<Door> {
        let url: Uri = place.parse()?;
        Ok(Door::of(&url, self.profile.ca.as_deref())?.by(self.profile.connect))
    }
}

fn read(told: &Response<Bytes>) -> anyhow::Result<Result<Value, Refusal>> {
    // An answer with nothing in it is one too (RFC 7009 section 2.2).
    let body = if told.body().is_empty() { Ok(Value::Null) } else { serde_json::from_slice(told.body()) };
    let body: Value = body.with_context(|| format!("the answer is {} and no JSON", told.status()))?;
    if told.status().is_success() {
        return Ok(Ok(body));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(|it| it.escape_debug().take(200).collect());
    let error = text("error").with_context(|| format!("the answer is {}", told.status()))?;
    Ok(Err(Refusal { error, told: text("error_description") }))
}

/// Parameters, as a form has them.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, ENCODED));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Response<Bytes> {
        Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn what_an_issuer_refuses_is_said_in_its_words_and_harmless_in_a_terminal() {
        let told = read(&answer(400, r#"{"error":"slow_down","error_description":"wait \u001b[31m"}"#)).unwrap();
        let refusal = told.unwrap_err();
        assert_eq!(refusal.error, "slow_down");
        assert_eq!(refusal.to_string(), "the issuer says `slow_down`: wait \\u{1b}[31m");
        assert_eq!(read(&answer(200, "")).unwrap(), Ok(Value::Null));
        assert!(read(&answer(502, "<html>")).is_err() && read(&answer(400, "{}")).is_err());
        assert_eq!(form(&[("a", "b c&d=\u{e9}"), ("e", "~")]), "a=b%20c%26d%3D%C3%A9&e=~");
    }
}
