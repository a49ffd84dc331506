//! Trains a finished job again, alone, and compares its scores.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::database::{block_on, job};
use crate::environment::variable;
use crate::places::absolute;
use crate::prepare::ensure;
use crate::run::summary::ended_early;
use crate::run::{Coming, End, Front};
use crate::slots::{check_precision, check_present};
use crate::{Failure, Places};
use sweep_plan::cohort::Cohort;
use sweep_plan::slot::{Device, Kinds, Slot};
use sweep_report::format::count;
use sweep_run::executor::Crew;
use sweep_run::state::{Finish, Settings, Work};
use sweep_run::{Hold, Interrupted, Options, Orders, Outcomes};
use sweep_spec::metric::Measure;
use sweep_store::{JobDetails, NewEntry, NewSweep, Scored, Store};
use sweep_system::clock::now;
use sweep_wire::home::Home;
use sweep_wire::status::Status;

/// The result.
pub enum Verified {
    /// It trained, or diverged: the job as stored and as trained now, with their scores.
    Compared(Box<Comparison>),
    /// There is nothing to compare, and the reason has been reported.
    Ended(End),
}

/// A job as stored and as trained now.
pub struct Comparison {
    /// The job as stored.
    pub stored: JobDetails,
    /// The job as trained now.
    pub again: JobDetails,
    /// All scores, by step and metric.
    pub rows: Vec<Row>,
}

impl Comparison {
    /// Whether all compared scores agree; `None` if none is compared.
    pub fn agrees(&self) -> Option<bool> {
        self.rows.iter().any(|row| row.compared).then(|| !self.rows.iter().any(Row::differs))
    }
}

/// Trains the job whose id begins with `text` again, alone, on `slot`. Nothing that is stored changes. `again` is the
/// command that does the same. Must be called on a thread that lives as long as the process.
///
/// # Errors
///
/// There is nothing to compare with, or something is missing or broken.
pub fn verify(
    places: &Places,
    text: &str,
    (slot, again): (Slot, &str),
    front: &dyn Front,
) -> Result<Verified, Failure> {
    let tell = front.tell();
    let stored = job(places, text)?;
    check(&stored)?;
    let slots = vec![slot];
    check_precision(format_args!("job {}", stored.id.short()), "--device", [&*stored.job.blueprint], &slots)?;
    let data = absolute(&places.data_root()?)?;
    let worker = variable("SWEEP_WORKER");
    if worker.is_none() {
        check_present(&slots, tell)?;
        let dataset = stored.job.blueprint.dataset();
        ensure(&data, tell, stored.asked.iter().filter_map(|score| Some((dataset?, &**score))))?;
    }

    let home = tempfile::Builder::new().prefix("sweep-verify-").tempdir().map_err(Failure::environment)?;
    let place = Home::new(absolute(home.path())?);
    front.keep_log(&place)?;
    let device = slots[0].device;
    let settings = Settings { tries: 1, silence: f64::INFINITY, ..Settings::default() };
    let crew = Crew::local(worker, slots, &Kinds::default(), &place).map_err(Failure::environment)?;
    let (orders, interrupted) = (Orders::new(place, data, 0), Interrupted::Stop);
    let options = Options { orders, settings, interrupted, hold: Hold::default() };
    // Workers die with the thread that starts them, so everything runs on this one.
    let rerun = block_on(train(&stored, options, (crew, device), again, front))?;
    Ok(match rerun {
        Rerun::Scores(again) => {
            let rows = compare(&stored, &again);
            Verified::Compared(Box::new(Comparison { stored, again: *again, rows }))
        }
        Rerun::Ended(end) => Verified::Ended(end),
    })
}

/// Checks that there is something to compare with, made by this version.
fn check(stored: &JobDetails) -> Result<(), Failure> {
    let id = stored.id;
    if stored.status != Status::Done {
        let status = stored.status;
        return Err(Failure::usage(format!(
            "job {} is {status}: only a finished job has scores to verify; `sweep show {}` shows details",
            id.short(),
            id.short()
        )));
    }
    if stored.scores.is_empty() {
        return Err(Failure::usage(format!("job {} has no scores to verify", id.short())));
    }
    let Some(blueprint) = stored.job.blueprint.built_in() else {
        return Err(Failure::usage(format!(
            "job {} was trained by your own trainer: to check whether it gives the same results again, run its sweep \
            in another home (--home)",
            id.short()
        )));
    };
    if stored.job.id() != id || !blueprint.is_current() {
        return Err(Failure::usage(format!(
            "job {} was trained by another version of this program, with which its settings give other results: this \
            version cannot verify it",
            id.short()
        )));
    }
    Ok(())
}

/// How the job ended this time.
enum Rerun {
    /// It trained, or diverged.
    Scores(Box<JobDetails>),
    /// There is nothing to compare, and the reason has been reported.
    Ended(End),
}

