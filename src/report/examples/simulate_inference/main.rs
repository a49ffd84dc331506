//! Measures how often reports are wrong: scores drawn from known distributions take the same path as a sweep's scores,
//! and the report is compared with the truth. `scripts/simulate-inference` runs it; its tables are in
//! docs/statistics.md.

mod draw;
mod halving;
mod racing;
mod settings;
mod sweep;
mod tables;

use std::process::ExitCode;

const USAGE: &str =
    "usage: simulate_inference [--sweeps N] [--threads N] [--only verdicts|many|p|power|intervals|racing|halving|time]";

/// Prints a table.
type Table = fn(&tables::Run);

fn main() -> ExitCode {
    let (mut sweeps, mut threads, mut only) = (1000, 1, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let number = value.parse::<usize>().ok().filter(|&number| number > 0);
        match (flag.as_str(), number) {
            ("--sweeps", Some(number)) => sweeps = number,
            ("--threads", Some(number)) => threads = number,
            ("--only", _) => only = Some(value),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let run = tables::Run { sweeps, threads };
    let all: [(&str, Table); 8] = [
        ("verdicts", tables::wrong),
        ("many", tables::many),
        ("p", tables::small),
        ("power", tables::power),
        ("intervals", tables::intervals),
        ("racing", racing::racing),
        ("halving", halving::halving),
        ("time", tables::time),
    ];
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if !all.iter().any(|(name, _)| wanted(name)) {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    all.iter().filter(|(name, _)| wanted(name)).for_each(|(_, table)| table(&run));
    ExitCode::SUCCESS
}
