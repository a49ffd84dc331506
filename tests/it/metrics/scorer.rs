//! Scores of samples, the way a worker asks for them.

use std::collections::BTreeSet;

use std::rc::Rc;

use sweep::metrics::features::compare;
use sweep::metrics::nets::classifier::Classifier;
use sweep::metrics::nets::{Network, unwatched};
use sweep::metrics::rows::Rows;
use sweep::metrics::{MetricError, Order, Reference, ScoreValue, Scorer, reference_samples};
use sweep::numerics::random::{Purpose, Stream};
use sweep::spec::blueprint::Score;
use sweep::spec::dataset::{Dataset, Gaussians, Layout};
use sweep::spec::keys::score::REAL_SAMPLES;
use sweep::spec::metric::{Metric, Needs};
use sweep::spec::scoring::ScoringNetwork;

const RING: Dataset = Dataset::Gaussians(Gaussians::RING);
const PIXELS: usize = 784;

fn score(dataset: &Dataset) -> Score {
    let metrics: BTreeSet<Metric> =
        Metric::ALL.into_iter().filter(|metric| metric.applies(dataset, ScoringNetwork::usual(dataset))).collect();
    let wasserstein_samples = if dataset.is_images() { 100 } else { 500 };
    Score { samples: 2000, metrics, wasserstein_samples, ..Score::default() }
}

/// Points of the ring.
fn ring(n: usize, lane: u16) -> Vec<f32> {
    let mut points = vec![0.0; 2 * n];
    Stream::lane(0, Purpose::Reference, lane, 0).fill_normal(&mut points);
    let centres = Gaussians::RING.centres();
    for (k, point) in points.chunks_mut(2).enumerate() {
        for (value, centre) in point.iter_mut().zip(centres[k % 8]) {
            *value = (f64::from(*value) * 0.02f64.sqrt() + centre) as f32;
        }
    }
    points
}

fn scorer(dataset: &Dataset, score: &Score, reference: Reference) -> Result<Scorer, MetricError> {
    let network = Classifier::shipped(dataset).ok().map(|classifier| Rc::new(Network::Classifier(classifier)));
    Scorer::new(dataset, score, network, reference, 0, &mut unwatched)
}

fn ring_scorer() -> Scorer {
    let reference = Reference { samples: ring(2000, 0), ..Reference::default() };
    scorer(&RING, &score(&RING), reference).unwrap()
}

fn image_scorer(dataset: &Dataset) -> Scorer {
    let mut samples = vec![0.0; 200 * dataset.features()];
    Stream::lane(0, Purpose::Reference, 9, 0).fill_uniform(&mut samples);
    let reference = Reference { samples, label_frequencies: Some(vec![0.1; 10]), ..Reference::default() };
    scorer(dataset, &score(dataset), reference).unwrap()
}

fn value(values: &[ScoreValue], metric: Metric) -> f64 {
    values.iter().find(|value| value.metric == metric).unwrap().value
}

#[test]
fn a_perfect_generator_of_the_ring() {
    let values = ring_scorer().score(&ring(2000, 1), Order::Random, &mut unwatched).unwrap();
    let order: Vec<Metric> = values.iter().map(|value| value.metric).collect();
    assert!(order.iter().copied().eq(score(&RING).metrics), "in the order of the metrics: {order:?}");
    assert_eq!(value(&values, Metric::ModesCovered), 8.0);
    assert_eq!(value(&values, Metric::ModeKl).round(), 0.0);
    assert!((value(&values, Metric::HighQuality) - 0.98889).abs() < 0.012);
    assert!((0.02..0.2).contains(&value(&values, Metric::Wasserstein)));
    assert!((0.1..4.0).contains(&value(&values, Metric::SymmetricKl)));
}

