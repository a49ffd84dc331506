//! Turns written-out networks into layers: the sizes of each layer follow from the layers before it.

use std::fmt;

use super::{Geometry, Layer, Written};

/// Maximum number of values of one sample after a layer.
const MAX_VALUES: u64 = 1 << 28;

/// A written-out network that is impossible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The index of the layer; for a layer inside another, the outer index comes first.
    pub at: Vec<usize>,
    /// What was expected, and what was found.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What passes from one layer to the next, for one sample.
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

/// Returns the layers of a network that takes `inputs` features and outputs `outputs`; `sample` is the shape of one
/// sample.
///
/// A convolution has a bias unless batch normalisation follows, which would cancel it.
///
/// # Errors
///
/// Names the first layer that does not fit those before it, or the last one if its output is wrong.
pub fn layers(written: &[Written], inputs: u32, outputs: u32, sample: &[usize]) -> Result<Vec<Layer>, Misfit> {
    let (layers, flow) = chain(written, Flow::Features(inputs), sample)?;
    let end = |message: String, help: String| Err(Misfit { at: vec![written.len().saturating_sub(1)], message, help });
    if layers.iter().all(|layer| layer.parameters() == 0) {
        return end(
            "no layer here has weights".to_owned(),
            "without a `linear` layer, there is nothing to train".to_owned(),
        );
    }
    match flow {
        Flow::Features(features) if features == outputs => Ok(layers),
        Flow::Features(_) => end(
            format!("the network outputs {flow}, but must output {}", Flow::Features(outputs)),
            format!("end with `{{linear: {outputs}}}`"),
        ),
        Flow::Maps { maps, side } => end(
            format!("the network outputs {flow}, but must output {}", Flow::Features(outputs)),
            match values(maps, side.into()) == u64::from(outputs) {
                true => "add `flatten` at the end".to_owned(),
                false => format!("add `flatten` and `{{linear: {outputs}}}` at the end"),
            },
        ),
    }
}

/// Returns the layers of a list that gets `flow`, and its output.
fn chain(written: &[Written], mut flow: Flow, sample: &[usize]) -> Result<(Vec<Layer>, Flow), Misfit> {
    let mut layers = Vec::with_capacity(written.len());
    for (at, one) in written.iter().enumerate() {
        let misfit = |(message, help): Trouble| Misfit { at: vec![at], message, help: help.to_owned() };
        if matches!(one, Written::WeightNorm | Written::SpectralNorm) {
            let before = at.checked_sub(1).map(|before| &written[before]);
            if !before.is_some_and(Written::has_matrix) {
                let message = format!("`{one}` normalises the weights of the layer before it, which has none");
                return Err(misfit((message, "put it directly after `linear`, `conv` or `conv_transpose`")));
            }
        }
        let (layer, next) = match one {
            Written::Residual(body) => {
                let (layers, next) = chain(body, flow, sample).map_err(|mut misfit| {
                    misfit.at.insert(0, at);
                    misfit
                })?;
                let normed = layers.contains(&Layer::SpectralNorm);
                let shortcut = shortcut(flow, next, normed).map_err(misfit)?;
                (Layer::Residual { body: layers, shortcut }, next)
            }
            one => {
                let bias = written.get(at + 1) != Some(&Written::BatchNorm);
                step(one, flow, bias, sample).map_err(misfit)?
            }
        };
        layers.push(layer);
        flow = next;
    }
    Ok((layers, flow))
}

/// Returns the shortcut of a residual, which maps one shape to the other: nothing if they are the same, else a
/// convolution of 1×1 pixels at the smaller of two sides, or a linear layer.
fn shortcut(from: Flow, to: Flow, normed: bool) -> Result<Vec<Layer>, Trouble> {
    let norm = normed.then_some(Layer::SpectralNorm);
    match (from, to) {
        _ if from == to => Ok(Vec::new()),
        (Flow::Features(inputs), Flow::Features(outputs)) => {
            Ok([Layer::Linear { inputs, outputs }].into_iter().chain(norm).collect())
        }
        (Flow::Maps { maps: inputs, side }, Flow::Maps { maps: outputs, side: end }) => {
            let project = Layer::Conv2d(Geometry::same(inputs, outputs, 1, 1, side.min(end), true));
            let project = [project].into_iter().chain(norm);
            if side == end {
                Ok(project.collect())
            } else if end.is_multiple_of(side) {
                Ok(project.chain([Layer::Upsample { factor: end / side }]).collect())
            } else if side.is_multiple_of(end) {
                Ok([Layer::AvgPool { factor: side / end }].into_iter().chain(project).collect())
            } else {
                let message = format!("the `residual` gets {from} and outputs {to}, which cannot be added");
                Err((message, "make one side a multiple of the other, with `padding` or `stride`"))
            }
        }
        (Flow::Features(_), Flow::Maps { .. }) | (Flow::Maps { .. }, Flow::Features(_)) => {
            let message = format!("the `residual` gets {from} and outputs {to}, which cannot be added");
            Err((message, "put `flatten` or `unflatten` before or after it"))
        }
    }
}

