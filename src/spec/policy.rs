//! `run:`: how a run handles failures and time limits, and how it gets other machines. Not part of any job.

use super::cluster::{Launch, Slurm};
use super::error::Mistakes;
use super::parts;
use super::value::Reader;
use super::yaml::Node;

/// How a run handles failures and time limits. `None` means that the file does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// How often a cohort is retried without making progress.
    pub retries: Option<u32>,
    /// Seconds before the first retry. Doubles with each further retry, up to a minute.
    pub backoff: Option<f64>,
    /// Seconds that the cohort of a job may take in one run.
    pub job_time: Option<f64>,
    /// Seconds that the run may take.
    pub run_time: Option<f64>,
    /// The number of failures after which the run ends.
    pub max_failures: Option<u32>,
    /// What happens to training cohorts then.
    pub on_max_failures: Option<OnMaxFailures>,
    /// Agents that Slurm starts.
    pub slurm: Option<Slurm>,
    /// Agents that a command starts.
    pub launch: Option<Launch>,
}

/// What happens to training cohorts after too many failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnMaxFailures {
    /// They finish.
    Finish,
    /// They are stopped after a checkpoint.
    Stop,
}

impl OnMaxFailures {
    /// All choices, the default first.
    pub const ALL: [OnMaxFailures; 2] = [OnMaxFailures::Finish, OnMaxFailures::Stop];

    /// Returns the name in YAML and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            OnMaxFailures::Finish => "finish",
            OnMaxFailures::Stop => "stop",
        }
    }
}

/// The keys of `run:`.
const KEYS: [&str; 8] =
    ["retries", "backoff", "job_time", "run_time", "max_failures", "on_max_failures", "slurm", "launch"];

impl Policy {
    /// Returns this policy, with what it does not set taken from `other`.
    #[must_use]
    pub fn or(self, other: Policy) -> Policy {
        Policy {
            retries: self.retries.or(other.retries),
            backoff: self.backoff.or(other.backoff),
            job_time: self.job_time.or(other.job_time),
            run_time: self.run_time.or(other.run_time),
            max_failures: self.max_failures.or(other.max_failures),
            on_max_failures: self.on_max_failures.or(other.on_max_failures),
            slurm: self.slurm.or(other.slurm),
            launch: self.launch.or(other.launch),
        }
    }

    /// Reads the value of `run`.
    pub(super) fn read(node: &Node, mistakes: &mut Mistakes) -> Policy {
        let mut policy = Policy::default();
        for (name, node) in parts::entries(node, "run", mistakes).unwrap_or_default() {
            let path = format!("run.{}", name.text);
            let mut reader = Reader { node, path: &path, mistakes };
            match name.text.as_str() {
                "retries" => policy.retries = reader.count(0, 1000).map(|count| count as u32),
                "max_failures" => policy.max_failures = reader.count(1, 1_000_000_000).map(|count| count as u32),
                "backoff" => policy.backoff = duration(&mut reader),
                "job_time" => policy.job_time = limit(&mut reader),
                "run_time" => policy.run_time = limit(&mut reader),
                "on_max_failures" => {
                    let known = OnMaxFailures::ALL.map(|what| (what.name(), what));
                    policy.on_max_failures = reader.named("an action of `on_max_failures`", &known);
                }
                "slurm" => policy.slurm = Slurm::read(node, mistakes),
                "launch" => policy.launch = Launch::read(node, mistakes),
                _ => mistakes.unknown(&path, &name.span, "a key of `run`", &name.text, &KEYS),
            }
        }
        policy
    }
}

pub(super) fn limit(reader: &mut Reader) -> Option<f64> {
    let found = duration(reader)?;
    if found == 0.0 {
        reader.expected("a time above 0");
    }
    (found > 0.0).then_some(found)
}

fn duration(reader: &mut Reader) -> Option<f64> {
    let value = reader.node.value();
    let found = match value.as_f64() {
        Some(number) => Some(number).filter(|number| number.is_finite() && *number >= 0.0),
        None => reader.node.text().and_then(|text| seconds(text).ok()),
    };
    if found.is_none() {
        reader.expected(TIME);
    }
    found
}

/// What [`seconds`] accepts.
const TIME: &str = "a time, such as 90 (seconds), 90s, 15m, 2h or 1.5d";

/// Parses a time in seconds as people write it: `90`, `90s`, `15m`, `2h`, `1.5d`.
///
/// # Errors
///
/// If the text is anything else.
pub fn seconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => f64::NAN,
    };
    let seconds = digits.trim_end().parse::<f64>().map_or(f64::NAN, |number| number * unit);
    if seconds.is_finite() && seconds >= 0.0 { Ok(seconds) } else { Err(format!("expected {TIME}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Sweep;

    fn policy(run: &str) -> Result<Policy, String> {
        let text = format!("sweep: s\ndataset: gaussians\nobjective: gan\ntrain: {{steps: 1}}\nrun: {run}\n");
        Sweep::parse("f", &text).map(|sweep| sweep.policy).map_err(|error| error.render(200, false))
    }

    #[test]
    fn times_are_as_people_write_them() {
        for (text, expected) in [("90", 90.0), ("90s", 90.0), ("15m", 900.0), ("2 h", 7200.0), ("1.5d", 129_600.0)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "h", "-1", "1w", "nan", "inf", "1e400", "1 hour"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_section_is_read_and_its_mistakes_have_places() {
        let expected = Policy {
            retries: Some(5),
            backoff: Some(2.5),
            run_time: Some(86_400.0),
            on_max_failures: Some(OnMaxFailures::Stop),
            ..Policy::default()
        };
        assert_eq!(policy("{retries: 5, backoff: 2.5, run_time: 1d, on_max_failures: stop}"), Ok(expected.clone()));
        assert_eq!(policy("{retries: 1}").unwrap().or(expected).retries, Some(1));
        for (run, what) in [
            ("{retrys: 1}", "did you mean `retries`"),
            ("{job_time: 2 weeks}", "expected a time"),
            ("{run_time: 0}", "a time above 0"),
            ("{max_failures: 0}", "a whole number from 1"),
            ("{on_max_failures: explode}", "expected one of: finish, stop"),
            ("3", "run"),
        ] {
            let error = policy(run).unwrap_err();
            assert!(error.contains(what), "{run}: {error}");
        }
    }

    #[test]
    fn jobs_are_the_same_whatever_it_says() {
        let ids = |run: &str| {
            let text = format!("sweep: s\ndataset: gaussians\nobjective: gan\ntrain: {{steps: 1}}\n{run}");
            Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap().entries[0].id
        };
        assert_eq!(ids(""), ids("run: {retries: 9}\n"));
    }
}
