//! What is wrong with a formula, and where.

use super::ast::Place;

/// What is wrong with a formula.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// Where it is.
    pub place: Place,
    /// What was expected and what was found.
    pub message: String,
    /// What to do, if the message does not say so.
    pub help: Option<String>,
}

impl Mistake {
    pub(super) fn new(place: &Place, message: impl Into<String>) -> Mistake {
        Mistake { place: place.clone(), message: message.into(), help: None }
    }

    pub(super) fn advise(place: &Place, message: impl Into<String>, help: impl Into<String>) -> Mistake {
        Mistake { help: Some(help.into()), ..Mistake::new(place, message) }
    }
}
