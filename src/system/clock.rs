//! The time of day. Use it only for times that are stored or compared with stored ones; measure durations with
//! `Instant`, or with [`awake`] if other machines wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Returns the time in seconds since the Unix epoch, as used in the database, events and decisions.
pub fn now() -> f64 {
    seconds(SystemTime::now())
}

/// Converts a file's time to seconds since the Unix epoch; 0 if it is before.
pub fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Returns the time since this machine was started, including time asleep.
pub fn awake() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.cast_unsigned(), now.tv_nsec as u32)
}

/// Formats a time as `2026-11-29 16:05 UTC`.
pub fn date(at: f64) -> String {
    let minutes = (at / 60.0).floor() as i64;
    let (days, minute) = (minutes.div_euclid(1440), minutes.rem_euclid(1440));
    // Howard Hinnant's `civil_from_days`: years begin in March, so a leap day is the last day.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    format!("{:04}-{month:02}-{day:02} {:02}:{:02} UTC", year + 400 * era, minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(1_500)), 1.5);
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(9)), 0.0);
        // date -u -d @…
        let dates = [
            (0.0, "1970-01-01 00:00"),
            (951_782_399.0, "2000-02-28 23:59"),
            (951_782_400.0, "2000-02-29 00:00"),
            (1_796_054_712.9, "2026-11-30 16:05"),
            (-1.0, "1969-12-31 23:59"),
            (4_107_542_400.0, "2100-03-01 00:00"),
        ];
        for (at, text) in dates {
            assert_eq!(date(at), format!("{text} UTC"));
        }
        // Between the years 2020 and 2500.
        assert!((1.5e9..1.7e10).contains(&now()));
    }
}
