//! Scores by name: those that this program computes, and those that the user's own trainers report.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Direction, Metric, Unit};

/// Maximum number of characters of a name.
const LONG: usize = 64;

/// A score of either kind. Two scores with the same name are equal.
#[derive(Clone, Copy)]
pub enum Measure {
    /// One that this program computes.
    Known(Metric),
    /// One that the user's own trainer reports.
    Own {
        /// Its name in the file.
        name: &'static str,
        /// Its direction, if a file has declared it.
        better: Option<Direction>,
    },
}

impl Measure {
    /// Returns the score with this name, or `None` if the text is not a valid name.
    pub fn named(name: &str) -> Option<Measure> {
        if let Some(metric) = Metric::find(name) {
            return Some(Measure::Known(metric));
        }
        is_name(name).then(|| Measure::Own { name: interned(name), better: None })
    }

    /// Returns a score that a file declares. The name must pass [`is_name`].
    pub fn declared(name: &str, better: Direction) -> Measure {
        Measure::Own { name: interned(name), better: Some(better) }
    }

    /// Returns the name in YAML, in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Known(metric) => metric.name(),
            Measure::Own { name, .. } => name,
        }
    }

    /// Returns its direction, or `None` if it was never declared.
    pub fn better(self) -> Option<Direction> {
        match self {
            Measure::Known(metric) => Some(metric.better()),
            Measure::Own { better, .. } => better,
        }
    }

    /// Returns its unit.
    pub fn unit(self) -> Unit {
        match self {
            Measure::Known(metric) => metric.unit(),
            Measure::Own { .. } => Unit::Number,
        }
    }

    /// Returns the score if this program computes it.
    pub fn known(self) -> Option<Metric> {
        match self {
            Measure::Known(metric) => Some(metric),
            Measure::Own { .. } => None,
        }
    }
}

/// Returns whether `text` is a valid name for a parameter or score of the user's own trainer: letters, digits and
/// `_ - .`.
pub fn is_name(text: &str) -> bool {
    let is_of_it = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().count() <= LONG && text.chars().all(is_of_it)
}

/// Returns a copy of the text that lives as long as the program. Few names occur many times in the program's tables.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name) {
        Some(known) => known,
        None => {
            let kept: &'static str = Box::leak(name.into());
            names.insert(kept);
            kept
        }
    }
}

impl From<Metric> for Measure {
    fn from(metric: Metric) -> Self {
        Measure::Known(metric)
    }
}

impl PartialEq for Measure {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl PartialEq<Metric> for Measure {
    fn eq(&self, other: &Metric) -> bool {
        self.known() == Some(*other)
    }
}

impl Eq for Measure {}

impl PartialOrd for Measure {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Built-in scores come first, in the order of their table; the others follow by name.
impl Ord for Measure {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Measure::Known(one), Measure::Known(other)) => one.cmp(other),
            (Measure::Known(_), Measure::Own { .. }) => Ordering::Less,
            (Measure::Own { .. }, Measure::Known(_)) => Ordering::Greater,
            (Measure::Own { name, .. }, Measure::Own { name: other, .. }) => name.cmp(other),
        }
    }
}

impl Hash for Measure {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Measure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Measure::named(&name).ok_or_else(|| {
            serde::de::Error::custom(
                "the name of a score may have letters, digits and `_ - .`, and at most 64 characters",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_one_name_are_one() {
        let declared = Measure::declared("fid", Direction::Lower);
        let read: Measure = serde_json::from_str("\"fid\"").unwrap();
        assert_eq!(read, declared);
        assert_eq!((read.better(), declared.better()), (None, Some(Direction::Lower)));
        assert_eq!(Measure::named("frechet"), Some(Measure::Known(Metric::Frechet)));
        assert_eq!(serde_json::to_string(&Measure::Known(Metric::Kid)).unwrap(), "\"kid\"");
        let mut sorted = [declared, Measure::Known(Metric::Kid), Measure::named("a.b").unwrap()];
        sorted.sort();
        assert_eq!(sorted.iter().map(|measure| measure.name()).collect::<Vec<_>>(), ["kid", "a.b", "fid"]);
    }

    #[test]
    fn names_are_letters_and_digits() {
        for name in ["fid", "select", "a-b.c_d", "Größe", "1"] {
            assert!(Measure::named(name).is_some(), "{name}");
        }
        let long = "x".repeat(65);
        for text in ["", "a b", "a\"b", "a\nb", "a,b", &long] {
            assert_eq!(Measure::named(text), None, "{text}");
            assert!(serde_json::from_value::<Measure>(serde_json::json!(text)).is_err(), "{text}");
        }
    }
}
