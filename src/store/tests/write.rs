//! Writing: the tables after registering, starting, ingesting and ending.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use sweep_wire::status::Change;

#[tokio::test]
async fn events_become_states_scores_and_samples() {
    let (store, cohort) = begun(&sweep("s", &[0.1, 0.2], &[0.1, 0.2], 2)).await;
    let story = story(&cohort);
    store.ingest(cohort.id, 1, &story, 999).await.unwrap();
    let states = store.states("s").await.unwrap();
    let expected = [Status::Diverged, Status::Failed].into_iter().chain(std::iter::repeat(Status::Done));
    for ((id, _), expected) in cohort.members.iter().zip(expected) {
        assert_eq!(states[id], expected);
    }
    assert_eq!(store.log_offset(cohort.id, 1).await.unwrap(), 999);
    let kinds: Vec<(String, Option<f64>)> = sqlx::query_as(
        "SELECT kind, value FROM history WHERE metric = 'wasserstein' AND step = 100 ORDER BY kind, value",
    )
    .fetch_all(store.pool())
    .await
    .unwrap();
    let finite = [0.1, 0.2, 0.3].map(|value| ("finite".to_owned(), Some(value)));
    let others = [("-inf", Some(f64::NEG_INFINITY)), ("inf", Some(f64::INFINITY)), ("nan", None)];
    let [low, high, nan] = others.map(|(kind, value)| (kind.to_owned(), value));
    assert_eq!(kinds, [vec![low], finite.to_vec(), vec![high, nan]].concat());
    let nan: Vec<String> = sqlx::query_scalar("SELECT nan_scores FROM results WHERE nan_scores <> ''")
        .fetch_all(store.pool())
        .await
        .unwrap();
    assert_eq!(nan, ["wasserstein"]);
}

#[tokio::test]
async fn an_event_that_is_missing_is_an_error_and_changes_nothing() {
    let (store, cohort) = begun(&sweep("s", &[0.1], &[0.1], 3)).await;
    let story = story(&cohort);
    let before = dump(&store).await;
    let error = store.ingest(cohort.id, 1, &story[1..], 10).await.unwrap_err();
    assert!(matches!(error, StoreError::Gap { expected: 0, found: 1, .. }), "{error}");
    assert_eq!(dump(&store).await, before);
    let error = store.ingest(cohort.id, 2, &story, 10).await.unwrap_err();
    assert!(matches!(error, StoreError::NoAttempt { attempt: 2, .. }), "{error}");
}

#[tokio::test]
async fn registering_again_replaces_entries_and_keeps_what_was_done() {
    let (store, cohort) = begun(&sweep("s", &[0.1, 0.2], &[0.1], 2)).await;
    store.ingest(cohort.id, 1, &story(&cohort), 1).await.unwrap();
    let wider = sweep("s", &[0.2, 0.3], &[0.1], 2);
    let states = store.register(&wider).await.unwrap().states;
    let of = |alpha: f64, seed| {
        let entry = wider.entries.iter().find(|entry| entry.job.seed == seed && entry.axes["alpha"] == alpha);
        states[&entry.unwrap().id]
    };
    assert_eq!(
        [of(0.2, 0), of(0.2, 1), of(0.3, 0), of(0.3, 1)],
        [Status::Done, Status::Done, Status::Pending, Status::Pending]
    );
    assert_eq!(states.len(), 4);
    // The same jobs in a sweep with another name are done there, too, and exist once.
    let other = store.register(&NewSweep { name: "other".into(), ..sweep("s", &[0.2], &[0.1], 2) }).await.unwrap();
    assert!(other.states.values().all(|&status| status == Status::Done));
    let jobs: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs").fetch_one(store.pool()).await.unwrap();
    assert_eq!(jobs, 6);
}

#[tokio::test]
async fn a_seed_that_sqlite_cannot_hold_is_an_error() {
    let store = Store::open_in_memory().await.unwrap();
    let mut sweep = sweep("s", &[0.1], &[0.1], 1);
    sweep.entries[0].job.seed = u64::MAX;
    let error = store.register(&sweep).await.unwrap_err();
    assert!(matches!(error, StoreError::Seed(u64::MAX)), "{error}");
    assert_eq!(store.sweeps().await.unwrap(), []);
}