#[test]
fn protocols_say_how() {
    let values = ring_scorer().score(&ring(2000, 1), Order::Random, &mut unwatched).unwrap();
    let protocol = |metric| &values.iter().find(|value| value.metric == metric).unwrap().protocol;
    let expected = serde_json::json!({"samples": 500, "real": 500, "cost": "euclidean", "version": 1});
    assert_eq!(protocol(Metric::Wasserstein), &expected);
    for (key, expected) in [("samples", 2000.0), ("real", 2000.0), ("bins", 50.0), ("range", 4.0), ("version", 1.0)] {
        assert_eq!(protocol(Metric::SymmetricKl)[key].as_f64(), Some(expected), "{key}");
    }
    for dataset in [Dataset::Mnist, Dataset::FashionMnist] {
        for value in image_scorer(&dataset).score(&vec![-1.0; 20 * PIXELS], Order::Random, &mut unwatched).unwrap() {
            let name = value.protocol["network"].as_str().unwrap();
            assert_eq!(name.starts_with("fashion"), dataset == Dataset::FashionMnist);
            assert_eq!(value.protocol["checksum"].as_str().unwrap().len(), 16);
            assert_eq!(value.protocol["samples"], 20);
            assert_eq!(value.std.is_some(), matches!(value.metric, Metric::InceptionScore | Metric::Kid));
        }
    }
}

#[test]
fn identical_sets_are_at_distance_0() {
    let values = ring_scorer().score(&ring(2000, 0), Order::Random, &mut unwatched).unwrap();
    assert_eq!(value(&values, Metric::Wasserstein), 0.0);
    assert_eq!(value(&values, Metric::SymmetricKl), 0.0);
    assert_eq!(value(&values, Metric::SlicedWasserstein), 0.0);
    assert!(value(&values, Metric::Frechet) < 1e-10 && value(&values, Metric::Kid) < 0.0);
    assert_eq!((value(&values, Metric::Precision), value(&values, Metric::Coverage)), (1.0, 1.0));
    let mut samples = vec![0.0; 200 * Dataset::Mnist.features()];
    Stream::lane(0, Purpose::Reference, 9, 0).fill_uniform(&mut samples);
    let values = image_scorer(&Dataset::Mnist).score(&samples, Order::Random, &mut unwatched).unwrap();
    assert!(value(&values, Metric::Frechet) < 1e-4);
}

#[test]
fn samples_that_are_not_finite_give_defined_scores() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut points = ring(2000, 1);
        points[6] = bad;
        let values = ring_scorer().score(&points, Order::Random, &mut unwatched).unwrap();
        assert!(value(&values, Metric::Wasserstein).is_nan() && value(&values, Metric::SymmetricKl).is_nan());
        assert_eq!(value(&values, Metric::ModesCovered), 8.0);
        let values = ring_scorer().score(&vec![bad; 4000], Order::Random, &mut unwatched).unwrap();
        assert_eq!(value(&values, Metric::ModesCovered), 0.0);
        assert_eq!(value(&values, Metric::HighQuality), 0.0);
        assert!(value(&values, Metric::ModeKl).is_nan());

        let values =
            image_scorer(&Dataset::Mnist).score(&vec![bad; 30 * PIXELS], Order::Random, &mut unwatched).unwrap();
        assert_eq!(value(&values, Metric::ModesCovered), 0.0);
        for value in values.iter().filter(|value| value.metric != Metric::ModesCovered) {
            assert!(value.value.is_nan(), "{:?}", value.metric);
        }
    }
    // Nothing at all, and far too much.
    assert!(
        ring_scorer()
            .score(&[], Order::Random, &mut unwatched)
            .unwrap()
            .iter()
            .all(|value| value.value.is_nan() || value.value == 0.0)
    );
    let values = ring_scorer().score(&[3e38; 4000], Order::Random, &mut unwatched).unwrap();
    assert!(value(&values, Metric::Wasserstein) > 1e37);
}

#[test]
fn one_diverged_image_leaves_the_hits_of_the_others() {
    let mut samples = vec![-1.0; 30 * PIXELS];
    samples[5] = f32::NAN;
    let values = image_scorer(&Dataset::Mnist).score(&samples, Order::Random, &mut unwatched).unwrap();
    assert_eq!(value(&values, Metric::ModesCovered), 1.0);
    assert!(value(&values, Metric::InceptionScore).is_nan() && value(&values, Metric::Frechet).is_nan());
}

