//! Parameters: what a job has in addition to its blueprint and seed. Those of built-in objectives and of training are
//! numbers or schedules, which may differ between members of a cohort. Those of the user's own trainers may also be
//! words, flags and lists.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::schedule::Schedule;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that fits on a command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Plain {
    /// True or false.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A finite number. JSON writes whole numbers of this kind with `.0`, so that they are read back as this kind.
    Number(f64),
    /// One or more words.
    Text(Arc<str>),
    /// A list of these.
    List(Arc<[Plain]>),
    /// A number that changes during training.
    Schedule(Schedule),
}

impl Plain {
    /// Returns the number if it is the same at all steps.
    pub fn number(&self) -> Option<f64> {
        match *self {
            Plain::Whole(whole) => Some(whole as f64),
            Plain::Number(number) => Some(number),
            Plain::Flag(_) | Plain::Text(_) | Plain::List(_) | Plain::Schedule(_) => None,
        }
    }

    /// Returns the number at training step `step`, counted from 0.
    pub fn at(&self, step: u64) -> Option<f64> {
        match self {
            Plain::Schedule(schedule) => Some(schedule.at(step)),
            Plain::Flag(_) | Plain::Whole(_) | Plain::Number(_) | Plain::Text(_) | Plain::List(_) => self.number(),
        }
    }

    /// Returns the schedule if it is one.
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

/// As written in a sweep file, on one line; a schedule is shortened.
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
// The names are shared: a sweep may have a million of these, with the same names in all jobs of a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    names: Arc<[Arc<str>]>,
    values: Arc<[Plain]>,
}

impl Parameters {
    /// Makes parameters with these `names`, which must be sorted, and one value per name.
    ///
    /// # Panics
    ///
    /// If the numbers of names and values differ, or the names are not sorted.
    pub fn new(names: Arc<[Arc<str>]>, values: Vec<Plain>) -> Self {
        assert!(names.len() == values.len() && names.is_sorted_by(|a, b| a < b), "{names:?}: {values:?}");
        Parameters { names, values: values.into() }
    }

    /// Returns the value of the parameter with this name, if this job has it.
    pub fn get(&self, name: &str) -> Option<&Plain> {
        self.names.iter().position(|other| **other == *name).map(|at| &self.values[at])
    }

    /// Returns the number with this name, if this job has it and it is the same at all steps.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.number()
    }

    /// Returns the number with this name at training step `step`, counted from 0, if this job has it.
    pub fn at(&self, name: &str, step: u64) -> Option<f64> {
        self.get(name)?.at(step)
    }

    /// Sets one parameter and keeps the others.
    pub fn set(&mut self, name: &str, value: impl Into<Plain>) {
        let mut all: BTreeMap<&str, Plain> = self.iter().map(|(name, value)| (name, value.clone())).collect();
        all.insert(name, value.into());
        *self = all.into_iter().collect();
    }

    /// Returns names and values, in the order of the names.
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
    /// If a name occurs twice, the last value counts.
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
