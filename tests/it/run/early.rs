//! Cells that are stopped early, since others are better, and jobs that have collapsed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::bench::{Bench, Ended, wait};

/// Nine cells of two seeds, of which three, and then one, go on. The rungs are at 20 and 60 of 100 steps.
const SWEEP: &str = "
sweep: halved
dataset: gaussians
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 100, batch: 32}
seeds: 2
score: {every: 10, samples: 200, metrics: [wasserstein]}
prune: {metric: wasserstein, rule: halving, first: 20, eta: 3}
variants:
  - {name: GAN, objective: gan}
  - {name: D2GAN, objective: d2gan, grid: {alpha: [0.1, 0.5, 1], lr: [1e-4, 1e-3, 1e-2]}, beta: 0.1}
";

fn bench() -> Bench {
    Bench::held().without("SWEEP_WORKER").with("SWEEP_SLOTS", 2).with("SWEEP_MEMBERS", 4).file("halved.yaml", SWEEP)
}

fn run(bench: &Bench, file: &str) -> Ended {
    bench.sweep(&["run", file, "--no-report"])
}

fn states(bench: &Bench) -> Vec<String> {
    bench.query(
        "SELECT e.variant, e.axes, j.seed, j.state, j.step FROM entries AS e JOIN jobs AS j ON j.id = e.job \
        JOIN sweeps AS s ON s.id = e.sweep WHERE s.name = 'halved' ORDER BY e.ordinal",
    )
}

/// By hand, from the scores of every cell at the rungs: the step at which each cell of D2GAN is stopped, or the last.
fn by_hand(bench: &Bench) -> BTreeMap<String, String> {
    let rows = bench.query(
        "SELECT e.axes, c.step, c.value FROM entries AS e JOIN scores AS c ON c.job = e.job AND c.metric = \
        'wasserstein' \
         WHERE e.variant = 'D2GAN' ORDER BY e.ordinal, c.step",
    );
    let mut cells: BTreeMap<String, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for row in rows {
        let [axes, step, value] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let cell = cells.entry(axes.to_owned()).or_default();
        cell.entry(step.parse().unwrap()).or_default().push(value.parse().unwrap());
    }
    let mean = |cell: &str, step: u64| cells[cell][&step].iter().sum::<f64>() / 2.0;
    let mut alive: Vec<String> = cells.keys().cloned().collect();
    let mut found = BTreeMap::new();
    for (step, left) in [(20, 3), (60, 1)] {
        alive.sort_by(|a, b| mean(a, step).total_cmp(&mean(b, step)));
        found.extend(alive.drain(left..).map(|cell| (cell, format!("pruned|{step}"))));
    }
    found.extend(alive.into_iter().map(|cell| (cell, "done|100".to_owned())));
    found
}

fn as_by_hand(bench: &Bench) {
    let expected = by_hand(bench);
    assert_eq!(expected.len(), 9);
    for row in states(bench) {
        let fields: Vec<&str> = row.split('|').collect();
        let expected = if fields[0] == "GAN" { "done|100" } else { &expected[fields[1]] };
        assert_eq!(fields[3..].join("|"), expected, "{row}");
    }
}

/// The last scores of what is done.
fn last(bench: &Bench) -> BTreeSet<String> {
    let sql =
        "SELECT c.job, c.value FROM scores AS c JOIN jobs AS j ON j.id = c.job WHERE c.step = 100 AND j.state = 'done'";
    bench.query(sql).into_iter().collect()
}

#[test]
fn the_worse_cells_are_stopped_and_the_others_are_as_if_nobody_was() {
    let bench = bench();
    let plan = bench.sweep(&["plan", "halved.yaml"]).expect(0);
    plan.says(&[
        "halving by mean wasserstein at 20, 60 steps",
        "D2GAN: 9 cells, then 3, then 1",
        "so 44 % of the steps",
    ]);
    run(&bench, "halved.yaml").expect(0).says(&["20 jobs in", "4 done, 16 pruned"]);
    as_by_hand(&bench);
    let (before, lines) = (states(&bench), fs::read_to_string(bench.home().join("decisions.jsonl")).unwrap());
    assert_eq!(lines.lines().count(), 8, "a line for each cell\n{lines}");
    run(&bench, "halved.yaml").expect(0).says(&["20 of them ended before; nothing to train"]);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(states(&bench), before);
    run(&bench, "halved.yaml").expect(0).says(&["nothing to train"]);
    assert_eq!(fs::read_to_string(bench.home().join("decisions.jsonl")).unwrap(), lines, "nothing is decided twice");

    // The same jobs without anybody stopped: those that were stopped are trained again, the others stay.
    let few = last(&bench);
    let whole = SWEEP.lines().filter(|line| !line.starts_with("prune")).collect::<Vec<_>>().join("\n");
    let bench = bench.file("halved.yaml", &whole);
    run(&bench, "halved.yaml").expect(0).says(&["16 jobs that had been stopped early are wanted now", "16 jobs in"]);
    assert!(states(&bench).iter().all(|row| row.ends_with("|done|100")));
    assert!(last(&bench).is_superset(&few) && last(&bench).len() == 20);
    // And all at once in a new place: bit for bit the same.
    let other = self::bench().file("halved.yaml", &whole);
    run(&other, "halved.yaml").expect(0);
    assert_eq!(last(&other), last(&bench));
    // Whoever declares it when all is done stops nobody.
    let bench = bench.file("halved.yaml", SWEEP);
    run(&bench, "halved.yaml").expect(0).says(&["nothing to train"]);
}

