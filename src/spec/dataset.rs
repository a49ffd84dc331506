//! Data sets: what the real samples are.

use serde::{Deserialize, Serialize};

use super::own::Own;

/// A data set. A new one is a variant here and a file in `data/`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// A mixture of 2-D Gaussians with equal weights, drawn afresh at each step.
    Gaussians(Gaussians),
    /// 60,000 handwritten digits of 28×28, LeCun et al.
    Mnist,
    /// 60,000 pieces of clothing of 28×28, Xiao et al.
    FashionMnist,
    /// Three random digits of MNIST as the channels of one image of 28×28: 1,000 modes. Drawn afresh at each step.
    #[serde(rename = "mnist_1k")]
    Mnist1k,
    /// 50,000 colour photographs of 32×32, Krizhevsky.
    #[serde(rename = "cifar10")]
    Cifar10,
    /// The 100,000 unlabelled photographs of STL-10, Coates et al., from 96×96 to 32×32 by the mean of each 3×3 block.
    #[serde(rename = "stl10")]
    Stl10,
    /// The user's own samples.
    Own(Own),
}

/// Where the modes of a 2-D mixture lie, in data units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "layout", deny_unknown_fields)]
pub enum Gaussians {
    /// Mode k at (r sin θ, r cos θ), θ = 2πk/modes.
    Ring {
        /// Number of modes.
        modes: u32,
        /// Radius of the circle.
        radius: f64,
        /// Variance σ² of each coordinate about its mode (not σ), in squared data units.
        covariance: f64,
    },
    /// side × side modes on a square grid about the origin.
    Grid {
        /// Modes along one side.
        side: u32,
        /// Distance between neighbours.
        spacing: f64,
        /// Variance σ² of each coordinate about its mode (not σ), in squared data units.
        covariance: f64,
    },
}

impl Gaussians {
    /// The paper's Figure 2: eight modes on a circle of radius 2, covariance 0.02·I.
    pub const RING: Gaussians = Gaussians::Ring { modes: 8, radius: 2.0, covariance: 0.02 };
    /// The usual 25-mode grid: spacing 2, σ = 0.05.
    pub const GRID: Gaussians = Gaussians::Grid { side: 5, spacing: 2.0, covariance: 0.0025 };

    /// The centres of the modes.
    pub fn centres(&self) -> Vec<[f64; 2]> {
        match *self {
            Gaussians::Ring { modes, radius, .. } => (0..modes)
                .map(|k| {
                    let (sin, cos) = (std::f64::consts::TAU * f64::from(k) / f64::from(modes)).sin_cos();
                    [radius * sin, radius * cos]
                })
                .collect(),
            Gaussians::Grid { side, spacing, .. } => {
                let at = |i: u32| (f64::from(i) - f64::from(side - 1) / 2.0) * spacing;
                (0..side).flat_map(|i| (0..side).map(move |j| [at(i), at(j)])).collect()
            }
        }
    }

    /// The variance of each coordinate about its mode.
    pub fn covariance(&self) -> f64 {
        match *self {
            Gaussians::Ring { covariance, .. } | Gaussians::Grid { covariance, .. } => covariance,
        }
    }
}

impl Dataset {
    /// The data sets without settings.
    pub const IMAGES: [Dataset; 5] =
        [Dataset::Mnist, Dataset::FashionMnist, Dataset::Mnist1k, Dataset::Cifar10, Dataset::Stl10];

    /// The name in YAML, in the database and in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Dataset::Gaussians(_) => "gaussians",
            Dataset::Mnist => "mnist",
            Dataset::FashionMnist => "fashion_mnist",
            Dataset::Mnist1k => "mnist_1k",
            Dataset::Cifar10 => "cifar10",
            Dataset::Stl10 => "stl10",
            Dataset::Own(own) => own.kind.name(),
        }
    }

    /// The shape of one sample: `[features]` or `[channels, height, width]`.
    pub fn shape(&self) -> &[usize] {
        match self {
            Dataset::Gaussians(_) => &[2],
            Dataset::Mnist | Dataset::FashionMnist => &[1, 28, 28],
            Dataset::Mnist1k => &[3, 28, 28],
            Dataset::Cifar10 | Dataset::Stl10 => &[3, 32, 32],
            Dataset::Own(own) => own.shape.dims(),
        }
    }

    /// Values in one sample.
    pub fn features(&self) -> usize {
        self.shape().iter().product()
    }

    /// How many modes it has, as far as that is known.
    pub fn modes(&self) -> Option<usize> {
        match self {
            Dataset::Gaussians(Gaussians::Ring { modes, .. }) => Some(*modes as usize),
            Dataset::Gaussians(Gaussians::Grid { side, .. }) => Some((*side as usize).pow(2)),
            Dataset::Mnist | Dataset::FashionMnist => Some(10),
            Dataset::Mnist1k => Some(1000),
            Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => None,
        }
    }

    /// Whether samples are pixels, scaled to [−1, 1].
    pub fn is_images(&self) -> bool {
        self.shape().len() == 3
    }
}
