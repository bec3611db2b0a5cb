//! What can be asked of an API.

use std::sync::Arc;
use std::time::Duration;

use crate::{ApiName, AuthMethod, Native, OperationId, Scope};

/// One fronted API, as far as every room may know it.
#[derive(Clone, Debug)]
pub struct Api {
    /// The folder of its profile.
    pub name: ApiName,
    /// The Cedar namespace of its actions and resources, such as `Novastraxis`.
    pub namespace: String,
    /// Every operation of its documents, in their order.
    pub operations: Vec<Arc<Operation>>,
}

impl Api {
    /// Every scope that its operations ask for, as often as they do.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        let alternatives = self.operations.iter().flat_map(|it| &it.requirement.0);
        alternatives.flat_map(|it| &it.0).flat_map(|(_, scopes)| scopes)
    }
}

/// One method and path template of an API.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The API it belongs to.
    pub api: ApiName,
    /// Where that API stands in the catalog; only good for the catalog the operation came from.
    pub api_index: usize,
    /// The document's `operationId`.
    pub id: OperationId,
    /// The method.
    pub method: http::Method,
    /// The whole path template, base path included: `/v2/compute/instances/{id}`.
    pub template: String,
    /// Path parameters, in the order of the template.
    pub parameters: Vec<String>,
    /// Whether it reads, writes or deletes.
    pub class: Class,
    /// Which credentials and scopes the document asks for.
    pub requirement: Requirement,
    /// The document's tags.
    pub tags: Vec<String>,
    /// What kinds of data it touches that somebody must account for, as the document says.
    pub labels: Vec<String>,
    /// Whether it is answered by the gateway itself rather than forwarded.
    pub native: Native,
    /// Marked `deprecated` in the document.
    pub deprecated: bool,
    /// What becomes of the request body.
    pub body: Body,
    /// From arrival to the last byte of the answer; `None` for streams and other long-lived answers.
    pub deadline: Option<Duration>,
    /// Answered only once its entry is durable.
    pub strict: bool,
}

/// What an operation does to its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Changes nothing.
    Read,
    /// Creates or changes.
    Write,
    /// Removes.
    Delete,
}

impl Class {
    /// The action group of this class.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// How a request body is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The document declares none; one that is sent anyway is refused when it is not empty.
    None,
    /// Read whole and validated before forwarding, at most `max` bytes.
    Checked {
        /// Bytes.
        max: u64,
    },
    /// Passed on as it arrives, at most `max` bytes.
    Streamed {
        /// Bytes.
        max: u64,
    },
}

/// The document's `security`: alternatives are OR. Empty means that anybody may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Requirement(pub Vec<Alternative>);

impl Requirement {
    /// Whether a request without any credential is let through to the policies.
    pub fn admits_anonymous(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|it| it.0.is_empty())
    }

    /// Whether these scopes are enough for a credential of this kind.
    pub fn is_met_by(&self, method: AuthMethod, scopes: &[Scope]) -> bool {
        let suits = |it: &Alternative| it.0.iter().all(|(scheme, _)| scheme == method.as_str());
        let holds = |it: &Alternative| it.0.iter().flat_map(|(_, scopes)| scopes).all(|it| scopes.contains(it));
        self.admits_anonymous() || self.0.iter().any(|it| suits(it) && holds(it))
    }

    /// Whether it names this kind of credential. In the documents the schemes are named for what is shown.
    pub fn names(&self, method: AuthMethod) -> bool {
        self.0.iter().flat_map(|it| &it.0).any(|(scheme, _)| scheme == method.as_str())
    }
}

/// Schemes that must all be met, each with the scopes that must all be held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alternative(pub Vec<(String, Vec<Scope>)>);

/// Where requests of an API are sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether TLS is spoken, verified against `host`.
    pub tls: bool,
}

impl Upstream {
    /// Scheme, host and port as one text, always with the port: what tells it from every other.
    pub fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |host: &str, port, tls| Upstream { host: host.to_owned(), port, tls }.origin();
        assert_eq!(origin("api.example.com", 443, true), "https://api.example.com:443");
        assert_eq!(origin("127.0.0.1", 9101, false), "http://127.0.0.1:9101");
        assert_eq!(origin("::1", 80, false), "http://[::1]:80");
    }
}
