//! What one request is decided by, from its beginning to its end.

use authz::Authorizer;
use catalog::Catalog;

/// Everything that a reload replaces. A request pins one, so that no request is decided by halves of two.
#[derive(Debug)]
pub struct Configuration {
    /// The APIs, their documents and dialects.
    pub catalog: Catalog,
    /// The policies.
    pub authorizer: Authorizer,
}
