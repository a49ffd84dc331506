//! Layers as a sweep file writes them.

use std::fmt;

use super::Activation;

/// One layer as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    /// A fully connected layer.
    Linear {
        /// Features out.
        outputs: u32,
    },
    /// A convolution from `side` pixels to `⌈side/stride⌉`, as with TensorFlow's SAME padding, unless `padding` is set.
    Conv {
        /// Maps out.
        maps: u32,
        /// Side of the kernel, in pixels.
        kernel: u32,
        /// Pixels between kernel positions.
        stride: u32,
        /// Zeros around the input, as in PyTorch.
        padding: Option<u32>,
    },
    /// A transposed convolution: the reverse of [`Written::Conv`].
    ConvTranspose {
        /// Maps out.
        maps: u32,
        /// Side of the kernel, in pixels.
        kernel: u32,
        /// Output pixels between kernel positions.
        stride: u32,
        /// Height and width of the output. By default `stride` times those of the input, or what follows from
        /// `padding`.
        side: Option<u32>,
        /// Pixels cut off around the output, as in PyTorch.
        padding: Option<u32>,
    },
    /// Reshapes features into maps: their number and side, by default those of a sample.
    Unflatten(Option<[u32; 2]>),
    /// Reshapes maps into features.
    Flatten,
    /// Batch normalisation.
    BatchNorm,
    /// Layer normalisation.
    LayerNorm,
    /// Weight normalisation of the layer before it.
    WeightNorm,
    /// Spectral normalisation of the weights of the layer before it.
    SpectralNorm,
    /// The maximum of each group of features or maps.
    Maxout {
        /// Group size.
        pieces: u32,
    },
    /// Dropout.
    Dropout {
        /// Probability in (0, 1).
        rate: f64,
    },
    /// An element-wise function.
    Activation(Activation),
    /// A leaky ReLU with a learnt slope.
    Prelu,
    /// Enlarges maps by repeating pixels.
    Upsample {
        /// The factor by which height and width grow.
        factor: u32,
    },
    /// Shrinks maps by averaging.
    AvgPool {
        /// The factor by which height and width shrink.
        factor: u32,
    },
    /// The sum of each map's pixels.
    SumPool,
    /// Adds the output of these layers to their input.
    Residual(Vec<Written>),
}

impl Written {
    /// One of each kind, except activations.
    pub const EXAMPLES: [Written; 16] = [
        Written::Linear { outputs: 400 },
        Written::Conv { maps: 64, kernel: 5, stride: 2, padding: None },
        Written::ConvTranspose { maps: 64, kernel: 5, stride: 2, side: None, padding: None },
        Written::Unflatten(None),
        Written::Flatten,
        Written::BatchNorm,
        Written::LayerNorm,
        Written::WeightNorm,
        Written::SpectralNorm,
        Written::Maxout { pieces: 5 },
        Written::Dropout { rate: 0.5 },
        Written::Prelu,
        Written::Upsample { factor: 2 },
        Written::AvgPool { factor: 2 },
        Written::SumPool,
        Written::Residual(Vec::new()),
    ];

    /// Returns the name in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Written::Linear { .. } => "linear",
            Written::Conv { .. } => "conv",
            Written::ConvTranspose { .. } => "conv_transpose",
            Written::Unflatten(_) => "unflatten",
            Written::Flatten => "flatten",
            Written::BatchNorm => "batch_norm",
            Written::LayerNorm => "layer_norm",
            Written::WeightNorm => "weight_norm",
            Written::SpectralNorm => "spectral_norm",
            Written::Maxout { .. } => "maxout",
            Written::Dropout { .. } => "dropout",
            Written::Activation(activation) => activation.name(),
            Written::Prelu => "prelu",
            Written::Upsample { .. } => "upsample",
            Written::AvgPool { .. } => "avg_pool",
            Written::SumPool => "sum_pool",
            Written::Residual(_) => "residual",
        }
    }

    /// Returns whether it has weights that can be normalised.
    pub(super) fn has_matrix(&self) -> bool {
        matches!(self, Written::Linear { .. } | Written::Conv { .. } | Written::ConvTranspose { .. })
    }

    /// Returns the number of layers, including those inside it.
    pub fn count(&self) -> usize {
        match self {
            Written::Residual(body) => 1 + body.iter().map(Written::count).sum::<usize>(),
            _ => 1,
        }
    }

    /// Returns whether `is_such` holds for the layer or one inside it.
    pub fn any(&self, is_such: &impl Fn(&Written) -> bool) -> bool {
        let within = match self {
            Written::Residual(body) => body.iter().any(|layer| layer.any(is_such)),
            _ => false,
        };
        within || is_such(self)
    }
}

/// As written in a sweep file.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Written::Linear { outputs: number }
            | Written::Maxout { pieces: number }
            | Written::Upsample { factor: number }
            | Written::AvgPool { factor: number } => write!(f, "{{{name}: {number}}}"),
            Written::Conv { maps, kernel, stride, padding } => {
                write!(
                    f,
                    "{{{name}: {{maps: {maps}, kernel: {kernel}, stride: {stride}{}}}}}",
                    Also("padding", *padding)
                )
            }
            Written::ConvTranspose { maps, kernel, stride, side, padding } => {
                let (side, padding) = (Also("side", *side), Also("padding", *padding));
                write!(f, "{{{name}: {{maps: {maps}, kernel: {kernel}, stride: {stride}{side}{padding}}}}}")
            }
            Written::Unflatten(Some([maps, side])) => write!(f, "{{{name}: [{maps}, {side}]}}"),
            Written::Dropout { rate } => write!(f, "{{{name}: {rate}}}"),
            Written::Activation(activation) => activation.fmt(f),
            Written::Residual(body) => {
                let layers: Vec<String> = body.iter().map(Written::to_string).collect();
                write!(f, "{{{name}: [{}]}}", layers.join(", "))
            }
            Written::Unflatten(None)
            | Written::Flatten
            | Written::BatchNorm
            | Written::LayerNorm
            | Written::WeightNorm
            | Written::SpectralNorm
            | Written::Prelu
            | Written::SumPool => f.write_str(name),
        }
    }
}

/// An optional setting.
struct Also(&'static str, Option<u32>);

impl fmt::Display for Also {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(value) => write!(f, ", {}: {value}", self.0),
            None => Ok(()),
        }
    }
}
