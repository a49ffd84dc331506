//! Agreement with POT, scipy and numpy: tests/fixtures/metrics, made by scripts/golden.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sweep::metrics::authenticity::authenticity;
use sweep::metrics::classes::of_given;
use sweep::metrics::divergences::{forward_kl, jsd, tvd};
use sweep::metrics::features::compare;
use sweep::metrics::frechet::Gaussian;
use sweep::metrics::high_quality::high_quality;
use sweep::metrics::kid::mmd;
use sweep::metrics::log_likelihood::log_densities;
use sweep::metrics::manifold::{Manifold, overlap};
use sweep::metrics::mmd::{self as gaussian, median_distance};
use sweep::metrics::modes::{covered, hit_gaussians, kl, kl_to_uniform};
use sweep::metrics::posterior::Posterior;
use sweep::metrics::rows::{Rows, scaled};
use sweep::metrics::sinkhorn::sinkhorn;
use sweep::metrics::sliced::sliced_wasserstein;
use sweep::metrics::symmetric_kl::{Histogram, symmetric_kl};
use sweep::metrics::two_sample::accuracy;
use sweep::metrics::wasserstein::wasserstein;
use sweep::spec::blueprint::Score;
use sweep::spec::dataset::Gaussians;
use sweep::spec::metric::Metric;
use tch::Tensor;

/// For exact optimal transport and closed forms.
const EXACT: f64 = 1e-9;
/// For entropic transport: each side stops when its marginals are right to so many digits.
const ENTROPIC: f64 = 1e-6;
/// For the Fréchet distance, and MMD.
const FRECHET: f64 = 1e-6;

fn cases<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/metrics").join(file);
    let cases: Vec<T> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() > 2, "{file} has lost its cases");
    cases
}

#[track_caller]
fn agree(name: &str, found: f64, expected: f64, tolerance: f64) {
    // The smallest number that there is, where these are the next ones to it.
    let least = f64::from_bits(1);
    let near = found == expected || (found - expected).abs() <= tolerance * expected.abs() + least;
    assert!(near, "{name}: expected {expected}, found {found}");
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    generated: Vec<f32>,
    real: Vec<f32>,
    value: f64,
    bins: Option<u32>,
    range: Option<f64>,
    features: Option<i64>,
}

#[test]
fn wasserstein_agrees_with_pot() {
    for case in cases::<Pair>("wasserstein.json") {
        let rows = |points: &[f32]| Rows::new(points.iter().copied().map(f64::from).collect(), 2);
        let (generated, real) = (rows(&case.generated), rows(&case.real));
        agree(&case.name, wasserstein(&generated, &real), case.value, EXACT);
        agree(&case.name, wasserstein(&real, &generated), case.value, EXACT);
    }
}

#[test]
fn symmetric_kl_agrees_with_numpy_and_scipy() {
    for case in cases::<Pair>("symmetric_kl.json") {
        let histogram = |points: &[f32]| Histogram::new(points, case.bins.unwrap(), case.range.unwrap()).unwrap();
        agree(&case.name, symmetric_kl(&histogram(&case.generated), &histogram(&case.real)), case.value, EXACT);
    }
}

#[test]
fn frechet_agrees_with_scipy() {
    for case in cases::<Pair>("frechet.json") {
        let fit = |values: &[f32]| {
            let features = Tensor::from_slice(values).reshape([-1, case.features.unwrap()]);
            Gaussian::fit(&features).unwrap().unwrap()
        };
        let value = fit(&case.real).frechet(&fit(&case.generated)).unwrap();
        agree(&case.name, value, case.value, FRECHET);
    }
}

#[derive(Deserialize)]
struct Modes {
    name: String,
    points: Vec<f32>,
    hits: Vec<u64>,
    modes_covered: f64,
    high_quality: f64,
    mode_kl: f64,
}

#[test]
fn modes_agree_with_numpy() {
    for case in cases::<Modes>("modes.json") {
        let hits = hit_gaussians(&case.points, &Gaussians::RING);
        assert_eq!(hits, case.hits, "{}", case.name);
        assert_eq!(covered(&hits, 1), case.modes_covered, "{}", case.name);
        agree(&case.name, high_quality(&hits, case.points.len() / 2), case.high_quality, EXACT);
        agree(&case.name, kl_to_uniform(&hits), case.mode_kl, EXACT);
    }
}

