//! `--budget`: as many seeds of each cell as fit into a time.

use std::collections::HashMap;

use crate::Failure;
use crate::early_stopping;
use crate::own_trainers::Seconds;
use sweep_plan::slot::Slot;
use sweep_plan::{Limits, plan};
use sweep_report::format::{duration, plural};
use sweep_spec::expand::Expansion;
use sweep_spec::id::JobId;
use sweep_spec::job::Task;

/// Lines of a plan at most.
const TOLD: usize = 8;

/// For each job how many jobs of its cell stand before it in the file: the more, the later it is left out.
#[derive(Clone, Debug)]
pub(crate) struct Ranks {
    ranks: HashMap<JobId, usize>,
    /// What part of the steps is trained, where cells are stopped early.
    share: f64,
    /// Seeds of the cell that has the most.
    most: usize,
}

/// How many seeds fit into a budget.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fitting {
    /// So many of each cell.
    pub(crate) seeds: usize,
    /// About how long they take, in seconds.
    pub(crate) seconds: f64,
    /// How many there are of a cell at most.
    pub(crate) of: usize,
}

impl Ranks {
    /// Of a sweep's jobs; none where seeds are added as they are needed.
    pub(crate) fn of(expansion: &Expansion) -> Option<Ranks> {
        if expansion.race.is_some() || !expansion.searches.is_empty() {
            return None;
        }
        let (mut ranks, mut most) = (HashMap::new(), 0);
        let cells =
            expansion.entries.chunk_by(|a, b| a.variant == b.variant && std::sync::Arc::ptr_eq(&a.axes, &b.axes));
        for cell in cells {
            most = most.max(cell.len());
            for (rank, entry) in cell.iter().enumerate() {
                // One that stands in several cells is there as soon as one of them has it.
                let known = ranks.entry(entry.id).or_insert(rank);
                *known = rank.min(*known);
            }
        }
        Some(Ranks { ranks, most, share: early_stopping::share(expansion).unwrap_or(1.0) })
    }

    /// Whether a job is among the first so many of its cell.
    pub(crate) fn has(&self, job: JobId, seeds: usize) -> bool {
        self.ranks.get(&job).is_none_or(|rank| *rank < seeds)
    }

    /// About how long so many seeds of each cell take, of these tasks.
    fn seconds(&self, tasks: &[Task], seeds: usize, (slots, limits): (&[Slot], &Limits)) -> f64 {
        let tasks = tasks.iter().filter(|task| self.has(task.id, seeds)).cloned().collect();
        self.share * plan(tasks, slots, limits).seconds
    }

    /// The most seeds with which `tasks`, those that are to be trained still, take no longer than this.
    pub(crate) fn fitting(&self, tasks: &[Task], budget: f64, place: (&[Slot], &Limits)) -> Fitting {
        let (mut fits, mut not) = (0, self.most + 1);
        while not - fits > 1 {
            let middle = usize::midpoint(fits, not);
            if self.seconds(tasks, middle, place) <= budget { fits = middle } else { not = middle }
        }
        Fitting { seeds: fits, seconds: self.seconds(tasks, fits, place), of: self.most }
    }

    /// What a plan says of it: how long each number of seeds takes, and which fit.
    pub(crate) fn planned(&self, tasks: &[Task], budget: f64, place: (&[Slot], &Limits)) -> String {
        let fitting = self.fitting(tasks, budget, place);
        let mut shown: Vec<usize> = (1..=self.most).collect();
        if shown.len() > TOLD {
            // The first, those around what fits, and all.
            shown.retain(|n| *n == 1 || *n == self.most || n.abs_diff(fitting.seeds) <= 2);
        }
        let line = |n: &usize| format!("{}: about {}", plural(*n, "seed"), duration(self.seconds(tasks, *n, place)));
        let lines: Vec<String> = shown.iter().map(line).collect();
        format!("{}\n{}", fitting.words(budget), lines.join("\n"))
    }
}

impl Fitting {
    /// In words.
    pub(crate) fn words(&self, budget: f64) -> String {
        let budget = duration(budget);
        match self.seeds {
            0 => format!("not even one seed of each cell fits into {budget}"),
            seeds if seeds >= self.of => format!("all {} fit into {budget}", plural(self.of, "seed")),
            seeds => format!(
                "{seeds} of {} of each cell {} into {budget} (about {}, estimated)",
                plural(self.of, "seed"),
                if seeds == 1 { "fits" } else { "fit" },
                duration(self.seconds)
            ),
        }
    }

    /// # Errors
    ///
    /// Where nothing fits.
    pub(crate) fn check(self, budget: f64, least: f64) -> Result<Fitting, Failure> {
        if self.seeds > 0 {
            return Ok(self);
        }
        Err(Failure::usage(format!(
            "{}: it takes about {} (estimated). Fewer cells, fewer steps, or `prune`, take less; `--run-time` ends a run after a time whatever is done by then",
            self.words(budget),
            duration(least)
        )))
    }
}

/// What to say where nobody knows how long some jobs take: those of trainers of the user's own of which none has ended.
pub(crate) fn unknown(tasks: &[Task], seconds: &Seconds, budget: f64) -> Option<String> {
    let is_unknown =
        |task: &Task| task.job.blueprint.own().is_some() && !seconds.contains_key(&task.job.blueprint.id());
    tasks.iter().any(is_unknown).then(|| {
        format!(
            "not known before a job of your own trainer has ended; all jobs are asked for, and the run ends after {} whatever is done by then",
            duration(budget)
        )
    })
}

/// Why there is no budget for a file.
pub(crate) fn has_looks() -> Failure {
    Failure::usage(
        "`--budget` does not go together with `seeds: {looks: …}` and `search`, which say themselves what is trained (`--run-time` ends a run after a \
         time)",
    )
}

/// What one seed of each cell takes.
pub(crate) fn least(ranks: &Ranks, tasks: &[Task], place: (&[Slot], &Limits)) -> f64 {
    ranks.seconds(tasks, 1, place)
}
