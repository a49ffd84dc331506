//! `--budget`: as many seeds of each cell as fit into a time.

use serde_json::Value;

use super::bench::Bench;

/// Two cells and a baseline, of six seeds each.
const SWEEP: &str = "
sweep: budgeted
dataset: gaussians
seeds: 6
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 400, batch: 32}
score: {samples: 100, metrics: [wasserstein]}
variants:
  - {name: GAN, objective: gan}
  - {name: D2GAN, objective: d2gan, alpha: 1, grid: {beta: [0.1, 1]}}
";

fn bench() -> Bench {
    Bench::real().file("budgeted.yaml", SWEEP)
}

/// How many jobs of each cell a sweep asks for, and the highest seed of all.
fn asked(bench: &Bench) -> Vec<String> {
    bench.query("SELECT variant, count(*), max(seed) FROM results GROUP BY variant, beta ORDER BY variant, beta")
}

#[test]
fn the_first_seeds_of_all_cells_fit_and_a_later_run_adds_others() {
    let bench = bench();
    let plan = bench.sweep(&["plan", "budgeted.yaml", "--json"]).expect(0);
    let seconds = serde_json::from_str::<Value>(&plan.stdout).unwrap()["seconds"].as_f64().unwrap();
    // A little more than half of what all take. Whether the run gets so far depends on the machine.
    let half = format!("{:.3}s", seconds * 0.55);
    bench
        .sweep(&["plan", "budgeted.yaml", "--budget", &half])
        .expect(0)
        .says(&["budget", "3 of 6 seeds of each cell fit into"]);
    bench
        .sweep(&["run", "budgeted.yaml", "--no-report", "--budget", &half])
        .says(&["budget: 3 of 6 seeds of each cell fit into"]);
    assert_eq!(asked(&bench), ["D2GAN|3|2", "D2GAN|3|2", "GAN|3|2"]);
    let all = bench.sweep(&["run", "budgeted.yaml", "--no-report", "--budget", "2h"]).expect(0);
    all.says(&["budget: all 6 seeds fit into 2 h"]);
    assert_eq!(asked(&bench), ["D2GAN|6|5", "D2GAN|6|5", "GAN|6|5"]);
    // What has ended is asked for whatever the budget, and takes nothing of it.
    bench.sweep(&["plan", "budgeted.yaml", "--budget", "1s"]).expect(0).says(&["all 6 seeds fit"]);
    bench.sweep(&["run", "budgeted.yaml", "--no-report", "--budget", "1s"]).expect(0).says(&["nothing to train"]);
    assert_eq!(asked(&bench), ["D2GAN|6|5", "D2GAN|6|5", "GAN|6|5"]);
}

#[test]
fn what_does_not_fit_is_said_before_anything_starts() {
    let bench = bench().file("budgeted.yaml", &SWEEP.replace("steps: 400", "steps: 1000000000"));
    bench
        .sweep(&["run", "budgeted.yaml", "--budget", "1s"])
        .expect(2)
        .says(&["not even one seed of each cell fits into 1 s: it takes about"]);
    bench.sweep(&["plan", "budgeted.yaml", "--budget", "8gpuh"]).expect(2).says(&["no slot is on a GPU", "--devices"]);
    let bench = bench.file("raced.yaml", &SWEEP.replace("seeds: 6", "seeds: {looks: [8, 12]}"));
    for command in ["plan", "run"] {
        bench
            .sweep(&[command, "raced.yaml", "--budget", "1h"])
            .expect(2)
            .says(&["cannot be used with `seeds: {looks: …}`"]);
    }
    let bench = bench.file("other.yaml", &SWEEP.replace("sweep: budgeted", "sweep: other"));
    bench
        .sweep(&["run", "raced.yaml", "other.yaml", "--budget", "1h"])
        .expect(2)
        .says(&["--budget takes only one sweep file"]);
    bench.sweep(&["run", "other.yaml", "--budget", "0s"]).expect(2).says(&["a time above 0"]);
}
