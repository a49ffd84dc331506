//! Numbers that a part of a game has: written out, or parameters by their names, which members of a cohort may differ in.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A number of a penalty, or the bound of clipped weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// The same for all members.
    Number(f64),
    /// The parameter with this name.
    Parameter(Arc<str>),
}

impl Amount {
    /// The name of the parameter that it is.
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
