//! Parameters: what a job has beside its blueprint and its seed. Those of built-in objectives and of training are numbers, or
//! schedules of them, which may differ between the members of a cohort; those of a trainer of the user's own may be words, flags and lists as well.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::schedule::Schedule;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that fits on a command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Plain {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A finite number. JSON writes one that is whole with `.0`, so that it stays one.
    Number(f64),
    /// A word, or a text of several.
    Text(Arc<str>),
    /// Several of these.
    List(Arc<[Plain]>),
    /// A number that changes in the course of training.
    Schedule(Schedule),
}

impl Plain {
    /// The number that it is at all steps, if it is one.
    pub fn number(&self) -> Option<f64> {
        match *self {
            Plain::Whole(whole) => Some(whole as f64),
            Plain::Number(number) => Some(number),
            Plain::Flag(_) | Plain::Text(_) | Plain::List(_) | Plain::Schedule(_) => None,
        }
    }

    /// The number that it is at training step `step`, counted from 0.
    pub fn at(&self, step: u64) -> Option<f64> {
        match self {
            Plain::Schedule(schedule) => Some(schedule.at(step)),
            Plain::Flag(_) | Plain::Whole(_) | Plain::Number(_) | Plain::Text(_) | Plain::List(_) => self.number(),
        }
    }

    /// The schedule that it is, if it is one.
    pub fn schedule(&self) -> Option<&Schedule> {
        match self {
            Plain::Schedule(schedule) => Some(schedule),
            Plain::Flag(_) | Plain::Whole(_) | Plain::Number(_) | Plain::Text(_) | Plain::List(_) => None,
        }
    }
}

impl From<f64> for Plain {
    /// −0 becomes 0, so that both have one canonical form.
    fn from(number: f64) -> Self {
        Plain::Number(number + 0.0)
    }
}

impl From<Schedule> for Plain {
    fn from(schedule: Schedule) -> Self {
        Plain::Schedule(schedule)
    }
}

/// As a sweep file would spell it, on one line; a schedule in short.
impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plain::Flag(flag) => write!(f, "{flag}"),
            Plain::Whole(whole) => write!(f, "{whole}"),
            Plain::Number(number) => write!(f, "{number}"),
            Plain::Text(text) => f.write_str(text),
            Plain::List(items) => {
                let items: Vec<String> = items.iter().map(Plain::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Plain::Schedule(schedule) => schedule.fmt(f),
        }
    }
}

/// The parameters of one job, in the order of their names.
// The names are shared: a sweep has up to a million of these, whose names are the same in all jobs of a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    names: Arc<[Arc<str>]>,
    values: Arc<[Plain]>,
}

impl Parameters {
    /// With these `names`, which are sorted, and a value for each.
    ///
    /// # Panics
    ///
    /// If there are not as many of either, or names are not in order.
    pub fn new(names: Arc<[Arc<str>]>, values: Vec<Plain>) -> Self {
        assert!(names.len() == values.len() && names.is_sorted_by(|a, b| a < b), "{names:?}: {values:?}");
        Parameters { names, values: values.into() }
    }

    /// The value of the parameter with this name, where this job has it.
    pub fn get(&self, name: &str) -> Option<&Plain> {
        self.names.iter().position(|other| **other == *name).map(|at| &self.values[at])
    }

    /// The number with this name, where this job has it, the same at all steps.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.number()
    }

    /// The number with this name at training step `step`, counted from 0, where this job has it.
    pub fn at(&self, name: &str, step: u64) -> Option<f64> {
        self.get(name)?.at(step)
    }

    /// Sets one; the others stay.
    pub fn set(&mut self, name: &str, value: impl Into<Plain>) {
        let mut all: BTreeMap<&str, Plain> = self.iter().map(|(name, value)| (name, value.clone())).collect();
        all.insert(name, value.into());
        *self = all.into_iter().collect();
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Plain)> {
        self.names.iter().map(|name| &**name).zip(&*self.values)
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters { names: [].into(), values: [].into() }
    }
}

impl<N: AsRef<str>, V: Into<Plain>> FromIterator<(N, V)> for Parameters {
    /// Of two values of one name, the last.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        let all: BTreeMap<Arc<str>, Plain> =
            iter.into_iter().map(|(name, value)| (name.as_ref().into(), value.into())).collect();
        let (names, values): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        Parameters { names: names.into(), values: values.into() }
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<String, Plain>::deserialize(deserializer).map(Parameters::from_iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_the_same_when_read_again_and_sorted() {
        let numbers: Parameters = [("momentum", -0.0), ("adam_beta1", 0.5), ("alpha", 1.0)].into_iter().collect();
        let text = serde_json::to_string(&numbers).unwrap();
        assert_eq!(text, r#"{"adam_beta1":0.5,"alpha":1.0,"momentum":0.0}"#);
        assert_eq!(serde_json::from_str::<Parameters>(&text).unwrap(), numbers);
        assert_eq!((numbers.number("alpha"), numbers.number("beta")), (Some(1.0), None));

        let sizes = Plain::List([Plain::Whole(64), Plain::Whole(32)].into());
        let text = r#"{"norm":"batch","sizes":[64,32],"skip":false,"x":-3}"#;
        let own: Parameters = [
            ("skip", Plain::Flag(false)),
            ("sizes", sizes),
            ("x", Plain::Whole(-3)),
            ("norm", Plain::Text("batch".into())),
        ]
        .into_iter()
        .collect();
        assert_eq!(serde_json::to_string(&own).unwrap(), text);
        assert_eq!(serde_json::from_str::<Parameters>(text).unwrap(), own);
        let shown: Vec<String> = own.iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(shown, ["norm batch", "sizes [64, 32]", "skip false", "x -3"]);
    }

    #[test]
    fn one_is_set_and_the_others_stay() {
        let mut parameters: Parameters = [("b", 1.0), ("d", 2.0)].into_iter().collect();
        parameters.set("c", 3.0);
        parameters.set("b", -0.0);
        assert_eq!(parameters, [("d", 2.0), ("c", 3.0), ("b", 0.0)].into_iter().collect());
    }
}
