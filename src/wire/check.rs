//! Validates an attempt's log. Reading a log while it grows and reading it later give the same result.

use std::collections::HashMap;
use std::path::{Component, Path};

use super::event::{Event, Header, Record};
use super::order::Order;
use sweep_spec::id::{CohortId, JobId};

/// The latest valid time, in seconds since the Unix epoch: the year 5138.
const LATEST: f64 = 1e11;

/// Checks the lines of a log one after the other.
#[derive(Clone, Debug)]
pub struct Check {
    cohort: CohortId,
    attempt: u32,
    protocol: u32,
    steps: u64,
    /// Today's job ids by the ids in the log.
    members: HashMap<JobId, JobId>,
    next: u64,
    started: bool,
    ended: bool,
}

impl Check {
    /// Creates a check from the start of a log with this protocol version, for an attempt that trains `members` for
    /// `steps` steps. `members` maps ids in the log to today's ids.
    pub fn new(protocol: u32, (cohort, attempt): (CohortId, u32), steps: u64, members: HashMap<JobId, JobId>) -> Self {
        Check { cohort, attempt, protocol, steps, members, next: 0, started: false, ended: false }
    }

    /// Creates a check from the start of the log for an order.
    pub fn of(order: &Order) -> Self {
        let mut members = order.renamed();
        members.extend(order.members.iter().map(|member| (member.id, member.id)));
        // Measuring speed takes as many steps as it needs.
        let steps = if order.probe_seconds.is_some() { u64::MAX } else { order.blueprint.steps() };
        Check::new(order.protocol, (order.cohort, order.attempt), steps, members)
    }

    /// Continues from event number `next`; `started` says whether there was an [`Event::Started`] before it.
    pub fn going_on(self, next: u64, started: bool) -> Self {
        Check { next, started, ..self }
    }

