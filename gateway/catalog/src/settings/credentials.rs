//! The `[credentials]` table of a profile.

use std::time::Duration;

use domain::Scope;
use http::HeaderName;
use toml::de::DeValue;

use super::headers;
use crate::profile::{ApiKeys, BucketKeys, Credentials, Sessions, SigV4};
use crate::written::{Place, Placed, Readable, Section, Unreadable};

/// How far the clock of a caller may be off, unless it is narrowed. Every client of AWS expects no less, and a signature
/// is worth stealing for so long, so that there is no more.
const SKEW: Duration = Duration::from_mins(15);

/// What `[credentials]` says.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) credentials: Credentials,
    pub(crate) prefixes: Vec<Placed<String>>,
    pub(crate) tenant_header: Option<HeaderName>,
    pub(crate) sigv4_place: Option<Place>,
    /// Every scope that it names. Whether they are there is for whoever has read the documents.
    pub(crate) scopes: Vec<Placed<Scope>>,
}

impl Shown {
    /// Reads it; an API without the table takes no credential.
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let Some(section) = root.optional_section("credentials") else { return Some(Self::default()) };
        let api_key = section.optional_section("api_key").map(|it| api_keys(&it));
        let sigv4 = section.optional_section("sigv4");
        let tenant_header = headers::own(&section, "tenant_header");
        let session = section.optional_section("session").map(|it| sessions(&it));
        let bucket_keys = section.optional_section("bucket_keys");
        if let Some(place) = bucket_keys.as_ref().map(Section::place).filter(|_| sigv4.is_none()) {
            section.fault(place, "there are `bucket_keys`, but no `sigv4` by which they could sign");
        }
        let bucket_keys = bucket_keys.map(|it| Some((it.list::<Scope>("read")?, it.list::<Scope>("write")?)));

        let sigv4_place = sigv4.as_ref().map(Section::place);
        let sigv4 = sigv4.map(|it| signatures(&it));
        let (prefixes, imported) = match api_key {
            Some(keys) => keys.map(|(prefixes, imported)| (prefixes, Some(imported)))?,
            None => (Vec::new(), None),
        };
        let bare = || prefixes.iter().map(|it| it.value.clone()).collect();
        let api_key = imported.map(|imported| ApiKeys { prefixes: bare(), imported });
        let sigv4 = match sigv4 {
            Some(sigv4) => Some(sigv4?),
            None => None,
        };
        let session = match session {
            Some(session) => Some(session?),
            None => None,
        };
        let (bucket_keys, scopes) = match bucket_keys {
            Some(written) => {
                let (read, write) = written?;
                let bare = |it: &[Placed<Scope>]| it.iter().map(|it| it.value.clone()).collect();
                let keys = BucketKeys { read: bare(&read), write: bare(&write) };
                (Some(keys), read.into_iter().chain(write).collect())
            }
            None => (None, Vec::new()),
        };
        Some(Self {
            credentials: Credentials { api_key, sigv4, session, bucket_keys },
            scopes,
            tenant_header: tenant_header.map(|it| it.value),
            prefixes,
            sigv4_place,
        })
    }
}

fn signatures(section: &Section<'_>) -> Option<SigV4> {
    let skew = section.optional::<Duration>("skew");
    if let Some(skew) = skew.as_ref().filter(|it| !(Duration::from_secs(1)..=SKEW).contains(&it.value)) {
        section.fault(skew.place, "`skew` is not between one second and 15 minutes");
    }
    let region = section.required::<String>("region")?.value;
    Some(SigV4 { region, skew: skew.map_or(SKEW, |it| it.value) })
}

fn sessions(section: &Section<'_>) -> Option<Sessions> {
    let (access, refresh) = (section.required::<CookieName>("access"), section.required::<CookieName>("refresh"));
    let origins = section.list::<Origin>("origins");
    let (access, refresh) = (access?, refresh?);
    if access.value.0 == refresh.value.0 {
        section.fault(refresh.place, "`access` and `refresh` are one cookie");
    }
    let origins = origins?.into_iter().map(|it| it.value.0).collect();
    Some(Sessions { access: access.value.0, refresh: refresh.value.0, origins })
}

fn api_keys(section: &Section<'_>) -> Option<(Vec<Placed<String>>, bool)> {
    let prefixes = section.list::<String>("prefixes");
    let imported = section.value_or("imported", false);
    let prefixes = prefixes?;
    if prefixes.is_empty() {
        section.fault(section.place(), "`prefixes` is missing or empty: a key could not be told from another");
    }
    for prefix in &prefixes {
        let good = prefix.value.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-');
        if !good || !prefix.value.ends_with('_') {
            let message = format!("`{}` is not the beginning of a key", prefix.value);
            section.fault_with(prefix.place, message, "use letters, digits, `-` and `_`, and end with `_`");
        }
    }
    Some((prefixes, imported))
}

/// A token (RFC 6265 section 4.1.1).
struct CookieName(String);

impl Readable for CookieName {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = String::read(value)?;
        if !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it)) {
            return Ok(Self(text));
        }
        Err(Unreadable::Text(format!("`{text}` is not the name of a cookie")))
    }
}

/// Where pages come from, as browsers spell it (RFC 6454 section 6.2).
struct Origin(String);

impl Readable for Origin {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        let text = String::read(value)?;
        let host = |it: &&str| {
            !it.is_empty()
                && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b".-:[]".contains(&it))
        };
        if text.strip_prefix("https://").as_ref().is_some_and(host) {
            return Ok(Self(text));
        }
        Err(Unreadable::Text(format!("`{text}` is not an origin such as `https://console.example`")))
    }
}
