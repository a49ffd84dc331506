//! A job that a sweep asks for, as all formats have it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use sweep_spec::id::JobId;
use sweep_spec::parameters::Plain;
use sweep_store::{Exported, Outline, Stretch};
use sweep_wire::status::Status;

/// One job of a sweep with its settings and all that was measured of it.
#[derive(Clone, Debug)]
pub struct Run {
    /// The sweep.
    pub sweep: String,
    /// The variant.
    pub variant: String,
    /// What tells it from others of its variant: the swept keys with their values, and the seed.
    pub name: String,
    /// The job.
    pub job: JobId,
    /// Its seed.
    pub seed: u64,
    /// Where it stands.
    pub status: Status,
    /// Why it failed or diverged.
    pub message: String,
    /// Its objective.
    pub objective: String,
    /// Its data set.
    pub dataset: String,
    /// Steps planned.
    pub steps: u64,
    /// Steps done.
    pub step: u64,
    /// Its share of its cohort's training time, once it is done.
    pub seconds: Option<f64>,
    /// Seconds that its scorings took.
    pub scoring: f64,
    /// Its parameters and swept keys, by name.
    pub settings: BTreeMap<String, Value>,
    /// What was measured, by step and name.
    pub points: Vec<Point>,
    stretches: Vec<Stretch>,
    /// When the sweep was last run: the time of a job that has none.
    updated_at: f64,
}

/// One number at one step: a score, or a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// The name of the score or of the series of losses.
    pub metric: String,
    /// Its value; may be NaN or infinite.
    pub value: f64,
    /// Standard deviation over the splits of the scoring.
    pub std: Option<f64>,
    /// How it was measured, if it is a score.
    pub protocol: Option<i64>,
}

impl Run {
    /// One of the entries of `outline`.
    pub fn new(outline: &Outline, entry: Exported) -> Run {
        let blueprint = outline.blueprints.get(&entry.blueprint);
        let mut label: Vec<String> =
            entry.axes.iter().map(|(key, value)| format!("{key} {}", value_text(value))).collect();
        label.push(format!("seed {}", entry.seed));
        let mut settings = entry.axes;
        settings.extend(entry.parameters.into_iter().map(|(name, value)| (name, plain(&value))));
        let mut points: Vec<Point> = entry
            .scores
            .iter()
            .map(|score| Point {
                step: score.step,
                metric: score.metric.name().to_owned(),
                value: score.value,
                std: score.std,
                protocol: Some(score.protocol),
            })
            .collect();
        for series in &entry.losses {
            let pairs = series.steps.iter().zip(&series.values);
            points.extend(pairs.map(|(&step, &value)| Point {
                step,
                metric: series.name.as_ref().to_owned(),
                value: decimal(value),
                std: None,
                protocol: None,
            }));
        }
        points.sort_by(|a, b| (a.step, &a.metric).cmp(&(b.step, &b.metric)));
        let mut stretches = entry.stretches;
        // The last attempt came as far as the job did, also where it was killed before it could say so.
        if let Some(last) = stretches.last_mut() {
            last.step = last.step.max(entry.step);
        }
        Run {
            sweep: outline.sweep.name.clone(),
            variant: entry.variant,
            name: label.join(", "),
            job: entry.job,
            seed: entry.seed,
            status: entry.status,
            message: entry.message,
            objective: blueprint.map_or("", |blueprint| blueprint.objective_name()).to_owned(),
            dataset: blueprint.map_or("", |blueprint| blueprint.dataset_name()).to_owned(),
            steps: blueprint.map_or(0, |blueprint| blueprint.steps()),
            step: entry.step,
            seconds: entry.seconds,
            scoring: entry.scoring,
            settings,
            points,
            stretches,
            updated_at: outline.sweep.updated_at,
        }
    }

    /// Whether anything has been done for it.
    pub(crate) fn has_begun(&self) -> bool {
        !self.stretches.is_empty() || !self.points.is_empty()
    }

    /// Whether it is over.
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.status, Status::Pending | Status::Running)
    }

    /// When its first attempt began.
    pub(crate) fn started_at(&self) -> Option<f64> {
        self.stretches.first().map(|first| first.started_at)
    }

    /// When its last attempt ended, if it is over.
    pub(crate) fn ended_at(&self) -> Option<f64> {
        self.stretches.last().filter(|_| self.has_ended()).map(|last| last.ended_at)
    }

    /// On which host its last attempt was.
    pub(crate) fn host(&self) -> &str {
        self.stretches.last().map_or("", |last| &last.host)
    }

    /// On what its last attempt was.
    pub(crate) fn device(&self) -> &str {
        self.stretches.last().map_or("", |last| &last.device)
    }

    /// When the sweep was at this step of it, in seconds since the Unix epoch: in an attempt, each step takes as long
    /// as any.
    pub(crate) fn time_of(&self, step: u64) -> f64 {
        let mut before = 0;
        for stretch in &self.stretches {
            if step <= stretch.step {
                let share = step.saturating_sub(before) as f64 / (stretch.step - before).max(1) as f64;
                return stretch.started_at + share * (stretch.ended_at - stretch.started_at).max(0.0);
            }
            before = before.max(stretch.step);
        }
        self.stretches.last().map_or(self.updated_at, |last| last.ended_at)
    }

    /// Its points step by step.
    pub(crate) fn by_step(&self) -> impl Iterator<Item = (u64, &[Point])> {
        self.points.chunk_by(|a, b| a.step == b.step).map(|points| (points[0].step, points))
    }

    /// What a run of any tracker has beside its own settings.
    pub(crate) fn all_settings(&self) -> BTreeMap<&str, Value> {
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let mut all: BTreeMap<&str, Value> = own.collect();
        for (name, value) in [
            ("objective", json!(self.objective)),
            ("dataset", json!(self.dataset)),
            ("steps", json!(self.steps)),
            ("seed", json!(self.seed)),
        ] {
            all.entry(name).or_insert(value);
        }
        all
    }
}

/// The number that the digits of a loss mean: they are rounded to five, which a longer binary number would hide.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// A parameter as JSON has it.
fn plain(value: &Plain) -> Value {
    match value {
        Plain::Flag(flag) => json!(flag),
        Plain::Whole(whole) => json!(whole),
        Plain::Number(number) => json!(number),
        Plain::Text(text) => json!(text),
        Plain::List(items) => Value::Array(items.iter().map(plain).collect()),
        Plain::Schedule(schedule) => json!(schedule.to_string()),
    }
}

/// A setting as a field of text.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => sweep_figure::float(float),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}
