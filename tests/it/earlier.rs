//! A home directory that an earlier program has left, for which scoring was a part of a job: see
//! tests/fixtures/earlier.

use std::path::Path;

use crate::run::bench::{Bench, assert_same, root};

/// With a copy of it.
fn earlier() -> Bench {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &to);
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    let bench =
        ["earlier.yaml", "long.yaml"].into_iter().fold(Bench::real(), |bench, name| bench.file(name, &text(name)));
    copy(&root().join("tests/fixtures/earlier/home"), &bench.home());
    bench
}

/// A file of the fixture.
fn text(name: &str) -> String {
    std::fs::read_to_string(root().join("tests/fixtures/earlier").join(name)).unwrap()
}

/// All that the views hold.
fn held(bench: &Bench) -> [Vec<String>; 3] {
    [
        // A time that was added up in another order may differ in its last digit.
        bench.query(
            "SELECT sweep, variant, job, dataset, alpha, beta, seed, state, wasserstein, symmetric_kl, modes_covered, \
            recall, coverage, nan_scores, \
             step, steps, round(seconds, 9), round(scoring_seconds, 9), device, axes FROM results",
        ),
        bench.query("SELECT * FROM history ORDER BY job, metric, step, asked"),
        bench.query("SELECT was, job FROM renamed ORDER BY was"),
    ]
}

#[test]
fn it_reports_what_it_did() {
    let bench = earlier();
    let sql = "SELECT variant, seed, state, wasserstein, symmetric_kl, modes_covered, recall, coverage, step FROM \
        results WHERE sweep = 'earlier'";
    let query = bench.sweep(&["query", sql, "--format", "csv"]).expect(0);
    query.says(&["sweep.db.v4.bak"]);
    assert_eq!(query.stdout, text("results.csv"));

    // Two variants that were scored otherwise are the same jobs now, whose time counts once; and jobs have other names.
    let report = bench.sweep(&["report", "earlier", "--format", "csv"]).expect(0).stdout;
    // What was measured in another way is no more in the curves than before, and the sentence that said so is of no
    // use. There are more rates by now, with other intervals and in another place; what is counted has tests of its
    // own.
    let of_rates =
        |line: &str| [",collapse,", ",rates,", "all modes", "no mode"].iter().any(|what| line.contains(what));
    let renamed = |line: &str| {
        of_rates(line)
            || line.contains(",job,")
            || line.contains("of the jobs' time")
            || line.contains("measured in another way")
    };
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !renamed(line));
        lines.map(|line| line.replace("8 of 8 jobs done", "6 of 6 jobs done")).collect()
    };
    assert_same(&lines(&report), &lines(&text("report.csv")));
    // Its own names still find them.
    bench.sweep(&["show", "8ea1c2ae"]).expect(0).says(&["D2GAN", "seed", "1"]);
}

#[test]
fn nothing_of_it_is_trained_again() {
    let bench = earlier();
    let said = bench.sweep(&["run", "earlier.yaml", "--no-report"]).expect(0);
    said.says(&["6 jobs, 6 of them ended before; nothing to train"]);
    // One of three was cancelled, and two had come to step 5661.
    bench.sweep(&["run", "long.yaml", "--no-report"]).expect(0).says(&["training 2 jobs in 1 cohort"]);
    let folder = &bench.query(
        "SELECT DISTINCT c.directory FROM cohorts AS c JOIN members AS m ON m.cohort = c.id JOIN \
        results AS r ON r.job = m.job WHERE r.sweep = 'long'",
    )[0];
    let log = std::fs::read_to_string(bench.home().join(folder).join("attempt-2/events.jsonl")).unwrap();
    assert!(log.contains("{\"started\":{\"step\":5661,"), "{}", log.lines().nth(1).unwrap());
    let states = "SELECT state, count(*), count(modes_covered) FROM results WHERE sweep = 'long' GROUP BY state";
    assert_eq!(bench.query(states), ["cancelled|1|0", "done|2|2"]);
}

/// Its last step was scored anew with 80 samples, where the file had asked for 50.
#[test]
fn what_it_measured_otherwise_is_not_taken_for_what_a_file_asks_for() {
    const GAN: &str = "
sweep: again
dataset: gaussians
seeds: 2
model: {generator: [4], discriminator: [4], noise: 2}
train: {steps: 40, batch: 4}
objective: gan
score: {every: 20, samples: 50, metrics: [wasserstein]}
";
    let bench = earlier().file("again.yaml", GAN);
    bench.sweep(&["run", "again.yaml", "--no-report"]).expect(0).says(&["measuring missing scores of 2 jobs"]);
    let measured = "SELECT printf('%!.17g', wasserstein) FROM results WHERE sweep = 'again' ORDER BY seed";
    let protocols = "SELECT DISTINCT h.protocol ->> '$.samples' FROM results AS r JOIN history AS h ON h.job = r.job \
        AND h.value = r.wasserstein \
                     WHERE r.sweep = 'again' AND h.metric = 'wasserstein' AND h.step = 40";
    assert_eq!(bench.query(protocols), ["50"]);
    let fresh = Bench::real().file("again.yaml", GAN);
    fresh.sweep(&["run", "again.yaml", "--no-report"]).expect(0);
    // Trained on another processor then, whose last bits are others; of 80 samples they would differ in the first
    // digits.
    let of = |bench: &Bench| bench.query(measured).iter().map(|value| value.parse().unwrap()).collect::<Vec<f64>>();
    let (then, now) = (of(&bench), of(&fresh));
    assert!(then.len() == 2 && now.len() == 2);
    assert!(then.iter().zip(&now).all(|(then, now)| (then - now).abs() < 1e-6 * now), "{then:?} {now:?}");

    // A rescoring of today comes after those of then, also in a rebuild.
    bench.sweep(&["rescore", "earlier", "--metrics", "recall", "--samples", "70"]).expect(0);
    let live = held(&bench);
    bench.sweep(&["rebuild"]).expect(0);
    assert_same(&held(&bench)[0], &live[0]);
    let recall = "SELECT DISTINCT asked FROM history WHERE metric = 'recall' ORDER BY 1";
    assert_eq!(bench.query(recall).len(), 2);
}

#[test]
fn a_rebuild_of_it_is_what_was_brought_up_to_date() {
    let bench = earlier();
    bench.sweep(&["status"]).expect(0);
    let live = held(&bench);
    bench.sweep(&["rebuild"]).expect(0);
    let [results, history, renamed] = held(&bench);
    assert_same(&results, &live[0]);
    assert_same(&renamed, &live[2]);
    // Logs still know what a rescoring had taken the place of.
    let lost: Vec<&String> = live[1].iter().filter(|row| !history.contains(row)).collect();
    assert_eq!((lost.len(), history.len() > live[1].len()), (0, true), "{lost:?}");
    assert_eq!(bench.query("SELECT count(*) FROM renamed"), ["11"]);
}
