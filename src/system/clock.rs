//! The time of day. Only what is stored or compared with what is stored has it; how long something takes is measured by `Instant`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch, as the database, events and decisions have times.
pub fn now() -> f64 {
    seconds(SystemTime::now())
}

/// The same of the time that a file has; 0 of one before the epoch.
pub fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(1_500)), 1.5);
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(9)), 0.0);
        // Between the years 2020 and 2500.
        assert!((1.5e9..1.7e10).contains(&now()));
    }
}
