//! Networks that a sweep file writes out layer by layer, and checks that they fit their job.

use std::fmt;
use std::ops::Range;

use super::arch::{Layer, Misfit, Written, layers};
use super::dataset::Dataset;
use super::error::Mistakes;
use super::keys::Typed;
use super::keys::job::OBJECTIVE;
use super::keys::model::{ARCH, DISCRIMINATOR, GENERATOR, NOISE, PACK};
use super::keys::train::BATCH;
use super::objective::Critic;
use super::settings::{Place, Settings};
use super::value::{Arch, Hidden};

/// A network, layer by layer.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Written>,
    /// Where each layer stands in the file.
    places: Vec<Spot>,
}

/// Where a layer and the layers inside it stand in the file.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// A range of bytes in the file.
    pub span: Range<usize>,
    /// The layers inside it.
    pub within: Vec<Spot>,
}

impl Network {
    /// Makes a network of layers, each with its place in the file.
    pub(super) fn new(layers: Vec<(Written, Spot)>) -> Self {
        let (layers, places) = layers.into_iter().unzip();
        Network { layers, places }
    }

    /// Returns the layers in order, starting from the noise or the samples.
    pub(super) fn layers(&self) -> &[Written] {
        &self.layers
    }

    /// Returns the bytes in the file where a layer stands, if known. `at` is the layer's index; for a layer inside
    /// another, the outer index comes first.
    pub(super) fn place(&self, at: &[usize]) -> Option<&Range<usize>> {
        let (last, outer) = at.split_last()?;
        let places = outer.iter().try_fold(&self.places, |places, &at| Some(&places.get(at)?.within))?;
        places.get(*last).map(|spot| &spot.span)
    }

    /// Returns the path of that layer, to be appended to the path of its network.
    fn path(at: &[usize]) -> String {
        let steps: Vec<String> = at.iter().map(|at| format!("[{at}]")).collect();
        steps.join(".residual")
    }
}

/// The place in the file does not matter for equality.
impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        self.layers == other.layers
    }
}

/// As written in a sweep file, on one line.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers: Vec<String> = self.layers.iter().map(Written::to_string).collect();
        write!(f, "[{}]", layers.join(", "))
    }
}

impl Settings {
    /// Returns the layers that `key` writes out for samples of `dataset`, or `None` if it does not write out a network.
    pub(super) fn written(&self, key: &'static Typed<Hidden>, dataset: &Dataset) -> Option<Result<Vec<Layer>, Misfit>> {
        let Hidden::Layers(network) = self.get(key)? else { return None };
        if key.name == GENERATOR.name {
            let noise = self.get(&NOISE)? as u32;
            return Some(layers(&network.layers, noise, dataset.features() as u32, dataset.shape()));
        }
        // A pack of samples is one sample with `pack` times as many features or channels.
        let pack = self.get(&PACK)? as usize;
        let mut shape = dataset.shape().to_vec();
        shape[0] *= pack;
        let inputs = (pack * dataset.features()) as u32;
        let outputs = if self.reconstructs() { inputs } else { 1 };
        Some(layers(&network.layers, inputs, outputs, &shape))
    }

    /// Returns whether a discriminator outputs samples rather than logits.
    pub(super) fn reconstructs(&self) -> bool {
        self.objective().is_some_and(|objective| objective.declares().critic == Critic::Sample)
    }

