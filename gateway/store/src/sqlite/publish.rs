//! Writing: rows and their place in the log in one transaction.

use std::fmt::Display;

use domain::{Change, Deed, Digest, KeyId, KeyRecord, KeySecret, Tenant, Timestamp, Version};
use identity::{PublishFault, SecretsChanged, StoreFault};
use sqlx::{SqliteConnection, SqlitePool};

use super::follow::number;
use super::{deeds, fault, read, records, tokenkeys};

/// Takes the right to write at once: a transaction that reads first and asks for it later may be told to begin again.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// Uses are written in small parts, so that a verb never waits long for the flush.
const USES: usize = 500;

pub(super) async fn publish(
    pool: &SqlitePool,
    seen: Version,
    changes: &[Change],
    done: &[Deed],
) -> Result<Version, PublishFault> {
    let fault = fault("publishing a change");
    let mut write = pool.begin_with(BEGIN).await.map_err(&fault)?;
    if read::version(&mut *write).await.map_err(&fault)? != seen {
        return Err(PublishFault::Stale);
    }
    let mut version = seen;
    for change in changes {
        version = version.saturating_add(1);
        write_change(&mut write, version, change).await.map_err(&fault)?;
    }
    deeds::insert(&mut write, done).await.map_err(&fault)?;
    write.commit().await.map_err(&fault)?;
    Ok(version)
}

async fn write_change(on: &mut SqliteConnection, version: Version, change: &Change) -> Result<(), sqlx::Error> {
    let (column, value) = match change {
        Change::Tenant(tenant) => {
            write_tenant(on, tenant).await?;
            (Column::Tenant, tenant.id.as_str())
        }
        Change::Key(key) => {
            write_key(on, key).await?;
            (Column::Key, key.id.as_str())
        }
        Change::TokenKey(key) => {
            tokenkeys::write(on, key).await?;
            (Column::TokenKey, key.kid.as_str())
        }
        Change::KeyGone(id) => {
            sqlx::query("DELETE FROM keys WHERE id = ?1").bind(id.as_str()).execute(&mut *on).await?;
            (Column::Key, id.as_str())
        }
        Change::Record(record) => {
            records::write(on, record).await?;
            (Column::Record, record.kind)
        }
        Change::RecordGone(kind, id) => {
            records::forget(on, kind, id).await?;
            (Column::Record, *kind)
        }
    };
    log_change(on, version, column, value).await
}

/// What a line of the log is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Tenant,
    Key,
    TokenKey,
    Record,
}

pub(super) async fn log_change(
    on: &mut SqliteConnection,
    version: Version,
    column: Column,
    value: &str,
) -> Result<(), sqlx::Error> {
    if column == Column::Record {
        // Nobody follows those, and only the newest number counts.
        sqlx::query("DELETE FROM changes WHERE record IS NOT NULL").execute(&mut *on).await?;
    }
    let sql = match column {
        Column::Tenant => "INSERT INTO changes (version, tenant) VALUES (?1, ?2)",
        Column::Key => "INSERT INTO changes (version, key) VALUES (?1, ?2)",
        Column::TokenKey => "INSERT INTO changes (version, token_key) VALUES (?1, ?2)",
        Column::Record => "INSERT INTO changes (version, record) VALUES (?1, ?2)",
    };
    sqlx::query(sql).bind(number(version)).bind(value).execute(on).await.map(drop)
}

async fn write_tenant(on: &mut SqliteConnection, tenant: &Tenant) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO tenants (id, name, tiers, created, suspended) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (id) DO UPDATE SET name = ?2, tiers = ?3, suspended = ?5";
    sqlx::query(sql)
        .bind(tenant.id.as_str())
        .bind(tenant.name.as_str())
        .bind(spaced(tenant.tiers.iter().map(|(api, tier)| format!("{api}={tier}"))))
        .bind(tenant.created.nanos())
        .bind(tenant.suspended.map(Timestamp::nanos))
        .execute(on)
        .await
        .map(drop)
}

