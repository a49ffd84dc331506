//! Convolutional networks for images: strided convolutions in the discriminators, transposed ones in the generator, no
//! pooling.

use super::mlp::stack;
use super::{Activation, Architecture, Geometry, Layer, Norm};

/// How often height and width are halved.
const LEVELS: u32 = 3;

/// The design of the networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// As in Radford et al. (2016), with as many layers as images of 28 or 32 pixels allow. G: linear to 4w maps, three
    /// transposed convolutions to 2w, w and the image. D: three convolutions to w, 2w and 4w maps, linear. The first
    /// layer of D has no normalisation.
    Dcgan,
    /// The small pair with which Metz et al. (2017) compare unrolled GANs, in which D has half of G's maps, or a
    /// quarter with half the w. G: linear to 16w maps, three transposed convolutions to 8w, 4w and 2w, a convolution to
    /// the image. D: three convolutions to w, 2w and 4w maps, linear.
    Metz,
}

/// Convolutional networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// The design.
    pub design: Design,
    /// w of the design.
    pub width: u32,
    /// w of the discriminators: the number of maps of their first layer.
    pub discriminator_width: u32,
    /// Side of [`Design::Dcgan`]'s kernels, in pixels; 3 in the other design.
    pub kernel: u32,
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
    /// Height and width of an image.
    pub side: u32,
}

impl Architecture for Conv {
    fn generator(&self) -> Vec<Layer> {
        let mut layers =
            self.up(self.width, [self.noise, self.channels], (self.generator_norm, self.generator_activation));
        layers.extend(self.output.map(Layer::Activation));
        layers
    }

