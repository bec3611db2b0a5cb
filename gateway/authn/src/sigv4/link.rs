//! An address that bears its own signature, for whoever is given it.

use domain::{PathMode, Timestamp};
use http::{HeaderMap, Method};

use super::canonical::{self, Request};
use super::keys::SigningKey;
use super::presented::to_sign;
use super::{ALGORITHM, MAX_LIFETIME, Rules, date};

/// What the bearer of an address may do.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The method.
    pub method: &'a Method,
    /// The host, as it is asked for.
    pub host: &'a str,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// For how many seconds it is good.
    pub seconds: u64,
}

impl Link<'_> {
    /// The address, signed with the secret of an access key. `None` for what nobody could ask for: a path with a dot segment,
    /// or a time that is too long.
    pub(crate) fn signed(&self, (id, secret): (&str, &str), rules: &Rules<'_>, now: Timestamp) -> Option<String> {
        if !(1..=MAX_LIFETIME).contains(&self.seconds) || rules.paths != PathMode::Objects {
            return None;
        }
        let date = date::write(now);
        let scope = [date::day(&date), rules.region, rules.service, "aws4_request"].join("/");
        let query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={id}%2F{}&X-Amz-Date={date}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
            scope.replace('/', "%2F"),
            self.seconds
        );
        let request = Request {
            method: self.method,
            path: self.path,
            query: &query,
            host: self.host.as_bytes(),
            headers: &HeaderMap::new(),
            signed: "host",
            paths: rules.paths,
        };
        let canonical = canonical::write(&request, "UNSIGNED-PAYLOAD")?;
        let key = SigningKey::derive(secret, date::day(&date), rules.region, rules.service);
        let signature = key.sign(&to_sign(&date, &scope, &canonical));
        Some(format!("https://{}{}?{query}&X-Amz-Signature={signature}", self.host, self.path))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RULES: Rules<'static> =
        Rules { region: "in-mum", service: "s3", paths: PathMode::Objects, skew: Duration::from_mins(15) };

    fn link(path: &str, seconds: u64) -> Option<String> {
        let link = Link { method: &Method::GET, host: "s3.cloudnx.in", path, seconds };
        link.signed(("AK", "secret"), &RULES, "2026-01-05T09:00:00Z".parse().unwrap())
    }

    const BOTOCORE: &str = "https://s3.cloudnx.in/prod-assets/a%20b/%C3%BC%2B.png?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AK%2F20260105%2Fin-mum%2Fs3%2Faws4_request&X-Amz-Date=20260105T090000Z&X-Amz-Expires=900\
        &X-Amz-SignedHeaders=host&X-Amz-Signature=81264bcb43546038ad22cb146684aba03a56b1feffee5848af8218d5625ebf03";

    #[test]
    fn the_signature_is_the_one_botocore_makes() {
        // Made with botocore 1.44.5: S3SigV4QueryAuth(Credentials("AK", "secret"), "s3", "in-mum", expires=900).
        let url = link("/prod-assets/a%20b/%C3%BC%2B.png", 900).unwrap();
        assert_eq!(url, BOTOCORE);
    }

    #[test]
    fn what_nobody_could_ask_for_is_not_signed() {
        assert!(link("/b/k", 604_800).is_some());
        for (path, seconds) in [("/b/k", 604_801), ("/b/k", 0), ("/b/a/../k", 900), ("/b/%2E%2E/k", 900), ("b", 900)] {
            assert_eq!(link(path, seconds), None, "{path} {seconds}");
        }
    }
}
