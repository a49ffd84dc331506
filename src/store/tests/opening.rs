//! Opening: other versions of the tables, other home directories, and what the machine refuses.

use std::fs;

use super::*;
use crate::open::{MIGRATIONS, connect, options};

/// Returns the home directory of an earlier program: see tests/fixtures.
pub(super) fn earlier_home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/earlier/home")
}

/// Creates the database of an earlier program.
fn earlier(path: &Path) {
    fs::copy(earlier_home().join("sweep.db"), path).unwrap();
}

#[tokio::test]
async fn an_earlier_database_is_kept_and_brought_up_to_date() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    for backup in ["sweep.db.v4.bak", "sweep.db.v4-2.bak"] {
        fs::write(home.path().join("sweep.db.v4.part"), "of one that was killed").unwrap();
        earlier(&path);
        let error = Store::open_existing_read_only(&path).await.err().unwrap();
        assert!(matches!(error, StoreError::Older { found: 4, .. }) && error.is_environment(), "{error}");
        let store = Store::open(&path).await.unwrap();
        assert_eq!(store.states("long").await.unwrap().len(), 3);
        store.close().await;
        Store::open(&path).await.unwrap().close().await;
        let error = Store::open_existing_read_only(&home.path().join(backup)).await.err().unwrap();
        assert!(matches!(error, StoreError::Older { found: 4, .. }), "{error}");
    }
    let mut names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["sweep.db", "sweep.db.v4-2.bak", "sweep.db.v4.bak"]);
}

#[tokio::test]
async fn a_database_that_came_half_way_is_not_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    earlier(&path);
    // As if a process had been killed between updating the tables and the jobs.
    let store = Store { pool: connect(options(&path), &path).await.unwrap() };
    MIGRATIONS.run(store.pool()).await.unwrap();
    store.close().await;
    let error = Store::open_existing_read_only(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::Older { .. }), "{error}");
    Store::open(&path).await.unwrap().close().await;
    let store = Store::open_existing_read_only(&path).await.unwrap();
    assert_eq!(store.renamed().await.unwrap().len(), 11);
}

#[tokio::test]
async fn an_earlier_database_that_is_locked_is_not_copied_in_vain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    earlier(&path);
    let other = connect(options(&path), &path).await.unwrap();
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for _ in 0..2 {
        let error = Store::open_within(&path, std::time::Duration::from_millis(50)).await.err().unwrap();
        assert!(error.is_locked(), "{error}");
    }
    let names = || fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    assert!(names().all(|name| !name.contains(".v")), "{:?}", names().collect::<Vec<_>>());
    drop(transaction);
    other.close().await;
    Store::open(&path).await.unwrap().close().await;
    assert!(names().any(|name| name.ends_with(".bak")), "{:?}", names().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_database_that_nobody_else_may_even_read_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let other = connect(options(&path).create_if_missing(true), &path).await.unwrap();
    let transaction = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let error = Store::open_within(&path, std::time::Duration::from_millis(50)).await.err().unwrap();
    assert!(matches!(error, StoreError::Open { .. }) && error.is_locked(), "{error}");
    drop(transaction);
    other.close().await;
    Store::open(&path).await.unwrap().close().await;
}

#[tokio::test]
async fn a_later_database_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let store = Store::open(&path).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations SELECT 1000, description, installed_on, success, checksum, execution_time \
                 FROM _sqlx_migrations WHERE version = 1",
    )
    .execute(store.pool())
    .await
    .unwrap();
    store.close().await;
    for error in [Store::open(&path).await.err().unwrap(), Store::open_existing_read_only(&path).await.err().unwrap()] {
        assert!(matches!(error, StoreError::Newer { found: 1000, .. }) && error.is_environment(), "{error}");
        assert!(error.to_string().contains("a newer `sweep`") && !error.to_string().contains("rebuild"), "{error}");
    }
    let mut names = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.all(|name| !name.to_string_lossy().ends_with(".bak")));
}

