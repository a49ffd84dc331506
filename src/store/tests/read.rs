//! Reading: views, queries, one job, and a connection that cannot write.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::*;
use sweep_spec::keys::parameter_names;
use sweep_spec::parameters::Plain;
use sweep_spec::schedule::{Course, Schedule};

#[derive(Default)]
struct Rows(Vec<String>, Vec<Vec<SqlValue>>);

impl Sink for Rows {
    fn columns(&mut self, names: Vec<String>) -> ControlFlow<()> {
        self.0 = names;
        ControlFlow::Continue(())
    }

    fn row(&mut self, values: Vec<SqlValue>) -> ControlFlow<()> {
        self.1.push(values);
        ControlFlow::Continue(())
    }
}

async fn query(store: &Store, sql: &str) -> Result<Rows, StoreError> {
    let mut rows = Rows::default();
    store.query(sql, &mut rows).await.map(|()| rows)
}

#[tokio::test]
async fn results_have_a_column_for_every_parameter_and_metric() {
    let store = Store::open_in_memory().await.unwrap();
    let columns = query(&store, "SELECT * FROM results").await.unwrap().0;
    let distinct: HashSet<&String> = columns.iter().collect();
    assert_eq!(distinct.len(), columns.len(), "{columns:?}");
    for name in parameter_names().into_iter().chain(Metric::ALL.map(Metric::name)) {
        assert!(columns.iter().any(|column| column == name), "{name} in {columns:?}");
    }
}

#[tokio::test]
async fn averages_by_cell_hold_only_final_scores() {
    let sweep = sweep("s", &[0.1, 0.2], &[0.1], 2);
    let (store, cohort) = begun(&sweep).await;
    let scored = |index: usize, step, value| Event::Scored {
        job: cohort.members[index].0,
        step,
        scores: vec![score(Metric::ModesCovered, value)],
        seconds: 0.0,
    };
    let events = [started(0), scored(0, 50, 1.0), scored(0, 100, 8.0), scored(1, 100, 6.0), scored(2, 50, 3.0)];
    store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
    let sql = "SELECT alpha, beta, avg(modes_covered), count(*), count(modes_covered) FROM results GROUP BY 1, 2";
    let real = SqlValue::Real;
    let rows = query(&store, sql).await.unwrap().1;
    let expected = [
        vec![real(0.1), real(0.1), real(7.0), SqlValue::Integer(2), SqlValue::Integer(2)],
        vec![real(0.2), real(0.1), SqlValue::Null, SqlValue::Integer(2), SqlValue::Integer(0)],
    ];
    assert_eq!(rows, expected);
    let sql = "SELECT sweep, variant, step, avg(value) FROM history GROUP BY 1, 2, 3 ORDER BY 3";
    let text = |text: &str| SqlValue::Text(text.to_owned());
    let expected = [
        vec![text("s"), text("D2GAN"), SqlValue::Integer(50), real(2.0)],
        vec![text("s"), text("D2GAN"), SqlValue::Integer(100), real(7.0)],
    ];
    assert_eq!(query(&store, sql).await.unwrap().1, expected);
}

#[tokio::test]
async fn files_of_a_job_are_in_its_cohorts_the_newest_first() {
    let sweep = sweep("s", &[0.1], &[0.1], 2);
    let (store, first) = begun(&sweep).await;
    let second = Cohort::new(vec![first.members[1].clone()], first.scores.clone());
    start(&store, &second, "runs/d").await;
    sqlx::query("INSERT INTO renamed VALUES ('was', ?)")
        .bind(first.members[0].0.to_string())
        .execute(store.pool())
        .await
        .unwrap();
    let text = |text: &str| SqlValue::Text(text.to_owned());
    let row = |member: usize, directory: &str| vec![text(&first.members[member].0.to_string()), text(directory)];
    let of = |member: usize| format!("SELECT job, directory FROM files WHERE job = '{}'", first.members[member].0);
    assert_eq!(query(&store, &of(0)).await.unwrap().1, [row(0, "runs/c")]);
    assert_eq!(query(&store, &of(1)).await.unwrap().1, [row(1, "runs/d"), row(1, "runs/c")]);
    let sql =
        "SELECT names, state, settings ->> '$.model.noise' FROM files WHERE directory = 'runs/c' AND names IS NOT NULL";
    let expected = [vec![text("was"), text("pending"), SqlValue::Integer(4)]];
    assert_eq!(query(&store, sql).await.unwrap().1, expected);
}

