//! The same events give the same database: in any pieces, after a restart, and from the files alone.

use std::collections::HashSet;
use std::fs;

use proptest::prelude::*;

use super::*;
use sweep_plan::slot::Device;
use sweep_wire::PROTOCOL;
use sweep_wire::log::{self, Writer};
use sweep_wire::order::{Member, Order};

/// Ingests all events in pieces that end at `cuts`; each piece repeats the `back` events before it.
async fn ingested(cuts: &[usize], back: usize) -> Vec<String> {
    let (store, cohort) = begun(&sweep("s", &[0.1, 0.2], &[0.1], 3)).await;
    let story = story(&cohort);
    let mut from = 0;
    for &to in cuts.iter().chain([&story.len()]) {
        let to = to.min(story.len()).max(from);
        store.ingest(cohort.id, 1, &story[from.saturating_sub(back)..to], to as u64).await.unwrap();
        from = to;
    }
    dump(&store).await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn pieces_and_repetitions_change_nothing(
        mut cuts in proptest::collection::vec(0usize..30, 0..6),
        back in 0usize..40,
    ) {
        cuts.sort_unstable();
        let (whole, pieces) = block_on(async { (ingested(&[], 0).await, ingested(&cuts, back).await) });
        prop_assert_eq!(whole, pieces);
    }
}

/// Creates a home directory with one sweep and two attempts of its cohort: one that died, and one that finished.
/// Returns the orchestrator's database.
async fn lived(home: &Path) -> (Store, Cohort) {
    let store = Store::open(&home.join("sweep.db")).await.unwrap();
    let sweep = sweep("it's \"one\"/two", &[0.1, 0.2], &[0.1], 3);
    store.claim(&at(home)).await.unwrap();
    sweep.save(&at(home)).unwrap();
    store.register(&sweep).await.unwrap();
    let cohort = cohort(&sweep);
    let directory = PathBuf::from("runs").join(cohort.id.to_string());
    let finish = story(&cohort);
    let stories = [
        vec![started(0), Event::Progress { step: 20, rate: 50.0 }],
        finish.into_iter().map(|record| record.event).collect(),
    ];
    for (number, events) in (1..).zip(stories) {
        assert_eq!(start(&store, &cohort, &directory).await, number);
        let attempt = home.join(&directory).join(format!("attempt-{number}"));
        fs::create_dir_all(&attempt).unwrap();
        let member = |(id, job): &(JobId, Job)| Member {
            id: *id,
            was: Vec::new(),
            after: None,
            parameters: job.parameters.clone(),
            seed: job.seed,
        };
        let order = Order {
            protocol: PROTOCOL,
            cohort: cohort.id,
            attempt: number,
            blueprint: (*cohort.blueprint).clone(),
            scores: cohort.scores.iter().map(|score| (**score).clone()).collect(),
            members: cohort.members.iter().map(member).collect(),
            device: Device::Cpu,
            threads: 1,
            data: "data".into(),
            directory: home.join(&directory),
            events: attempt.join("events.jsonl"),
            folder: None,
            jobs: None,
            checkpoint_seconds: 0,
            resume: false,
            parents: Vec::new(),
            until: None,
            keep: false,
            without: Vec::new(),
            probe_seconds: None,
            slot: None,
            at: None,
        };
        fs::write(attempt.join("order.json"), serde_json::to_vec(&order).unwrap()).unwrap();
        let mut writer = Writer::create(&attempt.join("events.jsonl"), cohort.id, number).unwrap();
        events.into_iter().for_each(|event| writer.append(event).unwrap());
        let batch = log::read(&attempt.join("events.jsonl"), 0).unwrap();
        store.ingest(cohort.id, number, &batch.records, batch.offset).await.unwrap();
        if number == 1 {
            let end = AttemptEnd {
                outcome: AttemptOutcome::Died,
                message: "killed by signal 9".into(),
                stderr: "Killed".into(),
                members: Members::Release,
                at: 1.0,
            };
            end.save(&AttemptFolder::at(attempt)).unwrap();
            store.end_attempt(cohort.id, number, &end).await.unwrap();
        }
    }
    (store, cohort)
}

