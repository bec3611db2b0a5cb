//! The whole of what is fronted, read from a folder and then only looked at.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use domain::{Arrival, Call, Faults, NativeVerb, Operation, Timestamp, Upstream};
use hashbrown::HashMap;
use http::{HeaderName, HeaderValue, Method};

use crate::dialect::Dialect;
use crate::host::{Host, Unidentified};
use crate::load::{self, Unsound};
use crate::marks::KeyMarks;
use crate::profile::{Profile, Surface, Timeouts};
use crate::selector::Selector;
use crate::source::Source;
use crate::validate::{Invalid, InvalidKind, Validator, Wrong};

/// Every API the gateway fronts. Never changes: a reload makes a new one.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) profiles: Vec<Profile>,
    /// What is kept of each operation beside what other rooms may know, by where it lies: asked several times for every
    /// request, and its name takes three times as long to look up.
    pub(crate) operations: HashMap<usize, Kept>,
    pub(crate) hosts: HashMap<String, Host>,
    /// What follows the first label of a host that stands for the first segment of a path, and the host it is a path of.
    pub(crate) virtual_hosts: HashMap<String, String>,
    pub(crate) marks: KeyMarks,
    /// Stands for the profile of a call that another catalog made: takes no credential and leads nowhere.
    pub(crate) closed: Profile,
    pub(crate) unclaimed: Dialect,
    pub(crate) flagged: Vec<(HeaderName, HeaderValue)>,
}

/// What this room alone knows of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Held, so that no other can take its place.
    pub(crate) operation: Arc<Operation>,
    pub(crate) validator: Validator,
    /// Where its surface stands in the profile.
    pub(crate) surface: usize,
    /// Where its version stands in the profile.
    pub(crate) version: Option<usize>,
}

/// What a deployment wants to send elsewhere, but nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// There is no such API.
    #[error("there is no API `{0}`")]
    UnknownApi(String),
    /// The API has no such host.
    #[error("API `{api}` has no host `{host}`")]
    UnknownHost {
        /// The API.
        api: String,
        /// The host.
        host: String,
    },
}

impl Catalog {
    /// Reads every `<dir>/<name>/api.toml` and the documents it names. All faults at once, with their lines.
    pub fn load(dir: &Path) -> Result<Self, Faults> {
        Self::survey(dir).map_err(|it| it.faults)
    }

    /// The same, for who has more to say: with the faults comes what could be read all the same.
    pub fn survey(dir: &Path) -> Result<Self, Unsound> {
        load::load(dir)
    }

    /// The host of this name, which is lower case and without a port.
    pub fn host(&self, host: &str) -> Option<&Host> {
        self.hosts.get(host).or_else(|| self.virtually(host).map(|(_, it)| it))
    }

