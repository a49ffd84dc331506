//! `sweep verify`: a finished job again, alone.

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::run::bench::{Bench, root};

const TINY: &str = "
sweep: tiny
dataset: gaussians
seeds: 2
model: {arch: mlp, generator: [16, 16], discriminator: [16], noise: 8}
train: {steps: 60, batch: 32, lr: 1e-3}
score: {every: 20, samples: 500, wasserstein_samples: 200, metrics: [wasserstein, modes_covered, high_quality]}
objective: d2gan
grid: {alpha: [0.1, 0.2], beta: [0.1, 0.5]}
";

/// Changes the database behind the program's back.
pub(crate) fn change(bench: &Bench, sql: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(bench.home().join("sweep.db"));
        let pool = SqlitePool::connect_with(options).await.unwrap();
        assert!(sqlx::query(sql).execute(&pool).await.unwrap().rows_affected() > 0);
        pool.close().await;
    });
}

fn attempts(bench: &Bench) -> (Vec<String>, usize) {
    (bench.outcomes(), std::fs::read_dir(bench.home().join("runs")).unwrap().count())
}

#[test]
fn a_job_of_a_cohort_has_the_same_scores_alone() {
    let bench = Bench::real().file("tiny.yaml", TINY);
    bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0);
    let job = &bench.query("SELECT id FROM jobs WHERE seed = 1 ORDER BY id")[0];
    let before = attempts(&bench);
    let ended = bench.sweep(&["verify", &job[..12]]).expect(0);
    assert!(ended.stdout.contains("All 9 scores agree to the bit (trained in a cohort of 8 on"), "{ended:#?}");
    assert_eq!(attempts(&bench), before, "nothing that is stored changes");

    change(&bench, "UPDATE scores SET value = value + 0.5 WHERE metric = 'wasserstein' AND step >= 40");
    change(&bench, "UPDATE scores SET value = NULL, kind = 'nan' WHERE metric = 'high_quality' AND step = 20");
    let ended = bench.sweep(&["verify", &job[..12]]).expect(101);
    let sentence = "3 of 9 scores differ, by at most 5.00e-1 (wasserstein at step";
    assert!(ended.stdout.contains(sentence) && ended.stdout.contains("from step 20 on"), "{ended:#?}");
    let ended = bench.sweep(&["verify", job, "--json"]).expect(101);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((json["job"].as_str(), json["agrees"].as_bool()), (Some(job.as_str()), Some(false)));
    let scores = json["scores"].as_array().unwrap();
    assert_eq!((scores.len(), scores.iter().filter(|score| score["agrees"] == true).count()), (9, 6));
    assert!(scores.iter().any(|score| score["stored"] == "nan" && score["difference"].is_null()));
}

#[test]
fn scores_of_a_rescoring_are_compared_too() {
    let bench = Bench::real().file("tiny.yaml", TINY);
    bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0);
    let job = &bench.query("SELECT id FROM jobs ORDER BY id")[0];
    bench.sweep(&["rescore", "--job", job, "--metrics", "precision,wasserstein"]).expect(0);
    bench.sweep(&["rescore", "--job", job, "--metrics", "high_quality", "--samples", "400"]).expect(0);
    // Nine of training, one more metric, and one that was measured in another way.
    let ended = bench.sweep(&["verify", job]).expect(0);
    assert!(ended.stdout.contains("All 11 scores agree to the bit"), "{ended:#?}");
    let json: serde_json::Value =
        serde_json::from_str(&bench.sweep(&["verify", job, "--json"]).expect(0).stdout).unwrap();
    assert_eq!((&json["agrees"], &json["not_compared"]), (&true.into(), &serde_json::Value::Null));

    // What a file asks for now of steps that are gone was not measured, and is no difference.
    std::fs::write(bench.home().with_file_name("tiny.yaml"), TINY.replace("every: 20", "every: 10")).unwrap();
    bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0);
    bench
        .sweep(&["verify", job])
        .expect(0)
        .says(&["All 9 scores agree", "Not compared: high_quality at step 60, precision"]);

    // What is asked for has to be on both sides.
    change(&bench, "DELETE FROM scores WHERE metric = 'modes_covered' AND step = 40");
    bench.sweep(&["verify", job]).expect(101).says(&["1 of 9 scores differ, from step 40 on"]);
}

#[test]
fn what_cannot_be_verified_says_why() {
    let bench = Bench::new("none");
    bench.run().expect(0);
    let job = &bench.query("SELECT id FROM jobs ORDER BY id")[0];
    bench.sweep(&["verify", "0123456789"]).expect(2).says(&["no job `0123456789`"]);
    change(&bench, "UPDATE scores SET protocol = (SELECT min(id) FROM protocols)");
    bench.sweep(&["verify", job]).expect(0).says(&["The score agrees to the bit"]);

    change(&bench, "UPDATE protocols SET json = '{\"samples\":2}'");
    change(&bench, "UPDATE scores SET value = 7");
    let ended = bench.sweep(&["verify", job]).expect(2);
    ended.says(&["There is nothing to compare. Not compared: ", " at step ", "by `sweep rescore`"]);
    let json: serde_json::Value =
        serde_json::from_str(&bench.sweep(&["verify", job, "--json"]).expect(2).stdout).unwrap();
    assert!(json["agrees"].is_null() && json["scores"][0]["compared"] == false, "{json}");
    change(&bench, "UPDATE jobs SET seed = seed + 100");
    bench.sweep(&["verify", job]).expect(2).says(&["another version"]);
    change(&bench, "UPDATE jobs SET seed = seed - 100");
    let bench = bench.with("FAULT", "refuses");
    bench.sweep(&["verify", job]).expect(100).says(&["it failed this time"]);
    change(&bench, "UPDATE jobs SET state = 'pending'");
    bench.sweep(&["verify", job]).expect(2).says(&["is pending: only a finished job"]);
}

#[test]
fn the_beginning_of_several_ids_is_too_short() {
    // Of more than 16 hexadecimal ids, two begin alike.
    let bench = Bench::new("none").file("many.yaml", &TINY.replace("seeds: 2", "seeds: 5"));
    bench.sweep(&["run", "many.yaml", "--no-report"]).expect(0);
    let shared = bench.query("SELECT substr(id, 1, 1) FROM jobs GROUP BY 1 HAVING count(*) > 1");
    bench.sweep(&["verify", &shared[0]]).expect(2).says(&["give more of its characters"]);
}

#[test]
fn data_that_is_gone_is_an_error_of_the_environment() {
    let mnist =
        "sweep: m\ndataset: mnist\nobjective: gan\ntrain: {steps: 5}\nscore: {samples: 100, metrics: [mode_score]}\n";
    let bench = Bench::new("none").file("mnist.yaml", mnist);
    let bench = bench.with("SWEEP_DATA", root().join("tests/fixtures/no-data").display());
    // The fake worker needs no data, and reports one score.
    bench.sweep(&["run", "mnist.yaml", "--no-report"]).expect(0);
    let job = &bench.query("SELECT id FROM jobs")[0];
    bench.sweep(&["verify", job]).expect(0);
    bench.with("SWEEP_WORKER", "").sweep(&["verify", job]).expect(3).says(&["sweep data fetch mnist"]);
}
