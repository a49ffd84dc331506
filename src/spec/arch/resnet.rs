//! Residual networks for images (Miyato et al. 2018, table 4). With 128 maps and spectral normalisation in the
//! discriminator, they are the networks of the spectral normalisation paper.

use super::mlp::stack;
use super::{Activation, Architecture, Geometry, Layer, Norm};

/// Number of generator blocks, each of which doubles height and width.
const LEVELS: u32 = 3;
/// Side of the kernels, in pixels.
const KERNEL: u32 = 3;

/// Residual networks. G: linear to 2w maps, three blocks that double the side, a convolution to the image. D: two
/// blocks of w maps that halve the side, two that keep it, the sum of each map, linear.
#[derive(Clone, Debug, PartialEq)]
pub struct Resnet {
    /// w of the generator.
    pub width: u32,
    /// w of the discriminators.
    pub discriminator_width: u32,
    /// Length of the noise vector.
    pub noise: u32,
    /// Normalisation of the generator's hidden layers.
    pub generator_norm: Norm,
    /// Normalisation of the discriminators' hidden layers.
    pub discriminator_norm: Norm,
    /// Activation of the generator's hidden layers.
    pub generator_activation: Activation,
    /// Activation of the discriminators' hidden layers.
    pub discriminator_activation: Activation,
    /// Activation of the generator's output; `None` for unbounded data.
    pub output: Option<Activation>,
    /// Hidden sizes of the denoiser.
    pub denoiser: Vec<u32>,
    /// Channels of an image.
    pub channels: u32,
    /// Height and width of an image, a multiple of [`Resnet::SIDE`].
    pub side: u32,
}

impl Architecture for Resnet {
    fn generator(&self) -> Vec<Layer> {
        let style = (self.generator_norm, self.generator_activation);
        let mut layers = self.up(2 * self.width, [self.noise, self.channels], style);
        layers.extend(self.output.map(Layer::Activation));
        layers
    }

    fn discriminator(&self, pack: u32) -> Vec<Layer> {
        let style = (self.discriminator_norm, self.discriminator_activation);
        self.down(self.discriminator_width, [pack * self.channels, 1], style)
    }

    /// Down to a code as long as the noise, and up again.
    fn autoencoder(&self, pack: u32) -> Vec<Layer> {
        let style = (self.discriminator_norm, self.discriminator_activation);
        let (width, channels) = (self.discriminator_width, pack * self.channels);
        let mut layers = self.down(width, [channels, self.noise], style);
        layers.extend(self.up(width, [self.noise, channels], style));
        layers.extend(self.output.map(Layer::Activation));
        layers
    }

    fn encoder(&self, outputs: u32) -> Vec<Layer> {
        self.down(self.width, [self.channels, outputs], (self.generator_norm, self.discriminator_activation))
    }

    fn denoiser(&self, features: u32) -> Vec<Layer> {
        stack(features, &self.denoiser, features, Norm::None, self.discriminator_activation, 0.0)
    }
}

/// The style of each hidden layer.
type Style = (Norm, Activation);

impl Resnet {
    /// The side of an image must be a multiple of this.
    pub const SIDE: u32 = 1 << LEVELS;

    /// Builds the layers from `inputs` numbers to an image with `channels` maps, with `w` maps in between.
    fn up(&self, w: u32, [inputs, channels]: [u32; 2], style: Style) -> Vec<Layer> {
        let small = self.side >> LEVELS;
        let mut layers = vec![Layer::Linear { inputs, outputs: w * small * small }];
        layers.extend(weights(style.0, w * small * small));
        layers.push(Layer::Unflatten { maps: w, side: small });
        for level in 0..LEVELS {
            let (from, to) = (small << level, small << (level + 1));
            let mut body = before(w, style);
            body.push(Layer::Upsample { factor: 2 });
            body.extend(conv([w, w], KERNEL, to, style.0, !style.0.cancels_bias()));
            body.extend(before(w, style));
            body.extend(conv([w, w], KERNEL, to, style.0, true));
            // Convolving before upsampling gives the same result with a quarter of the work.
            let mut shortcut = conv([w, w], 1, from, style.0, true);
            shortcut.push(Layer::Upsample { factor: 2 });
            layers.push(Layer::Residual { body, shortcut });
        }
        layers.extend(before(w, style));
        layers.push(Layer::Conv2d(Geometry::same(w, channels, KERNEL, 1, self.side, true)));
        layers.extend(style.0.behind_ends());
        layers.push(Layer::Flatten { maps: channels, side: self.side });
        layers
    }

