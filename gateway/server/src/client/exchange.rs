//! A token for an access key, from the API that the key is for.

use std::time::Duration;

use anyhow::{Context as _, bail};
use domain::Timestamp;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use serde_json::{Value, json};

use super::kept::Exchanged;
use super::profile::Profile;
use crate::outward::Door;

/// Where it is had, at the origin of the API.
const PLACE: &str = "/auth/iam/exchange-credentials";

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn exchange(
    profile: &Profile,
    (id, secret): (&str, &str),
    now: Timestamp,
) -> anyhow::Result<Exchanged> {
    let base = profile.base_url.as_ref().or(profile.issuer.as_ref());
    let base = base.context("where is the API? help: `portcullis configure --base-url https://...`")?;
    let place = place(base)?;
    let door = Door::of(&place, profile.ca.as_deref())?.by(profile.connect);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = json!({ "access_key_id": id, "secret_access_key": secret }).to_string();
    let told = door.post(headers, body.into(), PATIENCE).await.with_context(|| place.to_string())?;
    match told.status() {
        StatusCode::OK => read(told.body(), now).with_context(|| format!("`{place}` gave no token")),
        StatusCode::UNAUTHORIZED => bail!("the API does not take the access key; help: `portcullis configure`"),
        StatusCode::NOT_FOUND => bail!("there is no `{place}`: the API exchanges no access keys"),
        other => bail!("`{place}` answers {other}"),
    }
}

/// At the origin, whatever the paths of the profile begin with.
fn place(base: &str) -> anyhow::Result<Uri> {
    let mut parts = base.parse::<Uri>()?.into_parts();
    parts.path_and_query = Some(PLACE.parse()?);
    Ok(Uri::from_parts(parts)?)
}

fn read(body: &[u8], now: Timestamp) -> Option<Exchanged> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let is_bearer = body.get("token_type")?.as_str()?.eq_ignore_ascii_case("bearer");
    let lasts = body.get("expires_in")?.as_i64()?;
    let access = body.get("access_token")?.as_str()?.to_owned();
    is_bearer.then(|| Exchanged { access, expires: now.seconds().saturating_add(lasts) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_had_at_the_origin_and_is_a_bearer_that_ends() {
        for base in ["https://cloudnx.in", "https://cloudnx.in/compute", "https://cloudnx.in/a/b"] {
            assert_eq!(place(base).unwrap(), "https://cloudnx.in/auth/iam/exchange-credentials");
        }
        let now = Timestamp::from_seconds(1_000);
        let good = br#"{"access_token":"a.b.c","token_type":"Bearer","expires_in":900}"#;
        let told = read(good, now).unwrap();
        assert_eq!((told.access.as_str(), told.expires), ("a.b.c", 1_900));
        for bad in [
            "",
            "{}",
            r#"{"access_token":"a","token_type":"mac","expires_in":900}"#,
            r#"{"access_token":"a","token_type":"Bearer"}"#,
            r#"{"access_token":7,"token_type":"Bearer","expires_in":900}"#,
        ] {
            assert!(read(bad.as_bytes(), now).is_none(), "{bad}");
        }
    }
}
