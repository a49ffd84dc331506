//! Measured training speeds of cohorts by their size on each kind of device, what to measure next, and the best size.
//!
//! Cohorts of 1, 4, 16, … members train for a moment each, until memory or the jobs run out, or more members gain
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::group::group;
use super::slot::Kind;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::{Job, Scores, Task};

/// The largest cohort to measure.
pub const MOST: usize = 256;
/// Each cohort to measure has this many times the members of the one before.
const FACTOR: usize = 4;
/// More members are worth it if they multiply the rate by at least this.
const GAIN: f64 = 1.05;
/// The smallest cohort with this fraction of the best rate is the best one: it needs less memory, and loses less if it
/// fails.
const ENOUGH: f64 = 0.95;

/// Measurements of one blueprint on one kind of device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Model-steps per second, by number of members.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rates: BTreeMap<usize, f64>,
    /// The maximum number of members to try, after more ran out of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Measurements of each blueprint on each kind of device.
pub type Known = BTreeMap<Kind, BTreeMap<BlueprintId, Measured>>;

impl Measured {
    /// Notes that this many members ran out of memory.
    pub fn out_of_memory(&mut self, members: usize) {
        let half = members.div_ceil(2);
        self.limit = Some(self.limit.map_or(half, |limit| limit.min(half)));
    }

    /// Adds the measurements of `news`.
    pub fn learn(&mut self, news: &Measured) {
        self.rates.extend(&news.rates);
        self.limit = self.limit.into_iter().chain(news.limit).min();
    }

    /// Returns the size of the next cohort to measure, with `jobs` jobs available; `None` if the best size is known, or
    /// there is no choice.
    pub fn next(&self, jobs: usize) -> Option<usize> {
        let most = self.fitting(jobs.min(MOST));
        if jobs < 2 {
            return None;
        }
        let mut known = self.rates.range(..=self.fitting(MOST)).rev();
        let Some((&last, rate)) = known.next() else { return Some(1) };
        let gains = known.next().is_none_or(|(_, before)| *rate >= before * GAIN);
        (last < most && gains).then(|| (last * FACTOR).min(most))
    }

    /// Returns how many of `jobs` jobs train best together, if that is known.
    pub fn best(&self, jobs: usize) -> Option<usize> {
        if self.next(jobs).is_some() {
            return None;
        }
        let fitting = || self.rates.range(..=self.fitting(MOST));
        let best = fitting().map(|(_, rate)| *rate).fold(0.0, f64::max);
        fitting().find(|(_, rate)| **rate >= best * ENOUGH).map(|(members, _)| *members)
    }

    /// Returns the seconds per step of a cohort with this many members, by linear interpolation; `None` if nothing was
    /// measured.
    pub fn step_seconds(&self, members: usize) -> Option<f64> {
        let seconds = |(&members, &rate): (&usize, &f64)| (members as f64, members as f64 / rate);
        let at = members as f64;
        let below = self.rates.range(..=members).next_back().map(seconds);
        let above = self.rates.range(members..).next().map(seconds);
        match (below, above) {
            (Some((low, at_low)), Some((high, _))) if low == high => Some(at_low),
            (Some((low, at_low)), Some((high, at_high))) => {
                Some(at_low + (at_high - at_low) * (at - low) / (high - low))
            }
            // Beyond the measured sizes, more members gain nothing.
            (Some((low, at_low)), None) => Some(at_low * at / low),
            (None, Some((_, at_high))) => Some(at_high),
            (None, None) => None,
        }
    }

    fn fitting(&self, members: usize) -> usize {
        self.limit.map_or(members, |limit| limit.min(members))
    }
}

/// Adds the measurements of `news` to `known`.
pub fn learn(known: &mut Known, news: &Known) {
    for (kind, blueprints) in news {
        let known = known.entry(kind.clone()).or_default();
        for (blueprint, measured) in blueprints {
            known.entry(*blueprint).or_default().learn(measured);
        }
    }
}

/// Jobs of one blueprint for which the best cohort size on a kind of device is not known.
#[derive(Clone, Debug)]
pub struct Question {
    /// The kind of device.
    pub kind: Kind,
    /// The blueprint.
    pub blueprint: BlueprintId,
    /// As many jobs as the measurement needs.
    pub jobs: Vec<(JobId, Job)>,
    /// What is known so far.
    pub known: Measured,
}

