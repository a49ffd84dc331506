//! When a run gives up: the flags of `sweep run` for it, which a sweep file can also set.

use sweep_spec::policy::{OnMaxFailures, Policy, seconds};

/// The keys of `run:` in a sweep file, as flags.
#[derive(clap::Args)]
#[command(next_help_heading = "Failures and time (a sweep file can set them under `run:`)")]
pub(super) struct PolicyArgs {
    /// Retry a cohort this many times if its worker dies or fails without progress [default: 2]
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Wait this long before a retry, and twice as long before each further one, up to a minute [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    backoff: Option<f64>,
    /// Fail a job whose cohort has trained for this long in this run (90s, 15m, 2h, 1d); its checkpoint is kept
    #[arg(long, value_name = "TIME", value_parser = some_seconds)]
    job_time: Option<f64>,
    /// End the run after this time, as Ctrl-C does
    #[arg(long, value_name = "TIME", value_parser = some_seconds)]
    run_time: Option<f64>,
    /// End the run after this many failed jobs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_failures: Option<u32>,
    /// What to do then with cohorts in training: let them finish, or stop them after a checkpoint [default: finish]
    #[arg(long, value_name = "finish|stop", value_parser = on_max_failures)]
    on_max_failures: Option<OnMaxFailures>,
}

pub(super) fn some_seconds(text: &str) -> Result<f64, String> {
    seconds(text).and_then(|time| if time > 0.0 { Ok(time) } else { Err("expected a time above 0".to_owned()) })
}

fn on_max_failures(text: &str) -> Result<OnMaxFailures, String> {
    let found = OnMaxFailures::ALL.into_iter().find(|what| what.name() == text);
    found.ok_or_else(|| "expected finish or stop".to_owned())
}

impl PolicyArgs {
    /// Returns the policy.
    pub(super) fn policy(self) -> Policy {
        let PolicyArgs { retries, backoff, job_time, run_time, max_failures, on_max_failures } = self;
        Policy { retries, backoff, job_time, run_time, max_failures, on_max_failures, ..Policy::default() }
    }
}
