//! Exams: properties that an objective must have if it matches its paper.

use super::*;
use sweep_spec::objective::Critic;
use sweep_tensor::host::to_f64;

/// With a fixed generator, D1 tends to α p/q and D2 to β q/p (D2GAN's proposition 1). Here p = N(0, 1) and q = N(δ, 1)
/// in each of two coordinates, so log p/q is linear in x.
#[test]
fn d2gan_discriminators_tend_to_their_optimum() {
    let (alpha, beta, shift) = (0.3, 0.6, 0.5);
    let mut blueprint = blueprint(Objective::D2GAN, Optimizer::Adam);
    let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
    blueprint.model.noise = 2;
    blueprint.model.init = Init::Normal { std: 0.1 };
    blueprint.model.generator = vec![linear(2, 2)];
    blueprint.model.discriminator =
        vec![linear(2, 32), Layer::Activation(Activation::LeakyRelu { slope: 0.2 }), linear(32, 1)];
    blueprint.train.batch = 1024;
    blueprint.train.d_steps = 1;
    let mut members = members(&blueprint, 1);
    for (parameter, value) in [
        ("alpha", alpha),
        ("beta", beta),
        ("lr_generator", 0.0),
        ("lr_discriminator", 3e-3),
        ("adam_beta1", 0.9),
        ("adam_beta2", 0.999),
    ] {
        members[0].parameters.set(parameter, value);
    }
    let mut trainer = Trainer::new(&blueprint, members, real(), single(false));
    {
        let _guard = tch::no_grad_guard();
        let named = trainer.games[0].generator.net.named(0);
        named[0].1.shallow_clone().copy_(&tch::Tensor::eye(2, (Kind::Float, Device::Cpu)));
        let _ = named[1].1.shallow_clone().fill_(shift);
    }
    assert_eq!(trainer.advance(1500), []);

    let points: Vec<f32> = [[0.0, 0.0], [0.25, 0.25], [0.5, 0.5], [1.0, 0.0], [-0.5, 0.5], [0.8, 0.8]].concat();
    let x = tch::Tensor::from_slice(&points).view([-1, 2]);
    let d = |i: usize| to_f64(&trainer.games[0].discriminators[i].net.evaluate(0, &x).softplus());
    for ((point, d1), d2) in points.chunks(2).zip(d(0)).zip(d(1)) {
        let sum = f64::from(point[0] + point[1]);
        let ratio = (shift * shift - shift * sum).exp();
        assert!((d1 / (alpha * ratio) - 1.0).abs() < 0.15, "D1 at {point:?}: {d1} against {}", alpha * ratio);
        assert!((d2 / (beta / ratio) - 1.0).abs() < 0.15, "D2 at {point:?}: {d2} against {}", beta / ratio);
    }
}

/// With a fixed generator, D tends to p/(p + q), so its logit tends to log p/q (Goodfellow et al. 2014, proposition 1).
#[test]
fn gan_discriminator_tends_to_its_optimum() {
    let shift = 0.5;
    let mut blueprint = blueprint(Objective::Gan { saturating: false }, Optimizer::Adam);
    blueprint.model.noise = 2;
    blueprint.model.generator = vec![Layer::Linear { inputs: 2, outputs: 2 }];
    blueprint.model.discriminator = vec![Layer::Linear { inputs: 2, outputs: 1 }];
    blueprint.train.batch = 1024;
    let mut members = members(&blueprint, 1);
    members[0].parameters.set("lr_generator", 0.0);
    members[0].parameters.set("lr_discriminator", 3e-3);
    let mut trainer = Trainer::new(&blueprint, members, real(), single(false));
    {
        let _guard = tch::no_grad_guard();
        let named = trainer.games[0].generator.net.named(0);
        named[0].1.shallow_clone().copy_(&tch::Tensor::eye(2, (Kind::Float, Device::Cpu)));
        let _ = named[1].1.shallow_clone().fill_(shift);
    }
    assert_eq!(trainer.advance(600), []);
    let named = trainer.games[0].discriminators[0].net.named(0);
    let (w, b) = (to_f64(&named[0].1), to_f64(&named[1].1));
    for (found, expected) in w.iter().chain(&b).zip([-shift, -shift, shift * shift]) {
        assert!((found - expected).abs() < 0.06, "{w:?} {b:?}");
    }
}

