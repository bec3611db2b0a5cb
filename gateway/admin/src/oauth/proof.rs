//! How a client shows that it is the one: by one method a request, and by the one that it was made with.

use authn::token::{KeySet, assertion, claimed_subject};
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Moment, NativeVerb};
use identity::{Client, ClientAuth};

use super::form::decoded;
use super::{Act, Code, Fault, Form, Turned};

/// What an assertion must be said to be (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Whatever was wrong, a client is told no more.
pub(super) const FAILED: Fault = Fault { code: Code::InvalidClient, told: "client authentication failed" };

/// What a client shows. It has no `Debug`.
struct Shown {
    client: String,
    proof: Proof,
}

enum Proof {
    Secret(ClientAuth, String),
    Assertion(String),
    Nothing,
}

impl Act<'_> {
    /// The client that asks, which has shown that it is the one.
    pub(crate) async fn client(&mut self, form: &Form) -> Result<Client, Turned> {
        let shown = self.shown(form)?;
        let now = self.books().clock().now();
        let Some(client) = self.identity().client(&shown.client).await? else {
            return Err(self.failed(now, "there is no such client"));
        };
        if client.api != self.offered.api {
            return Err(self.failed(now, "it is a client of another API"));
        }
        self.about = Some(client.grant.clone());
        match self.proven(&client, &shown.proof, now).await? {
            Ok(()) => Ok(client),
            Err(why) => Err(self.failed(now, why)),
        }
    }

    /// The same, of a client that must be able to keep a secret.
    pub(crate) async fn confidential(&mut self, form: &Form) -> Result<Client, Turned> {
        let client = self.client(form).await?;
        let now = self.books().clock().now();
        if client.is_public() { Err(self.failed(now, "it keeps no secret")) } else { Ok(client) }
    }

    /// Counts it against the address. Not against the client: its secret cannot be guessed, and others could shut it out.
    fn failed(&self, now: Moment, why: &'static str) -> Turned {
        self.books().limiter().failed_credential(self.question.introduction.source, now.tick);
        tracing::debug!(why, "a client is not believed");
        FAILED.into()
    }

    async fn proven(&self, client: &Client, proof: &Proof, now: Moment) -> Result<Result<(), &'static str>, Turned> {
        let keyring = self.books().keyring();
        let tenant_stands = keyring.by_id(&client.grant).is_some_and(|it| !it.standing().suspended);
        if client.suspended.is_some() || !tenant_stands {
            return Ok(Err("it is suspended"));
        }
        Ok(match proof {
            Proof::Secret(method, secret) if *method == client.method => {
                let good = self.identity().is_secret_of(client, secret, now.wall)?;
                if good { Ok(()) } else { Err("it is not its secret") }
            }
            Proof::Assertion(text) if client.method == ClientAuth::PrivateKeyJwt => {
                self.asserted(client, text, now).await?
            }
            Proof::Nothing if client.is_public() => Ok(()),
            Proof::Secret(..) | Proof::Assertion(_) | Proof::Nothing => Err("it was made with another method"),
        })
    }

    /// Whether an assertion holds that was not used before.
    async fn asserted(&self, client: &Client, text: &str, now: Moment) -> Result<Result<(), &'static str>, Turned> {
        let Ok(keys) = KeySet::from_json(client.keys.as_deref().unwrap_or_default().as_bytes()) else {
            return Ok(Err("its keys cannot be read"));
        };
        // Meant for the issuer, for where tokens are, or for where it is shown (RFC 9126 section 2).
        let verbs = [NativeVerb::CreateToken, self.question.introduction.verb];
        let places = verbs.iter().filter_map(|it| self.place(*it)).map(str::to_owned);
        let audiences: Vec<String> = places.chain([self.offered.issuer.clone()]).collect();
        let asserted = match assertion(text, &client.id, &keys, &audiences, now.wall) {
            Ok(asserted) => asserted,
            Err(why) => {
                tracing::debug!(%why, client = client.id, "an assertion does not hold");
                return Ok(Err("its assertion does not hold"));
            }
        };
        let fresh = self.identity().use_assertion(client, &asserted.jti, asserted.ends).await?;
        Ok(if fresh { Ok(()) } else { Err("its assertion was used before") })
    }

    /// What is shown, in one place.
    fn shown(&self, form: &Form) -> Result<Shown, Turned> {
        let basic = self.question.headers.get_all(AUTHORIZATION).iter().count();
        let (secret, asserted) = (form.has("client_secret"), form.has("client_assertion"));
        if basic + usize::from(secret) + usize::from(asserted) > 1 {
            return Err(Fault::new(Code::InvalidRequest, "a client authenticates in one way").into());
        }
        let named = form.get("client_id");
        if basic == 1 {
            let (client, secret) = self.basic().ok_or(FAILED)?;
            if named.is_some_and(|it| it != client) {
                return Err(Fault::new(Code::InvalidRequest, "`client_id` names another client").into());
            }
            return Ok(Shown { client, proof: Proof::Secret(ClientAuth::ClientSecretBasic, secret) });
        }
        if let Some(text) = form.get("client_assertion") {
            if form.get("client_assertion_type") != Some(JWT_BEARER) {
                return Err(Fault::new(Code::InvalidRequest, "`client_assertion_type` is not one that is taken").into());
            }
            let client = claimed_subject(text).ok_or(FAILED)?;
            if named.is_some_and(|it| it != client) {
                return Err(Fault::new(Code::InvalidRequest, "`client_id` names another client").into());
            }
            return Ok(Shown { client, proof: Proof::Assertion(text.to_owned()) });
        }
        let client = named.ok_or(FAILED)?.to_owned();
        let proof = form
            .get("client_secret")
            .map_or(Proof::Nothing, |it| Proof::Secret(ClientAuth::ClientSecretPost, it.to_owned()));
        Ok(Shown { client, proof })
    }

    /// Client and secret out of `Authorization: Basic`, each encoded as in a form (RFC 6749 section 2.3.1).
    fn basic(&self) -> Option<(String, String)> {
        let line = self.question.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, rest) = line.split_once(' ')?;
        let text = STANDARD.decode(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let (client, secret) = std::str::from_utf8(&text).ok()?.split_once(':')?;
        Some((decoded(client)?, decoded(secret)?))
    }
}
