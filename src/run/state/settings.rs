//! Retries, timeouts and limits of a run.

use sweep_spec::id::CohortId;

/// The longest pause before another attempt, in seconds. A pseudorandom part of up to half of it is added.
const LONGEST_PAUSE: f64 = 60.0;

/// Retries, timeouts and limits of a run. Times are in seconds; infinite ones never come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// A cohort fails after this many attempts in a row without progress.
    pub tries: u32,
    /// The pause before the second attempt. It doubles before each further one, up to a minute. Up to half of it is
    /// added: cohorts that fail together are then not retried together. 0: no pause.
    pub backoff: f64,
    /// A busy worker that gives no sign of life for this long is asked to stop. It is killed if it has not stopped
    /// after the same time again, or after `grace` if that is shorter.
    pub silence: f64,
    /// A worker that was asked to stop for another reason is killed after this time.
    pub grace: f64,
    /// The time limit of a job, including scoring. It counts the time of the job's cohort in this run. A job that
    /// exceeds it fails.
    pub job_time: f64,
    /// The time limit of the run. It then ends as after Ctrl-C.
    pub run_time: f64,
    /// The run ends after this many failures.
    pub max_failures: usize,
    /// Whether running cohorts finish in that case. Otherwise they stop after a checkpoint.
    pub finish_running: bool,
    /// Whether workers can be told, while they train, which members are no longer trained. sweep's own workers can.
    /// Others are asked to stop, and their next order says it.
    pub control: bool,
    /// How far away workers are.
    pub pace: Pace,
}

/// How far away workers are, which delays both their news and their orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The longest delay of news in either direction, in seconds. A worker is not silent until it has said nothing for
    /// longer than this.
    pub delay: f64,
    /// A worker gets another cohort in advance as long as its present ones are predicted to take less than this many
    /// seconds together; the prediction accounts for how long its last ones took. With more work than this it would
    /// gain nothing, and another slot may be free earlier.
    pub ahead_seconds: f64,
    /// The largest number of cohorts in advance, not counting the current one.
    pub ahead: usize,
}

impl Default for Pace {
    /// Returns the values for workers on this machine.
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
    /// Returns how many seconds `cohort` waits after `fruitless` attempts in a row without progress. The random part
    /// comes from a hash of the cohort's id, without a clock or a random number generator.
    pub(super) fn pause(&self, cohort: CohortId, fruitless: u32) -> f64 {
        let doubled = self.backoff * f64::from(fruitless.saturating_sub(1).min(30)).exp2();
        let hash = blake3::hash(format!("{cohort} {fruitless}").as_bytes());
        let chance = f64::from(hash.as_bytes()[0]) / 512.0;
        doubled.min(LONGEST_PAUSE) * (1.0 + chance)
    }
}