    /// The first segment of every path on this host, where the name of the host says it: `bucket.s3.example.org`.
    pub fn first_segment<'n>(&self, host: &'n str) -> Option<&'n str> {
        if self.hosts.contains_key(host) { None } else { self.virtually(host).map(|(it, _)| it) }
    }

    fn virtually<'n>(&self, host: &'n str) -> Option<(&'n str, &Host)> {
        let (label, rest) = host.split_once('.').filter(|(label, _)| !label.is_empty())?;
        Some((label, self.hosts.get(self.virtual_hosts.get(rest)?)?))
    }

    /// Every name that a host may be asked by; `*` stands for one label.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.hosts.keys().cloned().chain(self.virtual_hosts.keys().map(|it| format!("*.{it}")))
    }

    /// Every host that some API claims.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// The words for a host that no API claims.
    pub fn unclaimed(&self) -> &Dialect {
        &self.unclaimed
    }

    /// Which operation is asked for, with which path parameters.
    pub fn identify(&self, host: &Host, arrival: &Arrival) -> Result<Call, Unidentified> {
        host.identify(arrival)
    }

    /// Every API; [`domain::Operation::api_index`] counts in this order.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The API of a call.
    pub fn profile(&self, call: &Call) -> &Profile {
        let there = self.profiles.get(call.operation.api_index);
        there.filter(|it| it.api.name == call.operation.api).unwrap_or(&self.closed)
    }

    /// The surface of a call: its dialect and the service its signatures are made for.
    pub fn surface(&self, call: &Call) -> Option<&Surface> {
        self.profile(call).surfaces.get(self.kept(&call.operation)?.surface)
    }

    /// The words for refusing a call: those of its API, or of OAuth where a client asks the issuer.
    pub fn dialect(&self, call: &Call) -> &Dialect {
        if call.operation.native.served().is_some_and(NativeVerb::is_for_clients) {
            return &self.profile(call).oauth;
        }
        self.surface(call).map_or(&*self.profile(call).dialect, |it| &*it.dialect)
    }

    /// The words for a request of a host that is refused before it is known what it asks for, and where the API stands in the
    /// catalog whose words they are: whoever asks an issuer as a client reads nothing but OAuth.
    pub fn words_unheard<'a>(&'a self, host: &'a Host, method: &Method, raw: &str) -> (&'a Dialect, usize) {
        let aimed = host.aim(method, raw).filter(|it| it.native.served().is_some_and(NativeVerb::is_for_clients));
        let issuer = aimed.and_then(|it| Some((it.api_index, self.profiles.get(it.api_index)?)));
        issuer.map_or((&*host.dialect, host.fallback), |(index, profile)| (&*profile.oauth, index))
    }

    /// Parameters, content type and declared length against the document.
    pub fn validate_head(&self, call: &Call, arrival: &Arrival) -> Result<(), Invalid> {
        if words_refusals(call) {
            return Ok(());
        }
        self.kept(&call.operation).map_or_else(stranger, |it| it.validator.head(call, arrival))
    }

    /// The whole body of a [`domain::Body::Checked`] operation against the document.
    pub fn validate_body(&self, call: &Call, arrival: &Arrival, body: &[u8]) -> Result<(), Invalid> {
        if words_refusals(call) {
            return Ok(());
        }
        self.kept(&call.operation).map_or_else(stranger, |it| it.validator.body(call, arrival, body))
    }

    /// What every answer of this call carries now because its version, or the operation itself, is on its way out.
    pub fn notices(&self, call: &Call, now: Timestamp) -> Option<&[(HeaderName, HeaderValue)]> {
        let version = self.kept(&call.operation)?.version.and_then(|it| self.profile(call).versions.get(it));
        match version {
            Some(version) if version.is_deprecated(now) => Some(version.headers()),
            Some(_) | None => call.operation.deprecated.then_some(&*self.flagged),
        }
    }

    /// Where a call is sent.
    pub fn upstream(&self, call: &Call) -> &Upstream {
        self.upstream_of(&call.operation)
    }

    /// Where requests for an operation are sent.
    pub fn upstream_of(&self, operation: &Operation) -> &Upstream {
        let profile = self.profiles.get(operation.api_index).unwrap_or(&self.closed);
        let own =
            self.kept(operation).and_then(|it| profile.surfaces.get(it.surface)).and_then(|it| it.upstream.as_ref());
        own.unwrap_or(&profile.upstream)
    }

    /// Whether an address holds anything that begins like an API key, of whichever API, however it is spelled.
    pub fn shows_key(&self, address: &str) -> bool {
        self.marks.is_in(address)
    }

    /// Whether a header holds anything that begins like an API key, of whichever API.
    pub fn holds_key(&self, value: &HeaderValue) -> bool {
        self.marks.is_among(value.as_bytes())
    }

    /// An address without what begins like an API key or another secret and what follows it, and where there are access keys
    /// without what has the form of a secret of one, fit for an entry.
    pub fn without_keys<'a>(&self, address: &'a str) -> Cow<'a, str> {
        self.marks.taken_out(address)
    }

    /// Everywhere that requests are sent, and how long may be waited for each.
    pub fn upstreams(&self) -> impl Iterator<Item = (&Upstream, Timeouts)> {
        self.profiles.iter().flat_map(|profile| {
            let own = profile.surfaces.iter().filter_map(|it| it.upstream.as_ref());
            std::iter::once(&profile.upstream).chain(own).map(|it| (it, profile.upstream_timeouts))
        })
    }

    /// Sends the requests of an API somewhere else than its profile says. Surfaces with an upstream of their own keep it.
    pub fn send_to(&mut self, upstream: Upstream, api: &str) -> Result<(), Unsent> {
        self.profile_named(api)?.upstream = upstream;
        Ok(())
    }

    /// Sends the requests for one host of an API somewhere else than its profile says.
    pub fn send_host_to(&mut self, upstream: &Upstream, api: &str, host: &str) -> Result<(), Unsent> {
        let surfaces = &mut self.profile_named(api)?.surfaces;
        let mut there = surfaces.iter_mut().filter(|it| it.hosts.iter().any(|it| it == host)).peekable();
        there.peek().ok_or_else(|| Unsent::UnknownHost { api: api.to_owned(), host: host.to_owned() })?;
        there.for_each(|it| it.upstream = Some(upstream.clone()));
        Ok(())
    }

    fn profile_named(&mut self, api: &str) -> Result<&mut Profile, Unsent> {
        let profile = self.profiles.iter_mut().find(|it| it.api.name.as_str() == api);
        profile.ok_or_else(|| Unsent::UnknownApi(api.to_owned()))
    }

    /// What a call reads besides its own resource, where its document says that a header names such a thing.
    pub fn source(&self, host: &Host, call: &Call, arrival: &Arrival) -> Result<Option<Source>, Invalid> {
        let Some(reads) = self.kept(&call.operation).and_then(|it| it.validator.reads.as_ref()) else {
            return Ok(None);
        };
        let source = reads.of(host, arrival)?;
        self.validate_head(&source.call, &source.arrival).map_err(|it| it.about(reads.header.as_str()))?;
        Ok(Some(source))
    }

    /// What tells an operation from others of its path: what must be there in the query, or among the headers.
    pub fn selectors(&self, operation: &Operation) -> &[Selector] {
        self.kept(operation).map_or(&[], |it| it.validator.selectors.as_slice())
    }

    fn kept(&self, operation: &Operation) -> Option<&Kept> {
        self.operations.get(&place(operation))
    }
}

/// Where an operation lies, by which it is told from every other that is held.
pub(crate) fn place(operation: &Operation) -> usize {
    std::ptr::from_ref(operation).addr()
}

/// Whether an operation of the gateway's own looks at its requests itself.
fn words_refusals(call: &Call) -> bool {
    call.operation.native.served().is_some_and(NativeVerb::words_refusals)
}

/// Nothing is known of a call that another catalog made, so nothing about it can be right.
fn stranger() -> Result<(), Invalid> {
    Err(Wrong { kind: InvalidKind::Body, field: None, message: "is not of an operation known here".into() }.into())
}
