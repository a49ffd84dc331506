//! `inception_score`: exp(E_x KL(p(y|x) ‖ p(y))) (Salimans et al. 2016, "Improved techniques for training GANs",
//! section 4).

use sweep_numerics::random::{Permutation, Purpose, Stream};

use super::Order;
use super::classes::Classes;
use super::formula::Measurement;
use super::posterior::Posterior;

/// Number of random orders that the order of the rows is compared with.
const ORDERS: u16 = 20;
/// The first lane of [`Purpose::Reference`] for these orders.
const LANE: u16 = 60_000;
/// The score differs from that of random orders by more than chance if it is off by both this many standard deviations
/// and this share of the score.
const FAR: f64 = 10.0;
const SHARE: f64 = 0.01;

/// Computes the score of images in the given order.
pub(super) fn score(classes: &Classes) -> Measurement {
    let (posterior, splits) = (&classes.posterior, classes.score.splits);
    let (mean, std) = inception_score(posterior, splits);
    let found = Measurement::of(mean).spread(std).with("splits", splits);
    match classes.order {
        Order::Random => found,
        Order::Given => match in_random_order(posterior, splits) {
            Some(other) => found.with("in_random_order", other),
            None => found,
        },
    }
}

/// Returns mean and population standard deviation over `splits` consecutive parts (at least one, at most one per
/// sample). The parts match the usual tools: from ⌊i n/splits⌋ to ⌊(i + 1) n/splits⌋. NaN if a probability is NaN or
/// there are no samples.
pub fn inception_score(posterior: &Posterior, splits: u32) -> (f64, f64) {
    let n = posterior.len();
    let splits = (splits as usize).clamp(1, n.max(1));
    let scores: Vec<f64> = (0..splits)
        .map(|i| {
            let part = posterior.slice(i * n / splits, (i + 1) * n / splits);
            part.mean_kl(&part.marginal()).exp()
        })
        .collect();
    let mean = scores.iter().sum::<f64>() / splits as f64;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / splits as f64;
    (mean, variance.sqrt())
}

