//! A home directory, a sweep file, and the program on them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

/// Nine jobs in two cohorts, of 6 (D2GAN) and 3 (GAN).
pub(crate) const NINE: &str = "
sweep: nine
dataset: gaussians
seeds: 3
model: {arch: mlp, generator: [4], discriminator: [4], noise: 2}
train: {steps: 20, batch: 4, lr: 1e-3}
score: {samples: 100, metrics: [wasserstein]}
variants:
  - name: D2GAN
    objective: d2gan
    grid: {alpha: [0.1, 0.2], beta: [0.1]}
  - {name: GAN, objective: gan}
";

/// Three of [`NINE`]'s jobs, and three others: two cohorts.
pub(crate) const OVERLAP: &str = "
sweep: overlap
dataset: gaussians
seeds: 3
model: {arch: mlp, generator: [4], discriminator: [4], noise: 2}
train: {steps: 20, batch: 4, lr: 1e-3}
score: {samples: 100, metrics: [wasserstein]}
variants:
  - {name: plain, objective: gan}
  - {name: longer, objective: gan, train: {steps: 30}}
";

pub(crate) struct Bench {
    folder: tempfile::TempDir,
    env: BTreeMap<&'static str, String>,
}

impl Bench {
    /// With the worker of tests/fixtures, one slot, and `fault`.
    pub(crate) fn new(fault: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let env = BTreeMap::from([
            ("SWEEP_WORKER", root().join("tests/fixtures/faulty_worker.py").display().to_string()),
            ("SWEEP_HOME", folder.path().join("home").display().to_string()),
            ("SWEEP_SLOTS", "1".to_owned()),
            ("TRACE", folder.path().join("trace").display().to_string()),
            ("FAULT", fault.to_owned()),
        ]);
        Bench { folder, env }.file("nine.yaml", NINE)
    }

    /// With a worker that waits at half of the steps, past a checkpoint, until [`Bench::go`].
    pub(crate) fn held() -> Self {
        let bench = Bench::new("none");
        let go = bench.folder.path().join("go").display().to_string();
        bench.with("GO", go)
    }

    /// Whoever waits goes on.
    pub(crate) fn go(&self) {
        std::fs::write(&self.env["GO"], "").unwrap();
    }

    /// With the worker of the program itself.
    pub(crate) fn real() -> Self {
        Bench::new("none").without("SWEEP_WORKER")
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.env.insert(name, value.to_string());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// Writes a file beside the home directory.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweep"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SWEEP_")) {
            command.env_remove(name);
        }
        command.args(args).envs(&self.env).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn sweep(&self, args: &[&str]) -> Ended {
        Ended::from(self.command(args).output().unwrap())
    }

    /// `sweep run nine.yaml`.
    pub(crate) fn run(&self) -> Ended {
        self.sweep(&["run", "nine.yaml", "--no-report", "--backoff", "0.01"])
    }

    /// Starts it and does not wait.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until the worker has begun `orders` orders.
    pub(crate) fn wait_for_orders(&self, orders: usize) {
        wait("orders", || self.trace().len() >= orders);
    }

    /// A line for each order that a worker began.
    pub(crate) fn trace(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("trace")).unwrap_or_default();
        // A last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The rows of a query, values joined by `|`.
    pub(crate) fn query(&self, sql: &'static str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let own = self.home().join("sweep.db");
            let file = self.env.get("SWEEP_DB").map_or(own, PathBuf::from);
            let options = SqliteConnectOptions::new().filename(file).read_only(true);
            let pool = SqlitePool::connect_with(options).await.unwrap();
            let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
            pool.close().await;
            let cell = |row: &sqlx::sqlite::SqliteRow, column: usize| {
                row.try_get::<String, _>(column)
                    .or_else(|_| row.try_get::<i64, _>(column).map(|value| value.to_string()))
                    .or_else(|_| row.try_get::<f64, _>(column).map(|value| value.to_string()))
                    .unwrap_or_default()
            };
            rows.iter()
                .map(|row| (0..row.len()).map(|column| cell(row, column)).collect::<Vec<_>>().join("|"))
                .collect()
        })
    }

    /// `done 9` and the like.
    pub(crate) fn states(&self) -> String {
        self.query("SELECT state || ' ' || count(*) FROM jobs GROUP BY state ORDER BY state").join(", ")
    }

    /// `finished`, `died`, … in the order in which attempts started.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        self.query("SELECT coalesce(outcome, 'open') FROM attempts ORDER BY started_at, number")
    }
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts that it said all of `words`, on either stream.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.stdout.contains(word) || self.stderr.contains(word), "no `{word}` in {self:#?}");
        }
    }
}

/// Asserts that rows are the same in the same order, and shows those that are not.
#[track_caller]
pub(crate) fn assert_same(left: &[String], right: &[String]) {
    let only = |rows: &[String], others: &[String]| -> Vec<String> {
        rows.iter().filter(|row| !others.contains(row)).cloned().collect()
    };
    assert_eq!(only(left, right), only(right, left), "of {} and {} rows", left.len(), right.len());
    assert!(left == right, "the order differs");
}

/// Waits until `condition`, for half a minute.
#[track_caller]
pub(crate) fn wait(what: &str, condition: impl Fn() -> bool) {
    wait_long(what, 30, condition);
}

/// The same, for so many seconds.
#[track_caller]
pub(crate) fn wait_long(what: &str, seconds: u64, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(seconds), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where the sources are.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
