//! What is kept of people and of what acts for them, and what has had its time.

use std::time::Duration;

use domain::{KeyId, Record, TenantId, Timestamp};
use identity::Sought;
use sqlx::{SqliteConnection, SqlitePool};

use super::publish::{BEGIN, Column, log_change};
use super::read;
use super::rows::parsed;

/// How long a grant is kept after its end, so that whoever asks what became of it is told.
const KEPT_AFTER_END: Duration = Duration::from_hours(24);

/// How many are swept in one transaction, so that a verb never waits long for it.
const SWEPT: u32 = 500;

pub(super) async fn one(pool: &SqlitePool, kind: &str, id: &str) -> Result<Option<String>, sqlx::Error> {
    let sql = "SELECT text FROM records WHERE kind = ?1 AND id = ?2";
    sqlx::query_scalar(sql).bind(kind).bind(id).fetch_optional(pool).await
}

pub(super) async fn some(pool: &SqlitePool, sought: &Sought<'_>) -> Result<Vec<String>, sqlx::Error> {
    let after: Option<i64> = match sought.page.after.as_deref() {
        None => Some(0),
        Some(id) => {
            let sql = "SELECT seq FROM records WHERE kind = ?1 AND id = ?2";
            sqlx::query_scalar(sql).bind(sought.kind).bind(id).fetch_optional(pool).await?
        }
    };
    let Some(after) = after else { return Ok(Vec::new()) };
    // A statement for each of what is asked: one for all of them goes by no index, and walks all that there is of a kind.
    let sql = match (sought.by, sought.tenant) {
        (Some(_), _) => {
            "SELECT text FROM record_names JOIN records ON seq = record \
             WHERE record_names.kind = ?1 AND name = ?3 AND value = ?4 AND ?5 < record \
             AND (?2 IS NULL OR tenant = ?2) ORDER BY record LIMIT ?6"
        }
        (None, Some(_)) => {
            "SELECT text FROM records WHERE kind = ?1 AND tenant = ?2 AND ?5 < seq AND ?3 IS NULL AND ?4 IS NULL \
             ORDER BY seq LIMIT ?6"
        }
        (None, None) => {
            "SELECT text FROM records WHERE kind = ?1 AND ?5 < seq AND ?2 IS NULL AND ?3 IS NULL AND ?4 IS NULL \
             ORDER BY seq LIMIT ?6"
        }
    };
    sqlx::query_scalar(sql)
        .bind(sought.kind)
        .bind(sought.tenant.map(TenantId::as_str))
        .bind(sought.by.map(|it| it.0))
        .bind(sought.by.map(|it| it.1))
        .bind(after)
        .bind(sought.page.limit)
        .fetch_all(pool)
        .await
}

/// Whose it is and what it is never changes.
pub(super) async fn write(on: &mut SqliteConnection, record: &Record) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO records (kind, id, tenant, until, text) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (kind, id) DO UPDATE SET until = ?4, text = ?5 RETURNING seq";
    let seq: i64 = sqlx::query_scalar(sql)
        .bind(record.kind)
        .bind(record.id.as_str())
        .bind(record.tenant.as_ref().map(TenantId::as_str))
        .bind(record.until.map(Timestamp::nanos))
        .bind(record.text.as_str())
        .fetch_one(&mut *on)
        .await?;
    sqlx::query("DELETE FROM record_names WHERE record = ?1").bind(seq).execute(&mut *on).await?;
    for (name, value) in &record.found_by {
        let sql = "INSERT INTO record_names (kind, name, value, record) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        sqlx::query(sql).bind(record.kind).bind(*name).bind(value.as_str()).bind(seq).execute(&mut *on).await?;
    }
    Ok(())
}

pub(super) async fn forget(on: &mut SqliteConnection, kind: &str, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM records WHERE kind = ?1 AND id = ?2").bind(kind).bind(id).execute(on).await.map(drop)
}

/// Forgets what may be forgotten at this moment. A grant that goes is news for whoever follows; whatever nobody follows
/// needs no number, for nobody decides anything on what has had its time.
/// Says whether more is left of it.
pub(super) async fn sweep(pool: &SqlitePool, now: Timestamp) -> Result<bool, sqlx::Error> {
    let mut write = pool.begin_with(BEGIN).await?;
    let sql = "DELETE FROM records WHERE seq IN (SELECT seq FROM records WHERE until < ?1 LIMIT ?2)";
    let records = sqlx::query(sql).bind(now.nanos()).bind(SWEPT).execute(&mut *write).await?.rows_affected();
    let ended = now - KEPT_AFTER_END;
    let sql = "SELECT id FROM keys WHERE form = 4 AND (expires < ?1 OR revoked < ?1) LIMIT ?2";
    let gone: Vec<String> = sqlx::query_scalar(sql).bind(ended.nanos()).bind(SWEPT).fetch_all(&mut *write).await?;
    let more = u64::from(SWEPT) <= records || SWEPT as usize <= gone.len();
    let mut version = read::version(&mut *write).await?;
    for id in gone {
        let id: KeyId = parsed(&id)?;
        sqlx::query("DELETE FROM keys WHERE id = ?1").bind(id.as_str()).execute(&mut *write).await?;
        version = version.saturating_add(1);
        log_change(&mut write, version, Column::Key, id.as_str()).await?;
    }
    write.commit().await?;
    Ok(more)
}
