//! One layer: its sizes, and what follows from them.

use serde::{Deserialize, Serialize};

use super::Activation;

/// One layer. Sizes are features per sample; maps are features in channel order, row by row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// y = x Wᵀ + b, W `[outputs, inputs]`.
    Linear {
        /// Features in.
        inputs: u32,
        /// Features out.
        outputs: u32,
    },
    /// Like `Linear`, but separate for each of several generators: `run` samples belong to the first, `run` to the
    /// second, and so on, in turn. W `[generators · outputs, inputs]`. (Hoang et al. 2018)
    Mixture {
        /// Features in.
        inputs: u32,
        /// Features out.
        outputs: u32,
        /// The number of generators.
        generators: u32,
        /// The number of consecutive samples per generator.
        run: u32,
    },
    /// Adds features that measure how close a sample is to the others in its batch: with mᵢ = T xᵢ, T
    /// `[kernels · dims, features]`, oᵢ = Σⱼ exp(−‖mᵢ − mⱼ‖₁) + b for each kernel, j ≠ i. (Salimans et al. 2016)
    MinibatchDiscrimination {
        /// Features in. They are the first features out.
        features: u32,
        /// The number of added features.
        kernels: u32,
        /// Dimensions of each kernel.
        dims: u32,
    },
    /// A convolution of maps, W `[outputs, inputs, kernel, kernel]`.
    Conv2d(Geometry),
    /// A transposed convolution of maps, W `[inputs, outputs, kernel, kernel]`: maps the gradient of a convolution's
    /// output to that of its input.
    ConvTranspose2d(Geometry),
    /// Reshapes features into maps.
    Unflatten {
        /// Channels.
        maps: u32,
        /// Height and width.
        side: u32,
    },
    /// Reshapes the first features into maps, and turns each of the others into a map with a single value.
    UnflattenBeside {
        /// Channels of the maps proper.
        maps: u32,
        /// Height and width.
        side: u32,
        /// The number of other features.
        beside: u32,
    },
    /// Reshapes maps into features.
    Flatten {
        /// Channels.
        maps: u32,
        /// Height and width.
        side: u32,
    },
    /// Batch normalisation over the samples in a batch of one member, with scale and shift; for maps also over their
    /// pixels.
    BatchNorm {
        /// Features, or maps, in and out.
        features: u32,
    },
    /// Normalisation over the values of one sample (Ba et al. 2016), with a scale and shift per feature; for maps over
    /// all pixels and channels, with a scale and shift per map.
    LayerNorm {
        /// Features, or maps, in and out.
        features: u32,
    },
    /// Replaces the weights of the layer before it by g v/‖v‖ (Salimans & Kingma 2016), with a length g and a direction
    /// v per output feature or map.
    WeightNorm {
        /// Features, or maps, of the layer before it.
        features: u32,
    },
    /// Divides the weights of the layer before it by their largest singular value, estimated by power iteration (Miyato
    /// et al. 2018).
    SpectralNorm,
    /// Takes the maximum of each `pieces` consecutive features, or maps (Goodfellow et al. 2013).
    Maxout {
        /// Group size; divides the number of features or maps.
        pieces: u32,
    },
    /// Zeroes each value with probability `rate` in training and scales the rest by 1/(1 − rate).
    Dropout {
        /// Probability in (0, 1).
        rate: f64,
    },
    /// An element-wise function.
    Activation(Activation),
    /// x where x > 0, slope·x elsewhere, with a single learnt slope (He et al. 2015).
    Prelu,
    /// Repeats each pixel in a square of `factor` pixels a side.
    Upsample {
        /// The factor by which height and width grow.
        factor: u32,
    },
    /// Averages each square of `factor` pixels a side.
    AvgPool {
        /// The factor by which height and width shrink; divides them.
        factor: u32,
    },
    /// Sums the pixels of each map into a feature.
    SumPool {
        /// Channels.
        maps: u32,
        /// Height and width.
        side: u32,
    },
    /// shortcut(x) + body(x) (He et al. 2016).
    Residual {
        /// f.
        body: Vec<Layer>,
        /// Maps x to the shape of f(x); empty if x already has it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shortcut: Vec<Layer>,
    },
}

/// The sizes of a convolution of square images, or of a transposed one.
///
/// The padding is PyTorch's: the same on both sides, and an incomplete stride at the end is left out. For an odd number
/// of zeros, TensorFlow's SAME puts the extra one at the end, and PyTorch's padding with the same output has it at the
/// start. Rotating by 180° turns one into the other, so a network in one form corresponds to a network in the other
/// form on images rotated by 180°.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// Maps in.
    pub inputs: u32,
    /// Maps out.
    pub outputs: u32,
    /// Side of the kernel, in pixels.
    pub kernel: u32,
    /// Pixels between kernel positions: in the input, or in the output of a transposed convolution.
    pub stride: u32,
    /// Zeros around the input; for a transposed convolution, the pixels cut off around the output.
    pub padding: u32,
    /// Height and width of the input.
    pub side: u32,
    /// Height and width of the output.
    pub output: u32,
    /// Whether each output map has a bias, which is useless before a normalisation.
    pub bias: bool,
}

