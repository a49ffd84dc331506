//! Defaults: what holds where a file says nothing. Those of an objective's training are its paper's.

use super::arch::{Activation, Design, Init, Layer, NoiseDistribution, Norm};
use super::blueprint::{Optimizer, Precision, Score};
use super::dataset::Dataset;
use super::error::Mistakes;
use super::keys::Key;
use super::objective::Objective;
use super::scoring::{ScoringNetwork, default_metrics, default_range};
use super::settings::{Place, Settings};
use super::value::{Arch, Value};

impl Settings {
    /// What holds where the file says nothing. `None`: the file has to say it.
    pub(super) fn usual(&self, key: Key) -> Option<Value> {
        let images = || self.dataset().is_some_and(|dataset| dataset.is_images());
        let design = || self.design();
        let objective = || match self.get(Key::Objective) {
            Some(Value::Objective(objective)) => Some(objective),
            _ => None,
        };
        // WGAN-GP's are those of its algorithm 1; DCGAN's otherwise.
        let betas = || if objective() == Some(Objective::WganGp) { (0.0, 0.9) } else { (0.5, 0.999) };
        let sizes = |images_have: &[u32], points_have: &[u32]| {
            Value::Sizes(if images() { images_have.to_vec() } else { points_have.to_vec() })
        };
        let at_most_samples = |usual: u64| match self.get(Key::Samples) {
            Some(Value::Count(samples)) => Value::Count(usual.min(samples)),
            _ => Value::Count(usual),
        };
        Some(match key {
            Key::Dataset | Key::Objective | Key::Alpha | Key::Beta | Key::Steps => return None,
            Key::Saturating => Value::Flag(false),
            Key::UnrollSteps => Value::Count(5),
            Key::Clip => Value::Number(0.01),
            Key::GradientPenalty => Value::Number(if objective() == Some(Objective::WganDiv) { 2.0 } else { 10.0 }),
            Key::PenaltyPower => Value::Number(6.0),
            Key::Reconstruction => Value::Number(match (objective(), images()) {
                // The distance is a sum over pixels: with the papers' values, of 784 of them, it is all that the generator learns from.
                (_, true) => 0.01,
                (Some(Objective::Mdgan), false) => 1.0,
                (_, false) => 0.2,
            }),
            Key::ModeWeight => Value::Number(if objective() == Some(Objective::Mdgan) { 1.0 } else { 0.4 }),
            // Over as many features as there are: their distance is a sum.
            Key::Denoising => Value::Number(0.03 / f64::from(self.denoised().unwrap_or(1))),
            Key::FeatureMatching => Value::Flag(false),
            Key::DiversityRatio => Value::Number(0.5),
            Key::BalanceRate => Value::Number(1e-3),
            Key::MarginEpoch => Value::Count(1000),
            Key::Generators => Value::Count(10),
            Key::Diversity => Value::Number(1.0),
            Key::Arch => Value::Arch(Arch::Mlp),
            Key::Generator => sizes(&[400, 400], &[128, 128]),
            Key::Discriminator => sizes(&[256, 256], &[128]),
            Key::Encoder => match self.get(Key::Generator) {
                Some(Value::Sizes(sizes)) => Value::Sizes(sizes.into_iter().rev().collect()),
                _ => sizes(&[400, 400], &[128, 128]),
            },
            Key::Denoiser => sizes(&[1024, 1024], &[128, 128]),
            Key::MinibatchKernels => Value::Count(100),
            Key::MinibatchDims => Value::Count(5),
            Key::Pack => Value::Count(1),
            Key::Width => Value::Count(if design() == Some(Design::Metz) { 4 } else { 128 }),
            Key::DiscriminatorWidth => self.get(Key::Width)?,
            Key::Kernel => Value::Count(5),
            Key::Noise => Value::Count(if images() && design() != Some(Design::Metz) { 100 } else { 256 }),
            Key::NoiseDistribution => Value::NoiseDistribution(NoiseDistribution::Normal),
            Key::DiscriminatorNorm if objective().is_some_and(Objective::has_penalty) => Value::Norm(Norm::None),
            // With batch normalisation, convolutional discriminators of samples with codes teach nothing.
            Key::DiscriminatorNorm if objective() == Some(Objective::Ali) => Value::Norm(Norm::None),
            Key::GeneratorNorm | Key::DiscriminatorNorm if objective() == Some(Objective::Began) => {
                Value::Norm(Norm::None)
            }
            Key::GeneratorNorm | Key::DiscriminatorNorm => {
                Value::Norm(if design().is_some() { Norm::Batch } else { Norm::None })
            }
            Key::GeneratorActivation => Value::Activation(Some(Activation::Relu)),
            Key::DiscriminatorActivation => {
                let slope = if design() == Some(Design::Metz) { 0.3 } else { 0.2 };
                Value::Activation(Some(Activation::LeakyRelu { slope }))
            }
            Key::Dropout => Value::Number(0.0),
            Key::Init => Value::Init(Init::Normal { std: 0.02 }),
            Key::Output => Value::Activation(images().then_some(Activation::Tanh)),
            Key::Batch => Value::Count(match (objective(), self.get(Key::Generators)) {
                // As many for each.
                (Some(Objective::Mgan { .. }), Some(Value::Count(generators))) => 64 / generators.min(32) * generators,
                _ => 64,
            }),
            Key::DSteps => {
                let critic = [Objective::Wgan, Objective::WganGp, Objective::WganDiv].map(Some).contains(&objective());
                Value::Count(if critic { 5 } else { 1 })
            }
            Key::Lr | Key::LrGenerator | Key::LrDiscriminator => Value::Number(match objective() {
                Some(Objective::Wgan) => 5e-5,
                Some(Objective::WganGp) => 1e-4,
                _ => 2e-4,
            }),
            Key::AdamBetas => Value::Pair(betas().0, betas().1),
            Key::AdamBeta1 => Value::Number(betas().0),
            Key::AdamBeta2 => Value::Number(betas().1),
            Key::RmspropDecay => Value::Number(0.99),
            Key::Momentum => Value::Number(0.0),
            Key::Precision => Value::Precision(Precision::Float32),
            Key::Optimizer | Key::OptimizerGenerator | Key::OptimizerDiscriminator => {
                let wgan = objective() == Some(Objective::Wgan);
                Value::Optimizer(if wgan { Optimizer::Rmsprop } else { Optimizer::Adam })
            }
            Key::Every => Value::Count(0),
            // As many as everybody takes for a thousand modes.
            Key::Samples => Value::Count(if self.dataset() == Some(Dataset::Mnist1k) { 25_600 } else { 10_000 }),
            Key::Metrics => Value::Metrics(default_metrics(&self.dataset()?)),
            Key::Splits => at_most_samples(10),
            Key::Bins => Value::Count(50),
            Key::Range => Value::Number(self.dataset().map_or(4.0, default_range)),
            Key::WassersteinSamples => at_most_samples(2048),
            Key::RealSamples => self.get(Key::Samples)?,
            Key::Projections => Value::Count(Score::PROJECTIONS.into()),
            Key::SinkhornReg => Value::Number(Score::SINKHORN_REG),
            Key::Neighbours => Value::Count(Score::NEIGHBOURS.into()),
            Key::Classifier => Value::Network(ScoringNetwork::usual(&self.dataset()?)?),
        })
    }

