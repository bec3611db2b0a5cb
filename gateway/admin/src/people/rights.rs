//! What a caller holds, against what they would give, take or end: nobody gives more than they have.

use std::collections::BTreeSet;

use domain::{Declined, RoleName};
use identity::ApiTerms;

use super::failed;
use crate::operations::{Operations, Question};

/// What a user is in the caller's tenant.
pub(super) async fn roles_of(
    operations: &Operations,
    question: &Question,
    user: &str,
) -> Result<Vec<RoleName>, Declined> {
    let tenant = question.tenant()?;
    let all = operations.books().identity().memberships(user).await.map_err(failed)?;
    Ok(all.into_iter().filter(|it| it.tenant == tenant).flat_map(|it| it.roles).collect())
}

/// Refuses roles that hold more, at any API, than the caller does: a role is one of the tenant, and opens every API that has
/// it. At the API that is asked a caller holds what their credential may do; elsewhere a user who asks in a session of their
/// own holds what their roles give them, and a key or a client, which opens one API, nothing.
pub(crate) async fn holds(operations: &Operations, question: &Question, roles: &[RoleName]) -> Result<(), Declined> {
    let own = match operations.user_of(question) {
        Ok(own) => roles_of(operations, question, &own.user).await?,
        Err(Declined::NotFound) => Vec::new(),
        Err(cause) => return Err(cause),
    };
    let (terms, asked) = (operations.books().terms(), question.api()?);
    holds_at(question, terms.of(&asked).map_err(failed)?, roles)?;
    let elsewhere = |api: &ApiTerms| {
        let held = api.scopes_of(&own);
        api.api == asked || api.scopes_of(roles).iter().all(|it| held.contains(it))
    };
    if terms.all().all(elsewhere) { Ok(()) } else { Err(Declined::Beyond) }
}

/// Refuses roles that hold more than the caller does at the API that is asked: for what reaches no further, such as a session
/// there.
pub(super) fn holds_here(operations: &Operations, question: &Question, roles: &[RoleName]) -> Result<(), Declined> {
    let terms = operations.books().terms();
    holds_at(question, terms.of(&question.api()?).map_err(failed)?, roles)
}

fn holds_at(question: &Question, asked: &ApiTerms, roles: &[RoleName]) -> Result<(), Declined> {
    let held: BTreeSet<&str> = question.caller()?.scopes.iter().map(String::as_str).collect();
    let fits = asked.scopes_of(roles).iter().all(|it| held.contains(it.as_str()));
    if fits { Ok(()) } else { Err(Declined::Beyond) }
}
