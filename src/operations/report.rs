//! The report on sweeps: what it needs of the database, and whether what is asked for can be compared.

use crate::Failure;
use sweep_report::{File, Options, Report, Step, curves_wanted, report, steps_wanted};
use sweep_spec::metric::{Measure, Metric};
use sweep_spec::sweep::Sweep;
use sweep_store::{Results, Store};

/// Steps that an error names, before the last one.
const STEPS: usize = 20;

/// The report on sweeps by name, or without one on that which was run last.
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
            // It was free of mistakes when it was run.
            let name = &sweep.name;
            tracing::warn!("the file of {name} is not read by this version, so its `expect:` and `published:` are left out: {errors}");
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

/// Refuses to compare sweeps that do not agree which way a score is better.
fn check_directions(results: &[(Results, File)]) -> Result<(), Failure> {
    let mut known: Vec<(Measure, &str)> = Vec::new();
    for (results, _) in results {
        for measure in &results.declared {
            match known.iter().find(|(other, _)| other == measure) {
                None => known.push((*measure, &results.sweep.name)),
                Some((other, _)) if other.better() == measure.better() => {}
                Some((_, sweep)) => {
                    return Err(Failure::usage(format!(
                        "`{}` is better lower in one of {sweep} and {}, and higher in the other: report them one by one, or give one of \
                         them another name",
                        measure.name(),
                        results.sweep.name
                    )));
                }
            }
        }
    }
    Ok(())
}

/// The score that is asked for, with the way in which it improves: one of a trainer of the user's own is one that a sweep declares.
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

/// A step that is asked for by its number has to be one at which something was scored.
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