#[tokio::test]
async fn the_end_of_an_attempt_releases_or_fails_its_unfinished_members() {
    let (store, cohort) = begun(&sweep("s", &[0.1], &[0.1], 3)).await;
    let job = |index: usize| cohort.members[index].0;
    let events = [started(0), Event::JobDone { job: job(0), step: 100, seconds: 1.0 }];
    store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
    let mut end = AttemptEnd {
        outcome: AttemptOutcome::Died,
        message: "killed by signal 9".into(),
        stderr: "Killed".into(),
        members: Members::Release,
        at: 5.0,
    };
    assert_eq!(store.end_attempt(cohort.id, 1, &end).await.unwrap(), [job(1), job(2)]);
    let expected = [(0, Status::Done), (1, Status::Pending), (2, Status::Pending)];
    let expected = |changes: &[(usize, Status)]| -> HashMap<JobId, Status> {
        expected.iter().chain(changes).map(|&(index, status)| (job(index), status)).collect()
    };
    assert_eq!(store.states("s").await.unwrap(), expected(&[]));

    let resumable = store.resumable("s").await.unwrap();
    assert_eq!(resumable.len(), 1);
    assert_eq!(resumable[0].cohort.id, cohort.id);
    assert_eq!(resumable[0].cohort.members, cohort.members);
    assert_eq!(resumable[0].cohort.blueprint, cohort.blueprint);
    assert_eq!((resumable[0].attempts, resumable[0].last), (1, Some(AttemptOutcome::Died)));
    assert_eq!(resumable[0].states, [Status::Done, Status::Pending, Status::Pending]);
    assert!(store.resumable("another").await.unwrap().is_empty());

    assert_eq!(start(&store, &cohort, "runs/c").await, 2);
    end.members = Members::Fail;
    store.end_attempt(cohort.id, 2, &end).await.unwrap();
    assert_eq!(store.states("s").await.unwrap(), expected(&[(1, Status::Failed), (2, Status::Failed)]));
    let details = store.job(job(1)).await.unwrap();
    assert_eq!(details.message, "killed by signal 9");
    assert_eq!(details.attempts.len(), 2);
    assert_eq!(details.attempts[1].stderr, "Killed");
    assert!(store.resumable("s").await.unwrap().is_empty());

    assert_eq!(store.change(&[job(0), job(1)], Change::Retry).await.unwrap(), [job(1)]);
    assert_eq!(store.states("s").await.unwrap(), expected(&[(1, Status::Pending), (2, Status::Failed)]));
}

#[tokio::test]
async fn a_job_belongs_to_its_latest_cohort() {
    let sweep = sweep("s", &[0.1], &[0.1], 4);
    let (store, whole) = begun(&sweep).await;
    store.ingest(whole.id, 1, &records([started(0)]), 1).await.unwrap();
    let end = AttemptEnd {
        outcome: AttemptOutcome::OutOfMemory,
        message: "4 GiB asked for".into(),
        stderr: String::new(),
        members: Members::Release,
        at: 5.0,
    };
    store.end_attempt(whole.id, 1, &end).await.unwrap();
    let half = |members: &[_]| Cohort::new(members.to_vec(), Arc::clone(&whole.scores));
    let halves = [half(&whole.members[..2]), half(&whole.members[2..])];
    for (half, name) in halves.iter().zip(["runs/a", "runs/b"]) {
        start(&store, half, name).await;
    }
    let resumable = store.resumable("s").await.unwrap();
    assert_eq!(resumable.iter().map(|found| found.cohort.id).collect::<Vec<_>>(), halves.map(|half| half.id));
    assert_eq!(resumable[0].last, None);
}

#[tokio::test]
async fn forty_thousand_jobs_are_registered_and_registered_again() {
    let values = |count: u32| (1..=count).map(|i| f64::from(i) / f64::from(count)).collect::<Vec<_>>();
    let large = sweep("large", &values(144), &values(144), 2);
    assert_eq!(large.entries.len(), 41_472);
    let store = Store::open_in_memory().await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.register(&large).await.unwrap().states.len(), 41_472);
    }
}

#[tokio::test]
async fn many_cohorts_report_in_one_transaction() {
    let large = sweep("large", &[0.1, 0.2], &[0.1], 5_000);
    let store = Store::open_in_memory().await.unwrap();
    store.register(&large).await.unwrap();
    let jobs: Vec<_> = large.entries.iter().map(|entry| (entry.id, entry.job.clone())).collect();
    let cohorts: Vec<Cohort> = jobs.chunks(100).map(|members| Cohort::new(members.to_vec(), [].into())).collect();
    let stories: Vec<Vec<Record>> = cohorts.iter().map(story).collect();
    for cohort in &cohorts {
        start(&store, cohort, "runs/c").await;
    }
    for (cohorts, stories) in cohorts.chunks(10).zip(stories.chunks(10)) {
        let write = |(cohort, records): (&Cohort, &Vec<Record>)| Write::Events {
            cohort: cohort.id,
            attempt: 1,
            records: records.clone(),
            offset: 9,
        };
        store.record(&cohorts.iter().zip(stories).map(write).collect::<Vec<_>>()).await.unwrap();
    }
    let done = store.progress("large").await.unwrap().states[&Status::Done];
    assert_eq!(done, 9_800);
    let sql = "SELECT alpha, beta, avg(modes_covered) FROM results GROUP BY 1, 2";
    let cells = sqlx::query(sql).fetch_all(store.pool()).await.unwrap();
    assert_eq!(cells.len(), 2);
}