/// Trains the job in a separate home directory and database, as `sweep run` would.
async fn train(
    stored: &JobDetails,
    options: Options,
    (crew, device): (Crew, Device),
    command: &str,
    front: &dyn Front,
) -> Result<Rerun, Failure> {
    let tell = front.tell();
    let store = Store::open(&options.orders.home.database()).await?;
    let (id, job) = (stored.id, stored.job.clone());
    let entry = NewEntry {
        ordinal: 0,
        variant: "verify".into(),
        axes: serde_json::Map::new(),
        id,
        job: job.clone(),
        scores: Arc::clone(&stored.asked),
    };
    let (name, file, source) = ("verify".into(), String::new(), String::new());
    let sweep = NewSweep {
        name,
        file,
        source,
        at: now(),
        entries: vec![entry],
        renamed: HashMap::new(),
        scripts: BTreeMap::new(),
        looks: Vec::new(),
        rounds: Vec::new(),
        picked: Vec::new(),
    };
    store.register(&sweep).await?;
    let blueprint = &stored.job.blueprint;
    tell.say(format!(
        "job {}: {} on {}, {} steps, alone on {}",
        id.short(),
        blueprint.objective_name(),
        blueprint.dataset_name(),
        count(blueprint.steps() as usize),
        device
    ));
    let work = Work::new(Arc::new(Cohort::new(vec![(id, job)], Arc::clone(&stored.asked))), 0, &HashSet::new(), 1.0);
    let mut observer = front.observer(1, None, Rc::new(Cell::new(Coming::default())));
    let result = sweep_run::run(&store, options, crew, &mut vec![work], &mut *observer).await;
    drop(observer);
    let Outcomes { summary, signal, last_words, .. } = result?;
    let again = store.job(id).await?;
    store.close().await;
    match summary.finish {
        Finish::Early(ending) => return ended_early(&ending, signal, (&last_words, command), tell).map(Rerun::Ended),
        Finish::Complete => {}
    }
    if let Some((_, message)) = summary.failed.first() {
        tell.say(format!("it failed this time: {message}"));
        if !last_words.is_empty() {
            tell.say(format!("the worker's last words:\n{last_words}"));
        }
        return Ok(Rerun::Ended(End::JobsFailed));
    }
    Ok(Rerun::Scores(Box::new(again)))
}

/// A score as stored and as measured now.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The score.
    pub metric: Measure,
    /// Its step.
    pub step: u64,
    /// The stored value.
    pub stored: Option<f64>,
    /// The value now.
    pub again: Option<f64>,
    /// Whether it was measured in the same way.
    pub same_protocol: bool,
    /// Whether both values must exist and be equal.
    pub compared: bool,
}

impl Row {
    /// Whether both values exist and are equal to the bit.
    pub fn agrees(&self) -> bool {
        match (self.stored, self.again) {
            // All NaN count as equal.
            (Some(stored), Some(again)) => again.to_bits() == stored.to_bits() || again.is_nan() && stored.is_nan(),
            _ => false,
        }
    }

    /// Whether they must be equal and are not.
    pub fn differs(&self) -> bool {
        self.compared && !self.agrees()
    }

    /// Returns new minus stored; `None` if one of them is missing or not finite, or if they are not compared.
    pub fn difference(&self) -> Option<f64> {
        let difference = self.again? - self.stored?;
        (self.compared && difference.is_finite()).then_some(difference)
    }
}

/// Returns all scores, by step and metric. A score that training does not give, or measures in another way, is not
/// compared. Neither is a score of an early step that the shorter job, from which this one continued, did not measure.
fn compare(stored: &JobDetails, again: &JobDetails) -> Vec<Row> {
    fn by_place(details: &JobDetails) -> BTreeMap<(u64, Measure, String), &Scored> {
        let asked = |score: &Scored| details.asks.get(&score.ask).map(ToString::to_string).unwrap_or_default();
        details.scores.iter().map(|score| ((score.step, score.metric, asked(score)), score)).collect()
    }
    let (before, now) = (by_place(stored), by_place(again));
    let named = stored.asked.iter().flat_map(|score| score.metrics.iter().map(move |metric| (score, *metric)));
    let asked: BTreeSet<(Measure, String)> =
        named.map(|(score, metric)| (metric.into(), score.asked(metric).to_string())).collect();
    let is_asked = |(_, metric, how): &(u64, Measure, String)| asked.contains(&(*metric, how.clone()));
    let places: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let row = |place: &(u64, Measure, String)| {
        let (step, metric) = (place.0, place.1);
        let (old, new) = (before.get(place), now.get(place));
        let same_protocol = match (old, new) {
            (Some(old), Some(new)) => stored.protocols.get(&old.protocol) == again.protocols.get(&new.protocol),
            _ => true,
        };
        Row {
            metric,
            step,
            stored: old.map(|old| old.value),
            again: new.map(|new| new.value),
            same_protocol,
            compared: same_protocol && (new.is_some() || is_asked(place)) && (old.is_some() || step >= stored.after),
        }
    };
    places.into_iter().map(row).collect()
}