/// Whose a key is and where it comes from never changes; when it was last used is noted elsewhere.
async fn write_key(on: &mut SqliteConnection, key: &KeyRecord) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO keys (id, lineage, api, tenant, created, rotated_from, last_used, name, owner, form, digest, \
               pepper, access_key_id, sealed, scopes, tier, ip_allow, expires, overlap_until, revoked, overlap_since, \
               granted, suspended, bound) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
               ?24) \
               ON CONFLICT (id) DO UPDATE SET name = ?8, owner = ?9, form = ?10, digest = ?11, pepper = ?12, \
               access_key_id = ?13, sealed = ?14, scopes = ?15, tier = ?16, ip_allow = ?17, expires = ?18, \
               overlap_until = ?19, revoked = ?20, overlap_since = ?21, granted = ?22, suspended = ?23, \
               bound = ?24";
    let kept = Kept::of(&key.secret).map_err(|it| sqlx::Error::Encode(it.into()))?;
    sqlx::query(sql)
        .bind(key.id.as_str())
        .bind(key.lineage.as_str())
        .bind(key.api.as_str())
        .bind(key.tenant.as_str())
        .bind(key.created.nanos())
        .bind(key.rotated_from.as_ref().map(KeyId::as_str))
        .bind(key.last_used.map(Timestamp::nanos))
        .bind(key.name.as_str())
        .bind(key.owner.as_deref())
        .bind(kept.form)
        .bind(kept.digest)
        .bind(kept.pepper)
        .bind(kept.access_key_id)
        .bind(kept.sealed)
        .bind(spaced(&key.scopes))
        .bind(key.tier.as_str())
        .bind(spaced(&key.ip_allow))
        .bind(key.expires.map(Timestamp::nanos))
        .bind(key.overlap.map(|it| it.until.nanos()))
        .bind(key.revoked.map(Timestamp::nanos))
        .bind(key.overlap.map(|it| it.since.nanos()))
        .bind(kept.granted)
        .bind(key.suspended.map(Timestamp::nanos))
        .bind(key.bound.as_ref().map(ToString::to_string))
        .execute(on)
        .await
        .map(drop)
}

/// The secret of a key, column by column.
struct Kept<'a> {
    form: i64,
    digest: Option<&'a [u8]>,
    pepper: Option<u16>,
    access_key_id: Option<&'a str>,
    sealed: Option<&'a [u8]>,
    granted: Option<String>,
}

impl<'a> Kept<'a> {
    fn of(secret: &'a KeySecret) -> serde_json::Result<Self> {
        let none = || Self { form: 0, digest: None, pepper: None, access_key_id: None, sealed: None, granted: None };
        let digested =
            |form, digest: &'a Digest, pepper| Self { form, digest: Some(digest), pepper: Some(pepper), ..none() };
        Ok(match secret {
            KeySecret::Minted { digest, pepper } => digested(1, digest, *pepper),
            KeySecret::Imported { digest, pepper } => digested(2, digest, *pepper),
            KeySecret::AccessKey { access_key_id, sealed } => {
                Self { form: 3, access_key_id: Some(access_key_id), sealed: Some(sealed), ..none() }
            }
            KeySecret::Granted(grant) => Self { form: 4, granted: Some(serde_json::to_string(grant)?), ..none() },
        })
    }
}

pub(super) async fn note_uses(pool: &SqlitePool, uses: &[(KeyId, Timestamp)]) -> Result<(), sqlx::Error> {
    for part in uses.chunks(USES) {
        let mut write = pool.begin_with(BEGIN).await?;
        for (id, at) in part {
            let sql = "UPDATE keys SET last_used = ?2 WHERE id = ?1 AND (last_used IS NULL OR last_used < ?2)";
            sqlx::query(sql).bind(id.as_str()).bind(at.nanos()).execute(&mut *write).await?;
        }
        write.commit().await?;
    }
    Ok(())
}

pub(super) async fn remember_marks(pool: &SqlitePool, marks: &[(String, Digest)]) -> Result<(), SecretsChanged> {
    let fault = fault("comparing the secrets");
    let mut write = pool.begin_with(BEGIN).await.map_err(&fault)?;
    let known: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT secret, mark FROM marks").fetch_all(&mut *write).await.map_err(&fault)?;
    for (secret, mark) in known {
        match marks.iter().find(|it| it.0 == secret) {
            Some((_, now)) if now.as_slice() == mark => {}
            Some(_) => return Err(SecretsChanged::Other(secret)),
            None if needed(&mut write, &secret).await? => return Err(SecretsChanged::Missing(secret)),
            None => forget(&mut write, &secret).await.map_err(&fault)?,
        }
    }
    for (secret, mark) in marks {
        sqlx::query("INSERT INTO marks (secret, mark) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(secret.as_str())
            .bind(mark.as_slice())
            .execute(&mut *write)
            .await
            .map_err(&fault)?;
    }
    write.commit().await.map_err(fault)?;
    Ok(())
}

/// Whether a key that was not revoked is kept under a pepper. The master key is always needed.
async fn needed(on: &mut SqliteConnection, secret: &str) -> Result<bool, StoreFault> {
    let Some(pepper) = secret.strip_prefix("pepper.v").and_then(|it| it.parse::<u16>().ok()) else { return Ok(true) };
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM keys WHERE pepper = ?1 AND revoked IS NULL)")
        .bind(pepper)
        .fetch_one(on)
        .await
        .map_err(fault("looking for keys under an old pepper"))
}

async fn forget(on: &mut SqliteConnection, secret: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM marks WHERE secret = ?1").bind(secret).execute(on).await.map(drop)
}

fn spaced<T: Display>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().map(|it| it.to_string()).collect::<Vec<_>>().join(" ")
}
