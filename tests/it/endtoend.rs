//! From a sweep file to a report, on real worker processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const TINY: &str = "
sweep: tiny
dataset: gaussians
seeds: 2
model: {arch: mlp, generator: [16, 16], discriminator: [16], noise: 8}
train: {steps: STEPS, batch: 32, lr: 1e-3}
score: {every: EVERY, samples: 500, wasserstein_samples: 200, metrics: [wasserstein, symmetric_kl, modes_covered, high_quality]}
variants:
  - name: D2GAN
    objective: d2gan
    grid: {alpha: [0.1, 0.2], beta: [0.1, 0.5]}
  - {name: GAN, objective: gan}
";

/// A folder with a sweep file and a home directory.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(steps: u64) -> Self {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        std::fs::write(
            place.file(),
            TINY.replace("STEPS", &steps.to_string()).replace("EVERY", &(steps * 2 / 5).to_string()),
        )
        .unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("a sweep.yaml")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweep"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SWEEP_")) {
            command.env_remove(name);
        }
        command.args(arguments).env("SWEEP_HOME", self.home()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn sweep(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the file to its end; the output must be a success.
    fn run(&self) -> Output {
        let output = self.sweep(&["run", self.file().to_str().unwrap(), "--slots", "2"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        output
    }

    /// The answer to `sql`, as CSV without its header.
    fn query(&self, sql: &str) -> Vec<String> {
        let output = self.sweep(&["query", sql, "--format", "csv"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap().lines().skip(1).map(str::to_owned).collect()
    }

    /// Every score of every job at every step, to the last bit.
    fn scores(&self) -> Vec<String> {
        self.query("SELECT job, step, metric, kind, printf('%.17g', value) FROM scores ORDER BY 1, 2, 3")
    }
}

fn text(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn pngs(home: &Path) -> usize {
    let cohorts = std::fs::read_dir(home.join("runs")).unwrap();
    let samples = cohorts.filter_map(|cohort| std::fs::read_dir(cohort.unwrap().path().join("samples")).ok());
    samples.flatten().filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "png")).count()
}

#[test]
fn a_tiny_sweep_goes_all_the_way() {
    let place = Place::new(100);
    place.run();
    assert_eq!(place.query("SELECT state, count(*) FROM jobs GROUP BY 1"), ["done,10"]);
    // Ten jobs, scored at 40, 80 and 100, four scores each.
    assert_eq!(place.scores().len(), 10 * 3 * 4);
    assert_eq!(place.query("SELECT count(*) FROM results WHERE variant = 'D2GAN' AND wasserstein > 0"), ["8"]);
    assert_eq!(place.query("SELECT count(DISTINCT alpha || ' ' || beta) FROM results WHERE variant = 'D2GAN'"), ["4"]);
    assert_eq!(pngs(&place.home()), 10);

    let report = place.sweep(&["report", "--format", "json"]);
    assert_eq!(report.status.code(), Some(0), "{}", text(&report));
    let json: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert!(json.to_string().contains("D2GAN"));

    // Nothing is left to do.
    let attempts = place.query("SELECT count(*) FROM attempts");
    place.run();
    assert_eq!(place.query("SELECT count(*) FROM attempts"), attempts);
}

#[test]
fn results_do_not_depend_on_how_jobs_are_packed() {
    let (one, two) = (Place::new(80), Place::new(80));
    one.run();
    let output = two.sweep(&["run", two.file().to_str().unwrap(), "--slots", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(one.scores(), two.scores());
}

#[test]
fn an_interrupted_sweep_goes_on_to_the_same_scores() {
    let (whole, cut) = (Place::new(3000), Place::new(3000));
    whole.run();

    let mut child = cut
        .command(&["run", cut.file().to_str().unwrap(), "--slots", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Once the first scores are in the logs, training is under way.
    let start = Instant::now();
    let under_way = || {
        let cohorts = std::fs::read_dir(cut.home().join("runs")).ok()?;
        let logs = cohorts.filter_map(|c| std::fs::read_to_string(c.ok()?.path().join("attempt-1/events.jsonl")).ok());
        logs.map(|log| log.contains("scored")).find(|&scored| scored)
    };
    while under_way().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing was scored");
        thread::sleep(Duration::from_millis(20));
    }
    // Not by the program `kill`, which a small system may lack.
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert_ne!(
        cut.query("SELECT count(*) FROM jobs WHERE state = 'pending'"),
        ["0"],
        "it was done before the interrupt"
    );

    cut.run();
    assert_eq!(cut.query("SELECT state, count(*) FROM jobs GROUP BY 1"), ["done,10"]);
    assert_ne!(cut.query("SELECT count(*) FROM attempts WHERE outcome = 'stopped'"), ["0"]);
    assert_eq!(cut.scores(), whole.scores());
}
