//! `portcullis routes`

use std::process::ExitCode;

use clap::Args;
use domain::{Native, Operation, Requirement};
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
    operation: String,
    class: &'static str,
    needs: String,
    answered_by: String,
}

impl Rows for Route {
    const COLUMNS: &'static [&'static str] = &["api", "method", "path", "operation", "class", "needs", "answered by"];

    fn row(&self) -> Vec<String> {
        let Self { api, method, path, operation, class, needs, answered_by } = self;
        vec![
            api.clone(),
            method.clone(),
            path.clone(),
            operation.clone(),
            (*class).to_owned(),
            needs.clone(),
            answered_by.clone(),
        ]
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
        let mut routes = Vec::new();
        for profile in profiles.iter().filter(|it| self.api.as_deref().is_none_or(|api| it.api.name.as_str() == api)) {
            for operation in &profile.api.operations {
                let upstream = configuration.catalog.upstream_of(operation);
                routes.push(route(operation, &format!("{}:{}", upstream.host, upstream.port)));
            }
        }
        output.list(&routes)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn route(operation: &Operation, upstream: &str) -> Route {
    Route {
        api: operation.api.to_string(),
        method: operation.method.to_string(),
        path: operation.template.clone(),
        operation: operation.id.to_string(),
        class: operation.class.as_str(),
        needs: needs(&operation.requirement),
        answered_by: match operation.native {
            Native::No => upstream.to_owned(),
            Native::Unserved => "nobody yet".to_owned(),
            Native::Served(_) => "the gateway".to_owned(),
        },
    }
}

/// `compute`, `a and b`, `a or b`; `nothing` where anybody may ask.
fn needs(requirement: &Requirement) -> String {
    if requirement.admits_anonymous() {
        return "nothing".to_owned();
    }
    let mut alternatives: Vec<String> = requirement
        .0
        .iter()
        .map(|alternative| {
            let schemes = alternative.0.iter().map(|(scheme, scopes)| {
                let scopes: Vec<&str> = scopes.iter().map(domain::Scope::as_str).collect();
                if scopes.is_empty() { scheme.clone() } else { scopes.join(" and ") }
            });
            schemes.collect::<Vec<_>>().join(" and ")
        })
        .collect();
    // Schemes that ask for the same scopes are one need.
    alternatives.sort();
    alternatives.dedup();
    alternatives.join(" or ")
}