#[test]
fn a_run_that_is_killed_at_a_rung_decides_the_same() {
    let reference = bench();
    run(&reference, "halved.yaml").expect(0);
    // Before the first rung is decided, and after.
    for scored in [30, 50] {
        let bench = bench();
        let mut killed = bench.start(&["run", "halved.yaml", "--no-report", "--checkpoint-seconds", "1"]);
        wait("scores", || said(&bench) >= scored);
        killed.kill().unwrap();
        killed.wait().unwrap();
        run(&bench, "halved.yaml").expect(0);
        assert_eq!(states(&bench), states(&reference));
        assert_eq!(last(&bench), last(&reference));
        bench.sweep(&["rebuild"]).expect(0);
        assert_eq!(states(&bench), states(&reference));
    }
}

/// Three cohorts of three cells, in each of which one learns anything.
const SCATTERED: &str = "
sweep: halved
dataset: gaussians
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 900, batch: 32}
score: {every: 300, samples: 200, metrics: [wasserstein]}
prune: {metric: wasserstein, rule: halving, first: 300, eta: 3, keep: 3}
variants:
  - {name: D2GAN, objective: d2gan, grid: {alpha: [0.3, 0.5, 0.7], lr: [1e-3, 1e-9, 2e-9]}, beta: 0.1}
";

#[test]
fn cohorts_that_have_lost_members_at_a_rung_go_on_as_one() {
    let begin = || bench().with("SWEEP_SLOTS", 1).with("SWEEP_MEMBERS", 3).file("halved.yaml", SCATTERED);
    let packed = "SELECT count(DISTINCT p.cohort), count(*), (SELECT count(*) FROM members AS m WHERE m.cohort = \
        p.cohort) FROM parents AS p";
    let last = |bench: &Bench| -> BTreeSet<String> {
        let sql = "SELECT c.job, c.step, hex(CAST(c.value AS TEXT)) FROM scores AS c JOIN jobs AS j ON j.id = c.job \
            WHERE j.state = 'done'";
        bench.query(sql).into_iter().collect()
    };
    let bench = begin();
    run(&bench, "halved.yaml").expect(0).says(&["9 jobs in 3 cohorts", "3 done, 6 pruned"]);
    assert_eq!(bench.query(packed), ["1|3|3"]);
    let before = (states(&bench), last(&bench));
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!((states(&bench), last(&bench), bench.query(packed)), (before.0, before.1, vec!["1|3|3".to_owned()]));

    // By themselves and to the end they come to the same, bit for bit.
    let whole = SCATTERED.lines().filter(|line| !line.starts_with("prune")).collect::<Vec<_>>().join("\n");
    let alone = begin().with("SWEEP_MEMBERS", 1).file("halved.yaml", &whole);
    run(&alone, "halved.yaml").expect(0);
    assert!(last(&alone).is_superset(&last(&bench)) && last(&bench).len() == 3 * 3);

    // Killed once they are together, they go on together: from where they were apart.
    let killed = begin();
    let mut child = killed.start(&["run", "halved.yaml", "--no-report"]);
    wait("scores", || said(&killed) > 9);
    child.kill().unwrap();
    child.wait().unwrap();
    run(&killed, "halved.yaml").expect(0);
    assert_eq!(
        (states(&killed), last(&killed), killed.query(packed)),
        (states(&bench), last(&bench), bench.query(packed))
    );
}

/// Some of the same jobs, scored otherwise.
const OTHER: &str = "
sweep: other
dataset: gaussians
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 100, batch: 32}
seeds: 2
score: {metrics: [wasserstein], samples: 100}
objective: d2gan
beta: 0.1
grid: {alpha: [0.1, 0.5], lr: [1e-4, 1e-2]}
";

