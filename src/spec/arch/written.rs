//! Networks written out layer by layer: what each layer takes follows from those before it.

use std::fmt;

use super::{Activation, Geometry, Layer};

/// Values of one sample behind a layer at most.
const MAX_VALUES: u64 = 1 << 28;

/// One layer as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Written {
    /// A fully connected layer.
    Linear {
        /// Features out.
        outputs: u32,
    },
    /// A convolution from `side` pixels to `⌈side/stride⌉`, as with TensorFlow's SAME padding.
    Conv {
        /// Maps out.
        maps: u32,
        /// Pixels along a side of the kernel.
        kernel: u32,
        /// Pixels from one position of the kernel to the next.
        stride: u32,
    },
    /// The way of [`Written::Conv`] back.
    ConvTranspose {
        /// Maps out.
        maps: u32,
        /// Pixels along a side of the kernel.
        kernel: u32,
        /// Pixels of the output from one position of the kernel to the next.
        stride: u32,
        /// Height and width of the output; `stride` times those of the input if not given.
        side: Option<u32>,
    },
    /// Features as so many maps of so many pixels a side; of a sample's own shape if not given.
    Unflatten(Option<[u32; 2]>),
    /// Maps as features.
    Flatten,
    /// Batch normalisation.
    BatchNorm,
    /// Layer normalisation.
    LayerNorm,
    /// Weight normalisation of the layer before it.
    WeightNorm,
    /// The largest of each few features, or maps.
    Maxout {
        /// How many make one.
        pieces: u32,
    },
    /// Dropout.
    Dropout {
        /// Probability in (0, 1).
        rate: f64,
    },
    /// An element-wise function.
    Activation(Activation),
}

/// A written network that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Which of its layers, from 0.
    pub at: usize,
    /// What was expected, and what was found.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What goes from one layer to the next, of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Features(u32),
    Maps { maps: u32, side: u32 },
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let maps = |maps| if maps == 1 { "map" } else { "maps" };
        match *self {
            Flow::Features(1) => f.write_str("1 feature"),
            Flow::Features(features) => write!(f, "{features} features"),
            Flow::Maps { maps: count, side } => write!(f, "{count} {} of {side}×{side}", maps(count)),
        }
    }
}

/// The layers of a network that takes `inputs` features and gives `outputs`; `sample` is the shape of one sample.
///
/// A convolution has a bias unless batch normalisation follows, which would take it away.
///
/// # Errors
///
/// The first layer that does not go with those before it, or the last where it does not give what it has to.
pub fn layers(written: &[Written], inputs: u32, outputs: u32, sample: &[usize]) -> Result<Vec<Layer>, Misfit> {
    let mut flow = Flow::Features(inputs);
    let mut layers = Vec::with_capacity(written.len());
    for (at, &one) in written.iter().enumerate() {
        let weighted = matches!(
            at.checked_sub(1).map(|before| written[before]),
            Some(Written::Linear { .. } | Written::Conv { .. } | Written::ConvTranspose { .. })
        );
        if one == Written::WeightNorm && !weighted {
            let message = format!("`{one}` is of the weights of the layer before it, and there are none");
            let help = "put it directly behind `linear`, `conv` or `conv_transpose`".to_owned();
            return Err(Misfit { at, message, help });
        }
        let bias = written.get(at + 1) != Some(&Written::BatchNorm);
        let (layer, next) =
            step(one, flow, bias, sample).map_err(|(message, help)| Misfit { at, message, help: help.to_owned() })?;
        layers.push(layer);
        flow = next;
    }
    let end = |message: String, help: String| Err(Misfit { at: written.len().saturating_sub(1), message, help });
    if layers.iter().all(|layer| layer.parameters() == 0) {
        return end("no layer here has weights".to_owned(), "there is nothing to train without a `linear`".to_owned());
    }
    match flow {
        Flow::Features(features) if features == outputs => Ok(layers),
        Flow::Features(_) => end(
            format!("the network gives {flow} and has to give {}", Flow::Features(outputs)),
            format!("end with `{{linear: {outputs}}}`"),
        ),
        Flow::Maps { maps, side } => end(
            format!("the network gives {flow} and has to give {}", Flow::Features(outputs)),
            match values(maps, side.into()) == u64::from(outputs) {
                true => "put `flatten` behind them".to_owned(),
                false => format!("put `flatten` and `{{linear: {outputs}}}` behind them"),
            },
        ),
    }
}

