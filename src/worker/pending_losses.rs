//! Collects losses before they are logged, to write few events with many points.

use std::collections::BTreeMap;

use super::report::Report;
use sweep_spec::id::JobId;
use sweep_train::trace::{Point, Series};
use sweep_wire::event::Event;
use sweep_wire::log::LogError;
use sweep_wire::losses::Losses;

/// Losses that are not yet reported, by job.
#[derive(Default)]
pub(super) struct Pending(BTreeMap<JobId, Losses>);

impl Pending {
    /// Adds losses that training recorded.
    pub(super) fn add(&mut self, points: BTreeMap<JobId, Vec<Point>>) {
        for (job, points) in points {
            let losses = self.0.entry(job).or_default();
            for Point { step, values } in points {
                losses.push(step, values.iter().map(|(series, value): (&Series, &f64)| (series.name(), *value)));
            }
        }
    }

    /// Reports everything.
    pub(super) fn report(&mut self, report: &mut Report) -> Result<(), LogError> {
        let all = std::mem::take(&mut self.0).into_iter();
        all.into_iter().try_for_each(|(job, points)| report.append(Event::Losses { job, points }))
    }

    /// Reports the losses of a job that ends.
    pub(super) fn report_of(&mut self, job: JobId, report: &mut Report) -> Result<(), LogError> {
        self.0.remove(&job).map_or(Ok(()), |points| report.append(Event::Losses { job, points }))
    }
}
