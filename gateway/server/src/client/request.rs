//! One request to an API, with what a profile asks with: a token or an API key as it is, an access key by a signature.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use authn::sigv4::{Outgoing, Signer};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use domain::{PathMode, Timestamp};
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use zeroize::Zeroizing;

use super::kept::{Credential, Held};
use super::profile::{self, Profile};
use crate::outward::Door;

/// What an access key signs for where the profile says nothing: what cloudnx calls itself.
const REGION: &str = "in-mum";
const SERVICE: &str = "cloudnx";

/// The service whose paths are names of objects, and are signed as they are.
const OBJECTS: &str = "s3";

/// How long an answer may take, and how much of it is read.
const PATIENCE: Duration = Duration::from_mins(2);
const LONGEST: usize = 64 * 1024 * 1024;

/// What is asked.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) place: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Where a request goes: to a path at the API of the profile, or to a whole address.
pub(crate) fn place(profile: &Profile, target: &str) -> anyhow::Result<Uri> {
    let whole = if target.starts_with('/') {
        let base = profile.base_url.as_deref();
        format!("{}{target}", base.context("where is the API? help: `portcullis configure --base-url https://...`")?)
    } else {
        target.to_owned()
    };
    // What stands in the query is the caller's own matter, and all before it must be heard by nobody else.
    let bare = whole.split(['?', '#']).next().unwrap_or_default();
    profile::address(bare).map_err(anyhow::Error::msg)?;
    ensure!(!whole.contains('#'), "an address that is asked has no `#`; help: write it `%23`");
    whole.parse().context("that is no address; help: encode what is not plain, such as a space as `%20`")
}

/// Asks, and reads the whole answer. What others asked with the same profile meanwhile waits no longer than a token takes
/// to be fetched.
pub(crate) async fn send(
    mut asked: Asked,
    mut held: Held,
    profile: &Profile,
    now: Timestamp,
) -> anyhow::Result<Response<Bytes>> {
    ensure!(
        !asked.headers.contains_key(AUTHORIZATION) && !asked.headers.contains_key(HOST),
        "what is asked with and who is asked the profile and the address say; help: leave out the header"
    );
    if is_own(profile, &asked.place) {
        name_account(profile, &mut asked.headers)?;
    }
    let door = Door::whole(&asked.place, profile.ca.as_deref())?.by(profile.connect);
    if let Some(Credential::AccessKey { id, secret, .. }) = held.credential() {
        let signer = signer(profile, (id, secret));
        sign(&signer, profile, &mut asked, &door.host(), now)?;
    } else {
        // Whoever is shown it has it. A signature is of no use to anybody else.
        ensure!(
            is_own(profile, &asked.place),
            "the profile is not for `{}`: nobody there is shown what it asks with",
            door.host()
        );
        let shown = Zeroizing::new(format!("Bearer {}", super::current(&mut held, profile, now).await?));
        let mut shown = HeaderValue::from_str(&shown).context("what the profile asks with fits no header")?;
        shown.set_sensitive(true);
        asked.headers.insert(AUTHORIZATION, shown);
    }
    drop(held);
    let Asked { method, headers, body, place } = asked;
    let told = door.ask(method, headers, body, (PATIENCE, LONGEST)).await;
    told.with_context(|| place.authority().map_or_else(String::new, ToString::to_string))
}

fn signer(profile: &Profile, (id, secret): (&str, &str)) -> Signer {
    let region = profile.region.as_deref().unwrap_or(REGION).to_owned();
    let service = profile.service.as_deref().unwrap_or(SERVICE).to_owned();
    Signer::new(id.to_owned(), Zeroizing::new(secret.to_owned()), region, service)
}

fn sign(signer: &Signer, profile: &Profile, asked: &mut Asked, host: &str, now: Timestamp) -> anyhow::Result<()> {
    let objects = profile.service.as_deref() == Some(OBJECTS);
    let payload = hex::encode(digest(&SHA256, &asked.body));
    let outgoing = Outgoing {
        method: &asked.method,
        host,
        path: asked.place.path(),
        query: asked.place.query().unwrap_or_default(),
        payload: &payload,
        paths: if objects { PathMode::Objects } else { PathMode::Api },
    };
    match signer.sign(&outgoing, &mut asked.headers, now) {
        Ok(()) => Ok(()),
        Err(_) => bail!("the address cannot be signed; help: leave out `.` and `..`, and encode what is not plain"),
    }
}

