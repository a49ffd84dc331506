//! Builds layers from their description.

use super::chain::Chain;
use super::{
    Layer, batch_norm, conv, dropout, layer_norm, linear, maps, maxout, minibatch, mixture, prelu, residual, resize,
    spectral_norm, weight_norm,
};
use sweep_spec::arch::{self, Activation};

/// Builds the layers that `spec` describes. An activation is fused into the layer before it if possible, and so is
/// weight normalisation. `player` separates the network's random numbers from those of the job's other networks.
pub fn build(spec: &[arch::Layer], player: u16) -> Chain {
    Builder { player, nested: NESTED }.chain(spec, 0)
}

/// The first number of nested layers, above the numbers of a network's own layers.
const NESTED: u64 = 256;
/// Added to a player's number for the dropout of nested layers; larger than the number of players.
const WITHIN: u16 = 128;

/// Numbers the layers, so each has its own random numbers.
struct Builder {
    player: u16,
    nested: u64,
}

impl Builder {
    /// Builds a list of nested layers, whose streams of random numbers get the next numbers.
    fn within(&mut self, spec: &[arch::Layer]) -> Chain {
        let first = self.nested;
        self.nested += spec.len() as u64;
        self.chain(spec, first)
    }

    /// Separates a layer's dropout from that of all other layers.
    fn lane(&self, stream: u64) -> u16 {
        let player = if stream < NESTED { self.player } else { WITHIN + self.player };
        player << 8 | (stream % NESTED) as u16
    }

    /// Builds a list of layers. The random stream of the first one has number `first`, and the others follow.
    fn chain(&mut self, spec: &[arch::Layer], first: u64) -> Chain {
        let mut chain = Chain::default();
        let mut rest = spec.iter().enumerate().peekable();
        while let Some((i, layer)) = rest.next() {
            let stream = first + i as u64;
            let norm =
                rest.next_if(|(_, next)| matches!(next, arch::Layer::WeightNorm { .. } | arch::Layer::SpectralNorm));
            let activation = rest.peek().and_then(|(_, next)| fused(layer, next));
            if activation.is_some() {
                rest.next();
            }
            let made = self.layer(layer, activation, stream);
            let transposed = matches!(layer, arch::Layer::ConvTranspose2d(_));
            let parts = match *layer {
                arch::Layer::Mixture { generators, .. } => generators,
                _ => 1,
            };
            let made = match norm {
                None => made,
                Some((_, arch::Layer::SpectralNorm)) => {
                    Box::new(spectral_norm::SpectralNorm::new(made, transposed, parts))
                }
                Some(_) => Box::new(weight_norm::WeightNorm::new(made, transposed)),
            };
            chain.push(i, stream, made);
        }
        chain
    }

    /// Builds one layer with `activation` fused into it.
    fn layer(&mut self, layer: &arch::Layer, activation: Option<Activation>, stream: u64) -> Box<dyn Layer> {
        match *layer {
            arch::Layer::Linear { inputs, outputs } => Box::new(linear::Linear::new(inputs, outputs, activation)),
            arch::Layer::Conv2d(geometry) => Box::new(conv::Conv::new(geometry, false, activation)),
            arch::Layer::ConvTranspose2d(geometry) => Box::new(conv::Conv::new(geometry, true, activation)),
            arch::Layer::Mixture { inputs, outputs, generators, run } => {
                Box::new(mixture::Mixture::new(inputs, outputs, generators, run))
            }
            arch::Layer::MinibatchDiscrimination { features, kernels, dims } => {
                Box::new(minibatch::MinibatchDiscrimination::new(features, kernels, dims))
            }
            arch::Layer::UnflattenBeside { maps, side, beside } => Box::new(maps::Unflatten::new(maps, side, beside)),
            arch::Layer::Unflatten { maps, side } => Box::new(maps::Unflatten::new(maps, side, 0)),
            arch::Layer::Flatten { maps, side } => Box::new(maps::Flatten::new(maps, side)),
            arch::Layer::WeightNorm { .. } | arch::Layer::SpectralNorm => {
                unreachable!("weights are normalised in the layer before")
            }
            arch::Layer::BatchNorm { features } => Box::new(batch_norm::BatchNorm::new(features, activation)),
            arch::Layer::LayerNorm { features } => Box::new(layer_norm::LayerNorm::new(features, activation)),
            arch::Layer::Maxout { pieces } => Box::new(maxout::Maxout::new(pieces)),
            arch::Layer::Dropout { rate } => Box::new(dropout::Dropout::new(rate, self.lane(stream))),
            arch::Layer::Activation(activation) => Box::new(activation),
            arch::Layer::Prelu => Box::new(prelu::Prelu),
            arch::Layer::Upsample { factor } => Box::new(resize::Upsample::new(factor)),
            arch::Layer::AvgPool { factor } => Box::new(resize::AvgPool::new(factor)),
            arch::Layer::SumPool { side, .. } => Box::new(resize::SumPool::new(side)),
            arch::Layer::Residual { ref body, ref shortcut } => {
                Box::new(residual::Residual::new(self.within(body), self.within(shortcut)))
            }
        }
    }
}

/// Returns the activation in `next` if `layer` can apply it in its own pass.
fn fused(layer: &arch::Layer, next: &arch::Layer) -> Option<Activation> {
    let able = match layer {
        arch::Layer::Linear { .. }
        | arch::Layer::Conv2d(_)
        | arch::Layer::ConvTranspose2d(_)
        | arch::Layer::BatchNorm { .. }
        | arch::Layer::LayerNorm { .. } => true,
        arch::Layer::Mixture { .. }
        | arch::Layer::MinibatchDiscrimination { .. }
        | arch::Layer::UnflattenBeside { .. }
        | arch::Layer::Unflatten { .. }
        | arch::Layer::Flatten { .. }
        | arch::Layer::WeightNorm { .. }
        | arch::Layer::SpectralNorm
        | arch::Layer::Maxout { .. }
        | arch::Layer::Dropout { .. }
        | arch::Layer::Activation(_)
        | arch::Layer::Prelu
        | arch::Layer::Upsample { .. }
        | arch::Layer::AvgPool { .. }
        | arch::Layer::SumPool { .. }
        | arch::Layer::Residual { .. } => false,
    };
    match *next {
        arch::Layer::Activation(activation) if able && activation.slope_follows_from_value() => Some(activation),
        _ => None,
    }
}