#[derive(Deserialize)]
struct Anywhere {
    name: String,
    mixture: Gaussians,
    points: Vec<f32>,
    hits: Vec<u64>,
    high_quality: f64,
    mode_kl: f64,
}

#[test]
fn modes_in_any_number_of_dimensions_agree_with_numpy_and_scipy() {
    for Anywhere { name, mixture, points, hits: expected, high_quality: quality, mode_kl } in
        cases::<Anywhere>("nearest.json")
    {
        let hits = hit_gaussians(&points, &mixture);
        assert_eq!(hits, expected, "{name}");
        agree(&name, high_quality(&hits, points.len() / mixture.dims), quality, EXACT);
        agree(&name, kl(&hits, mixture.weights), mode_kl, EXACT);
    }
}

#[derive(Deserialize)]
struct Probabilities {
    name: String,
    classes: usize,
    splits: u32,
    logits: Vec<f32>,
    labels: Vec<f64>,
    inception_score: f64,
    inception_score_std: f64,
    mode_score: f64,
    mode_score_printed: f64,
    mode_score_reversed: f64,
    mode_kl: f64,
}

#[test]
fn scores_of_probabilities_agree_with_numpy_and_scipy() {
    for case in cases::<Probabilities>("probabilities.json") {
        let logits = case.logits.iter().map(|&logit| logit.into()).collect();
        let posterior = Posterior::from_logits(logits, case.classes);
        let total: f64 = case.labels.iter().sum();
        let labels: Vec<f64> = case.labels.iter().map(|count| count / total).collect();
        // By the names that ask for them.
        let expected = [
            (Metric::InceptionScore, case.inception_score),
            (Metric::ModeScore, case.mode_score),
            (Metric::ModeScorePrinted, case.mode_score_printed),
            (Metric::ModeScoreReversed, case.mode_score_reversed),
            (Metric::ModeKl, case.mode_kl),
        ];
        let metrics = expected.iter().map(|(metric, _)| *metric).collect();
        let score = Score { metrics, splits: case.splits, ..Score::default() };
        let found = of_given(posterior, &score, Some((&labels, "here"))).unwrap();
        for (metric, value) in expected {
            agree(&format!("{}, {metric:?}", case.name), found[&metric].value, value, EXACT);
        }
        agree(&case.name, found[&Metric::InceptionScore].std.unwrap(), case.inception_score_std, EXACT);
    }
}

#[derive(Deserialize)]
struct Features {
    name: String,
    width: usize,
    k: u32,
    generated: Vec<f32>,
    real: Vec<f32>,
    wasserstein: f64,
    sinkhorn: Vec<Entropic>,
    precision: f64,
    recall: f64,
    density: f64,
    coverage: f64,
}

#[derive(Deserialize)]
struct Entropic {
    reg: f64,
    value: f64,
}

#[test]
fn transport_of_features_agrees_with_pot_and_manifolds_with_prdc() {
    for case in cases::<Features>("features.json") {
        let rows = |values: &[f32]| Rows::new(values.iter().copied().map(f64::from).collect(), case.width);
        let (generated, real) = (rows(&case.generated), rows(&case.real));
        // By the names that ask for them.
        let of = |metrics: &[Metric], sinkhorn_reg: f64| {
            let metrics = metrics.iter().copied().collect();
            let score = Score { metrics, neighbours: case.k, sinkhorn_reg, ..Score::default() };
            compare(&generated, &real, &score, 0, &mut |_| ()).unwrap()
        };
        for Entropic { reg, value } in &case.sinkhorn {
            let found = &of(&[Metric::Sinkhorn], *reg)[&Metric::Sinkhorn];
            agree(&format!("{}, {reg}", case.name), found.value, *value, ENTROPIC);
        }
        let expected = [
            (Metric::Wasserstein, case.wasserstein),
            (Metric::Precision, case.precision),
            (Metric::Recall, case.recall),
            (Metric::Density, case.density),
            (Metric::Coverage, case.coverage),
        ];
        let found = of(&expected.map(|(metric, _)| metric), 0.1);
        for (metric, value) in expected {
            agree(&format!("{}, {metric:?}", case.name), found[&metric].value, value, EXACT);
        }
    }
}

