//! Numbers in a game that are either written out or named parameters. Members of a cohort may differ in parameters.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A number in a penalty, or the bound for clipped weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// The same number for all members.
    Number(f64),
    /// The parameter with this name.
    Parameter(Arc<str>),
}

impl Amount {
    /// Returns the parameter's name, or `None` for a number.
    pub fn parameter(&self) -> Option<&Arc<str>> {
        match self {
            Amount::Number(_) => None,
            Amount::Parameter(name) => Some(name),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Number(number) => number.fmt(f),
            Amount::Parameter(name) => f.write_str(name),
        }
    }
}
