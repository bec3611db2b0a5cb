//! May they do this? Cedar, and nothing of Cedar outside.
//!
//! Deny by default; a forbid always wins; a forbid that cannot be evaluated denies. Scopes are ceilings: they only lower
//! what a policy permits. What a request costs does not depend on how many policies there are. Nothing decides that has
//! not been validated and tested, and only this room makes a [`Permit`].

mod authorizer;
mod border;
mod bundle;
mod cases;
mod ceilings;
mod conditions;
#[cfg(test)]
mod corpus;
mod decide;
mod gate;
mod index;
mod nesting;
mod plan;
mod reads;
mod refusal;
mod resource;
#[cfg(test)]
mod sample;
mod schema;
mod slots;
mod source;
mod stock;

pub use authorizer::Authorizer;
pub use cases::Ran;
pub use refusal::{Forbidden, Permit, Reason, UnknownReason};
pub use source::{CasesSource, Fronted, PolicyKind, PolicySource, ResourceTenant, shipped_guardrails, shipped_schema};
pub use stock::StockDecision;