/// What is wrong, and what to do.
type Trouble = (String, &'static str);

/// The layer that `written` is where `flow` comes in, and what comes out.
fn step(written: Written, flow: Flow, bias: bool, sample: &[usize]) -> Result<(Layer, Flow), Trouble> {
    Ok(match written {
        Written::Linear { outputs } => {
            (Layer::Linear { inputs: features(written, flow)?, outputs }, Flow::Features(outputs))
        }
        Written::Conv { maps, kernel, stride } => {
            let (inputs, side) = images(written, flow)?;
            middle(kernel, stride)?;
            let geometry = Geometry::same(inputs, maps, kernel, stride, side, bias);
            (Layer::Conv2d(geometry), bounded(maps, geometry.output.into())?)
        }
        Written::ConvTranspose { maps, kernel, stride, side } => {
            let (inputs, from) = images(written, flow)?;
            middle(kernel, stride)?;
            let whole = u64::from(from) * u64::from(stride);
            let to = side.map_or(whole, u64::from);
            if to.div_ceil(stride.into()) != u64::from(from) {
                let least = whole - u64::from(stride) + 1;
                let message =
                    format!("a stride of {stride} takes {from} pixels a side to {least} to {whole}, not to {to}");
                return Err((message, "give another `side`, or none"));
            }
            let next = bounded(maps, to)?;
            (Layer::ConvTranspose2d(Geometry::back(inputs, maps, kernel, stride, to as u32, bias)), next)
        }
        Written::Unflatten(shape) => {
            let inputs = features(written, flow)?;
            let [maps, side] = match (shape, sample) {
                (Some(shape), _) => shape,
                (None, &[maps, height, width]) if height == width => [maps, height].map(|size| size as u32),
                (None, _) => {
                    let shown = sample.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
                    let message = format!("`unflatten` takes the shape of a sample, and {shown} is no square image");
                    return Err((message, "say how many maps of how many pixels a side: `{unflatten: [128, 7]}`"));
                }
            };
            if values(maps, side.into()) != u64::from(inputs) {
                let (maps, whole) = (Flow::Maps { maps, side }, values(maps, side.into()));
                let message = format!("{maps} are {whole} features, and {flow} come in");
                return Err((message, "make the layer before it as large, or give other sizes"));
            }
            (Layer::Unflatten { maps, side }, Flow::Maps { maps, side })
        }
        Written::Flatten => {
            let (maps, side) = images(written, flow)?;
            (Layer::Flatten { maps, side }, Flow::Features(maps * side * side))
        }
        Written::BatchNorm => (Layer::BatchNorm { features: width(flow) }, flow),
        Written::LayerNorm => (Layer::LayerNorm { features: width(flow) }, flow),
        Written::WeightNorm => (Layer::WeightNorm { features: width(flow) }, flow),
        Written::Maxout { pieces } => {
            if !width(flow).is_multiple_of(pieces) {
                let message = format!("{written} takes a multiple of {pieces}, and {flow} come in");
                return Err((message, "make the layer before it a multiple of that"));
            }
            let next = match flow {
                Flow::Features(features) => Flow::Features(features / pieces),
                Flow::Maps { maps, side } => Flow::Maps { maps: maps / pieces, side },
            };
            (Layer::Maxout { pieces }, next)
        }
        Written::Dropout { rate } => (Layer::Dropout { rate }, flow),
        Written::Activation(activation) => (Layer::Activation(activation), flow),
    })
}

/// Features, or maps, of what normalisations and maxout work on.
fn width(flow: Flow) -> u32 {
    match flow {
        Flow::Features(features) => features,
        Flow::Maps { maps, .. } => maps,
    }
}

fn features(written: Written, flow: Flow) -> Result<u32, Trouble> {
    match flow {
        Flow::Features(features) => Ok(features),
        Flow::Maps { .. } => {
            let message = format!("`{}` takes features, and {flow} come in", written.name());
            Err((message, "put `flatten` before it"))
        }
    }
}

fn images(written: Written, flow: Flow) -> Result<(u32, u32), Trouble> {
    match flow {
        Flow::Maps { maps, side } => Ok((maps, side)),
        Flow::Features(_) => {
            let message = format!("`{}` takes maps, and {flow} come in", written.name());
            Err((message, "put `{unflatten: [MAPS, SIDE]}` before it, or `unflatten` for a sample's own shape"))
        }
    }
}

/// Every stride but 1 has a padding that fits any kernel.
fn middle(kernel: u32, stride: u32) -> Result<(), Trouble> {
    if kernel.is_multiple_of(2) && stride == 1 {
        let message =
            format!("a kernel of {kernel}×{kernel} has no middle: with a stride of 1 images would change their size");
        return Err((message, "take an odd `kernel`, or a larger `stride`"));
    }
    Ok(())
}

/// Maps of so many pixels a side, if they are not too large.
fn bounded(maps: u32, side: u64) -> Result<Flow, Trouble> {
    if values(maps, side) > MAX_VALUES {
        let message = format!("{maps} maps of {side}×{side} are more than {MAX_VALUES} numbers a sample");
        return Err((message, "take fewer maps, or smaller strides"));
    }
    Ok(Flow::Maps { maps, side: side as u32 })
}

fn values(maps: u32, side: u64) -> u64 {
    u64::from(maps).saturating_mul(side.saturating_mul(side))
}

impl Written {
    /// One of each kind, activations left out.
    pub const EXAMPLES: [Written; 10] = [
        Written::Linear { outputs: 400 },
        Written::Conv { maps: 64, kernel: 5, stride: 2 },
        Written::ConvTranspose { maps: 64, kernel: 5, stride: 2, side: None },
        Written::Unflatten(None),
        Written::Flatten,
        Written::BatchNorm,
        Written::LayerNorm,
        Written::WeightNorm,
        Written::Maxout { pieces: 5 },
        Written::Dropout { rate: 0.5 },
    ];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Written::Linear { .. } => "linear",
            Written::Conv { .. } => "conv",
            Written::ConvTranspose { .. } => "conv_transpose",
            Written::Unflatten(_) => "unflatten",
            Written::Flatten => "flatten",
            Written::BatchNorm => "batch_norm",
            Written::LayerNorm => "layer_norm",
            Written::WeightNorm => "weight_norm",
            Written::Maxout { .. } => "maxout",
            Written::Dropout { .. } => "dropout",
            Written::Activation(activation) => activation.name(),
        }
    }
}

