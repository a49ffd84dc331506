//! Checks that each score behaves as the table of scores describes it. Each score is tested on points of a mixture and
//! on images.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::classes::of_given;
use super::features::compare;
use super::formula::{Formula, Measurement, formula};
use super::nets::classifier::Classifier;
use super::nets::{Network, unwatched};
use super::posterior::Posterior;
use super::rows::Rows;
use super::{MetricError, Order, Reference, Scorer, reference_samples};
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::{Dataset, Gaussians};
use sweep_spec::keys::{Described, Section};
use sweep_spec::metric::{Direction, Metric, Needs, Unit};
use sweep_spec::scoring::ScoringNetwork;

const RING: Gaussians = Gaussians::RING;
const DATASETS: [Dataset; 2] = [Dataset::Gaussians(RING), Dataset::Mnist];
const LABELS: [f64; 10] = [0.05, 0.15, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.12, 0.08];

/// Returns `n` samples that depend on `seed`: points around the modes, mostly too far away to hit them; or images of
/// blurred noise.
fn samples(dataset: &Dataset, n: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0f32; n * dataset.features()];
    Stream::new(seed, Purpose::Reference, 7).fill_normal(&mut values);
    if dataset.is_images() {
        for image in values.chunks_mut(dataset.features()) {
            let strength = image[0];
            let mut last = 0.0;
            for value in image {
                last = 0.9 * last + 0.3 * *value * (1.5 + strength);
                *value = last.tanh();
            }
        }
        return values;
    }
    let centres = RING.centres();
    for (k, point) in values.chunks_mut(2).enumerate() {
        // With unequal shares.
        let centre = centres[(k * k % 11) % centres.len()];
        point.iter_mut().zip(centre).for_each(|(value, centre)| *value = 0.3 * *value + centre as f32);
    }
    values
}

/// Scoring settings with which no limit on the number of samples is reached.
fn usual(metrics: impl IntoIterator<Item = Metric>) -> Score {
    Score {
        samples: 60,
        metrics: metrics.into_iter().collect(),
        splits: 4,
        bins: 9,
        range: 3.0,
        wasserstein_samples: 30,
        real_samples: Some(50),
        projections: 8,
        sinkhorn_reg: 0.5,
        neighbours: 3,
        ..Score::default()
    }
}

fn reference(dataset: &Dataset, n: usize) -> Reference {
    Reference { samples: samples(dataset, n, 1), label_frequencies: Some(LABELS.to_vec()), ..Reference::default() }
}

fn network(dataset: &Dataset) -> Option<Rc<Network>> {
    Classifier::shipped(dataset).ok().map(|classifier| Rc::new(Network::Classifier(classifier)))
}

fn applying(dataset: &Dataset) -> impl Iterator<Item = Metric> {
    let dataset = *dataset;
    Metric::ALL.into_iter().filter(move |metric| metric.applies(&dataset, ScoringNetwork::usual(&dataset)))
}

fn scored(
    dataset: &Dataset,
    score: &Score,
    reference: Reference,
    generated: &[f32],
    seed: u64,
) -> Result<BTreeMap<Metric, (u64, Option<u64>)>, MetricError> {
    let scorer = Scorer::new(dataset, score, network(dataset), reference, seed, &mut unwatched)?;
    let found = scorer.score(generated, Order::Random, &mut unwatched)?;
    Ok(found.into_iter().map(|found| (found.metric, (found.value.to_bits(), found.std.map(f64::to_bits)))).collect())
}

/// Returns the values of these scores as bits.
fn values(dataset: &Dataset, score: &Score, seed: u64) -> BTreeMap<Metric, (u64, Option<u64>)> {
    scored(dataset, score, reference(dataset, 80), &samples(dataset, 60, 2), seed).unwrap()
}

#[test]
fn every_score_is_computed_from_its_declared_input() {
    for metric in Metric::ALL {
        let needs = match formula(metric) {
            Formula::Part(_) => Needs::Part,
            Formula::Features(_) => Needs::Features,
            Formula::Plane(_) => Needs::Plane,
            Formula::Neighbours(_) => Needs::Neighbours,
            Formula::Probabilities(_) => Needs::Probabilities,
            Formula::Labels(_) => Needs::Labels,
            Formula::Nearest(_) => Needs::Nearest,
            Formula::Training(_) => Needs::Training,
            Formula::Hits(_) => Needs::Hits,
            Formula::Shares(_) => Needs::Shares,
            Formula::Density(_) => Needs::Density,
            Formula::Modes(_) => Needs::Modes,
        };
        assert_eq!(metric.needs(), needs, "{metric:?}");
    }
}

#[test]
fn every_score_has_the_same_value_alone_and_with_others() {
    let mut tried = BTreeSet::new();
    for dataset in DATASETS {
        let all = values(&dataset, &usual(applying(&dataset)), 0);
        for metric in applying(&dataset) {
            let alone = values(&dataset, &usual([metric]), 0)[&metric];
            assert!(f64::from_bits(alone.0).is_finite(), "{metric:?} of {dataset:?}");
            assert_eq!(all.get(&metric), Some(&alone), "{metric:?} of {dataset:?}");
            tried.insert(metric);
        }
    }
    assert!(Metric::ALL.iter().all(|metric| tried.contains(metric)), "{tried:?}");
}

