use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;
use crate::contract::{self, key, tenant};

/// Runs one promise over a database of its own.
macro_rules! keeps {
    ($($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let folder = tempfile::tempdir().unwrap();
            contract::$promise(Arc::new(Sqlite::open(&folder.path().join("control.db")).await.unwrap())).await;
        }
    )*};
}

keeps! {
    what_was_published_is_read_back_unchanged
    thousands_of_keys_are_loaded_in_the_order_of_making
    what_is_not_there_is_not_found
    a_change_that_was_decided_on_an_old_version_is_refused_whole
    a_change_that_cannot_be_written_leaves_nothing_behind
    a_follower_sees_each_change_once_and_as_it_is_now
    a_follower_of_another_store_is_told_to_begin_again
    lists_keep_the_order_of_making_from_page_to_page
    only_keys_that_work_hold_a_name_and_a_place
    a_use_never_goes_back_and_is_no_change
    other_secrets_are_noticed
    deeds_are_kept_with_their_change_and_until_they_are_forgotten
    deeds_are_numbered_on_from_what_was_entered_of_a_newer_registry
    keys_that_sign_tokens_are_kept_followed_and_one_at_a_time
    of_many_that_write_at_once_each_gets_through_alone
    grants_are_kept_among_keys_and_listed_apart
    records_are_found_by_id_tenant_and_name
    what_has_had_its_time_is_swept_and_the_end_of_a_grant_is_news
}

#[tokio::test]
async fn the_file_and_all_beside_it_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("control.db")).await.unwrap();
    store.publish(0, &[Change::Tenant(tenant("acme"))], &[]).await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["control.db", "control.db-shm", "control.db-wal"]);
}

#[tokio::test]
async fn a_change_is_durable_and_survives_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let store = Sqlite::open(&path).await.unwrap();
    let changes = [Change::Tenant(tenant("acme")), Change::Key(Box::new(key(1)))];
    store.publish(0, &changes, &[]).await.unwrap();
    store.close().await;
    let again = Sqlite::open(&path).await.unwrap();
    assert_eq!(again.changes_since(0).await.unwrap(), News::Changes(2, changes.to_vec()));
    for (pragma, expected) in [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 5000)] {
        let set: i64 = sqlx::query_scalar(pragma).fetch_one(&again.pool).await.unwrap();
        assert_eq!(set, expected, "{pragma}");
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&again.pool).await.unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_open_a_new_file_at_once_all_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            tokio::spawn(async move { Sqlite::open(&path).await.unwrap().version().await.unwrap() })
        })
        .collect();
    for it in opened {
        assert_eq!(it.await.unwrap(), 0);
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let text = "this is a letter to a friend. ".repeat(200);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(Sqlite::open(&path).await, Err(OpenError::Database(..))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let nowhere = folder.path().join("missing").join("control.db");
    assert!(matches!(Sqlite::open(&nowhere).await, Err(OpenError::File(..))));
}

#[tokio::test]
async fn a_database_of_a_later_gateway_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.db");
    let store = Sqlite::open(&path).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, '', 1, x'', 0)",
    )
    .execute(&store.pool)
    .await
    .unwrap();
    assert!(matches!(Sqlite::open(&path).await, Err(OpenError::Database(..))));
}

#[tokio::test]
async fn a_key_that_was_there_before_there_were_algorithms_signs_with_rs256() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("control.db")).await.unwrap();
    let before =
        "INSERT INTO token_keys (kid, public, sealed, published, stage, at) VALUES ('k', x'01', x'02', 7, 'in_use', 7)";
    sqlx::query(before).execute(&store.pool).await.unwrap();
    let kept = store.token_keys().await.unwrap();
    assert_eq!((kept[0].kid.as_str(), kept[0].alg), ("k", domain::TokenKeyAlg::Rs256));
    let strange = sqlx::query("UPDATE token_keys SET alg = 'none'").execute(&store.pool).await;
    assert!(strange.is_err());
}

#[tokio::test]
async fn a_follower_takes_a_long_log_in_parts_and_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("control.db")).await.unwrap();
    let many: Vec<Change> = (0..12_000).map(|it| Change::Tenant(tenant(&format!("t{it}")))).collect();
    store.publish(0, &many, &[]).await.unwrap();
    let (mut version, mut seen, mut rounds) = (0, Vec::new(), 0);
    while let News::Changes(upto, changes) = store.changes_since(version).await.unwrap() {
        if upto == version {
            break;
        }
        (version, rounds) = (upto, rounds + 1);
        seen.extend(changes);
    }
    assert_eq!((version, rounds, seen.len()), (12_000, 2, 12_000));
}

#[tokio::test]
async fn what_there_was_no_room_for_is_refused_and_when_there_is_room_again_all_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("control.db")).await.unwrap();
    let many = |from: u64| -> Vec<Change> {
        (from..from + 2_000).map(|it| Change::Tenant(tenant(&format!("tenant-{it}")))).collect()
    };
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = store.pool.acquire().await.unwrap();
        // As if the disk had no room for more than there is: SQLite ends the transaction by itself.
        sqlx::query("PRAGMA max_page_count = 1").execute(&mut *connection).await.unwrap();
        connections.push(connection);
    }
    drop(connections);
    for _ in 0..CONNECTIONS {
        let full = store.publish(0, &many(0), &[]).await;
        assert!(full.is_err_and(|it| format!("{it:?}").contains("full")), "there was room");
    }
    // What is opened anew has room.
    assert_eq!(store.publish(0, &many(0), &[]).await.unwrap(), 2_000);
    store.note_uses(&[]).await.unwrap();
    assert_eq!(store.publish(2_000, &many(2_000), &[]).await.unwrap(), 4_000);
}
