//! Turns drawn scores into the results of a sweep, and reads its report.

use std::collections::BTreeMap;
use std::sync::Arc;

use sweep_report::document::{Block, Cell, Document, Table};
use sweep_report::{File, Options, report};
use sweep_spec::expect::Expect;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::metric::Metric;
use sweep_store::{Entry, Results, Scored, Sweep};
use sweep_wire::status::Status;

use super::draw::Random;
use super::settings::Setting;

/// Scores of a variant's cells, by seed.
pub(crate) type Variant = Vec<Vec<f64>>;

/// Draws one sweep of a setting: the baseline, then this many rivals with this many cells each.
pub(crate) fn drawn(
    setting: &Setting,
    (rivals, cells, seeds): (usize, usize, usize),
    random: &mut Random,
) -> Vec<Variant> {
    let common: Vec<f64> = (0..seeds).map(|_| setting.common * random.normal()).collect();
    let mut cell = |shape| common.iter().map(|common| common + random.score(shape)).collect::<Vec<f64>>();
    let mut variants = vec![vec![cell(setting.baseline)]];
    for _ in 0..rivals {
        let first = setting.first.unwrap_or(setting.cells);
        variants.push((0..cells).map(|place| cell(if place == 0 { first } else { setting.cells })).collect());
    }
    variants
}

/// Returns results with these scores. `apart`: no two variants share a seed.
pub(crate) fn results(variants: &[Variant], apart: bool) -> Results {
    let mut entries = Vec::new();
    for (place, variant) in variants.iter().enumerate() {
        for (cell, scores) in variant.iter().enumerate() {
            let axes: BTreeMap<String, serde_json::Value> = [("cell".to_owned(), cell.into())].into();
            let axes = Arc::new(if variant.len() > 1 { axes } else { BTreeMap::new() });
            for (seed, &value) in scores.iter().enumerate() {
                let ordinal = entries.len() as u64;
                let scored =
                    Scored { metric: Metric::ModeScore.into(), step: 100, value, std: None, protocol: 1, ask: 1 };
                entries.push(Entry {
                    ordinal,
                    variant: if place == 0 { "GAN".to_owned() } else { format!("Rival {place}") },
                    axes: Arc::clone(&axes),
                    job: JobId::of(&ordinal.to_le_bytes()),
                    blueprint: BlueprintId::of(b"drawn"),
                    seed: if apart { 1000 * place as u64 } else { 0 } + seed as u64,
                    status: if value.is_nan() { Status::Diverged } else { Status::Done },
                    message: String::new(),
                    step: 100,
                    seconds: None,
                    scoring: 0.0,
                    scores: if value.is_nan() { Vec::new() } else { vec![scored] },
                    curves: BTreeMap::new(),
                    sheets: Vec::new(),
                    cohorts: Vec::new(),
                });
            }
        }
    }
    Results {
        declared: Vec::new(),
        sweep: Sweep {
            name: "drawn".into(),
            file: String::new(),
            source: String::new(),
            updated_at: 0.0,
            looks: Vec::new(),
        },
        entries,
        blueprints: BTreeMap::new(),
        protocols: [(1, serde_json::json!({}))].into(),
        floors: BTreeMap::new(),
        apart: BTreeMap::new(),
        underway: Vec::new(),
        attempts: Vec::new(),
        as_of: None,
        losses: Default::default(),
    }
}

/// Reports on them.
pub(crate) fn reported(results: Results, expects: Vec<Expect>, short: bool) -> Document {
    let options = Options { metric: None, short, ..Options::default() };
    report(&[(results, File { expects, ..File::default() })], options).expect("the main score was drawn").document
}

/// Counts the verdicts of better and of worse in a report.
pub(crate) fn verdicts(document: &Document) -> (usize, usize) {
    let (mut better, mut worse) = (0, 0);
    for block in &document.blocks {
        match block {
            Block::Verdict(text) => {
                better += text.matches(" beats GAN in ").count();
                worse += text.matches(" is worse than GAN in ").count();
            }
            Block::Table(table) if table.name == "comparisons" => {
                let is = |word: &str| {
                    let said =
                        |row: &&Vec<Cell>| matches!(row.last(), Some(Cell::Text(text)) if text.starts_with(word));
                    table.rows.iter().filter(said).count()
                };
                (better, worse) = (is("better"), is("worse"));
            }
            Block::Table(_) | Block::Section(_) | Block::Paragraph(_) | Block::Figure(_) | Block::Jobs(_) => {}
        }
    }
    (better, worse)
}

/// Returns the p in the row of a rival; `None` if there is no verdict.
pub(crate) fn p(document: &Document, rival: usize) -> Option<f64> {
    let is_p = |cell: &Cell| if let Cell::Probability(p) = cell { Some(*p) } else { None };
    table(document, "comparisons")?.rows.get(rival)?.iter().find_map(is_p)
}

fn table<'d>(document: &'d Document, name: &str) -> Option<&'d Table> {
    document.blocks.iter().find_map(|block| match block {
        Block::Table(table) if table.name == name => Some(table),
        _ => None,
    })
}

/// Returns the interval in a row and column of a table, counted from 0; `None` if none is shown.
pub(crate) fn interval(document: &Document, name: &str, row: usize, column: usize) -> Option<(f64, f64)> {
    match table(document, name)?.rows.get(row)?.get(column)? {
        Cell::Interval { low, high } | Cell::Rate { low, high, .. } => Some((*low, *high)),
        _ => None,
    }
}
