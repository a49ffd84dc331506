//! Exams of objectives with more players, or with more outputs than a logit.

use super::*;
use crate::game::Role;
use crate::loss::PerMember;
use crate::objectives;
use sweep_spec::objective::Critic;
use sweep_tensor::host::to_f64;
use tch::Tensor;

/// Small smooth networks that are the same in training and evaluation.
struct Smooth;

const TANH: Layer = Layer::Activation(Activation::Tanh);

impl Architecture for Smooth {
    fn generator(&self) -> Vec<Layer> {
        vec![linear(2, 4), TANH, linear(4, 2)]
    }

    fn discriminator(&self, pack: u32) -> Vec<Layer> {
        vec![linear(2 * pack, 3), TANH, linear(3, 1)]
    }

    fn autoencoder(&self, pack: u32) -> Vec<Layer> {
        vec![linear(2 * pack, 1), TANH, linear(1, 2 * pack)]
    }

    fn encoder(&self, outputs: u32) -> Vec<Layer> {
        vec![linear(2, 4), TANH, linear(4, outputs)]
    }

    fn denoiser(&self, features: u32) -> Vec<Layer> {
        vec![linear(features, features)]
    }
}

const N: i64 = 30;

/// A game of one member with these learning rates, with plain gradient descent.
fn game(objective: Objective, lr_generator: f64, lr_discriminator: f64) -> Trainer {
    let objective = match objective {
        Objective::Mgan { .. } => Objective::Mgan { generators: 3 },
        other => other,
    };
    let mut blueprint = blueprint(objective, Optimizer::Sgd);
    let noise = (2, NoiseDistribution::Normal);
    let wanted = Wanted::of(objective, 1, [3, 2]);
    blueprint.model = wanted.networks(&Smooth, noise, Init::Normal { std: 0.8 }).unwrap();
    (blueprint.train.batch, blueprint.train.d_steps) = (N as u32, 1);
    let mut members = members(&blueprint, 1);
    for (parameter, value) in
        [("lr_generator", lr_generator), ("lr_discriminator", lr_discriminator), ("momentum", 0.0), ("clip", 1e3)]
    {
        members[0].parameters.set(parameter, value);
    }
    let mut trainer = Trainer::new(&blueprint, members, real(), exact(false));
    // Numbers large enough to have an effect.
    for (name, value) in [("k", 0.3), ("margin", 9.0)] {
        if let Some((_, kept)) = trainer.games[0].state.iter_mut().find(|(kept, _)| *kept == name) {
            let _ = kept.fill_(value);
        }
    }
    trainer
}

/// The step to check: after MAGAN's first two epochs.
const STEP: u64 = 2;

fn losses(trainer: &mut Trainer) -> (f64, f64) {
    let _guard = tch::no_grad_guard();
    let losses = objectives::step(trainer.objective, &mut trainer.games[0], STEP);
    (to_f64(&losses.discriminator.tensor())[0], to_f64(&losses.generator.tensor())[0])
}

