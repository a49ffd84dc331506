//! Pictures of samples: sheets of the cells next to each other, and points over the modes.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::super::cells::{Cell, cells, ranked};
use super::super::study::{Run, Study, Variant};
use super::heat_map::Plane;
use super::of_none;
use sweep_figure::format::{count, number};
use sweep_figure::{Figure, Gallery, KeyValues, Plot, Points, Scatter, Sheet};
use sweep_spec::dataset::Dataset;

/// Most cells in a list.
const CELLS: usize = 12;
/// Most seeds in a list.
const SEEDS: usize = 8;
/// Most variants with points.
const VARIANTS: usize = 8;

/// Returns the sample sheets of each variant.
pub(in super::super) fn galleries(study: &Study) -> Vec<Figure> {
    study.variants.iter().enumerate().filter_map(|variant| gallery(study, variant)).collect()
}

fn gallery(study: &Study, (place, variant): (usize, &Variant)) -> Option<Figure> {
    let all = cells(variant);
    let seeds: BTreeSet<u64> = variant.runs.iter().filter(|run| !run.sheets.is_empty()).map(|run| run.seed).collect();
    let seeds: Vec<u64> = seeds.into_iter().collect();
    if seeds.is_empty() {
        return None;
    }
    let named = |seed: &u64| format!("seed {seed}");
    let sheet = |place_in: (usize, usize), layer: usize, cell: &Cell, run: &Run| {
        let label = cell.label(variant);
        let label = if label.is_empty() { variant.name.to_owned() } else { label };
        Sheet {
            place: place_in,
            layer,
            name: format!("{label}, seed {}", run.seed),
            variant: place,
            job: run.job.to_string(),
            steps: run.sheets.to_vec(),
        }
    };
    let shown = |cell: &Cell| cell.runs.iter().any(|run| !run.sheets.is_empty());
    let mut notes = vec!["Sheets of jobs with the same noise size are drawn from the same noise.".to_owned()];
    let (down, across, layers, sheets) = match Plane::of(study, variant, &all)
        .filter(|(plane, _)| plane.others.is_none())
    {
        Some((plane, members)) => {
            let [down, across] = plane.along(variant);
            let sheets = members.iter().flat_map(|&at| {
                let (cell, at) = (&all[at], plane.place(&all[at]));
                cell.runs.iter().filter(|run| !run.sheets.is_empty()).filter_map(move |run| Some((at?, cell, run)))
            });
            let layer = |run: &Run| seeds.iter().position(|seed| *seed == run.seed).unwrap_or(0);
            let sheets = sheets.map(|(at, cell, run)| sheet(at, layer(run), cell, run)).collect();
            if seeds.len() > 1 {
                notes.push(format!("Picture files show only {}; the HTML report has all seeds.", named(&seeds[0])));
            }
            (down, across, seeds.iter().map(named).collect(), sheets)
        }
        None => {
            let mut seen = HashSet::new();
            let all = ranked(study, &all).into_iter().chain(&all);
            let best: Vec<&Cell> = all.filter(|cell| shown(cell) && seen.insert(std::ptr::from_ref(*cell))).collect();
            let (cells, few) = (&best[..best.len().min(CELLS)], &seeds[..seeds.len().min(SEEDS)]);
            if cells.len() < best.len() {
                notes.push(format!("The {CELLS} best of {} cells.", count(best.len())));
            }
            if few.len() < seeds.len() {
                notes.push(format!("The first {SEEDS} of {} seeds.", count(seeds.len())));
            }
            let label = |cell: &&Cell| {
                let label = cell.label(variant);
                if label.is_empty() { variant.name.to_owned() } else { label }
            };
            let down = KeyValues {
                key: if variant.axes.is_empty() { "variant" } else { "cell" }.into(),
                values: cells.iter().map(label).collect(),
            };
            let across = KeyValues { key: "seed".into(), values: few.iter().map(u64::to_string).collect() };
            let sheets =
                cells.iter().enumerate().flat_map(|(row, cell)| cell.runs.iter().map(move |run| (row, *cell, run)));
            let sheets = sheets.filter(|(_, _, run)| !run.sheets.is_empty()).filter_map(|(row, cell, run)| {
                let column = few.iter().position(|seed| *seed == run.seed)?;
                Some(sheet((row, column), 0, cell, run))
            });
            (down, across, vec!["all".to_owned()], sheets.collect())
        }
    };
    let title = format!("{}: samples", variant.name);
    let plot = Plot::Gallery(Gallery { down, across, layers, sheets });
    Some(of_none(&format!("samples-{}", variant.name), title, notes, plot))
}

/// Returns the points of the best, median and worst run of each variant's best cell, over the modes; for 2-D data only.
pub(in super::super) fn scatter(study: &Study) -> Option<Figure> {
    let &main = study.ranking.first()?;
    let datasets: Vec<&Dataset> =
        study.results.blueprints.values().filter_map(|blueprint| blueprint.dataset()).collect();
    let (first, rest) = datasets.split_first()?;
    if rest.iter().any(|other| other != first) || first.features() != 2 {
        return None;
    }
    let (centres, radius) = match first {
        // Circles need a single σ.
        Dataset::Gaussians(mixture) => match mixture.sigma() {
            Some(sigma) => (mixture.centres(), 3.0 * sigma),
            None => (Vec::new(), 0.0),
        },
        Dataset::Toy(_)
        | Dataset::Own(_)
        | Dataset::Mnist
        | Dataset::FashionMnist
        | Dataset::Mnist1k
        | Dataset::Cifar10
        | Dataset::Stl10 => (Vec::new(), 0.0),
    };
    let mut panels = Vec::new();
    for (place, variant) in study.variants.iter().enumerate().take(VARIANTS) {
        let all = cells(variant);
        let Some(best) = ranked(study, &all).into_iter().next() else { continue };
        let mut runs: Vec<(&Run, f64)> = best
            .runs
            .iter()
            .filter(|run| !run.sheets.is_empty())
            .filter_map(|run| Some((run, study.quality(run, main)?)))
            .collect();
        runs.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let picks = match runs.len() {
            0 => vec![],
            1 => vec![("only", 0)],
            2 => vec![("best", 0), ("worst", 1)],
            n => vec![("best", 0), ("median", n / 2), ("worst", n - 1)],
        };
        for (word, at) in picks {
            let (run, _) = runs[at];
            let score = study.score(run, main).map_or("no score".to_owned(), number);
            let Some((_, sheet)) = run.sheets.last() else { continue };
            panels.push(Points {
                title: format!("{}\n{word}: {score}, seed {}", variant.name, run.seed),
                variant: place,
                path: Path::new(sheet).with_extension("npy").display().to_string(),
            });
        }
    }
    if panels.is_empty() {
        return None;
    }
    let mut notes = vec![format!(
        "The best cell of each variant: its runs with the best, the median and the worst {}, among those with a \
        sheet.{}",
        main.name(),
        if radius > 0.0 { " Circles: 3 σ around the modes." } else { "" }
    )];
    if study.variants.len() > VARIANTS {
        notes.push(format!("The first {VARIANTS} of {} variants.", count(study.variants.len())));
    }
    Some(of_none("points", "Generated points".into(), notes, Plot::Scatter(Scatter { centres, radius, panels })))
}
