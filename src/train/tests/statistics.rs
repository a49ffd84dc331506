//! The running statistics of batch normalisation, which sampling uses: they must match the samples.

use super::*;
use crate::net::Tape;
use crate::nn::Pass;
use sweep_tensor::host::to_f64;
use tch::Tensor;

/// Networks with batch normalisation in all players, and an encoder whose codes are distributed differently from noise.
struct Normed;

fn normed(inputs: u32, outputs: u32) -> Vec<Layer> {
    let hidden = [Layer::BatchNorm { features: 16 }, Layer::Activation(Activation::Relu)];
    [vec![linear(inputs, 16)], hidden.to_vec(), vec![linear(16, outputs)]].concat()
}

impl Architecture for Normed {
    fn generator(&self) -> Vec<Layer> {
        normed(6, 2)
    }

    fn discriminator(&self, pack: u32) -> Vec<Layer> {
        normed(2 * pack, 1)
    }

    fn autoencoder(&self, pack: u32) -> Vec<Layer> {
        normed(2 * pack, 2 * pack)
    }

    fn encoder(&self, outputs: u32) -> Vec<Layer> {
        normed(2, outputs)
    }

    fn denoiser(&self, features: u32) -> Vec<Layer> {
        normed(features, features)
    }
}

/// The Fréchet distance of points `[N, 2]` to a standard normal, assuming independent coordinates.
fn score(points: &[f64]) -> f64 {
    let n = points.len() as f64 / 2.0;
    let of = |axis: usize| {
        let values = || points.iter().skip(axis).step_by(2);
        let mean = values().sum::<f64>() / n;
        let std = (values().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        mean.powi(2) + (std - 1.0).powi(2)
    };
    of(0) + of(1)
}

/// For every objective, samples with running statistics score the same as samples with the statistics of fresh batches
/// of noise.
#[test]
fn running_statistics_match_the_samples() {
    const SAMPLES: usize = 6000;
    const BATCH: i64 = 120;
    let more = [Objective::ImprovedGan { feature_matching: true }];
    for objective in Objective::ALL.into_iter().chain(more) {
        let mut blueprint = blueprint(objective, Optimizer::Adam);
        blueprint.model = adapted(&Normed, blueprint.objective, 1, 0.3);
        blueprint.train.batch = BATCH as u32;
        let mut members = members(&blueprint, 1);
        members[0].parameters.set("lr_generator", 3e-4);
        let trainer = trained(&blueprint, members, single(false), 60);

        let noise = Stream::new(1, Purpose::Score, 0);
        let running: Vec<f64> = trainer.sample(0, Weights::Ema, &noise, SAMPLES).into_iter().map(f64::from).collect();
        let net = &trainer.games[0].generator.net;
        let mut values = vec![0.0f32; SAMPLES * 6];
        noise.fill_normal(&mut values);
        let _guard = tch::no_grad_guard();
        let batches = Tensor::from_slice(&values).view([-1, BATCH, 6]);
        let pass = Pass { training: true, groups: 1, untracked: &[0], draw: 0, seeds: &[1] };
        let fresh = (0..batches.size()[0])
            .flat_map(|batch| to_f64(&net.forward(&batches.get(batch), &pass, &mut Tape::default())));
        let fresh: Vec<f64> = fresh.collect();
        assert!(!same(&running, &fresh), "{objective:?}: there is batch normalisation");
        let (running, fresh) = (score(&running), score(&fresh));
        let error = (running - fresh).abs();
        assert!(error < 0.02 + 0.05 * fresh, "{objective:?}: {running} against {fresh}");
    }
}
