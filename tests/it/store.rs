//! The commands that read the database, on one that a made-up run has left.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use sweep::plan::cohort::Cohort;
use sweep::plan::slot::Device;
use sweep::spec::metric::Metric;
use sweep::spec::sweep::Sweep;
use sweep::store::{self, AttemptEnd, AttemptOutcome, Members, NewAttempt, NewEntry, NewSweep, Store};
use sweep::wire::PROTOCOL;
use sweep::wire::event::{Cause, Event, Outcome, Score};
use sweep::wire::home;
use sweep::wire::log::{self, Writer};
use sweep::wire::order::{Member, Order};

pub(crate) const YAML: &str = "\
sweep: cells
dataset: gaussians
seeds: 2
train: {steps: 1000}
score: {every: 500}
variants:
  - {name: D2GAN, objective: d2gan, grid: {alpha: [0.1, 0.2], beta: [0.1, 0.2]}}
  - {name: GAN, objective: gan}
expect:
  - modes_covered(D2GAN, best) > modes_covered(GAN, best)
";

/// A home directory after a run.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    pub ids: Vec<String>,
}

impl Home {
    /// What `sweep run` leaves of `yaml`: two cohorts. Job 0 diverged, job 1 failed with its worker; of the others each
    /// has `modes(index)`.
    pub(crate) fn new(yaml: &str, modes: impl Fn(usize) -> f64) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ids = runtime.block_on(run(folder.path(), yaml, modes));
        Home { folder, ids }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweep"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SWEEP_") || name == "COLUMNS") {
            command.env_remove(name);
        }
        command.args(args).env("SWEEP_HOME", self.path()).current_dir(self.path());
        command
    }

    pub(crate) fn sweep(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What the command prints; it must succeed.
    pub(crate) fn prints(&self, args: &[&str]) -> String {
        let output = self.sweep(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn run(home: &Path, yaml: &str, modes: impl Fn(usize) -> f64) -> Vec<String> {
    let expansion = Sweep::parse("cells.yaml", yaml).and_then(|file| file.expand()).unwrap();
    let axis = |(key, text): &(Arc<str>, Arc<str>)| (key.to_string(), serde_json::from_str(text).unwrap());
    let entry = |(ordinal, entry): (usize, &sweep::spec::expand::Entry)| NewEntry {
        ordinal: ordinal as u64,
        variant: entry.variant.to_string(),
        axes: entry.axes.iter().map(axis).collect(),
        id: entry.id,
        job: entry.job.clone(),
        scores: [Arc::clone(&entry.score)].into(),
    };
    let entries: Vec<NewEntry> = expansion.entries.iter().enumerate().map(entry).collect();
    let new = NewSweep {
        name: expansion.sweep,
        file: "cells.yaml".into(),
        source: yaml.into(),
        at: 1.0,
        entries,
        renamed: HashMap::new(),
        scripts: Default::default(),
        looks: Vec::new(),
        rounds: Vec::new(),
        picked: Vec::new(),
    };
    new.save(&home::Home::new(home)).unwrap();
    let store = Store::open(&home.join("sweep.db")).await.unwrap();
    store.register(&new).await.unwrap();

    let (d2gan, gan): (Vec<_>, Vec<_>) = new.entries.iter().partition(|entry| entry.variant == "D2GAN");
    for entries in [d2gan, gan] {
        let members = entries.iter().map(|entry| (entry.id, entry.job.clone())).collect();
        let cohort = Cohort::new(members, Arc::clone(&entries[0].scores));
        let directory = PathBuf::from("runs").join(cohort.id.to_string());
        let attempt = home.join(&directory).join("attempt-1");
        fs::create_dir_all(&attempt).unwrap();
        let (known, directory_of) = (Arc::new(cohort.clone()), directory.clone());
        let start = NewAttempt {
            cohort: known,
            parents: Vec::new(),
            after: Vec::new(),
            without: Vec::new(),
            directory: directory_of,
            slot: "cpu".into(),
            number: 1,
            at: sweep::system::clock::now(),
        };
        store.record(&[store::Write::Start(start)]).await.unwrap();
        write_order(&home.join(&directory), &attempt, &cohort);
        let path = attempt.join("events.jsonl");
        let mut writer = Writer::create(&path, cohort.id, 1).unwrap();
        events(&entries, &modes).into_iter().for_each(|event| writer.append(event).unwrap());
        let batch = log::read(&path, 0).unwrap();
        store.ingest(cohort.id, 1, &batch.records, batch.offset).await.unwrap();
        let end = AttemptEnd {
            outcome: AttemptOutcome::Died,
            message: "killed by signal 11".into(),
            stderr: "loading\nSegmentation fault \u{1b}[2J".into(),
            members: Members::Fail,
            at: 9e9,
        };
        end.save(&home::AttemptFolder::at(attempt)).unwrap();
        store.end_attempt(cohort.id, 1, &end).await.unwrap();
    }
    store.close().await;
    new.entries.iter().map(|entry| entry.id.to_string()).collect()
}

fn write_order(directory: &Path, attempt: &Path, cohort: &Cohort) {
    let members = cohort.members.iter().map(|(id, job)| Member {
        id: *id,
        was: Vec::new(),
        after: None,
        parameters: job.parameters.clone(),
        seed: job.seed,
    });
    let order = Order {
        protocol: PROTOCOL,
        cohort: cohort.id,
        attempt: 1,
        blueprint: (*cohort.blueprint).clone(),
        scores: cohort.scores.iter().map(|score| (**score).clone()).collect(),
        members: members.collect(),
        device: Device::Cpu,
        threads: 1,
        data: "data".into(),
        directory: directory.to_owned(),
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
}

fn events(entries: &[&NewEntry], modes: impl Fn(usize) -> f64) -> Vec<Event> {
    let mut events = vec![Event::Started { step: 0, pid: 1, host: "here".into(), device: "cpu".into() }];
    for entry in entries {
        let (job, index) = (entry.id, entry.ordinal as usize);
        match index {
            0 => events.push(Event::JobFailed {
                job,
                step: 300,
                cause: Cause::Diverged,
                message: "D1's loss is NaN".into(),
            }),
            1 => {}
            _ => {
                for step in [500, 1000] {
                    let value = modes(index) - if step == 500 { 1.0 } else { 0.0 };
                    let protocol = serde_json::json!({"samples": 1000});
                    let scores =
                        vec![Score { metric: Metric::ModesCovered.into(), value, std: None, protocol, asked: None }];
                    events.push(Event::Scored { job, step, scores, seconds: 0.1 });
                }
                events.push(Event::Sampled { job, step: 1000, path: format!("samples/{job}.png") });
                events.push(Event::JobDone { job, step: 1000, seconds: 2.0 });
            }
        }
    }
    if entries[0].ordinal > 0 {
        events.push(Event::Ended { outcome: Outcome::Finished, message: String::new() });
    }
    events
}

fn cells() -> Home {
    Home::new(YAML, |index| (index % 7) as f64)
}

#[test]
fn queries_in_every_format() {
    let home = cells();
    let sql = "SELECT variant, alpha, state, modes_covered AS modes FROM results WHERE seed = 1 LIMIT 2";
    assert_eq!(
        home.prints(&["query", sql]),
        "variant  alpha  state   modes\nD2GAN      0.1  failed   NULL\nD2GAN      0.1  done        3\n"
    );
    assert_eq!(
        home.prints(&["query", sql, "--format", "csv"]),
        "variant,alpha,state,modes\nD2GAN,0.1,failed,\nD2GAN,0.1,done,3.0\n".replace("3.0", "3")
    );
    let json: serde_json::Value = serde_json::from_str(&home.prints(&["query", sql, "--format", "json"])).unwrap();
    assert_eq!(json[0], serde_json::json!({"variant": "D2GAN", "alpha": 0.1, "state": "failed", "modes": null}));
    let none = home.prints(&["query", "SELECT 1 AS one WHERE 0", "--format", "json"]);
    assert_eq!(none, "[]\n");
    let names = home.prints(&["query", "SELECT 'a,\"b\"' AS x, 'c|d' AS \"y z\"", "--format", "csv"]);
    assert_eq!(names, "x,y z\n\"a,\"\"b\"\"\",c|d\n");

    let mut child = home.command(&["query", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT count(*) AS n FROM history").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), " n\n16\n");
}

#[test]
fn a_query_cannot_write_and_mistakes_are_2() {
    let home = cells();
    let written = home.path().join("written");
    let (into, attach) =
        (format!("SELECT 1; VACUUM INTO '{}'", written.display()), format!("ATTACH '{}' AS x", written.display()));
    for sql in [
        &into,
        &attach,
        "DELETE FROM jobs",
        "DELETE FROM jobs RETURNING id",
        "SELEKT 1",
        "SELECT nonsense FROM results",
        "",
    ] {
        let output = home.sweep(&["query", sql]);
        assert_eq!(output.status.code(), Some(2), "{sql}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
    assert!(!written.exists());
    assert_eq!(home.prints(&["query", "SELECT count(*) AS n FROM jobs", "--format", "csv"]), "n\n10\n");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = cells();
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) SELECT i FROM n";
    for format in ["csv", "json", "table"] {
        let args = ["query", sql, "--format", format];
        let mut command = home.command(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 2];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn without_a_database_every_reader_says_what_to_do() {
    let home = cells();
    fs::remove_file(home.path().join("sweep.db")).unwrap();
    for args in [&["query", "SELECT 1"][..], &["status"], &["report"], &["show", "ab"]] {
        let output = home.sweep(args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        assert!(text(&output.stderr).contains("no results yet at"), "{args:?}: {}", text(&output.stderr));
    }
    // And it can be had again.
    let said = home.prints(&["rebuild"]);
    assert!(said.contains("1 sweep, 2 attempts"), "{said}");
    let states = home.prints(&["query", "SELECT state, count(*) AS n FROM jobs GROUP BY 1", "--format", "csv"]);
    assert_eq!(states, "state,n\ndiverged,1\ndone,8\nfailed,1\n");
    assert!(home.prints(&["rebuild"]).contains("the earlier database is"));
    let nowhere = home.sweep(&["rebuild", "--home", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(!home.path().join("nowhere").exists());
}

#[test]
fn show_tells_a_jobs_story() {
    let home = cells();
    let failed = home.prints(&["show", &home.ids[1][..10]]);
    for expected in [
        "failed, 0 of 1,000 steps",
        "killed by signal 11",
        "Segmentation fault",
        "`sweep retry --failed --home ",
        "objective: d2gan",
    ] {
        assert!(failed.contains(expected), "{expected} in\n{failed}");
    }
    assert!(!failed.contains('\u{1b}'), "what a worker prints must not reach the terminal's controls");
    let done = home.prints(&["show", &home.ids[4]]);
    for expected in
        ["done, 1,000 of 1,000 steps", "samples/", "alpha 0.2, beta 0.1", "sweep       cells, variant D2GAN"]
    {
        assert!(done.contains(expected), "{expected} in\n{done}");
    }
    let json: serde_json::Value = serde_json::from_str(&home.prints(&["show", &home.ids[0], "--json"])).unwrap();
    assert_eq!((&json["state"], &json["message"]), (&"diverged".into(), &"D1's loss is NaN".into()));
    assert_eq!(json["entries"][0]["axes"], serde_json::json!({"alpha": 0.1, "beta": 0.1}));
    for wrong in ["zz", ""] {
        let output = home.sweep(&["show", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {}", text(&output.stderr));
    }
}

#[test]
fn status_counts_jobs() {
    let home = cells();
    let shown = home.prints(&["status"]);
    assert!(shown.contains("diverged") && shown.lines().nth(1).unwrap().starts_with("cells    10"), "{shown}");
    let json: serde_json::Value =
        serde_json::from_str(&home.prints(&["status", "cells", "--json", "--watch"])).unwrap();
    assert_eq!((&json[0]["states"]["done"], &json[0]["states"]["failed"]), (&8.into(), &1.into()));
    let output = home.sweep(&["status", "cell"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("it has cells"), "{}", text(&output.stderr));
}
