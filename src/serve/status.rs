//! The progress of sweeps as JSON, for `sweep status --json` and the live page.

use serde_json::{Map, Value, json};

use sweep_report::causes;
use sweep_run::Orchestrator;
use sweep_spec::id::JobId;
use sweep_spec::text;
use sweep_store::{Progress, Running, Store, StoreError};
use sweep_system::clock;
use sweep_wire::status::Status;

/// The most causes of failure shown per sweep, and the most lines of a worker's last output.
const CAUSES: usize = 20;
const LINES: usize = 20;

/// Returns the seconds until the whole sweep is done. `None` if no run is active.
pub fn left(progress: &Progress, orchestrator: Orchestrator) -> Option<f64> {
    progress.seconds_left().filter(|_| orchestrator != Orchestrator::Absent)
}

/// Returns the progress of a sweep and its running cohorts.
pub fn of_sweep(progress: &Progress, orchestrator: Orchestrator) -> Map<String, Value> {
    let count = |status: Status| (status.name().to_owned(), json!(progress.states.get(&status).copied().unwrap_or(0)));
    let states: Map<String, Value> = Status::ALL.into_iter().map(count).collect();
    let fields = [
        ("sweep", json!(progress.sweep)),
        ("jobs", json!(progress.jobs())),
        ("states", Value::Object(states)),
        ("seconds_left", json!(left(progress, orchestrator))),
        ("at_work", json!(orchestrator != Orchestrator::Absent)),
        ("paused", json!(orchestrator == Orchestrator::Paused)),
        ("running", progress.running.iter().map(running).collect()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn running(running: &Running) -> Value {
    json!({
        "cohort": running.cohort,
        "attempt": running.attempt,
        "slot": running.slot,
        "device": running.device,
        "members": running.members.0,
        "training": running.members.1,
        "step": running.step.0,
        "steps": running.step.1,
        "model_steps_per_second": running.rate,
        "seconds_left": running.seconds_left(),
        "started_at": running.started_at,
    })
}

/// What the page says about a home directory in addition to its reports.
pub(crate) struct Overview {
    /// Names of the sweeps, most recently run first.
    pub sweeps: Vec<String>,
    /// All of it as JSON, without characters that a terminal or browser would act on:
    ///
    /// ```text
    /// {"as_of": seconds since the Unix epoch, "home": path, "run": {"at_work": flag, "paused": flag},
    ///  "sweeps": [{what `sweep status --json` has of a sweep, and
    ///              "failures": [{"cause": text, "jobs": count, "one": job id, "last_words": text}, …]}, …]}
    /// ```
    pub json: String,
}

impl Overview {
    /// Reads the progress of all sweeps. Each statement is a transaction of its own, so writers never wait for it.
    pub(crate) async fn read(store: &Store, orchestrator: Orchestrator, home: &str) -> Result<Overview, StoreError> {
        let as_of = clock::now();
        let names: Vec<String> = store.sweeps().await?.into_iter().map(|sweep| sweep.name).collect();
        let mut sweeps = Vec::new();
        for name in &names {
            let progress = store.progress(name).await?;
            let mut sweep = of_sweep(&progress, orchestrator);
            let failed = progress.states.contains_key(&Status::Failed);
            sweep.insert("failures".to_owned(), if failed { failures(store, name).await? } else { json!([]) });
            sweeps.push(Value::Object(sweep));
        }
        Ok(Overview { sweeps: names, json: written(as_of, home, orchestrator, sweeps) })
    }

    /// Returns the progress of a home directory in which nothing has run yet.
    pub(crate) fn empty(orchestrator: Orchestrator, home: &str) -> Overview {
        Overview { sweeps: Vec::new(), json: written(clock::now(), home, orchestrator, Vec::new()) }
    }
}

fn written(as_of: f64, home: &str, orchestrator: Orchestrator, sweeps: Vec<Value>) -> String {
    let run = json!({
        "at_work": orchestrator != Orchestrator::Absent,
        "paused": orchestrator == Orchestrator::Paused,
    });
    text::json(&json!({"as_of": as_of, "home": home, "run": run, "sweeps": sweeps}).to_string())
}

/// Returns why jobs of a sweep failed, most frequent cause first, each with one of its jobs and the last output of that
/// job's worker.
async fn failures(store: &Store, sweep: &str) -> Result<Value, StoreError> {
    let failed = store.failed(sweep).await?;
    let mut told = Vec::new();
    for (cause, jobs) in causes(failed.iter().map(|(job, message)| (*job, message.as_str()))).into_iter().take(CAUSES) {
        let one: JobId = jobs[0];
        let words = store.last_words(one).await?;
        let cause = if cause.is_empty() { "not known" } else { cause };
        told.push(json!({"cause": cause, "jobs": jobs.len(), "one": one, "last_words": last_lines(&words)}));
    }
    Ok(Value::Array(told))
}

fn last_lines(words: &str) -> String {
    let lines: Vec<&str> = words.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_of_output_are_shown() {
        let words: String = (1..=30).map(|n| format!("line {n}\n")).collect();
        let told = last_lines(&words);
        assert!(told.starts_with("line 11\n") && told.ends_with("line 30"), "{told}");
        assert_eq!((last_lines(""), last_lines("one\n\n")), (String::new(), "one".to_owned()));
    }

    #[test]
    fn the_json_contains_no_control_characters() {
        let json = Overview::empty(Orchestrator::AtWork, "/home/\u{1b}[2J\u{202e}x").json;
        assert!(!json.chars().any(text::acts), "{json:?}");
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&value["home"], &value["run"]["at_work"]), (&json!("/home/\u{1b}[2J\u{202e}x"), &json!(true)));
    }
}
