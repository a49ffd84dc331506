//! Estimates the memory and time that a member of a cohort needs, from its blueprint.

use std::sync::Arc;

use sweep_spec::arch::Layer;
use sweep_spec::blueprint::{Blueprint, BuiltIn, Score};
use sweep_spec::dataset::Dataset;
use sweep_spec::metric::{Sizes, together};
use sweep_spec::scoring::ScoringNetwork;

/// Bytes of a float32.
const FLOAT: u64 = 4;
/// Floating-point operations of the scoring network per channel of an image: a small convolutional classifier of 28×28.
const CLASSIFIER_FLOPS: f64 = 2.5e7;
/// Floating-point operations per value of an image, for a classifier trained on the data set's own labels.
const OWN_FLOPS: f64 = 1e4;
/// Floating-point operations of the Inception network, for an image of any size.
const INCEPTION_FLOPS: f64 = 1.14e10;

/// Returns the bytes that one member adds to a cohort in training: parameters, gradients, moments, and the activations
/// of one step. Returns 0 for the user's own trainer, whose needs are not known.
pub fn member_bytes(blueprint: &Blueprint) -> u64 {
    blueprint.built_in().map_or(0, built_in_bytes)
}

fn built_in_bytes(blueprint: &BuiltIn) -> u64 {
    let discriminators = blueprint.objective.declares().discriminators as u64;
    let (model, batch) = (&blueprint.model, u64::from(blueprint.train.batch));
    let features = blueprint.dataset.features() as u64;
    // Every layer keeps its output for the backward pass, which makes a gradient of the same size. A discriminator gets
    // a real and a generated batch.
    let g = values(&model.generator, u64::from(model.noise));
    let d = values(&model.discriminator, u64::from(model.pack) * features) / u64::from(model.pack);
    let activations = match blueprint.objective.declares().encoder {
        None => g + 2 * discriminators * d,
        // The generator also decodes codes, and a discriminator gets these samples.
        Some(_) => 2 * g + 3 * discriminators * d + values(&model.encoder, features),
    };
    let denoiser = if model.denoiser.is_empty() { 0 } else { values(&model.denoiser, 0) };
    blueprint.state_bytes() + FLOAT * 2 * batch * (activations + denoiser)
}

/// Returns the bytes that a cohort needs for scoring in addition to its members: the samples of one member at a time,
/// what a scoring network computes from them and from the real ones, and what the scores need.
pub fn scoring_bytes(blueprint: &Blueprint, scores: &[Arc<Score>]) -> u64 {
    // The real samples that each scoring compares with stay in memory.
    scores.iter().map(|score| bytes_of(blueprint, score)).sum()
}

fn bytes_of(blueprint: &Blueprint, score: &Score) -> u64 {
    let Some(dataset) = blueprint.dataset() else { return 0 };
    let model = blueprint.built_in().map(|built_in| &built_in.model);
    let widest = model.map_or(0, |model| values(&model.generator, u64::from(model.noise)));
    let (samples, real) = (u64::from(score.samples), u64::from(score.real()));
    let seen = match score.network(dataset).filter(|_| !score.metrics.is_empty()) {
        // Only the features of real samples are kept; while they are assembled or read, they take twice as much. Logits
        // are float64.
        Some(network @ ScoringNetwork::Inception) => {
            let features = FLOAT * network.features(dataset.shape()[0]) as u64;
            let logits = 2 * FLOAT * network.classes().unwrap_or_default() as u64;
            samples * (features + logits) + 2 * real.max(samples) * features
        }
        // Less than the images themselves.
        Some(ScoringNetwork::Shipped | ScoringNetwork::OwnLabels) | None => 0,
    };
    let scores = together(&score.metrics, &Sizes::new(dataset, score)).bytes as u64;
    FLOAT * samples * dataset.features() as u64 + FLOAT * 1024 * widest + seen + scores
}

/// Returns the number of values of one sample on its way through `layers`, including its input and layers inside
/// layers.
fn values(layers: &[Layer], inputs: u64) -> u64 {
    let mut width = inputs as usize;
    let outputs = layers.iter().map(|layer| {
        let within = match layer {
            Layer::Residual { body, shortcut } => values(body, width as u64) + values(shortcut, width as u64),
            _ => 0,
        };
        width = layer.outputs(width);
        within + width as u64
    });
    inputs + outputs.sum::<u64>()
}

/// The approximate speed of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// 10⁹ floating-point operations per second: of one thread on the CPU, of the whole device on a GPU.
    pub gflops: f64,
    /// Seconds per step that a cohort takes, whatever its size.
    pub step_seconds: f64,
    /// Seconds per step that each member adds, whatever its networks.
    pub member_seconds: f64,
    /// Seconds per player pass that is separated by a gradient request to autograd, in addition to its products.
    pub traced_seconds: f64,
    /// Seconds per difference in minibatch discrimination.
    pub comparison_seconds: f64,
    /// Seconds to gather one value under a convolution kernel, for its product.
    pub patch_seconds: f64,
}