    /// Builds the layers from an image with `channels` maps to `outputs` numbers, with `w` maps in between.
    fn down(&self, w: u32, [channels, outputs]: [u32; 2], style: Style) -> Vec<Layer> {
        let (side, half, small) = (self.side, self.side / 2, self.side / 4);
        let pool = Layer::AvgPool { factor: 2 };
        // The samples are neither normalised nor activated, and the first block's output is not normalised.
        let first = if style.0.of_weights() { style.0 } else { Norm::None };
        let mut body = conv([channels, w], KERNEL, side, first, true);
        body.extend(before(w, (first, style.1)));
        body.extend(conv([w, w], KERNEL, side, first, true));
        body.push(pool.clone());
        let mut shortcut = vec![pool.clone()];
        shortcut.extend(conv([channels, w], 1, half, first, true));
        let mut layers = vec![Layer::Unflatten { maps: channels, side }, Layer::Residual { body, shortcut }];

        let block = |side| {
            let mut body = before(w, style);
            body.extend(conv([w, w], KERNEL, side, style.0, !style.0.cancels_bias()));
            body.extend(before(w, style));
            body.extend(conv([w, w], KERNEL, side, style.0, true));
            body
        };
        let mut body = block(half);
        body.push(pool.clone());
        let mut shortcut = vec![pool];
        shortcut.extend(conv([w, w], 1, small, style.0, true));
        layers.push(Layer::Residual { body, shortcut });
        layers.extend((0..2).map(|_| Layer::Residual { body: block(small), shortcut: vec![] }));

        layers.push(Layer::Activation(style.1));
        layers.push(Layer::SumPool { maps: w, side: small });
        layers.push(Layer::Linear { inputs: w, outputs });
        layers.extend(style.0.behind_ends());
        layers
    }
}

/// Returns what comes before the products of a hidden layer.
fn before(maps: u32, (norm, activation): Style) -> Vec<Layer> {
    let norm = if norm.of_weights() { None } else { norm.behind(maps) };
    norm.into_iter().chain([Layer::Activation(activation)]).collect()
}

/// Returns the layers of a convolution that keeps the side.
fn conv([inputs, outputs]: [u32; 2], kernel: u32, side: u32, norm: Norm, bias: bool) -> Vec<Layer> {
    let conv = Layer::Conv2d(Geometry::same(inputs, outputs, kernel, 1, side, bias));
    [conv].into_iter().chain(weights(norm, outputs)).collect()
}

/// Returns the weight normalisation of a layer with this many output features or maps.
fn weights(norm: Norm, features: u32) -> Option<Layer> {
    norm.behind(features).filter(|_| norm.of_weights())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sngan() -> Resnet {
        Resnet {
            width: 128,
            discriminator_width: 128,
            noise: 128,
            generator_norm: Norm::Batch,
            discriminator_norm: Norm::Spectral,
            generator_activation: Activation::Relu,
            discriminator_activation: Activation::Relu,
            output: Some(Activation::Tanh),
            denoiser: vec![],
            channels: 3,
            side: 32,
        }
    }

    /// Counted from the table: weights and biases of each convolution, scale and shift of each normalisation. The
    /// published code also has a bias before each batch normalisation, which cancels it.
    #[test]
    fn the_networks_of_32_pixels_have_the_published_sizes() {
        let total = |layers: &[Layer]| layers.iter().map(Layer::parameters).sum::<usize>();
        let conv = |from: usize, to: usize, kernel: usize| from * to * kernel * kernel + to;
        let up = 2 * 2 * 256 + conv(256, 256, 3) - 256 + conv(256, 256, 3) + conv(256, 256, 1);
        let generator = 129 * 4 * 4 * 256 + 3 * up + 2 * 256 + conv(256, 3, 3);
        assert_eq!(total(&sngan().generator()), generator);
        let first = conv(3, 128, 3) + conv(128, 128, 3) + conv(3, 128, 1);
        let second = 2 * conv(128, 128, 3) + conv(128, 128, 1);
        let rest = 4 * conv(128, 128, 3) + 129;
        assert_eq!(total(&sngan().discriminator(1)), first + second + rest);
    }

    #[test]
    fn every_weight_of_a_spectrally_normalised_discriminator_is() {
        assert_eq!(Layer::spectral(&sngan().discriminator(1)), (11, 11));
        assert_eq!(Layer::spectral(&sngan().generator()), (11, 0));
        let both = Resnet { generator_norm: Norm::Spectral, ..sngan() };
        assert_eq!(Layer::spectral(&both.generator()), (11, 11));
        assert_eq!(Layer::spectral(&both.autoencoder(2)), (22, 22));
    }

    #[test]
    fn every_layer_takes_what_the_one_before_gives() {
        for norm in Norm::ALL {
            for (channels, side) in [(1, 8), (3, 32), (3, 48)] {
                let nets =
                    Resnet { channels, side, width: 4, discriminator_width: 6, discriminator_norm: norm, ..sngan() };
                let pixels = (channels * side * side) as usize;
                for (layers, inputs, outputs) in [
                    (nets.generator(), 128, pixels),
                    (nets.discriminator(2), 2 * pixels, 1),
                    (nets.autoencoder(1), pixels, pixels),
                    (nets.encoder(200), pixels, 200),
                ] {
                    assert_eq!(flow(&layers, inputs), outputs, "{norm:?} {channels} {side}");
                }
            }
        }
    }

    /// Returns the number of features after `layers`, and checks that each layer fits those before it.
    fn flow(layers: &[Layer], inputs: usize) -> usize {
        layers.iter().fold(inputs, |features, layer| {
            let expected = match layer {
                Layer::Linear { inputs, .. } => *inputs as usize,
                Layer::Conv2d(g) => (g.inputs * g.side * g.side) as usize,
                Layer::Unflatten { maps, side } | Layer::Flatten { maps, side } | Layer::SumPool { maps, side } => {
                    (maps * side * side) as usize
                }
                Layer::Residual { body, shortcut } => {
                    assert_eq!(flow(body, features), flow(shortcut, features));
                    features
                }
                _ => features,
            };
            assert_eq!(features, expected, "{layer:?}");
            layer.outputs(features)
        })
    }
}
