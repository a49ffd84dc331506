//! `--budget`: trains as many seeds of each cell as fit into a time.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;

use crate::Failure;
use crate::early_stopping;
use crate::own_trainers::Seconds;
use sweep_plan::slot::{Device, Slot};
use sweep_plan::{Limits, plan};
use sweep_report::format::{duration, plural};
use sweep_spec::expand::Expansion;
use sweep_spec::id::JobId;
use sweep_spec::job::Task;
use sweep_spec::policy;

/// The largest number of lines in a plan.
const TOLD: usize = 8;

/// How much a run may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// Seconds of wall-clock time.
    Time(f64),
    /// Seconds of GPUs: a run on four of them takes this four times as fast.
    GpuTime(f64),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_lowercase();
        let hours = ["gpuh", "gpu-h", "gpu-hour", "gpu-hours"].iter().find_map(|unit| lower.strip_suffix(unit));
        let budget = match hours {
            Some(hours) => hours.trim_end().parse().map(|hours: f64| Budget::GpuTime(hours * 3600.0)).ok(),
            None => policy::seconds(text).map(Budget::Time).ok(),
        };
        let is_some = |budget: &Budget| match *budget {
            Budget::Time(seconds) | Budget::GpuTime(seconds) => seconds.is_finite() && seconds > 0.0,
        };
        budget.filter(is_some).ok_or_else(|| {
            "expected a time above 0, such as 90s, 15m, 2h or 1.5d, or GPU-hours, such as 16gpuh".to_owned()
        })
    }
}

impl Budget {
    /// Returns the wall-clock seconds of a run on `slots`. Slots of one machine may share a GPU; if they are on
    /// several machines (`far`), each has its own.
    ///
    /// # Errors
    ///
    /// GPU-hours without a GPU.
    pub(crate) fn seconds(self, slots: &[Slot], far: bool) -> Result<f64, Failure> {
        let gpus = || slots.iter().map(|slot| slot.device).filter(|device| *device != Device::Cpu);
        let count = if far { gpus().count() } else { gpus().collect::<BTreeSet<_>>().len() };
        match self {
            Budget::Time(seconds) => Ok(seconds),
            Budget::GpuTime(_) if count == 0 => Err(Failure::usage(
                "--budget is in GPU-hours, but no slot is on a GPU: name GPUs with --devices, or give a time such as \
                2h",
            )),
            Budget::GpuTime(seconds) => Ok(seconds / count as f64),
        }
    }
}

/// For each job, how many jobs of its cell come before it in the file. Jobs with higher ranks are left out first.
#[derive(Clone, Debug)]
pub(crate) struct Ranks {
    ranks: HashMap<JobId, usize>,
    /// The share of the steps that is trained if cells are stopped early.
    share: f64,
    /// The number of seeds of the cell that has the most.
    most: usize,
}

/// How many seeds fit into a budget.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fitting {
    /// Seeds of each cell.
    pub(crate) seeds: usize,
    /// The estimated time for them, in seconds.
    pub(crate) seconds: f64,
    /// The largest number of seeds that a cell has.
    pub(crate) of: usize,
}

