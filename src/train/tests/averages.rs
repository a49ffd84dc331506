//! Moving averages of generators' weights: their values, and their use in scoring.

use super::algorithms::{RATES, boxed};
use super::papers::Algorithm;
use super::*;
use crate::checkpoint::Renamed;
use crate::generators::Generators;
use sweep_tensor::host::to_f64;
use tch::Tensor;

/// λ, and the step before which the average equals the weights; the second member has none.
const AVERAGES: [(f64, f64); 3] = [(0.9, 0.0), (0.0, 0.0), (0.75, 3.0)];

fn averaged(blueprint: &BuiltIn) -> Vec<Member> {
    let mut members = members(blueprint, 3);
    for (member, (lambda, start)) in members.iter_mut().zip(AVERAGES) {
        for (name, value) in [("ema", lambda), ("ema_start", start)] {
            if value > 0.0 {
                member.parameters.set(name, value);
            }
        }
    }
    members
}

/// A half-life of two batches means λ = √½.
#[test]
fn a_half_life_in_samples_is_a_pace_of_its_batch() {
    let mut blueprint = blueprint(Objective::D2GAN, Optimizer::Adam);
    blueprint.train.batch = 20;
    let with = |name: &str, value: f64| {
        let mut members = members(&blueprint, 2);
        members[1].parameters.set(name, value);
        let trainer = trained(&blueprint, members, exact(true), 7);
        assert_eq!(weights(&trainer, 0).1, None);
        weights(&trainer, 1).1.unwrap()
    };
    assert_eq!(with("ema_half_life", 40.0), with("ema", std::f64::consts::FRAC_1_SQRT_2));
    assert_ne!(with("ema_half_life", 40.0), with("ema_half_life", 41.0));
}

/// The game of member `k`, and its position there.
fn place(trainer: &Trainer, k: usize) -> (&crate::game::Game, usize) {
    match trainer.games.as_slice() {
        [all] => (all, k),
        each => (&each[k], 0),
    }
}

/// The trained weights and their average.
fn weights(trainer: &Trainer, k: usize) -> (Vec<f64>, Option<Vec<f64>>) {
    let (game, row) = place(trainer, k);
    let of = |flat: &Tensor| to_f64(&flat.get(row as i64));
    (of(&game.generator.net.weights), game.average(row).map(of))
}

/// θ̄ₜ = λᵗ⁻ˢ θₛ + (1 − λ) Σ λᵗ⁻ⁱ θᵢ over s < i ≤ t, for an average that begins after step s.
#[test]
fn an_average_weighs_earlier_weights_less() {
    let blueprint = blueprint(Objective::D2GAN, Optimizer::Adam);
    for fused in [false, true] {
        let members = averaged(&blueprint);
        let mut trainer = Trainer::new(&blueprint, members, real(), exact(fused));
        let mut seen: Vec<Vec<Vec<f64>>> = vec![(0..3).map(|k| weights(&trainer, k).0).collect()];
        for _ in 0..6 {
            assert_eq!(trainer.advance(1), []);
            seen.push((0..3).map(|k| weights(&trainer, k).0).collect());
            let t = seen.len() - 1;
            for (k, (lambda, start)) in AVERAGES.into_iter().enumerate() {
                let found = weights(&trainer, k).1;
                if lambda == 0.0 {
                    assert_eq!(found, None);
                    continue;
                }
                let start = (start as usize).min(t);
                let share = |i: usize| lambda.powi((t - i) as i32) * if i == start { 1.0 } else { 1.0 - lambda };
                let expected: Vec<f64> =
                    (0..seen[0][k].len()).map(|at| (start..=t).map(|i| share(i) * seen[i][k][at]).sum()).collect();
                let error = distance(&found.unwrap(), &expected);
                assert!(error < 1e-14, "fused: {fused}, member {k}, step {t}: {error}");
            }
        }
    }
}