impl Geometry {
    /// Returns the convolution with this stride that turns images of `side` into `⌈side/stride⌉`, as with TensorFlow's
    /// SAME padding. The kernel must be odd, or the stride above 1.
    pub fn same(inputs: u32, outputs: u32, kernel: u32, stride: u32, side: u32, bias: bool) -> Geometry {
        let output = side.div_ceil(stride);
        let missing = ((output - 1) * stride + kernel).saturating_sub(side);
        Geometry { inputs, outputs, kernel, stride, padding: missing.div_ceil(2), side, output, bias }
    }

    /// Returns the convolution with this many zeros around images of `side`. An incomplete stride is left out. `None`
    /// if the kernel does not fit.
    pub fn padded(
        [inputs, outputs]: [u32; 2],
        kernel: u32,
        stride: u32,
        padding: u32,
        side: u32,
        bias: bool,
    ) -> Option<Geometry> {
        let output = (side + 2 * padding).checked_sub(kernel)? / stride + 1;
        Some(Geometry { inputs, outputs, kernel, stride, padding, side, output, bias })
    }

    /// Returns the transposed convolution that cuts off this many pixels around the output for images of `side`, and
    /// has `more` rows and columns at the end. `None` if nothing would be left.
    pub fn padded_back(
        [inputs, outputs]: [u32; 2],
        kernel: u32,
        stride: u32,
        padding: u32,
        (side, more): (u32, u32),
        bias: bool,
    ) -> Option<Geometry> {
        let output = ((side - 1) * stride + kernel + more).checked_sub(2 * padding).filter(|&output| output > 0)?;
        Some(Geometry { inputs, outputs, kernel, stride, padding, side, output, bias })
    }

    /// Returns the transposed convolution that reverses [`Geometry::same`], from `⌈side/stride⌉` to `side`.
    pub fn back(inputs: u32, outputs: u32, kernel: u32, stride: u32, side: u32, bias: bool) -> Geometry {
        let there = Geometry::same(outputs, inputs, kernel, stride, side, bias);
        Geometry { inputs, outputs, side: there.output, output: side, ..there }
    }

    /// Returns PyTorch's `output_padding`: the rows at the end of a transposed convolution's output beyond what input
    /// and kernel give.
    pub fn output_padding(&self) -> u32 {
        (self.output + 2 * self.padding).saturating_sub((self.side - 1) * self.stride + self.kernel)
    }

    fn parameters(&self) -> usize {
        let weights = self.inputs as usize * self.outputs as usize * (self.kernel as usize).pow(2);
        weights + if self.bias { self.outputs as usize } else { 0 }
    }

    /// Returns the operations of the products with the kernel at `side`² positions, including zeros from padding.
    fn flops(&self, side: u32) -> u64 {
        2 * u64::from(self.inputs) * u64::from(self.outputs) * u64::from(self.kernel).pow(2) * u64::from(side).pow(2)
    }
}

impl Layer {
    /// Returns the number of trainable parameters of one member.
    pub fn parameters(&self) -> usize {
        match *self {
            Layer::Linear { inputs, outputs } => (inputs as usize + 1) * outputs as usize,
            Layer::Mixture { inputs, outputs, generators, .. } => {
                (inputs as usize + 1) * outputs as usize * generators as usize
            }
            Layer::MinibatchDiscrimination { features, kernels, dims } => {
                (features as usize * dims as usize + 1) * kernels as usize
            }
            Layer::Conv2d(geometry) | Layer::ConvTranspose2d(geometry) => geometry.parameters(),
            Layer::BatchNorm { features } | Layer::LayerNorm { features } => 2 * features as usize,
            Layer::WeightNorm { features } => features as usize,
            Layer::Prelu => 1,
            Layer::Residual { ref body, ref shortcut } => body.iter().chain(shortcut).map(Layer::parameters).sum(),
            Layer::Unflatten { .. }
            | Layer::UnflattenBeside { .. }
            | Layer::Flatten { .. }
            | Layer::SpectralNorm
            | Layer::Maxout { .. }
            | Layer::Dropout { .. }
            | Layer::Activation(_)
            | Layer::Upsample { .. }
            | Layer::AvgPool { .. }
            | Layer::SumPool { .. } => 0,
        }
    }

