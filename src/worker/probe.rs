//! Orders that only measure training speed.

use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, Clock};
use super::cohort::CohortError;
use super::report::Report;
use super::setup::started;
use sweep_plan::slot::Slot;
use sweep_spec::job::Job;
use sweep_wire::event::{Event, Outcome};
use sweep_wire::order::Order;

/// Trains the members of `order` for about `seconds`, after their first steps, and reports the rate.
pub(crate) fn measure(order: &Order, seconds: f64, report: &mut Report) -> Result<Outcome, CohortError> {
    report.append(started(0, order.device))?;
    let blueprint = Arc::new(order.blueprint.clone());
    let jobs: Vec<Job> = order
        .members
        .iter()
        .map(|member| Job {
            blueprint: Arc::clone(&blueprint),
            parameters: member.parameters.clone(),
            seed: member.seed,
        })
        .collect();
    let mut bench = Bench::new(&jobs, &Slot { device: order.device, threads: order.threads })?;
    let rate = bench.round(Duration::try_from_secs_f64(seconds).unwrap_or_default(), Clock::Wall);
    report.append(Event::Progress { step: bench.steps(), rate })?;
    Ok(Outcome::Finished)
}