#[test]
fn it_says_how_many_real_samples_it_needs_and_misses() {
    let mut asked = score(&RING);
    assert_eq!(reference_samples(&RING, &asked), 2000);
    asked.metrics.retain(|metric| !metric.reads(&REAL_SAMPLES));
    assert_eq!(reference_samples(&RING, &asked), 500);
    let reference = |n| Reference { samples: ring(n, 0), ..Reference::default() };
    let error = scorer(&RING, &asked, reference(499)).unwrap_err();
    assert!(matches!(error, MetricError::TooFewReal { metric: "wasserstein", expected: 500, found: 499 }));
    asked.metrics = BTreeSet::from([Metric::HighQuality]);
    assert_eq!(reference_samples(&RING, &asked), 0);
    scorer(&RING, &asked, reference(0)).unwrap();

    let mut asked = score(&Dataset::Mnist);
    assert_eq!(reference_samples(&Dataset::Mnist, &asked), u32::MAX as usize, "all of the training set");
    asked.metrics.remove(&Metric::Authenticity);
    assert_eq!(reference_samples(&Dataset::Mnist, &asked), 2000);
    let error = |asked: &Score, reference| scorer(&Dataset::Mnist, asked, reference).unwrap_err();
    asked.metrics = BTreeSet::from([Metric::ModeScore]);
    assert!(matches!(error(&asked, Reference::default()), MetricError::Labels { .. }));
    asked.metrics = BTreeSet::from([Metric::Frechet]);
    assert!(matches!(error(&asked, Reference::default()), MetricError::TooFewReal { metric: "frechet", .. }));
    let torn = Reference { samples: vec![0.0; 1000], ..Reference::default() };
    assert!(matches!(error(&asked, torn), MetricError::Shape { features: 784, found: 1000 }));
    asked.metrics = BTreeSet::from([Metric::HighQuality]);
    assert!(matches!(error(&asked, Reference::default()), MetricError::NotApplicable { .. }));
    let asked = score(&Dataset::Mnist);
    assert!(matches!(
        Scorer::new(&Dataset::Mnist, &asked, None, Reference::default(), 0, &mut unwatched),
        Err(MetricError::Blind("mnist"))
    ));
}

/// Against rows put together by hand: what the classifier makes of each channel by itself, one after another.
#[test]
fn features_of_stacked_digits_are_those_of_the_three() {
    let classifier = Classifier::shipped(&Dataset::Mnist).unwrap();
    let images = |n: usize, lane| {
        let mut samples = vec![0.0; n * 3 * PIXELS];
        Stream::lane(0, Purpose::Reference, lane, 0).fill_uniform(&mut samples);
        // The channels differ, each in its own way.
        samples.chunks_mut(PIXELS).enumerate().for_each(|(at, channel)| {
            channel.iter_mut().enumerate().for_each(|(pixel, x)| {
                *x = if pixel / 28 % (2 + at % 3) == 0 { *x } else { -1.0 };
            });
        });
        samples
    };
    let rows = |samples: &[f32]| {
        let channel = |c: usize| -> Vec<Vec<f64>> {
            let one: Vec<f32> =
                samples.chunks(3 * PIXELS).flat_map(|image| image[c * PIXELS..][..PIXELS].to_vec()).collect();
            let features = Rows::of(&classifier.run(&one).unwrap().features).unwrap();
            (0..features.len()).map(|row| features.row(row).to_vec()).collect()
        };
        let (a, b, c) = (channel(0), channel(1), channel(2));
        let joined = a.iter().zip(&b).zip(&c).flat_map(|((a, b), c)| [&a[..], b, c].concat());
        Rows::new(joined.collect(), 192)
    };
    let (real, generated) = (images(300, 3), images(250, 4));
    let metrics = score(&Dataset::Mnist1k).metrics.into_iter().filter(|metric| {
        // Others draw a part of the rows, or hit modes.
        matches!(metric, Metric::Frechet | Metric::Precision | Metric::Recall | Metric::Density | Metric::Coverage)
    });
    let asked = Score { metrics: metrics.collect(), ..score(&Dataset::Mnist1k) };
    assert_eq!(asked.metrics.len(), 5);
    let folder = tempfile::tempdir().unwrap();
    let expected = compare(&rows(&generated), &rows(&real), &asked, 0, &mut |_| ()).unwrap();
    for kept in [None, Some(folder.path()), Some(folder.path())] {
        let reference = Reference { samples: real.clone(), statistics: kept.map(Into::into), ..Reference::default() };
        let judge = scorer(&Dataset::Mnist1k, &asked, reference).unwrap();
        for found in judge.score(&generated, Order::Random, &mut unwatched).unwrap() {
            let expected = expected[&found.metric].value;
            assert!((found.value - expected).abs() <= 1e-6 * expected.abs(), "{found:?} for {expected}");
        }
    }
    assert!(expected[&Metric::Frechet].value > 0.1, "{expected:?}");
}

