//! Rows to nouns. A row that is no noun can only have been written by someone else, and is a fault.

use std::str::FromStr;

use domain::{ApiName, Digest, KeyRecord, KeySecret, Tenant, TierName, Timestamp};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// The columns of a tenant, in the order in which [`tenant`] reads them.
macro_rules! tenant_columns {
    () => {
        "id, name, tiers, created, suspended"
    };
}

/// The columns of a key, in the order in which [`key`] reads them.
macro_rules! key_columns {
    () => {
        "id, lineage, api, tenant, name, owner, form, digest, pepper, access_key_id, sealed, scopes, tier, ip_allow, \
         created, expires, rotated_from, overlap_until, revoked, last_used"
    };
}

pub(super) use {key_columns, tenant_columns};

pub(super) fn tenant(row: &SqliteRow) -> Result<Tenant, sqlx::Error> {
    let pair = |it: &str| -> Result<(ApiName, TierName), sqlx::Error> {
        let (api, tier) = it.split_once('=').ok_or_else(|| decoded("a tier without an API".into()))?;
        Ok((parsed(api)?, parsed(tier)?))
    };
    Ok(Tenant {
        id: parsed(row.try_get(0)?)?,
        name: row.try_get(1)?,
        tiers: row.try_get::<&str, _>(2)?.split_whitespace().map(pair).collect::<Result<_, _>>()?,
        created: Timestamp::from_nanos(row.try_get(3)?),
        suspended: moment(row, 4)?,
    })
}

pub(super) fn key(row: &SqliteRow) -> Result<KeyRecord, sqlx::Error> {
    Ok(KeyRecord {
        id: parsed(row.try_get(0)?)?,
        lineage: parsed(row.try_get(1)?)?,
        api: parsed(row.try_get(2)?)?,
        tenant: parsed(row.try_get(3)?)?,
        name: row.try_get(4)?,
        owner: row.try_get(5)?,
        secret: secret(row)?,
        scopes: row.try_get::<&str, _>(11)?.split_whitespace().map(parsed).collect::<Result<_, _>>()?,
        tier: parsed(row.try_get(12)?)?,
        ip_allow: row.try_get::<&str, _>(13)?.split_whitespace().map(parsed).collect::<Result<_, _>>()?,
        created: Timestamp::from_nanos(row.try_get(14)?),
        expires: moment(row, 15)?,
        rotated_from: row.try_get::<Option<&str>, _>(16)?.map(parsed).transpose()?,
        overlap_until: moment(row, 17)?,
        revoked: moment(row, 18)?,
        last_used: moment(row, 19)?,
    })
}

fn secret(row: &SqliteRow) -> Result<KeySecret, sqlx::Error> {
    let digest = || Digest::try_from(row.try_get::<&[u8], _>(7)?).map_err(|it| decoded(it.into()));
    Ok(match row.try_get::<i64, _>(6)? {
        1 => KeySecret::Minted { digest: digest()?, pepper: row.try_get(8)? },
        2 => KeySecret::Imported { digest: digest()?, pepper: row.try_get(8)? },
        3 => KeySecret::AccessKey { access_key_id: row.try_get(9)?, sealed: row.try_get(10)? },
        other => return Err(decoded(format!("a key of form {other}").into())),
    })
}

fn moment(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_nanos))
}

fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T, sqlx::Error> {
    text.parse().map_err(|it: T::Err| decoded(Box::new(it)))
}

fn decoded(source: Box<dyn std::error::Error + Send + Sync>) -> sqlx::Error {
    sqlx::Error::Decode(source)
}