/// Says which account is meant, where the API wants to hear of it and nothing was said.
fn name_account(profile: &Profile, headers: &mut HeaderMap) -> anyhow::Result<()> {
    let (Some(account), Some(name)) = (&profile.account, &profile.account_header) else { return Ok(()) };
    let name: HeaderName = name.parse().context("the header of the account is none")?;
    let account = HeaderValue::from_str(account).context("the account fits no header")?;
    headers.entry(name).or_insert(account);
    Ok(())
}

/// Whether somebody is asked whom the profile means.
fn is_own(profile: &Profile, place: &Uri) -> bool {
    let same = |it: &String| {
        let own: Option<Uri> = it.parse().ok();
        own.is_some_and(|own| own.scheme() == place.scheme() && own.authority() == place.authority())
    };
    profile.base_url.iter().chain(&profile.issuer).any(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile { base_url: Some("https://a.example/v2".into()), ..Profile::default() }
    }

    #[test]
    fn a_path_is_at_the_api_of_the_profile_and_an_address_is_heard_by_nobody_else() {
        let read = |it: &str| place(&profile(), it).map(|it| it.to_string());
        assert_eq!(read("/x?a=b%20c").unwrap(), "https://a.example/v2/x?a=b%20c");
        assert_eq!(read("https://b.example/y").unwrap(), "https://b.example/y");
        for bad in ["http://b.example/", "https://u:p@b.example/", "/x y", "/x#y", "x", "ftp://b.example/"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(place(&Profile::default(), "/x").is_err());
    }

    #[test]
    fn what_is_shown_as_it_is_nobody_is_shown_whom_the_profile_does_not_mean() {
        let profile = Profile { issuer: Some("https://i.example".into()), ..profile() };
        let own = |it: &str| is_own(&profile, &it.parse().unwrap());
        assert!(own("https://a.example/x") && own("https://A.EXAMPLE/v2") && own("https://i.example/x"));
        for other in
            ["https://evil.example/v2", "https://a.example.evil/", "https://a.example:444/", "http://a.example/"]
        {
            assert!(!own(other), "{other}");
        }
    }

    #[test]
    fn the_account_is_named_where_the_api_wants_to_hear_of_it_and_not_against_what_was_said() {
        let (account, header) = (Some("tnt_1".to_owned()), Some("x-account".to_owned()));
        let named = |profile: &Profile, said: Option<&'static str>| {
            let mut headers: HeaderMap =
                said.into_iter().map(|it| ("x-account".parse().unwrap(), it.parse().unwrap())).collect();
            name_account(profile, &mut headers).unwrap();
            headers.get("x-account").map(|it| it.to_str().unwrap().to_owned())
        };
        let whole = Profile { account: account.clone(), account_header: header, ..profile() };
        assert_eq!(named(&whole, None).as_deref(), Some("tnt_1"));
        assert_eq!(named(&whole, Some("tnt_2")).as_deref(), Some("tnt_2"));
        assert_eq!(named(&Profile { account, ..profile() }, None), None);
        let broken = Profile { account: Some("a\nb".into()), ..whole };
        assert!(name_account(&broken, &mut HeaderMap::new()).is_err());
    }

    #[test]
    fn an_access_key_signs_for_what_the_profile_says_and_for_this_request() {
        let signed = |profile: &Profile, body: &'static str, host: &str| {
            let place = "https://a.example/v2/x?b=1".parse().unwrap();
            let body = Bytes::from_static(body.as_bytes());
            let mut asked = Asked { method: Method::POST, place, headers: HeaderMap::new(), body };
            let signer = signer(profile, ("AKIDEXAMPLE", "secret"));
            sign(&signer, profile, &mut asked, host, Timestamp::from_seconds(1_790_000_000)).unwrap();
            asked.headers[AUTHORIZATION].to_str().unwrap().to_owned()
        };
        let usual = signed(&profile(), "{}", "a.example");
        assert!(
            usual.contains("/in-mum/cloudnx/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date"),
            "{usual}"
        );
        let objects = Profile { service: Some("s3".into()), region: Some("us-east-1".into()), ..profile() };
        assert!(signed(&objects, "{}", "a.example").contains("/us-east-1/s3/aws4_request"));
        for other in [signed(&profile(), "{ }", "a.example"), signed(&profile(), "{}", "b.example")] {
            assert_ne!(other, usual);
        }
        assert!(!usual.contains("secret"));
    }
}