#[test]
fn stacked_digits_are_judged_channel_by_channel_and_photographs_not_at_all() {
    let stacked = image_scorer(&Dataset::Mnist1k);
    let mut samples = vec![-1.0; 20 * 3 * PIXELS];
    samples[PIXELS + 5] = f32::NAN;
    let values = stacked.score(&samples, Order::Random, &mut unwatched).unwrap();
    assert_eq!(value(&values, Metric::ModesCovered), 1.0);
    assert!((value(&values, Metric::ModeKl) - f64::ln(1000.0)).abs() < 1e-12);
    for value in &values {
        assert_eq!((&value.protocol["samples"], &value.protocol["network"]), (&20.into(), &"mnist-conv3".into()));
        match value.metric.needs() {
            Needs::Hits | Needs::Shares => assert_eq!(value.protocol["modes"], 1000),
            // Of the digits' 64 features each.
            _ => assert!(value.value.is_nan() && value.protocol["features"] == 192, "{value:?}"),
        }
    }
    let nothing = vec![f32::NAN; 3 * PIXELS];
    assert_eq!(
        value(&stacked.score(&nothing, Order::Random, &mut unwatched).unwrap(), Metric::ModesCovered),
        0.0,
        "one bad channel spoils an image"
    );

    let score = Score { metrics: [Metric::ModesCovered].into(), ..score(&Dataset::Cifar10) };
    let error = scorer(&Dataset::Cifar10, &score, Reference::default()).unwrap_err().to_string();
    assert!(error.contains("modes_covered is not defined on data set `cifar10`"), "{error}");
    let score = Score { metrics: BTreeSet::new(), ..score };
    let nothing = scorer(&Dataset::Cifar10, &score, Reference::default()).unwrap();
    assert_eq!(nothing.score(&[0.0; 3072], Order::Random, &mut unwatched).unwrap(), []);
}

/// All divergences of modes are of the same shares: the weights of a mixture, and even ones where it has none.
#[test]
fn modes_of_a_mixture_are_compared_with_its_weights() {
    let offsets: &[f64] = &[-4.0, 0.0, 4.0];
    let even = Gaussians::of(Layout::Manifolds { offsets, noise_dims: 3 }, 0.01, 5);
    let weighted = Gaussians { weights: Some(&[0.5, 0.3, 0.2]), ..even };
    let divergences = [Metric::ModeKl, Metric::ModeForwardKl, Metric::ModeJsd, Metric::ModeTvd];
    let found = |mixture, hits: [usize; 3]| {
        let asked = Score { metrics: divergences.into(), ..Score::default() };
        let generated: Vec<f32> =
            hits.iter().zip(offsets).flat_map(|(&n, &o)| std::iter::repeat_n(o as f32, 5 * n)).collect();
        let judge = scorer(&Dataset::Gaussians(mixture), &asked, Reference::default()).unwrap();
        let values = judge.score(&generated, Order::Random, &mut unwatched).unwrap();
        divergences.map(|metric| value(&values, metric))
    };
    let near = |found: [f64; 4], expected: [f64; 4]| {
        let is_near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12);
        assert!(is_near, "{found:?} for {expected:?}");
    };
    // In proportion to the shares; forward, with one added to each, it is of 501, 301 and 201 of 1,003, and of 101 each
    // of 303.
    let smoothed = 0.5 * (0.5f64 / (501.0 / 1003.0)).ln()
        + 0.3 * (0.3f64 / (301.0 / 1003.0)).ln()
        + 0.2 * (0.2f64 / (201.0 / 1003.0)).ln();
    near(found(weighted, [500, 300, 200]), [0.0, smoothed, 0.0, 0.0]);
    near(found(even, [100, 100, 100]), [0.0; 4]);
    // Even hits of weighted modes, and the other way around.
    let kl = |p: [f64; 3], q: [f64; 3]| p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum::<f64>();
    let (thirds, shares) = ([1.0 / 3.0; 3], [0.5, 0.3, 0.2]);
    let between = [0, 1, 2].map(|k| 0.5 * (thirds[k] + shares[k]));
    let jsd = 0.5 * (kl(thirds, between) + kl(shares, between));
    near(found(weighted, [100, 100, 100]), [kl(thirds, shares), kl(shares, thirds), jsd, 1.0 / 6.0]);
    let added = [501.0, 301.0, 201.0].map(|n| n / 1003.0);
    near(found(even, [500, 300, 200]), [kl(shares, thirds), kl(thirds, added), jsd, 1.0 / 6.0]);
}
