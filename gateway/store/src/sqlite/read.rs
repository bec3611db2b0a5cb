//! Reading what is kept.

use domain::{KeyId, KeyRecord, KeySecret, Tenant, TenantId, Timestamp, Version};
use identity::{KeyFilter, Page};
use sqlx::sqlite::SqliteRow;
use sqlx::{SqliteExecutor, SqlitePool};

use super::rows::{self, key_columns, tenant_columns};

/// A key works at the moment that is bound as `?2`.
macro_rules! works {
    () => {
        "revoked IS NULL AND (expires IS NULL OR ?2 < expires) AND (overlap_until IS NULL OR ?2 < overlap_until)"
    };
}

pub(super) async fn version(on: impl SqliteExecutor<'_>) -> Result<Version, sqlx::Error> {
    let number: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM changes").fetch_one(on).await?;
    Ok(Version::try_from(number).unwrap_or_default())
}

pub(super) async fn tenant(pool: &SqlitePool, id: &TenantId) -> Result<Option<Tenant>, sqlx::Error> {
    let sql = concat!("SELECT ", tenant_columns!(), " FROM tenants WHERE id = ?1");
    sqlx::query(sql).bind(id.as_str()).fetch_optional(pool).await?.map(|it| rows::tenant(&it)).transpose()
}

pub(super) async fn tenants(pool: &SqlitePool, page: &Page<TenantId>) -> Result<Vec<Tenant>, sqlx::Error> {
    let sql = concat!(
        "SELECT ",
        tenant_columns!(),
        " FROM tenants WHERE ?1 IS NULL OR (SELECT seq FROM tenants WHERE id = ?1) < seq ORDER BY seq LIMIT ?2"
    );
    let found =
        sqlx::query(sql).bind(page.after.as_ref().map(TenantId::as_str)).bind(page.limit).fetch_all(pool).await?;
    found.iter().map(rows::tenant).collect()
}

pub(super) async fn key(pool: &SqlitePool, id: &KeyId) -> Result<Option<KeyRecord>, sqlx::Error> {
    let sql = concat!("SELECT ", key_columns!(), " FROM keys WHERE id = ?1");
    one(sqlx::query(sql).bind(id.as_str()).fetch_optional(pool).await?)
}

pub(super) async fn keys(
    pool: &SqlitePool,
    filter: &KeyFilter,
    page: &Page<KeyId>,
) -> Result<Vec<KeyRecord>, sqlx::Error> {
    let sql = concat!(
        "SELECT ",
        key_columns!(),
        " FROM keys WHERE (?1 IS NULL OR (SELECT seq FROM keys WHERE id = ?1) < seq)",
        " AND (?2 IS NULL OR tenant = ?2) AND (?3 IS NULL OR api = ?3) ORDER BY seq LIMIT ?4"
    );
    let found = sqlx::query(sql)
        .bind(page.after.as_ref().map(KeyId::as_str))
        .bind(filter.tenant.as_ref().map(TenantId::as_str))
        .bind(filter.api.as_ref().map(domain::ApiName::as_str))
        .bind(page.limit)
        .fetch_all(pool)
        .await?;
    found.iter().map(rows::key).collect()
}

pub(super) async fn count_lineages(pool: &SqlitePool, tenant: &TenantId, now: Timestamp) -> Result<u64, sqlx::Error> {
    let sql = concat!("SELECT count(DISTINCT lineage) FROM keys WHERE tenant = ?1 AND ", works!());
    let count: i64 = sqlx::query_scalar(sql).bind(tenant.as_str()).bind(now.nanos()).fetch_one(pool).await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

pub(super) async fn named(
    pool: &SqlitePool,
    filter: &KeyFilter,
    name: &str,
    now: Timestamp,
) -> Result<Option<KeyRecord>, sqlx::Error> {
    let sql = concat!(
        "SELECT ",
        key_columns!(),
        " FROM keys WHERE name = ?1 AND ",
        works!(),
        " AND (?3 IS NULL OR tenant = ?3) AND (?4 IS NULL OR api = ?4) ORDER BY seq DESC LIMIT 1"
    );
    let found = sqlx::query(sql)
        .bind(name)
        .bind(now.nanos())
        .bind(filter.tenant.as_ref().map(TenantId::as_str))
        .bind(filter.api.as_ref().map(domain::ApiName::as_str))
        .fetch_optional(pool)
        .await?;
    one(found)
}

pub(super) async fn holder(pool: &SqlitePool, secret: &KeySecret) -> Result<Option<KeyId>, sqlx::Error> {
    let query = match secret {
        KeySecret::Minted { digest, .. } | KeySecret::Imported { digest, .. } => {
            sqlx::query_scalar("SELECT id FROM keys WHERE digest = ?1").bind(digest.as_slice())
        }
        KeySecret::AccessKey { access_key_id, .. } => {
            sqlx::query_scalar("SELECT id FROM keys WHERE access_key_id = ?1").bind(access_key_id.as_str())
        }
    };
    let found: Option<String> = query.fetch_optional(pool).await?;
    found.map(|it| it.parse().map_err(|bad| sqlx::Error::Decode(Box::new(bad)))).transpose()
}

fn one(row: Option<SqliteRow>) -> Result<Option<KeyRecord>, sqlx::Error> {
    row.map(|it| rows::key(&it)).transpose()
}
