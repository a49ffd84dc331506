//! The keys that a sweep file can set for a job: one name each, in one section each.

use super::knobs::Knob;

/// A part of the file, and of each variant, that holds keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Not in a section.
    Top,
    /// `model:`
    Model,
    /// `train:`
    Train,
    /// `score:`
    Score,
}

impl Section {
    /// The sections with a key of their own.
    pub const NAMED: [Section; 3] = [Section::Model, Section::Train, Section::Score];

    /// The name in YAML; empty at the top.
    pub fn name(self) -> &'static str {
        match self {
            Section::Top => "",
            Section::Model => "model",
            Section::Train => "train",
            Section::Score => "score",
        }
    }

    /// The keys in it, groups before their parts.
    pub fn keys(self) -> impl Iterator<Item = Key> {
        Key::ALL.into_iter().filter(move |key| key.section() == self)
    }
}

macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident = $name:literal in $section:ident;)*) => {
        /// Something that can be set for a job, and swept. A new one is a line here; the compiler asks for the rest.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key {
            $($(#[$doc])* $key,)*
        }

        impl Key {
            /// Every key, groups before their parts.
            pub const ALL: [Key; [$(Key::$key),*].len()] = [$(Key::$key),*];

            /// The name in YAML and in reports: unique over all sections.
            pub fn name(self) -> &'static str {
                match self {
                    $(Key::$key => $name,)*
                }
            }

            /// Where it stands.
            pub fn section(self) -> Section {
                match self {
                    $(Key::$key => Section::$section,)*
                }
            }
        }
    };
}

keys! {
    /// The real samples.
    Dataset = "dataset" in Top;
    /// The game.
    Objective = "objective" in Top;
    /// GAN with the saturating loss of the generator.
    Saturating = "saturating" in Top;
    /// How many moves of the discriminator an unrolled GAN's generator looks ahead.
    UnrollSteps = "unroll_steps" in Top;
    /// D2GAN's α.
    Alpha = "alpha" in Top;
    /// D2GAN's β.
    Beta = "beta" in Top;
    /// WGAN's bound on the critic's weights.
    Clip = "clip" in Top;
    /// The weight of a gradient penalty.
    GradientPenalty = "gradient_penalty" in Top;
    /// The power of the slopes in WGAN-div's penalty.
    PenaltyPower = "penalty_power" in Top;
    /// The weight of Reg-GAN's and MDGAN's reconstruction.
    Reconstruction = "reconstruction" in Top;
    /// The weight of Reg-GAN's and MDGAN's mode term.
    ModeWeight = "mode_weight" in Top;
    /// The weight of denoising feature matching.
    Denoising = "denoising" in Top;
    /// Whether an improved GAN's generator matches features.
    FeatureMatching = "feature_matching" in Top;
    /// BEGAN's γ.
    DiversityRatio = "diversity_ratio" in Top;
    /// BEGAN's λ of k.
    BalanceRate = "balance_rate" in Top;
    /// Steps from one look at MAGAN's margin to the next.
    MarginEpoch = "margin_epoch" in Top;
    /// How many generators MGAN has.
    Generators = "generators" in Top;
    /// MGAN's β.
    Diversity = "diversity" in Top;
    /// The kind of networks.
    Arch = "arch" in Model;
    /// Hidden sizes of the generator.
    Generator = "generator" in Model;
    /// Hidden sizes of each discriminator.
    Discriminator = "discriminator" in Model;
    /// Hidden sizes of the encoder.
    Encoder = "encoder" in Model;
    /// Hidden sizes of the denoiser.
    Denoiser = "denoiser" in Model;
    /// Kernels of minibatch discrimination.
    MinibatchKernels = "minibatch_kernels" in Model;
    /// Dimensions of each of them.
    MinibatchDims = "minibatch_dims" in Model;
    /// Samples that a discriminator sees at a time.
    Pack = "pack" in Model;
    /// Maps of the discriminators' first convolution; all others, the generator's too, have a multiple of them.
    Width = "width" in Model;
    /// The same for the discriminators alone.
    DiscriminatorWidth = "discriminator_width" in Model;
    /// Pixels along a side of the convolutions' kernels.
    Kernel = "kernel" in Model;
    /// Length of the noise vector.
    Noise = "noise" in Model;
    /// What the noise is drawn from.
    NoiseDistribution = "noise_distribution" in Model;
    /// Normalisation of the generator's hidden layers.
    GeneratorNorm = "generator_norm" in Model;
    /// Normalisation of the discriminators' hidden layers.
    DiscriminatorNorm = "discriminator_norm" in Model;
    /// Activation of the generator's hidden layers.
    GeneratorActivation = "generator_activation" in Model;
    /// Activation of the discriminators' hidden layers.
    DiscriminatorActivation = "discriminator_activation" in Model;
    /// Dropout after each hidden layer of the discriminators.
    Dropout = "dropout" in Model;
    /// How weights start.
    Init = "init" in Model;
    /// Activation of the generator's output.
    Output = "output" in Model;
    /// Generator steps.
    Steps = "steps" in Train;
    /// Samples in a batch.
    Batch = "batch" in Train;
    /// Discriminator steps before each generator step.
    DSteps = "d_steps" in Train;
    /// Both learning rates.
    Lr = "lr" in Train;
    /// The generator's learning rate.
    LrGenerator = "lr_generator" in Train;
    /// The discriminators' learning rate.
    LrDiscriminator = "lr_discriminator" in Train;
    /// Both of Adam's decay rates.
    AdamBetas = "adam_betas" in Train;
    /// Adam's β1.
    AdamBeta1 = "adam_beta1" in Train;
    /// Adam's β2.
    AdamBeta2 = "adam_beta2" in Train;
    /// RMSprop's α.
    RmspropDecay = "rmsprop_decay" in Train;
    /// SGD's momentum.
    Momentum = "momentum" in Train;
    /// Both optimisers.
    Optimizer = "optimizer" in Train;
    /// The generator's optimiser.
    OptimizerGenerator = "optimizer_generator" in Train;
    /// The discriminators' optimiser.
    OptimizerDiscriminator = "optimizer_discriminator" in Train;
    /// How products are computed.
    Precision = "precision" in Train;
    /// Steps between scorings.
    Every = "every" in Score;
    /// Generated samples that are scored.
    Samples = "samples" in Score;
    /// Which scores.
    Metrics = "metrics" in Score;
    /// Splits of the Inception score.
    Splits = "splits" in Score;
    /// Bins along each axis of the 2-D histograms.
    Bins = "bins" in Score;
    /// Extent of the 2-D histograms.
    Range = "range" in Score;
    /// Points a side of the exact Wasserstein distance.
    WassersteinSamples = "wasserstein_samples" in Score;
    /// Real samples that features are compared with.
    RealSamples = "real_samples" in Score;
    /// Directions of the sliced Wasserstein distance.
    Projections = "projections" in Score;
    /// Regularisation of entropic transport.
    SinkhornReg = "sinkhorn_reg" in Score;
    /// Neighbours that make a manifold.
    Neighbours = "k" in Score;
    /// What sees images.
    Classifier = "classifier" in Score;
}

