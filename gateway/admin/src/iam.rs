//! What is answered of service accounts and of their keys: one noun, which some APIs call an IAM user.

mod access_keys;
mod accounts;
mod bucket_keys;
mod roles;
mod users;

use axum::response::Response;
use domain::{Declined, KeyRecord, NativeVerb, Scope, Timestamp};
use identity::{ChangeServiceAccountError, ServiceAccount};

use crate::operations::{Operations, Question};
use crate::people::{failed, unkept};

/// How many there are on a page where nothing is said, and at most.
const USUAL: usize = 20;
const FULL: usize = 100;

/// Answers what is asked of them.
#[expect(clippy::wildcard_enum_match_arm, reason = "each room of verbs is handed what others answer")]
pub(crate) async fn answer(operations: &Operations, question: &Question) -> Result<Response, Declined> {
    match question.introduction.verb {
        NativeVerb::ListServiceAccounts => accounts::list(operations, question).await,
        NativeVerb::ListIamUsers => users::list(operations, question).await,
        NativeVerb::CreateIamUser => users::create(operations, question).await,
        NativeVerb::GetIamUser => users::get(operations, question).await,
        NativeVerb::DeleteIamUser => users::delete(operations, question).await,
        NativeVerb::ListAccessKeys => access_keys::list(operations, question).await,
        NativeVerb::CreateAccessKey => access_keys::create(operations, question).await,
        NativeVerb::RevokeAccessKey => access_keys::revoke(operations, question).await,
        NativeVerb::ListBucketKeys => bucket_keys::list(operations, question).await,
        NativeVerb::CreateBucketKey => bucket_keys::create(operations, question).await,
        NativeVerb::RevokeBucketKey => bucket_keys::revoke(operations, question).await,
        NativeVerb::ListRoles => roles::list(operations, question),
        // What others answer.
        _ => Err(Declined::Failed),
    }
}

/// The account of the path, where it is of the caller's tenant and of the API that is asked. Of others nobody learns that
/// there are any.
async fn theirs(operations: &Operations, question: &Question) -> Result<ServiceAccount, Declined> {
    let (tenant, api) = (question.tenant()?, question.api()?);
    let found = operations.books().identity().service_account(question.named("id")?).await.map_err(failed)?;
    found.filter(|it| it.tenant == tenant && it.api == api).ok_or(Declined::NotFound)
}

/// All that an account may do.
fn held(operations: &Operations, account: &ServiceAccount) -> Result<Vec<Scope>, Declined> {
    let terms = operations.books().terms();
    Ok(account.scopes(terms.of(&account.api).map_err(failed)?))
}

/// When a key was last used: the running gateway knows it before it is written down.
pub(crate) fn last_used(operations: &Operations, key: &KeyRecord) -> Option<Timestamp> {
    let now = operations.books().keyring().by_id(&key.id).and_then(|it| it.last_used());
    now.max(key.last_used)
}

/// The part of a list that is asked for, and where the next begins. A cursor is the last one of the page before, and leads
/// nowhere in another list than its own.
pub(crate) fn page<T>(
    question: &Question,
    all: Vec<T>,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, Option<String>), Declined> {
    let limit = question.asked.number("limit", USUAL, FULL)?;
    let from = match question.asked.text("cursor") {
        None => 0,
        Some(cursor) => {
            let at = all.iter().position(|it| id(it) == cursor);
            at.map(|it| it + 1).ok_or_else(|| Declined::Parameter("cursor".to_owned()))?
        }
    };
    let more = from + limit < all.len();
    let page: Vec<T> = all.into_iter().skip(from).take(limit).collect();
    let next = page.last().filter(|_| more).map(|it| id(it).to_owned());
    Ok((page, next))
}

fn declined(cause: ChangeServiceAccountError) -> Declined {
    match cause {
        ChangeServiceAccountError::Unknown(_) => Declined::NotFound,
        ChangeServiceAccountError::Unfit(cause) => failed(cause),
        ChangeServiceAccountError::Store(cause) => unkept(cause),
    }
}
