//! Data sets: where the real samples come from.

use serde::{Deserialize, Serialize};

pub use super::gaussians::{Covariance, Gaussians, Layout};
use super::own_data::OwnData;
pub use super::toy::Toy;

/// A data set. To add one, add a variant here and a file in `data/`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// A mixture of Gaussians.
    Gaussians(Gaussians),
    /// Points along curves in the plane.
    Toy(Toy),
    /// 60,000 handwritten digits, 28×28 (LeCun et al.).
    Mnist,
    /// 60,000 pieces of clothing, 28×28 (Xiao et al.).
    FashionMnist,
    /// Three random MNIST digits as the channels of one 28×28 image: 1,000 modes. Drawn afresh at each step.
    #[serde(rename = "mnist_1k")]
    Mnist1k,
    /// 50,000 colour photographs, 32×32 (Krizhevsky).
    #[serde(rename = "cifar10")]
    Cifar10,
    /// The 100,000 unlabelled photographs of STL-10 (Coates et al.), reduced from 96×96 to 32×32 by averaging 3×3
    /// blocks.
    #[serde(rename = "stl10")]
    Stl10,
    /// The user's own samples.
    Own(OwnData),
}

impl Dataset {
    /// The image data sets without settings.
    pub const IMAGES: [Dataset; 5] =
        [Dataset::Mnist, Dataset::FashionMnist, Dataset::Mnist1k, Dataset::Cifar10, Dataset::Stl10];

    /// Returns the name in YAML, in the database and in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Dataset::Gaussians(_) => "gaussians",
            Dataset::Toy(toy) => toy.name(),
            Dataset::Mnist => "mnist",
            Dataset::FashionMnist => "fashion_mnist",
            Dataset::Mnist1k => "mnist_1k",
            Dataset::Cifar10 => "cifar10",
            Dataset::Stl10 => "stl10",
            Dataset::Own(own) => own.kind.name(),
        }
    }

    /// Returns the shape of one sample: `[features]` or `[channels, height, width]`.
    pub fn shape(&self) -> &[usize] {
        match self {
            Dataset::Gaussians(mixture) => std::slice::from_ref(&mixture.dims),
            Dataset::Toy(_) => &[2],
            Dataset::Mnist | Dataset::FashionMnist => &[1, 28, 28],
            Dataset::Mnist1k => &[3, 28, 28],
            Dataset::Cifar10 | Dataset::Stl10 => &[3, 32, 32],
            Dataset::Own(own) => own.shape.dims(),
        }
    }

    /// Returns whether it has a fixed number of samples; otherwise new samples are drawn for each batch.
    pub fn is_finite(&self) -> bool {
        match self {
            Dataset::Gaussians(mixture) => mixture.limit.is_some(),
            Dataset::Toy(toy) => toy.limit().is_some(),
            Dataset::Mnist1k => false,
            Dataset::Mnist | Dataset::FashionMnist | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => true,
        }
    }

    /// Returns whether scores compare with the distribution itself, which has unlimited samples, even if training uses
    /// a limited number.
    pub fn is_drawn(&self) -> bool {
        match self {
            Dataset::Gaussians(_) | Dataset::Toy(_) | Dataset::Mnist1k => true,
            Dataset::Mnist | Dataset::FashionMnist | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => false,
        }
    }

    /// Returns whether its distribution has a known density.
    pub fn has_density(&self) -> bool {
        match self {
            // Without noise in all coordinates, the density is infinite at samples and 0 elsewhere.
            Dataset::Gaussians(mixture) => mixture.noise_dims() == mixture.dims,
            Dataset::Toy(_) | Dataset::Mnist1k => false,
            Dataset::Mnist | Dataset::FashionMnist | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => false,
        }
    }

    /// Returns the number of values per sample.
    pub fn features(&self) -> usize {
        self.shape().iter().product()
    }

    /// Returns its number of modes, if known.
    pub fn modes(&self) -> Option<usize> {
        match self {
            Dataset::Gaussians(mixture) => Some(mixture.modes()),
            Dataset::Mnist | Dataset::FashionMnist => Some(10),
            Dataset::Mnist1k => Some(1000),
            Dataset::Toy(_) | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => None,
        }
    }

    /// Returns whether samples are points in the plane.
    pub fn is_plane(&self) -> bool {
        self.shape() == [2]
    }

    /// Returns whether samples are pixels, scaled to [−1, 1].
    pub fn is_images(&self) -> bool {
        self.shape().len() == 3
    }
}
