//! Compares optimisers with libtorch's, with the papers' formulas, and with themselves.

use super::*;
use crate::net::Net;
use crate::optim::Optimizer as Stepper;
use sweep_spec::keys::train::LR_GENERATOR;
use sweep_tensor::host::to_f64;
use tch::nn::{self, OptimizerConfig};
use tch::{Reduction, Tensor};

const STEPS: u64 = 12;

fn layers() -> Vec<Layer> {
    vec![linear(3, 4), Layer::BatchNorm { features: 4 }, linear(4, 2)]
}

/// Arbitrary numbers from 0 to 1.
fn chance(index: u64, count: usize) -> Vec<f64> {
    let mut out = vec![0.0f32; count];
    Stream::new(1709_03831, Purpose::Inner, index).fill_uniform(&mut out);
    out.into_iter().map(f64::from).collect()
}

/// Coefficients of three members. The first and the last clip gradients; the second and the last have weight decay.
fn coefficients(index: u64) -> [Parameters; 3] {
    std::array::from_fn(|k| {
        let x = chance(1000 * index + k as u64, 6);
        let all = [
            ("lr_generator", 1e-3 + 0.1 * x[0]),
            ("adam_beta1", 0.99 * x[1]),
            ("adam_beta2", 0.5 + 0.49 * x[2]),
            ("rmsprop_decay", 0.99 * x[1]),
            ("momentum", 0.99 * x[1]),
            ("epsilon", 1e-8 + 1e-3 * x[3]),
            ("weight_decay", if k == 0 { 0.0 } else { 3.0 * x[4] }),
            ("clip_gradient", if k == 1 { 0.0 } else { 4.0 * x[5] }),
        ];
        all.into_iter().collect()
    })
}

/// Gradients of member `k` in step `t`, of various sizes.
fn gradient(t: u64, k: i64, name: &str, size: &[i64]) -> Tensor {
    let lane = name.bytes().fold(0, |hash: u64, byte| (hash * 31 + u64::from(byte)) % 65_521);
    let numbers = chance(1 << 40 | lane << 20 | t << 4 | k as u64, size.iter().product::<i64>() as usize);
    let scale = 10f64.powi((t % 4) as i32 - 2);
    let values: Vec<f64> = numbers.into_iter().map(|x| (x - 0.5) * scale).collect();
    Tensor::from_slice(&values).view(size)
}

/// The weights by name of each of three members after some steps with `rule`.
fn stepped(rule: Optimizer, parameters: &[Parameters; 3], fused: bool) -> Vec<Vec<(String, Tensor)>> {
    let _guard = tch::no_grad_guard();
    let members: Vec<i64> = (0..3).collect();
    let groups: Vec<&[i64]> = if fused { vec![&members] } else { members.chunks(1).collect() };
    let mut all = Vec::new();
    for group in groups {
        let seeds: Vec<u64> = group.iter().map(|&k| k as u64).collect();
        let own: Vec<&Parameters> = group.iter().map(|&k| &parameters[k as usize]).collect();
        let mut net = Net::new(&layers(), Init::Normal { std: 0.5 }, 0, &seeds, exact(fused));
        let mut stepper = Stepper::new(rule, &net, &LR_GENERATOR, &own, exact(fused));
        for t in 0..STEPS {
            for (row, &k) in group.iter().enumerate() {
                for (name, weight) in net.named_in(&net.weights, row as i64) {
                    net.gradient(row as i64, &name).copy_(&gradient(t, k, &name, &weight.size()));
                }
            }
            stepper.step(&mut net);
        }
        all.extend((0..group.len()).map(|row| net.named_in(&net.weights, row as i64)));
    }
    all
}

/// The initial weights of member `k`.
fn first(k: usize) -> Vec<(String, Tensor)> {
    let _guard = tch::no_grad_guard();
    let net = Net::new(&layers(), Init::Normal { std: 0.5 }, 0, &[k as u64], exact(false));
    net.named_in(&net.weights, 0).into_iter().map(|(name, weight)| (name, weight.copy())).collect()
}

