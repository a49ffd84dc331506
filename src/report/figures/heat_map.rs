//! The effect of two swept keys on a score, cell by cell.

use serde_json::Value;

use super::super::cells::{Cell as Point, ranked, text};
use super::super::early::{all_cells, stopped};
use super::super::grid::values;
use super::super::stats::better;
use super::super::study::{Study, Variant};
use super::of_score;
use sweep_figure::format::count;
use sweep_figure::{Cell, Figure, HeatMap, KeyValues, Plot};
use sweep_spec::metric::{Direction, Measure};

/// Most values of a key.
const MOST: usize = 60;

/// The cells of a variant that form a grid: two of its keys, with the others fixed.
pub(super) struct Plane<'a> {
    pub down: usize,
    pub across: usize,
    /// Their values, in ascending order.
    pub values: [Vec<Option<&'a Value>>; 2],
    /// The fixed keys with their values, if there are any.
    pub others: Option<String>,
}

impl<'a> Plane<'a> {
    /// Returns the plane of the variant's two keys; with more keys, the one through the best cell. `None` if too few of
    /// its places have a cell.
    pub(super) fn of(study: &Study, variant: &Variant<'a>, cells: &[Point<'a>]) -> Option<(Plane<'a>, Vec<usize>)> {
        if variant.axes.len() < 2 {
            return None;
        }
        let mut axes: Vec<(usize, usize)> =
            (0..variant.axes.len()).map(|axis| (axis, values(cells, axis).len())).filter(|(_, n)| *n > 1).collect();
        if variant.axes.len() > 2 {
            // Keys with the most values are swept most densely; ties go to the first.
            axes.sort_by_key(|(axis, n)| (std::cmp::Reverse(*n), *axis));
            axes.truncate(2);
            axes.sort_unstable();
        }
        let [(down, _), (across, _)] = *axes.as_slice() else { return None };
        let best = ranked(study, cells).first().map(|best| best.values.clone());
        let others: Vec<usize> = (0..variant.axes.len()).filter(|axis| *axis != down && *axis != across).collect();
        let fixed = if others.is_empty() { None } else { Some(best?) };
        let inside = |cell: &Point| {
            fixed.as_ref().is_none_or(|fixed| others.iter().all(|&axis| cell.values[axis] == fixed[axis]))
        };
        let members: Vec<usize> = (0..cells.len()).filter(|&at| inside(&cells[at])).collect();
        let of: Vec<Point> = members.iter().map(|&at| cells[at].clone()).collect();
        let found = [values(&of, down), values(&of, across)];
        let places = found[0].len() * found[1].len();
        let is_grid =
            found.iter().all(|values| (1..=MOST).contains(&values.len())) && places > 1 && 2 * members.len() >= places;
        let others = fixed.map(|fixed| {
            let named = others.iter().filter(|&&axis| fixed[axis].is_some());
            named.map(|&axis| format!("{} {}", variant.axes[axis], text(fixed[axis]))).collect::<Vec<_>>().join(", ")
        });
        is_grid.then_some((Plane { down, across, values: found, others }, members))
    }

    /// Returns the row and column of a cell.
    pub(super) fn place(&self, cell: &Point<'a>) -> Option<(usize, usize)> {
        let at = |values: &[Option<&Value>], axis: usize| values.iter().position(|value| *value == cell.values[axis]);
        Some((at(&self.values[0], self.down)?, at(&self.values[1], self.across)?))
    }

    /// Returns its two keys with their values.
    pub(super) fn along(&self, variant: &Variant) -> [KeyValues; 2] {
        let along = |axis: usize, values: &[Option<&Value>]| KeyValues {
            key: variant.axes[axis].to_owned(),
            values: values.iter().map(|value| text(*value)).collect(),
        };
        [along(self.down, &self.values[0]), along(self.across, &self.values[1])]
    }
}

/// Returns the mean of a score in each cell of a variant's grid.
pub(in super::super) fn heat_map(study: &Study, variant: &Variant, metric: Measure) -> Option<Figure> {
    let all = all_cells(variant);
    let (plane, members) = Plane::of(study, variant, &all)?;
    let [down, across] = plane.along(variant);
    let mut grid = vec![vec![Cell::None; across.values.len()]; down.values.len()];
    for point in members.iter().map(|&at| &all[at]) {
        let (row, column) = plane.place(point)?;
        grid[row][column] = cell(study, point, metric);
    }
    let is_scored = |cell: &Cell| matches!(cell, Cell::Value { .. });
    if !grid.iter().flatten().any(is_scored) {
        return None;
    }
    let mut notes = vec![
        "In each cell, as far as there is room: mean over seeds, ± standard deviation, number of seeds. Lighter is \
        better."
            .to_owned(),
    ];
    let through = plane.others.map_or(String::new(), |others| {
        notes.push(format!(
            "A section through {} cells: the other keys are those of the best cell by {}, picked by the scores of \
            these same runs{}.",
            count(all.len()),
            study.ranking.first().map_or("score", |main| main.name()),
            if others.is_empty() { String::new() } else { format!(": {others}") }
        ));
        ", through the best cell".to_owned()
    });
    if grid.iter().flatten().any(|cell| matches!(cell, Cell::Value { n, of, .. } if n < of)) {
        notes.push("If a cell has fewer scores than jobs, its mean is of those that have one.".to_owned());
    }
    let title = format!("{}: mean {} by {} and {}{through}", variant.name, metric.name(), down.key, across.key);
    let value = format!("mean {}", metric.name());
    let plot = HeatMap { down, across, value, higher: better(metric) == Direction::Higher, cells: grid };
    let name = format!("heat-map-{}", variant.name);
    let figure = of_score(study, (&name, metric), title, notes, Plot::HeatMap(plot));
    Some(Figure { small: true, ..figure })
}

fn cell(study: &Study, point: &Point, metric: Measure) -> Cell {
    match point.summary(study, metric) {
        Some(summary) => Cell::Value { mean: summary.mean, std: summary.std, n: summary.n, of: point.runs.len() },
        None if point.runs.iter().all(|run| study.quality(run, metric).is_some()) => Cell::Lost(point.runs.len()),
        None => stopped(point).map_or(Cell::Open(point.runs.len()), Cell::Stopped),
    }
}
