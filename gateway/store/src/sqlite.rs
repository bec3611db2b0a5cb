//! One file that several processes share: the gateway that reads it and the commands that change it.

mod deeds;
mod follow;
mod publish;
mod read;
mod records;
mod rows;
mod tokenkeys;

use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Change, Deed, Digest, KeyId, KeyRecord, KeySecret, Tenant, TenantId, Timestamp, TokenKey, Version};
use identity::{DeedNumbers, KeyFilter, News, Page, PublishFault, Registry, SecretsChanged, Sought, StoreFault};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlitePool};

/// How long a write waits for another process to finish its own.
const BUSY: Duration = Duration::from_secs(5);

/// The verbs, the follower and the flush of uses at most; each connection is a thread and a page cache.
const CONNECTIONS: u32 = 3;

/// How often opening is tried when other processes open the same new file.
const ATTEMPTS: usize = 10;

/// A registry in one SQLite file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    pool: SqlitePool,
    /// Something that was forgotten may still stand in the write-ahead file.
    unwiped: Arc<AtomicBool>,
    file: Arc<OpenedFile>,
}

/// The file that was opened, so that it can be told from another in its place: SQLite reads on in one that was taken away.
#[derive(Debug)]
struct OpenedFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// The file that is written to is no more the one that others find.
#[derive(Debug, thiserror::Error)]
#[error("`{}` was taken away, or another file put in its place: start the gateway anew", .0.display())]
struct Replaced(PathBuf);

impl OpenedFile {
    fn at(path: &Path) -> std::io::Result<Self> {
        let is = std::fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: is.dev(), inode: is.ino() })
    }

    fn is_there(&self) -> Result<(), Replaced> {
        let there = Self::at(&self.path).is_ok_and(|it| (it.device, it.inode) == (self.device, self.inode));
        if there { Ok(()) } else { Err(Replaced(self.path.clone())) }
    }
}

/// The file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be made or read.
    #[error("`{0}` cannot be opened: {1}")]
    File(PathBuf, std::io::Error),
    /// It is no database, or of a later version of the gateway.
    #[error("`{0}` cannot be used as a database: {1}")]
    Database(PathBuf, MigrateError),
}

impl Sqlite {
    /// Opens the file, makes it where there is none, and brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        make_private(path).map_err(|it| OpenError::File(path.to_owned(), it))?;
        let pool = pool(path);
        let mut attempts = 0;
        loop {
            attempts += 1;
            match migrator().run(&pool).await {
                Ok(()) => {
                    let file = OpenedFile::at(path).map_err(|it| OpenError::File(path.to_owned(), it))?;
                    return Ok(Self { pool, unwiped: Arc::default(), file: Arc::new(file) });
                }
                // Two processes that both make the tables get into each other's way once; then they are there.
                Err(fault) if attempts < ATTEMPTS && is_contention(&fault) => tokio::task::yield_now().await,
                Err(fault) => return Err(OpenError::Database(path.to_owned(), fault)),
            }
        }
    }

    /// Leaves nothing of what was forgotten in the write-ahead file.
    async fn wipe(&self) -> Result<(), StoreFault> {
        if self.unwiped.swap(false, Ordering::AcqRel) {
            let wiped = deeds::empty_write_ahead(&self.pool).await;
            if !matches!(wiped, Ok(true)) {
                self.unwiped.store(true, Ordering::Release);
            }
            wiped.map_err(fault("emptying the write-ahead file"))?;
        }
        Ok(())
    }

    /// Ends all work and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// The file and what SQLite puts beside it are for their owner alone; SQLite gives its own files the mode of this one.
fn make_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(there) if there.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

fn pool(path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is forgotten is not to be found in the file.
        .pragma("secure_delete", "ON");
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
    // SQLite may end a transaction by itself, as on a full disk. The connection does not hear of it, and could never begin
    // another: what is due is undone first, and whoever still counts one then is of no use.
    let pool = pool.after_release(|it, _| Box::pin(async move { it.ping().await.map(|()| !it.is_in_transaction()) }));
    pool.connect_lazy_with(options)
}

fn migrator() -> Migrator {
    let migration = |version, name: &'static str, text: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sqlx::SqlStr::from_static(text), false)
    };
    Migrator::with_migrations(vec![
        migration(1, "tenants and keys", include_str!("../migrations/0001_tenants_and_keys.sql")),
        migration(2, "overlaps", include_str!("../migrations/0002_overlaps.sql")),
        migration(3, "deeds", include_str!("../migrations/0003_deeds.sql")),
        migration(4, "token keys", include_str!("../migrations/0004_token_keys.sql")),
        migration(5, "grants and records", include_str!("../migrations/0005_grants_and_records.sql")),
        migration(6, "suspended keys", include_str!("../migrations/0006_suspended_keys.sql")),
        migration(7, "bound keys", include_str!("../migrations/0007_bound_keys.sql")),
        migration(8, "algorithms of token keys", include_str!("../migrations/0008_token_key_algs.sql")),
    ])
}