    /// Returns the number of output features for `inputs` input features.
    pub fn outputs(&self, inputs: usize) -> usize {
        match *self {
            Layer::Linear { outputs, .. } | Layer::Mixture { outputs, .. } => outputs as usize,
            Layer::MinibatchDiscrimination { features, kernels, .. } => (features + kernels) as usize,
            Layer::UnflattenBeside { maps, side, beside } => ((maps + beside) * side * side) as usize,
            Layer::Conv2d(Geometry { outputs, output, .. })
            | Layer::ConvTranspose2d(Geometry { outputs, output, .. }) => outputs as usize * (output as usize).pow(2),
            Layer::Maxout { pieces } => inputs / pieces as usize,
            Layer::Upsample { factor } => inputs * (factor as usize).pow(2),
            Layer::AvgPool { factor } => inputs / (factor as usize).pow(2),
            Layer::SumPool { maps, .. } => maps as usize,
            Layer::Residual { ref body, .. } => body.iter().fold(inputs, |features, layer| layer.outputs(features)),
            Layer::Unflatten { .. }
            | Layer::Flatten { .. }
            | Layer::BatchNorm { .. }
            | Layer::LayerNorm { .. }
            | Layer::WeightNorm { .. }
            | Layer::SpectralNorm
            | Layer::Dropout { .. }
            | Layer::Activation(_)
            | Layer::Prelu => inputs,
        }
    }

    /// Returns the number of values under the kernel over all positions, for one sample: what a convolution copies to
    /// become a matrix product.
    pub fn patches(&self) -> u64 {
        let under =
            |maps: u32, kernel: u32, places: u32| u64::from(maps) * u64::from(kernel).pow(2) * u64::from(places).pow(2);
        match *self {
            Layer::Conv2d(g) => under(g.inputs, g.kernel, g.output),
            Layer::ConvTranspose2d(g) => under(g.outputs, g.kernel, g.side),
            Layer::Residual { ref body, ref shortcut } => body.iter().chain(shortcut).map(Layer::patches).sum(),
            _ => 0,
        }
    }

    /// Returns the floating-point operations of one forward pass for one sample. Only products count.
    pub fn flops(&self) -> u64 {
        match *self {
            Layer::Linear { inputs, outputs } | Layer::Mixture { inputs, outputs, .. } => {
                2 * u64::from(inputs) * u64::from(outputs)
            }
            Layer::MinibatchDiscrimination { features, kernels, dims } => {
                2 * u64::from(features) * u64::from(kernels) * u64::from(dims)
            }
            Layer::Conv2d(geometry) => geometry.flops(geometry.output),
            Layer::ConvTranspose2d(geometry) => geometry.flops(geometry.side),
            Layer::Residual { ref body, ref shortcut } => body.iter().chain(shortcut).map(Layer::flops).sum(),
            Layer::Unflatten { .. }
            | Layer::UnflattenBeside { .. }
            | Layer::Flatten { .. }
            | Layer::BatchNorm { .. }
            | Layer::LayerNorm { .. }
            | Layer::WeightNorm { .. }
            | Layer::SpectralNorm
            | Layer::Maxout { .. }
            | Layer::Dropout { .. }
            | Layer::Activation(_)
            | Layer::Prelu
            | Layer::Upsample { .. }
            | Layer::AvgPool { .. }
            | Layer::SumPool { .. } => 0,
        }
    }

    /// Returns whether `is_such` holds for the layer or one inside it.
    pub fn any(&self, is_such: &impl Fn(&Layer) -> bool) -> bool {
        let within = match self {
            Layer::Residual { body, shortcut } => body.iter().chain(shortcut).any(|layer| layer.any(is_such)),
            _ => false,
        };
        within || is_such(self)
    }

    /// Returns how many of `layers` have weights for products, and how many spectral normalisations there are,
    /// including those in residuals.
    pub fn spectral(layers: &[Layer]) -> (usize, usize) {
        layers.iter().fold((0, 0), |(weighted, normed), layer| match layer {
            Layer::Residual { body, shortcut } => {
                let ((a, b), (c, d)) = (Layer::spectral(body), Layer::spectral(shortcut));
                (weighted + a + c, normed + b + d)
            }
            Layer::SpectralNorm => (weighted, normed + 1),
            layer => (weighted + usize::from(layer.flops() > 0), normed),
        })
    }

    /// Returns `cost` of the first layer with products; for a residual, the sum over its body and its shortcut.
    pub fn first_product(layers: &[Layer], cost: fn(&Layer) -> u64) -> u64 {
        match layers.iter().find(|layer| layer.flops() > 0) {
            Some(Layer::Residual { body, shortcut }) => {
                Layer::first_product(body, cost) + Layer::first_product(shortcut, cost)
            }
            first => first.map_or(0, cost),
        }
    }
}