/// What is wrong, and what to do.
type Trouble = (String, &'static str);

/// Returns the layer for `written` if it gets `flow`, and its output.
fn step(written: &Written, flow: Flow, bias: bool, sample: &[usize]) -> Result<(Layer, Flow), Trouble> {
    Ok(match *written {
        Written::Linear { outputs } => {
            (Layer::Linear { inputs: features(written, flow)?, outputs }, Flow::Features(outputs))
        }
        Written::Conv { maps, kernel, stride, padding } => {
            let (inputs, side) = images(written, flow)?;
            let geometry = match padding {
                None => {
                    middle(kernel, stride)?;
                    Geometry::same(inputs, maps, kernel, stride, side, bias)
                }
                Some(padding) => {
                    within(kernel, padding)?;
                    Geometry::padded([inputs, maps], kernel, stride, padding, side, bias).ok_or_else(|| {
                        let (whole, zeros) = (side + 2 * padding, Zeros(padding));
                        let message = format!(
                            "a kernel of {kernel}×{kernel} is larger than {side}×{side} pixels with {zeros}: \
                            {whole}×{whole}"
                        );
                        (message, "use a smaller `kernel`, or more `padding`")
                    })?
                }
            };
            (Layer::Conv2d(geometry), bounded(maps, geometry.output.into())?)
        }
        Written::ConvTranspose { maps, kernel, stride, side, padding } => {
            let (inputs, from) = images(written, flow)?;
            let geometry = match padding {
                None => back([inputs, maps], kernel, stride, (from, side), bias)?,
                Some(padding) => padded_back([inputs, maps], kernel, stride, padding, (from, side), bias)?,
            };
            (Layer::ConvTranspose2d(geometry), bounded(maps, geometry.output.into())?)
        }
        Written::Unflatten(shape) => {
            let inputs = features(written, flow)?;
            let [maps, side] = match (shape, sample) {
                (Some(shape), _) => shape,
                (None, &[maps, height, width]) if height == width => [maps, height].map(|size| size as u32),
                (None, _) => {
                    let shown = sample.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
                    let message = format!("`unflatten` uses the shape of a sample, but {shown} is not a square image");
                    return Err((message, "set the number of maps and their side in pixels: `{unflatten: [128, 7]}`"));
                }
            };
            if values(maps, side.into()) != u64::from(inputs) {
                let (maps, whole) = (Flow::Maps { maps, side }, values(maps, side.into()));
                let message = format!("{maps} have {whole} features, but the input has {flow}");
                return Err((message, "make the layer before it that large, or use other sizes"));
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
        Written::SpectralNorm => (Layer::SpectralNorm, flow),
        Written::Maxout { pieces } => {
            if !width(flow).is_multiple_of(pieces) {
                let message = format!("{written} needs a multiple of {pieces}, but the input has {flow}");
                return Err((message, "make the size of the layer before it a multiple of that"));
            }
            let next = match flow {
                Flow::Features(features) => Flow::Features(features / pieces),
                Flow::Maps { maps, side } => Flow::Maps { maps: maps / pieces, side },
            };
            (Layer::Maxout { pieces }, next)
        }
        Written::Dropout { rate } => (Layer::Dropout { rate }, flow),
        Written::Activation(activation) => (Layer::Activation(activation), flow),
        Written::Prelu => (Layer::Prelu, flow),
        Written::Upsample { factor } => {
            let (maps, side) = images(written, flow)?;
            (Layer::Upsample { factor }, bounded(maps, u64::from(side) * u64::from(factor))?)
        }
        Written::AvgPool { factor } => {
            let (maps, side) = images(written, flow)?;
            if !side.is_multiple_of(factor) {
                let message =
                    format!("{written} needs sides that are a multiple of {factor}, but the input has {flow}");
                return Err((message, "use another `stride` or `padding` in the convolution before it"));
            }
            (Layer::AvgPool { factor }, Flow::Maps { maps, side: side / factor })
        }
        Written::SumPool => {
            let (maps, side) = images(written, flow)?;
            (Layer::SumPool { maps, side }, Flow::Features(maps))
        }
        Written::Residual(_) => unreachable!("handled with the other lists"),
    })
}

/// Returns the number of features, or maps, that normalisations and maxout work on.
fn width(flow: Flow) -> u32 {
    match flow {
        Flow::Features(features) => features,
        Flow::Maps { maps, .. } => maps,
    }
}

fn features(written: &Written, flow: Flow) -> Result<u32, Trouble> {
    match flow {
        Flow::Features(features) => Ok(features),
        Flow::Maps { .. } => {
            let message = format!("`{}` needs features, but the input has {flow}", written.name());
            Err((message, "put `flatten` before it"))
        }
    }
}

fn images(written: &Written, flow: Flow) -> Result<(u32, u32), Trouble> {
    match flow {
        Flow::Maps { maps, side } => Ok((maps, side)),
        Flow::Features(_) => {
            let message = format!("`{}` needs maps, but the input has {flow}", written.name());
            Err((message, "put `{unflatten: [MAPS, SIDE]}` before it, or `unflatten` for a sample's own shape"))
        }
    }
}

/// Returns the transposed convolution to the requested side, or to `stride` times as many pixels.
fn back(
    [inputs, outputs]: [u32; 2],
    kernel: u32,
    stride: u32,
    (from, to): (u32, Option<u32>),
    bias: bool,
) -> Result<Geometry, Trouble> {
    middle(kernel, stride)?;
    let whole = u64::from(from) * u64::from(stride);
    let to = to.map_or(whole, u64::from);
    if to.div_ceil(stride.into()) != u64::from(from) {
        let least = whole - u64::from(stride) + 1;
        let message = format!("a stride of {stride} turns sides of {from} pixels into {least} to {whole}, not {to}");
        return Err((message, "use another `side`, or none"));
    }
    bounded(outputs, to)?;
    Ok(Geometry::back(inputs, outputs, kernel, stride, to as u32, bias))
}

/// Returns the transposed convolution that cuts off `padding`.
fn padded_back(
    maps: [u32; 2],
    kernel: u32,
    stride: u32,
    padding: u32,
    (from, to): (u32, Option<u32>),
    bias: bool,
) -> Result<Geometry, Trouble> {
    within(kernel, padding)?;
    let least = i64::from(from - 1) * i64::from(stride) + i64::from(kernel) - 2 * i64::from(padding);
    if least < 1 {
        let message =
            format!("`padding: {padding}` cuts off all of the {} pixels of a side", least + 2 * i64::from(padding));
        return Err((message, "use less `padding`, or a larger `kernel`"));
    }
    let more = to.map_or(0, |to| i64::from(to) - least);
    if !(0..i64::from(stride)).contains(&more) {
        let most = least + i64::from(stride) - 1;
        let message = format!(
            "a kernel of {kernel}×{kernel}, a stride of {stride} and `padding: {padding}` turn sides of {from} pixels \
            into {least} to {most}, not {}",
            least + more
        );
        return Err((message, "use another `side`, or none"));
    }
    bounded(maps[1], (least + more) as u64)?;
    let geometry = Geometry::padded_back(maps, kernel, stride, padding, (from, more as u32), bias);
    Ok(geometry.expect("there are pixels left"))
}

/// Refuses a padding with which some kernel positions only cover zeros.
fn within(kernel: u32, padding: u32) -> Result<(), Trouble> {
    if padding >= kernel {
        let message = format!("`padding: {padding}` is more than a kernel of {kernel}×{kernel} needs");
        return Err((message, "use a `padding` below `kernel`"));
    }
    Ok(())
}

/// The number of zeros around an image.
struct Zeros(u32);

impl fmt::Display for Zeros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no padding"),
            padding => write!(f, "a padding of {padding}"),
        }
    }
}

/// With a stride above 1, there is a padding for any kernel.
fn middle(kernel: u32, stride: u32) -> Result<(), Trouble> {
    if kernel.is_multiple_of(2) && stride == 1 {
        let message = format!(
            "a kernel of {kernel}×{kernel} has no middle, so with a stride of 1 images would change their size"
        );
        return Err((message, "use an odd `kernel` or a larger `stride`, or set `padding`"));
    }
    Ok(())
}

/// Returns maps of this side, if they are not too large.
fn bounded(maps: u32, side: u64) -> Result<Flow, Trouble> {
    if values(maps, side) > MAX_VALUES {
        let message = format!("{maps} maps of {side}×{side} are more than {MAX_VALUES} numbers per sample");
        return Err((message, "use fewer maps, or smaller strides"));
    }
    Ok(Flow::Maps { maps, side: side as u32 })
}

fn values(maps: u32, side: u64) -> u64 {
    u64::from(maps).saturating_mul(side.saturating_mul(side))
}

#[cfg(test)]
mod tests;
