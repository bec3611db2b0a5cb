//! What a caller holds, against what they would give, take or end: nobody gives more than they have.

use std::collections::BTreeSet;

use domain::{Declined, KeyId, RoleName, Scope};
use identity::{Identity, Mandate, Over, StoreFault};

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

/// The verbs in the name of whoever asks, for as long as they hold these roles and all that those have to whom something is
/// done; refused where they do not.
pub(crate) async fn within(
    operations: &Operations,
    question: &Question,
    over: Over,
    roles: &[RoleName],
) -> Result<Identity, Declined> {
    under(operations, question, over, (roles, &[])).await
}

/// The same for scopes of the API that is asked, in the place of roles: nobody gives what they do not have, nor acts on what
/// has more than they.
pub(crate) async fn giving(
    operations: &Operations,
    question: &Question,
    over: Over,
    scopes: &[Scope],
) -> Result<Identity, Declined> {
    under(operations, question, over, (&[], scopes)).await
}

async fn under(
    operations: &Operations,
    question: &Question,
    over: Over,
    (roles, given): (&[RoleName], &[Scope]),
) -> Result<Identity, Declined> {
    let user = match operations.user_of(question) {
        Ok(own) => Some(own.user),
        Err(Declined::NotFound) => None,
        Err(cause) => return Err(cause),
    };
    let caller = question.caller()?;
    let scopes = caller.scopes.iter().map(|it| it.parse()).collect::<Result<BTreeSet<Scope>, _>>();
    let mandate = Mandate {
        credential: caller.key.parse::<KeyId>().map_err(failed)?,
        user,
        api: question.api()?,
        tenant: question.tenant()?,
        scopes: scopes.map_err(failed)?,
        over,
        roles: roles.to_vec(),
        given: given.to_vec(),
        terms: operations.books().terms(),
    };
    let identity = operations.acting(question)?;
    let holds = identity.holds(&mandate).await.map_err(failed)?;
    if holds { Ok(identity.under(mandate)) } else { Err(Declined::Beyond) }
}

/// Roles by their names, where the API that is asked has them all; `field` is where they stand.
pub(crate) fn named_roles(
    operations: &Operations,
    question: &Question,
    (field, names): (&str, &[String]),
) -> Result<Vec<RoleName>, Declined> {
    let bad = || Declined::Parameter(field.to_owned());
    let roles: Vec<RoleName> = names.iter().map(|it| it.parse()).collect::<Result<_, _>>().map_err(|_| bad())?;
    let terms = operations.books().terms();
    let known = terms.of(&question.api()?).map_err(failed)?;
    if roles.iter().all(|it| known.roles.contains_key(it)) { Ok(roles) } else { Err(bad()) }
}

/// A fault of the store, or that whoever asked lost what they asked by before it was done.
pub(crate) fn unkept(cause: StoreFault) -> Declined {
    if cause.is_outgrown() { Declined::Beyond } else { failed(cause) }
}

/// Refuses roles that hold more than the caller does at the API that is asked: for what reaches no further, such as a session
/// there.
pub(super) fn holds_here(operations: &Operations, question: &Question, roles: &[RoleName]) -> Result<(), Declined> {
    let terms = operations.books().terms();
    let held: BTreeSet<&str> = question.caller()?.scopes.iter().map(String::as_str).collect();
    let given = terms.of(&question.api()?).map_err(failed)?.scopes_of(roles);
    if given.iter().all(|it| held.contains(it.as_str())) { Ok(()) } else { Err(Declined::Beyond) }
}
