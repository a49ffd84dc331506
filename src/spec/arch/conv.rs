//! Convolutional networks for images: strided convolutions in the discriminators, transposed ones in the generator, no pooling.

use super::{Activation, Geometry, Init, Layer, Model, NoiseDistribution, Norm};

/// Halvings of height and width.
const LEVELS: u32 = 3;

/// Which networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// As in Radford et al. (2016), with as many layers as images of 28 or 32 pixels allow. G: linear to 4w maps, three transposed
    /// convolutions to 2w, w and the image. D: three convolutions to w, 2w and 4w maps, linear. The first layer of D has no
    /// normalisation.
    Dcgan,
    /// The small pair that Metz et al. (2017) compare unrolled GANs with, where D has half of G's maps. G: linear to 16w maps, three
    /// transposed convolutions to 8w, 4w and 2w, a convolution to the image. D: three convolutions to w, 2w and 4w maps, linear.
    Metz,
}

/// Convolutional networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Which.
    pub design: Design,
    /// Maps of the discriminators' first layer: w above.
    pub width: u32,
    /// Pixels along a side of [`Design::Dcgan`]'s kernels; 3 in the other design.
    pub kernel: u32,
    /// Length of the noise vector.
    pub noise: u32,
    /// What it is drawn from.
    pub noise_distribution: NoiseDistribution,
    /// Normalisation of the generator's hidden layers.
    pub generator_norm: Norm,
    /// Normalisation of the discriminators' hidden layers.
    pub discriminator_norm: Norm,
    /// Activation of the generator's hidden layers.
    pub generator_activation: Activation,
    /// Activation of the discriminators' hidden layers.
    pub discriminator_activation: Activation,
    /// Activation of the generator's output; none for unbounded data.
    pub output: Option<Activation>,
    /// How weights start.
    pub init: Init,
}

impl Conv {
    /// The layers for square images of `channels` maps.
    pub fn model(&self, channels: u32, side: u32) -> Model {
        Model {
            noise: self.noise,
            noise_distribution: self.noise_distribution,
            init: self.init,
            generator: self.generator(channels, side),
            discriminator: self.discriminator(channels, side),
        }
    }

    fn kernel(&self) -> u32 {
        match self.design {
            Design::Dcgan => self.kernel,
            Design::Metz => 3,
        }
    }

    fn generator(&self, channels: u32, side: u32) -> Vec<Layer> {
        let w = self.width;
        let maps = match self.design {
            Design::Dcgan => vec![4 * w, 2 * w, w, channels],
            Design::Metz => vec![16 * w, 8 * w, 4 * w, 2 * w],
        };
        let small = halved(side, LEVELS);
        let mut layers = vec![
            Layer::Linear { inputs: self.noise, outputs: maps[0] * small * small },
            Layer::Unflatten { maps: maps[0], side: small },
        ];
        for (level, pair) in (0..LEVELS).rev().zip(maps.windows(2)) {
            hidden(&mut layers, pair[0], self.generator_norm, self.generator_activation);
            // The image itself is never normalised.
            let bias = !self.generator_norm.cancels_bias() || (level == 0 && self.design == Design::Dcgan);
            let geometry = Geometry::back(pair[0], pair[1], self.kernel(), 2, halved(side, level), bias);
            layers.push(Layer::ConvTranspose2d(geometry));
        }
        if self.design == Design::Metz {
            hidden(&mut layers, maps[3], self.generator_norm, self.generator_activation);
            layers.push(Layer::Conv2d(Geometry::same(maps[3], channels, self.kernel(), 1, side, true)));
        }
        layers.push(Layer::Flatten { maps: channels, side });
        layers.extend(self.output.map(Layer::Activation));
        layers
    }

    fn discriminator(&self, channels: u32, side: u32) -> Vec<Layer> {
        let w = self.width;
        let maps = [channels, w, 2 * w, 4 * w];
        let mut layers = vec![Layer::Unflatten { maps: channels, side }];
        for (level, pair) in (0..LEVELS).zip(maps.windows(2)) {
            let norm = match self.design {
                Design::Dcgan if level == 0 => Norm::None,
                Design::Dcgan | Design::Metz => self.discriminator_norm,
            };
            let bias = !norm.cancels_bias();
            let geometry = Geometry::same(pair[0], pair[1], self.kernel(), 2, halved(side, level), bias);
            layers.push(Layer::Conv2d(geometry));
            hidden(&mut layers, pair[1], norm, self.discriminator_activation);
        }
        let small = halved(side, LEVELS);
        layers.push(Layer::Flatten { maps: maps[3], side: small });
        layers.push(Layer::Linear { inputs: maps[3] * small * small, outputs: 1 });
        layers
    }
}

