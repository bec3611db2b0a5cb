//! Versions of an API that are on their way out, or gone.
//!
//! Words the headers once, at load: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and links to what comes next. Who asks
//! brings the time.

use std::path::Path;
use std::sync::Arc;

use domain::{Fault, NormalPath, Operation, Timestamp, Told};
use http::header::LINK;
use http::{HeaderName, HeaderValue};

use crate::written::{Place, Section};

/// When the version stopped being recommended (RFC 9745).
pub const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");

/// When the version stops answering (RFC 8594).
pub const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// A version of an API with an end in sight.
#[derive(Clone, Debug)]
pub struct VersionNotice {
    /// What the operator calls it: `v1`.
    pub name: String,
    /// The beginning of its paths, whole segments: `/v1`.
    pub prefix: String,
    /// From when its answers say so.
    pub deprecated_at: Timestamp,
    /// The last second in which it is answered; `None` while nobody has set one.
    pub sunset_at: Option<Timestamp>,
    /// What takes its place: a path or an address.
    pub successor: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    removed: String,
    prefix_place: Place,
    successor_place: Option<Place>,
}

impl VersionNotice {
    /// What its answers carry from `deprecated_at` on, and its refusals once it is gone.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// Whether its answers carry the notice.
    pub fn is_deprecated(&self, now: Timestamp) -> bool {
        self.deprecated_at <= now
    }

    /// Whether it is answered no longer. `Sunset` names a whole second, and nobody is turned away before it has passed.
    pub fn is_removed(&self, now: Timestamp) -> bool {
        self.sunset_at.is_some_and(|it| it.seconds() < now.seconds())
    }

    /// Whether the path is one of this version.
    pub fn covers(&self, path: &NormalPath) -> bool {
        self.covers_text(path.as_str())
    }

    /// What the caller of a removed version is told.
    pub fn told(&self) -> Told {
        Told { message: self.removed.clone().into(), ..Told::new("version_removed", "") }
    }

    /// What is wrong with a version that is answered no longer, though its document still has operations of it.
    pub(crate) fn shuts(&self, file: &Path, operations: &[Arc<Operation>]) -> Option<Fault> {
        let mut covered = operations.iter().filter(|it| self.covers_text(&it.template));
        let first = covered.next()?;
        let more = covered.count();
        let which = match more {
            _ if more + 1 == operations.len() => "every operation is".to_owned(),
            0 => format!("operation `{}` is", first.id),
            _ => format!("operation `{}` and {more} more are", first.id),
        };
        let message = format!("{which} at or below `{}`, which was removed as version `{}`", self.prefix, self.name);
        let help = "change its `prefix` or `sunset_at`, or take out what is below it";
        Some(self.prefix_place.fault(file, message).with_help(help))
    }

    /// What is odd about a version whose callers are sent where nothing is served: a path of its own API that no operation
    /// lies at or below.
    pub(crate) fn strays(&self, file: &Path, operations: &[Arc<Operation>]) -> Option<Fault> {
        let (successor, place) = self.successor.as_deref().zip(self.successor_place)?;
        let path = successor.split(['?', '#']).next().filter(|it| it.starts_with('/'))?.trim_end_matches('/');
        let below =
            |it: &Arc<Operation>| it.template.strip_prefix(path).is_some_and(|it| it.is_empty() || it.starts_with('/'));
        let message = format!("version `{}` sends its callers to `{successor}`, where no operation is", self.name);
        (!operations.iter().any(below)).then(|| place.fault(file, message))
    }

    /// Whether what takes its place would be removed with it: a path below its own, on whichever of these hosts.
    fn replaces_itself(&self, hosts: &[&str]) -> bool {
        let Some(successor) = &self.successor else { return false };
        let path = match successor.split_once("://") {
            None => successor.as_str(),
            Some((_, rest)) => {
                let (host, path) = rest.find('/').and_then(|it| rest.split_at_checked(it)).unwrap_or((rest, "/"));
                if !hosts.contains(&host) {
                    return false;
                }
                path
            }
        };
        self.covers_text(path.split(['?', '#']).next().unwrap_or(path))
    }