    /// Whether the last event of the attempt has come; nothing after it belongs to the attempt.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Checks the first line.
    ///
    /// # Errors
    ///
    /// Says what it should have been.
    pub fn header(&self, header: &Header) -> Result<(), String> {
        let (expected, found) =
            ((self.protocol, self.cohort, self.attempt), (header.protocol, header.cohort, header.attempt));
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "the first line must have protocol {}, cohort {}, attempt {}; it has {}, {}, {}",
            expected.0, expected.1, expected.2, found.0, found.1, found.2
        ))
    }

    /// Checks the next event, and replaces a former job id with today's.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it. The event then counts as absent.
    pub fn record(&mut self, record: &mut Record) -> Result<(), String> {
        let Record { seq, at, event } = record;
        if *seq != self.next {
            return Err(format!("event {seq} where {} was expected", self.next));
        }
        if !(0.0..LATEST).contains(at) {
            return Err(format!("its time is {at}"));
        }
        self.event(event)?;
        if let Some(job) = event.job_mut() {
            *job = self.members[job];
        }
        self.next += 1;
        self.started |= matches!(event, Event::Started { .. });
        self.ended |= matches!(event, Event::Ended { .. });
        Ok(())
    }

    fn event(&self, event: &Event) -> Result<(), String> {
        match event {
            Event::Started { .. } if self.started => return Err("it starts twice".to_owned()),
            // Problems that keep a worker from starting come before `started`.
            Event::Started { .. } | Event::Warning { .. } | Event::Ended { .. } => {}
            _ if !self.started => return Err("an event before `started`".to_owned()),
            _ => {}
        }
        if let Some(job) = event.job().filter(|job| !self.members.contains_key(job)) {
            return Err(format!("it names job {job}, which is not in its order"));
        }
        if let Some(step) = event.step().filter(|step| *step > self.steps) {
            return Err(format!("it is at step {step} of {}", self.steps));
        }
        if let Event::JobDone { job, step, .. } = event
            && *step < self.steps
            && self.steps < u64::MAX
        {
            return Err(format!("job {job} is done at step {step} of {}", self.steps));
        }
        match event {
            Event::Progress { rate: number, .. }
            | Event::Scored { seconds: number, .. }
            | Event::JobDone { seconds: number, .. }
                if !number.is_finite() || *number < 0.0 =>
            {
                Err(format!("a rate or time is {number}"))
            }
            Event::Losses { points, .. } => points.check(),
            Event::Sampled { path, .. } if !is_inside(path) => {
                Err(format!("its path is `{path}`, which must be inside the cohort's directory"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a relative path stays inside its directory.
fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PROTOCOL;
    use crate::event::Outcome;
    use crate::losses::{Losses, Number};

    fn check() -> Check {
        let job = JobId::of(b"j");
        Check::new(PROTOCOL, (CohortId::of(b"c"), 1), 100, [(job, job), (JobId::of(b"old"), job)].into())
    }

    fn started(step: u64) -> Event {
        Event::Started { step, pid: 1, host: String::new(), device: String::new() }
    }

    #[test]
    fn what_makes_no_sense_is_no_event() {
        let (job, path) = (JobId::of(b"j"), |path: &str| path.to_owned());
        let losses = |steps: &[u64], values| Event::Losses {
            job,
            points: Losses {
                steps: steps.to_vec(),
                series: [("loss_d".to_owned(), vec![Number(Some(1.0)); values])].into(),
            },
        };
        let record = |event| Record { seq: 1, at: 5.0, event };
        let good = record(Event::JobDone { job, step: 100, seconds: 1.0 });
        let mut running = check();
        running.record(&mut Record { seq: 0, ..record(started(100)) }).unwrap();
        let wrong = [
            (Record { seq: 2, ..good.clone() }, "event 2 where 1 was expected"),
            (Record { seq: 0, ..good.clone() }, "event 0 where 1"),
            (Record { at: 1e300, ..good.clone() }, "its time is"),
            (Record { at: -1.0, ..good.clone() }, "its time is -1"),
            (Record { at: f64::NAN, ..good.clone() }, "its time is NaN"),
            (record(started(0)), "it starts twice"),
            (record(Event::Checkpointed { step: 101 }), "step 101 of 100"),
            (record(Event::Progress { step: 7, rate: f64::INFINITY }), "is inf"),
            (record(Event::JobDone { job, step: 100, seconds: -1.0 }), "is -1"),
            (record(Event::JobDone { job, step: 7, seconds: 1.0 }), "is done at step 7 of 100"),
            (record(Event::JobDone { job: JobId::of(b"k"), step: 7, seconds: 1.0 }), "not in its order"),
            (record(Event::Sampled { job, step: 7, path: path("../../etc/passwd") }), "`../../etc/passwd`"),
            (record(Event::Sampled { job, step: 7, path: path("/etc/passwd") }), "`/etc/passwd`"),
            (record(Event::Sampled { job, step: 7, path: path("") }), "``"),
            (record(losses(&[7, 101], 2)), "step 101 of 100"),
            (record(losses(&[8, 7], 2)), "do not ascend"),
            (record(losses(&[7], 2)), "2 values at 1 steps"),
        ];
        for (record, said) in wrong {
            let error = running.clone().record(&mut record.clone()).unwrap_err();
            assert!(error.contains(said), "{error}");
            // A rejected event changes nothing.
            let mut after = running.clone();
            let _ = after.record(&mut record.clone());
            after.record(&mut good.clone()).unwrap();
        }
        assert_eq!(check().record(&mut Record { seq: 0, ..good }).unwrap_err(), "an event before `started`");
    }

    #[test]
    fn a_job_that_was_called_otherwise_gets_its_name_of_today() {
        let mut check = check();
        check.record(&mut Record { seq: 0, at: 0.0, event: started(0) }).unwrap();
        let event = Event::JobDone { job: JobId::of(b"old"), step: 100, seconds: 1.0 };
        let mut record = Record { seq: 1, at: 1.0, event };
        check.record(&mut record).unwrap();
        assert_eq!(record.event.job(), Some(JobId::of(b"j")));
    }

    #[test]
    fn a_worker_that_cannot_start_may_say_so() {
        let mut check = check();
        let events = [
            Event::Warning { message: String::new() },
            Event::Ended { outcome: Outcome::Refused, message: String::new() },
        ];
        for (seq, event) in (0..).zip(events) {
            assert!(!check.has_ended());
            check.record(&mut Record { seq, at: 0.0, event }).unwrap();
        }
        assert!(check.has_ended());
    }
}