impl Key {
    /// The full path inside the file or a variant: `train.lr`.
    pub fn path(self) -> String {
        match self.section() {
            Section::Top => self.name().to_owned(),
            section => format!("{}.{}", section.name(), self.name()),
        }
    }

    /// The key with this full path or name.
    pub fn find(text: &str) -> Option<Key> {
        Key::ALL.into_iter().find(|key| key.name() == text || key.path() == text)
    }

    /// Whether its values are numbers, which have an order.
    pub fn numeric(self) -> bool {
        match self {
            Key::Alpha
            | Key::Beta
            | Key::Clip
            | Key::GradientPenalty
            | Key::PenaltyPower
            | Key::UnrollSteps
            | Key::Reconstruction
            | Key::ModeWeight
            | Key::Denoising
            | Key::DiversityRatio
            | Key::BalanceRate
            | Key::MarginEpoch
            | Key::Generators
            | Key::Diversity
            | Key::MinibatchKernels
            | Key::MinibatchDims
            | Key::Pack
            | Key::Width
            | Key::DiscriminatorWidth
            | Key::Kernel
            | Key::Noise
            | Key::Dropout
            | Key::Steps
            | Key::Batch
            | Key::DSteps
            | Key::Lr
            | Key::LrGenerator
            | Key::LrDiscriminator
            | Key::AdamBeta1
            | Key::AdamBeta2
            | Key::RmspropDecay
            | Key::Momentum
            | Key::Every
            | Key::Samples
            | Key::Splits
            | Key::Bins
            | Key::Range
            | Key::WassersteinSamples
            | Key::RealSamples
            | Key::Projections
            | Key::SinkhornReg
            | Key::Neighbours => true,
            Key::Dataset
            | Key::Objective
            | Key::Saturating
            | Key::FeatureMatching
            | Key::Arch
            | Key::Generator
            | Key::Discriminator
            | Key::Encoder
            | Key::Denoiser
            | Key::NoiseDistribution
            | Key::GeneratorNorm
            | Key::DiscriminatorNorm
            | Key::GeneratorActivation
            | Key::DiscriminatorActivation
            | Key::Init
            | Key::Output
            | Key::AdamBetas
            | Key::Optimizer
            | Key::OptimizerGenerator
            | Key::OptimizerDiscriminator
            | Key::Precision
            | Key::Metrics
            | Key::Classifier => false,
        }
    }