    fn discriminator(&self, pack: u32) -> Vec<Layer> {
        self.down(
            self.discriminator_width,
            [pack * self.channels, 1],
            (self.discriminator_norm, self.discriminator_activation),
        )
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

/// What follows the products of each hidden layer.
type Style = (Norm, Activation);

impl Conv {
    fn kernel(&self) -> u32 {
        match self.design {
            Design::Dcgan => self.kernel,
            Design::Metz => 3,
        }
    }

    /// Builds the layers from `inputs` numbers to an image with `channels` maps, with multiples of `w` maps in between.
    fn up(&self, w: u32, [inputs, channels]: [u32; 2], (norm, activation): Style) -> Vec<Layer> {
        let side = self.side;
        let maps = match self.design {
            Design::Dcgan => vec![4 * w, 2 * w, w, channels],
            Design::Metz => vec![16 * w, 8 * w, 4 * w, 2 * w],
        };
        let small = halved(side, LEVELS);
        let mut layers = vec![Layer::Linear { inputs, outputs: maps[0] * small * small }];
        // Normalise weights before the reshape, values after it as maps.
        let first = if norm.of_weights() {
            layers.extend(norm.behind(maps[0] * small * small));
            Norm::None
        } else {
            norm
        };
        layers.push(Layer::Unflatten { maps: maps[0], side: small });
        for (level, pair) in (0..LEVELS).rev().zip(maps.windows(2)) {
            hidden(&mut layers, pair[0], if level + 1 == LEVELS { first } else { norm }, activation);
            // The image itself is never normalised.
            let bias = !norm.cancels_bias() || (level == 0 && self.design == Design::Dcgan);
            let geometry = Geometry::back(pair[0], pair[1], self.kernel(), 2, halved(side, level), bias);
            layers.push(Layer::ConvTranspose2d(geometry));
        }
        if self.design == Design::Metz {
            hidden(&mut layers, maps[3], norm, activation);
            layers.push(Layer::Conv2d(Geometry::same(maps[3], channels, self.kernel(), 1, side, true)));
        }
        layers.extend(norm.behind_ends());
        layers.push(Layer::Flatten { maps: channels, side });
        layers
    }

    /// Builds the layers from an image with `channels` maps to `outputs` numbers, with multiples of `w` maps in
    /// between.
    fn down(&self, w: u32, [channels, outputs]: [u32; 2], (norm, activation): Style) -> Vec<Layer> {
        let side = self.side;
        let maps = [channels, w, 2 * w, 4 * w];
        let mut layers = vec![Layer::Unflatten { maps: channels, side }];
        for (level, pair) in (0..LEVELS).zip(maps.windows(2)) {
            let norm = match self.design {
                Design::Dcgan if level == 0 && norm.behind_ends().is_none() => Norm::None,
                Design::Dcgan | Design::Metz => norm,
            };
            let bias = !norm.cancels_bias();
            let geometry = Geometry::same(pair[0], pair[1], self.kernel(), 2, halved(side, level), bias);
            layers.push(Layer::Conv2d(geometry));
            hidden(&mut layers, pair[1], norm, activation);
        }
        let small = halved(side, LEVELS);
        layers.push(Layer::Flatten { maps: maps[3], side: small });
        layers.push(Layer::Linear { inputs: maps[3] * small * small, outputs });
        layers.extend(norm.behind_ends());
        layers
    }
}

/// Adds what follows the products of a hidden layer.
fn hidden(layers: &mut Vec<Layer>, maps: u32, norm: Norm, activation: Activation) {
    layers.extend(norm.behind(maps));
    layers.push(Layer::Activation(activation));
}

/// Returns `side` after this many halvings, each rounded up.
fn halved(side: u32, times: u32) -> u32 {
    side.div_ceil(1 << times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dcgan() -> Conv {
        Conv {
            design: Design::Dcgan,
            width: 128,
            discriminator_width: 128,
            kernel: 5,
            noise: 100,
            generator_norm: Norm::Batch,
            discriminator_norm: Norm::Batch,
            generator_activation: Activation::Relu,
            discriminator_activation: Activation::LeakyRelu { slope: 0.2 },
            output: Some(Activation::Tanh),
            denoiser: vec![],
            channels: 3,
            side: 32,
        }
    }

    /// Returns maps and side after each convolution and transposed convolution.
    fn shapes(layers: &[Layer]) -> Vec<[u32; 2]> {
        let shape = |layer: &Layer| match *layer {
            Layer::Conv2d(g) | Layer::ConvTranspose2d(g) => Some([g.outputs, g.output]),
            Layer::Linear { .. }
            | Layer::Mixture { .. }
            | Layer::MinibatchDiscrimination { .. }
            | Layer::Unflatten { .. }
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
            | Layer::SumPool { .. }
            | Layer::Residual { .. } => None,
        };
        layers.iter().filter_map(shape).collect()
    }

    fn total(layers: &[Layer]) -> (usize, u64) {
        (layers.iter().map(Layer::parameters).sum(), layers.iter().map(Layer::flops).sum())
    }

    #[test]
    fn the_dcgan_of_32_pixels_has_the_published_sizes() {
        let (generator, discriminator) = (dcgan().generator(), dcgan().discriminator(1));
        assert_eq!(shapes(&generator), [[256, 8], [128, 16], [3, 32]]);
        assert_eq!(shapes(&discriminator), [[128, 16], [256, 8], [512, 4]]);
        // Weights, biases unless a normalisation follows, and scale and shift of each normalisation.
        let g = 101 * 8192 + 2 * 512 + 25 * 512 * 256 + 2 * 256 + 25 * 256 * 128 + 2 * 128 + 25 * 128 * 3 + 3;
        let d = 25 * 3 * 128 + 128 + 25 * 128 * 256 + 2 * 256 + 25 * 256 * 512 + 2 * 512 + 8192 + 1;
        let products = |pairs: [u64; 3]| 2 * pairs.iter().sum::<u64>();
        let g_flops = products([25 * 512 * 256 * 16, 25 * 256 * 128 * 64, 25 * 128 * 3 * 256]) + 2 * 100 * 8192;
        let d_flops = products([25 * 3 * 128 * 256, 25 * 128 * 256 * 64, 25 * 256 * 512 * 16]) + 2 * 8192;
        assert_eq!(total(&generator), (g, g_flops));
        assert_eq!(total(&discriminator), (d, d_flops));
    }

    #[test]
    fn every_layer_takes_what_the_one_before_gives() {
        for design in [Design::Dcgan, Design::Metz] {
            for (kernel, channels, side) in [(3, 1, 28), (4, 3, 28), (5, 3, 28), (3, 3, 32), (4, 3, 32), (5, 3, 48)] {
                let conv = Conv { design, kernel, width: 8, discriminator_width: 3, channels, side, ..dcgan() };
                let pixels = (channels * side * side) as usize;
                for (layers, first, last) in [
                    (conv.generator(), 100, pixels),
                    (conv.discriminator(1), pixels, 1),
                    (conv.discriminator(3), 3 * pixels, 1),
                    (conv.autoencoder(2), 2 * pixels, 2 * pixels),
                    (conv.encoder(200), pixels, 200),
                ] {
                    let mut features = first;
                    for layer in &layers {
                        let expected = match *layer {
                            Layer::Linear { inputs, .. } | Layer::Mixture { inputs, .. } => inputs,
                            Layer::MinibatchDiscrimination { features, .. } => features,
                            Layer::UnflattenBeside { maps, side, beside } => maps * side * side + beside,
                            Layer::Conv2d(g) => {
                                assert_eq!((g.side + 2 * g.padding - g.kernel) / g.stride + 1, g.output, "{g:?}");
                                g.inputs * g.side * g.side
                            }
                            Layer::ConvTranspose2d(g) => {
                                let whole = (g.side - 1) * g.stride + g.kernel + g.output_padding();
                                assert_eq!(whole - 2 * g.padding, g.output, "{g:?}");
                                assert!(g.output_padding() < g.stride);
                                g.inputs * g.side * g.side
                            }
                            Layer::Unflatten { maps, side } | Layer::Flatten { maps, side } => maps * side * side,
                            Layer::BatchNorm { .. }
                            | Layer::LayerNorm { .. }
                            | Layer::WeightNorm { .. }
                            | Layer::SpectralNorm
                            | Layer::Maxout { .. }
                            | Layer::Dropout { .. }
                            | Layer::Activation(_)
                            | Layer::Prelu
                            | Layer::Upsample { .. }
                            | Layer::AvgPool { .. }
                            | Layer::SumPool { .. }
                            | Layer::Residual { .. } => features as u32,
                        };
                        assert_eq!(features, expected as usize, "{layer:?}");
                        features = layer.outputs(features);
                    }
                    assert_eq!(features, last);
                }
            }
        }
    }

    #[test]
    fn digits_go_from_28_pixels_to_4_and_back() {
        let digits = Conv { side: 28, ..dcgan() };
        assert_eq!(shapes(&digits.generator()), [[256, 7], [128, 14], [3, 28]]);
        assert_eq!(shapes(&digits.discriminator(1)), [[128, 14], [256, 7], [512, 4]]);
        let small = Conv { design: Design::Metz, width: 4, discriminator_width: 4, noise: 256, ..digits };
        assert_eq!(shapes(&small.generator()), [[32, 7], [16, 14], [8, 28], [3, 28]]);
        assert_eq!(shapes(&small.discriminator(1)), [[4, 14], [8, 7], [16, 4]]);
        assert_eq!(small.generator()[0], Layer::Linear { inputs: 256, outputs: 64 * 4 * 4 });
        let smaller = Conv { discriminator_width: 2, ..small };
        assert_eq!(shapes(&smaller.discriminator(1)), [[2, 14], [4, 7], [8, 4]]);
        assert_eq!(shapes(&smaller.generator()), shapes(&Conv { discriminator_width: 4, ..smaller }.generator()));
    }
}