impl Speed {
    /// One core of a current server, with MKL. Members take turns, so a cohort has no overhead of its own.
    pub const CPU: Speed = Speed {
        gflops: 200.0,
        step_seconds: 0.0,
        member_seconds: 5e-5,
        traced_seconds: 6.5e-5,
        comparison_seconds: 7e-11,
        patch_seconds: 4e-10,
    };
    /// A current data-centre GPU, in float32.
    pub const CUDA: Speed = Speed {
        gflops: 15_000.0,
        step_seconds: 1e-3,
        member_seconds: 2e-6,
        traced_seconds: 1e-6,
        comparison_seconds: 1e-12,
        patch_seconds: 1e-12,
    };

    /// Returns the seconds for training and scoring a cohort of `members`. `factor` is the speed-up from more threads.
    pub fn seconds(&self, blueprint: &BuiltIn, scores: &[Arc<Score>], members: usize, factor: f64) -> f64 {
        let (steps, count) = (blueprint.train.steps as f64, members as f64);
        let products = blueprint.step_flops() as f64 / (self.gflops * 1e9 * factor);
        let patches = blueprint.step_patches() as f64 * self.patch_seconds / factor;
        let traced = blueprint.traced_passes() as f64 * self.traced_seconds;
        let compared = blueprint.comparisons() as f64 * self.comparison_seconds / factor;
        let each = products + patches + traced + compared + self.member_seconds;
        let training = steps * (self.step_seconds + count * each);
        training + self.scoring_seconds(blueprint, scores, members, factor)
    }

    /// Returns the seconds for all scorings of a cohort.
    pub fn scoring_seconds(&self, blueprint: &BuiltIn, scores: &[Arc<Score>], members: usize, factor: f64) -> f64 {
        let times = |score: &Score| score.at(blueprint.train.steps).count() as f64;
        let generator: u64 = blueprint.model.generator.iter().map(Layer::flops).sum();
        let of = (&blueprint.dataset, generator as f64);
        let each = scores.iter().map(|score| times(score) * self.score_seconds(of, score, factor));
        members as f64 * each.sum::<f64>()
    }

