//! From a sweep file to a report, on real worker processes.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use sweep::spec::objective::Objective;

use crate::run::bench::{Bench, Ended, wait};

const TINY: &str = "
sweep: tiny
dataset: gaussians
seeds: 2
model: {arch: mlp, generator: [16, 16], discriminator: [16], noise: 8}
train: {steps: STEPS, batch: 32, lr: 1e-3}
score: {every: EVERY, samples: 500, wasserstein_samples: 200, \
    metrics: [wasserstein, symmetric_kl, modes_covered, high_quality]}
variants:
  - name: D2GAN
    objective: d2gan
    grid: {alpha: [0.1, 0.2], beta: [0.1, 0.5]}
  - {name: GAN, objective: gan}
";

/// The arguments of a run; a path may have a space in it.
const RUN: [&str; 2] = ["run", "a sweep.yaml"];

fn tiny(steps: u64) -> Bench {
    let text = TINY.replace("STEPS", &steps.to_string()).replace("EVERY", &(steps * 2 / 5).to_string());
    Bench::real().with("SWEEP_SLOTS", 2).file("a sweep.yaml", &text)
}

/// Every score of every job at every step, to the last bit.
fn scores(bench: &Bench) -> Vec<String> {
    bench.query("SELECT job, step, metric, kind, printf('%.17g', value) FROM scores ORDER BY 1, 2, 3")
}

/// All losses of every job.
fn losses(bench: &Bench) -> Vec<String> {
    bench.query("SELECT job, steps, series FROM losses ORDER BY 1")
}

fn pngs(home: &Path) -> usize {
    let cohorts = std::fs::read_dir(home.join("runs")).unwrap();
    let samples = cohorts.filter_map(|cohort| std::fs::read_dir(cohort.unwrap().path().join("samples")).ok());
    samples.flatten().filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "png")).count()
}

#[test]
fn a_tiny_sweep_goes_all_the_way() {
    let bench = tiny(100);
    bench.sweep(&RUN).expect(0);
    assert_eq!(bench.states(), "done 10");
    // Ten jobs, scored at 40, 80 and 100, four scores each.
    assert_eq!(scores(&bench).len(), 10 * 3 * 4);
    assert_eq!(bench.query("SELECT count(*) FROM results WHERE variant = 'D2GAN' AND wasserstein > 0"), ["8"]);
    assert_eq!(bench.query("SELECT count(DISTINCT alpha || ' ' || beta) FROM results WHERE variant = 'D2GAN'"), ["4"]);
    assert_eq!(pngs(&bench.home()), 10);
    let series = bench.query(
        "SELECT variant, metric, count(*), min(step), max(step) FROM history WHERE protocol IS \
        NULL AND kind = 'finite' GROUP BY 1, 2 ORDER BY 1, 2",
    );
    let of = |variant: &str, jobs: u64, names: &[&str]| -> Vec<String> {
        names.iter().map(|name| format!("{variant}|{name}|{}|1|100", 100 * jobs)).collect()
    };
    let common = ["loss_d", "loss_g", "output_fake", "output_real"];
    let second = ["loss_d", "loss_g", "output_fake", "output_fake_2", "output_real", "output_real_2"];
    assert_eq!(series, [of("D2GAN", 8, &second), of("GAN", 2, &common)].concat());

    let report = bench.sweep(&["report", "--format", "json"]).expect(0);
    let json: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert!(json.to_string().contains("D2GAN"));

    let attempts = bench.outcomes();
    bench.sweep(&RUN).expect(0);
    assert_eq!(bench.outcomes(), attempts, "nothing was left to do");
}

#[test]
fn results_do_not_depend_on_how_jobs_are_packed() {
    let (one, two) = (tiny(80).with("SWEEP_SLOTS", 1), tiny(80));
    one.sweep(&RUN).expect(0);
    two.sweep(&RUN).expect(0);
    assert_ne!(one.outcomes().len(), two.outcomes().len(), "they were packed alike");
    assert_eq!(scores(&one), scores(&two));
    assert_eq!(losses(&one), losses(&two));
}

#[test]
fn an_interrupted_sweep_goes_on_to_the_same_scores() {
    let (whole, cut) = (tiny(3000), tiny(3000));
    whole.sweep(&RUN).expect(0);

    let child = cut.start(&RUN);
    // Once the first scores are in the logs, training is under way.
    wait("scores", || {
        let cohorts = std::fs::read_dir(cut.home().join("runs")).into_iter().flatten().flatten();
        let logs =
            cohorts.filter_map(|cohort| std::fs::read_to_string(cohort.path().join("attempt-1/events.jsonl")).ok());
        logs.into_iter().any(|log| log.contains("scored"))
    });
    // Not by the program `kill`, which a small system may lack.
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    Ended::from(child.wait_with_output().unwrap()).expect(130);
    assert!(cut.states().contains("pending"), "it was done before the interrupt");

    cut.sweep(&RUN).expect(0);
    assert_eq!(cut.states(), "done 10");
    assert!(cut.outcomes().contains(&"stopped".to_owned()));
    assert_eq!(scores(&cut), scores(&whole));
    assert_eq!((losses(&cut), losses(&cut).len()), (losses(&whole), 10));
    cut.sweep(&["rebuild"]).expect(0);
    assert_eq!(losses(&cut), losses(&whole));
}

/// The sweep of every objective that comes with the program, in short: each trains, is scored and drawn.
#[test]
fn every_objective_trains_on_real_processes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sweeps/objectives_2d_smoke.yaml");
    let mut text = std::fs::read_to_string(path).unwrap();
    for (long, short) in [("steps: 800", "steps: 40"), ("every: 400", "every: 20"), ("samples: 10000", "samples: 500")]
    {
        assert!(text.contains(long), "{long}");
        text = text.replace(long, short);
    }
    let text = text.replace("margin_epoch: 50", "margin_epoch: 10");
    let bench = Bench::real().with("SWEEP_SLOTS", 2).file("a sweep.yaml", &text);
    bench.sweep(&RUN).expect(0);
    assert_eq!(bench.states(), "done 35");
    let objectives = bench.query("SELECT count(DISTINCT objective) FROM results WHERE wasserstein > 0");
    // And formulas.
    assert_eq!(objectives, [(Objective::ALL.len() + 1).to_string()]);
    assert_eq!(pngs(&bench.home()), 35);
    assert_eq!(
        bench.query("SELECT count(*) FROM losses WHERE json_array_length(series -> '$.output_real') = 40"),
        ["35"]
    );
    assert!(bench.sweep(&["report"]).expect(0).stdout.contains("MGAN"));
}

#[test]
fn speed_is_told_by_the_variants_that_train_the_networks() {
    let text = "sweep: s\ndataset: gaussians\nmodel: {generator: [4], discriminator: [4], noise: 2}\ntrain: \
        {steps: 5, batch: 4}\n\
                variants: [{name: a, objective: gan}, {name: c, objective: lsgan}, \
                {name: b, objective: gan, real_label: 0.9}]\n";
    let bench = Bench::real().file("s.yaml", text);
    let said =
        bench.sweep(&["bench", "s.yaml", "--members", "1", "--rounds", "1", "--seconds", "0.01", "--json"]).expect(0);
    let found: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let mut variants: Vec<String> =
        found["networks"].as_array().unwrap().iter().map(|network| network["variants"].to_string()).collect();
    variants.sort();
    assert_eq!(variants, [r#"["a","b"]"#, r#"["c"]"#]);
}
