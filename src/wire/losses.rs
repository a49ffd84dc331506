//! Losses of a job at some steps. Workers' reports and the database use the same JSON.
//!
//! ```json
//! {"steps":[4,8,12],"series":{"loss_d":[1.3863,1.3501,"nan"],"output_fake":[null,0.12,0.3]}}
//! ```
//!
//! `null` means that a series has no value at a step. Numbers are rounded to five digits, because figures show no more
//! and thousands of jobs have them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use sweep_spec::metric::is_name;

/// Most series in one event.
const SERIES: usize = 32;

/// Series of one job, all at the same steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Losses {
    /// Steps done, in ascending order.
    pub steps: Vec<u64>,
    /// Values by the name of their series, one per step.
    pub series: BTreeMap<String, Vec<Number>>,
}

/// A value of a series, if there is one; possibly NaN or infinite.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub Option<f32>);

impl Number {
    /// Rounds to five digits; values outside float32's range become infinite.
    pub fn rounded(value: f64) -> Self {
        Number(Some(format!("{value:.4e}").parse().unwrap_or(value as f32)))
    }
}

/// All NaN are equal.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Some(one), Some(other)) => one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan(),
            (one, other) => one.is_none() && other.is_none(),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_unit(),
            Some(value) if value.is_nan() => serializer.serialize_str("nan"),
            Some(f32::INFINITY) => serializer.serialize_str("inf"),
            Some(f32::NEG_INFINITY) => serializer.serialize_str("-inf"),
            Some(value) => serializer.serialize_f32(value),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, null, or one of \"nan\", \"inf\", \"-inf\"")
            }

            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(Some(value as f32)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(Some(value as f32)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(Some(value as f32)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                match text {
                    "nan" => Ok(Number(Some(f32::NAN))),
                    "inf" => Ok(Number(Some(f32::INFINITY))),
                    "-inf" => Ok(Number(Some(f32::NEG_INFINITY))),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl Losses {
    /// Adds the values of some series at a step after all others.
    pub fn push<'a>(&mut self, step: u64, values: impl IntoIterator<Item = (&'a str, f64)>) {
        let before = self.steps.len();
        self.steps.push(step);
        for (name, value) in values {
            let known = self.series.contains_key(name);
            let series = if known { self.series.get_mut(name) } else { None };
            match series {
                Some(series) => series.push(Number::rounded(value)),
                None => {
                    let absent = std::iter::repeat_n(Number(None), before);
                    self.series.insert(name.to_owned(), absent.chain([Number::rounded(value)]).collect());
                }
            }
        }
        for series in self.series.values_mut() {
            series.resize(self.steps.len(), Number(None));
        }
    }

    /// Whether there are no losses.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Checks a worker's report.
    ///
    /// # Errors
    ///
    /// Says what is wrong: steps that do not ascend, series of the wrong length, or invalid names.
    pub fn check(&self) -> Result<(), String> {
        if !self.steps.is_sorted_by(|one, next| one < next) {
            return Err("its steps do not ascend".to_owned());
        }
        if self.series.len() > SERIES {
            return Err(format!("it has {} series, but at most {SERIES} are allowed", self.series.len()));
        }
        for (name, values) in &self.series {
            if !is_name(name) {
                return Err(format!("the name of its series `{name}` is not made of letters, digits and `_ - .`"));
            }
            if values.len() != self.steps.len() {
                return Err(format!("its series `{name}` has {} values at {} steps", values.len(), self.steps.len()));
            }
        }
        Ok(())
    }

    /// Returns the values of a series with their steps, without missing ones.
    pub fn series<'l>(&'l self, name: &str) -> impl Iterator<Item = (u64, f64)> + use<'l> {
        let values = self.series.get(name).map_or(&[][..], Vec::as_slice);
        self.steps.iter().zip(values).filter_map(|(step, value)| Some((*step, f64::from(value.0?))))
    }

    /// Returns the last step.
    pub fn last(&self) -> Option<u64> {
        self.steps.last().copied()
    }

    /// Keeps the steps for which `keep` holds.
    pub fn retain(&mut self, keep: impl Fn(u64) -> bool) {
        if self.steps.iter().all(|&step| keep(step)) {
            return;
        }
        let kept: Vec<bool> = self.steps.iter().map(|&step| keep(step)).collect();
        fn only<T: Copy>(all: &[T], kept: &[bool]) -> Vec<T> {
            all.iter().zip(kept).filter(|(_, kept)| **kept).map(|(one, _)| *one).collect()
        }
        self.steps = only(&self.steps, &kept);
        self.series.values_mut().for_each(|values| *values = only(values, &kept));
    }

    /// Merges with `later`, whose values win. The result is the same in whatever pieces, and however often, points
    /// arrive.
    #[must_use]
    pub fn merged(mut self, later: &Losses) -> Losses {
        let begins = later.steps.first().is_none_or(|first| self.last().is_none_or(|last| last < *first));
        let names: BTreeSet<&String> = self.series.keys().chain(later.series.keys()).collect();
        let absent = |count: usize| std::iter::repeat_n(Number(None), count);
        if begins {
            let (before, after) = (self.steps.len(), later.steps.len());
            for name in names.into_iter().cloned().collect::<Vec<_>>() {
                let values = self.series.entry(name.clone()).or_insert_with(|| absent(before).collect());
                match later.series.get(&name) {
                    Some(more) => values.extend(more),
                    None => values.extend(absent(after)),
                }
            }
            self.steps.extend(&later.steps);
            return self;
        }
        let steps: BTreeSet<u64> = self.steps.iter().chain(&later.steps).copied().collect();
        let at = |losses: &Losses, name: &String, step: u64| {
            let values = losses.series.get(name)?;
            losses.steps.binary_search(&step).ok().and_then(|place| values[place].0)
        };
        let series = names.into_iter().map(|name| {
            let value = |&step: &u64| Number(at(later, name, step).or_else(|| at(&self, name, step)));
            (name.clone(), steps.iter().map(value).collect())
        });
        let series = series.collect();
        Losses { steps: steps.into_iter().collect(), series }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(json: &str) -> Losses {
        let found: Losses = serde_json::from_str(json).unwrap();
        found.check().unwrap();
        assert_eq!(serde_json::to_string(&found).unwrap(), json);
        found
    }

    #[test]
    fn json_has_five_digits_and_every_kind_of_number() {
        let mut found = Losses::default();
        found.push(4, [("a", 1.386_294_361), ("b", f64::NAN)]);
        found.push(8, [("a", -1.234_56e-9), ("b", f64::INFINITY), ("c", 2.0)]);
        found.push(12, [("a", 1e300), ("c", f64::NEG_INFINITY)]);
        let json = concat!(
            r#"{"steps":[4,8,12],"series":"#,
            r#"{"a":[1.3863,-1.2346e-9,"inf"],"b":["nan","inf",null],"c":[null,2.0,"-inf"]}}"#
        );
        assert_eq!(losses(json), found);
        let whole: Losses = serde_json::from_str(r#"{"steps":[1,2],"series":{"a":[1,-2]}}"#).unwrap();
        assert_eq!(whole.series["a"], [Number(Some(1.0)), Number(Some(-2.0))]);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (json, said) in [
            (r#"{"steps":[2,2],"series":{}}"#, "ascend"),
            (r#"{"steps":[3,2],"series":{}}"#, "ascend"),
            (r#"{"steps":[1],"series":{"a":[1,2]}}"#, "`a` has 2 values at 1 steps"),
            (r#"{"steps":[1],"series":{"a b":[1]}}"#, "`a b` is not made of letters"),
        ] {
            let found: Losses = serde_json::from_str(json).unwrap();
            assert!(found.check().unwrap_err().contains(said), "{json}");
        }
        for json in [r#"{"steps":[1],"series":{"a":["x"]}}"#, r#"{"steps":[-1],"series":{}}"#, r#"{"steps":[1]}"#] {
            assert!(serde_json::from_str::<Losses>(json).is_err(), "{json}");
        }
        let many = (0..33).map(|i| (format!("s{i}"), vec![Number(None)])).collect();
        assert!(Losses { steps: vec![1], series: many }.check().unwrap_err().contains("33 series"));
    }

    #[test]
    fn in_whatever_pieces_points_come_the_whole_is_the_same() {
        let (first, second) = (
            losses(r#"{"steps":[2,4],"series":{"a":[1.0,2.0]}}"#),
            losses(r#"{"steps":[6],"series":{"a":[3.0],"b":["nan"]}}"#),
        );
        let whole = losses(r#"{"steps":[2,4,6],"series":{"a":[1.0,2.0,3.0],"b":[null,null,"nan"]}}"#);
        assert_eq!(first.clone().merged(&second), whole);
        assert_eq!(second.clone().merged(&first), whole);
        for piece in [&first, &second, &whole, &Losses::default()] {
            assert_eq!(whole.clone().merged(piece), whole);
            assert_eq!(piece.clone().merged(&whole), whole);
        }
        let other = losses(r#"{"steps":[4,5],"series":{"a":[9.0,null]}}"#);
        let mut changed = whole.merged(&other);
        assert_eq!(
            changed,
            losses(r#"{"steps":[2,4,5,6],"series":{"a":[1.0,9.0,null,3.0],"b":[null,null,null,"nan"]}}"#)
        );
        changed.retain(|step| step % 4 == 0);
        assert_eq!(changed, losses(r#"{"steps":[4],"series":{"a":[9.0],"b":[null]}}"#));
    }
}