fn is_contention(fault: &MigrateError) -> bool {
    matches!(
        fault,
        MigrateError::Execute(sqlx::Error::Database(_)) | MigrateError::ExecuteMigration(sqlx::Error::Database(_), _)
    )
}

/// Words a fault of the database.
fn fault(doing: &'static str) -> impl Fn(sqlx::Error) -> StoreFault {
    move |source| StoreFault { doing, source: Box::new(source) }
}

#[async_trait]
impl Registry for Sqlite {
    async fn version(&self) -> Result<Version, StoreFault> {
        let doing = "looking for the file";
        self.file.is_there().map_err(|it| StoreFault { doing, source: Box::new(it) })?;
        read::version(&self.pool).await.map_err(fault("reading the version"))
    }

    async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreFault> {
        read::tenant(&self.pool, id).await.map_err(fault("reading a tenant"))
    }

    async fn tenants(&self, page: &Page<TenantId>) -> Result<Vec<Tenant>, StoreFault> {
        read::tenants(&self.pool, page).await.map_err(fault("reading tenants"))
    }

    async fn tenant_called(&self, name: &str) -> Result<Option<TenantId>, StoreFault> {
        read::tenant_called(&self.pool, name).await.map_err(fault("looking for a tenant"))
    }

    async fn key(&self, id: &KeyId) -> Result<Option<KeyRecord>, StoreFault> {
        read::key(&self.pool, id).await.map_err(fault("reading a key"))
    }

    async fn keys(&self, filter: &KeyFilter, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreFault> {
        read::keys(&self.pool, filter, page).await.map_err(fault("reading keys"))
    }

    async fn count_lineages(&self, tenant: &TenantId, now: Timestamp) -> Result<u64, StoreFault> {
        read::count_lineages(&self.pool, tenant, now).await.map_err(fault("counting keys"))
    }

    async fn named(&self, filter: &KeyFilter, name: &str, now: Timestamp) -> Result<Option<KeyRecord>, StoreFault> {
        read::named(&self.pool, filter, name, now).await.map_err(fault("looking for a name"))
    }

    async fn holder(&self, secret: &KeySecret) -> Result<Option<KeyId>, StoreFault> {
        read::holder(&self.pool, secret).await.map_err(fault("looking for a key"))
    }

    async fn token_keys(&self) -> Result<Vec<TokenKey>, StoreFault> {
        tokenkeys::all(&self.pool).await.map_err(fault("reading the keys that sign tokens"))
    }

    async fn record(&self, kind: &str, id: &str) -> Result<Option<String>, StoreFault> {
        records::one(&self.pool, kind, id).await.map_err(fault("reading a record"))
    }

    async fn records(&self, sought: &Sought<'_>) -> Result<Vec<String>, StoreFault> {
        records::some(&self.pool, sought).await.map_err(fault("reading records"))
    }

    async fn sweep(&self, now: Timestamp) -> Result<bool, StoreFault> {
        records::sweep(&self.pool, now).await.map_err(fault("forgetting what has had its time"))
    }

    async fn publish(&self, seen: Version, changes: &[Change], deeds: &[Deed]) -> Result<Version, PublishFault> {
        publish::publish(&self.pool, seen, changes, deeds).await
    }

    async fn keep_deeds(&self, deeds: &[Deed]) -> Result<(), StoreFault> {
        deeds::keep(&self.pool, deeds).await.map_err(fault("keeping what was done"))
    }

    async fn deeds(&self) -> Result<Vec<(u64, Deed)>, StoreFault> {
        // Where somebody was reading when it was to be done, it is done when it is looked for the next time.
        self.wipe().await?;
        deeds::oldest(&self.pool).await.map_err(fault("reading what was done"))
    }

    async fn forget_deeds(&self, upto: u64) -> Result<(), StoreFault> {
        deeds::forget(&self.pool, upto).await.map_err(fault("forgetting what was entered"))?;
        self.unwiped.store(true, Ordering::Release);
        self.wipe().await
    }

    async fn deed_numbers(&self) -> Result<DeedNumbers, StoreFault> {
        deeds::numbers(&self.pool).await.map_err(fault("reading how many deeds there were"))
    }

    async fn number_deeds_after(&self, number: u64) -> Result<(), StoreFault> {
        deeds::number_after(&self.pool, number).await.map_err(fault("numbering deeds anew"))
    }

    async fn load(&self, take: &mut (dyn FnMut(Change) + Send)) -> Result<Version, StoreFault> {
        follow::load(&self.pool, take).await.map_err(fault("loading tenants and keys"))
    }

    async fn changes_since(&self, version: Version) -> Result<News, StoreFault> {
        follow::changes_since(&self.pool, version).await.map_err(fault("reading changes"))
    }

    async fn note_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreFault> {
        publish::note_uses(&self.pool, uses).await.map_err(fault("noting uses"))
    }

    async fn remember_marks(&self, marks: &[(String, Digest)]) -> Result<(), SecretsChanged> {
        publish::remember_marks(&self.pool, marks).await
    }
}

#[cfg(test)]
mod tests;