    /// Reports mistakes in the networks that are written out.
    pub(super) fn check_written(&self, variant: &Place, mistakes: &mut Mistakes) {
        for key in [&GENERATOR, &DISCRIMINATOR] {
            let Some(Hidden::Layers(network)) = self.get(key) else { continue };
            let place = self.place(&[key.name], variant);
            if let Some(arch) = self.get(&ARCH).filter(|arch| *arch != Arch::Mlp) {
                let (arch, name) = (arch.name(), key.name);
                mistakes.advise(
                    &*place.path,
                    &place.span,
                    format!("`{arch}` has its own layers, so they cannot be written out"),
                    format!("use `arch: mlp`; if both are swept, add `when: {{{name}: {{arch: mlp}}}}`"),
                );
                continue;
            }
            let Some(dataset) = self.dataset().filter(|_| self.sound(&[NOISE.name, PACK.name, OBJECTIVE.name])) else {
                continue;
            };
            if let Some(Err(Misfit { at, message, help })) = self.written(key, &dataset) {
                let span = network.place(&at).unwrap_or(&place.span);
                mistakes.advise(format!("{}{}", place.path, Network::path(&at)), span, message, help);
            }
            let one = self.get(&BATCH) == Some(1);
            let normed = |layer: &Written| layer.any(&|layer| *layer == Written::BatchNorm);
            let norm = network.layers.iter().position(normed);
            if let Some(at) = norm.filter(|_| one) {
                let span = network.place(&[at]).unwrap_or(&place.span);
                mistakes.add(format!("{}[{at}]", place.path), span, "a batch of 1 cannot be normalised");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::expand::Expansion;
    use crate::job::Job;
    use crate::sweep::Sweep;

    fn expand(rest: &str) -> Result<Expansion, String> {
        let text = format!("sweep: s\nobjective: gan\ntrain: {{steps: 10}}\n{rest}\n");
        Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).map_err(|errors| errors.to_string())
    }

    fn job(rest: &str) -> Job {
        expand(rest).unwrap_or_else(|error| panic!("{error}")).entries[0].job.clone()
    }

    #[test]
    fn the_same_network_is_the_same_job_however_it_is_written() {
        let sizes = job("dataset: gaussians\nmodel: {generator: [8], discriminator: [4], generator_norm: batch}");
        let layers = "dataset: gaussians\nmodel: {generator: [{linear: 8}, batch_norm, relu, {linear: 2}], \
                      discriminator: [{linear: 4}, leaky_relu, {linear: 1}]";
        assert_eq!(job(&format!("{layers}}}")).id(), sizes.id());
        // A written-out network is complete, so these settings have no effect.
        let rest = ", output: tanh, generator_norm: none, discriminator_norm: batch, generator_activation: tanh, \
            dropout: 0.5}";
        assert_eq!(job(&format!("{layers}{rest}")).id(), sizes.id());

        let dcgan = job("dataset: mnist\nmodel: {arch: dcgan, width: 8, kernel: 4}");
        let written = "dataset: mnist
model:
  generator: [{linear: 512}, {unflatten: [32, 4]}, batch_norm, relu,
    {conv_transpose: {maps: 16, kernel: 4, stride: 2, side: 7}}, batch_norm, relu,
    {conv_transpose: {maps: 8, kernel: 4, stride: 2}}, batch_norm, relu,
    {conv_transpose: {maps: 1, kernel: 4, stride: 2}}, flatten, tanh]
  discriminator: [unflatten, {conv: {maps: 8, kernel: 4, stride: 2}}, leaky_relu,
    {conv: {maps: 16, kernel: 4, stride: 2}}, batch_norm, leaky_relu,
    {conv: {maps: 32, kernel: 4, stride: 2}}, batch_norm, leaky_relu, flatten, {linear: 1}]";
        assert_eq!(job(written).blueprint.built_in().unwrap().model, dcgan.blueprint.built_in().unwrap().model);
    }

    #[test]
    fn networks_are_swept_and_compared_like_other_values() {
        let rest = "dataset: gaussians
grid: {discriminator: [[16], [{linear: 10}, {maxout: 2}, {linear: 1}]], dropout: [0, 0.5]}
exclude: [{discriminator: [16], dropout: 0.5}]";
        let expansion = expand(rest).unwrap();
        let axes: Vec<String> = expansion.entries.iter().map(|entry| format!("{:?}", entry.axes)).collect();
        // Dropout is not part of a written-out network.
        assert_eq!(
            axes,
            [
                r#"[("discriminator", "[16]"), ("dropout", "0")]"#,
                r#"[("discriminator", "[{linear: 10}, {maxout: 2}, {linear: 1}]")]"#
            ]
        );
        let conditions = "exclude: ['discriminator == [{linear: 10}, {maxout: 2}, {linear: 1}]']";
        let points = |conditions: &str| {
            let grid = "grid: {discriminator: [[16], [{linear: 10}, {maxout: 2}, {linear: 1}]]}";
            expand(&format!("dataset: gaussians\n{grid}\n{conditions}")).unwrap().entries.len()
        };
        assert_eq!((points(""), points(conditions)), (2, 1));
        assert_eq!(points("exclude: [{discriminator: [[16], [{linear: 10}, {maxout: 2}, {linear: 1}]], lr: 1}]"), 2);

        let both = "dataset: mnist
grid: {arch: [mlp, dcgan], generator: [[{linear: 784}]]}";
        assert!(expand(both).unwrap_err().contains("add `when: {generator: {arch: mlp}}`"));
        assert_eq!(expand(&format!("{both}\nwhen: {{generator: {{arch: mlp}}}}")).unwrap().entries.len(), 2);
    }

    #[test]
    fn uniform_noise_beside_normal_codes_is_a_warning() {
        for (objective, distribution, doubted) in
            [("ali", "uniform", true), ("ali", "normal", false), ("reg_gan", "uniform", false)]
        {
            let rest = format!("dataset: mnist\nobjective: {objective}\nmodel: {{noise_distribution: {distribution}}}");
            let text = format!("sweep: s\ntrain: {{steps: 10}}\n{rest}\n");
            let warnings = Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap().warnings;
            assert_eq!(warnings.iter().any(|warning| warning.contains("give them away")), doubted, "{rest}");
        }
    }

    #[test]
    fn a_penalty_of_samples_that_are_normalised_together_is_a_warning() {
        let warnings = |rest: &str| {
            let text = format!("sweep: s\ndataset: mnist\nobjective: dragan\ntrain: {{steps: 10}}\n{rest}\n");
            Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap().warnings.join("\n")
        };
        for together in [
            "model: {arch: dcgan, discriminator_norm: batch}",
            "model: {discriminator: [{linear: 9}, batch_norm, {linear: 1}]}",
        ] {
            assert!(warnings(together).contains("a gradient penalty treats each sample separately"), "{together}");
        }
        for apart in ["model: {arch: dcgan}", "model: {arch: dcgan, discriminator_norm: layer, generator_norm: batch}"]
        {
            assert!(!warnings(apart).contains("gradient penalty"), "{apart}");
        }
    }

    #[test]
    fn what_does_not_fit_its_job_is_shown_where_it_stands() {
        let text = "dataset: mnist\nmodel: \
            {generator: [{linear: 700}, tanh], discriminator: [{linear: 9}, batch_norm, {linear: 2}]}\n\
            variants: [{name: a, train: {batch: 1}}, \
            {name: b, dataset: gaussians, model: {generator: [unflatten, {linear: 2}]}}]";
        let error = expand(text).unwrap_err();
        for expected in [
            "f:5:36: model.generator[1]: the network outputs 700 features, but must output 784 features (end with \
            `{linear: 784}`)",
            "f:5:84: model.discriminator[2]: the network outputs 2 features, but must output 1 feature",
            "f:5:72: model.discriminator[1]: a batch of 1 cannot be normalised",
            "variants[1].model.generator[0]: `unflatten` uses the shape of a sample, but 2 is not a square image",
        ] {
            assert!(error.contains(expected), "{expected}\nis not in\n{error}");
        }
    }
}