/// The losses by name, from one step of a known generator and discriminator: checks every sign and weight of the
/// formulas.
#[test]
fn losses_are_the_formulas_of_the_papers() {
    for objective in Objective::ALL.into_iter().chain([Objective::Gan { saturating: true }]) {
        // Objectives with more players, or more outputs than a logit: tests/players.rs.
        let declared = objective.declares();
        let special = declared.critic != Critic::Logit || declared.minibatch;
        if special || declared.encoder.is_some() || declared.denoiser {
            continue;
        }
        let mut blueprint = blueprint(objective, Optimizer::Sgd);
        blueprint.model.noise = 2;
        blueprint.model.generator = vec![Layer::Linear { inputs: 2, outputs: 2 }];
        blueprint.model.discriminator = vec![Layer::Linear { inputs: 2, outputs: 1 }];
        blueprint.train.d_steps = 1;
        let mut members = members(&blueprint, 1);
        members[0].parameters.set("lr_generator", 0.0);
        members[0].parameters.set("lr_discriminator", 0.0);
        members[0].parameters.set("clip", 1e3);
        let parameters = members[0].parameters.clone();
        let parameter = |parameter| parameters.number(parameter).unwrap();
        let (alpha, beta) = (parameter("alpha"), parameter("beta"));
        let seed = members[0].seed;
        let mut trainer = Trainer::new(&blueprint, members, real(), exact(false));
        let affine = |named: &[(String, tch::Tensor)], x: &[f64]| -> Vec<f64> {
            let (w, b) = (to_f64(&named[0].1), to_f64(&named[1].1));
            w.chunks(2).zip(b).map(|(w, b)| w[0] * x[0] + w[1] * x[1] + b).collect()
        };
        let generator = trainer.games[0].generator.net.named(0);
        let discriminators: Vec<_> = trainer.games[0].discriminators.iter().map(|d| d.net.named(0)).collect();
        let stream = |purpose, index| -> Vec<f64> {
            let mut out = vec![0.0f32; 64];
            Stream::new(seed, purpose, index).fill_normal(&mut out);
            out.into_iter().map(f64::from).collect()
        };
        let logits = |d: usize, points: &[Vec<f64>]| -> Vec<f64> {
            points.iter().map(|x| affine(&discriminators[d], x)[0]).collect()
        };
        let points = |flat: Vec<f64>| flat.chunks(2).map(<[f64]>::to_vec).collect::<Vec<_>>();
        let fake =
            |draw| points(stream(Purpose::Noise, draw)).iter().map(|z| affine(&generator, z)).collect::<Vec<_>>();
        let (real, fake_d, fake_g) = (points(stream(Purpose::Data, 0)), fake(0), fake(1));
        let mean =
            |values: Vec<f64>, f: &dyn Fn(f64) -> f64| values.iter().map(|&v| f(v)).sum::<f64>() / values.len() as f64;
        let sp = |x: f64| x.exp().ln_1p();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        // The slope of D equals its weight everywhere.
        let slope = to_f64(&discriminators[0][0].1).iter().map(|w| w * w).sum::<f64>().sqrt();
        let (weight, power) = (parameter("gradient_penalty"), parameter("penalty_power"));
        let margin = parameter("margin");
        let penalty = match objective {
            Objective::WGAN_GP | Objective::DRAGAN => weight * (slope - 1.0).powi(2),
            Objective::WGAN_DIV => weight / 2.0 * (slope.powf(power) + slope.powf(power)),
            _ => 0.0,
        };
        let (d_loss, g_loss) = match objective {
            Objective::Gan { saturating } => (
                -mean(logits(0, &real), &|d| sigmoid(d).ln()) - mean(logits(0, &fake_d), &|d| (1.0 - sigmoid(d)).ln()),
                match saturating {
                    false => -mean(logits(0, &fake_g), &|d| sigmoid(d).ln()),
                    true => mean(logits(0, &fake_g), &|d| (1.0 - sigmoid(d)).ln()),
                },
            ),
            Objective::LSGAN => (
                0.5 * (mean(logits(0, &real), &|d| (d - 1.0).powi(2)) + mean(logits(0, &fake_d), &|d| d * d)),
                0.5 * mean(logits(0, &fake_g), &|d| (d - 1.0).powi(2)),
            ),
            Objective::WGAN | Objective::WGAN_GP | Objective::WGAN_DIV => (
                mean(logits(0, &fake_d), &|d| d) - mean(logits(0, &real), &|d| d) + penalty,
                -mean(logits(0, &fake_g), &|d| d),
            ),
            Objective::Unrolled { .. } => (
                -mean(logits(0, &real), &|d| sigmoid(d).ln()) - mean(logits(0, &fake_d), &|d| (1.0 - sigmoid(d)).ln()),
                // Nothing moves, so looking ahead changes nothing.
                mean(logits(0, &real), &|d| sigmoid(d).ln()) + mean(logits(0, &fake_g), &|d| (1.0 - sigmoid(d)).ln()),
            ),
            Objective::DRAGAN => (
                -mean(logits(0, &real), &|d| sigmoid(d).ln()) - mean(logits(0, &fake_d), &|d| (1.0 - sigmoid(d)).ln())
                    + penalty,
                -mean(logits(0, &fake_g), &|d| sigmoid(d).ln()),
            ),
            Objective::BGAN => (
                -mean(logits(0, &real), &|d| sigmoid(d).ln()) - mean(logits(0, &fake_d), &|d| (1.0 - sigmoid(d)).ln()),
                0.5 * mean(logits(0, &fake_g), &|d| (sigmoid(d).ln() - (1.0 - sigmoid(d)).ln()).powi(2)),
            ),
            Objective::HINGE => (
                mean(logits(0, &real), &|d| (margin - d).max(0.0))
                    + mean(logits(0, &fake_d), &|d| (margin + d).max(0.0)),
                -mean(logits(0, &fake_g), &|d| d),
            ),
            Objective::RPGAN | Objective::RAGAN => {
                let minus = |a: Vec<f64>, b: Vec<f64>| a.into_iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
                let centred = |a: Vec<f64>, b: Vec<f64>| {
                    let of_others = mean(b, &|d| d);
                    a.into_iter().map(|a| a - of_others).collect::<Vec<_>>()
                };
                let loss = |winner: &[Vec<f64>], loser: &[Vec<f64>]| match objective {
                    Objective::RPGAN => mean(minus(logits(0, loser), logits(0, winner)), &sp),
                    _ => {
                        let above = mean(centred(logits(0, winner), logits(0, loser)), &|d| sp(-d));
                        (above + mean(centred(logits(0, loser), logits(0, winner)), &sp)) / 2.0
                    }
                };
                (loss(&real, &fake_d), loss(&fake_g, &real))
            }
            Objective::RegGan
            | Objective::Mdgan
            | Objective::Dfm
            | Objective::D2ganDfm
            | Objective::ImprovedGan { .. }
            | Objective::Began
            | Objective::Magan { .. }
            | Objective::Ali
            | Objective::Veegan
            | Objective::Mgan { .. }
            | Objective::Formula(_) => unreachable!("left out above"),
            Objective::D2GAN => (
                -(alpha * mean(logits(0, &real), &|d| sp(d).ln())
                    - mean(logits(0, &fake_d), &sp)
                    - mean(logits(1, &real), &sp)
                    + beta * mean(logits(1, &fake_d), &|d| sp(d).ln())),
                -mean(logits(0, &fake_g), &sp) + beta * mean(logits(1, &fake_g), &|d| sp(d).ln()),
            ),
            Objective::Game(_) => panic!("{objective:?} has no exam"),
        };
        let losses = crate::objectives::step(objective, &mut trainer.games[0], 0);
        let (d, g) = (to_f64(&losses.discriminator.tensor())[0], to_f64(&losses.generator.tensor())[0]);
        assert!((d - d_loss).abs() < 1e-9, "{objective:?}: {d} against {d_loss}");
        assert!((g - g_loss).abs() < 1e-9, "{objective:?}: {g} against {g_loss}");
    }
}

