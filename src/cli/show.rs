//! `sweep show`: shows everything about one job.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::stdout::{print, print_json};
use super::table::{self, Align, count, duration};
use super::{Exit, Failure, Global};
use sweep_operations::database::job;
use sweep_spec::keys::parameter_names;
use sweep_spec::metric::{Measure, Unit};
use sweep_store::{Attempt, JobDetails};
use sweep_wire::home::Home;
use sweep_wire::real;
use sweep_wire::status::Status;

/// How many lines of a worker's stderr are shown.
const LINES: usize = 100;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A job's id, or its first characters
    #[arg(add = super::complete::jobs(), value_name = "JOB")]
    job: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let details = job(&global.places, &args.job)?;
    if args.json {
        print_json(&json(&details, &global.places.home))?
    } else {
        print(&text(&details, &global.places.home)?)?
    }
    Ok(Exit::Ok)
}

fn text(details: &JobDetails, home: &Home) -> Result<String, Failure> {
    let steps = details.job.blueprint.steps();
    let mut state = format!("{}, {} of {} steps", details.status, count(details.step as usize), count(steps as usize));
    if details.after > 0 {
        state.push_str(&format!(", the first {} by a shorter job", count(details.after as usize)));
    }
    if let Some(seconds) = details.seconds {
        state.push_str(&format!(", {} of training", duration(seconds)));
    }
    let mut facts = vec![("job", details.id.to_string()), ("state", state)];
    if !details.message.is_empty() {
        facts.push(("why", details.message.clone()));
    }
    facts.push(("seed", details.job.seed.to_string()));
    // Parameters of the objective come before those of training.
    let names = parameter_names();
    let mut parameters: Vec<_> = details.job.parameters.iter().collect();
    parameters.sort_by_key(|(name, _)| names.iter().position(|known| known == name).unwrap_or(names.len()));
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
    facts.push(("parameters", parameters.join(", ")));
    for (sweep, variant, _) in &details.entries {
        facts.push(("sweep", format!("{sweep}, variant {variant}")));
    }
    for (step, path) in &details.samples {
        let path = home.path().join(path);
        facts.push(("samples", format!("{} (step {})", path.display(), count(*step as usize))));
    }
    let mut out = table::facts(&facts);
    out.push_str(&scores(details));
    out.push_str(&attempts(details));
    out.push_str(&trouble(details, home));
    // By way of JSON: YAML's tags cannot express an enum in an enum.
    let settings = serde_json::to_value(details.job.blueprint.as_ref()).map_err(Failure::internal)?;
    let settings = serde_yaml::to_string(&settings).map_err(Failure::internal)?;
    out.push_str("\nSettings\n");
    settings.lines().for_each(|line| out.push_str(&format!("  {line}\n")));
    Ok(out)
}

/// Writes one row per step, with a column for each metric and way of measuring it.
fn scores(details: &JobDetails) -> String {
    let columns: BTreeSet<(Measure, i64)> = details.scores.iter().map(|score| (score.metric, score.ask)).collect();
    if columns.is_empty() {
        return String::new();
    }
    let mut rows: BTreeMap<u64, BTreeMap<(Measure, i64), f64>> = BTreeMap::new();
    for score in &details.scores {
        rows.entry(score.step).or_default().insert((score.metric, score.ask), score.value);
    }
    let names: Vec<String> = columns.iter().map(|&(metric, ask)| column(details, &columns, metric, ask)).collect();
    let mut header = vec![("step", Align::Right)];
    header.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    let value = |metric: Measure, value: f64| match metric.unit() {
        Unit::Modes => value.to_string(),
        Unit::Number | Unit::Data | Unit::SquaredData | Unit::Nats | Unit::Share => format!("{value:.4}"),
    };
    let row = |(step, scores): (&u64, &BTreeMap<(Measure, i64), f64>)| {
        let cell =
            |column: &(Measure, i64)| scores.get(column).map_or("–".to_owned(), |&score| value(column.0, score));
        std::iter::once(count(*step as usize)).chain(columns.iter().map(cell)).collect()
    };
    format!("\nScores\n{}", table::table(&header, rows.iter().map(row)))
}

/// Returns the name of a metric. If it was measured in several ways, adds the settings that differ.
fn column(details: &JobDetails, columns: &BTreeSet<(Measure, i64)>, metric: Measure, ask: i64) -> String {
    let settings = |ask: i64| details.asks.get(&ask).and_then(Value::as_object).cloned().unwrap_or_default();
    let others = columns.iter().filter(|column| column.0 == metric && column.1 != ask).map(|column| settings(column.1));
    let others: Vec<serde_json::Map<String, Value>> = others.collect();
    let differs = |(key, value): &(String, Value)| others.iter().any(|other| other.get(key) != Some(value));
    let own: Vec<String> =
        settings(ask).into_iter().filter(differs).map(|(key, value)| format!("{key} {value}")).collect();
    if own.is_empty() { metric.name().to_owned() } else { format!("{} ({})", metric.name(), own.join(", ")) }
}

