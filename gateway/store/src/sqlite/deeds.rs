//! What was done, kept until it is entered in the log.

use domain::Deed;
use identity::DeedNumbers;
use sqlx::{SqliteConnection, SqliteExecutor, SqlitePool};

use super::follow::number;

/// How many are handed over at a time.
const BATCH: u32 = 1_000;

pub(super) async fn keep(pool: &SqlitePool, deeds: &[Deed]) -> Result<(), sqlx::Error> {
    let mut write = pool.begin_with(super::publish::BEGIN).await?;
    insert(&mut write, deeds).await?;
    write.commit().await
}

pub(super) async fn insert(on: &mut SqliteConnection, deeds: &[Deed]) -> Result<(), sqlx::Error> {
    for deed in deeds {
        let text = serde_json::to_string(deed).map_err(|it| sqlx::Error::Encode(Box::new(it)))?;
        sqlx::query("INSERT INTO deeds (deed) VALUES (?1)").bind(text).execute(&mut *on).await?;
    }
    Ok(())
}

pub(super) async fn oldest(pool: &SqlitePool) -> Result<Vec<(u64, Deed)>, sqlx::Error> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT number, deed FROM deeds ORDER BY number LIMIT ?1").bind(BATCH).fetch_all(pool).await?;
    let read = |(number, text): (i64, String)| {
        let deed = serde_json::from_str(&text).map_err(|it| sqlx::Error::Decode(Box::new(it)))?;
        Ok((u64::try_from(number).unwrap_or_default(), deed))
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn forget(pool: &SqlitePool, upto: u64) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM deeds WHERE number <= ?1").bind(number(upto)).execute(pool).await.map(drop)
}

pub(super) async fn numbers(pool: &SqlitePool) -> Result<DeedNumbers, sqlx::Error> {
    let newest = newest(pool).await?;
    let waiting = first(pool).await?;
    Ok(DeedNumbers { newest, waiting })
}

async fn first(on: impl SqliteExecutor<'_>) -> Result<Option<u64>, sqlx::Error> {
    let first: Option<i64> = sqlx::query_scalar("SELECT min(number) FROM deeds").fetch_one(on).await?;
    Ok(first.map(|it| u64::try_from(it).unwrap_or_default()))
}

async fn newest(on: impl SqliteExecutor<'_>) -> Result<u64, sqlx::Error> {
    // SQLite keeps the count apart from the rows, so that no number is used again once its row is gone.
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'deeds'").fetch_optional(on).await?;
    Ok(u64::try_from(newest.unwrap_or_default()).unwrap_or_default())
}

/// In the order that they have, and with the gaps that are among them.
pub(super) async fn number_after(pool: &SqlitePool, after: u64) -> Result<(), sqlx::Error> {
    let mut write = pool.begin_with(super::publish::BEGIN).await?;
    let newest = newest(&mut *write).await?;
    let entered = first(&mut *write).await?.map_or(newest, |it| it.saturating_sub(1));
    let Some(shift) = after.checked_sub(entered).filter(|it| 0 < *it) else { return Ok(()) };
    // By way of negative numbers: none of the new ones may be one of the old ones, even for a moment.
    sqlx::query("UPDATE deeds SET number = -(number + ?1)").bind(number(shift)).execute(&mut *write).await?;
    sqlx::query("UPDATE deeds SET number = -number").execute(&mut *write).await?;
    sqlx::query("DELETE FROM sqlite_sequence WHERE name = 'deeds'").execute(&mut *write).await?;
    let newest = number(newest.saturating_add(shift));
    sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES ('deeds', ?1)")
        .bind(newest)
        .execute(&mut *write)
        .await?;
    write.commit().await
}

/// Empties the write-ahead file, in which what was forgotten stands until then. Says whether it could: whoever reads just
/// now may need it.
pub(super) async fn empty_write_ahead(pool: &SqlitePool) -> Result<bool, sqlx::Error> {
    let (busy, ..): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await?;
    Ok(busy == 0)
}
