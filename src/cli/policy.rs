//! When a run gives up: flags of `sweep run`, and what a sweep file says.

use sweep_run::state::Settings;
use sweep_spec::policy::{OnMaxFailures, Policy, seconds};

/// What a sweep file says under `run:`, on the command line.
#[derive(clap::Args)]
#[command(next_help_heading = "Failures and time (a sweep file says them under `run:`)")]
pub(super) struct PolicyArgs {
    /// Retry a cohort whose worker dies or fails so many times without progress [default: 2]
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Wait so long before a retry, and twice as long before each further one, up to a minute [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    backoff: Option<f64>,
    /// Fail a job whose cohort has trained for so long in this run (90s, 15m, 2h, 1d); its checkpoint stays
    #[arg(long, value_name = "TIME", value_parser = some_seconds)]
    job_time: Option<f64>,
    /// End the run after so long, as Ctrl-C does
    #[arg(long, value_name = "TIME", value_parser = some_seconds)]
    run_time: Option<f64>,
    /// End the run after so many failed jobs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_failures: Option<u32>,
    /// What becomes of cohorts that are training then: they finish, or stop at a checkpoint [default: finish]
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
    /// What the state machine is told: flags beat files, and of several files the first that says something counts.
    pub(super) fn settings<'a>(&self, files: impl Iterator<Item = &'a Policy>, silence_seconds: u64) -> Settings {
        let &PolicyArgs { retries, backoff, job_time, run_time, max_failures, on_max_failures } = self;
        let flags = Policy { retries, backoff, job_time, run_time, max_failures, on_max_failures, ..Policy::default() };
        let policy = files.fold(flags, |policy, file| policy.or(file.clone()));
        let usual = Settings::default();
        Settings {
            tries: policy.retries.map_or(usual.tries, |retries| retries.saturating_add(1)),
            backoff: policy.backoff.unwrap_or(usual.backoff),
            silence: if silence_seconds == 0 { f64::INFINITY } else { silence_seconds as f64 },
            grace: usual.grace,
            job_time: policy.job_time.unwrap_or(usual.job_time),
            run_time: policy.run_time.unwrap_or(usual.run_time),
            max_failures: policy.max_failures.map_or(usual.max_failures, |most| most as usize),
            finish_running: policy.on_max_failures != Some(OnMaxFailures::Stop),
            control: usual.control,
            pace: usual.pace,
        }
    }
}
