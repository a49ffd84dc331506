//! `sweep verify`: trains a finished job again, alone, and compares its scores.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use indicatif::MultiProgress;
use serde_json::{Value, json};

use super::home::absolute;
use super::logging;
use super::prepare::ensure;
use super::progress::{Progress, bars, say};
use super::reading::{block_on, failure, job, print, print_json, stopped_short};
use super::slots::{check_precision, check_present};
use super::summary::ended_early;
use super::table::{self, Align, count, plural};
use super::terminal::variable;
use super::{Exit, Failure, Global};
use sweep_plan::cohort::Cohort;
use sweep_plan::slot::{Device, Kinds, Slot};
use sweep_run::executor::Crew;
use sweep_run::state::{Finish, Settings, Work};
use sweep_run::{Hold, Interrupted, Options, Orders, Outcomes};
use sweep_spec::metric::Measure;
use sweep_store::{JobDetails, NewEntry, NewSweep, Scored, Store};
use sweep_system::clock::now;
use sweep_wire::home::Home;
use sweep_wire::real;
use sweep_wire::status::Status;

/// Rows that are shown at most where not all scores agree.
const SHOWN: usize = 20;

#[derive(clap::Args)]
#[command(long_about = "\
Train a finished job again, alone, and say whether its scores agree: to the bit, or by how much they differ. What training does not \
measure in the same way (`sweep rescore` does) is not compared. Nothing that is stored changes. Exit code 0: they agree to the bit; 101: \
they differ; 2: nothing is left to compare.")]
pub(crate) struct Args {
    /// A job's id, or the first characters of it
    #[arg(add = super::complete::jobs(), value_name = "JOB")]
    job: String,
    /// Where to compute: `cpu` or `cuda:N`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// CPU threads
    #[arg(long, value_name = "N", env = "SWEEP_THREADS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    threads: u32,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let stored = job(global, &args.job)?;
    check(&stored)?;
    let slots = vec![Slot { device: args.device, threads: args.threads }];
    check_precision(format_args!("job {}", stored.id.short()), "--device", [&*stored.job.blueprint], &slots)?;
    let data = absolute(&global.data_root()?)?;
    let worker = variable("SWEEP_WORKER");
    if worker.is_none() {
        check_present(&slots)?;
        let dataset = stored.job.blueprint.dataset();
        ensure(&data, stored.asked.iter().filter_map(|score| Some((dataset?, &**score))))?;
    }

    let home = tempfile::Builder::new().prefix("sweep-verify-").tempdir().map_err(Failure::environment)?;
    let bars = bars();
    let place = Home::new(absolute(home.path())?);
    logging::to_file(&place, global.verbose, &bars)?;
    let device = slots[0].device;
    let settings = Settings { tries: 1, silence: f64::INFINITY, ..Settings::default() };
    let crew = Crew::local(worker, slots, &Kinds::default(), &place).map_err(Failure::environment)?;
    let (orders, interrupted) = (Orders::new(place, data, 0), Interrupted::Stop);
    let options = Options { orders, settings, interrupted, hold: Hold::default() };
    // Workers die with the thread that starts them: everything runs on this one.
    let again = match block_on(train(&stored, options, (crew, device), &bars))? {
        Rerun::Scores(again) => *again,
        Rerun::Exit(exit) => return Ok(exit),
    };
    let rows = compare(&stored, &again);
    if args.json {
        print_json(&as_json(&stored, &again, &rows))?
    } else {
        print(&text(&stored, &again, &rows))?
    }
    Ok(match agrees(&rows) {
        Some(true) => Exit::Ok,
        Some(false) => Exit::Unexpected,
        // As for a job that has no scores to begin with.
        None => Exit::Usage,
    })
}

/// Whether there is something to compare with, made by this version.
fn check(stored: &JobDetails) -> Result<(), Failure> {
    let id = stored.id;
    if stored.status != Status::Done {
        let status = stored.status;
        return Err(Failure::usage(format!(
            "job {} is {status}: only a job that is done has scores to verify; `sweep show {}` says more",
            id.short(),
            id.short()
        )));
    }
    if stored.scores.is_empty() {
        return Err(Failure::usage(format!("job {} has no scores to verify", id.short())));
    }
    let Some(blueprint) = stored.job.blueprint.built_in() else {
        return Err(Failure::usage(format!(
            "job {} was trained by a program of yours, in a folder that it keeps: to see whether it gives the same again, run its sweep in \
             another home (--home)",
            id.short()
        )));
    };
    if stored.job.id() != id || !blueprint.is_current() {
        return Err(Failure::usage(format!(
            "job {} was trained by another version of this program, in which its settings meant other numbers: it cannot be verified \
             by this one",
            id.short()
        )));
    }
    Ok(())
}

/// How the job went this time.
enum Rerun {
    /// It trained, or diverged.
    Scores(Box<JobDetails>),
    /// There is nothing to compare; what there is to say is said.
    Exit(Exit),
}