#[derive(Deserialize)]
struct Fidelity {
    name: String,
    features: i64,
    generated: Vec<f32>,
    real: Vec<f32>,
    frechet: f64,
    kid: Option<f64>,
}

#[test]
fn distances_of_features_agree_with_torch_fidelity() {
    for case in cases::<Fidelity>("fidelity.json") {
        let tensor = |values: &[f32]| Tensor::from_slice(values).reshape([-1, case.features]);
        let (generated, real) = (tensor(&case.generated), tensor(&case.real));
        let fit = |features: &Tensor| Gaussian::fit(features).unwrap().unwrap();
        let found = fit(&real).frechet(&fit(&generated)).unwrap();
        agree(&case.name, found, case.frechet, FRECHET);
        if let Some(expected) = case.kid {
            agree(&case.name, mmd(&generated, &real).unwrap(), expected, FRECHET);
            let rows = |tensor| Rows::of(tensor).unwrap();
            let score = Score { metrics: [Metric::Frechet, Metric::Kid].into(), ..Score::default() };
            let found = compare(&rows(&generated), &rows(&real), &score, 0, &mut |_| ()).unwrap();
            agree(&case.name, found[&Metric::Kid].value, expected, FRECHET);
            agree(&case.name, found[&Metric::Frechet].value, case.frechet, FRECHET);
        }
    }
}

/// Sets that are awkward, to be multiplied by 2^power.
#[derive(Deserialize)]
struct Set {
    name: String,
    width: usize,
    k: u32,
    power: i32,
    generated: Vec<f64>,
    real: Vec<f64>,
    wasserstein: f64,
    reg: f64,
    sinkhorn: Option<f64>,
    frechet: f64,
    mmd: Option<f64>,
    precision: f64,
    recall: f64,
    density: f64,
    coverage: f64,
}

#[test]
fn unequal_numbers_outliers_duplicates_and_any_scale_change_no_digit() {
    for case in cases::<Set>("sets.json") {
        let Set { name, k, power, .. } = &case;
        let rows = |values: &[f64]| Rows::new(values.iter().map(|&value| scaled(value, *power)).collect(), case.width);
        let (generated, real) = (rows(&case.generated), rows(&case.real));
        agree(name, wasserstein(&generated, &real), scaled(case.wasserstein, *power), EXACT);
        agree(name, wasserstein(&real, &generated), scaled(case.wasserstein, *power), EXACT);
        if case.width == 1 {
            agree(name, sliced_wasserstein(&generated, &real, 7, 0), scaled(case.wasserstein, *power), EXACT);
        }
        if let Some(expected) = case.sinkhorn {
            let found = sinkhorn(&generated, &real, scaled(case.reg, *power)).cost;
            agree(name, found, scaled(expected, *power), ENTROPIC);
        }
        let found = overlap(
            &Manifold::new(generated.clone(), *k).unwrap_or_else(|| panic!("{name}")),
            &Manifold::new(real.clone(), *k).unwrap(),
            *k,
        );
        for (found, expected) in [
            (found.precision, case.precision),
            (found.recall, case.recall),
            (found.density, case.density),
            (found.coverage, case.coverage),
        ] {
            agree(name, found, expected, 1e-14);
        }
        let fit = |rows: &Rows| Gaussian::fit(&rows.tensor()).unwrap().unwrap();
        let found = fit(&generated).frechet(&fit(&real)).unwrap();
        // Squares of the tiny and of the huge are beyond float64.
        agree(name, found, scaled(case.frechet, 2 * power), FRECHET);
        if let Some(expected) = case.mmd {
            agree(name, mmd(&generated.tensor(), &real.tensor()).unwrap(), expected, EXACT);
        }
    }
}

#[derive(Deserialize)]
struct Divergences {
    name: String,
    hits: Vec<u64>,
    shares: Vec<f64>,
    at_least: u32,
    covered: f64,
    reverse_kl: Option<f64>,
    forward_kl: f64,
    jsd: f64,
    tvd: f64,
}