    /// Returns the seconds to sample and score one member once. `generator` is the number of operations per sample.
    pub fn score_seconds(&self, (dataset, generator): (&Dataset, f64), score: &Score, factor: f64) -> f64 {
        let samples = f64::from(score.samples);
        if score.metrics.is_empty() {
            return 0.0;
        }
        let network = match (score.network(dataset), dataset.shape()) {
            (Some(ScoringNetwork::Shipped), [channels, ..]) => *channels as f64 * CLASSIFIER_FLOPS,
            (Some(ScoringNetwork::OwnLabels), shape) => shape.iter().product::<usize>() as f64 * OWN_FLOPS,
            (Some(ScoringNetwork::Inception), _) => INCEPTION_FLOPS,
            (None, _) | (_, []) => 0.0,
        };
        let products = samples * (generator + network) / (self.gflops * 1e9 * factor);
        products + together(&score.metrics, &Sizes::new(dataset, score)).seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::sweep::Sweep;

    fn blueprint(settings: &str) -> BuiltIn {
        let text = format!("sweep: s\ndataset: gaussians\nobjective: d2gan\nalpha: 1\nbeta: 1\n{settings}");
        let expansion = Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap();
        expansion.entries[0].job.blueprint.built_in().unwrap().clone()
    }

    #[test]
    fn memory_is_what_the_layers_say() {
        // Noise 2, G 2-3-2, D 2-2-1, batch 5.
        let b = blueprint("model: {noise: 2, generator: [3], discriminator: [2]}\ntrain: {steps: 10, batch: 5}");
        let (g, d) = (3 * 3 + 4 * 2, 3 * 2 + 3);
        assert_eq!(b.parameters(), g + 2 * d);
        // Values per sample: G 2 + (3 + 3) + 2, D 2 + (2 + 2) + 1.
        let expected = 4 * (4 * (g + 2 * d) as u64 + 2 * 5 * (10 + 4 * 7));
        assert_eq!(built_in_bytes(&b), expected);
        // Adam reads and writes four numbers per weight in each optimiser step.
        assert_eq!(b.step_bytes(), 32 * (g + 2 * d) as u64);
        let b = blueprint(
            "model: {noise: 2, generator: [3], discriminator: [2]}\n\
             train: {steps: 10, batch: 5, d_steps: 3, optimizer_generator: sgd}",
        );
        assert_eq!(b.step_bytes(), (24 * g + 3 * 2 * 32 * d) as u64);
        let b = blueprint(
            "model: {noise: 2, generator: [3], discriminator: [2]}\n\
             train: {steps: 10, batch: 5, g_steps: 2, optimizer_generator: optimistic_adam}",
        );
        assert_eq!(b.step_bytes(), (2 * 40 * g + 2 * 32 * d) as u64);
    }

    #[test]
    fn memory_and_products_within_residuals_count() {
        let b = blueprint(
            "model: {noise: 2, generator: [{linear: 2}], discriminator: [{residual: [{linear: 3}]}, {linear: 1}]}\n\
             train: {steps: 10, batch: 5, optimizer: sgd}",
        );
        // The residual has a linear shortcut from 2 to 3 features.
        let (g, d) = (3 * 2, 2 * 3 * 3 + 4);
        assert_eq!(b.parameters(), g + 2 * d);
        let (g_values, d_values) = (2 + 2, 2 + 2 * (2 + 3) + 3 + 1);
        assert_eq!(built_in_bytes(&b), 4 * (3 * (g + 2 * d) as u64 + 2 * 5 * (g_values + 4 * d_values)));
        // Both get the samples, whose gradient is not needed while the discriminators learn.
        let (g, first, rest) = (2 * 4, 2 * 2 * 6, 2 * 3);
        let d = first + rest;
        assert_eq!(b.step_flops(), 5 * (g + 4 * (3 * d - first) + 2 * g + 4 * d));
    }

    #[test]
    fn memory_of_maps_is_that_of_all_their_pixels() {
        let text = "sweep: s\ndataset: mnist_1k\nobjective: gan\nmodel: {arch: dcgan, width: 2, noise: 5}\n\
                    train: {steps: 10, batch: 3, optimizer: sgd}";
        let expansion = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap();
        let b = expansion.entries[0].job.blueprint.built_in().unwrap().clone();
        let (g, d) =
            (6 * 128 + 16 + 25 * 32 + 8 + 25 * 8 + 4 + 25 * 6 + 3, 25 * 6 + 2 + 25 * 8 + 8 + 25 * 32 + 16 + 129);
        assert_eq!(b.parameters(), g + d);
        // G: noise, linear, unflatten, norm, ReLU, then each size three times; the image as maps, features and after
        // tanh. D: the image twice, the first layer without a norm, the last one also flattened.
        let image = 3 * 784;
        let g_values = 5 + 4 * 128 + 3 * (4 * 49) + 3 * (2 * 196) + 3 * image;
        let d_values = 2 * image + 2 * (2 * 196) + 3 * (4 * 49) + 4 * 128 + 1;
        assert_eq!(built_in_bytes(&b), 4 * (3 * (g + d) + 2 * 3 * (g_values + 2 * d_values)) as u64);
        // The gradient of the noise is not needed, nor that of images while the discriminator learns.
        let (linear, back) = (2 * 5 * 128, 2 * 25 * (8 * 4 * 16 + 4 * 2 * 49 + 2 * 3 * 196));
        let (first, rest) = (2 * 25 * 3 * 2 * 196, 2 * 25 * (2 * 4 * 49 + 4 * 8 * 16) + 2 * 128);
        let (g, d) = (linear + back, first + rest);
        assert_eq!(b.step_flops(), 3 * (g + 2 * (3 * d - first) + 3 * g - linear + 2 * d));
        let mut more = b.clone();
        (more.train.d_steps, more.train.g_steps) = (2, 3);
        assert_eq!(more.step_flops(), 3 * (2 * (g + 2 * (3 * d - first)) + 3 * (3 * g - linear + 2 * d)));
    }

    /// Comparing 10,000 with 10,000 points takes about a second with any score; no score is free.
    #[test]
    fn scores_take_time_and_memory() {
        let of = |metrics: &str| {
            let text = format!(
                "sweep: s\ndataset: gaussians\nobjective: gan\ntrain: {{steps: 10}}\nscore: {{metrics: [{metrics}]}}"
            );
            let entry = Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap().entries.remove(0);
            let (blueprint, scores) = (entry.job.blueprint, [entry.score]);
            let built_in = blueprint.built_in().unwrap();
            (Speed::CPU.scoring_seconds(built_in, &scores, 1, 1.0), scoring_bytes(&blueprint, &scores))
        };
        let (hits, recall, all) = (of("modes_covered"), of("recall"), of("recall, precision, density, coverage"));
        assert!(hits > of("") && recall.0 > hits.0 + 0.5, "{hits:?} {recall:?}");
        assert_eq!(recall, all, "they are found together");
        assert!(of("sinkhorn").1 > hits.1 + 2 * 8 * 2048 * 2048 - 1_000_000, "costs and the plan");
    }

    #[test]
    fn more_of_anything_takes_longer() {
        let seconds = |steps: u64, units: u32, members, factor| {
            let text = format!("model: {{generator: [{units}]}}\ntrain: {{steps: {steps}}}");
            let score = Score { metrics: [sweep_spec::metric::Metric::ModesCovered].into(), ..Score::default() };
            Speed::CPU.seconds(&blueprint(&text), &[Arc::new(score)], members, factor)
        };
        let base = seconds(1000, 64, 4, 1.0);
        assert!(seconds(2000, 64, 4, 1.0) > 1.9 * base);
        assert!(seconds(1000, 64, 8, 1.0) > 1.5 * base);
        assert!(seconds(1000, 640, 4, 1.0) > base);
        assert!(seconds(1000, 64, 4, 2.0) < base);
    }
}
