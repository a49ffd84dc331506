//! Seeds that are added as long as comparisons are undecided.

use std::fs;

use serde_json::Value;

use super::bench::{Bench, Ended, wait};

/// `far` is better than `base` with every seed, and `near` is as good as it is: with four seeds nothing can be decided.
const RACED: &str = "
sweep: raced
seeds: {looks: [4, 8, 12]}
trainer:
  command: [sh, draw.sh, \"${shift}\", \"${seed}\"]
  parameters: {shift: 0.0}
  scores: {quality: higher}
  steps: 10
variants:
  - {name: base}
  - {name: far, shift: 1.0}
  - {name: near, shift: 1e-9}
";

/// A score for each seed. Those of the last look wait until GO is there.
const DRAW: &str = r#"
echo "$1 $2" >> "$TRACE"
while [ "$2" -ge 8 ] && [ ! -e "$GO" ]; do sleep 0.05; done
awk -v shift="$1" -v seed="$2" 'BEGIN { printf "sweep: step=10 quality=%.6f\n", shift + seed * 7 % 10 / 10 }'
"#;

fn bench() -> Bench {
    Bench::held().without("SWEEP_WORKER").with("SWEEP_SLOTS", 2).file("raced.yaml", RACED).file("draw.sh", DRAW)
}

fn run(bench: &Bench) -> Ended {
    bench.sweep(&["run", "raced.yaml", "--no-report"])
}

fn seeds(bench: &Bench) -> Vec<String> {
    bench.query("SELECT variant, count(*), max(seed), min(state) FROM results GROUP BY variant ORDER BY variant")
}

/// The looks that the database has: how many, and who goes on after the last.
fn looks(bench: &Bench) -> (usize, Value) {
    let text = bench.query("SELECT looks FROM sweeps").remove(0);
    let looks: Value = serde_json::from_str(&text).unwrap();
    let looks = looks.as_array().unwrap();
    (looks.len(), looks.last().map_or(Value::Null, |look| look["more"].clone()))
}

fn trained(bench: &Bench) -> usize {
    fs::read_to_string(bench.home().with_file_name("trace")).unwrap().lines().count()
}

const WHOLE: [&str; 3] = ["base|12|11|done", "far|8|7|done", "near|12|11|done"];

#[test]
fn who_is_decided_gets_no_more_seeds_and_a_second_run_or_a_rebuild_repeats_that() {
    let bench = bench();
    bench.sweep(&["plan", "raced.yaml"]).expect(0).says(&[
        "24 at least, 36 at most",
        "with 4, 8, 12 seeds; decided variants get no more",
        "with 4 nothing can be decided",
    ]);
    let plan = bench.sweep(&["plan", "raced.yaml", "--json"]).expect(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["jobs"]["by_look"], serde_json::json!([12, 24, 36]));

    bench.go();
    run(&bench).expect(0).says(&[
        "look 1 of 3 at `raced` (4 seeds): far does not differ significantly from base in quality, near does not \
        differ significantly from base in quality; more seeds for base, far, near",
        "look 2 of 3 at `raced` (8 seeds): far is better than base in quality, near does not differ significantly from \
        base in quality; more seeds for base, near",
        "look 3 of 3 at `raced` (12 seeds): far is better than base in quality, near does not differ significantly \
        from base in quality",
        "32 jobs in",
    ]);
    assert_eq!(seeds(&bench), WHOLE);
    assert_eq!((looks(&bench), trained(&bench)), ((3, serde_json::json!([])), 32));
    let said = "Far beats base in quality, decided at look 2 of 3: a run of far scores better with probability 1";
    let report = bench.sweep(&["report", "--format", "md"]).expect(0);
    report.says(&[
        said,
        "No significant difference between near and base in quality, at look 3 of 3 (12 seeds)",
        "looks are at 4, 8 and 12 seeds",
    ]);

    run(&bench).expect(0).says(&["32 of them ended before; nothing to train"]);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!((seeds(&bench), looks(&bench)), (WHOLE.map(str::to_owned).to_vec(), (3, serde_json::json!([]))));
    run(&bench).expect(0);
    assert_eq!(trained(&bench), 32);
    assert_eq!(bench.sweep(&["report", "--format", "md"]).expect(0).stdout, report.stdout);
}

#[test]
fn a_run_that_is_killed_goes_on_from_its_last_look() {
    let bench = bench();
    let mut killed = bench.start(&["run", "raced.yaml", "--no-report"]);
    wait("the last look's jobs", || {
        fs::read_to_string(bench.home().with_file_name("trace"))
            .is_ok_and(|text| text.lines().any(|line| line.ends_with(" 8")))
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(looks(&bench), (2, serde_json::json!(["base", "near"])));
    bench.go();
    run(&bench).expect(0).says(&["look 3 of 3"]);
    assert_eq!((seeds(&bench), looks(&bench)), (WHOLE.map(str::to_owned).to_vec(), (3, serde_json::json!([]))));
    // With only the files that a database is made of.
    let text = fs::read_to_string(bench.home().join("sweeps/raced.json")).unwrap();
    assert_eq!(text.matches("\"number\":").count(), 3, "{text}");
}

#[test]
fn looks_that_are_declared_after_others_were_taken_are_said_to_be() {
    let bench = bench();
    bench.go();
    run(&bench).expect(0);
    let bench = bench.file("raced.yaml", &RACED.replace("[4, 8, 12]", "[8, 12]"));
    let again = run(&bench).expect(0);
    again.says(&[
        "3 looks were taken of other jobs, or with other `seeds`",
        "look 1 of 2",
        "far is better than base",
        "nothing to train",
    ]);
    assert_eq!((seeds(&bench), trained(&bench)), (WHOLE.map(str::to_owned).to_vec(), 32));
    let report = bench.sweep(&["report", "--format", "md"]).expect(0);
    report
        .says(&["decided at look 1 of 2", "3 looks were taken before `seeds` or `variants` had their present values"]);
    // Without looks it is all that the file asks for; what was looked at stays known.
    let bench = bench.file("raced.yaml", &RACED.replace("{looks: [4, 8, 12]}", "12"));
    run(&bench).expect(0).says(&["4 jobs in"]);
    assert_eq!(trained(&bench), 36);
    bench.sweep(&["report", "--format", "md"]).expect(0).says(&["5 looks were taken before"]);
    // Other jobs are looked at anew.
    let bench = bench.file("raced.yaml", &RACED.replace("steps: 10", "steps: 20").replace("step=10", "step=20"));
    run(&bench).says(&["look 1 of 3"]);
}

#[test]
fn cancelled_jobs_are_no_ground_for_more() {
    let bench = bench();
    let running = bench.start(&["run", "raced.yaml", "--no-report"]);
    wait("the last look's jobs", || {
        fs::read_to_string(bench.home().with_file_name("trace"))
            .is_ok_and(|text| text.lines().any(|line| line.ends_with(" 8")))
    });
    bench.sweep(&["cancel", "raced"]).expect(0);
    let ended = Ended::from(running.wait_with_output().unwrap());
    ended.says(&["look 3 of 3 at `raced` waits: 8 of its jobs are cancelled"]);
}
