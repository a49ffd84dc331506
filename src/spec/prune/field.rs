//! The cells of a sweep that are compared, and what is wrong with a file where they cannot be.

use super::super::error::Mistakes;
use super::super::expand::Entry;
use super::{Declared, Prune};

/// The cells of a variant that are compared with each other.
#[derive(Clone, Debug)]
pub struct Field<'e> {
    /// The variant.
    pub variant: &'e str,
    /// Steps of each.
    pub steps: u64,
    /// The jobs of each cell, one a seed, in the order of the file; those of cells that are spared are in none.
    pub cells: Vec<&'e [Entry]>,
}

impl Prune {
    /// What is compared: nothing of variants with no more cells than are kept.
    pub fn fields<'e>(&self, entries: &'e [Entry]) -> Vec<Field<'e>> {
        let fields = fields(entries).into_iter();
        fields.filter(|field| field.cells.len() > self.keep && !self.rule.rungs(field.steps).is_empty()).collect()
    }
}

/// All variants with their cells, but for those that are spared.
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
    /// What is wrong with it for a file with these jobs.
    pub(in super::super) fn check(&self, entries: &[Entry], mistakes: &mut Mistakes) {
        let Declared { prune, place, .. } = self;
        let mut say = |message: String, help: &str| mistakes.advise(&*place.path, &place.span, message, help);
        let fields: Vec<Field> = fields(entries).into_iter().filter(|field| field.cells.len() > prune.keep).collect();
        if fields.is_empty() {
            let message = format!(
                "nothing is left to compare: no variant has more than {} cells that are not spared",
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
                let message = format!("cells of `{variant}` have {steps} and {other} steps");
                return say(
                    message,
                    "cells are compared at the same step of a training that is equally long: sweep no `steps` here",
                );
            }
            if let Some(entry) = jobs().find(|entry| !entry.score.measures().any(|measure| measure == prune.metric)) {
                let names: Vec<&str> = entry.score.measures().map(|metric| metric.name()).collect();
                let message = format!("`{}` is not among the scores of `{variant}`", prune.metric.name());
                return say(message, &format!("its `score.metrics` are {}", names.join(", ")));
            }
            let rungs = prune.rule.rungs(*steps);
            compared |= !rungs.is_empty();
            let unscored = |step: &&u64| jobs().any(|entry| !entry.score.is_at(**step, *steps));
            // What a trainer of the user's own reports, it reports when it will.
            let own = jobs().any(|entry| entry.job.blueprint.own().is_some());
            if let Some(step) = rungs.iter().find(unscored).filter(|_| !own) {
                let all = rungs.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                let message = format!("step {step} is not one at which `{variant}` is scored");
                return say(message, &format!("cells are compared at steps {all}: let `score.every` go into them"));
            }
        }
        if !compared {
            let steps = fields.iter().map(|field| field.steps).max().unwrap_or_default();
            say(format!("nothing is compared: no rung is before the last of {steps} steps"), "let `first` be smaller");
        }
    }
}
