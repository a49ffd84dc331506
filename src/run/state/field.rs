//! Compared cells on their way from rung to rung.

use std::collections::BTreeSet;

use serde_json::Value;

use super::turn::Merit;
use sweep_spec::id::JobId;
use sweep_spec::metric::Direction;
use sweep_spec::prune::{Prune, Rung, Standing};

/// A job of a cell of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Replicate {
    /// The job.
    pub job: JobId,
    /// The settings that the cell asks for in the score by which cells are compared; `None` if it is not compared.
    pub asked: Option<Value>,
}

/// Cells of a variant that are compared.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The pruning rule.
    pub prune: Prune,
    /// Steps of each job.
    pub steps: u64,
    /// The jobs of each cell.
    pub cells: Vec<Vec<Replicate>>,
}

/// A contest in progress.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) sweep: usize,
    pub(super) contest: Contest,
    /// The steps of all rungs.
    pub(super) rungs: Vec<u64>,
    /// The score of each cell, seed and rung: `None` if not known yet, `Some(None)` if the job ended without it.
    pub(super) known: Vec<Vec<Vec<Option<Option<f64>>>>>,
    /// The decisions so far.
    pub(super) decided: Vec<Rung>,
    /// The cells that have not been stopped.
    pub(super) alive: BTreeSet<usize>,
    /// The jobs that the next decision waits for.
    pub(super) waiting: BTreeSet<(usize, usize)>,
}

impl Field {
    pub(super) fn new(sweep: usize, contest: Contest) -> Field {
        let rungs = contest.prune.rule.rungs(contest.steps);
        let known = contest.cells.iter().map(|cell| vec![vec![None; rungs.len()]; cell.len()]).collect();
        let alive = (0..contest.cells.len()).collect();
        let mut field = Field { sweep, contest, rungs, known, decided: Vec::new(), alive, waiting: BTreeSet::new() };
        field.wait();
        field
    }

    /// Returns the index of the next rung to decide.
    pub(super) fn next(&self) -> Option<usize> {
        let place = self.decided.len();
        (self.alive.len() > self.contest.prune.keep && place < self.rungs.len()).then_some(place)
    }

    /// Collects the jobs that the next decision waits for.
    pub(super) fn wait(&mut self) {
        self.waiting.clear();
        let Some(rung) = self.next() else { return };
        for &cell in &self.alive {
            let open = self.known[cell].iter().enumerate().filter(|(_, seed)| seed[rung].is_none());
            self.waiting.extend(open.map(|(seed, _)| (cell, seed)));
        }
    }

    /// Returns how good a cell is at a rung, from the scores known so far.
    pub(super) fn merit(&self, cell: usize, rung: usize) -> Merit {
        let standing = Standing::of(self.known[cell].iter().filter_map(|seed| seed[rung]));
        match self.contest.prune.better {
            _ if standing.mean.is_nan() => Merit::NONE,
            Direction::Higher => Merit(standing.mean),
            Direction::Lower => Merit(-standing.mean),
        }
    }
}
