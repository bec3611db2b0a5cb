//! `portcullis routes`

use std::process::ExitCode;
use std::sync::Arc;

use catalog::Selector;
use clap::Args;
use domain::{Native, Operation, Requirement, Scope};
use serde::Serialize;

use crate::boot;
use crate::commands::output::{Output, Rows};
use crate::faults::Refused;
use crate::settings::Settings;

/// Which routes to list.
#[derive(Debug, Args)]
pub(crate) struct Routes {
    /// Only those of this API
    #[arg(long)]
    api: Option<String>,
}

/// One operation, and what a caller needs for it.
#[derive(Serialize)]
struct Route {
    api: String,
    method: String,
    path: String,
    /// Query parameters that tell it from others of its path.
    query: Vec<String>,
    /// Headers that do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
    operation: String,
    class: &'static str,
    /// What kinds of data it touches that somebody must account for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    /// Whether it is answered only once its entry is durable.
    strict: bool,
    /// What a key must be permitted, all of it; empty where anybody may ask.
    needs: Vec<String>,
    /// What does as well, each all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    or: Vec<Vec<String>>,
    /// Whether there is a permit that speaks of it. Where there is none nobody may ask, whatever they are permitted.
    permitted: bool,
    answered_by: String,
}

impl Rows for Route {
    const COLUMNS: &'static [&'static str] = &["api", "method", "path", "operation", "class", "needs", "answered by"];

    fn row(&self) -> Vec<String> {
        let Self { api, method, operation, class, answered_by, .. } = self;
        let mut path = self.path.clone();
        if !self.query.is_empty() {
            path = format!("{path}?{}", self.query.join("&"));
        }
        if !self.headers.is_empty() {
            path = format!("{path} with {}", self.headers.join(", "));
        }
        let (api, method, operation) = (api.clone(), method.clone(), operation.clone());
        vec![api, method, path, operation, (*class).to_owned(), self.needed(), answered_by.clone()]
    }
}

impl Routes {
    pub(crate) fn run(&self, settings: &Settings, output: Output) -> anyhow::Result<ExitCode> {
        let configuration = boot::configuration(settings).map_err(Refused)?;
        let profiles = configuration.catalog.profiles();
        if let Some(wanted) = &self.api
            && !profiles.iter().any(|it| it.api.name.as_str() == wanted)
        {
            anyhow::bail!("there is no API `{wanted}`");
        }
        let unpermitted = configuration.authorizer.unpermitted();
        let mut routes = Vec::new();
        for profile in profiles.iter().filter(|it| self.api.as_deref().is_none_or(|api| it.api.name.as_str() == api)) {
            for operation in &profile.api.operations {
                let upstream = configuration.catalog.upstream_of(operation);
                let selectors = configuration.catalog.selectors(operation);
                let route = Route::of(operation, selectors, &format!("{}:{}", upstream.host, upstream.port));
                let permitted = !unpermitted.iter().any(|it| Arc::ptr_eq(it, operation));
                routes.push(Route { permitted, ..route });
            }
        }
        output.list(&routes)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Route {
    fn of(operation: &Operation, selectors: &[Selector], upstream: &str) -> Self {
        let mut alternatives = alternatives(&operation.requirement).into_iter();
        Self {
            api: operation.api.to_string(),
            method: operation.method.to_string(),
            path: operation.template.clone(),
            query: selectors.iter().filter(|it| it.header().is_none()).map(ToString::to_string).collect(),
            headers: selectors.iter().filter_map(Selector::header).map(ToString::to_string).collect(),
            operation: operation.id.to_string(),
            class: operation.class.as_str(),
            labels: operation.labels.clone(),
            strict: operation.strict,
            needs: alternatives.next().unwrap_or_default(),
            or: alternatives.collect(),
            permitted: true,
            answered_by: match operation.native {
                Native::No => upstream.to_owned(),
                Native::Unserved => "nobody yet".to_owned(),
                Native::Served(_) => "the gateway".to_owned(),
            },
        }
    }

    /// `compute`, `a and b`, `a or b`; `nothing` where anybody may ask, `no permit` where nobody may.
    fn needed(&self) -> String {
        if !self.permitted {
            return "no permit".to_owned();
        }
        if self.needs.is_empty() {
            return "nothing".to_owned();
        }
        let all: Vec<String> = std::iter::once(&self.needs).chain(&self.or).map(|it| it.join(" and ")).collect();
        all.join(" or ")
    }
}

/// What a key must be permitted, in each way that will do; none where anybody may ask. A scheme that asks for no scope
/// stands for itself.
fn alternatives(requirement: &Requirement) -> Vec<Vec<String>> {
    if requirement.admits_anonymous() {
        return Vec::new();
    }
    let scopes = |(scheme, scopes): &(String, Vec<Scope>)| match scopes.as_slice() {
        [] => vec![scheme.clone()],
        scopes => scopes.iter().map(ToString::to_string).collect(),
    };
    let mut all: Vec<Vec<String>> = requirement.0.iter().map(|it| it.0.iter().flat_map(scopes).collect()).collect();
    // Schemes that ask for the same scopes are one need.
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use domain::Alternative;

    use super::*;

    #[test]
    fn what_is_needed_is_a_list_for_scripts_and_words_for_people() {
        let scheme =
            |name: &str, scopes: &[&str]| (name.to_owned(), scopes.iter().map(|it| it.parse().unwrap()).collect());
        let key = Alternative(vec![scheme("key", &["put", "get"])]);
        let signed = Alternative(vec![scheme("signed", &["put", "get"])]);
        let session = Alternative(vec![scheme("session", &[])]);
        assert_eq!(alternatives(&Requirement(vec![key.clone(), signed.clone()])), [["put", "get"]]);
        let both = alternatives(&Requirement(vec![session, key, signed]));
        assert_eq!(both, [vec!["put", "get"], vec!["session"]]);
        assert!(alternatives(&Requirement::default()).is_empty());
    }

    #[test]
    fn operations_of_one_path_are_told_apart_by_their_query() {
        let policies = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/apis");
        let catalog = catalog::Catalog::load(&policies).unwrap();
        let cloudnx = catalog.profiles().iter().find(|it| it.api.name.as_str() == "cloudnx").unwrap();
        let routes = cloudnx.api.operations.iter().map(|it| Route::of(it, catalog.selectors(it), "u"));
        let part = routes.into_iter().find(|it| it.operation == "s3UploadPartCopy").unwrap();
        let shown = serde_json::to_value(&part).unwrap();
        assert_eq!(shown["needs"], serde_json::json!(["s3:PutObject", "s3:GetObject"]));
        assert_eq!(shown["query"], serde_json::json!(["partNumber", "uploadId"]));
        assert_eq!(shown["headers"], serde_json::json!(["x-amz-copy-source"]));
        let row = part.row();
        assert!(row.contains(&"/{bucket}/{key}?partNumber&uploadId with x-amz-copy-source".to_owned()), "{row:?}");
        assert!(row.contains(&"s3:PutObject and s3:GetObject".to_owned()), "{row:?}");
        let closed = Route { permitted: false, ..part };
        assert!(closed.row().contains(&"no permit".to_owned()), "{:?}", closed.row());
    }
}
