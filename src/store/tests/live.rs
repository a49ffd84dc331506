//! Watching: changes by others, failures and samples.

use std::fs;

use super::*;

#[tokio::test]
async fn changes_of_others_are_seen_once_and_another_file_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    assert!(matches!(Watched::open(&path).await, Err(StoreError::Missing(_))));
    let writer = Store::open(&path).await.unwrap();
    let mut watched = Watched::open(&path).await.unwrap();
    assert!(!watched.changed().await.unwrap());
    writer.register(&sweep("s", &[0.1], &[0.1], 2)).await.unwrap();
    assert!(watched.changed().await.unwrap() && !watched.changed().await.unwrap());
    assert_eq!(watched.store().sweeps().await.unwrap().len(), 1);
    // Reading is not a change.
    watched.store().progress("s").await.unwrap();
    assert!(!watched.changed().await.unwrap());
    writer.close().await;

    // As in a rebuild.
    let other = folder.path().join("other.db");
    Store::open(&other).await.unwrap().close().await;
    for log in ["x.db-wal", "x.db-shm"] {
        let _ = fs::remove_file(folder.path().join(log));
    }
    fs::rename(&other, &path).unwrap();
    assert!(watched.changed().await.unwrap());
    assert_eq!(watched.store().sweeps().await.unwrap().len(), 0);
    fs::remove_file(&path).unwrap();
    assert!(matches!(watched.changed().await, Err(StoreError::Missing(_))));
}

#[tokio::test]
async fn a_database_is_one_file_when_its_writer_ends_though_others_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("x.db"), folder.path().join("copy.db"));
    let writer = Store::open(&path).await.unwrap();
    let watched = Watched::open(&path).await.unwrap();
    writer.register(&sweep("s", &[0.1], &[0.1], 2)).await.unwrap();
    writer.close().await;
    fs::copy(&path, &copy).unwrap();
    let copied = Store::open_existing_read_only(&copy).await.unwrap();
    assert_eq!(dump(&copied).await, dump(watched.store()).await);
}

#[tokio::test]
async fn failures_and_samples_are_told_by_job() {
    let sweep = sweep("s", &[0.1, 0.2], &[0.1], 2);
    let (store, cohort) = begun(&sweep).await;
    store.ingest(cohort.id, 1, &story(&cohort), 1).await.unwrap();
    let jobs: Vec<JobId> = cohort.members.iter().map(|(id, _)| *id).collect();
    assert_eq!(store.failed("s").await.unwrap(), [(jobs[1], "disk full".to_owned())]);
    assert_eq!(store.failed("other").await.unwrap(), []);
    assert_eq!(store.last_words(jobs[1]).await.unwrap(), "");
    sqlx::query("UPDATE attempts SET stderr = 'last'").execute(store.pool()).await.unwrap();
    assert_eq!(store.last_words(jobs[1]).await.unwrap(), "last");

    let path = store.sample(jobs[2], 100).await.unwrap().unwrap();
    assert!(path.ends_with(&format!("samples/{}-100.png", jobs[2])), "{path}");
    for (job, step) in [(jobs[2], 99), (jobs[0], 100), (jobs[2], u64::MAX)] {
        assert_eq!(store.sample(job, step).await.unwrap(), None);
    }
}
