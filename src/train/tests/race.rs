//! sweep and the programs that scripts/bench compares it with compute the same: equal losses, step by step, from the
//! same weights, batches and noise.

use std::fs;
use std::path::Path;

use super::*;
use crate::objectives;
use serde::Deserialize;
use sweep_spec::sweep::Sweep;
use sweep_tensor::host::to_f64;

/// A case of tests/fixtures/race.json, which scripts/bench/golden makes with PyTorch in float64.
#[derive(Deserialize)]
struct Case {
    name: String,
    arch: String,
    shape: Vec<usize>,
    noise: u32,
    generator: Vec<u32>,
    discriminator: Vec<u32>,
    width: u32,
    std: f64,
    batch: u32,
    alpha: Vec<f64>,
    beta: Vec<f64>,
    lr: f64,
    betas: [f64; 2],
    seeds: Vec<u64>,
    /// By member, then by step: losses of the discriminators together, and of the generator.
    losses: Vec<Vec<[f64; 2]>>,
}

impl Case {
    fn trainer(&self) -> Trainer {
        let dataset = if self.shape == [2] { "gaussians" } else { "mnist" };
        let Case { arch, noise, generator, discriminator, width, std, batch, lr, betas, .. } = self;
        let sizes = match arch.as_str() {
            "mlp" => format!("generator: {generator:?}, discriminator: {discriminator:?}"),
            _ => format!("width: {width}, generator_norm: batch, discriminator_norm: batch"),
        };
        let text = format!(
            "sweep: race\ndataset: {dataset}\nobjective: d2gan\nalpha: 1\nbeta: 1\n\
             model: {{arch: {arch}, noise: {noise}, init: {{normal: {std}}}, {sizes},\n\
             \x20 generator_activation: relu, discriminator_activation: leaky_relu}}\n\
             train: {{steps: 10, batch: {batch}, lr: {lr}, adam_betas: {betas:?}}}\n"
        );
        let expansion = Sweep::parse("race", &text).and_then(|sweep| sweep.expand()).unwrap();
        let job = &expansion.entries[0].job;
        let member = |k: usize| {
            let mut parameters = job.parameters.clone();
            parameters.set("alpha", self.alpha[k]);
            parameters.set("beta", self.beta[k]);
            Member { id: job.id(), parameters, seed: self.seeds[k] }
        };
        let members = (0..self.seeds.len()).map(member).collect();
        Trainer::new(job.blueprint.built_in().unwrap(), members, real(), single(false))
    }
}

#[test]
fn the_race_is_between_equals() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/race.json");
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["points", "images", "maps"]);
    for case in cases {
        let _guard = tch::no_grad_guard();
        let mut trainer = case.trainer();
        for (game, losses) in trainer.games.iter_mut().zip(&case.losses) {
            for (step, expected) in losses.iter().enumerate() {
                let found = objectives::step(Objective::D2GAN, game, step as u64);
                for (found, expected) in [found.discriminator, found.generator].into_iter().zip(expected) {
                    let found = to_f64(&found.tensor())[0];
                    assert!(
                        (found - expected).abs() < 1e-5 * expected.abs(),
                        "{}, step {step}: {found} against {expected}",
                        case.name
                    );
                }
            }
        }
    }
}