#[test]
fn no_two_scores_have_the_same_value() {
    for dataset in DATASETS {
        // Chosen so no two shares are equal by chance.
        let generated = samples(&dataset, 59, 2);
        let found = scored(&dataset, &usual(applying(&dataset)), reference(&dataset, 80), &generated, 0).unwrap();
        for (metric, value) in &found {
            let others =
                found.iter().filter(|(other, found)| other != &metric && *found == value).map(|(other, _)| other);
            assert_eq!(others.collect::<Vec<_>>(), [&Metric::Wasserstein; 0], "{metric:?} of {dataset:?}");
        }
    }
}

/// Returns `score` with other values of `key`. Empty for keys that say what the samples are, or which scores to
/// compute.
fn changed(score: &Score, key: &Described) -> Vec<Score> {
    let mut score = score.clone();
    match key.name {
        "splits" => score.splits = 3,
        "bins" => score.bins = 12,
        "range" => score.range = 2.0,
        "wasserstein_samples" => score.wasserstein_samples = 20,
        // With few samples, shares may be equal by chance.
        "real_samples" => return [40, 25].map(|real| Score { real_samples: Some(real), ..score.clone() }).to_vec(),
        "projections" => score.projections = 5,
        "sinkhorn_reg" => score.sinkhorn_reg = 0.25,
        "k" => score.neighbours = 6,
        "at_least" => score.at_least = Some(8),
        "mmd_bandwidth" => score.mmd_bandwidth = Some(0.7),
        "every" | "sheets" | "samples" | "metrics" | "classifier" | "weights" => return Vec::new(),
        key => panic!("nobody says here how `{key}` is another one"),
    }
    vec![score]
}

#[test]
fn a_score_depends_only_on_its_keys() {
    for dataset in DATASETS {
        let usual = usual(applying(&dataset));
        let before = values(&dataset, &usual, 0);
        for key in Section::Score.keys() {
            let after: Vec<_> = changed(&usual, key).iter().map(|score| values(&dataset, score, 0)).collect();
            for metric in applying(&dataset) {
                let changes = after.iter().any(|after| after[&metric] != before[&metric]);
                assert_eq!(changes, metric.reads(key), "{metric:?} of {dataset:?}: {}", key.name);
            }
        }
    }
}

#[test]
fn only_scores_that_draw_depend_on_the_seed() {
    for dataset in DATASETS {
        let [one, other] = [1, 2].map(|seed| values(&dataset, &usual(applying(&dataset)), seed));
        for metric in applying(&dataset) {
            assert_eq!(one[&metric] != other[&metric], metric.draws(), "{metric:?} of {dataset:?}");
        }
    }
}

#[test]
fn real_samples_and_labels_that_a_score_does_not_need_may_be_missing() {
    for dataset in DATASETS {
        let generated = samples(&dataset, 60, 2);
        for metric in applying(&dataset) {
            let score = usual([metric]);
            let whole = scored(&dataset, &score, reference(&dataset, 80), &generated, 0).unwrap();
            let needed = reference_samples(&dataset, &score);
            // All that there are, for scores that need all.
            let enough = Reference { label_frequencies: None, ..reference(&dataset, needed.min(80)) };
            let of_labels = metric.needs() == Needs::Labels || metric.needs() == Needs::Shares && dataset.is_images();
            match scored(&dataset, &score, enough, &generated, 0) {
                Ok(found) => assert!(!of_labels && found == whole, "{metric:?} of {dataset:?}"),
                Err(MetricError::Labels { metric: name, .. }) => assert!(of_labels && name == metric.name()),
                Err(error) => panic!("{metric:?} of {dataset:?}: {error}"),
            }
            match scored(&dataset, &score, reference(&dataset, 0), &generated, 0) {
                Ok(found) => assert!(needed == 0 && found == whole, "{metric:?} of {dataset:?}"),
                Err(MetricError::TooFewReal { metric: name, .. }) => assert!(needed > 0 && name == metric.name()),
                Err(error) => panic!("{metric:?} of {dataset:?}: {error}"),
            }
        }
    }
}

#[test]
fn the_minimum_of_samples_is_enough_and_fewer_are_not() {
    for dataset in DATASETS {
        for metric in applying(&dataset) {
            let mut score = usual([metric]);
            let least = metric.least_samples(score.neighbours.into()) as usize;
            (score.samples, score.real_samples) = (least as u32, Some(least as u32));
            (score.wasserstein_samples, score.splits) = (least as u32, least.min(4) as u32);
            let of = |real, generated| {
                let generated = samples(&dataset, generated, 2);
                let found = scored(&dataset, &score, reference(&dataset, real), &generated, 0)?;
                Ok::<_, MetricError>(f64::from_bits(found[&metric].0))
            };
            // A single sample may not hit anything.
            let value = of(least, least).unwrap();
            let of_hits = matches!(metric.needs(), Needs::Hits | Needs::Shares);
            assert!(value.is_finite() || of_hits, "{metric:?} of {dataset:?}: {value}");
            if metric.needs().real_samples(&score) > 0 {
                let refused = of(least - 1, least).unwrap_err();
                let expected = matches!(
                    refused,
                    MetricError::TooFewReal { expected, found, .. } if (expected, found) == (least, least - 1)
                );
                assert!(expected, "{metric:?} of {dataset:?}: {refused}");
            }
            let fewer = of(least, least - 1).unwrap();
            assert!(fewer.is_nan() || least == 1 && fewer == 0.0, "{metric:?} of {dataset:?}: {fewer}");
        }
    }
}

