//! The short form of scripts/chaos: processes of a real run are killed at odd moments, and nothing is lost.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::bench::{Bench, NINE};

const KILLS: usize = 8;
const ARGS: [&str; 14] = [
    "run",
    "nine.yaml",
    "--no-report",
    "--slots",
    "2",
    "--members",
    "3",
    "--checkpoint-seconds",
    "1",
    "--retries",
    "100",
    "--backoff",
    "0.01",
    "-v",
];

fn bench() -> Bench {
    let file = NINE.replace("steps: 20", "steps: 20000").replace("samples: 100", "every: 5000, samples: 100");
    Bench::real().file("nine.yaml", &file)
}

/// Everything that must not depend on what happened on the way.
fn content(bench: &Bench) -> [Vec<String>; 2] {
    [
        bench.query("SELECT id, state, step FROM jobs ORDER BY id"),
        bench.query("SELECT job, step, metric, hex(CAST(value AS TEXT)), protocol FROM scores ORDER BY 1, 2, 3"),
    ]
}

fn children(pid: u32) -> Vec<Pid> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), found),
            false => found.push(entry.file_name().to_string_lossy().into_owned()),
        }
    }
}

#[test]
fn whatever_is_killed_the_scores_are_those_of_an_undisturbed_run() {
    let undisturbed = bench();
    undisturbed.sweep(&ARGS).expect(0);
    let expected = content(&undisturbed);
    assert_eq!((expected[0].len(), expected[1].len()), (9, 36));

    let bench = bench();
    let (mut kills, mut code) = (0, None);
    let start = Instant::now();
    while code != Some(0) {
        assert!(start.elapsed() < Duration::from_secs(240), "it does not come to an end");
        let mut run = bench.command(&ARGS).stderr(std::process::Stdio::null()).spawn().unwrap();
        code = loop {
            std::thread::sleep(Duration::from_millis(100 + 80 * (kills as u64 % 5)));
            if let Some(status) = run.try_wait().unwrap() {
                break status.code();
            }
            let workers = children(run.id());
            match (kills, workers.get(kills % 2)) {
                (KILLS.., _) => {}
                (3 | 6, _) => {
                    kills += 1;
                    run.kill().unwrap();
                }
                (_, Some(&worker)) => kills += usize::from(kill_process(worker, Signal::KILL).is_ok()),
                (_, None) => {}
            }
        };
        assert!(matches!(code, Some(0) | None), "{code:?}");
    }
    assert_eq!(kills, KILLS, "before all was done");
    assert_eq!(content(&bench), expected);
    let mut names = Vec::new();
    files(&bench.home(), &mut names);
    names.retain(|name| name.starts_with("checkpoint") || name.starts_with(".tmp") || name.ends_with(".new"));
    assert_eq!(names, [""; 0], "temporary files are left");
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(content(&bench), expected, "rebuilt");
}
