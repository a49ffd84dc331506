//! The cells of a sweep that pruning compares, and the mistakes of files in which they cannot be compared.

use super::super::error::Mistakes;
use super::super::expand::Entry;
use super::{Declared, Prune};

/// The cells of a variant that are compared with each other.
#[derive(Clone, Debug)]
pub struct Field<'e> {
    /// The variant.
    pub variant: &'e str,
    /// The steps of each cell.
    pub steps: u64,
    /// The jobs of each cell, one per seed, in file order. Spared cells are left out.
    pub cells: Vec<&'e [Entry]>,
}

impl Prune {
    /// Returns the cells to compare, without variants that have no more cells than are kept.
    pub fn fields<'e>(&self, entries: &'e [Entry]) -> Vec<Field<'e>> {
        let fields = fields(entries).into_iter();
        fields.filter(|field| field.cells.len() > self.keep && !self.rule.rungs(field.steps).is_empty()).collect()
    }
}

/// Returns all variants with their cells, without spared cells.
fn fields(entries: &[Entry]) -> Vec<Field<'_>> {
    let variants = entries.chunk_by(|a, b| a.variant == b.variant);
    let mut all: Vec<Field> = Vec::new();
    for entries in variants {
        let Some(first) = entries.first() else { continue };
        let cells = entries.chunk_by(|a, b| std::sync::Arc::ptr_eq(&a.axes, &b.axes));
        let cells: Vec<&[Entry]> = cells.filter(|cell| cell.iter().all(|entry| !entry.spared)).collect();
        let steps = cells.first().map_or(first, |cell| &cell[0]).job.blueprint.steps();
        all.push(Field { variant: &first.variant, steps, cells });
    }
    all
}

impl Declared {
    /// Reports what is wrong with pruning in a file with these jobs.
    pub(in super::super) fn check(&self, entries: &[Entry], mistakes: &mut Mistakes) {
        let Declared { prune, place, .. } = self;
        let mut say = |message: String, help: &str| mistakes.advise(&*place.path, &place.span, message, help);
        let fields: Vec<Field> = fields(entries).into_iter().filter(|field| field.cells.len() > prune.keep).collect();
        if fields.is_empty() {
            let message = format!(
                "there is nothing to compare: no variant has more than {} cells that are not spared",
                prune.keep
            );
            return say(
                message,
                "cells of a variant are compared with each other: sweep something in it, or spare fewer",
            );
        }
        let mut compared = false;
        for Field { variant, steps, cells } in &fields {
            let jobs = || cells.iter().flat_map(|cell| cell.iter());
            if let Some(other) = jobs().map(|entry| entry.job.blueprint.steps()).find(|other| other != steps) {
                let message = format!("cells of `{variant}` have different numbers of steps, {steps} and {other}");
                return say(
                    message,
                    "cells are compared at the same step of trainings of the same length: do not sweep `steps` here",
                );
            }
            if let Some(entry) = jobs().find(|entry| !entry.score.measures().any(|measure| measure == prune.metric)) {
                let names: Vec<&str> = entry.score.measures().map(|metric| metric.name()).collect();
                let message = format!("`{}` is not a score of `{variant}`", prune.metric.name());
                return say(message, &format!("its `score.metrics` are {}", names.join(", ")));
            }
            let rungs = prune.rule.rungs(*steps);
            compared |= !rungs.is_empty();
            let unscored = |step: &&u64| jobs().any(|entry| !entry.score.is_at(**step, *steps));
            // The user's own trainer reports its scores whenever it wants.
            let own = jobs().any(|entry| entry.job.blueprint.own().is_some());
            if let Some(step) = rungs.iter().find(unscored).filter(|_| !own) {
                let all = rungs.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("`{variant}` is not scored at step {step}");
                return say(
                    message,
                    &format!("cells are compared at steps {all}: set `score.every` to a divisor of these"),
                );
            }
        }
        if !compared {
            let steps = fields.iter().map(|field| field.steps).max().unwrap_or_default();
            say(
                format!("nothing is compared: no rung comes before the last of {steps} steps"),
                "use a smaller `first`",
            );
        }
    }
}