    /// What a group sets; empty for a key that stands for itself.
    pub fn parts(self) -> &'static [Key] {
        match self {
            Key::Lr => &[Key::LrGenerator, Key::LrDiscriminator],
            Key::AdamBetas => &[Key::AdamBeta1, Key::AdamBeta2],
            Key::Optimizer => &[Key::OptimizerGenerator, Key::OptimizerDiscriminator],
            _ => &[],
        }
    }

    /// The knob that it sets, where it sets exactly one.
    pub fn knob(self) -> Option<Knob> {
        match self {
            Key::Alpha => Some(Knob::Alpha),
            Key::Beta => Some(Knob::Beta),
            Key::Clip => Some(Knob::Clip),
            Key::GradientPenalty => Some(Knob::GradientPenalty),
            Key::PenaltyPower => Some(Knob::PenaltyPower),
            Key::Reconstruction => Some(Knob::Reconstruction),
            Key::ModeWeight => Some(Knob::ModeWeight),
            Key::Denoising => Some(Knob::Denoising),
            Key::DiversityRatio => Some(Knob::DiversityRatio),
            Key::BalanceRate => Some(Knob::BalanceRate),
            Key::Diversity => Some(Knob::Diversity),
            Key::LrGenerator => Some(Knob::LrGenerator),
            Key::LrDiscriminator => Some(Knob::LrDiscriminator),
            Key::AdamBeta1 => Some(Knob::AdamBeta1),
            Key::AdamBeta2 => Some(Knob::AdamBeta2),
            Key::RmspropDecay => Some(Knob::RmspropDecay),
            Key::Momentum => Some(Knob::Momentum),
            _ => None,
        }
    }

    /// Whether it sets knobs and nothing else, so that it cannot change the blueprint.
    pub fn only_knobs(self) -> bool {
        match self.parts() {
            [] => self.knob().is_some(),
            parts => parts.iter().all(|part| part.knob().is_some()),
        }
    }

    /// The key that sets `knob`.
    pub fn of_knob(knob: Knob) -> Key {
        match knob {
            Knob::Alpha => Key::Alpha,
            Knob::Beta => Key::Beta,
            Knob::Clip => Key::Clip,
            Knob::GradientPenalty => Key::GradientPenalty,
            Knob::PenaltyPower => Key::PenaltyPower,
            Knob::Reconstruction => Key::Reconstruction,
            Knob::ModeWeight => Key::ModeWeight,
            Knob::Denoising => Key::Denoising,
            Knob::DiversityRatio => Key::DiversityRatio,
            Knob::BalanceRate => Key::BalanceRate,
            Knob::Diversity => Key::Diversity,
            Knob::LrGenerator => Key::LrGenerator,
            Knob::LrDiscriminator => Key::LrDiscriminator,
            Knob::AdamBeta1 => Key::AdamBeta1,
            Knob::AdamBeta2 => Key::AdamBeta2,
            Knob::RmspropDecay => Key::RmspropDecay,
            Knob::Momentum => Key::Momentum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_unambiguous() {
        for key in Key::ALL {
            let matching =
                Key::ALL.into_iter().filter(|other| other.name() == key.name() || other.path() == key.name());
            assert_eq!(matching.count(), 1, "{key:?}");
            assert_eq!(Key::find(&key.path()), Some(key));
            assert_eq!(Key::find(key.name()), Some(key));
        }
    }

    #[test]
    fn knobs_and_their_keys_have_the_same_names() {
        for knob in Knob::ALL {
            assert_eq!(Key::of_knob(knob).knob(), Some(knob));
            assert_eq!(Key::of_knob(knob).name(), knob.name());
        }
        assert!(Key::Lr.only_knobs() && !Key::Optimizer.only_knobs() && !Key::Batch.only_knobs());
    }
}