    pub(crate) fn covers_text(&self, path: &str) -> bool {
        path.strip_prefix(&*self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Reads one `[[version]]`.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.required::<String>("name");
        let prefix = section.required::<String>("prefix");
        let deprecated_at = section.required::<Timestamp>("deprecated_at");
        let sunset_at = section.optional::<Timestamp>("sunset_at");
        let successor = section.optional::<String>("successor");
        let docs = section.optional::<String>("docs");

        if let Some(prefix) = &prefix
            && (prefix.value.len() < 2 || !prefix.value.starts_with('/') || prefix.value.ends_with('/'))
        {
            let message = format!("`{}` is not the beginning of a path, such as `/v1`", prefix.value);
            section.fault(prefix.place, message);
        }
        if let (Some(deprecated_at), Some(sunset_at)) = (&deprecated_at, &sunset_at)
            && sunset_at.value < deprecated_at.value
        {
            section.fault_with(
                sunset_at.place,
                format!("`sunset_at` {} is before `deprecated_at` {}", sunset_at.value, deprecated_at.value),
                "RFC 8594: a version is deprecated first and removed later",
            );
        }
        for (key, link) in [("successor", &successor), ("docs", &docs)] {
            if let Some(link) = link
                && !is_reference(&link.value)
            {
                section.fault(link.place, format!("`{key}`: `{}` is neither a path nor an address", link.value));
            }
        }
        let notice = Self {
            name: name?.value,
            prefix_place: prefix.as_ref()?.place,
            prefix: prefix?.value,
            deprecated_at: deprecated_at?.value,
            sunset_at: sunset_at.map(|it| it.value),
            successor_place: successor.as_ref().map(|it| it.place),
            successor: successor.map(|it| it.value),
            headers: Vec::new(),
            removed: String::new(),
        };
        Some(notice.worded(docs.map(|it| it.value).as_deref()))
    }

    /// The same notice, put into words.
    fn worded(mut self, docs: Option<&str>) -> Self {
        let mut headers = Vec::new();
        let mut add = |header: HeaderName, value: String| {
            headers.extend(HeaderValue::try_from(value).ok().map(|it| (header, it)));
        };
        add(DEPRECATION, format!("@{}", self.deprecated_at.seconds()));
        self.removed = format!("Version {} of this API was removed", self.name);
        if let Some(docs) = docs {
            add(LINK, format!("<{docs}>; rel=\"deprecation\""));
        }
        if let Some(sunset_at) = self.sunset_at {
            add(SUNSET, sunset_at.http_date());
            if let Some(docs) = docs {
                add(LINK, format!("<{docs}>; rel=\"sunset\""));
            }
            self.removed = format!("{} on {}", self.removed, sunset_at.http_date());
        }
        if let Some(successor) = &self.successor {
            add(LINK, format!("<{successor}>; rel=\"successor-version\""));
            self.removed = format!("{}. Use {successor}", self.removed);
        }
        self.removed.push('.');
        Self { headers, ..self }
    }
}

/// Headers of an operation that its document marks `deprecated` without a version around it. The document has a flag but
/// RFC 9745 wants a date: the epoch says "since before you asked".
pub(crate) fn flagged() -> Vec<(HeaderName, HeaderValue)> {
    vec![(DEPRECATION, HeaderValue::from_static("@0"))]
}

/// Faults two versions that claim the same paths.
pub(crate) fn fault_overlaps(root: &Section<'_>, versions: &[(Place, VersionNotice)]) {
    for (at, (place, version)) in versions.iter().enumerate() {
        let rival = versions.iter().take(at).find(|(_, it)| it.prefix == version.prefix);
        if let Some((_, rival)) = rival {
            root.fault(
                *place,
                format!("versions `{}` and `{}` both begin at `{}`", rival.name, version.name, version.prefix),
            );
        }
    }
}

/// Faults each version that names itself as what takes its place.
pub(crate) fn fault_successors<'a>(
    root: &Section<'_>,
    versions: impl IntoIterator<Item = &'a VersionNotice>,
    hosts: &[&str],
) {
    for version in versions {
        if let Some(place) = version.successor_place.filter(|_| version.replaces_itself(hosts)) {
            let successor = version.successor.as_deref().unwrap_or_default();
            root.fault_with(
                place,
                format!("`successor` `{successor}` is at or below `{}`, and would be removed with it", version.prefix),
                "`prefix` is what goes, `successor` what stays",
            );
        }
    }
}

