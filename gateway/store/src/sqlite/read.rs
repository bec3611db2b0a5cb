//! Reading what is kept.

use domain::{ApiName, KeyId, KeyRecord, KeySecret, Tenant, TenantId, Timestamp, Version};
use identity::{KeyFilter, Page};
use sqlx::{SqliteExecutor, SqlitePool};

use super::rows::{self, key_line, parsed, tenant_line};

/// A key works at the moment that is bound as `?2`.
macro_rules! works {
    () => {
        "revoked IS NULL AND (expires IS NULL OR ?2 < expires) AND (overlap_until IS NULL OR ?2 < overlap_until)"
    };
}

/// The keys or grants after a number of which this is so, in their order.
macro_rules! some_keys {
    ($is:literal) => {
        concat!(
            "SELECT ",
            key_line!(),
            " FROM keys WHERE ",
            $is,
            " AND ?1 < seq AND (?3 IS NULL OR api = ?3) AND (form = 4) = ?6 ORDER BY seq LIMIT ?4"
        )
    };
}

pub(super) async fn version(on: impl SqliteExecutor<'_>) -> Result<Version, sqlx::Error> {
    let number: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM changes").fetch_one(on).await?;
    Ok(Version::try_from(number).unwrap_or_default())
}

pub(super) async fn tenant(pool: &SqlitePool, id: &TenantId) -> Result<Option<Tenant>, sqlx::Error> {
    let sql = concat!("SELECT ", tenant_line!(), " FROM tenants WHERE id = ?1");
    let line: Option<String> = sqlx::query_scalar(sql).bind(id.as_str()).fetch_optional(pool).await?;
    line.map(|it| rows::tenant(&it)).transpose()
}

pub(super) async fn tenants(pool: &SqlitePool, page: &Page<TenantId>) -> Result<Vec<Tenant>, sqlx::Error> {
    let sql = concat!(
        "SELECT ",
        tenant_line!(),
        " FROM tenants WHERE ?1 IS NULL OR (SELECT seq FROM tenants WHERE id = ?1) < seq ORDER BY seq LIMIT ?2"
    );
    let after = page.after.as_ref().map(TenantId::as_str);
    let lines: Vec<String> = sqlx::query_scalar(sql).bind(after).bind(page.limit).fetch_all(pool).await?;
    lines.iter().map(|it| rows::tenant(it)).collect()
}

pub(super) async fn key(pool: &SqlitePool, id: &KeyId) -> Result<Option<KeyRecord>, sqlx::Error> {
    let sql = concat!("SELECT ", key_line!(), " FROM keys WHERE id = ?1");
    let line: Option<String> = sqlx::query_scalar(sql).bind(id.as_str()).fetch_optional(pool).await?;
    line.map(|it| rows::key(&it)).transpose()
}

pub(super) async fn keys(
    pool: &SqlitePool,
    filter: &KeyFilter,
    page: &Page<KeyId>,
) -> Result<Vec<KeyRecord>, sqlx::Error> {
    let after: Option<i64> = match &page.after {
        None => Some(0),
        Some(id) => {
            sqlx::query_scalar("SELECT seq FROM keys WHERE id = ?1").bind(id.as_str()).fetch_optional(pool).await?
        }
    };
    let Some(after) = after else { return Ok(Vec::new()) };
    // A statement for each of what is asked: one for all of them goes by no index, and walks the keys of everybody.
    let sql = match (&filter.owner, &filter.tenant) {
        (Some(_), _) => some_keys!("owner = ?5 AND (?2 IS NULL OR tenant = ?2)"),
        (None, Some(_)) => some_keys!("tenant = ?2 AND ?5 IS NULL"),
        (None, None) => some_keys!("?2 IS NULL AND ?5 IS NULL"),
    };
    let lines: Vec<String> = sqlx::query_scalar(sql)
        .bind(after)
        .bind(filter.tenant.as_ref().map(TenantId::as_str))
        .bind(filter.api.as_ref().map(ApiName::as_str))
        .bind(page.limit)
        .bind(filter.owner.as_deref())
        .bind(filter.grants)
        .fetch_all(pool)
        .await?;
    lines.iter().map(|it| rows::key(it)).collect()
}

pub(super) async fn tenant_called(pool: &SqlitePool, name: &str) -> Result<Option<TenantId>, sqlx::Error> {
    let sql = "SELECT id FROM tenants WHERE name = ?1 ORDER BY seq LIMIT 1";
    let id: Option<String> = sqlx::query_scalar(sql).bind(name).fetch_optional(pool).await?;
    id.map(|it| parsed(&it)).transpose()
}

pub(super) async fn count_lineages(pool: &SqlitePool, tenant: &TenantId, now: Timestamp) -> Result<u64, sqlx::Error> {
    let sql = concat!("SELECT count(DISTINCT lineage) FROM keys WHERE tenant = ?1 AND form <> 4 AND ", works!());
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
        key_line!(),
        " FROM keys WHERE name = ?1 AND form <> 4 AND ",
        works!(),
        " AND (?3 IS NULL OR tenant = ?3) AND (?4 IS NULL OR api = ?4) ORDER BY seq DESC LIMIT 1"
    );
    let line: Option<String> = sqlx::query_scalar(sql)
        .bind(name)
        .bind(now.nanos())
        .bind(filter.tenant.as_ref().map(TenantId::as_str))
        .bind(filter.api.as_ref().map(ApiName::as_str))
        .fetch_optional(pool)
        .await?;
    line.map(|it| rows::key(&it)).transpose()
}

pub(super) async fn holder(pool: &SqlitePool, secret: &KeySecret) -> Result<Option<KeyId>, sqlx::Error> {
    let query = match secret {
        KeySecret::Minted { digest, .. } | KeySecret::Imported { digest, .. } => {
            sqlx::query_scalar("SELECT id FROM keys WHERE digest = ?1").bind(digest.as_slice())
        }
        KeySecret::AccessKey { access_key_id, .. } => {
            sqlx::query_scalar("SELECT id FROM keys WHERE access_key_id = ?1").bind(access_key_id.as_str())
        }
        KeySecret::Granted(_) => return Ok(None),
    };
    let found: Option<String> = query.fetch_optional(pool).await?;
    found.map(|it| parsed(&it)).transpose()
}