#[test]
fn another_file_that_asks_for_a_job_keeps_it_in_whatever_order_they_stand() {
    let reference = bench();
    run(&reference, "halved.yaml").expect(0);
    let won = reference.query("SELECT job FROM results WHERE variant = 'D2GAN' AND state = 'done'");
    for files in [["halved.yaml", "other.yaml"], ["other.yaml", "halved.yaml"]] {
        let bench = bench().file("other.yaml", OTHER);
        let both = || bench.sweep(&["run", files[0], files[1], "--no-report"]);
        both().expect(0);
        let states = bench.query("SELECT id, state, step FROM jobs ORDER BY id");
        let asked = bench.query(
            "SELECT e.job FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep WHERE s.name = \
            'other' OR e.variant = 'GAN'",
        );
        for row in &states {
            let id = row.split('|').next().unwrap().to_owned();
            let is_done = asked.contains(&id) || won.contains(&id);
            assert_eq!(row.contains("|done|100"), is_done, "{files:?}: {row}");
        }
        both().expect(0).says(&["nothing to train"]);
        assert_eq!(bench.query("SELECT id, state, step FROM jobs ORDER BY id"), states);
        bench.sweep(&["rebuild"]).expect(0);
        assert_eq!(bench.query("SELECT id, state, step FROM jobs ORDER BY id"), states);
    }
}

#[test]
fn cells_that_are_spared_do_not_carry_others_of_their_cohort_to_the_end() {
    let spare = "metric: wasserstein, rule: halving, first: 20, eta: 3, spare: [{alpha: 0.5, lr: 1e-3}]";
    let text = SWEEP.replace("metric: wasserstein, rule: halving, first: 20, eta: 3", spare);
    let mut all = BTreeSet::new();
    for (slots, members) in [(1, 16), (1, 3), (3, 5)] {
        let bench = bench().with("SWEEP_SLOTS", slots).with("SWEEP_MEMBERS", members).file("halved.yaml", &text);
        run(&bench, "halved.yaml").expect(0);
        let states = states(&bench);
        // Of eight three, and of these one; with the one that is spared, and GAN.
        assert_eq!(states.iter().filter(|row| row.contains("|done|100")).count(), 6, "{states:?}");
        assert!(states.iter().any(|row| row.contains("0.5") && row.contains("0.001") && row.contains("done")));
        all.insert(states);
    }
    assert_eq!(all.len(), 1, "with any slots and cohorts the same\n{all:?}");
}

#[test]
fn a_longer_training_is_compared_at_its_own_rungs() {
    let bench = bench();
    let whole = SWEEP.lines().filter(|line| !line.starts_with("prune")).collect::<Vec<_>>().join("\n");
    let bench = bench.file("halved.yaml", &whole.replace("steps: 100", "steps: 50"));
    run(&bench, "halved.yaml").expect(0);
    let bench = bench.file("halved.yaml", SWEEP);
    run(&bench, "halved.yaml").expect(0).says(&["4 done, 16 pruned"]);
    let reference = self::bench();
    run(&reference, "halved.yaml").expect(0);
    assert_eq!(states(&bench), states(&reference));
    // Nor do what was begun with other scores, and a file that came to ask for these later, mix.
    let bench = self::bench().file("halved.yaml", &whole.replace("every: 10", "every: 50"));
    let mut killed = bench.start(&["run", "halved.yaml", "--no-report"]);
    wait("scores", || said(&bench) >= 5);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let bench = bench.file("halved.yaml", SWEEP);
    run(&bench, "halved.yaml").expect(0);
    // Those that were done before stay that.
    let done = states(&bench).iter().filter(|row| row.contains("|done|100")).count();
    assert!(done >= 4, "{:?}", states(&bench));
    run(&bench, "halved.yaml").expect(0).says(&["nothing to train"]);
}

/// How often workers have said that they have scored a job.
fn said(bench: &Bench) -> usize {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = entries(&bench.home().join("runs")).flat_map(|run| entries(&run).collect::<Vec<_>>());
    let texts = logs.filter_map(|attempt| fs::read_to_string(attempt.join("events.jsonl")).ok());
    texts.map(|text| text.matches("\"scored\"").count()).sum()
}

const COLLAPSING: &str = "
sweep: collapsing
dataset: gaussians
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 100, batch: 32}
seeds: 4
score: {every: 10, samples: 200, metrics: [modes_covered, wasserstein]}
stop: [modes_covered < 9 for 3, loss_d < 0.0001 for 20 steps]
variants:
  - {name: GAN, objective: gan}
";