/// The same with libtorch's optimiser and gradient clipping. If libtorch does not apply weight decay itself, this does.
fn by_libtorch(rule: Optimizer, k: usize, parameters: &Parameters) -> Vec<(String, Tensor)> {
    let of = |name| parameters.number(name).unwrap();
    let mut store = nn::VarStore::new(Device::Cpu);
    store.set_kind(Kind::Double);
    let weights: Vec<(String, Tensor)> = first(k)
        .into_iter()
        .map(|(name, weight)| (name.clone(), store.root().var_copy(&name.replace('.', "_"), &weight)))
        .collect();
    let (lr, eps) = (of("lr_generator"), of("epsilon"));
    let mut optimizer = match rule {
        Optimizer::Adam => {
            let (beta1, beta2, wd) = (of("adam_beta1"), of("adam_beta2"), of("weight_decay"));
            nn::AdamW { beta1, beta2, wd, eps, amsgrad: false }.build(&store, lr)
        }
        Optimizer::Rmsprop => {
            nn::RmsProp { alpha: of("rmsprop_decay"), eps, wd: 0.0, momentum: 0.0, centered: false }.build(&store, lr)
        }
        Optimizer::Sgd => {
            nn::Sgd { momentum: of("momentum"), dampening: 0.0, wd: 0.0, nesterov: false }.build(&store, lr)
        }
        Optimizer::OptimisticAdam => panic!("libtorch has none"),
    }
    .unwrap();
    for t in 0..STEPS {
        let product = |(name, weight): &(String, Tensor)| {
            (weight * gradient(t, k as i64, name, &weight.size())).sum(Kind::Double)
        };
        let loss: Tensor = weights.iter().map(product).sum();
        optimizer.zero_grad();
        loss.backward();
        if of("clip_gradient") > 0.0 {
            optimizer.clip_grad_norm(of("clip_gradient"));
        }
        if rule != Optimizer::Adam {
            let _guard = tch::no_grad_guard();
            for (_, weight) in &weights {
                let _ = weight.shallow_clone().g_mul_scalar_(1.0 - lr * of("weight_decay"));
            }
        }
        optimizer.step();
    }
    weights
}

fn assert_near(found: &[(String, Tensor)], expected: &[(String, Tensor)], of: &str) {
    assert_eq!(found.len(), expected.len());
    for ((name, found), (of_it, expected)) in found.iter().zip(expected) {
        let error = f64::try_from((found - expected.detach()).abs().max()).unwrap();
        assert!(name == of_it && error < 1e-11, "{of}: {name}: {error}");
    }
}

#[test]
fn optimisers_are_those_of_libtorch() {
    for rule in [Optimizer::Adam, Optimizer::Rmsprop, Optimizer::Sgd] {
        for index in 0..4 {
            let parameters = coefficients(index);
            for fused in [false, true] {
                let found = stepped(rule, &parameters, fused);
                for (k, found) in found.iter().enumerate() {
                    let moved = found[0].1.mse_loss(&first(k)[0].1, Reduction::Mean).double_value(&[]);
                    assert!(moved > 1e-6, "{rule:?} moves");
                    assert_near(found, &by_libtorch(rule, k, &parameters[k]), &format!("{rule:?} {index} {k} {fused}"));
                }
            }
        }
    }
}

/// Kingma & Ba 2015, algorithm 1, and Daskalakis et al. 2018, algorithm 1, computed from all gradients so far: with
/// moments as sums over all steps, m̂ = Σᵢ (1 − β) βᵗ⁻ⁱ gᵢ / (1 − βᵗ). libtorch has neither a negative β1 nor optimism.
#[test]
fn the_kinds_of_adam_are_the_formulas_of_their_papers() {
    for (rule, sign) in [(Optimizer::Adam, -1.0), (Optimizer::OptimisticAdam, 1.0), (Optimizer::OptimisticAdam, -1.0)] {
        let mut parameters = coefficients(7);
        for parameters in &mut parameters {
            parameters.set("adam_beta1", sign * parameters.number("adam_beta1").unwrap());
            parameters.set("clip_gradient", 0.0);
        }
        for fused in [false, true] {
            for (k, found) in stepped(rule, &parameters, fused).iter().enumerate() {
                let of = |name| parameters[k].number(name).unwrap();
                let (lr, decay) = (of("lr_generator"), of("weight_decay"));
                let expected = first(k).into_iter().map(|(name, mut weight)| {
                    // At step t, counted from 1.
                    let direction = |t: u64| {
                        let mean = |beta: f64, of: &dyn Fn(Tensor) -> Tensor| {
                            let one = |i: u64| {
                                let g = gradient(i - 1, k as i64, &name, &weight.size());
                                of(g) * ((1.0 - beta) * beta.powi((t - i) as i32) / (1.0 - beta.powi(t as i32)))
                            };
                            (1..=t).map(one).fold(weight.zeros_like(), |sum, x| sum + x)
                        };
                        let (m, v) = (mean(of("adam_beta1"), &|g| g), mean(of("adam_beta2"), &|g| g.square()));
                        m / (v.sqrt() + of("epsilon"))
                    };
                    let mut directions = vec![weight.zeros_like()];
                    directions.extend((1..=STEPS).map(direction));
                    for pair in directions.windows(2) {
                        weight *= 1.0 - lr * decay;
                        weight = match rule {
                            Optimizer::OptimisticAdam => weight - &pair[1] * (2.0 * lr) + &pair[0] * lr,
                            _ => weight - &pair[1] * lr,
                        };
                    }
                    (name, weight)
                });
                let expected: Vec<(String, Tensor)> = expected.collect();
                assert_near(found, &expected, &format!("{rule:?} {sign} {k} {fused}"));
            }
        }
    }
}