/// Compares real samples with a generator that has lost all modes but one and places most samples off every mode.
#[test]
fn the_better_of_two_generators_has_the_better_score() {
    let better = |metric: Metric, good: f64, bad: f64| {
        let is = match metric.better() {
            Direction::Higher => good > bad,
            Direction::Lower => good < bad,
        };
        assert!(is, "{metric:?}: {good} is better than {bad}");
        for value in [good, bad] {
            match metric.unit() {
                Unit::Share => assert!((0.0..=1.0).contains(&value), "{metric:?} {value}"),
                Unit::Modes => assert_eq!(value.fract(), 0.0, "{metric:?}"),
                Unit::Number | Unit::Data | Unit::SquaredData | Unit::Nats => {}
            }
        }
        metric
    };
    let mut tried = BTreeSet::new();

    let ring = Dataset::Gaussians(RING);
    let score = Score { samples: 400, real_samples: Some(400), ..usual(applying(&ring)) };
    let score = Score { wasserstein_samples: 400, ..score };
    let lost: Vec<f32> = samples(&ring, 400, 3)
        .chunks(2)
        .enumerate()
        .flat_map(|(k, point)| match k % 4 {
            0 => [0.0, 2.0],
            _ => [0.1 * point[0] + 5.0, 0.1 * point[1] - 4.0],
        })
        .collect();
    let of = |generated: &[f32]| scored(&ring, &score, reference(&ring, 400), generated, 0).unwrap();
    let (good, bad) = (of(&samples(&ring, 400, 2)), of(&lost));
    for metric in applying(&ring) {
        tried.insert(better(metric, f64::from_bits(good[&metric].0), f64::from_bits(bad[&metric].0)));
    }

    let certain = |class: fn(usize) -> usize| {
        let row = |n: usize| (0..10).map(move |label| if label == class(n) { 0.91 } else { 0.01 });
        Posterior::from_probabilities(&(0..500).flat_map(row).collect::<Vec<f64>>(), 10)
    };
    let of_classes =
        |metric: &Metric| matches!(metric.needs(), Needs::Probabilities | Needs::Labels | Needs::Hits | Needs::Shares);
    let score = usual(Metric::ALL.into_iter().filter(of_classes));
    let of = |posterior| of_given(posterior, &score, Some((&[0.1; 10], "here"))).unwrap();
    let (good, bad) = (of(certain(|n| n % 10)), of(certain(|_| 3)));
    for (metric, Measurement { value, .. }) in &good {
        tried.insert(better(*metric, *value, bad[metric].value));
    }

    // Compare with copies of the training set.
    let rows = |seed| Rows::new(samples(&ring, 200, seed).into_iter().map(f64::from).collect(), 2);
    let (new, training, score) = (rows(2), rows(1), usual([Metric::Authenticity]));
    let of = |generated| compare(generated, &training, &score, 0, &mut |_| ()).unwrap()[&Metric::Authenticity].value;
    tried.insert(better(Metric::Authenticity, of(&new), of(&training)));
    assert_eq!(tried.len(), Metric::ALL.len(), "{tried:?}");
}

#[test]
fn a_score_without_its_input_is_refused_and_not_left_out() {
    for metric in Metric::ALL {
        let even = Posterior::from_probabilities(&[0.1; 200], 10);
        let found = of_given(even, &usual([metric, Metric::ModesCovered]), None);
        match metric.needs() {
            Needs::Probabilities | Needs::Hits => assert!(found.unwrap().contains_key(&metric)),
            Needs::Part | Needs::Features | Needs::Plane | Needs::Neighbours | Needs::Nearest | Needs::Training => {
                let message = found.unwrap_err().to_string();
                let expected = format!("{} is computed from {}", metric.name(), metric.needs().name());
                assert!(message.starts_with(&expected), "{message}");
            }
            Needs::Labels | Needs::Shares | Needs::Modes | Needs::Density => {
                let message = found.unwrap_err().to_string();
                let expected = format!("{} is computed from {}", metric.name(), metric.needs().name());
                assert!(message.starts_with(&expected), "{message}");
            }
        }
    }
    let rows = |n: usize| Rows::new((0..3 * n).map(|i| (i * 7 % 11) as f64).collect(), 3);
    for metric in Metric::ALL {
        let found = compare(&rows(60), &rows(50), &usual([metric]), 0, &mut |_| ());
        match metric.needs().features() {
            true => assert!(found.unwrap().contains_key(&metric)),
            false => assert!(matches!(found, Err(MetricError::Lacks { metric: name, .. }) if name == metric.name())),
        }
    }
}