/// The losses by name, for known networks: checks every sign and weight of the formulas.
#[test]
fn losses_are_the_formulas_of_the_papers() {
    let more = [Objective::ImprovedGan { feature_matching: true }];
    for objective in Objective::ALL.into_iter().chain(more) {
        let mut trainer = game(objective, 0.0, 0.0);
        let objective = trainer.objective;
        let parameters = trainer.games[0].members()[0].parameters.clone();
        let seed = trainer.games[0].members()[0].seed;
        let parameter = |parameter| parameters.number(parameter).unwrap();
        let normal = |purpose, index, columns: i64| {
            let mut out = vec![0.0f32; (N * columns) as usize];
            Stream::new(seed, purpose, index).fill_normal(&mut out);
            Tensor::from_slice(&out).view([N, columns]).to_kind(Kind::Double)
        };
        let (expected, k) = {
            let game = &trainer.games[0];
            let mean = |x: Tensor| x.mean(Kind::Double).double_value(&[]);
            // −log σ(d) and −log(1 − σ(d)).
            let (real, fake) =
                (|d: &Tensor| mean(-d.sigmoid().log()), |d: &Tensor| mean(-(d.sigmoid() * -1.0 + 1.0).log()));
            let g = |z: &Tensor| game.generator.net.evaluate(0, z);
            let d = |i: usize, x: &Tensor| game.discriminators[i].net.evaluate(0, x);
            let e = |x: &Tensor| game.encoder.as_ref().unwrap().net.evaluate(0, x);
            let r = |x: &Tensor| game.denoiser.as_ref().unwrap().net.evaluate(0, x);
            let apart = |x: &Tensor| x.square().sum_dim_intlist([-1].as_slice(), false, None::<Kind>);
            let x = normal(Purpose::Data, STEP, 2);
            let (z_d, z_g) = (normal(Purpose::Noise, 2 * STEP, 2), normal(Purpose::Noise, 2 * STEP + 1, 2));
            let (fake_d, fake_g) = (g(&z_d), g(&z_g));
            // The input of the last layer of a discriminator with one hidden layer.
            let features = |x: &Tensor| {
                let named = game.discriminators[0].net.named(0);
                x.linear(&named[0].1, Some(&named[1].1)).tanh()
            };
            let denoised = |v: &Tensor| parameter("denoising") * mean(apart(&(features(v) - r(&features(v)))));
            let sp = |d: &Tensor| d.softplus();
            let mut k = None;
            let expected = match objective {
                Objective::RegGan => {
                    let again = g(&e(&x));
                    let bracket = parameter("reconstruction") * mean(apart(&(&x - &again)))
                        + parameter("mode_weight") * real(&d(0, &again));
                    (real(&d(0, &x)) + fake(&d(0, &fake_d)), real(&d(0, &fake_g)) + bracket)
                }
                Objective::Mdgan => {
                    let again = g(&e(&x));
                    let manifold = parameter("reconstruction") * mean(apart(&(&x - &again)))
                        + parameter("mode_weight") * real(&d(0, &again));
                    (
                        real(&d(0, &x)) + fake(&d(0, &again)) + real(&d(1, &again)) + fake(&d(1, &fake_d)),
                        manifold + real(&d(1, &fake_g)),
                    )
                }
                Objective::Dfm => (real(&d(0, &x)) + fake(&d(0, &fake_d)), real(&d(0, &fake_g)) + denoised(&fake_g)),
                Objective::D2ganDfm => {
                    let (alpha, beta) = (parameter("alpha"), parameter("beta"));
                    let log = |d: &Tensor| mean(sp(d).log());
                    (
                        mean(sp(&d(0, &fake_d))) - alpha * log(&d(0, &x)) + mean(sp(&d(1, &x)))
                            - beta * log(&d(1, &fake_d)),
                        beta * log(&d(1, &fake_g)) - mean(sp(&d(0, &fake_g))) + denoised(&fake_g),
                    )
                }
                Objective::ImprovedGan { feature_matching } => {
                    let named = game.discriminators[0].net.named(0);
                    let last = named.iter().position(|(name, _)| name == "3.weight").unwrap();
                    // The input from which the last layer computes its logit.
                    let matched = |x: &Tensor| {
                        let before = features(x);
                        let m = before.linear(&named[2].1, None::<&Tensor>).view([N, 3, 2]);
                        let near = (-(m.unsqueeze(0) - m.unsqueeze(1)).abs().sum_dim_intlist(
                            [-1].as_slice(),
                            false,
                            None::<Kind>,
                        ))
                        .exp();
                        let o = near.sum_dim_intlist([0].as_slice(), false, None::<Kind>) - 1.0 + &named[3].1;
                        Tensor::cat(&[before, o], 1)
                    };
                    let logit = |x: &Tensor| matched(x).linear(&named[last].1, Some(&named[last + 1].1));
                    let means = |x: &Tensor| matched(x).mean_dim([0].as_slice(), false, None::<Kind>);
                    let generator = match feature_matching {
                        false => real(&logit(&fake_g)),
                        true => apart(&(means(&x) - means(&fake_g))).double_value(&[]),
                    };
                    (real(&logit(&x)) + fake(&logit(&fake_d)), generator)
                }
                Objective::Began => {
                    let loss = |v: &Tensor| mean((v - d(0, v)).abs());
                    let balance = parameter("diversity_ratio") * loss(&x) - loss(&fake_g);
                    k = Some((0.3 + parameter("balance_rate") * balance).clamp(0.0, 1.0));
                    (loss(&x) - 0.3 * loss(&fake_d), loss(&fake_g))
                }
                Objective::Magan { .. } => {
                    let energy = |v: &Tensor| apart(&(v - d(0, v)));
                    (mean(energy(&x)) + mean((energy(&fake_d) * -1.0 + 9.0).clamp_min(0.0)), mean(energy(&fake_g)))
                }
                Objective::Ali => {
                    let joint = |turn: u64| {
                        let moments = e(&x);
                        let noise = normal(Purpose::Inner, 2 * STEP + turn, 2);
                        let code = moments.narrow(1, 0, 2) + (moments.narrow(1, 2, 2) / 2.0).exp() * noise;
                        let z = if turn == 0 { &z_d } else { &z_g };
                        (d(0, &Tensor::cat(&[&x, &code], 1)), d(0, &Tensor::cat(&[&g(z), z], 1)))
                    };
                    let ((x_d, g_d), (x_g, g_g)) = (joint(0), joint(1));
                    (real(&x_d) + fake(&g_d), fake(&x_g) + real(&g_g))
                }
                Objective::Veegan => {
                    let pairs = |x: &Tensor, z: &Tensor| d(0, &Tensor::cat(&[x, z], 1));
                    let lost = mean(apart(&(&z_g - e(&fake_g))));
                    (
                        real(&pairs(&fake_d, &z_d)) + fake(&pairs(&x, &e(&x))),
                        mean(pairs(&fake_g, &z_g)) + parameter("noise_reconstruction") * lost,
                    )
                }
                Objective::Mgan { generators } => {
                    let told = |v: &Tensor| {
                        let classes = d(0, v).narrow(1, 1, generators.into()).softmax(-1, Kind::Double).log();
                        let own = (0..N).map(|n| classes.double_value(&[n, n % i64::from(generators)]));
                        -parameter("diversity") * own.sum::<f64>() / N as f64
                    };
                    let first = |v: &Tensor| d(0, v).narrow(1, 0, 1);
                    (real(&first(&x)) + fake(&first(&fake_d)) + told(&fake_d), real(&first(&fake_g)) + told(&fake_g))
                }
                other => {
                    let declared = other.declares();
                    assert!(declared.critic == Critic::Logit && declared.encoder.is_none(), "has no formula here");
                    continue;
                }
            };
            (expected, k)
        };
        let found = losses(&mut trainer);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9 * b.abs().max(1.0);
        assert!(close(found.0, expected.0) && close(found.1, expected.1), "{objective:?}: {found:?} {expected:?}");
        if let Some(k) = k {
            let found = to_f64(trainer.games[0].kept("k"))[0];
            assert!(close(found, k) && k > 0.0 && k < 1.0, "k: {found} against {k}");
        }
    }
}