#[test]
fn a_job_that_collapses_is_a_result_with_its_step() {
    let bench = bench().file("collapsing.yaml", COLLAPSING);
    run(&bench, "collapsing.yaml").expect(0).says(&["4 jobs in", "4 collapsed"]);
    // There are eight modes: the rule holds at the first three scorings.
    let rows = bench.query("SELECT DISTINCT state, step, message FROM jobs");
    assert_eq!(rows, ["collapsed|30|`modes_covered < 9 for 3` held at step 30"]);
    run(&bench, "collapsing.yaml").expect(0).says(&["nothing to train"]);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(bench.query("SELECT DISTINCT state, step, message FROM jobs"), rows);
    let report = bench.sweep(&["report", "--format", "md"]).expect(0);
    report.says(&["0 of 4 jobs done, 4 collapsed"]);
    // A rule that none of them breaks: they are trained on.
    let bench = bench.file("collapsing.yaml", &COLLAPSING.replace("modes_covered < 9", "modes_covered > 9"));
    run(&bench, "collapsing.yaml").expect(0).says(&["4 jobs that had been stopped early", "4 done"]);
    assert_eq!(bench.query("SELECT DISTINCT state, step FROM jobs"), ["done|100"]);
}

/// A score that grows with `x`, and a checkpoint at every step.
const GROWS: &str = r#"
step=0
[ "$SWEEP_RESUME" = 1 ] && step=$(cat "$SWEEP_DIR/at")
echo "$1 $2 $step" >> "$TRACE"
while [ $step -lt 8 ]; do
  step=$((step + 1))
  echo "sweep: step=$step quality=$(($1 * step)).$2"
  if [ "$CHECKPOINTS" = 1 ] && [ $step -lt 8 ]; then
    echo $step > "$SWEEP_DIR/new" && mv "$SWEEP_DIR/new" "$SWEEP_DIR/at"
    echo "sweep: checkpoint step=$step"
  fi
  sleep 0.05
done
"#;

const GROWING: &str = "
sweep: growing
seeds: 2
trainer:
  command: [sh, grows.sh, \"${x}\", \"${seed}\"]
  parameters: {x: 1}
  scores: {quality: higher}
  steps: 8
grid: {x: [1, 2, 3, 4]}
prune: {metric: quality, rule: halving, first: 2, eta: 2}
";

#[test]
fn a_trainer_of_the_users_own_that_can_go_on_is_paused_where_cells_are_compared() {
    for checkpoints in ["1", "0"] {
        let bench = bench().file("growing.yaml", GROWING).file("grows.sh", GROWS).with("CHECKPOINTS", checkpoints);
        run(&bench, "growing.yaml").expect(0);
        let states = bench.query("SELECT DISTINCT x, state, step FROM results ORDER BY x");
        if checkpoints == "1" {
            assert_eq!(states, ["1|pruned|2", "2|pruned|2", "3|pruned|4", "4|done|8"]);
        } else {
            // It would begin anew each time: whoever is at its end before it is known that it is worse is done.
            assert!(
                states.contains(&"4|done|8".to_owned())
                    && states.iter().all(|row| row.contains("done") || row.contains("pruned"))
            );
        }
        let trace = fs::read_to_string(bench.home().with_file_name("trace")).unwrap();
        let begun = trace.lines().filter(|line| line.ends_with(" 0")).count();
        assert_eq!(begun, 8, "nobody begins twice\n{trace}");
        run(&bench, "growing.yaml").expect(0).says(&["nothing to train"]);
    }
}

#[test]
fn a_failed_job_that_is_tried_again_may_bring_its_cell_back() {
    // A seed of the best cell fails, as long as FIXED is not there: its cell comes last, and its other seed is stopped.
    let fails = GROWS.replace("step=0\n", "step=0\n[ \"$1 $2\" = \"4 0\" ] && [ ! -e \"$FIXED\" ] && exit 1\n");
    let bench = bench().file("growing.yaml", GROWING).file("grows.sh", &fails).with("CHECKPOINTS", "1");
    let fixed = bench.home().with_file_name("fixed");
    let bench = bench.with("FIXED", fixed.display());
    bench.sweep(&["run", "growing.yaml", "--no-report", "--backoff", "0"]).expect(100);
    let states = |bench: &Bench| bench.query("SELECT DISTINCT x, state FROM results ORDER BY x, state");
    assert_eq!(states(&bench), ["1|pruned", "2|pruned", "3|done", "4|failed", "4|pruned"]);
    fs::write(&fixed, "").unwrap();
    bench.sweep(&["retry", "--failed"]).expect(0);
    run(&bench, "growing.yaml").expect(0);
    assert_eq!(states(&bench), ["1|pruned", "2|pruned", "3|done", "4|done"]);
    run(&bench, "growing.yaml").expect(0).says(&["nothing to train"]);
}
