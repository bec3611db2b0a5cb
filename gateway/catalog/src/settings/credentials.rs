//! The `[credentials]` table of a profile.

use http::HeaderName;

use crate::profile::{ApiKeys, Credentials, SigV4};
use crate::written::{Place, Placed, Section};

/// What `[credentials]` says.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) credentials: Credentials,
    pub(crate) prefixes: Vec<Placed<String>>,
    pub(crate) tenant_header: Option<HeaderName>,
    pub(crate) sigv4_place: Option<Place>,
}

impl Shown {
    /// Reads it; an API without the table takes no credential.
    pub(crate) fn read(root: &Section<'_>) -> Option<Self> {
        let Some(section) = root.optional_section("credentials")? else { return Some(Self::default()) };
        let api_key =
            section.optional_section("api_key").and_then(|it| it.map_or(Some(None), |it| api_keys(&it).map(Some)));
        let sigv4 = section.optional_section("sigv4");
        let tenant_header = section.optional::<HeaderName>("tenant_header");

        let (sigv4, sigv4_place) = match sigv4? {
            None => (None, None),
            Some(section) => {
                let region = section.required::<String>("region");
                (Some(SigV4 { region: region?.value }), Some(section.place()))
            }
        };
        let (prefixes, imported) = api_key?.unzip();
        let prefixes = prefixes.unwrap_or_default();
        let bare = || prefixes.iter().map(|it: &Placed<String>| it.value.clone()).collect();
        let api_key = imported.map(|imported| ApiKeys { prefixes: bare(), imported });
        Some(Self {
            credentials: Credentials { api_key, sigv4 },
            tenant_header: tenant_header?.map(|it| it.value),
            prefixes,
            sigv4_place,
        })
    }
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
    Some((prefixes, imported?))
}
