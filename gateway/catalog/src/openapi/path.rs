//! The keys of `paths`: templates, and the query parameters and headers that tell operations on one path apart.

use domain::{NormalPath, PathMode};
use http::HeaderName;

use super::Surface;
use super::node::Key;
use super::page::Page;
use crate::selector::Selector;
use crate::validate::UnknownQuery;

/// A path template and what selects it.
#[derive(Clone, Debug)]
pub(super) struct PathKey {
    /// The whole template, base path included.
    pub(super) template: String,
    /// Its parameters, in order.
    pub(super) parameters: Vec<String>,
    /// Whether the last parameter was spelled `{key+}`.
    pub(super) rest: bool,
    /// What must be there, in the query or among the headers.
    pub(super) selectors: Vec<Selector>,
}

impl PathKey {
    /// Reads `/{bucket}/{key}#uploads&partNumber`.
    pub(super) fn read(page: &Page<'_>, key: &Key, surface: &Surface<'_>) -> Option<Self> {
        let (path, selectors) = key.text.split_once('#').map_or((&*key.text, None), |(path, it)| (path, Some(it)));
        if !path.starts_with('/') || path.contains('?') {
            page.fault(key.place, format!("path `{}` must begin with `/` and hold no `?`", key.text));
            return None;
        }
        let selectors: Vec<_> = selectors.into_iter().flat_map(|it| it.split('&')).map(Selector::parse).collect();
        for why in selectors.iter().filter_map(|it| it.as_ref().err()) {
            page.fault(key.place, format!("path `{}` {why}", key.text));
        }
        let selectors: Vec<Selector> = selectors.into_iter().collect::<Result<_, _>>().ok()?;
        open_doors(page, key, &selectors, surface);
        let mut read = Self { template: surface.base_path.to_owned(), parameters: Vec::new(), rest: false, selectors };
        let mut segments = path.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let last = segments.peek().is_none();
            if let Err(message) = read.push(segment, last) {
                page.fault(key.place, format!("path `{}` {message}", key.text));
                return None;
            }
        }
        Some(read)
    }

    fn push(&mut self, segment: &str, last: bool) -> Result<(), &'static str> {
        self.template.push('/');
        let Some(inner) = segment.strip_prefix('{').and_then(|it| it.strip_suffix('}')) else {
            if segment.contains(['{', '}']) {
                return Err("has a parameter that is not a whole segment");
            }
            if segment.is_empty() && !last {
                return Err("has an empty segment");
            }
            if NormalPath::parse(&format!("/{segment}"), PathMode::Api).is_err() {
                return Err("has a segment that no request can have");
            }
            self.template.push_str(segment);
            return Ok(());
        };
        let name = inner.strip_suffix('+').unwrap_or(inner);
        if name.is_empty() || name.contains(['{', '}']) {
            return Err("has a parameter without a name");
        }
        if self.parameters.iter().any(|it| it == name) {
            return Err("names a parameter twice");
        }
        if inner.ends_with('+') && !last {
            return Err("goes on after a parameter that takes the rest");
        }
        self.rest |= inner.ends_with('+');
        self.template.extend(["{", name, "}"]);
        self.parameters.push(name.to_owned());
        Ok(())
    }

    /// What it has in common with every key that names the same paths.
    pub(super) fn shape(&self) -> (String, Vec<String>) {
        let blind = |it: &str| if it.starts_with('{') { "{}".to_owned() } else { it.to_owned() };
        let path: Vec<String> = self.template.split('/').map(blind).collect();
        let mut selectors: Vec<String> = self.selectors.iter().map(Selector::to_string).collect();
        selectors.sort();
        (path.join("/"), selectors)
    }
}

/// What tells operations apart must not pass where no document speaks of it.
fn open_doors(page: &Page<'_>, key: &Key, selectors: &[Selector], surface: &Surface<'_>) {
    let by_query = selectors.iter().any(|it| it.header().is_none());
    if by_query && surface.unknown_query == UnknownQuery::Pass {
        page.fault_with_help(
            key.place,
            format!("path `{}` is told apart by its query, but unknown query parameters pass", key.text),
            "an undocumented one could turn this into another operation: write `unknown_query = \"reject\"`",
        );
    }
    let closed = |name: &HeaderName| surface.closed_headers.iter().any(|it| name.as_str().starts_with(it.as_str()));
    if let Some(open) = selectors.iter().filter_map(Selector::header).find(|it| !closed(it)) {
        page.fault_with_help(
            key.place,
            format!("path `{}` is told apart by header `{open}`, which passes where it is not documented", key.text),
            "it could turn an operation into another one: name how it begins in `closed_headers`",
        );
    }
}