/// What comes after a hidden layer's products.
fn hidden(layers: &mut Vec<Layer>, maps: u32, norm: Norm, activation: Activation) {
    layers.extend(norm.behind(maps));
    layers.push(Layer::Activation(activation));
}

/// `side` after so many halvings, each rounded up.
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
            kernel: 5,
            noise: 100,
            noise_distribution: NoiseDistribution::Normal,
            generator_norm: Norm::Batch,
            discriminator_norm: Norm::Batch,
            generator_activation: Activation::Relu,
            discriminator_activation: Activation::LeakyRelu { slope: 0.2 },
            output: Some(Activation::Tanh),
            init: Init::Normal { std: 0.02 },
        }
    }

    /// Maps and side after each convolution and transposed convolution.
    fn shapes(layers: &[Layer]) -> Vec<[u32; 2]> {
        let shape = |layer: &Layer| match *layer {
            Layer::Conv2d(g) | Layer::ConvTranspose2d(g) => Some([g.outputs, g.output]),
            Layer::Linear { .. }
            | Layer::Unflatten { .. }
            | Layer::Flatten { .. }
            | Layer::BatchNorm { .. }
            | Layer::LayerNorm { .. }
            | Layer::Maxout { .. }
            | Layer::Dropout { .. }
            | Layer::Activation(_) => None,
        };
        layers.iter().filter_map(shape).collect()
    }

    fn total(layers: &[Layer]) -> (usize, u64) {
        (layers.iter().map(Layer::parameters).sum(), layers.iter().map(Layer::flops).sum())
    }

    #[test]
    fn the_dcgan_of_32_pixels_has_the_published_sizes() {
        let model = dcgan().model(3, 32);
        assert_eq!(shapes(&model.generator), [[256, 8], [128, 16], [3, 32]]);
        assert_eq!(shapes(&model.discriminator), [[128, 16], [256, 8], [512, 4]]);
        // Weights, biases where no normalisation follows, scale and shift of each normalisation.
        let g = 101 * 8192 + 2 * 512 + 25 * 512 * 256 + 2 * 256 + 25 * 256 * 128 + 2 * 128 + 25 * 128 * 3 + 3;
        let d = 25 * 3 * 128 + 128 + 25 * 128 * 256 + 2 * 256 + 25 * 256 * 512 + 2 * 512 + 8192 + 1;
        let products = |pairs: [u64; 3]| 2 * pairs.iter().sum::<u64>();
        let g_flops = products([25 * 512 * 256 * 16, 25 * 256 * 128 * 64, 25 * 128 * 3 * 256]) + 2 * 100 * 8192;
        let d_flops = products([25 * 3 * 128 * 256, 25 * 128 * 256 * 64, 25 * 256 * 512 * 16]) + 2 * 8192;
        assert_eq!(total(&model.generator), (g, g_flops));
        assert_eq!(total(&model.discriminator), (d, d_flops));
    }

    #[test]
    fn every_layer_takes_what_the_one_before_gives() {
        for design in [Design::Dcgan, Design::Metz] {
            for (kernel, channels, side) in [(3, 1, 28), (4, 3, 28), (5, 3, 28), (3, 3, 32), (4, 3, 32), (5, 3, 48)] {
                let conv = Conv { design, kernel, width: 8, ..dcgan() };
                let model = conv.model(channels, side);
                let pixels = (channels * side * side) as usize;
                for (layers, first, last) in [(&model.generator, 100, pixels), (&model.discriminator, pixels, 1)] {
                    let mut features = first;
                    for layer in layers {
                        let expected = match *layer {
                            Layer::Linear { inputs, .. } => inputs,
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
                            | Layer::Maxout { .. }
                            | Layer::Dropout { .. }
                            | Layer::Activation(_) => features as u32,
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
        let model = dcgan().model(3, 28);
        assert_eq!(shapes(&model.generator), [[256, 7], [128, 14], [3, 28]]);
        assert_eq!(shapes(&model.discriminator), [[128, 14], [256, 7], [512, 4]]);
        let small = Conv { design: Design::Metz, width: 4, noise: 256, ..dcgan() }.model(3, 28);
        assert_eq!(shapes(&small.generator), [[32, 7], [16, 14], [8, 28], [3, 28]]);
        assert_eq!(shapes(&small.discriminator), [[4, 14], [8, 7], [16, 4]]);
        assert_eq!(small.generator[0], Layer::Linear { inputs: 256, outputs: 64 * 4 * 4 });
    }
}