#[tokio::test]
async fn a_reader_cannot_write_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let missing = Store::open_existing_read_only(&path).await.unwrap_err();
    assert!(missing.to_string().contains("no results yet at"), "{missing}");
    let writer = Store::open(&path).await.unwrap();
    writer.register(&sweep("s", &[0.1], &[0.1], 1)).await.unwrap();
    // While the writer is open, and after it is closed.
    let reader = Store::open_existing_read_only(&path).await.unwrap();
    let error = query(&reader, "DELETE FROM jobs RETURNING id").await.err().unwrap();
    assert!(error.to_string().contains("queries only read"), "{error}");
    reader.close().await;
    writer.close().await;
    let reader = Store::open_existing_read_only(&path).await.unwrap();
    assert_eq!(query(&reader, "SELECT count(*) FROM results").await.unwrap().1, [[SqlValue::Integer(1)]]);
    assert_eq!(
        query(&reader, "SELECT NULL, x'00ff', 1e999").await.unwrap().1[0],
        [SqlValue::Null, SqlValue::Blob(vec![0, 255]), SqlValue::Real(f64::INFINITY)]
    );
    for (sql, expected) in [
        ("SELECT nonsense FROM results", "no such column: nonsense"),
        ("SELECT 1 AS a; SELECT 2 AS b", "one SELECT at a time"),
        ("", "expected one SELECT"),
    ] {
        let error = query(&reader, sql).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}

#[tokio::test]
async fn views_of_another_version_are_replaced_or_hidden() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("sweep.db");
    let writer = Store::open(&path).await.unwrap();
    for sql in ["DROP VIEW results", "CREATE VIEW results AS SELECT 1 AS old"] {
        sqlx::query(sql).execute(writer.pool()).await.unwrap();
    }
    writer.close().await;
    let reader = Store::open_existing_read_only(&path).await.unwrap();
    assert!(query(&reader, "SELECT sweep FROM results").await.is_ok());
    reader.close().await;
    let writer = Store::open(&path).await.unwrap();
    assert!(query(&writer, "SELECT sweep FROM main.results").await.is_ok());
}

#[tokio::test]
async fn what_is_no_database_is_an_error_with_its_path() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("text.db");
    std::fs::write(&path, "this is a text and no database, of more than a hundred bytes ".repeat(9)).unwrap();
    for error in [Store::open(&path).await.err().unwrap(), Store::open_existing_read_only(&path).await.err().unwrap()] {
        assert!(error.to_string().contains("text.db"), "{error}");
        assert!(error.is_environment());
    }
    // An SQLite file of another program is left as it is.
    let path = home.path().join("other.db");
    let writer = Store::open(&path).await.unwrap();
    sqlx::query("DROP TABLE _sqlx_migrations").execute(writer.pool()).await.unwrap();
    writer.close().await;
    for error in [Store::open(&path).await.err().unwrap(), Store::open_existing_read_only(&path).await.err().unwrap()] {
        assert!(matches!(error, StoreError::Foreign(_)), "{error}");
    }
    let path = home.path().join("empty.db");
    std::fs::write(&path, "").unwrap();
    let error = Store::open_existing_read_only(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::Missing(_)), "{error}");
    Store::open(&path).await.unwrap();
}