/// Something that can stand between the angle brackets of a `Link`: visible ASCII without what would end it early.
fn is_reference(text: &str) -> bool {
    let begins = ["/", "https://", "http://"].iter().any(|it| text.starts_with(it));
    begins && text.bytes().all(|it| it.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&it))
}

#[cfg(test)]
mod tests {
    use domain::PathMode;

    use super::*;
    use crate::written::Sheet;

    fn read(text: &str) -> Result<VersionNotice, Vec<String>> {
        let (read, faults) = Sheet::new(Path::new("api.toml"), text).read(VersionNotice::read);
        read.filter(|_| faults.is_empty()).ok_or_else(|| faults.iter().map(ToString::to_string).collect())
    }

    fn v1() -> VersionNotice {
        let text = r#"
            name = "v1"
            prefix = "/v1"
            deprecated_at = "2026-01-01T00:00:00Z"
            sunset_at = 2026-07-31T23:59:59Z
            successor = "/v2"
            docs = "https://docs.example.com/v1"
        "#;
        read(text).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_headers_are_worded_as_the_rfcs_word_them() {
        let notice = v1();
        let headers: Vec<_> =
            notice.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        assert_eq!(
            headers,
            [
                "deprecation: @1767225600",
                "link: <https://docs.example.com/v1>; rel=\"deprecation\"",
                "sunset: Fri, 31 Jul 2026 23:59:59 GMT",
                "link: <https://docs.example.com/v1>; rel=\"sunset\"",
                "link: </v2>; rel=\"successor-version\"",
            ]
        );
        assert_eq!(
            notice.told().message,
            "Version v1 of this API was removed on Fri, 31 Jul 2026 23:59:59 GMT. Use /v2."
        );
    }

    #[test]
    fn a_version_is_deprecated_from_its_instant_on() {
        let notice = v1();
        assert!(!notice.is_deprecated(at("2025-12-31T23:59:59.999999999Z")));
        assert!(notice.is_deprecated(at("2026-01-01T00:00:00Z")));
    }

    #[test]
    fn nobody_is_turned_away_before_the_second_of_the_sunset_has_passed() {
        let notice = v1();
        assert!(!notice.is_removed(at("2026-07-31T23:59:59.999999999Z")));
        assert!(notice.is_removed(at("2026-08-01T00:00:00Z")));
        let text = "name = \"v1\"\nprefix = \"/v1\"\ndeprecated_at = \"2026-01-01T00:00:00Z\"\n";
        assert!(!read(text).unwrap().is_removed(at("2262-01-01T00:00:00Z")));
    }

    #[test]
    fn a_version_covers_whole_segments() {
        let covers = |path: &str| v1().covers(&NormalPath::parse(path, PathMode::Api).unwrap());
        assert!(covers("/v1") && covers("/v1/") && covers("/v1/compute"));
        assert!(!covers("/v10") && !covers("/v2/v1") && !covers("/"));
    }

    #[test]
    fn what_takes_the_place_of_a_version_is_not_removed_with_it() {
        let own = |successor: &str| {
            let mut version = v1();
            version.successor = Some(successor.to_owned());
            version.replaces_itself(&["api.example.com"])
        };
        for gone in ["/v1", "/v1/", "/v1/new?x", "https://api.example.com/v1/new"] {
            assert!(own(gone), "{gone}");
        }
        for stays in
            ["/v2", "/v10", "https://new.example.com/v1", "https://api.example.com", "https://api.example.com/v2"]
        {
            assert!(!own(stays), "{stays}");
        }
    }

    #[test]
    fn a_version_that_makes_no_sense_is_refused_with_every_reason() {
        let text = r#"name = "v1"
prefix = "v1/"
deprecated_at = "2026-08-01T00:00:00Z"
sunset_at = "2026-07-31T23:59:59Z"
successor = "</v2>"
docs = "read the docs"
"#;
        assert_eq!(
            read(text).unwrap_err(),
            [
                "api.toml:2:10: `v1/` is not the beginning of a path, such as `/v1`",
                "api.toml:4:13: `sunset_at` 2026-07-31T23:59:59Z is before `deprecated_at` 2026-08-01T00:00:00Z\n  \
                 help: RFC 8594: a version is deprecated first and removed later",
                "api.toml:5:13: `successor`: `</v2>` is neither a path nor an address",
                "api.toml:6:8: `docs`: `read the docs` is neither a path nor an address",
            ]
        );
    }
}
