//! Losses and discriminator outputs over training.

use super::super::cells::{cells, ranked};
use super::super::study::{Study, Variant};
use super::curves::{described, line, linear};
use super::of_none;
use sweep_figure::{Curves, Figure, Line, Plot, Single, SingleOf};

/// Most seeds that are drawn behind a line, because losses of single batches are noisy.
const SEEDS: usize = 3;
/// Most variants with such figures.
const VARIANTS: usize = 12;

/// Groups of series: name for files, description, and prefix of the series' names.
const KINDS: [(&str, &str, &str); 2] =
    [("losses", "loss", "loss_"), ("outputs", "mean output of the discriminator", "output_")];

/// Returns the losses and discriminator outputs of each variant's best cell.
pub(in super::super) fn losses(study: &Study) -> Vec<Figure> {
    let variants = study.variants.iter().enumerate().take(VARIANTS);
    variants.flat_map(|variant| KINDS.into_iter().filter_map(move |kind| one(study, variant, kind))).collect()
}

fn one(study: &Study, (place, variant): (usize, &Variant), (kind, what, prefix): (&str, &str, &str)) -> Option<Figure> {
    let all = cells(variant);
    let best = ranked(study, &all).into_iter().next().or(all.first())?;
    let series = |run: &super::super::study::Run| study.results.losses.get(&run.job);
    let mut names: Vec<&str> = Vec::new();
    for series in best.runs.iter().filter_map(series).flatten() {
        if series.name.starts_with(prefix) && !names.contains(&&*series.name) {
            names.push(&series.name);
        }
    }
    let lines = names.iter().enumerate().filter_map(|(at, name)| {
        let singles = best.runs.iter().filter_map(|run| {
            let found = series(run)?.iter().find(|series| *series.name == **name)?;
            let points = found.steps.iter().zip(&found.values).map(|(step, value)| (*step as f64, f64::from(*value)));
            Some(Single { of: SingleOf::Seed(run.seed), job: run.job.short(), points: points.collect() })
        });
        let drawn = line((words(name), place, at), singles.collect())?;
        let is_few = drawn.singles.len() <= SEEDS;
        Some(Line { singles: if is_few { drawn.singles } else { Vec::new() }, ..drawn })
    });
    let mut lines: Vec<Line> = lines.collect();
    if !lines.iter().any(|line| line.points.len() > 1) {
        return None;
    }
    let mut notes = vec![described(&mut lines, "seeds")];
    notes.push(
        "Values of single batches, measured before the step they lead to. Losses of different objectives are not \
        comparable."
            .into(),
    );
    let label = best.label(variant);
    if !label.is_empty() && all.len() > 1 {
        let which = if ranked(study, &all).is_empty() {
            "first cell of the file, because none has a score yet"
        } else {
            "best cell"
        };
        notes.push(format!("From the {which}: {label}."));
    }
    let title = format!(
        "{}: {}",
        variant.name,
        if kind == "losses" { "losses over training" } else { "discriminator output over training" }
    );
    let plot = Curves { x: linear("step"), y: linear(what), stepped: false, lines };
    Some(of_none(&format!("{kind}-{}", variant.name), title, notes, Plot::Curves(plot)))
}

/// Returns the name of a series for people.
fn words(name: &str) -> String {
    match name {
        "loss_d" => "discriminator".to_owned(),
        "loss_g" => "generator".to_owned(),
        "output_real" => "of real samples".to_owned(),
        "output_fake" => "of generated samples".to_owned(),
        "output_real_2" => "second discriminator, of real samples".to_owned(),
        "output_fake_2" => "second discriminator, of generated samples".to_owned(),
        other => other.replace('_', " "),
    }
}
