//! `sweep verify`: trains a finished job again, alone, and compares its scores.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::front::Terminal;
use super::hints::command_line;
use super::stdout::{print, print_json};
use super::table::{self, Align, count, plural};
use super::{Exit, Failure, Global};
use sweep_operations::verify::{Comparison, Row, Verified, verify};
use sweep_plan::slot::{Device, Slot};
use sweep_spec::metric::Measure;
use sweep_store::JobDetails;
use sweep_wire::real;
use sweep_wire::status::Status;

/// The largest number of rows that are shown if not all scores agree.
const SHOWN: usize = 20;

#[derive(clap::Args)]
#[command(long_about = "Train a finished job again, alone, and compare its scores: they agree to the bit, or differ \
    by a stated amount. Scores that training does not measure in the same way (those of `sweep rescore`) are not \
    compared. Nothing that is stored changes. Exit code 0: they agree to the bit; 101: they differ; 2: there is \
    nothing to compare.")]
pub(crate) struct Args {
    /// A job's id, or its first characters
    #[arg(add = super::complete::jobs(), value_name = "JOB")]
    job: String,
    /// Device: `cpu` or `cuda:N`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// CPU threads
    #[arg(
        long,
        value_name = "N",
        env = "SWEEP_THREADS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    threads: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let slot = Slot { device: args.device, threads: args.threads };
    let front = Terminal::new(global.verbose);
    let comparison = match verify(&global.places, &args.job, (slot, &command_line()), &front)? {
        Verified::Compared(comparison) => comparison,
        Verified::Ended(end) => return Ok(end.into()),
    };
    if args.json {
        print_json(&as_json(&comparison))?
    } else {
        print(&text(&comparison))?
    }
    Ok(match comparison.agrees() {
        Some(true) => Exit::Ok,
        Some(false) => Exit::Unexpected,
        // As for a job that has no scores.
        None => Exit::Usage,
    })
}

fn text(comparison @ Comparison { rows, .. }: &Comparison) -> String {
    let differ: Vec<&Row> = rows.iter().filter(|row| row.differs()).collect();
    // If all agree, the last step of each metric is enough.
    let last = rows.iter().map(|row| row.step).max();
    let shown: Vec<&Row> = if differ.is_empty() {
        rows.iter().filter(|row| Some(row.step) == last).collect()
    } else {
        differ.iter().copied().take(SHOWN).collect()
    };
    let header = [
        ("score", Align::Left),
        ("step", Align::Right),
        ("stored", Align::Right),
        ("again", Align::Right),
        ("difference", Align::Right),
    ];
    let cells = |row: &&Row| {
        let value = |value: Option<f64>| value.map_or("–".to_owned(), |value| value.to_string());
        let difference = if !row.compared {
            "not compared".to_owned()
        } else if row.agrees() {
            "0".to_owned()
        } else {
            row.difference().map_or("–".to_owned(), |difference| format!("{difference:+.2e}"))
        };
        let (metric, step) = (row.metric.name().to_owned(), count(row.step as usize));
        vec![metric, step, value(row.stored), value(row.again), difference]
    };
    let mut out = table::table(&header, shown.iter().map(cells));
    if differ.len() > SHOWN {
        out.push_str(&format!("… and {} more that differ (all: --json)\n", count(differ.len() - SHOWN)));
    }
    out.push_str(&format!("\n{}\n", conclusion(comparison)));
    out
}

fn conclusion(Comparison { stored, again, rows }: &Comparison) -> String {
    let compared = rows.iter().filter(|row| row.compared).count();
    let differ: Vec<&Row> = rows.iter().filter(|row| row.differs()).collect();
    let mut text = match (compared, differ.first()) {
        (0, _) => "There is nothing to compare.".to_owned(),
        (1, None) => format!("The score agrees to the bit ({}).", trained(stored)),
        (all, None) => format!("All {} scores agree to the bit ({}).", count(all), trained(stored)),
        (all, Some(first)) => {
            let mut text = format!("{} of {} differ", count(differ.len()), plural(all, "score"));
            let largest = differ.iter().filter_map(|row| Some((row.difference()?.abs(), row)));
            if let Some((difference, row)) = largest.max_by(|a, b| a.0.total_cmp(&b.0)) {
                let (metric, step) = (row.metric.name(), count(row.step as usize));
                text.push_str(&format!(", by at most {difference:.2e} ({metric} at step {step})"));
            }
            text + &format!(", from step {} on ({}).", count(first.step as usize), trained(stored))
        }
    };
    if again.status == Status::Diverged {
        text.push_str(&format!(
            " This time the job diverged at step {}: {}.",
            count(again.step as usize),
            again.message
        ));
    }
    if let Some(sentence) = not_compared(rows) {
        text.push_str(&format!(" {sentence}"));
    }
    text
}

/// Describes which scores are not compared, and why.
fn not_compared(rows: &[Row]) -> Option<String> {
    let names = |stored: bool| {
        let mut steps: BTreeMap<Measure, BTreeSet<u64>> = BTreeMap::new();
        for row in rows.iter().filter(|row| !row.compared && row.stored.is_some() == stored) {
            steps.entry(row.metric).or_default().insert(row.step);
        }
        let name = |(metric, steps): (&Measure, &BTreeSet<u64>)| match steps.first() {
            Some(step) if steps.len() == 1 => format!("{} at step {}", metric.name(), count(*step as usize)),
            _ => format!("{} at {}", metric.name(), plural(steps.len(), "step")),
        };
        steps.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let why = [
        (true, "it was measured in another way, by `sweep rescore` or another version of this program"),
        (false, "the shorter job that it continued was not measured in this way"),
    ];
    let named = why.map(|(stored, why)| (names(stored), why)).into_iter().filter(|(names, _)| !names.is_empty());
    let sentences: Vec<String> = named.map(|(names, why)| format!("Not compared: {names} ({why}).")).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// Writes `trained in a cohort of 16 on cpu`.
fn trained(stored: &JobDetails) -> String {
    match stored.attempts.last() {
        Some(attempt) => {
            format!("trained in a cohort of {} on {}", attempt.members, place(&attempt.device, &attempt.slot))
        }
        None => "trained elsewhere".to_owned(),
    }
}

/// Returns the device of an attempt, or its slot if the worker has not reported the device.
fn place<'a>(device: &'a str, slot: &'a str) -> &'a str {
    if device.is_empty() { slot } else { device }
}

fn as_json(comparison @ Comparison { stored, again, rows }: &Comparison) -> String {
    let float = |value: f64| real::serialize(&value, serde_json::value::Serializer).unwrap_or_default();
    let row = |row: &Row| {
        json!({
            "metric": row.metric,
            "step": row.step,
            "stored": row.stored.map_or(Value::Null, float),
            "again": row.again.map_or(Value::Null, float),
            "difference": row.difference(),
            "compared": row.compared,
            "agrees": row.compared.then(|| row.agrees()),
            "same_protocol": row.same_protocol,
        })
    };
    let last = stored.attempts.last();
    let document = json!({
        "job": stored.id,
        "agrees": comparison.agrees(),
        "trained": last.map(|attempt| json!({
            "members": attempt.members, "device": place(&attempt.device, &attempt.slot)
        })),
        "again": {"state": again.status, "device": again.attempts.last().map(|attempt| &attempt.device)},
        "scores": rows.iter().map(row).collect::<Vec<_>>(),
        "not_compared": not_compared(rows),
        "conclusion": conclusion(comparison),
    });
    format!("{document:#}\n")
}