    /// How many features a denoiser has; none where there is no denoiser, or a mistake, which is reported elsewhere.
    fn denoised(&self) -> Option<u32> {
        let Some(Value::Objective(objective)) = self.get(Key::Objective) else { return None };
        let nowhere = Place { path: "".into(), span: 0..0 };
        let model = self.model(&self.dataset()?, objective, &nowhere, &mut Mistakes::default())?;
        match model.denoiser.first()? {
            Layer::Linear { inputs, .. } => Some(*inputs),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::knobs::Knob;
    use crate::sweep::Sweep;

    /// Against the papers' algorithms, where they differ from what others have.
    #[test]
    fn training_is_as_in_the_papers_unless_said_otherwise() {
        for (objective, betas, lr, d_steps) in [
            ("gan", Some([0.5, 0.999]), 2e-4, 1),
            ("wgan", None, 5e-5, 5),
            ("wgan_gp", Some([0.0, 0.9]), 1e-4, 5),
            ("wgan_div", Some([0.5, 0.999]), 2e-4, 5),
            ("dragan", Some([0.5, 0.999]), 2e-4, 1),
        ] {
            let text = format!("sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\nobjective: {objective}\n");
            let job = Sweep::parse("f", &text).unwrap().expand().unwrap().entries.remove(0).job;
            let of = |knob| job.knobs.get(knob);
            assert_eq!(
                [of(Knob::AdamBeta1), of(Knob::AdamBeta2)],
                betas.map_or([None; 2], |b| b.map(Some)),
                "{objective}"
            );
            assert_eq!((of(Knob::LrGenerator), of(Knob::LrDiscriminator)), (Some(lr), Some(lr)), "{objective}");
            assert_eq!(job.blueprint.train.d_steps, d_steps, "{objective}");
        }
    }

    /// Che et al.: 0.2, or 1 in two steps; of images, where the distance is a sum over pixels, what lets both find more of MNIST than a plain GAN.
    #[test]
    fn reconstruction_weighs_less_where_it_is_a_sum_over_pixels() {
        for (dataset, objective, weight) in [
            ("gaussians", "reg_gan", 0.2),
            ("gaussians", "mdgan", 1.0),
            ("mnist", "reg_gan", 0.01),
            ("mnist", "mdgan", 0.01),
            ("cifar10", "mdgan", 0.01),
        ] {
            let text = format!("sweep: s\ntrain: {{steps: 100}}\ndataset: {dataset}\nobjective: {objective}\n");
            let job = Sweep::parse("f", &text).unwrap().expand().unwrap().entries.remove(0).job;
            assert_eq!(job.knobs.get(Knob::Reconstruction), Some(weight), "{dataset} {objective}");
        }
    }

    /// Warde-Farley & Bengio: 0.03 over the number of units that go into the denoiser.
    #[test]
    fn denoising_is_weighed_by_the_number_of_features() {
        for (rest, features) in [
            ("dataset: mnist\nmodel: {discriminator: [256, 1024]}", 1024.0),
            ("dataset: gaussians", 128.0),
            ("dataset: gaussians\nmodel: {discriminator: []}", 2.0),
            ("dataset: gaussians\nmodel: {discriminator: [{linear: 240}, {maxout: 5}, {linear: 1}]}", 48.0),
            ("dataset: cifar10\nmodel: {arch: dcgan, width: 128}", 4.0 * 4.0 * 512.0),
        ] {
            let text = format!("sweep: s\ntrain: {{steps: 100}}\nobjective: dfm\n{rest}\n");
            let job = Sweep::parse("f", &text).unwrap().expand().unwrap().entries.remove(0).job;
            assert_eq!(job.knobs.get(Knob::Denoising), Some(0.03 / features), "{rest}");
        }
    }
}
