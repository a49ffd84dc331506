//! One layer: its sizes, and what follows from them.

use serde::{Deserialize, Serialize};

use super::Activation;

/// One layer. Sizes are features per sample; maps are features that lie channel by channel, row by row.
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
    /// As `Linear` for each of several generators: `run` samples are of the first, `run` of the second, and so on, round and round. W
    /// `[generators · outputs, inputs]`. (Hoang et al. 2018)
    Mixture {
        /// Features in.
        inputs: u32,
        /// Features out.
        outputs: u32,
        /// How many generators there are.
        generators: u32,
        /// Samples of one generator in a row.
        run: u32,
    },
    /// Adds features that say how near a sample is to the others of its batch: with mᵢ = T xᵢ, T `[kernels · dims, features]`,
    /// oᵢ = Σⱼ exp(−‖mᵢ − mⱼ‖₁) + b for each kernel, j ≠ i. (Salimans et al. 2016)
    MinibatchDiscrimination {
        /// Features in, which come out first.
        features: u32,
        /// Features that are added.
        kernels: u32,
        /// Dimensions of each kernel.
        dims: u32,
    },
    /// A convolution of maps, W `[outputs, inputs, kernel, kernel]`.
    Conv2d(Geometry),
    /// A transposed convolution of maps, W `[inputs, outputs, kernel, kernel]`: what takes the gradient of a convolution's output to
    /// that of its input.
    ConvTranspose2d(Geometry),
    /// Takes features as maps.
    Unflatten {
        /// Channels.
        maps: u32,
        /// Rows of each, and columns.
        side: u32,
    },
    /// Takes the first features as maps, and makes a map of one value of each of the others.
    UnflattenBeside {
        /// Channels of the maps proper.
        maps: u32,
        /// Rows of each, and columns.
        side: u32,
        /// The other features.
        beside: u32,
    },
    /// Takes maps as features.
    Flatten {
        /// Channels.
        maps: u32,
        /// Rows of each, and columns.
        side: u32,
    },
    /// Batch normalisation over the samples of one batch of one member, with scale and shift; of maps over their pixels, too.
    BatchNorm {
        /// Features, or maps, in and out.
        features: u32,
    },
    /// Normalisation over the values of one sample (Ba et al. 2016), with a scale and a shift for each feature; of maps over all their
    /// pixels and channels, with a scale and a shift for each map.
    LayerNorm {
        /// Features, or maps, in and out.
        features: u32,
    },
    /// Makes the weights of the layer before it g v/‖v‖ (Salimans & Kingma 2016), of a length g and a direction v for each feature, or
    /// map, that it gives.
    WeightNorm {
        /// Features, or maps, of the layer before it.
        features: u32,
    },
    /// Divides the weights of the layer before it by their largest singular value, as power iteration knows it (Miyato et al. 2018).
    SpectralNorm,
    /// The largest of each `pieces` consecutive features, or maps (Goodfellow et al. 2013).
    Maxout {
        /// How many make one; divides the features, or maps, that come in.
        pieces: u32,
    },
    /// Zeroes each value with probability `rate` in training and scales the rest by 1/(1 − rate).
    Dropout {
        /// Probability in (0, 1).
        rate: f64,
    },
    /// An element-wise function.
    Activation(Activation),
    /// x where x > 0, slope·x elsewhere, with one slope that is learnt (He et al. 2015).
    Prelu,
    /// Each pixel as a square of so many pixels a side.
    Upsample {
        /// How many times height and width grow.
        factor: u32,
    },
    /// Each square of so many pixels a side as their mean.
    AvgPool {
        /// How many times height and width shrink; divides them.
        factor: u32,
    },
    /// Each map as the sum of its pixels: features.
    SumPool {
        /// Channels.
        maps: u32,
        /// Rows of each, and columns.
        side: u32,
    },
    /// shortcut(x) + body(x) (He et al. 2016).
    Residual {
        /// f.
        body: Vec<Layer>,
        /// What makes x of the shape of f(x); none where it has it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shortcut: Vec<Layer>,
    },
}

