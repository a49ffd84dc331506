//! Finding out how many members train best together, on real processes: the program's own worker on the CPU, and faked
//! devices.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sweep::plan::measured::{Known, Measured, Question, questions};
use sweep::plan::slot::{Device, Kind, Kinds, Slot};
use sweep::plan::{Limits, plan};
use sweep::run::executor::{Crew, Place};
use sweep::run::state::{Finish, Settings, Work};
use sweep::run::{
    Hold, Interrupted, Observer, Options, Orders, Planner, RunError, Standing, add_measurements, load_measurements, run,
};
use sweep::spec::job::Task;
use sweep::spec::sweep::Sweep;
use sweep::store::Store;
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
    std::fs::write(
        &path,
        format!(
            "#!/bin/sh\nexec env TRACE='{}' {environment} '{}' \"$@\"\n",
            folder.join("trace").display(),
            worker.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn kinds() -> BTreeSet<Kind> {
    [Kinds::default().of(Device::Cpu)].into()
}

/// Asks its questions, keeps the answers, and trains nothing.
#[derive(Default)]
struct Asks {
    questions: Vec<Question>,
    failures: Vec<String>,
    known: Known,
}

impl Planner for Asks {
    fn questions(&mut self, places: &[Place]) -> Vec<Question> {
        assert_eq!(places.iter().map(|place| place.first).collect::<Vec<_>>(), [true, false]);
        std::mem::take(&mut self.questions)
    }

    fn answered(&mut self, _: &Question, failure: Option<&str>) {
        self.failures.extend(failure.map(str::to_owned));
    }

    fn plan(&mut self, _: &[Place], known: &Known) -> Result<Vec<Work>, RunError> {
        self.known = known.clone();
        Ok(Vec::new())
    }
}

/// Looks on.
struct Looks;

impl Observer for Looks {
    fn update(&mut self, standing: &Standing) {
        if let Standing::Measuring { answered, questions, now } = standing {
            assert!(answered <= questions && now.len() <= 1, "two workers on one device would measure each other");
        }
    }
}

/// Measures on two slots of one device.
fn ask(worker: PathBuf, folder: &Path, questions: Vec<Question>) -> Asks {
    let home = Home::new(folder);
    std::fs::create_dir_all(home.logs()).unwrap();
    let slots = vec![Slot { device: Device::Cpu, threads: 1 }; 2];
    let mut asks = Asks { questions, ..Asks::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&home.database()).await.unwrap();
        let crew = Crew::local(Some(worker.into()), slots, &Kinds::default(), &home).unwrap();
        let options = Options {
            orders: Orders::new(home.clone(), folder.into(), 0),
            settings: Settings::default(),
            interrupted: Interrupted::Stop,
            hold: Hold::default(),
        };
        let outcomes = run(&store, options, crew, &mut asks, &mut Looks).await.unwrap();
        assert_eq!((outcomes.summary.finish, outcomes.signal), (Finish::Complete, None));
        let attempts = store.attempts_made().await.unwrap();
        assert!(attempts.is_empty() && !home.probes().path().exists(), "nothing of it is left");
    });
    asks
}

/// The sizes of the cohorts that the worker of tests/fixtures was told to train.
fn tried(folder: &Path) -> Vec<usize> {
    let text = std::fs::read_to_string(folder.join("trace")).unwrap_or_default();
    let orders = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    orders.map(|order| order["jobs"].as_array().unwrap().len()).collect()
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
    let asks = ask(env!("CARGO_BIN_EXE_sweep").into(), folder.path(), open);
    assert!(asks.failures.is_empty(), "{:?}", asks.failures);
    let known = add_measurements(&Home::new(folder.path()), &asks.known).unwrap();
    assert_eq!((&known, load_measurements(&Home::new(folder.path())).unwrap()), (&asks.known, known.clone()));
    assert_eq!(only(&known).len(), 2);
    for measured in only(&known) {
        assert!(measured.rates.values().all(|rate| *rate > 1.0) && measured.limit.is_none(), "{measured:?}");
        assert!(measured.rates.contains_key(&1) && measured.rates.contains_key(&4), "{measured:?}");
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
    let asks = ask(worker, folder.path(), questions(&tasks(300)[..300], &kinds(), &Known::new()));
    assert_eq!(tried(folder.path()), [1, 4, 16, 64]);
    assert_eq!(only(&asks.known)[0].best(300), Some(16));
}

#[test]
fn out_of_memory_is_met_by_a_new_worker_with_less() {
    let folder = tempfile::tempdir().unwrap();
    let worker = fake(folder.path(), "FAULT=out_of_memory FITS=40");
    let asks = ask(worker, folder.path(), questions(&tasks(100), &kinds(), &Known::new()));
    assert_eq!(tried(folder.path()), [1, 4, 16, 64, 32].repeat(2));
    assert!(asks.failures.is_empty());
    let expected = Measured { rates: [(1, 100.0), (4, 400.0), (16, 1600.0), (32, 3200.0)].into(), limit: Some(32) };
    assert_eq!(only(&asks.known), [&expected; 2]);
    let pids = std::fs::read_to_string(folder.path().join("logs/worker-0.log")).unwrap();
    assert_eq!(pids.lines().count(), 10, "{pids}");
}

#[test]
fn where_nothing_works_the_rest_is_not_tried() {
    for (fault, why) in
        [("dies", "the worker died with 1 members"), ("fails", "singular"), ("forgets", "without reporting a rate")]
    {
        let folder = tempfile::tempdir().unwrap();
        let worker = fake(folder.path(), &format!("FAULT={fault}"));
        let asks = ask(worker, folder.path(), questions(&tasks(9), &kinds(), &Known::new()));
        assert_eq!(asks.known, Known::new(), "{fault}");
        let [message] = &asks.failures[..] else { panic!("{:?}", asks.failures) };
        assert!(message.contains(why), "{message}");
    }
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
    run.expect(0).says(&["measuring how many jobs train best together: 2 networks to try", "model-steps/s"]);
    assert!(!plan(&[]).stdout.contains("train best together"), "asked once");
}

#[test]
fn a_worker_of_ones_own_is_not_measured() {
    let bench = Bench::new("none");
    let run = bench.sweep(&["run", "nine.yaml", "--no-report", "--devices", "cuda:0"]).expect(0);
    assert!(!run.stderr.contains("measuring how many"), "{run:#?}");
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
