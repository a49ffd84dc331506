//! What a worker is told of an order after it was sent, through a file beside it: see [`AttemptFolder::control`].
//!
//! As the files of [`spool`] it has one writer, who replaces it as a whole, and it says how things are to be from now on: whoever sees the last
//! version alone misses nothing, and whoever sees it late acts late.
//!
//! [`AttemptFolder::control`]: super::home::AttemptFolder::control

use serde::{Deserialize, Serialize};

use super::order::Order;
use super::spool;
use sweep_spec::id::{CohortId, JobId};

/// What holds of an attempt beside its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Of which cohort.
    pub cohort: CohortId,
    /// Of which of its attempts.
    pub attempt: u32,
    /// The members that are not to be trained any more: all of them, those that an earlier version or the order named, too.
    pub without: Vec<JobId>,
}

impl Control {
    /// The text of the file.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn write(&self) -> serde_json::Result<Vec<u8>> {
        spool::write(self)
    }

    /// What such a file says of `order`; none where it is damaged, only a part of it is there, or it is of another attempt.
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