#[test]
fn divergences_of_modes_agree_with_scipy() {
    for Divergences {
        name,
        hits,
        shares,
        at_least,
        covered: most,
        reverse_kl,
        forward_kl: forward,
        jsd: both,
        tvd: total,
    } in cases::<Divergences>("divergences.json")
    {
        agree(&name, kl(&hits, Some(&shares)), reverse_kl.unwrap_or(f64::INFINITY), EXACT);
        assert_eq!(covered(&hits, at_least), most, "{name}");
        for (found, expected) in
            [(forward_kl(&hits, &shares), forward), (jsd(&hits, &shares), both), (tvd(&hits, &shares), total)]
        {
            assert!((found - expected).abs() < EXACT * expected + 1e-14, "{name}: {found} for {expected}");
        }
    }
}

#[derive(Deserialize)]
struct Likelihood {
    name: String,
    mixture: Gaussians,
    points: Vec<f32>,
    log_likelihood: f64,
}

#[test]
fn likelihoods_agree_with_scipy() {
    for case in cases::<Likelihood>("likelihoods.json") {
        let found = log_densities(&case.points, &case.mixture);
        let n = found.len() as f64;
        agree(&case.name, found.into_iter().sum::<f64>() / n, case.log_likelihood, EXACT);
    }
}

#[derive(Deserialize)]
struct TwoSamples {
    name: String,
    median: f64,
    mmd: f64,
    width: f64,
    narrow: f64,
    accuracy_generated: f64,
    accuracy_real: f64,
    authenticity: f64,
}

/// Of the same sets as above, and as many times as large.
#[test]
fn tests_of_two_samples_agree_with_numpy_at_any_scale() {
    let sets = cases::<Set>("sets.json");
    let expected = cases::<TwoSamples>("two_samples.json");
    assert_eq!(sets.len(), expected.len());
    for (set, case) in sets.iter().zip(&expected) {
        let (name, power) = (&case.name, set.power);
        assert_eq!(name, &set.name);
        let rows = |values: &[f64]| Rows::new(values.iter().map(|&value| scaled(value, power)).collect(), set.width);
        let (generated, real) = (rows(&set.generated), rows(&set.real));
        let near = |what: &str, found: f64, expected: f64| {
            assert!(
                (found - expected).abs() < 1e-12 + EXACT * expected.abs(),
                "{name}, {what}: {found} for {expected}"
            );
        };
        // Below the normal numbers the width itself has a digit or two.
        if power > -1000 {
            agree(name, median_distance(&real), scaled(case.median, power), EXACT);
            for (asked, expected) in [(None, case.mmd), (Some(scaled(case.width, power)), case.narrow)] {
                // By the name that asks for it, too.
                let score = Score { metrics: [Metric::Mmd].into(), mmd_bandwidth: asked, ..Score::default() };
                let found = compare(&generated, &real, &score, 0, &mut |_| ()).unwrap();
                near("mmd", found[&Metric::Mmd].value, expected);
                let width = asked.unwrap_or_else(|| median_distance(&real));
                near("mmd", gaussian::mmd(&generated, &real, width), expected);
            }
        }
        let [ours, theirs] = [&generated, &real].map(|rows| Manifold::new(rows.clone(), 1).unwrap());
        let found = accuracy(&ours, &theirs);
        // By the names that ask for them, too.
        let asked = [Metric::NnAccuracyGenerated, Metric::NnAccuracyReal, Metric::NnAccuracy];
        let score = Score { metrics: asked.into(), ..Score::default() };
        let by_name = compare(&generated, &real, &score, 0, &mut |_| ()).unwrap();
        let mean = (case.accuracy_generated + case.accuracy_real) / 2.0;
        for (metric, expected) in asked.into_iter().zip([case.accuracy_generated, case.accuracy_real, mean]) {
            near(metric.name(), by_name[&metric].value, expected);
        }
        near("generated", found.generated, case.accuracy_generated);
        near("real", found.real, case.accuracy_real);
        near("authenticity", authenticity(&generated, &theirs), case.authenticity);
    }
}