#[tokio::test]
async fn what_cannot_be_seen_is_not_taken_for_gone() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody, not even root, can follow a link to itself.
    let hidden = folder.path().join("hidden");
    std::os::unix::fs::symlink("hidden", &hidden).unwrap();
    for path in [hidden.clone(), hidden.join("sweep.db")] {
        for error in
            [Store::open(&path).await.err().unwrap(), Store::open_existing_read_only(&path).await.err().unwrap()]
        {
            assert!(!matches!(error, StoreError::Missing(_)) && error.is_environment(), "{error}");
        }
        let error = Store::open_existing_read_only(&path).await.err().unwrap();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
    let error = rebuild(&at(folder.path()), &hidden).await.unwrap_err();
    assert!(matches!(error, StoreError::Hidden { .. }), "{error}");
    // Its runs were not moved here: a directory may be inaccessible.
    let (mine, theirs) = (folder.path().join("mine"), folder.path().join("theirs"));
    fs::create_dir(&mine).unwrap();
    fs::create_dir(&theirs).unwrap();
    let store = Store::open(&folder.path().join("x.db")).await.unwrap();
    store.claim(&at(&theirs)).await.unwrap();
    fs::remove_dir(&theirs).unwrap();
    std::os::unix::fs::symlink("theirs", &theirs).unwrap();
    let error = store.claim(&at(&mine)).await.unwrap_err();
    assert!(matches!(error, StoreError::OtherHome { .. }), "{error}");
    // An attempt whose order cannot be accessed may have started.
    let attempt = mine.join("runs/c/attempt-1");
    fs::create_dir_all(&attempt).unwrap();
    assert_eq!(orphaned_attempts(&at(&mine)).unwrap(), Vec::<PathBuf>::new());
    std::os::unix::fs::symlink("order.json", attempt.join("order.json")).unwrap();
    let error = orphaned_attempts(&at(&mine)).unwrap_err();
    assert!(error.to_string().contains("order.json: Too many levels"), "{error}");
}

#[tokio::test]
async fn a_folder_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    for error in [
        Store::open(folder.path()).await.err().unwrap(),
        Store::open_existing_read_only(folder.path()).await.err().unwrap(),
        rebuild(&at(folder.path()), folder.path()).await.unwrap_err(),
    ] {
        let expected = format!("{0} is a folder: --db names a file, such as {0}/sweep.db", folder.path().display());
        assert_eq!((error.is_environment(), error.to_string()), (true, expected));
    }
}

#[tokio::test]
async fn a_database_has_the_runs_of_one_home() {
    let folder = tempfile::tempdir().unwrap();
    let home = |name: &str| folder.path().join(name);
    for name in ["one", "two"] {
        fs::create_dir(home(name)).unwrap();
        sweep(name, &[0.1], &[0.1], 1).save(&at(home(name))).unwrap();
    }
    let path = folder.path().join("x.db");
    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.claim(&at(home("one"))).await.unwrap(), None);
    assert_eq!(store.claim(&at(folder.path().join("two/../one"))).await.unwrap(), None);
    for error in [
        store.claim(&at(home("two"))).await.unwrap_err(),
        store.release_stale(&at(home("two"))).await.unwrap_err(),
        rebuild(&at(home("two")), &path).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::OtherHome { .. }) && error.is_environment(), "{error}");
        assert!(error.to_string().contains(&home("one").display().to_string()), "{error}");
    }
    // The directory was renamed.
    fs::rename(home("one"), home("moved")).unwrap();
    assert_eq!(store.claim(&at(home("moved"))).await.unwrap(), Some(home("one").canonicalize().unwrap_or(home("one"))));
    assert_eq!(store.claim(&at(home("moved"))).await.unwrap(), None);
    store.close().await;
    // A rebuilt database knows its home directory.
    rebuild(&at(home("moved")), &path).await.unwrap();
    assert!(rebuild(&at(home("two")), &path).await.is_err());
    // A database that was copied together with its home directory belongs to the copy.
    rebuild(&at(home("two")), &home("two/sweep.db")).await.unwrap();
    fs::create_dir(home("copy")).unwrap();
    fs::copy(home("two/sweep.db"), home("copy/sweep.db")).unwrap();
    let copy = Store::open(&home("copy/sweep.db")).await.unwrap();
    assert_eq!(copy.claim(&at(home("copy"))).await.unwrap(), Some(home("two").canonicalize().unwrap()));
}