/// Returns what is not known yet about the jobs of `tasks` on these `kinds` of devices.
pub fn questions(tasks: &[Task], kinds: &BTreeSet<Kind>, known: &Known) -> Vec<Question> {
    let mut questions = Vec::new();
    // Training speed does not depend on scoring.
    let unscored: Scores = [].into();
    // The user's own trainer sets itself how many run at once.
    let tasks = tasks.iter().filter(|task| task.job.blueprint.own().is_none());
    for group in group(tasks.map(|task| Task { scores: Arc::clone(&unscored), earlier: None, ..task.clone() })) {
        for kind in kinds {
            let known = known.get(kind).and_then(|blueprints| blueprints.get(&group.id)).cloned().unwrap_or_default();
            if known.next(group.members.len()).is_some() {
                let jobs = group.members.iter().take(MOST).cloned().collect();
                questions.push(Question { kind: kind.clone(), blueprint: group.id, jobs, known });
            }
        }
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measures a device with these rates, where `None` means out of memory.
    fn probe(jobs: usize, rate: impl Fn(usize) -> Option<f64>) -> (Vec<usize>, Measured) {
        let (mut measured, mut asked) = (Measured::default(), Vec::new());
        while let Some(members) = measured.next(jobs) {
            asked.push(members);
            assert!(asked.len() < 20, "no end: {asked:?}");
            match rate(members) {
                Some(rate) => drop(measured.rates.insert(members, rate)),
                None => measured.out_of_memory(members),
            }
        }
        (asked, measured)
    }

    #[test]
    fn a_probe_climbs_while_more_members_gain() {
        // A device that trains up to 64 members in the time of one.
        let wide = |k: usize| Some(100.0 * k.min(64) as f64);
        let (asked, measured) = probe(1000, wide);
        assert_eq!((asked, measured.best(1000)), (vec![1, 4, 16, 64, 256], Some(64)));
        let (asked, measured) = probe(40, wide);
        assert_eq!((asked, measured.best(40)), (vec![1, 4, 16, 40], Some(40)));
        assert_eq!(measured.best(41), None, "one more job is one more question");
        assert_eq!(measured.next(1000), Some(160));
        assert_eq!(measured.best(3), Some(40), "fewer jobs are no question");
        // Large networks, each of which fills the device.
        let (asked, measured) = probe(1000, |k| Some(100.0 + k as f64));
        assert_eq!((asked, measured.best(1000)), (vec![1, 4], Some(1)));
        assert_eq!(probe(1, wide).0, [] as [usize; 0], "one job has no choice");
        assert_eq!(probe(2, wide).0, [1, 2]);
    }

    #[test]
    fn out_of_memory_is_halved_until_it_fits() {
        let fits = |most: usize| move |k: usize| (k <= most).then_some(100.0 * k as f64);
        let (asked, measured) = probe(1000, fits(40));
        assert_eq!((asked, measured.best(1000), measured.limit), (vec![1, 4, 16, 64, 32], Some(32), Some(32)));
        let (asked, measured) = probe(1000, fits(20));
        assert_eq!((asked, measured.best(1000)), (vec![1, 4, 16, 64, 32], Some(16)));
        let (asked, measured) = probe(1000, fits(1));
        assert_eq!((asked, measured.best(1000)), (vec![1, 4, 2], Some(1)));
        // A run may reach its memory limit later, for example in scoring.
        let (_, mut measured) = probe(1000, fits(1000));
        assert_eq!(measured.best(1000), Some(256));
        measured.out_of_memory(256);
        assert_eq!((measured.limit, measured.next(1000)), (Some(128), Some(128)));
        measured.rates.insert(128, 12_800.0);
        assert_eq!(measured.best(1000), Some(128));
    }

    #[test]
    fn a_step_takes_as_long_as_measured_and_between_that() {
        let measured = Measured { rates: BTreeMap::from([(1, 100.0), (4, 400.0), (16, 800.0)]), limit: None };
        let seconds = |members| measured.step_seconds(members).unwrap();
        assert_eq!((seconds(1), seconds(4), seconds(16)), (0.01, 0.01, 0.02));
        assert!((seconds(10) - 0.015).abs() < 1e-12 && (seconds(32) - 0.04).abs() < 1e-12);
        assert_eq!(Measured::default().step_seconds(4), None);
    }

    #[test]
    fn what_is_learnt_is_added() {
        let kind = Kind::gpu("NVIDIA H100", 80 << 30);
        assert_eq!(kind.to_string(), "NVIDIA H100, 81920 MiB");
        let of = |rates: &[(usize, f64)], limit| {
            let measured = Measured { rates: rates.iter().copied().collect(), limit };
            Known::from([(kind.clone(), BTreeMap::from([(BlueprintId::of(b"a"), measured)]))])
        };
        let mut known = of(&[(1, 1.0), (4, 3.0)], Some(8));
        learn(&mut known, &of(&[(4, 4.0)], Some(16)));
        assert_eq!(known, of(&[(1, 1.0), (4, 4.0)], Some(8)), "newer rates, the smaller limit");
        learn(&mut known, &of(&[], Some(2)));
        assert_eq!(known, of(&[(1, 1.0), (4, 4.0)], Some(2)));
    }
}