#[tokio::test]
async fn a_database_rebuilt_from_files_is_the_same() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let (store, cohort) = lived(home.path()).await;
    let before = dump(&store).await;
    assert!(before.iter().any(|line| line.contains("killed by signal 9")), "{before:#?}");
    store.close().await;
    // A user may have copied an attempt before looking into it.
    let runs = home.path().join("runs").join(cohort.id.to_string());
    fs::create_dir(runs.join("attempt-1 copy")).unwrap();
    for name in ["order.json", "events.jsonl"] {
        fs::copy(runs.join("attempt-1").join(name), runs.join("attempt-1 copy").join(name)).unwrap();
    }

    let rebuilt = rebuild(&at(home.path()), &path).await.unwrap();
    assert_eq!((rebuilt.sweeps, rebuilt.attempts, rebuilt.warnings.len()), (1, 2, 0));
    let first = rebuilt.backup.unwrap();
    let backup = Store::open_existing_read_only(&first).await.unwrap();
    assert_eq!(dump(&backup).await, before);
    // Another backup within the same second gets another name.
    let others = [rebuild(&at(home.path()), &path).await.unwrap(), rebuild(&at(home.path()), &path).await.unwrap()];
    let names: HashSet<_> = others.into_iter().filter_map(|rebuilt| rebuilt.backup).chain([first]).collect();
    assert_eq!(names.len(), 3);
    let again = Store::open_existing_read_only(&path).await.unwrap();
    assert_eq!(dump(&again).await, before);
}

#[tokio::test]
async fn a_clock_that_was_set_back_between_attempts_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let (store, cohort) = lived(home.path()).await;
    let before = dump(&store).await;
    store.close().await;
    for (number, at) in [(1, 2e9), (2, 1e9)] {
        let file = home.path().join(format!("runs/{}/attempt-{number}/order.json", cohort.id));
        let order: Order = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        fs::write(&file, serde_json::to_vec(&Order { at: Some(at), ..order }).unwrap()).unwrap();
    }
    rebuild(&at(home.path()), &path).await.unwrap();
    let again = Store::open_existing_read_only(&path).await.unwrap();
    assert_eq!(dump(&again).await, before);
}

/// Rescores a job in the cohort of [`lived`].
fn rescoring(home: &Path, cohort: &Cohort, job: JobId, metric: Metric, value: f64) -> RescoreLog {
    let directory = home.join("runs").join(cohort.id.to_string());
    let mut log = RescoreLog::begin(&RunFolder::at(directory), cohort.id).unwrap();
    let asked = Some(cohort.scores[0].asked(metric));
    let scores = vec![sweep_wire::event::Score { asked, ..score(metric, value) }];
    log.append(Event::Scored { job, step: 100, scores, seconds: 0.1 }).unwrap();
    log
}

#[tokio::test]
async fn the_last_rescoring_counts_and_a_rebuild_knows_it() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let (store, cohort) = lived(home.path()).await;
    let job = cohort.members[2].0;
    let known = store.job(job).await.unwrap().scores.len();
    for n in 1..=11 {
        let log = rescoring(home.path(), &cohort, job, Metric::Wasserstein, f64::from(n));
        assert_eq!(store.rescored(log).await.unwrap(), 1);
    }
    store.rescored(rescoring(home.path(), &cohort, job, Metric::Recall, f64::NAN)).await.unwrap();
    let scores = store.job(job).await.unwrap().scores;
    assert_eq!(scores.len(), known + 1);
    assert!(
        scores.iter().any(|score| (score.metric, score.step, score.value) == (Metric::Wasserstein.into(), 100, 11.0))
    );
    let before = dump(&store).await;

    // Neither a dropped log nor that of a killed process counts; invalid logs are reported.
    drop(rescoring(home.path(), &cohort, job, Metric::Recall, 0.5));
    let runs = home.path().join("runs").join(cohort.id.to_string());
    fs::write(runs.join("rescore-13.jsonl.part"), "{").unwrap();
    let stranger = sweep_spec::id::CohortId::of(b"another");
    let mut log = RescoreLog::begin(&RunFolder::at(runs.clone()), stranger).unwrap();
    log.append(Event::Scored { job, step: 100, scores: vec![score(Metric::Recall, 0.5)], seconds: 0.1 }).unwrap();
    let error = store.rescored(log).await.unwrap_err().to_string();
    assert!(error.contains("rescore-13.jsonl") && error.contains("is not a member of cohort"), "{error}");
    fs::write(runs.join("rescore-14.jsonl"), "{}\n").unwrap();
    let whole = fs::read(runs.join("rescore-12.jsonl")).unwrap();
    fs::write(runs.join("rescore-15.jsonl"), &whole[..whole.len() - 1]).unwrap();
    assert_eq!(dump(&store).await, before);
    store.close().await;
    let rebuilt = rebuild(&at(home.path()), &path).await.unwrap();
    assert_eq!((rebuilt.rescorings, rebuilt.warnings.len()), (12, 3), "{:?}", rebuilt.warnings);
    let again = Store::open_existing_read_only(&path).await.unwrap();
    assert_eq!(dump(&again).await, before);
}

