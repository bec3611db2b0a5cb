//! What was done, kept until it is entered in the log.

use domain::Deed;
use sqlx::{SqliteConnection, SqlitePool};

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

/// Empties the write-ahead file, in which what was forgotten stands until then. Says whether it could: whoever reads just
/// now may need it.
pub(super) async fn empty_write_ahead(pool: &SqlitePool) -> Result<bool, sqlx::Error> {
    let (busy, ..): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await?;
    Ok(busy == 0)
}