/// Returns the score of the rows in a random order, if their own order does not look random. For example, if rows are
/// sorted by class, each split contains few classes. `None` if chance may explain the score of the rows.
pub fn in_random_order(posterior: &Posterior, splits: u32) -> Option<f64> {
    let (n, classes) = (posterior.len(), posterior.classes());
    let splits = (splits as usize).clamp(1, n.max(1));
    let ends: Vec<usize> = (1..=splits).map(|i| i * n / splits).collect();
    let split_of = |place: usize| ends.partition_point(|&end| end <= place);
    let stream = |order| Stream::lane(0, Purpose::Reference, LANE + order, 0);
    let orders: Vec<Permutation> = (0..ORDERS).map(|order| Permutation::new(n.max(1) as u32, &stream(order))).collect();
    // For their own order and each random one: per split, the sums of p(y|x) and of Σ p log p.
    let mut sums = vec![vec![0.0; classes + 1]; (orders.len() + 1) * splits];
    for (row, logs) in posterior.rows().enumerate() {
        let shares: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
        let own: f64 = shares.iter().zip(logs).filter(|(share, _)| **share > 0.0).map(|(share, log)| share * log).sum();
        let places = orders.iter().map(|order| order.at(row as u32) as usize);
        for (order, place) in std::iter::once(row).chain(places).enumerate() {
            let sums = &mut sums[order * splits + split_of(place)];
            sums.iter_mut().zip(shares.iter().chain([&own])).for_each(|(sum, value)| *sum += value);
        }
    }
    let mut start = 0;
    let sizes: Vec<f64> = ends.iter().map(|&end| (end - std::mem::replace(&mut start, end)) as f64).collect();
    let score = |sums: &[Vec<f64>]| {
        let one = |(sums, size): (&Vec<f64>, &f64)| {
            let (own, shares) = (sums[classes] / size, &sums[..classes]);
            let marginal = shares.iter().map(|sum| sum / size).filter(|&p| p > 0.0).map(|p| p * p.ln());
            (own - marginal.sum::<f64>()).exp()
        };
        sums.iter().zip(&sizes).map(one).sum::<f64>() / splits as f64
    };
    let scores: Vec<f64> = sums.chunks(splits).map(score).collect();
    let (given, others) = scores.split_first()?;
    let mean = others.iter().sum::<f64>() / others.len() as f64;
    let deviation = (others.iter().map(|other| (other - mean).powi(2)).sum::<f64>() / (others.len() - 1) as f64).sqrt();
    let apart = (given - mean).abs();
    (apart > FAR * deviation && apart > SHARE * mean).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_hot(labels: impl Iterator<Item = usize>, classes: usize) -> Posterior {
        let rows: Vec<f64> =
            labels.flat_map(|label| (0..classes).map(move |class| f64::from(u8::from(class == label)))).collect();
        Posterior::from_probabilities(&rows, classes)
    }

    #[test]
    fn a_constant_predictor_scores_1_and_uniform_certainty_the_number_of_classes() {
        let constant = Posterior::from_probabilities(&[0.2, 0.3, 0.5].repeat(60), 3);
        let (mean, std) = inception_score(&constant, 10);
        assert!((mean - 1.0).abs() < 1e-14 && std < 1e-14);
        let (mean, std) = inception_score(&one_hot((0..1000).map(|i| i % 10), 10), 10);
        assert!((mean - 10.0).abs() < 1e-12 && std < 1e-12);
    }

    #[test]
    fn splits_are_consecutive_and_use_the_population_deviation() {
        // In the first half there is one class (score 1), in the second half two (score 2).
        let posterior = one_hot((0..40).map(|i| if i < 20 { 0 } else { i % 2 }), 2);
        let (mean, std) = inception_score(&posterior, 2);
        assert!((mean - 1.5).abs() < 1e-14 && (std - 0.5).abs() < 1e-14);
        // The number of splits is limited to the number of samples; each split then scores 1.
        assert_eq!(inception_score(&one_hot(0..3, 3), 10), (1.0, 0.0));
    }

    #[test]
    fn nan_and_no_samples_give_nan() {
        let mut rows = [0.5, 0.5].repeat(20);
        rows[7] = f64::NAN;
        assert!(inception_score(&Posterior::from_probabilities(&rows, 2), 10).0.is_nan());
        assert!(inception_score(&Posterior::from_probabilities(&[], 2), 10).0.is_nan());
    }

    /// Returns pseudo-random numbers in [0, 1).
    fn chance(seed: u64, n: usize) -> Vec<f32> {
        let mut out = vec![0.0; n];
        Stream::new(seed, Purpose::Reference, 3).fill_uniform(&mut out);
        out
    }

    #[test]
    fn sorted_rows_are_noticed_and_a_random_order_is_not() {
        let sorted = one_hot((0..1000).map(|i| i / 100), 10);
        assert!((inception_score(&sorted, 10).0 - 1.0).abs() < 1e-12);
        let other = in_random_order(&sorted, 10).unwrap();
        assert!((9.0..10.0).contains(&other), "{other}");
        assert_eq!(in_random_order(&sorted, 1), None, "of one split the order is nothing");
        // Uncertain predictions, sorted by halves.
        let unsure = |label: usize| (0..10).map(move |class| if class == label { 0.37 } else { 0.07 });
        let halves: Vec<f64> = (0..1000).flat_map(|i| unsure(i / 500)).collect();
        assert!(in_random_order(&Posterior::from_probabilities(&halves, 10), 10).is_some());
        for seed in 0..60 {
            for (n, classes) in [(1000, 10), (300, 200), (25, 3)] {
                let labels = chance(seed, n).into_iter().map(|x| (x * x * classes as f32) as usize);
                assert_eq!(in_random_order(&one_hot(labels, classes), 10), None, "{seed} {n}");
            }
        }
        let constant = Posterior::from_probabilities(&[0.2, 0.3, 0.5].repeat(60), 3);
        for plain in [constant, one_hot(0..3, 3), Posterior::from_probabilities(&[], 3)] {
            assert_eq!(in_random_order(&plain, 10), None);
        }
        assert_eq!(in_random_order(&Posterior::from_probabilities(&[f64::NAN, 0.5, 0.5, 0.5], 2), 2), None);
    }
}
