//! Networks in a few characters.

use sweep_spec::arch::Layer;

/// The sizes of the hidden layers: `2×400`, or `400-200`.
pub(super) fn hidden(layers: &[Layer]) -> String {
    let sizes = layers.iter().filter_map(|layer| match layer {
        Layer::Linear { outputs, .. } | Layer::Mixture { outputs, .. } => Some(outputs.to_string()),
        Layer::Conv2d(geometry) | Layer::ConvTranspose2d(geometry) => Some(geometry.outputs.to_string()),
        Layer::MinibatchDiscrimination { .. }
        | Layer::Unflatten { .. }
        | Layer::UnflattenBeside { .. }
        | Layer::Flatten { .. }
        | Layer::BatchNorm { .. }
        | Layer::LayerNorm { .. }
        | Layer::WeightNorm { .. }
        | Layer::Maxout { .. }
        | Layer::Dropout { .. }
        | Layer::Activation(_) => None,
    });
    let mut sizes: Vec<String> = sizes.collect();
    sizes.pop();
    match &sizes[..] {
        [] => "linear".to_owned(),
        [first, rest @ ..] if rest.iter().all(|size| size == first) => format!("{}×{first}", sizes.len()),
        _ => sizes.join("-"),
    }
}
