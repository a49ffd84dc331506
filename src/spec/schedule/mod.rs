//! Schedules: parameters that change during training. The value at a step depends only on the step, so a training that
//! continues from a checkpoint gets the values it would have had without a break.
//!
//! ```yaml
//! lr: {from: 2e-4, to: 5e-5, shape: cosine}                    # over all of training
//! gradient_penalty: {from: 10, to: 1, shape: linear, start: 1000, end: 5000}
//! momentum: {from: 0.9, to: 0.5, shape: step, start: 2000}     # 0.5 from step 2000 on
//! ```

use std::f64::consts::PI;
use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod read;
#[cfg(test)]
mod tests;

/// A number that goes from one value to another. Steps are counted from 0, and values are float64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule<End = u64> {
    /// The value before the change.
    pub from: f64,
    /// The value after the change.
    pub to: f64,
    /// How and when it changes.
    pub course: Course<End>,
}

/// How a number goes from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Course<End = u64> {
    /// from + (to − from) f, where f goes from 0 at step `start` to 1 at step `end`.
    Linear {
        /// The last step with the first value.
        start: u64,
        /// The first step with the second value.
        end: End,
    },
    /// to + (from − to) ½(1 + cos πf) (Loshchilov & Hutter 2017, "SGDR", equation 5, without restarts).
    Cosine {
        /// The last step with the first value.
        start: u64,
        /// The first step with the second value.
        end: End,
    },
    /// All at once.
    Step {
        /// The first step with the second value.
        start: u64,
    },
}

/// A schedule as in a file. It may end with training, whose length differs between jobs.
pub type Written = Schedule<Option<u64>>;

impl Schedule {
    /// Returns the value at `step`, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        let Schedule { from, to, course } = *self;
        let share = |start: u64, end: u64| (step - start) as f64 / (end - start) as f64;
        // Outside of the change, it has the exact numbers of the file.
        match course {
            Course::Linear { start, .. } | Course::Cosine { start, .. } if step <= start => from,
            Course::Linear { end, .. } | Course::Cosine { end, .. } if step >= end => to,
            Course::Linear { start, end } => from + (to - from) * share(start, end),
            Course::Cosine { start, end } => to + (from - to) * (0.5 * (1.0 + (PI * share(start, end)).cos())),
            Course::Step { start } if step < start => from,
            Course::Step { .. } => to,
        }
    }

    /// Returns the steps at which the change starts and ends.
    pub(super) fn turns(&self) -> [u64; 2] {
        match self.course {
            Course::Linear { start, end } | Course::Cosine { start, end } => [start, end],
            Course::Step { start } => [start, start],
        }
    }
}

impl<End> Schedule<End> {
    /// Returns the first and last value; all others lie between them.
    pub fn ends(&self) -> [f64; 2] {
        [self.from, self.to]
    }
}

impl<End> Course<End> {
    /// Returns the name of its shape in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Course::Linear { .. } => "linear",
            Course::Cosine { .. } => "cosine",
            Course::Step { .. } => "step",
        }
    }
}

impl Written {
    /// Returns the schedule for a job with this many steps.
    pub fn within(self, steps: u64) -> Schedule {
        let Schedule { from, to, course } = self;
        let course = match course {
            Course::Linear { start, end } => Course::Linear { start, end: end.unwrap_or(steps) },
            Course::Cosine { start, end } => Course::Cosine { start, end: end.unwrap_or(steps) },
            Course::Step { start } => Course::Step { start },
        };
        Schedule { from, to, course }
    }
}

/// Short, on one line: `0.0002→0.00005 cosine 0–10000`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{} {}", self.from, self.to, self.course.name())?;
        match self.course {
            Course::Linear { start, end } | Course::Cosine { start, end } => write!(f, " {start}–{end}"),
            Course::Step { start } => write!(f, " at {start}"),
        }
    }
}

/// The same for a schedule that may end with training: `0.0002→0.00005 cosine`.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.course {
            Course::Linear { start, end: None } | Course::Cosine { start, end: None } => {
                write!(f, "{}→{} {}", self.from, self.to, self.course.name())?;
                if start > 0 { write!(f, " from {start}") } else { Ok(()) }
            }
            // The end is known.
            Course::Linear { .. } | Course::Cosine { .. } | Course::Step { .. } => self.within(0).fmt(f),
        }
    }
}

/// The names of the shapes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Linear,
    Cosine,
    Step,
}

/// A schedule of a job as JSON. Its keys are sorted, so that it has a single form to hash.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flat {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    from: f64,
    shape: Shape,
    start: u64,
    to: f64,
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (shape, start, end) = match self.course {
            Course::Linear { start, end } => (Shape::Linear, start, Some(end)),
            Course::Cosine { start, end } => (Shape::Cosine, start, Some(end)),
            Course::Step { start } => (Shape::Step, start, None),
        };
        Flat { end, from: self.from, shape, start, to: self.to }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Flat { end, from, shape, start, to } = Flat::deserialize(deserializer)?;
        let course = match (shape, end) {
            (Shape::Linear, Some(end)) if start < end => Course::Linear { start, end },
            (Shape::Cosine, Some(end)) if start < end => Course::Cosine { start, end },
            (Shape::Step, None) => Course::Step { start },
            (shape, end) => return Err(D::Error::custom(format!("{shape:?} from step {start} to {end:?}"))),
        };
        Ok(Schedule { from, to, course })
    }
}