#[tokio::test]
async fn a_rebuild_knows_of_jobs_that_were_tried_again_in_their_cohort() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let (store, cohort) = lived(home.path()).await;
    let before = dump(&store).await;
    store.close().await;
    first_failed(home.path(), &cohort);
    rebuild(&at(home.path()), &path).await.unwrap();
    let again = Store::open_existing_read_only(&path).await.unwrap();
    assert_eq!(dump(&again).await, before);
}

#[tokio::test]
async fn a_rebuild_says_what_it_could_not_read_and_keeps_the_rest() {
    let home = tempfile::tempdir().unwrap();
    let (store, cohort) = lived(home.path()).await;
    store.close().await;
    let runs = home.path().join("runs").join(cohort.id.to_string());
    fs::write(runs.join("attempt-1/order.json"), "{").unwrap();
    fs::write(home.path().join("sweeps/broken.json"), "[]").unwrap();
    fs::create_dir_all(home.path().join("runs/empty/attempt-1")).unwrap();
    fs::remove_file(home.path().join("sweep.db")).unwrap();
    let rebuilt = rebuild(&at(home.path()), &home.path().join("sweep.db")).await.unwrap();
    assert_eq!((rebuilt.sweeps, rebuilt.attempts, rebuilt.backup), (1, 1, None));
    assert_eq!(rebuilt.warnings.len(), 2, "{:?}", rebuilt.warnings);
    let store = Store::open_existing_read_only(&home.path().join("sweep.db")).await.unwrap();
    assert_eq!(store.progress("it's \"one\"/two").await.unwrap().states[&Status::Done], 4);
}

#[tokio::test]
async fn a_rebuild_that_cannot_read_a_file_leaves_the_database_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let (store, cohort) = lived(home.path()).await;
    let before = dump(&store).await;
    store.close().await;
    let runs = home.path().join("runs").join(cohort.id.to_string());
    let files = ["attempt-1/order.json", "attempt-1/end.json", "attempt-2/events.jsonl", "rescore-1.jsonl"];
    for file in files.map(|name| runs.join(name)).into_iter().chain([home.path().join("sweeps/another.json")]) {
        let (kept, aside) = (file.exists(), home.path().join("aside"));
        if kept {
            fs::rename(&file, &aside).unwrap();
        }
        // As unreadable as a private file, even for root.
        fs::create_dir(&file).unwrap();
        let error = rebuild(&at(home.path()), &path).await.unwrap_err();
        assert!(error.is_environment() && error.to_string().contains(file.to_str().unwrap()), "{error}");
        fs::remove_dir(&file).unwrap();
        if kept {
            fs::rename(&aside, &file).unwrap();
        }
    }
    assert_eq!(dump(&Store::open_existing_read_only(&path).await.unwrap()).await, before);
    assert_eq!(rebuild(&at(home.path()), &path).await.unwrap().warnings, [""; 0]);
}

