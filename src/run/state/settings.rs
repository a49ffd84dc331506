//! How patient a run is, and where it ends.

use sweep_spec::id::CohortId;

/// The longest pause before another attempt, in seconds; chance adds up to half of it.
const LONGEST_PAUSE: f64 = 60.0;

/// How patient a run is, and where it ends. Times are in seconds; infinite ones never come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// A cohort fails after so many attempts in a row without progress.
    pub tries: u32,
    /// Before the second attempt; twice as long before each further one, up to a minute, and up to half as long again, so that what
    /// failed together is not tried again together. 0: at once.
    pub backoff: f64,
    /// A busy worker that gives no sign of life for so long is asked to stop; if it does not for as long again, or for `grace` where that
    /// is less, it is killed.
    pub silence: f64,
    /// And so is one that was asked to stop for another reason, after this time.
    pub grace: f64,
    /// A job may take so long, scoring included: the time of its cohort, in this run. Then it fails.
    pub job_time: f64,
    /// The run may take so long. Then it ends as after a Ctrl-C.
    pub run_time: f64,
    /// The run ends after so many failures.
    pub max_failures: usize,
    /// Cohorts that train then come to their end; else they are stopped, after a checkpoint.
    pub finish_running: bool,
    /// Whether workers hear while they train which members are not to be trained any more, as sweep's own do. Others are asked to stop, and
    /// their next order says it.
    pub control: bool,
    /// How far away workers are.
    pub pace: Pace,
}

/// How far away workers are: what is heard of them is late, and so is what they are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Seconds that news may take, either way: who is silent for no longer than that is not silent.
    pub delay: f64,
    /// A worker gets another cohort beside those that it has as long as they are predicted to take less than so many seconds together, by what its
    /// last ones took. Where it would take more, nothing is gained: another slot may come free earlier.
    pub ahead_seconds: f64,
    /// And so many more than the one that it is at, at most.
    pub ahead: usize,
}

impl Default for Pace {
    /// Of workers on this machine.
    fn default() -> Self {
        Pace { delay: 0.0, ahead_seconds: 2.0, ahead: 1 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            tries: 3,
            backoff: 1.0,
            silence: 1800.0,
            grace: 60.0,
            job_time: f64::INFINITY,
            run_time: f64::INFINITY,
            max_failures: usize::MAX,
            finish_running: true,
            control: true,
            pace: Pace::default(),
        }
    }
}

impl Settings {
    /// How long `cohort` waits after `fruitless` attempts in a row without progress: no clock and no dice, but the cohort's id makes the difference.
    pub(super) fn pause(&self, cohort: CohortId, fruitless: u32) -> f64 {
        let doubled = self.backoff * f64::from(fruitless.saturating_sub(1).min(30)).exp2();
        let hash = blake3::hash(format!("{cohort} {fruitless}").as_bytes());
        let chance = f64::from(hash.as_bytes()[0]) / 512.0;
        doubled.min(LONGEST_PAUSE) * (1.0 + chance)
    }
}
