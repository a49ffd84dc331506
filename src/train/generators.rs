//! Trained generators, without the rest of their games.

use std::path::{Path, PathBuf};

use tch::Tensor;

use super::checkpoint::{Renamed, by_names_of_today};
use super::error::CheckpointError;
use super::net::{Net, Setup};
use sweep_numerics::random::Stream;
use sweep_spec::arch::NoiseDistribution;
use sweep_spec::blueprint::BuiltIn;
use sweep_spec::id::JobId;
use sweep_spec::moves::Weights;
use sweep_tensor::file::{self, Named};
use sweep_tensor::host;

/// Prefix of the names of the trained weights, if the plain names hold their average.
pub(super) const RAW: &str = "raw";

/// The saved generators of a cohort, as written by [`Trainer::export_generators`].
///
/// [`Trainer::export_generators`]: super::trainer::Trainer::export_generators
pub struct Generators {
    path: PathBuf,
    tensors: Named,
    /// Holds the weights of one job at a time.
    net: Net,
    noise: i64,
    distribution: NoiseDistribution,
    setup: Setup,
}

impl Generators {
    /// Opens the file at `path` with generators of jobs of `blueprint`. `renamed`: current ids of jobs that have older
    /// ids in the file.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is damaged.
    pub fn open(path: &Path, blueprint: &BuiltIn, setup: Setup, renamed: &Renamed) -> Result<Self, CheckpointError> {
        let _guard = tch::no_grad_guard();
        let model = &blueprint.model;
        Ok(Generators {
            path: path.to_owned(),
            tensors: by_names_of_today(file::read(path).map_err(CheckpointError::at(path))?.tensors, renamed),
            net: Net::new(&model.generator, model.init, 0, &[0], setup),
            noise: model.noise.into(),
            distribution: model.noise_distribution,
            setup,
        })
    }

    /// Returns `n` samples of `job` in evaluation mode, with these `weights`, from the noise of `stream`: row-major
    /// `[n, features]`, the same as those of its trainer.
    ///
    /// # Errors
    ///
    /// If its weights are not in the file, or don't fit the blueprint.
    pub fn sample(
        &mut self,
        job: JobId,
        weights: Weights,
        stream: &Stream,
        n: usize,
    ) -> Result<Vec<f32>, CheckpointError> {
        let noise = noise(self.distribution, stream, n * self.noise as usize);
        self.evaluate(job, weights, &noise)
    }

    /// Returns the samples that `job` makes of `noise` (row-major `[n, values]`) in evaluation mode, with these
    /// `weights`: row-major `[n, features]`.
    ///
    /// # Errors
    ///
    /// If its weights are not in the file, or don't fit the blueprint.
    pub fn evaluate(&mut self, job: JobId, weights: Weights, noise: &[f32]) -> Result<Vec<f32>, CheckpointError> {
        let _guard = tch::no_grad_guard();
        let unusable = |message: String| CheckpointError::Unusable { path: self.path.clone(), message };
        for (name, mut tensor) in self.net.named(0) {
            // A job without an average has its weights under the plain name only.
            let raw = (weights == Weights::Raw).then(|| self.tensors.get(&format!("{job}.{RAW}.{name}"))).flatten();
            let name = format!("{job}.{name}");
            let usual = || self.tensors.get(&name).ok_or_else(|| unusable(format!("has no tensor `{name}`")));
            let found = raw.map_or_else(usual, Ok)?;
            if found.size() != tensor.size() || found.kind() != tensor.kind() {
                return Err(unusable(format!("`{name}` is {found:?}, expected {tensor:?}")));
            }
            tensor.copy_(&found.to_device(tensor.device()));
        }
        Ok(samples(noise, self.noise, self.setup, |z| self.net.evaluate(0, z)))
    }
}

/// `values` values of noise from `stream`.
pub fn noise(distribution: NoiseDistribution, stream: &Stream, values: usize) -> Vec<f32> {
    let mut noise = vec![0.0; values];
    fill_noise(distribution, stream, &mut noise);
    noise
}

/// Fills `out` with noise from `stream`.
pub(super) fn fill_noise(distribution: NoiseDistribution, stream: &Stream, out: &mut [f32]) {
    match distribution {
        NoiseDistribution::Normal => stream.fill_normal(out),
        NoiseDistribution::Uniform => stream.fill_symmetric(out),
    }
}

/// Applies `generator` to `noise`, row-major with `values` values a sample. Returns samples, row-major `[n, features]`.
pub(super) fn samples(noise: &[f32], values: i64, setup: Setup, generator: impl Fn(&Tensor) -> Tensor) -> Vec<f32> {
    /// Bounds the memory for activations.
    const CHUNK: i64 = 1000;
    let noise = Tensor::from_slice(noise).view([-1, values]).to_device(setup.device).to_kind(setup.kind);
    noise.split(CHUNK, 0).into_iter().flat_map(|z| host::to_f32(&generator(&z))).collect()
}