/// Looking ahead is differentiable: autograd's slopes match the optimiser's steps.
#[test]
fn looking_ahead_is_differentiable() {
    for rule in Optimizer::ALL {
        let mut parameters = coefficients(3)[2].clone();
        parameters.set("clip_gradient", 0.5);
        let seeds = [2];
        let mut net = Net::new(&layers(), Init::Normal { std: 0.5 }, 0, &seeds, exact(false));
        let draw = |index: u64| Tensor::from_slice(&chance(index, net.weights.numel())).view_as(&net.weights) - 0.5;
        let (gradients, towards) = ([draw(1), draw(2), draw(3)], draw(4));
        let mut stepper = Stepper::new(rule, &net, &LR_GENERATOR, &[&parameters], exact(false));
        let found = tch::with_grad(|| {
            tch::no_grad(|| {
                for g in &gradients[..2] {
                    net.grads.copy_(g);
                    stepper.step(&mut net);
                }
            });
            let g = gradients[2].copy().set_requires_grad(true);
            let (p, _) = stepper.look_ahead(&net.weights, &stepper.ahead(), &g, 0);
            Tensor::run_backward(&[(p * &towards).sum(Kind::Double)], &[&g], false, false).remove(0)
        });
        let _guard = tch::no_grad_guard();
        let before = (net.weights.copy(), stepper.ahead().iter().map(Tensor::copy).collect::<Vec<_>>());
        let mut value = |at: i64, by: f64| {
            net.weights.copy_(&before.0);
            for ((_, moment), before) in stepper.moments.iter_mut().zip(&before.1) {
                moment.copy_(before);
            }
            net.grads.copy_(&gradients[2]);
            let _ = net.grads.narrow(1, at, 1).g_add_scalar_(by);
            stepper.step(&mut net);
            stepper.steps -= 1;
            (&net.weights * &towards).sum(Kind::Double).double_value(&[])
        };
        for at in [0, 5, 11, 33] {
            const STEP: f64 = 1e-6;
            let expected = (value(at, STEP) - value(at, -STEP)) / (2.0 * STEP);
            let found = found.double_value(&[0, at]);
            assert!((found - expected).abs() < 1e-6 * expected.abs().max(1e-2), "{rule:?} {at}: {found} {expected}");
        }
    }
}

/// Looking ahead gives the same result as the optimiser's step.
#[test]
fn optimisers_match_their_look_ahead() {
    for rule in Optimizer::ALL {
        let _guard = tch::no_grad_guard();
        let blueprint = blueprint(Objective::Gan { saturating: false }, rule);
        for fused in [false, true] {
            let mut members = members(&blueprint, 1);
            for (parameter, value) in [("epsilon", 1e-3), ("weight_decay", 2.0), ("clip_gradient", 0.7)] {
                members[0].parameters.set(parameter, value);
            }
            let mut trainer = trained(&blueprint, members, exact(fused), 3);
            let player = &mut trainer.games[0].discriminators[0];
            let (mut p, mut moments) = (player.net.weights.copy(), player.optimizer.ahead());
            moments.iter_mut().for_each(|moment| *moment = moment.copy());
            for step in 0..3 {
                let g = Tensor::randn_like(&player.net.grads);
                (p, moments) = {
                    let before = player.optimizer.steps;
                    player.optimizer.steps -= step;
                    let ahead = player.optimizer.look_ahead(&p, &moments, &g, step);
                    player.optimizer.steps = before;
                    ahead
                };
                player.net.grads.copy_(&g);
                player.optimizer.step(&mut player.net);
                let error = distance(&to_f64(&player.net.weights), &to_f64(&p));
                assert!(error < 1e-13, "{rule:?} fused: {fused} step {step}: {error}");
            }
        }
    }
}
