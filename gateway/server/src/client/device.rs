//! Signing in by a code that is typed somewhere else (RFC 8628).

use std::time::Duration;

use anyhow::{Context as _, bail};
use domain::{Clock as _, SystemClock};
use serde_json::Value;
use tokio::time::sleep;

use super::issuer::Issuer;
use super::kept::Tokens;
use crate::commands::remark;

/// By how much longer to wait once the issuer says that it is asked too often.
const LONGER: u64 = 5;

/// The longest that is waited for one answer, whatever an issuer says.
const LONGEST: u64 = 60;

pub(super) async fn sign_in(issuer: &Issuer, scopes: Option<&str>) -> anyhow::Result<Tokens> {
    let scope = scopes.map(|it| ("scope", it));
    let fields: Vec<(&str, &str)> = [("client_id", issuer.client())].into_iter().chain(scope).collect();
    let begun = issuer.post("device_authorization_endpoint", &fields).await??;
    let text = |name: &str| begun.get(name).and_then(Value::as_str).filter(|it| !it.contains(char::is_control));
    let number = |name: &str, otherwise| begun.get(name).and_then(Value::as_u64).unwrap_or(otherwise);
    let device = text("device_code").context("the issuer gave no code")?;
    let (code, place) = text("user_code").zip(text("verification_uri")).context("the issuer gave no code")?;
    let minutes = number("expires_in", 0) / 60;
    remark(&format!("open {place} and type the code {code} there, within {minutes} min"));
    if let Some(complete) = text("verification_uri_complete") {
        remark(&format!("or open {complete}, and make certain that it shows this code"));
    }
    let mut interval = number("interval", LONGER).min(LONGEST);
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device),
        ("client_id", issuer.client()),
    ];
    let clock = SystemClock::new();
    loop {
        sleep(Duration::from_secs(interval)).await;
        match issuer.tokens(&fields, clock.now().wall).await? {
            Ok(tokens) => return Ok(tokens),
            Err(refusal) => match refusal.error.as_str() {
                "authorization_pending" => {}
                "slow_down" => interval = (interval + LONGER).min(LONGEST),
                "access_denied" => bail!("it was denied"),
                "expired_token" => bail!("nobody has typed the code in time"),
                _ => return Err(refusal.into()),
            },
        }
    }
}
