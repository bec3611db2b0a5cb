//! What users and service accounts hold, as the roles of the configuration in force let them.

use identity::{Identity, StoreFault, Terms};

use super::Office;
use crate::desk;

impl Office {
    /// Has keys and sessions follow the roles of the configuration that is in force now.
    pub(super) async fn fit_to_roles(&self) {
        // Whoever comes second reads what is in force by then: an older configuration never has the last word.
        let _turn = self.fitting.lock().await;
        let terms = desk::terms(&self.gateway.configuration().catalog);
        if let Err(cause) = fit_to_roles(&self.identity, &terms).await {
            tracing::error!(%cause, "keys and sessions do what roles held before; this is tried again each minute");
        }
    }
}

/// The same, while nothing runs yet.
pub(super) async fn fit_to_roles(identity: &Identity, terms: &Terms) -> Result<(), StoreFault> {
    let changed = identity.fit_to_roles(terms).await?;
    if changed > 0 {
        tracing::warn!(
            changed,
            "keys and sessions did not do what their owners may, or nobody holds them: they do now, or have ended; each is in an entry"
        );
    }
    Ok(())
}