/// The sizes of a convolution of square images, or of a transposed one; the same in both directions.
///
/// The padding is PyTorch's: as much before as after, and what does not fill a stride is left out at the end. TensorFlow's SAME with
/// an odd number of zeros has the odd one after, PyTorch's padding with the same output has it before: turned by 180°, one is the
/// other. So a network in the one form on images is a network in the other on images that are turned by 180°.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// Maps in.
    pub inputs: u32,
    /// Maps out.
    pub outputs: u32,
    /// Pixels along a side of the kernel.
    pub kernel: u32,
    /// Pixels from one position of the kernel to the next: of the input, or of a transposed convolution's output.
    pub stride: u32,
    /// Zeros around the input; of a transposed convolution, what is cut off around the output.
    pub padding: u32,
    /// Height and width of the input.
    pub side: u32,
    /// Height and width of the output.
    pub output: u32,
    /// Whether each output map has a bias: useless before a normalisation.
    pub bias: bool,
}

impl Geometry {
    /// The convolution with this stride that takes images of `side` to `⌈side/stride⌉`, as with TensorFlow's SAME padding. The kernel is
    /// odd, or the stride above 1.
    pub fn same(inputs: u32, outputs: u32, kernel: u32, stride: u32, side: u32, bias: bool) -> Geometry {
        let output = side.div_ceil(stride);
        let missing = ((output - 1) * stride + kernel).saturating_sub(side);
        Geometry { inputs, outputs, kernel, stride, padding: missing.div_ceil(2), side, output, bias }
    }

    /// The convolution with so many zeros around images of `side`; what does not fill a stride is left out. None where the kernel does not
    /// fit.
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

    /// The transposed convolution that cuts off so many pixels around what images of `side` become, and has `more` rows and columns at the
    /// end. None where nothing would be left.
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

    /// The transposed convolution that goes the way of [`Geometry::same`] back, from `⌈side/stride⌉` to `side`.
    pub fn back(inputs: u32, outputs: u32, kernel: u32, stride: u32, side: u32, bias: bool) -> Geometry {
        let there = Geometry::same(outputs, inputs, kernel, stride, side, bias);
        Geometry { inputs, outputs, side: there.output, output: side, ..there }
    }

    /// Rows that a transposed convolution has at its end beyond what input and kernel give, as PyTorch counts them.
    pub fn output_padding(&self) -> u32 {
        (self.output + 2 * self.padding).saturating_sub((self.side - 1) * self.stride + self.kernel)
    }

    fn parameters(&self) -> usize {
        let weights = self.inputs as usize * self.outputs as usize * (self.kernel as usize).pow(2);
        weights + if self.bias { self.outputs as usize } else { 0 }
    }

    /// Operations of the products with the kernel at `side`² places, those with zeros of the padding included.
    fn flops(&self, side: u32) -> u64 {
        2 * u64::from(self.inputs) * u64::from(self.outputs) * u64::from(self.kernel).pow(2) * u64::from(side).pow(2)
    }
}

impl Layer {
    /// Trainable parameters of one member.
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

    /// Features that come out when `inputs` go in.
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

    /// Values that lie under the kernel at all its places, of one sample: what a convolution copies, to be a product of matrices.
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

    /// Floating-point operations of one forward pass of one sample, products only.
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

    /// Whether it is such a layer, or holds one.
    pub fn any(&self, is_such: &impl Fn(&Layer) -> bool) -> bool {
        let within = match self {
            Layer::Residual { body, shortcut } => body.iter().chain(shortcut).any(|layer| layer.any(is_such)),
            _ => false,
        };
        within || is_such(self)
    }

    /// How many of `layers` have weights for products, and how many spectral normalisations are among them, those in residuals too.
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

    /// `cost` of the first of `layers` whose products look at what comes in: of a residual, that of its body and that of its shortcut.
    pub fn first_product(layers: &[Layer], cost: fn(&Layer) -> u64) -> u64 {
        match layers.iter().find(|layer| layer.flops() > 0) {
            Some(Layer::Residual { body, shortcut }) => {
                Layer::first_product(body, cost) + Layer::first_product(shortcut, cost)
            }
            first => first.map_or(0, cost),
        }
    }
}
