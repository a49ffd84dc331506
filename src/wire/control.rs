//! Changes to an order after it was sent, in a file next to it: see [`AttemptFolder::control`].
//!
//! Like the files of [`spool`], it has one writer, who replaces it as a whole, and it describes the wanted state: a
//! reader who sees only the last version misses nothing, and one who sees it late acts late.
//!
//! [`AttemptFolder::control`]: super::home::AttemptFolder::control

use serde::{Deserialize, Serialize};

use super::order::Order;
use super::spool;
use sweep_spec::id::{CohortId, JobId};

/// Instructions for an attempt in addition to its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// The cohort.
    pub cohort: CohortId,
    /// The attempt.
    pub attempt: u32,
    /// All members that are no longer trained, including those named by the order or an earlier version.
    pub without: Vec<JobId>,
}

impl Control {
    /// Returns the text of the file.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn write(&self) -> serde_json::Result<Vec<u8>> {
        spool::write(self)
    }

    /// Reads the instructions for `order`; `None` if the file is damaged, incomplete, or for another attempt.
    pub fn read(text: &[u8], order: &Order) -> Option<Control> {
        spool::read(text).filter(|control: &Control| (control.cohort, control.attempt) == (order.cohort, order.attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_torn_or_of_another_attempt_says_nothing() {
        let order = Order::parse(crate::order::tests::EARLIER.as_bytes()).unwrap();
        let control = Control {
            cohort: order.cohort,
            attempt: order.attempt,
            without: vec![JobId::of(b"one"), JobId::of(b"other")],
        };
        let text = control.write().unwrap();
        assert_eq!(Control::read(&text, &order), Some(control.clone()));
        (0..text.len()).for_each(|end| assert_eq!(Control::read(&text[..end], &order), None, "{end}"));
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert!(Control::read(&other, &order).is_none_or(|found| found == control), "byte {at}");
        }
        let other = CohortId::of(b"another");
        for stranger in [Order { attempt: 3, ..order.clone() }, Order { cohort: other, ..order.clone() }] {
            assert_eq!(Control::read(&text, &stranger), None);
        }
        sweep_fuzz::survive(&[text], |bytes| drop(Control::read(bytes, &order)));
    }

    #[test]
    fn what_a_later_version_says_beside_it_is_passed_over() {
        let order = Order::parse(crate::order::tests::EARLIER.as_bytes()).unwrap();
        let job = JobId::of(b"one");
        let text =
            format!("{{\"cohort\":\"{}\",\"attempt\":2,\"without\":[\"{job}\"],\"faster\":true}}\n", order.cohort);
        assert_eq!(Control::read(text.as_bytes(), &order).map(|control| control.without), Some(vec![job]));
    }
}