#[tokio::test]
async fn a_rebuild_replaces_no_file_of_another_program() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = lived(home.path()).await;
    store.close().await;
    let foreign = home.path().join("foreign.db");
    let store = Store::open(&foreign).await.unwrap();
    sqlx::query("DROP TABLE _sqlx_migrations").execute(store.pool()).await.unwrap();
    store.close().await;
    let thesis = home.path().join("thesis.txt");
    for path in [&thesis, &home.path().join("thesis.txt.new")] {
        fs::write(path, "Chapter 1").unwrap();
    }
    let names = || {
        let mut names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    for (path, words) in [
        (&foreign, "foreign.db is a database of another program"),
        (&thesis, "thesis.txt is not a database, and was left as it is"),
        (&home.path().join("runs"), "runs is a folder"),
    ] {
        let error = rebuild(&at(home.path()), path).await.unwrap_err();
        assert!(error.is_environment() && error.to_string().contains(words), "{error}");
    }
    assert_eq!((names(), fs::read(&thesis).unwrap()), (before, b"Chapter 1".to_vec()));

    // A damaged database in the usual place may be replaced, and so may an empty file.
    let (usual, empty) = (home.path().join("sweep.db"), home.path().join("empty.db"));
    fs::write(&usual, "Chapter 1").unwrap();
    fs::write(&empty, "").unwrap();
    for path in [&usual, &empty] {
        assert!(rebuild(&at(home.path()), path).await.unwrap().backup.is_some());
        assert_eq!(Store::open_existing_read_only(path).await.unwrap().sweeps().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_rebuild_says_that_the_log_of_a_finished_cohort_is_cut() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let (store, cohort) = lived(home.path()).await;
    store.close().await;
    let runs = home.path().join("runs").join(cohort.id.to_string());
    let log = runs.join("attempt-2/events.jsonl");
    let whole = fs::read(&log).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for generators in [false, true] {
        if generators {
            fs::write(runs.join("generators.safetensors"), "").unwrap();
        }
        // Even without its last line, all jobs have ended.
        for (left, what) in [(Some(last), None), (Some(last / 2), Some("cut")), (None, Some("missing"))] {
            match left {
                Some(left) => fs::write(&log, &whole[..left]).unwrap(),
                None => fs::remove_file(&log).unwrap(),
            }
            let text =
                |what| format!("{}: the log is {what}: jobs that it had finished will be trained again", log.display());
            let expected: Vec<String> = what.filter(|_| generators).map(text).into_iter().collect();
            assert_eq!(rebuild(&at(home.path()), &path).await.unwrap().warnings, expected, "{left:?}");
        }
    }
}

#[tokio::test]
async fn a_damaged_log_or_end_stops_neither_a_run_nor_a_rebuild() {
    // Line 3 of the log is gone, is garbage, or makes no sense.
    let changes: [fn(&mut Vec<String>); 3] = [
        |lines| drop(lines.remove(2)),
        |lines| lines[2].insert(5, '\0'),
        |lines| lines[2] = lines[2].replace("\"at\":", "\"at\":1e3"),
    ];
    for change in changes {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("sweep.db");
        let (store, cohort) = lived(home.path()).await;
        let attempt = home.path().join("runs").join(cohort.id.to_string()).join("attempt-2");
        let text = fs::read_to_string(attempt.join("events.jsonl")).unwrap();
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        change(&mut lines);
        fs::write(attempt.join("events.jsonl"), lines.concat()).unwrap();
        fs::write(attempt.join("end.json"), "{\"outcome\": ").unwrap();
        // The orchestrator was killed before it had read any of it.
        sqlx::query("UPDATE attempts SET log_events = 0, log_offset = 0, outcome = NULL, pid = NULL WHERE number = 2")
            .execute(store.pool())
            .await
            .unwrap();
        sqlx::query("UPDATE jobs SET state = 'running'").execute(store.pool()).await.unwrap();
        let damaged = fs::read(attempt.join("end.json")).unwrap();
        assert_eq!(store.release_stale(&at(home.path())).await.unwrap().len(), 6);
        let ended = "SELECT outcome || log_events || message FROM attempts WHERE number = 2";
        let ended: String = sqlx::query_scalar(ended).fetch_one(store.pool()).await.unwrap();
        assert!(ended.starts_with("died1/") && ended.contains("not an event"), "{ended}");
        assert_eq!(store.release_stale(&at(home.path())).await.unwrap(), []);
        store.close().await;

        fs::write(attempt.join("end.json"), damaged).unwrap();
        let rebuilt = rebuild(&at(home.path()), &path).await.unwrap();
        assert_eq!((rebuilt.attempts, rebuilt.warnings.len()), (2, 2), "{:?}", rebuilt.warnings);
        let store = Store::open_existing_read_only(&path).await.unwrap();
        assert_eq!(store.progress("it's \"one\"/two").await.unwrap().states, [(Status::Pending, 6)].into());
        let job = store.job(cohort.members[0].0).await.unwrap();
        assert_eq!(job.attempts[1].outcome, Some(AttemptOutcome::Died));
    }
}

#[tokio::test]
async fn what_a_vanished_orchestrator_left_is_read_and_released() {
    // A power cut may have truncated the order, or it was deleted: the database knows enough.
    for order in [None, Some("")] {
        vanished(order).await;
    }
    let home = tempfile::tempdir().unwrap();
    let (store, _) = lived(home.path()).await;
    sqlx::query("UPDATE jobs SET state = 'running'").execute(store.pool()).await.unwrap();
    assert_eq!(store.release_stale(&at(home.path())).await.unwrap().len(), 6, "nothing more in the log: they wait");
    assert_eq!(store.progress("it's \"one\"/two").await.unwrap().states, [(Status::Pending, 6)].into());
}

async fn vanished(order: Option<&str>) {
    let home = tempfile::tempdir().unwrap();
    let (store, cohort) = lived(home.path()).await;
    let file = home.path().join(format!("runs/{}/attempt-2/order.json", cohort.id));
    match order {
        Some(text) => fs::write(file, text).unwrap(),
        None => fs::remove_file(file).unwrap(),
    }
    // The log is ahead of the database, as after a kill between the worker's write and the orchestrator's.
    sqlx::query("UPDATE attempts SET log_events = 1, outcome = NULL, log_offset = ? WHERE number = 2")
        .bind(offset_after(home.path(), &cohort, 1))
        .execute(store.pool())
        .await
        .unwrap();
    sqlx::query("UPDATE jobs SET state = 'running'").execute(store.pool()).await.unwrap();
    sqlx::query("DELETE FROM scores").execute(store.pool()).await.unwrap();
    let released = store.release_stale(&at(home.path())).await.unwrap();
    assert_eq!(released, []);
    let progress = store.progress("it's \"one\"/two").await.unwrap();
    assert_eq!(progress.states, [(Status::Done, 4), (Status::Failed, 1), (Status::Diverged, 1)].into());
    assert!(progress.running.is_empty());
}

/// Makes the first attempt of [`lived`] fail its jobs.
fn first_failed(home: &Path, cohort: &Cohort) {
    let attempt = AttemptFolder::at(home.join("runs").join(cohort.id.to_string()).join("attempt-1"));
    let end = AttemptEnd::load(&attempt).unwrap().unwrap();
    AttemptEnd { members: Members::Fail, ..end }.save(&attempt).unwrap();
}

#[tokio::test]
async fn an_earlier_end_does_not_fail_a_job_that_was_tried_again() {
    let home = tempfile::tempdir().unwrap();
    let (store, cohort) = lived(home.path()).await;
    first_failed(home.path(), &cohort);
    // The second attempt, a retry, had just started when the orchestrator was killed.
    let offset = offset_after(home.path(), &cohort, 1);
    let log = home.path().join("runs").join(cohort.id.to_string()).join("attempt-2/events.jsonl");
    fs::File::options().write(true).open(log).unwrap().set_len(offset as u64).unwrap();
    sqlx::query("UPDATE attempts SET log_events = 1, outcome = NULL, log_offset = ? WHERE number = 2")
        .bind(offset)
        .execute(store.pool())
        .await
        .unwrap();
    sqlx::query("UPDATE jobs SET state = 'running'").execute(store.pool()).await.unwrap();
    assert_eq!(store.release_stale(&at(home.path())).await.unwrap().len(), 6);
    assert_eq!(store.progress("it's \"one\"/two").await.unwrap().states, [(Status::Pending, 6)].into());
}

/// Returns the offset after the header and `events` events of the second attempt's log.
fn offset_after(home: &Path, cohort: &Cohort, events: usize) -> i64 {
    let path = home.join("runs").join(cohort.id.to_string()).join("attempt-2/events.jsonl");
    let text = fs::read_to_string(path).unwrap();
    text.split_inclusive('\n').take(events + 1).map(|line| line.len() as i64).sum()
}