/// The margin starts as the energy of real samples in the second epoch, and falls as in algorithm 1.
#[test]
fn magan_adapts_its_margin_as_in_its_paper() {
    for rounds in [1, 3] {
        magan_adapts_its_margin(rounds);
    }
}

fn magan_adapts_its_margin(rounds: u64) {
    let _guard = tch::no_grad_guard();
    let mut trainer = game(Objective::Magan { epoch: 1 }, 0.0, 0.0);
    trainer.games[0].d_steps = rounds;
    let energies = |trainer: &Trainer, x: &Tensor| {
        let net = &trainer.games[0].discriminators[0].net;
        (x - net.evaluate(0, x)).square().sum(Kind::Double).double_value(&[]) / N as f64
    };
    let batch = |purpose, index| {
        let mut out = vec![0.0f32; (2 * N) as usize];
        Stream::new(10, purpose, index).fill_normal(&mut out);
        Tensor::from_slice(&out).view([N, 2]).to_kind(Kind::Double)
    };
    let (mut margin, mut before, mut fell) = (f64::NAN, f64::from(f32::MAX), 0);
    for t in 0..40 {
        objectives::step(trainer.objective, &mut trainer.games[0], t);
        let of_round = |i| energies(&trainer, &batch(Purpose::Data, rounds * t + i));
        let real = (0..rounds).map(of_round).sum::<f64>() / rounds as f64;
        if t < 2 {
            margin = real;
        } else {
            let z = batch(Purpose::Noise, (rounds + 1) * t + rounds);
            let fake = energies(&trainer, &trainer.games[0].generator.net.evaluate(0, &z));
            if real < margin && real < fake && before < fake {
                (margin, fell) = (real, fell + 1);
            }
            before = fake;
        }
        let found = to_f64(trainer.games[0].kept("margin"))[0];
        assert!((found - margin).abs() < 1e-9, "step {t}: {found} against {margin}");
    }
    assert!(fell > 0, "it never fell");
}

/// A linear denoiser of features f tends to the best linear estimate from noisy ones: W = C (C + I)⁻¹, where C is their
/// covariance.
#[test]
fn a_denoiser_tends_to_the_best_guess() {
    let _guard = tch::no_grad_guard();
    let mut trainer = game(Objective::Dfm, 0.0, 0.02);
    for t in 0..6000 {
        let game = &mut trainer.games[0];
        game.each_round(t, |game, round| {
            objectives::dfm::learn_to_denoise(game, round);
            PerMember::Host(Vec::new())
        });
    }
    let game = &trainer.games[0];
    let mut out = vec![0.0f32; 40_000];
    Stream::new(77, Purpose::Data, 0).fill_normal(&mut out);
    let x = Tensor::from_slice(&out).view([-1, 2]).to_kind(Kind::Double);
    let named = game.discriminators[0].net.named(0);
    let features = x.linear(&named[0].1, Some(&named[1].1)).tanh();
    let centred = &features - features.mean_dim([0].as_slice(), true, None::<Kind>);
    let covariance = centred.tr().matmul(&centred) / features.size()[0];
    let noisy = &covariance + Tensor::eye(3, (Kind::Double, Device::Cpu));
    let expected = covariance.matmul(&noisy.inverse());
    let found = &game.denoiser.as_ref().unwrap().net.named(0)[0].1;
    let error = f64::try_from((&expected - found).abs().max()).unwrap();
    assert!(error < 0.05, "{error}: {found:?} against {expected:?}");
}

/// A discriminator with normalisation lets the variance of codes grow without bound.
#[test]
fn codes_with_a_large_variance_stay_finite() {
    let mut trainer = game(Objective::Ali, 0.0, 0.0);
    {
        let _guard = tch::no_grad_guard();
        let _ = trainer.games[0].player(Role::Encoder).net.weights.g_mul_scalar_(1e6);
    }
    let (discriminator, generator) = losses(&mut trainer);
    assert!(discriminator.is_finite() && generator.is_finite(), "{discriminator} {generator}");
}
