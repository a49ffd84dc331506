//! The distribution of noise.

use super::*;
use sweep_tensor::host::to_f64;

/// A generator that returns its noise.
fn transparent(distribution: NoiseDistribution) -> BuiltIn {
    let mut blueprint = blueprint(Objective::Gan { saturating: false }, Optimizer::Sgd);
    blueprint.model.noise = 2;
    blueprint.model.noise_distribution = distribution;
    blueprint.model.generator = vec![Layer::Linear { inputs: 2, outputs: 2 }];
    blueprint
}

#[test]
fn noise_is_drawn_as_the_model_says() {
    for (distribution, variance, bounded) in
        [(NoiseDistribution::Normal, 1.0, false), (NoiseDistribution::Uniform, 1.0 / 3.0, true)]
    {
        let blueprint = transparent(distribution);
        for fused in [false, true] {
            let mut trainer = Trainer::new(&blueprint, members(&blueprint, 2), real(), exact(fused));
            for game in &mut trainer.games {
                for k in 0..game.members().len() as i64 {
                    let weight = &game.generator.net.named(k)[0].1;
                    weight.shallow_clone().copy_(&tch::Tensor::eye(2, (Kind::Double, Device::Cpu)));
                }
            }
            let samples = trainer.sample(1, Weights::Ema, &Stream::new(1, Purpose::Score, 3), 10_000);
            let found = samples.iter().map(|x| f64::from(x * x)).sum::<f64>() / samples.len() as f64;
            assert!((found / variance - 1.0).abs() < 0.05, "{distribution:?} fused {fused}: variance {found}");
            assert_eq!(samples.iter().all(|x| (-1.0..1.0).contains(x)), bounded);
            assert!(samples.iter().sum::<f32>().abs() / (samples.len() as f32) < 0.04);
        }
    }
}

#[test]
fn training_draws_from_the_distribution_too() {
    let weights = |distribution| {
        let blueprint = transparent(distribution);
        let trainer = trained(&blueprint, members(&blueprint, 1), exact(false), 1);
        to_f64(&trainer.games[0].generator.net.weights)
    };
    assert!(!same(&weights(NoiseDistribution::Normal), &weights(NoiseDistribution::Uniform)));
}
