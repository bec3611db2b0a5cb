//! Handing over everything once, and then what has changed.

use domain::{Change, Version};
use futures::TryStreamExt;
use identity::News;
use sqlx::{Executor, SqliteConnection, SqlitePool};

use super::read;
use super::rows::{self, key_columns, tenant_columns};

/// How many numbers of the log are taken in at a time.
const BATCH: u64 = 10_000;

/// One transaction, so that what is handed over is what there was at one version.
pub(super) async fn load(pool: &SqlitePool, take: &mut (dyn FnMut(Change) + Send)) -> Result<Version, sqlx::Error> {
    let mut read = pool.begin().await?;
    let version = read::version(&mut *read).await?;
    let mut tenants = (&mut *read).fetch(concat!("SELECT ", tenant_columns!(), " FROM tenants ORDER BY seq"));
    while let Some(row) = tenants.try_next().await? {
        take(Change::Tenant(rows::tenant(&row)?));
    }
    drop(tenants);
    let mut keys = (&mut *read).fetch(concat!("SELECT ", key_columns!(), " FROM keys ORDER BY seq"));
    while let Some(row) = keys.try_next().await? {
        take(Change::Key(Box::new(rows::key(&row)?)));
    }
    drop(keys);
    read.commit().await?;
    Ok(version)
}

pub(super) async fn changes_since(pool: &SqlitePool, version: Version) -> Result<News, sqlx::Error> {
    let newest = read::version(pool).await?;
    if newest == version {
        return Ok(News::Changes(version, Vec::new()));
    }
    if newest < version {
        return Ok(News::Rewritten);
    }
    let mut read = pool.begin().await?;
    let upto = read::version(&mut *read).await?.min(version.saturating_add(BATCH));
    let mut changes = tenants_between(&mut read, version, upto).await?;
    changes.extend(keys_between(&mut read, version, upto).await?);
    read.commit().await?;
    Ok(News::Changes(upto, changes))
}

async fn tenants_between(on: &mut SqliteConnection, after: Version, upto: Version) -> Result<Vec<Change>, sqlx::Error> {
    let sql = concat!(
        "SELECT ",
        tenant_columns!(),
        " FROM tenants WHERE id IN (SELECT tenant FROM changes WHERE ?1 < version AND version <= ?2)"
    );
    let found = sqlx::query(sql).bind(number(after)).bind(number(upto)).fetch_all(on).await?;
    found.iter().map(|it| rows::tenant(it).map(Change::Tenant)).collect()
}

async fn keys_between(on: &mut SqliteConnection, after: Version, upto: Version) -> Result<Vec<Change>, sqlx::Error> {
    let sql = concat!(
        "SELECT ",
        key_columns!(),
        " FROM keys WHERE id IN (SELECT key FROM changes WHERE ?1 < version AND version <= ?2) ORDER BY seq"
    );
    let found = sqlx::query(sql).bind(number(after)).bind(number(upto)).fetch_all(on).await?;
    found.iter().map(|it| rows::key(it).map(|key| Change::Key(Box::new(key)))).collect()
}

/// A version as SQLite counts; beyond its reach there is nothing.
pub(super) fn number(version: Version) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