#[tokio::test]
async fn what_the_machine_refuses_is_its_error_with_advice() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let large = sweep("s", &[0.1], &[0.1], 2_000);
    let full = Store::open(&path).await.unwrap();
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(full.pool()).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2)))
        .execute(full.pool())
        .await
        .unwrap();
    let error = full.register(&large).await.unwrap_err();
    assert!(error.is_environment() && error.to_string().contains("full; free some space on its disk"), "{error}");

    let locked = Store::open(&path).await.unwrap();
    sqlx::query("PRAGMA busy_timeout = 0").execute(locked.pool()).await.unwrap();
    let transaction = full.write().await.unwrap();
    let error = locked.register(&large).await.unwrap_err();
    assert!(error.is_environment() && error.to_string().contains("locked; another program"), "{error}");
    drop(transaction);

    let reader = Store::open_existing_read_only(&path).await.unwrap();
    let error = reader.register(&large).await.unwrap_err();
    assert!(error.is_environment() && error.to_string().contains("must be writable"), "{error}");

    for store in [reader, locked, full] {
        store.close().await;
    }
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0xab);
    fs::write(&path, bytes).unwrap();
    let error = match Store::open_existing_read_only(&path).await {
        Ok(store) => store.sweeps().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error.is_environment() && error.to_string().contains("`sweep rebuild` recreates"), "{error}");
}

#[test]
fn every_file_of_migrations_is_compiled_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let found = open::migrations();
    assert_eq!(found.iter().count(), files.len());
    for (migration, file) in found.iter().zip(&files) {
        let name = format!("{:04}_{}.sql", migration.version, migration.description);
        assert_eq!(file.file_name().unwrap().to_str(), Some(name.as_str()));
        assert_eq!(migration.sql.as_str(), fs::read_to_string(file).unwrap());
    }
}

/// Returns the SQL of the tables, and the result of SQLite's integrity check.
async fn tables(store: &Store) -> (Vec<String>, Vec<String>) {
    let texts = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_sqlx*' ORDER BY name";
    let texts = sqlx::query_scalar(texts).fetch_all(store.pool()).await.unwrap();
    (texts, sqlx::query_scalar("PRAGMA integrity_check").fetch_all(store.pool()).await.unwrap())
}

#[tokio::test]
async fn strict_tables_become_plain_ones_with_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, strict] = ["plain.db", "strict.db"].map(|name| folder.path().join(name));
    earlier(&plain);
    earlier(&strict);
    // As the previous version made it: the same tables from the same SQL plus the word STRICT.
    let before = Store { pool: connect(options(&strict), &strict).await.unwrap() };
    for sql in [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql || ' STRICT', ') WITHOUT ROWID STRICT', ') STRICT, WITHOUT ROWID') \
         WHERE type = 'table' AND name NOT GLOB '_sqlx*'",
        "PRAGMA writable_schema = RESET",
        "DELETE FROM _sqlx_migrations WHERE version = 4",
    ] {
        sqlx::query(sql).execute(before.pool()).await.unwrap();
    }
    let (texts, _) = tables(&before).await;
    assert!(texts.iter().all(|text| text.contains(") STRICT")), "{texts:?}");
    let refused = sqlx::query("UPDATE sweeps SET updated_at = 'never'").execute(before.pool()).await;
    assert!(refused.is_err(), "they are strict");
    before.close().await;

    let (plain, strict) = (Store::open(&plain).await.unwrap(), Store::open(&strict).await.unwrap());
    let (texts, sound) = tables(&strict).await;
    assert_eq!((sound, texts.iter().any(|text| text.contains("STRICT"))), (vec!["ok".to_owned()], false));
    assert_eq!((tables(&plain).await.0, dump(&plain).await), (texts.clone(), dump(&strict).await));
    assert!(folder.path().join("strict.db.v3.bak").exists());
    // A new database has the same tables.
    let new = Store::open(&folder.path().join("new.db")).await.unwrap();
    assert_eq!(tables(&new).await.0, texts);
}

#[tokio::test]
async fn a_name_that_looks_like_an_address_is_one_of_a_file() {
    assert_eq!(open::as_file(Path::new("file:foo.db")), Path::new("./file:foo.db"));
    assert_eq!(open::as_file(Path::new(":memory:")), Path::new("./:memory:"));
    let folder = tempfile::tempdir().unwrap();
    for name in ["file:foo.db", "file:foo.db?mode=memory", ":memory:"] {
        let path = folder.path().join(name);
        assert_eq!(open::as_file(&path), path);
        Store::open(&path).await.unwrap().close().await;
        assert!(path.is_file(), "{name}");
    }
}
