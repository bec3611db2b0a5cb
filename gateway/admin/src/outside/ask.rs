//! What a provider is asked, and what it must answer.

use std::sync::Arc;
use std::time::Duration;

use authn::token::{Expected, KeySet, OutsideToken, id_token, named_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::{Elsewhere, Provider};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::known::{Next, Seldom};
use super::metadata::{BadMetadata, place_of_keys};
use super::page::Stop;
use super::{Errand, Metadata, Reply, algs, rules};
use crate::oauth::{Act, Turned, encoded, query};

/// What a code was good for. It has no `Debug`.
pub(super) struct Tokens {
    pub(super) id_token: String,
    access_token: Option<String>,
}

/// What was sent along, and must fit what comes back.
pub(super) struct Sent<'a> {
    pub(super) code: &'a str,
    pub(super) verifier: &'a str,
    pub(super) way_back: &'a str,
}

impl Act<'_> {
    /// What a provider says of itself.
    pub(crate) async fn metadata(&self, provider: &Provider) -> Result<Arc<Metadata>, Stop> {
        let known = self.operations.outside.of(provider.elsewhere());
        // Whoever comes meanwhile waits for the one answer.
        let mut known = known.lock().await;
        self.said(&mut known.metadata, provider.elsewhere(), Metadata::read).await
    }

    /// The key of this name, as whoever vouches for workloads has it now, among all of theirs.
    pub(crate) async fn keys_of_issuer(&self, issuer: Elsewhere<'_>, kid: &str) -> Result<Arc<KeySet>, Stop> {
        let place = {
            let known = self.operations.outside.of(issuer);
            let mut known = known.lock().await;
            self.said(&mut known.place, issuer, place_of_keys).await?
        };
        self.keys(issuer, &place, kid).await
    }

    /// What somebody says of themselves, as far as `read` understands it.
    async fn said<T>(
        &self,
        known: &mut Seldom<T>,
        elsewhere: Elsewhere<'_>,
        read: impl Fn(&[u8], Elsewhere<'_>) -> Result<T, BadMetadata>,
    ) -> Result<Arc<T>, Stop> {
        let now = self.books().clock().tick();
        match known.next(now) {
            Next::Use(said) => return Ok(said),
            Next::Nothing => return Err(Stop::Unreachable),
            Next::Ask => {}
        }
        let found = match self.asked(elsewhere, &Metadata::place(elsewhere), None, None).await {
            Ok(reply) => read(&reply.body, elsewhere).map_err(|cause| silent(elsewhere, &cause)),
            Err(cause) => Err(cause),
        };
        match found {
            Ok(said) => Ok(known.took(said, self.books().clock().tick())),
            Err(cause) => known.usable(now).ok_or(cause),
        }
    }

    /// The keys of somebody, for a token that names this one.
    pub(super) async fn keys(&self, elsewhere: Elsewhere<'_>, place: &str, kid: &str) -> Result<Arc<KeySet>, Stop> {
        let known = self.operations.outside.of(elsewhere);
        let mut known = known.lock().await;
        let now = self.books().clock().tick();
        match known.keys.next(kid, now) {
            Next::Use(set) => return Ok(set),
            Next::Nothing => return Err(Stop::Unreachable),
            Next::Ask => {}
        }
        let found = match self.asked(elsewhere, place, None, None).await {
            Ok(reply) => KeySet::from_outside(&reply.body).map_err(|cause| silent(elsewhere, &cause)),
            Err(cause) => Err(cause),
        };
        match found {
            Ok(set) => known.keys.took(set, kid, self.books().clock().tick()).ok_or(Stop::Unreachable),
            Err(cause) => known.keys.usable(now).ok_or(cause),
        }
    }

    /// What a code is good for.
    pub(super) async fn redeemed(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        sent: &Sent<'_>,
    ) -> Result<Tokens, Turned> {
        let secret = self.identity().provider_secret(provider)?;
        let secret = String::from_utf8_lossy(&secret);
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", sent.code),
            ("redirect_uri", sent.way_back),
            ("code_verifier", sent.verifier),
        ];
        let mut shown = None;
        if metadata.posts_secret {
            form.extend([("client_id", provider.client.as_str()), ("client_secret", &*secret)]);
        } else {
            let pair = Zeroizing::new(format!("{}:{}", encoded(&provider.client), encoded(&secret)));
            shown = Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes()))));
        }
        let form = Zeroizing::new(query(&form));
        let shown = shown.as_ref().map(|it| it.as_str());
        let reply = self.asked(provider.elsewhere(), &metadata.token, shown, Some(&form)).await?;
        let said: Map<String, Value> =
            serde_json::from_slice(&reply.body).map_err(|_| Stop::Unbelieved("no_tokens"))?;
        let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
        let id_token = text("id_token").ok_or(Stop::Unbelieved("no_id_token"))?;
        Ok(Tokens { id_token, access_token: text("access_token") })
    }

    /// Who the user is, by a token that answers what was sent.
    pub(super) async fn verified(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        tokens: &Tokens,
        expected: (&str, Option<Duration>),
    ) -> Result<OutsideToken, Stop> {
        let kid = named_key(&tokens.id_token).ok_or(Stop::Unbelieved("token_malformed"))?;
        let keys = self.keys(provider.elsewhere(), &metadata.jwks, &kid).await?;
        // It was fetched from the provider itself just now: one that signs with a key of which it does not tell is not well.
        if !keys.has(&kid) {
            return Err(silent(provider.elsewhere(), &"signs with a key that it does not publish"));
        }
        let (nonce, max_age) = expected;
        let expected = Expected { nonce, access_token: tokens.access_token.as_deref(), max_age };
        let (algs, now) = (algs(provider), self.books().clock().now().wall);
        let judged = id_token(&tokens.id_token, rules(provider, &algs), &keys, expected, now);
        judged.map_err(|cause| Stop::Unbelieved(cause.reason()))
    }

    /// What else is told of the user; what the ID token says goes before.
    pub(super) async fn told_of(
        &self,
        provider: &Provider,
        metadata: &Metadata,
        tokens: &Tokens,
        token: &mut OutsideToken,
    ) -> Result<(), Stop> {
        let (Some(place), Some(access)) = (&metadata.userinfo, &tokens.access_token) else { return Ok(()) };
        let shown = Zeroizing::new(format!("Bearer {access}"));
        let reply = self.asked(provider.elsewhere(), place, Some(&shown), None).await?;
        // Some sign it. Then it is not needed where the ID token says enough, and not gone by where it does not.
        let Ok(said) = serde_json::from_slice::<Map<String, Value>>(&reply.body) else { return Ok(()) };
        if said.get("sub").and_then(Value::as_str) != Some(&token.subject) {
            return Err(Stop::Unbelieved("userinfo_of_another"));
        }
        for (name, value) in said {
            token.claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    async fn asked(
        &self,
        elsewhere: Elsewhere<'_>,
        url: &str,
        authorization: Option<&str>,
        form: Option<&str>,
    ) -> Result<Reply, Stop> {
        let errand = Errand { url, ca: elsewhere.ca, private: elsewhere.private, authorization, form };
        let reply = self.books().messenger().ask(errand).await.map_err(|cause| silent(elsewhere, &cause))?;
        match reply.status {
            200 => Ok(reply),
            // It has understood, and does not believe what it was shown.
            400..=403 if authorization.is_some() || form.is_some() => {
                tracing::warn!(
                    provider = elsewhere.named,
                    status = reply.status,
                    "a provider elsewhere refuses what it is shown"
                );
                Err(Stop::Unbelieved("refused_there"))
            }
            other => Err(silent(elsewhere, &format!("answered {other}"))),
        }
    }
}

/// Nothing came of asking a provider. Why is for whoever operates this.
fn silent(elsewhere: Elsewhere<'_>, cause: &dyn std::fmt::Display) -> Stop {
    tracing::warn!(provider = elsewhere.named, %cause, "a provider elsewhere does not answer as it should");
    Stop::Unreachable
}
