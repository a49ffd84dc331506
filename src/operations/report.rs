//! The report on sweeps: reads what it needs from the database, and checks that it can be compared.

use crate::Failure;
use sweep_report::{File, Options, Report, Step, curves_wanted, report, steps_wanted};
use sweep_spec::metric::{Measure, Metric};
use sweep_spec::sweep::Sweep;
use sweep_store::{Results, Store};

/// The largest number of steps that an error names before the last one.
const STEPS: usize = 20;

/// Makes the report on these sweeps; without names, on the one that was run last.
///
/// # Errors
///
/// There is no such sweep, they cannot be compared in this way, or the database cannot be read.
pub async fn report_on(store: Store, names: Vec<String>, mut options: Options) -> Result<Report, Failure> {
    let mut sweeps = Vec::new();
    if names.is_empty() {
        sweeps.push(store.sweep(None).await?);
    }
    for name in &names {
        sweeps.push(store.sweep(Some(name)).await?);
    }
    let mut results: Vec<(Results, File)> = Vec::new();
    for sweep in &sweeps {
        let file = Sweep::parse(&sweep.file, &sweep.source).map(File::from).unwrap_or_else(|errors| {
            // It had no mistakes when it was run.
            let name = &sweep.name;
            tracing::warn!(
                "this version cannot read the file of {name}, so its `expect:` and `published:` are left out: {errors}"
            );
            File { race: sweep.looks.last().map(|look| look.race.clone()), ..File::default() }
        });
        check_step(&store, &sweep.name, options.step).await?;
        results.push((store.results(sweep).await?, file));
    }
    check_directions(&results)?;
    if let Some(asked) = options.metric {
        options.metric = Some(declared(asked, results.iter().map(|(results, _)| results))?);
    }
    for (found, _) in &mut results {
        let wanted = curves_wanted(found, options);
        store.read_curves(found, &wanted).await?;
        if !options.short {
            store.read_shown(found).await?;
            store.read_losses(found).await?;
        }
        if let Some(steps) = steps_wanted(found, options) {
            store.read_scores(found, &steps).await?;
        }
    }
    report(&results, options).map_err(Failure::usage)
}

/// Fails if sweeps disagree about whether a higher score is better.
fn check_directions(results: &[(Results, File)]) -> Result<(), Failure> {
    let mut known: Vec<(Measure, &str)> = Vec::new();
    for (results, _) in results {
        for measure in &results.declared {
            match known.iter().find(|(other, _)| other == measure) {
                None => known.push((*measure, &results.sweep.name)),
                Some((other, _)) if other.better() == measure.better() => {}
                Some((_, sweep)) => {
                    return Err(Failure::usage(format!(
                        "for `{}`, lower is better in one of {sweep} and {}, and higher in the other: report them \
                        separately, or rename one of the scores",
                        measure.name(),
                        results.sweep.name
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Returns the score that is asked for, with its direction. A score of an own trainer must be declared by a sweep.
fn declared<'a>(asked: Measure, results: impl Iterator<Item = &'a Results>) -> Result<Measure, Failure> {
    let known: Vec<Measure> = results.flat_map(|results| &results.declared).copied().collect();
    match known.iter().find(|known| **known == asked).or(asked.known().is_some().then_some(&asked)) {
        Some(found) => Ok(*found),
        None => {
            let mut names: Vec<&str> =
                known.iter().map(|known| known.name()).chain(Metric::ALL.map(Metric::name)).collect();
            names.dedup();
            let name = asked.name();
            Err(Failure::usage(format!(
                "--metric {name}: not a score of this report: expected one of {}",
                names.join(", ")
            )))
        }
    }
}

/// Checks that something was scored at a step that is asked for by number.
async fn check_step(store: &Store, sweep: &str, step: Step) -> Result<(), Failure> {
    let Step::At(step) = step else { return Ok(()) };
    let known = store.scored_steps(sweep).await?;
    if known.contains(&step) {
        return Ok(());
    }
    let steps = match known.as_slice() {
        [] => "no step yet".to_owned(),
        [most @ .., last] if most.len() >= STEPS => {
            let first: Vec<String> = most[..STEPS].iter().map(u64::to_string).collect();
            format!("{}, …, {last}", first.join(", "))
        }
        few => few.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    };
    Err(Failure::usage(format!("no job of {sweep} was scored at step {step}; scored at: {steps}")))
}