/// As a sweep file would spell it.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match *self {
            Written::Linear { outputs: number } | Written::Maxout { pieces: number } => {
                write!(f, "{{{name}: {number}}}")
            }
            Written::Conv { maps, kernel, stride } | Written::ConvTranspose { maps, kernel, stride, side: None } => {
                write!(f, "{{{name}: {{maps: {maps}, kernel: {kernel}, stride: {stride}}}}}")
            }
            Written::ConvTranspose { maps, kernel, stride, side: Some(side) } => {
                write!(f, "{{{name}: {{maps: {maps}, kernel: {kernel}, stride: {stride}, side: {side}}}}}")
            }
            Written::Unflatten(Some([maps, side])) => write!(f, "{{{name}: [{maps}, {side}]}}"),
            Written::Dropout { rate } => write!(f, "{{{name}: {rate}}}"),
            Written::Activation(activation) => activation.fmt(f),
            Written::Unflatten(None)
            | Written::Flatten
            | Written::BatchNorm
            | Written::LayerNorm
            | Written::WeightNorm => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Written::{BatchNorm, Flatten, Linear, Maxout, Unflatten};

    const RELU: Written = Written::Activation(Activation::Relu);

    fn conv(maps: u32, kernel: u32, stride: u32) -> Written {
        Written::Conv { maps, kernel, stride }
    }

    fn back(maps: u32, kernel: u32, stride: u32, side: Option<u32>) -> Written {
        Written::ConvTranspose { maps, kernel, stride, side }
    }

    #[test]
    fn sizes_follow_from_the_layers_before() {
        let generator = [
            Linear { outputs: 6272 },
            Unflatten(Some([128, 7])),
            BatchNorm,
            RELU,
            back(64, 4, 2, None),
            BatchNorm,
            back(32, 5, 2, Some(27)),
            RELU,
            conv(1, 3, 1),
            Flatten,
        ];
        let found = layers(&generator, 100, 729, &[1, 27, 27]).unwrap();
        let expected = [
            Layer::Linear { inputs: 100, outputs: 6272 },
            Layer::Unflatten { maps: 128, side: 7 },
            Layer::BatchNorm { features: 128 },
            Layer::Activation(Activation::Relu),
            Layer::ConvTranspose2d(Geometry::back(128, 64, 4, 2, 14, false)),
            Layer::BatchNorm { features: 64 },
            Layer::ConvTranspose2d(Geometry::back(64, 32, 5, 2, 27, true)),
            Layer::Activation(Activation::Relu),
            Layer::Conv2d(Geometry::same(32, 1, 3, 1, 27, true)),
            Layer::Flatten { maps: 1, side: 27 },
        ];
        assert_eq!(found, expected);
        let discriminator = [
            Unflatten(None),
            conv(6, 5, 2),
            Maxout { pieces: 3 },
            Flatten,
            Maxout { pieces: 2 },
            Linear { outputs: 1 },
        ];
        let found = layers(&discriminator, 768, 1, &[3, 16, 16]).unwrap();
        assert_eq!(found[0], Layer::Unflatten { maps: 3, side: 16 });
        assert_eq!(found[3], Layer::Flatten { maps: 2, side: 8 });
        assert_eq!(found[5], Layer::Linear { inputs: 64, outputs: 1 });
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let linear = Linear { outputs: 4 };
        for (written, at, expected) in [
            (&[linear, conv(1, 3, 1)][..], 1, "`conv` takes maps, and 4 features come in"),
            (&[Unflatten(None), linear], 1, "`linear` takes features, and 3 maps of 4×4 come in"),
            (&[Unflatten(None), Unflatten(None)], 1, "`unflatten` takes features"),
            (&[linear, Flatten], 1, "`flatten` takes maps"),
            (&[Unflatten(Some([5, 3]))], 0, "5 maps of 3×3 are 45 features, and 48 features come in"),
            (&[linear, Maxout { pieces: 3 }], 1, "{maxout: 3} takes a multiple of 3, and 4 features come in"),
            (&[Unflatten(None), conv(1, 4, 1)], 1, "a kernel of 4×4 has no middle"),
            (&[Unflatten(None), back(1, 5, 2, Some(9))], 1, "takes 4 pixels a side to 7 to 8, not to 9"),
            (&[Unflatten(None), back(1, 5, 2, Some(6))], 1, "not to 6"),
            (&[Unflatten(None), back(4096, 5, 64, None), back(9, 5, 64, None)], 2, "268435456 numbers"),
            (&[linear, RELU, Written::WeightNorm], 2, "`weight_norm` is of the weights of the layer before it"),
            (&[RELU], 0, "no layer here has weights"),
            (&[linear, RELU], 1, "the network gives 4 features and has to give 1 feature"),
            (&[linear, Unflatten(Some([4, 1]))], 1, "the network gives 4 maps of 1×1 and has to give 1 feature"),
        ] {
            let misfit = layers(written, 48, 1, &[3, 4, 4]).unwrap_err();
            assert!(misfit.at == at && misfit.message.contains(expected), "{expected}: {misfit:?}");
        }
        for sample in [&[2][..], &[3, 4, 8]] {
            assert!(layers(&[Unflatten(None), Flatten, linear], 96, 4, sample).is_err());
        }
        let unfinished = layers(&[linear, Unflatten(Some([1, 2]))], 48, 4, &[2]).unwrap_err();
        assert_eq!(unfinished.help, "put `flatten` behind them");
    }

    /// Kernels, strides and sides of which libtorch computes other sizes than these would be found only in training.
    #[test]
    fn every_geometry_is_one_that_libtorch_has() {
        for (kernel, stride, side) in
            (1..8).flat_map(|k| (1..5).flat_map(move |s| (1..20).map(move |side| (k, s, side))))
        {
            if middle(kernel, stride).is_err() {
                continue;
            }
            let g = Geometry::same(1, 1, kernel, stride, side, true);
            assert_eq!((g.side + 2 * g.padding - g.kernel) / g.stride + 1, g.output, "{g:?}");
            let g = Geometry::back(1, 1, kernel, stride, side, true);
            let whole = (g.side - 1) * g.stride + g.kernel + g.output_padding();
            assert!(whole - 2 * g.padding == g.output && g.output_padding() < g.stride, "{g:?}");
        }
    }
}
