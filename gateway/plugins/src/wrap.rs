//! Makes a component of what compilers give: a core module that says which world it was written for.

use wit_component::ComponentEncoder;

/// A core module could not be wrapped.
#[derive(Debug, thiserror::Error)]
#[error(
    "the module cannot be made a component: {0}; help: it is built with the plugin SDK, for wasm32-unknown-unknown"
)]
pub struct Unwrappable(String);

/// The component of a core module. Imports that it never calls are left out.
pub fn wrap(module: &[u8]) -> Result<Vec<u8>, Unwrappable> {
    let unwrappable = |it: &dyn std::fmt::Display| Unwrappable(it.to_string());
    let encoder = ComponentEncoder::default().module(module).map_err(|it| unwrappable(&format!("{it:#}")))?;
    encoder.validate(true).encode().map_err(|it| unwrappable(&format!("{it:#}")))
}
