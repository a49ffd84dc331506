//! Short descriptions of networks.

use sweep_spec::arch::Layer;

/// Returns the sizes of the hidden layers: `2×400`, or `400-200`.
pub fn hidden(layers: &[Layer]) -> String {
    let mut sizes: Vec<String> = layers.iter().filter_map(size).collect();
    sizes.pop();
    match &sizes[..] {
        [] => "linear".to_owned(),
        [first, rest @ ..] if rest.iter().all(|size| size == first) => format!("{}×{first}", sizes.len()),
        _ => sizes.join("-"),
    }
}

/// Returns the features, or maps, of a layer with weights; of a residual block, those of its end.
fn size(layer: &Layer) -> Option<String> {
    match layer {
        Layer::Linear { outputs, .. } | Layer::Mixture { outputs, .. } => Some(outputs.to_string()),
        Layer::Conv2d(geometry) | Layer::ConvTranspose2d(geometry) => Some(geometry.outputs.to_string()),
        Layer::Residual { body, .. } => body.iter().rev().find_map(size),
        Layer::MinibatchDiscrimination { .. }
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
        | Layer::SumPool { .. } => None,
    }
}
