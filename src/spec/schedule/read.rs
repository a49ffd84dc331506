//! Schedules in a sweep file.

use super::{Course, Schedule, Shape, Written};
use crate::error::Mistakes;
use crate::keys::train::STEPS;
use crate::keys::{Key, Range};
use crate::parts;
use crate::settings::{Place, Settings};
use crate::value::{MAX_STEPS, Reader, Value};
use crate::yaml::Content;

/// What a map of a schedule can have.
const KEYS: [&str; 5] = ["from", "to", "shape", "start", "end"];

impl Reader<'_> {
    /// The value of `key` where it is a map that is one of a schedule, or that can be none here; `None` if it is anything else.
    pub(crate) fn changing(&mut self, key: &Key) -> Option<Option<Value>> {
        if matches!(key, Key::Elsewhere(_)) || !matches!(self.node.content, Content::Map(_)) {
            return None;
        }
        if let Some(range) = key.scheduled(&self.mistakes.vocabulary) {
            return Some(self.schedule(range));
        }
        if !self.is_schedule() {
            return None;
        }
        let help = match key {
            Key::Own(_) => {
                "what your trainer changes in the course of training is its own matter: declare numbers for it as parameters"
            }
            _ if !key.parts().is_empty() => "set its parts, each with a schedule of its own",
            _ => {
                "numbers in which members of a cohort may differ take one, such as `lr`, `momentum` or `gradient_penalty`"
            }
        };
        let message = format!("`{}` is the same at all steps: it takes no schedule", key.name());
        self.mistakes.advise(self.path, &self.node.span, message, help);
        Some(None)
    }

    /// Whether it is a map of a schedule, right or wrong.
    fn is_schedule(&self) -> bool {
        let Content::Map(entries) = &self.node.content else { return false };
        ["from", "to"].iter().all(|end| entries.iter().any(|(name, _)| name.text == *end))
    }

    /// A schedule between numbers of `range`.
    fn schedule(&mut self, range: Range) -> Option<Value> {
        let (node, above) = (self.node, self.path);
        let before = self.mistakes.len();
        let (mut from, mut to, mut shape, mut start, mut end) = (None, None, None, None, None);
        for (name, node) in parts::entries(node, above, self.mistakes)? {
            let path = format!("{above}.{}", name.text);
            let mut reader = Reader { node, path: &path, mistakes: self.mistakes };
            match name.text.as_str() {
                "from" => from = reader.number(&range.to_string(), |x| range.holds(x)),
                // Whether training comes so far is a matter of its steps.
                "to" => to = reader.number(&range.to_string(), |x| range.nears(x)),
                "shape" => {
                    let known = [("linear", Shape::Linear), ("cosine", Shape::Cosine), ("step", Shape::Step)];
                    shape = reader.named("a shape of a schedule", &known);
                }
                "start" => start = reader.count(0, MAX_STEPS).map(|step| (step, &node.span)),
                "end" => end = reader.count(1, MAX_STEPS).map(|step| (step, &node.span)),
                text => self.mistakes.unknown(&path, &name.span, "a key of a schedule", text, &KEYS),
            }
        }
        if self.mistakes.len() > before {
            return None;
        }
        let missing = |what: &str, mistakes: &mut Mistakes| {
            let help = "a schedule is `{from: 2e-4, to: 5e-5, shape: linear}`, `cosine`, or `step` with a `start`";
            mistakes.advise(above, &node.span, format!("`{what}` is missing"), help);
            None
        };
        let Some(from) = from else { return missing("from", self.mistakes) };
        let Some(to) = to else { return missing("to", self.mistakes) };
        let Some(shape) = shape else { return missing("shape", self.mistakes) };
        let first = start.as_ref().map_or(0, |(step, _)| *step);
        let last = end.as_ref().map(|(step, _)| *step);
        if from == to {
            let help = format!("write the number: {from}");
            self.mistakes.advise(above, &node.span, "a schedule that changes nothing", help);
            return None;
        }
        let course = match (shape, &start, &end) {
            (Shape::Step, _, Some((_, span))) => {
                let help =
                    "it has its second value from `start` on; over several steps it goes by `linear` or `cosine`";
                self.mistakes.advise(format!("{above}.end"), span, "a `step` has no `end`", help);
                return None;
            }
            (Shape::Step, None, _) => return missing("start", self.mistakes),
            (Shape::Step, Some((0, span)), _) => {
                let help = format!("take a later step, or write the number: {to}");
                self.mistakes.advise(format!("{above}.start"), span, "no step is before step 0", help);
                return None;
            }
            (Shape::Linear | Shape::Cosine, _, Some((end, span))) if *end <= first => {
                let message = format!("the schedule begins at step {first}, and ends at step {end}");
                self.mistakes.advise(format!("{above}.end"), span, message, "take a larger `end`");
                return None;
            }
            (Shape::Step, ..) => Course::Step { start: first },
            (Shape::Linear, ..) => Course::Linear { start: first, end: last },
            (Shape::Cosine, ..) => Course::Cosine { start: first, end: last },
        };
        Some(Value::Schedule(Schedule { from, to, course }))
    }
}

impl Settings {
    /// The schedule of `key` in a job with these settings; a mistake where training would end before it changes anything, or where it comes to
    /// a value that the key cannot have.
    pub(crate) fn scheduled(
        &self,
        key: &Key,
        written: Written,
        variant: &Place,
        mistakes: &mut Mistakes,
    ) -> Option<Schedule> {
        let steps = self.get(&STEPS)?;
        let schedule = written.within(steps);
        let place = self.place(&[key.name(), STEPS.name], variant);
        let [start, end] = schedule.turns();
        if start >= steps {
            let message = format!("the schedule begins at step {start}, and training ends at step {steps}");
            mistakes.advise(&*place.path, &place.span, message, "take a smaller `start`, or more `steps`");
            return None;
        }
        // What training only comes near to, as a learning rate does to 0 at the end, it may not be.
        let last = if end < steps { schedule.to } else { schedule.at(steps - 1) };
        for range in self.ranges(key) {
            let well = [
                (schedule.from, range.holds(schedule.from)),
                (schedule.to, range.nears(schedule.to)),
                (last, range.holds(last)),
            ];
            if let Some((value, _)) = well.into_iter().find(|(_, well)| !well) {
                let message = format!("expected {range}, found {value}");
                match range.nears(value) {
                    true => {
                        let help = format!(
                            "a `linear` or `cosine` schedule that ends with training only comes near to {value}"
                        );
                        mistakes.advise(&*place.path, &place.span, message, help);
                    }
                    false => mistakes.add(&*place.path, &place.span, message),
                }
                return None;
            }
        }
        Some(schedule)
    }

    /// Whether both values are one and the same in a job with these settings.
    pub(crate) fn agree(&self, a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Schedule(a), Value::Schedule(b)) => match self.get(&STEPS) {
                Some(steps) => a.within(steps) == b.within(steps),
                None => a == b,
            },
            _ => a == b,
        }
    }
}
