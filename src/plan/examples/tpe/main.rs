//! Compares how close searches get to the optimum within a user's budget with Optuna's TPE and random search
//! (tests/fixtures/tpe.json, made by scripts/golden-tpe). Prints Markdown:
//! `cargo run --release --package sweep-plan --example tpe`.

mod problems;

use problems::PROBLEMS;
use std::collections::HashMap;
use sweep_plan::tpe::propose;
use sweep_spec::point::Dimension;

const SEARCHES: u64 = 200;

fn main() {
    let golden = include_str!("../../../../tests/fixtures/tpe.json");
    let golden: HashMap<String, HashMap<String, [f64; 3]>> =
        serde_json::from_str(golden).expect("the file is committed");
    println!("| function | regret: median (quartiles) | Optuna | random |\n|---|---|---|---|");
    for problem in &PROBLEMS {
        let [ours, optuna, random] =
            [problem.quartiles(SEARCHES), golden[problem.name]["optuna"], golden[problem.name]["random"]]
                .map(|[low, median, high]| format!("{median:.4} ({low:.4} to {high:.4})"));
        println!("| {} | {ours} | {optuna} | {random} |", problem.name);
    }
}