/// Trains the job in a home directory and a database of its own, as `sweep run` would.
async fn train(
    stored: &JobDetails,
    options: Options,
    (crew, device): (Crew, Device),
    bars: &MultiProgress,
) -> Result<Rerun, Failure> {
    let store = Store::open(&options.orders.home.database()).await.map_err(failure)?;
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
    store.register(&sweep).await.map_err(failure)?;
    let blueprint = &stored.job.blueprint;
    say(format!(
        "job {}: {} on {}, {} steps, alone on {}",
        id.short(),
        blueprint.objective_name(),
        blueprint.dataset_name(),
        count(blueprint.steps() as usize),
        device
    ));
    let work = Work::new(Arc::new(Cohort::new(vec![(id, job)], Arc::clone(&stored.asked))), 0, &HashSet::new(), 1.0);
    let mut progress = Progress::new(bars.clone(), 1, None);
    let result = sweep_run::run(&store, options, crew, &mut vec![work], &mut progress).await;
    progress.clear();
    let Outcomes { summary, signal, last_words, .. } = result.map_err(stopped_short)?;
    let again = store.job(id).await.map_err(failure)?;
    store.close().await;
    match summary.finish {
        Finish::Early(ending) => return ended_early(&ending, signal, &last_words).map(Rerun::Exit),
        Finish::Complete => {}
    }
    if let Some((_, message)) = summary.failed.first() {
        say(format!("it failed this time: {message}"));
        if !last_words.is_empty() {
            say(format!("the worker's last words:\n{last_words}"));
        }
        return Ok(Rerun::Exit(Exit::JobsFailed));
    }
    Ok(Rerun::Scores(Box::new(again)))
}

/// A stored score and what it is this time.
#[derive(Clone, Copy, Debug)]
struct Row {
    metric: Measure,
    step: u64,
    stored: Option<f64>,
    again: Option<f64>,
    /// Whether it was measured in the same way.
    same_protocol: bool,
    /// Whether both have to be there and be the same.
    compared: bool,
}

impl Row {
    fn agrees(&self) -> bool {
        match (self.stored, self.again) {
            // All NaN are one.
            (Some(stored), Some(again)) => again.to_bits() == stored.to_bits() || again.is_nan() && stored.is_nan(),
            _ => false,
        }
    }

    fn differs(&self) -> bool {
        self.compared && !self.agrees()
    }

    /// New minus stored; none where one of them is missing or not finite, or they are not compared.
    fn difference(&self) -> Option<f64> {
        let difference = self.again? - self.stored?;
        (self.compared && difference.is_finite()).then_some(difference)
    }
}

/// All scores, by step and metric. One that training did not give, or measures in another way, is not compared; nor is one from before the
/// last step of a shorter job, from which this one went on, that was not measured then.
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

/// Whether all that is compared agrees; none where nothing is.
fn agrees(rows: &[Row]) -> Option<bool> {
    rows.iter().any(|row| row.compared).then(|| !rows.iter().any(Row::differs))
}

fn text(stored: &JobDetails, again: &JobDetails, rows: &[Row]) -> String {
    let differ: Vec<&Row> = rows.iter().filter(|row| row.differs()).collect();
    // Where all agree, the last step of each metric is enough to look at.
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
    out.push_str(&format!("\n{}\n", conclusion(stored, again, rows)));
    out
}

fn conclusion(stored: &JobDetails, again: &JobDetails, rows: &[Row]) -> String {
    let compared = rows.iter().filter(|row| row.compared).count();
    let differ: Vec<&Row> = rows.iter().filter(|row| row.differs()).collect();
    let mut text = match (compared, differ.first()) {
        (0, _) => "Nothing is left to compare.".to_owned(),
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

/// Which scores are not compared, and why.
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
        (true, "training does not measure it so; `sweep rescore` did, or another version of this program"),
        (false, "the shorter job from which it went on was not measured so"),
    ];
    let named = why.map(|(stored, why)| (names(stored), why)).into_iter().filter(|(names, _)| !names.is_empty());
    let sentences: Vec<String> = named.map(|(names, why)| format!("Not compared: {names} ({why}).")).collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// `trained in a cohort of 16 on cpu`
fn trained(stored: &JobDetails) -> String {
    match stored.attempts.last() {
        Some(attempt) => {
            format!("trained in a cohort of {} on {}", attempt.members, place(&attempt.device, &attempt.slot))
        }
        None => "trained elsewhere".to_owned(),
    }
}

/// The device of an attempt; its slot where the worker has not said.
fn place<'a>(device: &'a str, slot: &'a str) -> &'a str {
    if device.is_empty() { slot } else { device }
}

fn as_json(stored: &JobDetails, again: &JobDetails, rows: &[Row]) -> String {
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
        "agrees": agrees(rows),
        "trained": last.map(|attempt| json!({"members": attempt.members, "device": place(&attempt.device, &attempt.slot)})),
        "again": {"state": again.status, "device": again.attempts.last().map(|attempt| &attempt.device)},
        "scores": rows.iter().map(row).collect::<Vec<_>>(),
        "not_compared": not_compared(rows),
        "conclusion": conclusion(stored, again, rows),
    });
    format!("{document:#}\n")
}
