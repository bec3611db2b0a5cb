//! Who a service account is elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clients::redirect;

/// The longest there can be, in bytes.
const LONGEST: usize = 512;

/// Somebody that another issuer vouches for: `https://issuer.example#subject`. An issuer has no fragment (OpenID Connect
/// Discovery 1.0, section 2), so that the first `#` is where the subject begins. A subject that ends with `:*` or `/*` stands
/// for all that begin so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkloadIdentity(String);

/// A text that names nobody elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no workload identity; help: write its issuer, `#` and its subject, such as `https://issuer.example#build`"
)]
pub struct BadWorkload(String);

impl FromStr for WorkloadIdentity {
    type Err = BadWorkload;

    fn from_str(text: &str) -> Result<Self, BadWorkload> {
        let bad = || BadWorkload(domain::keyformat::without_keys(text).escape_debug().take(100).collect());
        let (issuer, subject) = text.split_once('#').ok_or_else(bad)?;
        let host = issuer.strip_prefix("https://").unwrap_or_default();
        // On this very machine nobody listens in.
        let named = !host.is_empty() || redirect::is_good(issuer);
        let plain = text.len() <= LONGEST && text.bytes().all(|it| it.is_ascii_graphic());
        let keyless = domain::keyformat::without_keys(text) == text;
        // Where a part of a name could be the whole of another, nobody could tell whom it stands for.
        let open = subject.strip_suffix('*');
        let bounded = open.is_none_or(|it| it.len() > 1 && it.ends_with([':', '/']));
        let clear = bounded && !open.unwrap_or(subject).contains('*');
        if plain && keyless && clear && named && !subject.is_empty() { Ok(Self(text.to_owned())) } else { Err(bad()) }
    }
}

impl WorkloadIdentity {
    /// Who vouches for it.
    pub fn issuer(&self) -> &str {
        self.0.split_once('#').map_or("", |(issuer, _)| issuer)
    }

    /// Whether it stands for this subject of its issuer.
    pub fn stands_for(&self, subject: &str) -> bool {
        let own = self.0.split_once('#').map_or("", |(_, own)| own);
        match own.strip_suffix('*') {
            Some(begin) => begin.len() < subject.len() && subject.starts_with(begin),
            None => own == subject,
        }
    }
}

impl TryFrom<String> for WorkloadIdentity {
    type Error = BadWorkload;

    fn try_from(text: String) -> Result<Self, BadWorkload> {
        text.parse()
    }
}

impl From<WorkloadIdentity> for String {
    fn from(it: WorkloadIdentity) -> Self {
        it.0
    }
}

impl fmt::Display for WorkloadIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_very_same_or_begins_with_whole_parts() {
        let of = |it: &str| format!("https://a.example#{it}").parse::<WorkloadIdentity>().unwrap();
        assert_eq!(of("repo:acme/app:*").issuer(), "https://a.example");
        assert!(of("repo:acme/app:main").stands_for("repo:acme/app:main"));
        assert!(!of("repo:acme/app:main").stands_for("repo:acme/app:main2"));
        let all = of("repo:acme/app:*");
        assert!(all.stands_for("repo:acme/app:ref:refs/heads/main"));
        for other in ["repo:acme/app", "repo:acme/app:", "repo:acme/apple:x", "x:repo:acme/app:main", ""] {
            assert!(!all.stands_for(other), "{other}");
        }
    }

    #[test]
    fn a_workload_identity_is_an_issuer_and_a_subject() {
        let good = "https://token.actions.example/#repo:acme/app:ref:refs/heads/main#1";
        assert_eq!(good.parse::<WorkloadIdentity>().unwrap().to_string(), good);
        let long = format!("https://issuer.example#{}", "x".repeat(LONGEST));
        for bad in
            ["", "#", "https://#a", "https://a#", "http://a#b", "https://a", "https://a#b c", "https://a#é", &long]
                .into_iter()
                .chain(["https://a#*", "https://a#:*", "https://a#b*", "https://a#b:*:c", "https://a#b:**"])
        {
            assert!(bad.parse::<WorkloadIdentity>().is_err(), "{bad}");
        }
        let key = domain::keyformat::write("nsx_live_", &mut [7; 32]);
        let told = format!("https://a#{key}").parse::<WorkloadIdentity>().unwrap_err().to_string();
        assert!(!told.contains(&key), "{told}");
    }
}