#[tokio::test]
async fn a_query_reads_and_does_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    // Not even if the connection may write.
    let store = Store::open(&home.path().join("sweep.db")).await.unwrap();
    store.register(&sweep("s", &[0.1], &[0.1], 1)).await.unwrap();
    let before = (dump(&store).await, std::fs::read_dir(home.path()).unwrap().count());
    let file = home.path().join("written").display().to_string();
    for sql in [
        format!("VACUUM INTO '{file}'"),
        format!("SELECT 1; VACUUM INTO '{file}'"),
        format!("ATTACH '{file}' AS other"),
        format!("SELECT 1; ATTACH '{file}' AS other"),
        "SELECT load_extension('/lib/x.so')".to_owned(),
        "SELECT LOAD_EXTENSION('/lib/x.so', 'main')".to_owned(),
        "PRAGMA user_version = 7".to_owned(),
        "PRAGMA journal_mode = DELETE".to_owned(),
        "PRAGMA wal_checkpoint".to_owned(),
        "SELECT * FROM pragma_journal_mode('off')".to_owned(),
        "DELETE FROM jobs RETURNING id".to_owned(),
        "SELECT 1; DELETE FROM jobs".to_owned(),
        "INSERT INTO home VALUES ('x') RETURNING path".to_owned(),
        "CREATE TEMP TABLE t AS SELECT 1".to_owned(),
        "BEGIN".to_owned(),
    ] {
        let error = query(&store, &sql).await.err().unwrap_or_else(|| panic!("{sql} does something"));
        assert!(error.is_usage(), "{sql}: {error}");
    }
    for sql in [
        "SELECT 1 -- one; two",
        "SELECT ';' AS x;",
        "SELECT name FROM pragma_table_info('jobs')",
        "PRAGMA table_info(jobs)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9) SELECT sum(i) FROM n",
        "SELECT json_extract('{\"a\": 1}', '$.a')",
        "SELECT value FROM json_each('[1, 2]')",
        "EXPLAIN QUERY PLAN SELECT * FROM results",
    ] {
        assert!(!query(&store, sql).await.unwrap().1.is_empty(), "{sql}");
    }
    assert_eq!((dump(&store).await, std::fs::read_dir(home.path()).unwrap().count()), before);
    // And the connection still works as before.
    store.register(&sweep("t", &[0.1], &[0.1], 1)).await.unwrap();
}

#[tokio::test]
async fn a_job_is_found_by_a_unique_prefix() {
    let (store, cohort) = begun(&sweep("s", &[0.1, 0.2], &[0.1, 0.2], 5)).await;
    store.ingest(cohort.id, 1, &story(&cohort), 1).await.unwrap();
    for (id, job) in &cohort.members {
        let text = id.to_string();
        assert_eq!(store.find_job(&text[..12]).await.unwrap(), *id);
        assert_eq!(store.find_job(&text.to_uppercase()).await.unwrap(), *id);
        assert_eq!(store.job(*id).await.unwrap().job, *job);
    }
    for wrong in ["", "xyz", "%", "ffffffffffffffffffff0"] {
        assert!(matches!(store.find_job(wrong).await, Err(StoreError::NoJob(_))), "{wrong}");
    }
    // Of 20 ids, two share their first digit.
    let firsts = cohort.members.iter().map(|(id, _)| id.to_string()[..1].to_owned()).collect::<Vec<_>>();
    let shared = firsts.iter().find(|first| firsts.iter().filter(|other| other == first).count() > 1).unwrap();
    let error = store.find_job(shared).await.unwrap_err();
    assert!(matches!(&error, StoreError::AmbiguousJob { .. }), "{error}");
    let done = store.job(cohort.members[4].0).await.unwrap();
    assert_eq!((done.status, done.scores.len(), done.samples.len()), (Status::Done, 4, 2));
    assert_eq!(done.samples[0], (50, format!("runs/c/samples/{}-50.png", done.id)));
    assert_eq!(done.entries, [("s".to_owned(), "D2GAN".to_owned(), r#"{"alpha":0.1,"beta":0.1}"#.to_owned())]);
}

#[tokio::test]
async fn a_schedule_is_shown_in_short_and_kept_to_the_bit() {
    let mut sweep = sweep("s", &[0.1], &[0.1], 2);
    let schedule = Schedule { from: 0.1 + 0.2, to: 1e-300, course: Course::Cosine { start: 3, end: 70 } };
    let entry = &mut sweep.entries[1];
    entry.job.parameters.set("lr_generator", schedule);
    entry.id = entry.job.id();
    let (store, cohort) = begun(&sweep).await;
    let text = |row: &Vec<SqlValue>| row[0].clone();
    let rows = query(&store, "SELECT lr_generator FROM results ORDER BY seed").await.unwrap().1;
    let shown = SqlValue::Text(Plain::from(schedule).to_string());
    assert_eq!(rows.iter().map(text).collect::<Vec<_>>(), [SqlValue::Real(2e-4), shown]);
    let found = store.job(sweep.entries[1].id).await.unwrap().job;
    assert_eq!((found.parameters.get("lr_generator"), found.id()), (Some(&schedule.into()), sweep.entries[1].id));
    // The resumed cohort equals the started one.
    let again = store.resumable("s").await.unwrap().remove(0).cohort;
    assert_eq!((again.id, again.members), (cohort.id, cohort.members));
}
