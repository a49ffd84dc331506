//! Finding out how many members train best together, on real processes: the program's own worker on the CPU, and faked devices.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sweep::plan::measured::{Known, Measured, Question, questions};
use sweep::plan::slot::{Device, Kind, Kinds, Slot};
use sweep::plan::{Limits, plan};
use sweep::run::probe::{Options, Probed, probe};
use sweep::run::{learn, learnt};
use sweep::spec::job::Task;
use sweep::spec::sweep::Sweep;
use sweep::wire::home::Home;

use super::bench::{Bench, NINE, root};

/// Two blueprints with so many jobs each.
fn tasks(seeds: usize) -> Vec<Task> {
    let text = format!(
        "sweep: s\ndataset: gaussians\nseeds: {seeds}\nmodel: {{generator: [4], discriminator: [4], noise: 2}}\n\
         train: {{steps: 20, batch: 4}}\nvariants:\n- {{name: a, objective: gan}}\n\
         - {{name: b, objective: gan, train: {{batch: 8}}}}"
    );
    Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap().tasks()
}

/// The worker of tests/fixtures with this environment.
fn fake(folder: &Path, environment: &str) -> PathBuf {
    let (path, worker) = (folder.join("worker"), root().join("tests/fixtures/faulty_worker.py"));
    std::fs::write(&path, format!("#!/bin/sh\nexec env {environment} '{}' \"$@\"\n", worker.display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn kinds() -> BTreeSet<Kind> {
    [Kinds::default().of(Device::Cpu)].into()
}

/// The answers, and the sizes of the cohorts that were tried. Stops at once when `stop_after` of them were.
fn ask(worker: PathBuf, folder: &Path, questions: Vec<Question>, stop_after: usize) -> (Probed, Vec<usize>) {
    let options = Options {
        // The second slot is of the same device.
        slots: vec![Slot { device: Device::Cpu, threads: 1 }; 2],
        kinds: Kinds::default(),
        worker: Some(worker.into()),
        home: Home::new(folder),
        seconds: 0.01,
    };
    let (mut tried, told) = (Vec::new(), tokio::sync::Notify::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stop = async {
        told.notified().await;
        2
    };
    let mut observer = |standing: sweep::run::probe::Standing<'_>| {
        assert!(standing.answered <= standing.questions);
        tried.extend(standing.members);
        if standing.members.is_some() && tried.len() == stop_after {
            told.notify_one();
        }
    };
    let probed = runtime.block_on(probe(options, questions, &mut observer, stop)).unwrap();
    (probed, tried)
}

fn only(known: &Known) -> Vec<&Measured> {
    known.values().flat_map(BTreeMap::values).collect()
}

#[test]
fn the_programs_worker_answers_on_the_cpu_and_the_answer_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = tasks(5);
    let open = questions(&tasks, &kinds(), &Known::new());
    assert_eq!(open.len(), 2);
    let (probed, tried) = ask(env!("CARGO_BIN_EXE_sweep").into(), folder.path(), open, usize::MAX);
    assert!(probed.failures.is_empty() && probed.signal.is_none(), "{probed:?}");
    assert_eq!(tried[..2], [1, 4]);
    let known = learn(&Home::new(folder.path()), &probed.known).unwrap();
    assert_eq!((&known, learnt(&Home::new(folder.path())).unwrap()), (&probed.known, known.clone()));
    assert_eq!(only(&known).len(), 2);
    for measured in only(&known) {
        assert!(measured.rates.values().all(|rate| *rate > 1.0) && measured.limit.is_none(), "{measured:?}");
        assert!(measured.best(5).is_some());
    }
    assert!(questions(&tasks, &kinds(), &known).is_empty(), "asked once");

    // The plan goes by it.
    let slots = [Slot { device: Device::Cpu, threads: 1 }];
    let best = known.values().next().unwrap()[&tasks[0].job.blueprint.id()].best(5).unwrap();
    let plan = plan(tasks.clone(), &slots, &Limits { known, ..Limits::default() });
    let of_first = plan.cohorts.iter().filter(|placed| placed.blueprint == tasks[0].job.blueprint.id());
    assert_eq!(
        of_first.map(|placed| placed.cohort.members.len()).max(),
        Some(5_usize.div_ceil(5_usize.div_ceil(best)))
    );
}

#[test]
fn a_device_is_tried_until_it_gains_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let worker = fake(folder.path(), "FAULT=none WIDE=16");
    let open = questions(&tasks(300)[..300], &kinds(), &Known::new());
    let (probed, tried) = ask(worker, folder.path(), open, usize::MAX);
    assert_eq!(tried, [1, 4, 16, 64]);
    assert_eq!(only(&probed.known)[0].best(300), Some(16));
}

#[test]
fn out_of_memory_is_met_by_a_new_worker_with_less() {
    let folder = tempfile::tempdir().unwrap();
    let worker = fake(folder.path(), "FAULT=out_of_memory FITS=40");
    let (probed, tried) = ask(worker, folder.path(), questions(&tasks(100), &kinds(), &Known::new()), usize::MAX);
    assert_eq!(tried, [1, 4, 16, 64, 32].repeat(2));
    assert!(probed.failures.is_empty());
    let expected = Measured { rates: [(1, 100.0), (4, 400.0), (16, 1600.0), (32, 3200.0)].into(), limit: Some(32) };
    assert_eq!(only(&probed.known), [&expected; 2]);
    let pids = std::fs::read_to_string(folder.path().join("logs/worker-0.log")).unwrap();
    assert_eq!(pids.lines().count(), 10, "{pids}");
}

#[test]
fn where_nothing_works_the_rest_is_not_tried() {
    for (fault, why) in
        [("dies", "the worker died with 1 members"), ("fails", "singular"), ("forgets", "without a rate")]
    {
        let folder = tempfile::tempdir().unwrap();
        let worker = fake(folder.path(), &format!("FAULT={fault}"));
        let (probed, tried) = ask(worker, folder.path(), questions(&tasks(9), &kinds(), &Known::new()), usize::MAX);
        assert_eq!((tried, probed.known), (vec![1], Known::new()), "{fault}");
        let [(_, message)] = &probed.failures[..] else { panic!("{:?}", probed.failures) };
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_stop_ends_it_with_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let open = || questions(&tasks(9), &kinds(), &Known::new());
    let (probed, tried) = ask(fake(folder.path(), "FAULT=none"), folder.path(), open(), 2);
    assert_eq!((probed.signal, tried), (Some(2), vec![1, 4]));
    assert_eq!(only(&probed.known)[0].rates.get(&1), Some(&100.0));
    // A worker that is deaf to signals, too.
    let (probed, _) = ask(fake(folder.path(), "FAULT=hangs"), folder.path(), open(), 1);
    assert_eq!(probed.signal, Some(2));
}

/// The run itself needs a GPU.
#[test]
fn a_run_on_a_gpu_measures_first_and_a_plan_says_what_is_not_known() {
    let bench = Bench::real();
    let devices = ["--devices", "cuda:0"];
    let plan = |more: &[&str]| bench.sweep(&[&["plan", "nine.yaml"], &devices[..], more].concat()).expect(0);
    plan(&[]).says(&["how many jobs train best together, for 2 blueprints on ", "`sweep run` measures that first"]);
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json"]).stdout).unwrap();
    assert_eq!(json["unmeasured"].as_array().unwrap().len(), 2);
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json", "--members", "2"]).stdout).unwrap();
    assert_eq!((json["unmeasured"].as_array().unwrap().len(), json["cohorts"].as_array().unwrap().len()), (0, 5));
    assert!(!bench.home().join("measured.json").exists(), "a plan measures nothing");

    let run = bench.sweep(&[&["run", "nine.yaml", "--no-report"], &devices[..]].concat());
    if sweep::tensor::device::cuda_devices() == 0 {
        run.expect(2).says(&["there is no cuda:0 here", "sweep doctor"]);
        return;
    }
    run.expect(0).says(&["finding out how many jobs train best together: 2 networks to try", "model-steps/s"]);
    assert!(!plan(&[]).stdout.contains("train best together"), "asked once");
}

#[test]
fn a_worker_of_ones_own_is_not_measured() {
    let bench = Bench::new("none");
    let run = bench.sweep(&["run", "nine.yaml", "--no-report", "--devices", "cuda:0"]).expect(0);
    assert!(!run.stderr.contains("finding out"), "{run:#?}");
    assert!(bench.trace().iter().all(|order| order["env"]["CUDA_VISIBLE_DEVICES"] == "0"));
}

#[test]
fn a_damaged_file_is_an_error_before_anything_starts() {
    let bench = Bench::new("none").file("other.yaml", NINE);
    std::fs::create_dir_all(bench.home()).unwrap();
    std::fs::write(bench.home().join("measured.json"), "{\"format\": 7, \"devices\": {}}").unwrap();
    for command in ["plan", "run"] {
        bench.sweep(&[command, "nine.yaml"]).expect(3).says(&["measured.json", "its format is 7", "delete it"]);
    }
}
