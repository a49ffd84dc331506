//! Reads schedules from a sweep file.

use super::{Course, Schedule, Shape, Written};
use crate::error::Mistakes;
use crate::keys::train::STEPS;
use crate::keys::{Key, Range};
use crate::parts;
use crate::settings::{Place, Settings};
use crate::value::{MAX_STEPS, Reader, SettingValue};
use crate::yaml::Content;

/// The keys of a schedule.
const KEYS: [&str; 5] = ["from", "to", "shape", "start", "end"];

impl Reader<'_> {
    /// Reads the value of `key` if it is a schedule, or a map where the key takes none; `None` if it is anything else.
    pub(crate) fn changing(&mut self, key: &Key) -> Option<Option<SettingValue>> {
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
            Key::Own(_) => "schedules of your own trainer are up to it: declare their numbers as parameters",
            _ if !key.parts().is_empty() => "set its parts, each with its own schedule",
            _ => {
                "only numbers that may differ between members of a cohort take one, such as `lr`, `momentum` or \
                `gradient_penalty`"
            }
        };
        let message = format!("`{}` cannot have a schedule: it is the same at all steps", key.name());
        self.mistakes.advise(self.path, &self.node.span, message, help);
        Some(None)
    }

    /// Returns whether it is a schedule, valid or not.
    fn is_schedule(&self) -> bool {
        let Content::Map(entries) = &self.node.content else { return false };
        ["from", "to"].iter().all(|end| entries.iter().any(|(name, _)| name.text == *end))
    }

    /// Reads a schedule with values in `range`.
    fn schedule(&mut self, range: Range) -> Option<SettingValue> {
        let (node, above) = (self.node, self.path);
        let before = self.mistakes.len();
        let (mut from, mut to, mut shape, mut start, mut end) = (None, None, None, None, None);
        for (name, node) in parts::entries(node, above, self.mistakes)? {
            let path = format!("{above}.{}", name.text);
            let mut reader = Reader { node, path: &path, mistakes: self.mistakes };
            match name.text.as_str() {
                "from" => from = reader.number(&range.to_string(), |x| range.holds(x)),
                // Whether training gets as far as `to` depends on its steps, so an excluded bound is accepted here.
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
            let help = format!("write just the number: {from}");
            self.mistakes.advise(above, &node.span, "this schedule changes nothing", help);
            return None;
        }
        let course = match (shape, &start, &end) {
            (Shape::Step, _, Some((_, span))) => {
                let help =
                    "it has its second value from `start` on; to change over several steps, use `linear` or `cosine`";
                self.mistakes.advise(format!("{above}.end"), span, "a `step` has no `end`", help);
                return None;
            }
            (Shape::Step, None, _) => return missing("start", self.mistakes),
            (Shape::Step, Some((0, span)), _) => {
                let help = format!("use a later step, or write just the number: {to}");
                self.mistakes.advise(
                    format!("{above}.start"),
                    span,
                    "the schedule starts at step 0, but no step comes before that",
                    help,
                );
                return None;
            }
            (Shape::Linear | Shape::Cosine, _, Some((end, span))) if *end <= first => {
                let message = format!("the schedule begins at step {first}, but ends at step {end}");
                self.mistakes.advise(format!("{above}.end"), span, message, "use a larger `end`");
                return None;
            }
            (Shape::Step, ..) => Course::Step { start: first },
            (Shape::Linear, ..) => Course::Linear { start: first, end: last },
            (Shape::Cosine, ..) => Course::Cosine { start: first, end: last },
        };
        Some(SettingValue::Schedule(Schedule { from, to, course }))
    }
}

impl Settings {
    /// Returns the schedule of `key` in a job with these settings. Reports a mistake if training ends before it changes
    /// anything, or if it reaches a value outside the key's range.
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
            let message = format!("the schedule begins at step {start}, but training ends at step {steps}");
            mistakes.advise(&*place.path, &place.span, message, "use a smaller `start`, or more `steps`");
            return None;
        }
        // Only values that training reaches must be in range: a learning rate may approach 0 at the end.
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
                            "a `linear` or `cosine` schedule that ends with training approaches {value} without \
                            reaching it"
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

    /// Returns whether both values are the same in a job with these settings.
    pub(crate) fn agree(&self, a: &SettingValue, b: &SettingValue) -> bool {
        match (a, b) {
            (SettingValue::Schedule(a), SettingValue::Schedule(b)) => match self.get(&STEPS) {
                Some(steps) => a.within(steps) == b.within(steps),
                None => a == b,
            },
            _ => a == b,
        }
    }
}
