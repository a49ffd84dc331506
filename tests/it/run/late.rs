//! Runs on agents whose home directory is seen late, and of whose writing nobody may hear, as on a network file system
//! that is busy: the layer that does so is in tests/fixtures/late-files.c.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use super::bench::{Bench, assert_same, root, wait_long};
use super::elsewhere::{Elsewhere, content, end, kill};

/// The layer, made in `folder`; none, and a word of it, where there is no compiler.
fn layer(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (root().join("tests/fixtures/late-files.c"), folder.join("late-files.so"));
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(source).args(["-ldl", "-lpthread"]);
    match cc.output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(library)
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "cc: {error}");
            println!("skipped: cc: {error}");
            None
        }
    }
}

/// How often something older than the truth was seen, and how many replies were lost.
fn counters(shadow: &Path) -> (u64, u64) {
    let page = std::fs::read(shadow.join("shared")).unwrap();
    let counter = |at: usize| u64::from_ne_bytes(page[8 * at..8 * at + 8].try_into().unwrap());
    (counter(3), counter(2))
}

/// So many cohorts of one job each.
fn file(cohorts: u32, steps: u32) -> String {
    format!(
        "sweep: late\ndataset: gaussians\nobjective: gan\nseeds: {cohorts}\n\
         model: {{arch: mlp, generator: [4], discriminator: [4], noise: 2}}\n\
         train: {{steps: {steps}, batch: 4, lr: 1e-3}}\nscore: {{samples: 100, metrics: [wasserstein]}}\n"
    )
}

struct Late {
    bench: Elsewhere,
    shadow: PathBuf,
    here: Bench,
    _folder: tempfile::TempDir,
}

impl Late {
    /// `text` on so many agents, where changes are seen after up to `most` seconds and one reply in `lost` gets lost.
    fn new(text: &str, agents: u32, (most, delay): (u32, u32), lost: u32) -> Option<Late> {
        let folder = tempfile::tempdir().unwrap();
        let library = layer(folder.path())?;
        let shadow = folder.path().join("shadow");
        let launch = format!(
            "run: {{launch: {{command: \"LATE_CLIENT=a{{number}} sh -c {{agent}} >>{{log}} 2>&1 &\", agents: {agents}, \
            idle: 30s}}}}\n"
        );
        let bench = Bench::real().file("late.yaml", &(text.to_owned() + &launch));
        std::fs::create_dir(bench.home()).unwrap();
        let home = bench.home().canonicalize().unwrap();
        let bench = bench
            .with("SWEEP_DB", folder.path().join("sweep.db").display())
            .with("SWEEP_DELAY", delay)
            .with("LD_PRELOAD", library.display())
            .with("LATE_FOLDER", home.display())
            .with("LATE_SHADOW", shadow.display())
            .with("LATE_CLIENT", "o")
            .with("LATE_MOST", most)
            .with("LATE_LOST", lost)
            // Of the others it cannot be told whether they were done.
            .with("LATE_LOST_ONLY", "rename,link,unlink");
        let here = Bench::real().with("SWEEP_SLOTS", 2).file("late.yaml", text);
        Some(Late { bench: Elsewhere::new(bench), shadow, here, _folder: folder })
    }
}

const ARGS: [&str; 7] = ["run", "late.yaml", "--no-report", "--backoff", "0.01", "--members", "1"];

fn on_agents() -> Vec<&'static str> {
    [&ARGS[..], &["--on", "launch"]].concat()
}

/// Trains so many cohorts on agents, through the death of an orchestrator, and here; what comes of both must be the
/// same.
fn compare(cohorts: u32, agents: u32, times: (u32, u32), seconds: u64) {
    let Some(late) = Late::new(&file(cohorts, 200), agents, times, 20) else { return };
    late.here.sweep(&ARGS).expect(0);
    let start = Instant::now();
    let mut run = late.bench.start(&on_agents());
    let begun = || late.bench.logs().iter().filter(|log| log.contains("\"started\"")).count();
    let mut is_over = || run.try_wait().unwrap().is_some();
    while begun() <= 5 && !is_over() && start.elapsed().as_secs() < seconds {
        std::thread::sleep(Duration::from_millis(20));
    }
    // The next one has to find out what became of all that was handed out.
    let killed = kill(run);
    let words: Vec<String> = (0..agents as usize).map(|number| late.bench.log_of(number)).collect();
    assert!(begun() > 5, "no work: {killed:#?}; agents: {words:#?}");
    end(late.bench.start(&on_agents()), seconds).expect(0);
    let (older, lost) = counters(&late.shadow);
    println!("{} s: {older} views of something older, {lost} replies lost", start.elapsed().as_secs());
    assert!(older > 100 && lost > 5, "{older}, {lost}");
    let [found, expected] = [late.bench.content(), content(&late.here)];
    assert_eq!(found[0].len(), cohorts as usize);
    found.iter().zip(&expected).for_each(|(found, expected)| assert_same(found, expected));
    late.bench.expect_nothing_left();
}

/// One that stands still for long is taken for gone on other machines, where no locks reach.
#[test]
fn who_wakes_up_when_another_has_taken_over_ends_and_leaves_all_as_it_is() {
    let text = file(12, 3000);
    let Some(late) = Late::new(&text, 2, (1, 2), 0) else { return };
    late.here.sweep(&ARGS).expect(0);
    let begun = || late.bench.logs().iter().filter(|log| log.contains("\"started\"")).count();
    // Each has a database on a disk of its own.
    let start = |name: &str| {
        let mut command = late.bench.command(&on_agents());
        command.env_remove("SWEEP_DB").env("XDG_STATE_HOME", late.shadow.with_file_name(name));
        command.env("LATE_CLIENT", name).env("LATE_NOLOCK", "1");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let asleep = start("one");
    wait_long("work", 120, || begun() >= 2);
    let pid = Pid::from_child(&asleep);
    kill_process(pid, Signal::STOP).unwrap();
    // Whoever is taken for gone has been silent for longer than it takes to see all that it did.
    std::thread::sleep(Duration::from_secs(2));
    let at_work = late.bench.home().join("at-work.json");
    let ago = SystemTime::now() - Duration::from_secs(1000);
    std::fs::File::options().append(true).open(at_work).unwrap().set_modified(ago).unwrap();
    let awake = start("two");
    let before = begun();
    wait_long("work for the other", 120, || begun() >= before + 2);
    kill_process(pid, Signal::CONT).unwrap();
    end(asleep, 60).expect(3).says(&["has taken over", "ends without changing anything"]);
    end(awake, 240).expect(0).says(&["continuing with agents of an earlier run: 2 at work"]);
    // A copy of its database, which the one that had slept has not replaced.
    std::fs::copy(late.bench.home().join("sweep.db"), late.shadow.with_file_name("sweep.db")).unwrap();
    late.bench.content().iter().zip(&content(&late.here)).for_each(|(found, expected)| assert_same(found, expected));
    late.bench.expect_nothing_left();
}

#[test]
fn what_is_seen_late_and_what_nobody_hears_of_changes_nothing() {
    compare(36, 3, (2, 3), 120);
}

/// As on a busy file system of a cluster.
#[test]
#[ignore = "it takes a quarter of an hour"]
fn nor_does_it_where_all_is_seen_a_minute_late() {
    compare(1000, 8, (60, 60), 3600);
}
