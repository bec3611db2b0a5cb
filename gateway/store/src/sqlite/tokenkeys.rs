//! The keys that sign tokens: few, so that they are read and written as rows.

use domain::{Timestamp, TokenKey, TokenKeyAlg, TokenKeyStage, Version};
use sqlx::{SqliteConnection, SqliteExecutor};

use super::follow::number;

/// A row, in the order in which it is asked for.
type Row = (String, String, Vec<u8>, Option<Vec<u8>>, i64, String, i64);

/// All of them, in the order in which they were made.
pub(super) async fn all(on: impl SqliteExecutor<'_>) -> Result<Vec<TokenKey>, sqlx::Error> {
    let sql = "SELECT kid, alg, public, sealed, published, stage, at FROM token_keys ORDER BY seq";
    let rows: Vec<Row> = sqlx::query_as(sql).fetch_all(on).await?;
    rows.into_iter().map(key).collect()
}

/// Those that changed after a version, up to another.
pub(super) async fn between(
    on: &mut SqliteConnection,
    after: Version,
    upto: Version,
) -> Result<Vec<TokenKey>, sqlx::Error> {
    let sql = "SELECT kid, alg, public, sealed, published, stage, at FROM token_keys \
               WHERE kid IN (SELECT token_key FROM changes WHERE ?1 < version AND version <= ?2) ORDER BY seq";
    let rows: Vec<Row> = sqlx::query_as(sql).bind(number(after)).bind(number(upto)).fetch_all(on).await?;
    rows.into_iter().map(key).collect()
}

/// What it is never changes: only how far it has come, and that its private half is no more.
pub(super) async fn write(on: &mut SqliteConnection, key: &TokenKey) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO token_keys (kid, public, sealed, published, stage, at, alg) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT (kid) DO UPDATE SET sealed = ?3, stage = ?5, at = ?6";
    let (stage, at) = key.stage.told();
    sqlx::query(sql)
        .bind(key.kid.as_str())
        .bind(key.public.as_slice())
        .bind(key.sealed.as_deref())
        .bind(key.published.nanos())
        .bind(stage)
        .bind(at.nanos())
        .bind(key.alg.as_str())
        .execute(on)
        .await
        .map(drop)
}

fn key((kid, alg, public, sealed, published, stage, at): Row) -> Result<TokenKey, sqlx::Error> {
    let unknown = || sqlx::Error::Decode(format!("a key that is `{stage}`").into());
    let stage = TokenKeyStage::heard(&stage, Timestamp::from_nanos(at)).ok_or_else(unknown)?;
    let strange = || sqlx::Error::Decode(format!("a key that signs with `{alg}`").into());
    let alg = TokenKeyAlg::heard(&alg).ok_or_else(strange)?;
    Ok(TokenKey { kid, alg, public, sealed, published: Timestamp::from_nanos(published), stage })
}