/// The critic's weights, including biases, stay in the box of algorithm 1, even in a large step.
#[test]
fn wgan_clips_each_members_critic_to_its_own_bound() {
    let mut blueprint = blueprint(Objective::WGAN, Optimizer::Rmsprop);
    blueprint.train.d_steps = 5;
    let mut members = members(&blueprint, 2);
    members[1].parameters.set("clip", 0.01);
    members.iter_mut().for_each(|member| member.parameters.set("lr_discriminator", 0.1));
    for fused in [false, true] {
        let mut trainer = trained(&blueprint, members.clone(), single(fused), 3);
        for (k, member) in members.iter().enumerate() {
            let (game, row) = if fused { (&mut trainer.games[0], k) } else { (&mut trainer.games[k], 0) };
            let weights = to_f64(&game.discriminators[0].net.weights.get(row as i64));
            let largest = weights.iter().fold(0.0f64, |max, weight| max.max(weight.abs()));
            let bound = member.parameters.number("clip").unwrap();
            assert!((largest - bound).abs() < 1e-7, "fused: {fused}, member {k}: {largest} against {bound}");
        }
    }
}

/// The bilinear game f = t·d, which the discriminator ascends with SGD at rate η: the slope of the generator's
/// surrogate is d + 2kηt. Without differentiating through the moves, it would be d + kηt.
#[test]
fn an_unrolled_generator_differentiates_through_the_discriminators_moves() {
    let (rate, ahead) = (0.1, 3);
    let mut blueprint = blueprint(Objective::Unrolled { steps: ahead }, Optimizer::Sgd);
    // G(z) = t, its bias; D(x) = d·x plus a bias that cancels in f.
    blueprint.model.generator = vec![Layer::Linear { inputs: 6, outputs: 2 }];
    blueprint.model.discriminator = vec![Layer::Linear { inputs: 2, outputs: 1 }];
    let mut members = members(&blueprint, 2);
    for member in &mut members {
        member.parameters.set("lr_generator", 1.0);
        member.parameters.set("lr_discriminator", rate);
        member.parameters.set("momentum", 0.0);
    }
    for fused in [false, true] {
        let _guard = tch::no_grad_guard();
        let mut trainer = Trainer::new(&blueprint, members.clone(), real(), exact(fused));
        for game in &mut trainer.games {
            for k in 0..game.members().len() as i64 {
                let generator = game.generator.net.named(k);
                let _ = generator[0].1.shallow_clone().zero_();
                generator[1].1.shallow_clone().copy_(&tch::Tensor::from_slice(&[0.5, -2.0]));
                let discriminator = game.discriminators[0].net.named(k);
                discriminator[0].1.shallow_clone().copy_(&tch::Tensor::from_slice(&[0.3, 0.7]));
            }
            let wasserstein = Objective::WGAN.rules().unwrap();
            // The discriminators descend −f.
            let loss = game.discriminators_loss(&wasserstein.generator);
            game.move_generator_unrolled(0, ahead, &loss);
            for k in 0..game.members().len() as i64 {
                let t = to_f64(&game.generator.net.named(k)[1].1);
                for ((t, before), d) in t.iter().zip([0.5, -2.0]).zip([0.3, 0.7]) {
                    let expected = d + 2.0 * f64::from(ahead) * rate * before;
                    assert!((before - t - expected).abs() < 1e-12, "fused: {fused}: {} against {expected}", before - t);
                }
                let d = to_f64(&game.discriminators[0].net.named(k)[0].1);
                assert_eq!(d, [0.3, 0.7], "looking ahead moves nothing");
            }
        }
    }
}