fn attempts(details: &JobDetails) -> String {
    if details.attempts.is_empty() {
        return String::new();
    }
    let header = [
        ("cohort", Align::Left),
        ("jobs", Align::Right),
        ("attempt", Align::Right),
        ("where", Align::Left),
        ("to step", Align::Right),
        ("time", Align::Right),
        ("ended", Align::Left),
        ("message", Align::Left),
    ];
    let row = |attempt: &Attempt| {
        let mut place = if attempt.device.is_empty() { attempt.slot.clone() } else { attempt.device.clone() };
        if !attempt.host.is_empty() {
            place = format!("{place} on {}", attempt.host);
        }
        vec![
            attempt.cohort.short(),
            attempt.members.to_string(),
            attempt.number.to_string(),
            place,
            count(attempt.step as usize),
            attempt.ended_at.map_or("–".to_owned(), |ended| duration((ended - attempt.started_at).max(0.0))),
            attempt.outcome.map_or("runs", |outcome| outcome.name()).replace('_', " "),
            attempt.message.clone(),
        ]
    };
    let mut out = format!("\nAttempts\n{}", table::table(&header, details.attempts.iter().map(row)));
    for attempt in &details.attempts {
        for warning in &attempt.warnings {
            out.push_str(&format!("cohort {}, attempt {}: {warning}\n", attempt.cohort.short(), attempt.number));
        }
    }
    out
}

/// Describes the worker's last words, and what to do.
fn trouble(details: &JobDetails, home: &Home) -> String {
    let advice = match details.status {
        Status::Failed => {
            "The job failed. When the cause is fixed, `sweep retry --failed` and then `sweep run FILE` retry it from \
            its last checkpoint."
        }
        Status::Diverged => {
            "The job diverged: a loss or a weight became NaN or infinite. That is a result, counted as such in \
            reports. A smaller learning rate is the usual remedy."
        }
        Status::Pending if !details.attempts.is_empty() => {
            "The job has started and waits: `sweep run FILE` continues it."
        }
        Status::Pending => "The job has not started: `sweep run FILE` trains it.",
        Status::Running | Status::Done | Status::Collapsed | Status::Pruned | Status::Cancelled => {
            return String::new();
        }
    };
    let mut out = String::from("\n");
    let told = details.attempts.iter().rev().find(|attempt| !attempt.stderr.trim().is_empty());
    if let Some(attempt) = told.filter(|_| details.status != Status::Diverged) {
        let lines: Vec<&str> = attempt.stderr.trim_end().lines().collect();
        out.push_str(&format!("The worker's last words (attempt {})\n", attempt.number));
        lines[lines.len().saturating_sub(LINES)..].iter().for_each(|line| out.push_str(&format!("  {line}\n")));
        out.push('\n');
    }
    out.push_str(&format!("{advice}\n"));
    if let Some(attempt) = details.attempts.last() {
        let log = home.run_in(&attempt.directory).attempt(attempt.number).events();
        out.push_str(&format!("Its log: {}\n", log.display()));
    }
    out
}

fn json(details: &JobDetails, home: &Home) -> String {
    let float = |value: &f64| real::serialize(value, serde_json::value::Serializer).unwrap_or_default();
    let attempt = |attempt: &Attempt| {
        json!({
            "cohort": attempt.cohort,
            "members": attempt.members,
            "attempt": attempt.number,
            "slot": attempt.slot,
            "host": attempt.host,
            "device": attempt.device,
            "started_at": attempt.started_at,
            "ended_at": attempt.ended_at,
            "outcome": attempt.outcome,
            "message": attempt.message,
            "warnings": attempt.warnings,
            "stderr": attempt.stderr,
            "step": attempt.step,
            "directory": home.path().join(&attempt.directory),
        })
    };
    let entry = |(sweep, variant, axes): &(String, String, String)| {
        json!({
            "sweep": sweep, "variant": variant, "axes": serde_json::from_str::<Value>(axes).unwrap_or_default()
        })
    };
    let score = |score: &sweep_store::Scored| {
        json!({
            "metric": score.metric, "step": score.step, "value": float(&score.value), "std": score.std,
            "asked": details.asks.get(&score.ask)
        })
    };
    let job = json!({
        "job": details.id,
        "state": details.status,
        "step": details.step,
        "steps": details.job.blueprint.steps(),
        "after": details.after,
        "seconds": details.seconds,
        "message": details.message,
        "seed": details.job.seed,
        "parameters": details.job.parameters,
        "settings": details.job.blueprint,
        "entries": details.entries.iter().map(entry).collect::<Vec<_>>(),
        "attempts": details.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "scores": details.scores.iter().map(score).collect::<Vec<_>>(),
        "samples": details
            .samples
            .iter()
            .map(|(step, path)| json!({"step": step, "path": home.path().join(path)}))
            .collect::<Vec<_>>(),
    });
    format!("{job:#}\n")
}
