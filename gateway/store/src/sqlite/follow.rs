//! Handing over everything once, and then what has changed.

use domain::{Change, KeyId, Version};
use futures::TryStreamExt;
use identity::News;
use sqlx::{SqliteConnection, SqlitePool};

use super::rows::{self, all_lines, key_line, tenant_line};
use super::{read, tokenkeys};

/// How many numbers of the log are taken in at a time.
const BATCH: u64 = 10_000;

/// One transaction, so that what is handed over is what there was at one version.
pub(super) async fn load(pool: &SqlitePool, take: &mut (dyn FnMut(Change) + Send)) -> Result<Version, sqlx::Error> {
    let mut read = pool.begin().await?;
    let version = read::version(&mut *read).await?;
    let mut tenants = sqlx::query_scalar::<_, String>(all_lines!(tenant_line!(), "tenants")).fetch(&mut *read);
    while let Some(text) = tenants.try_next().await? {
        for line in rows::lines(&text) {
            take(Change::Tenant(rows::tenant(line)?));
        }
    }
    drop(tenants);
    let mut keys = sqlx::query_scalar::<_, String>(all_lines!(key_line!(), "keys")).fetch(&mut *read);
    while let Some(text) = keys.try_next().await? {
        for line in rows::lines(&text) {
            take(Change::Key(Box::new(rows::key(line)?)));
        }
    }
    drop(keys);
    tokenkeys::all(&mut *read).await?.into_iter().for_each(|it| take(Change::TokenKey(Box::new(it))));
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
    let token_keys = tokenkeys::between(&mut read, version, upto).await?;
    changes.extend(token_keys.into_iter().map(|it| Change::TokenKey(Box::new(it))));
    read.commit().await?;
    Ok(News::Changes(upto, changes))
}

async fn tenants_between(on: &mut SqliteConnection, after: Version, upto: Version) -> Result<Vec<Change>, sqlx::Error> {
    let sql = concat!(
        "SELECT ",
        tenant_line!(),
        " FROM tenants WHERE id IN (SELECT tenant FROM changes WHERE ?1 < version AND version <= ?2)"
    );
    let lines: Vec<String> = sqlx::query_scalar(sql).bind(number(after)).bind(number(upto)).fetch_all(on).await?;
    lines.iter().map(|it| rows::tenant(it).map(Change::Tenant)).collect()
}

async fn keys_between(on: &mut SqliteConnection, after: Version, upto: Version) -> Result<Vec<Change>, sqlx::Error> {
    let sql = concat!(
        "SELECT ",
        key_line!(),
        " FROM keys WHERE id IN (SELECT key FROM changes WHERE ?1 < version AND version <= ?2) ORDER BY seq"
    );
    let lines: Vec<String> = sqlx::query_scalar(sql).bind(number(after)).bind(number(upto)).fetch_all(&mut *on).await?;
    let mut changes: Vec<Change> =
        lines.iter().map(|it| rows::key(it).map(|key| Change::Key(Box::new(key)))).collect::<Result<_, _>>()?;
    let sql = "SELECT DISTINCT key FROM changes WHERE ?1 < version AND version <= ?2 AND key IS NOT NULL \
               AND NOT EXISTS (SELECT 1 FROM keys WHERE keys.id = changes.key)";
    let gone: Vec<String> = sqlx::query_scalar(sql).bind(number(after)).bind(number(upto)).fetch_all(on).await?;
    for id in gone {
        changes.push(Change::KeyGone(rows::parsed::<KeyId>(&id)?));
    }
    Ok(changes)
}

/// A version as SQLite counts; beyond its reach there is nothing.
pub(super) fn number(version: Version) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