/// With the paper's algorithm, which records all moves: λ is 0.7, or ½ for a half-life of one batch.
#[test]
fn an_average_follows_each_of_the_generators_moves() {
    let mut blueprint = boxed(Objective::Gan { saturating: false }, 1);
    blueprint.train.g_steps = 3;
    for (name, value, lambda) in [("ema", 0.7, 0.7), ("ema_half_life", f64::from(blueprint.train.batch), 0.5)] {
        let mut members = members(&blueprint, 1);
        RATES.iter().chain(&[(name, value)]).for_each(|&(name, value)| members[0].parameters.set(name, value));
        let mut trainer = Trainer::new(&blueprint, members, real(), exact(false));
        // By name, without the padding between them.
        let named = |trainer: &Trainer| -> Vec<f64> {
            let all = trainer.games[0].generator.net.named(0).into_iter();
            all.filter(|(name, _)| !name.contains("running")).flat_map(|(_, tensor)| to_f64(&tensor)).collect()
        };
        let mut expected = named(&trainer);
        let mut paper = {
            let _guard = tch::no_grad_guard();
            Algorithm::of(&mut trainer, &blueprint)
        };
        assert_eq!(trainer.advance(4), []);
        (0..4).for_each(|t| paper.step(t));
        assert_eq!(paper.seen.len(), 12);
        assert!(distance(paper.seen.last().unwrap(), &named(&trainer)) < 1e-9);
        for seen in &paper.seen {
            expected.iter_mut().zip(seen).for_each(|(mean, x)| *mean = lambda * *mean + (1.0 - lambda) * x);
        }
        let _guard = tch::no_grad_guard();
        let average = trainer.games[0].average(0).unwrap().copy();
        trainer.games[0].generator.net.weights.copy_(&average);
        let error = distance(&named(&trainer), &expected);
        assert!(error < 1e-9, "{name}: {error}");
    }
}

/// With batch normalisation, whose statistics are those of the trained generator.
#[test]
fn samples_are_of_the_average_or_of_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("generators.safetensors");
    let blueprint = blueprint(Objective::Gan { saturating: false }, Optimizer::Adam);
    for fused in [false, true] {
        let members = averaged(&blueprint);
        let mut trainer = trained(&blueprint, members.clone(), single(fused), 5);
        trainer.export_generators(&path).unwrap();
        let mut left = Generators::open(&path, &blueprint, single(fused), &Renamed::new()).unwrap();
        let noise = Stream::new(5, Purpose::Score, 3);
        for (k, member) in members.iter().enumerate() {
            let [ema, raw] = Weights::ALL.map(|weights| trainer.sample(k, weights, &noise, 300));
            assert_eq!(ema == raw, AVERAGES[k].0 == 0.0, "member {k}");
            let found = Weights::ALL.map(|weights| left.sample(member.id, weights, &noise, 300).unwrap());
            assert_eq!(found, [ema.clone(), raw], "fused: {fused}, member {k}: what training leaves");
            // As if these weights were trained.
            let (game, row) = place(&trainer, k);
            if let Some(average) = game.average(row) {
                let _guard = tch::no_grad_guard();
                let mut own = game.generator.net.weights.get(row as i64);
                let before = own.copy();
                own.copy_(&average.get(row as i64));
                assert_eq!(trainer.sample(k, Weights::Raw, &noise, 300), ema);
                own.copy_(&before);
            }
        }
        // The remaining members keep their averages.
        let before = trainer.sample(2, Weights::Ema, &noise, 30);
        trainer.retain(&[1, 2]);
        assert_eq!(trainer.sample(1, Weights::Ema, &noise, 30), before);
    }
}

/// The average has no effect on training.
#[test]
fn an_average_does_not_affect_training() {
    let blueprint = blueprint(Objective::WGAN_GP, Optimizer::Adam);
    for fused in [false, true] {
        let with = trained(&blueprint, averaged(&blueprint), single(fused), 4);
        let without = trained(&blueprint, members(&blueprint, 3), single(fused), 4);
        for k in 0..3 {
            assert_eq!(weights(&with, k).0, weights(&without, k).0);
        }
    }
}