impl Ranks {
    /// Returns the ranks of a sweep's jobs; `None` if seeds are added as needed.
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
                // A job that is in several cells is trained as soon as one of them wants it.
                let known = ranks.entry(entry.id).or_insert(rank);
                *known = rank.min(*known);
            }
        }
        Some(Ranks { ranks, most, share: early_stopping::share(expansion).unwrap_or(1.0) })
    }

    /// Whether a job is among the first `seeds` of its cell.
    pub(crate) fn has(&self, job: JobId, seeds: usize) -> bool {
        self.ranks.get(&job).is_none_or(|rank| *rank < seeds)
    }

    /// Estimates the seconds that this many seeds of each cell take, counting only these tasks.
    fn seconds(&self, tasks: &[Task], seeds: usize, (slots, limits): (&[Slot], &Limits)) -> f64 {
        let tasks = tasks.iter().filter(|task| self.has(task.id, seeds)).cloned().collect();
        self.share * plan(tasks, slots, limits).seconds
    }

    /// Returns the largest number of seeds with which `tasks`, those that are still to be trained, take no longer than
    /// `budget` seconds.
    pub(crate) fn fitting(&self, tasks: &[Task], budget: f64, place: (&[Slot], &Limits)) -> Fitting {
        let (mut fits, mut not) = (0, self.most + 1);
        while not - fits > 1 {
            let middle = usize::midpoint(fits, not);
            if self.seconds(tasks, middle, place) <= budget { fits = middle } else { not = middle }
        }
        Fitting { seeds: fits, seconds: self.seconds(tasks, fits, place), of: self.most }
    }

    /// Describes for a plan how long each number of seeds takes, and which fit.
    pub(crate) fn planned(&self, tasks: &[Task], budget: f64, place: (&[Slot], &Limits)) -> String {
        let fitting = self.fitting(tasks, budget, place);
        let mut shown: Vec<usize> = (1..=self.most).collect();
        if shown.len() > TOLD {
            // Shows the first, those around the number that fits, and all.
            shown.retain(|n| *n == 1 || *n == self.most || n.abs_diff(fitting.seeds) <= 2);
        }
        let line = |n: &usize| format!("{}: about {}", plural(*n, "seed"), duration(self.seconds(tasks, *n, place)));
        let lines: Vec<String> = shown.iter().map(line).collect();
        format!("{}\n{}", fitting.words(budget), lines.join("\n"))
    }
}

impl Fitting {
    /// Describes it in words.
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
    /// Nothing fits.
    pub(crate) fn check(self, budget: f64, least: f64) -> Result<Fitting, Failure> {
        if self.seeds > 0 {
            return Ok(self);
        }
        Err(Failure::usage(format!(
            "{}: it takes about {} (estimated). Use fewer cells, fewer steps, or `prune`; or end the run after a \
            fixed time with `--run-time`",
            self.words(budget),
            duration(least)
        )))
    }
}

/// Returns what to say if some jobs' durations are unknown: those of the user's own trainers of which none has ended.
pub(crate) fn unknown(tasks: &[Task], seconds: &Seconds, budget: f64) -> Option<String> {
    let is_unknown =
        |task: &Task| task.job.blueprint.own().is_some() && !seconds.contains_key(&task.job.blueprint.id());
    tasks.iter().any(is_unknown).then(|| {
        format!(
            "unknown until a job of your own trainer has ended; all jobs are planned, and the run ends after {} even \
            if some are not done",
            duration(budget)
        )
    })
}

/// Returns why a file with interim looks or a search can have no budget.
pub(crate) fn has_looks() -> Failure {
    Failure::usage(
        "`--budget` cannot be used with `seeds: {looks: …}` or `search`, which decide themselves what is trained \
        (`--run-time` ends a run after a fixed time)",
    )
}

/// Estimates the seconds for one seed of each cell.
pub(crate) fn least(ranks: &Ranks, tasks: &[Task], place: (&[Slot], &Limits)) -> f64 {
    ranks.seconds(tasks, 1, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpu_hours_are_shared_by_the_gpus() {
        let slots = |devices: &[Device]| devices.iter().map(|device| Slot { device: *device, threads: 1 }).collect();
        let hours = |text: &str, devices: &[Device], far| {
            let slots: Vec<Slot> = slots(devices);
            text.parse::<Budget>().unwrap().seconds(&slots, far).map(|seconds| seconds / 3600.0).ok()
        };
        let two = [Device::Cuda(0), Device::Cuda(1), Device::Cpu];
        for (text, expected) in [("2h", 2.0), ("16gpuh", 8.0), ("16 GPU-hours", 8.0), ("1.5gpu-h", 0.75)] {
            assert_eq!(hours(text, &two, false), Some(expected), "{text}");
        }
        assert_eq!(hours("6gpuh", &[Device::Cuda(0), Device::Cuda(0)], false), Some(6.0), "one GPU, two slots");
        assert_eq!(hours("6gpuh", &[Device::Cuda(0), Device::Cuda(0)], true), Some(3.0), "two machines");
        assert_eq!(hours("6gpuh", &[Device::Cpu], false), None);
        for text in ["", "gpuh", "0gpuh", "-1gpuh", "nangpuh", "0s", "4 GPUs"] {
            assert!(text.parse::<Budget>().is_err(), "{text}");
        }
    }
}
