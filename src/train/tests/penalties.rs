//! Gradient penalties, and the passes under autograd that they need.

use super::*;
use crate::game::{Game, Round};
use crate::net::{Net, Tape};
use crate::nn::{Need, Pass};
use crate::penalty;
use sweep_spec::amount::Amount;
use sweep_spec::penalty::{At, Form, Penalty};
use sweep_tensor::host::to_f64;
use tch::Tensor;

fn networks() -> Vec<(Vec<Layer>, i64)> {
    let mut networks = vec![(model().generator, 6), (model().discriminator, 2)];
    for (model, pixels) in [(dcgan(5, 3, 16), 768), (metz(2, 12), 288), (maps_of_every_kind(), 784)] {
        networks.extend([(model.generator, model.noise.into()), (model.discriminator, pixels)]);
    }
    networks
}

fn draw(net_inputs: i64, members: usize, fused: bool) -> Tensor {
    Tensor::randn(exact(fused).shape(members as i64, [12, net_inputs]).as_slice(), (Kind::Double, Device::Cpu))
}

/// Both ways through a network give the same output and the same gradients of the weights.
#[test]
fn a_pass_under_autograd_is_the_usual_pass() {
    for (spec, inputs) in networks() {
        for (fused, groups) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
            let _guard = tch::no_grad_guard();
            let seeds: &[u64] = if fused { &[3, 4] } else { &[3] };
            let mut net = Net::new(&spec, Init::Normal { std: 0.2 }, 1, seeds, exact(fused));
            let x = draw(inputs, seeds.len(), fused);
            let pass = Pass { training: true, groups, untracked: &[], draw: 5, seeds };
            let mut tape = Tape::default();
            let y = net.forward(&x, &pass, &mut tape).copy();
            let _ = net.backward(&mut tape, y.ones_like(), Need { weights: true, input: false });
            let (traced, gradients) = tch::with_grad(|| {
                let leaf = net.leaf();
                let y = net.traced(&leaf, &x, &pass);
                (y.detach(), Tensor::run_backward(&[y.sum(Kind::Double)], &[leaf], false, false))
            });
            assert!(distance(&to_f64(&y), &to_f64(&traced)) < 1e-12, "fused: {fused}, groups: {groups}");
            let error = distance(&to_f64(&net.grads), &to_f64(&gradients[0]));
            assert!(error < 1e-11, "fused: {fused}, groups: {groups}: {error}");
        }
    }
}

/// A game of two members with this penalty, whose discriminator is small and smooth.
fn penalised(penalty: Penalty, fused: bool, smooth: bool) -> Game {
    let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
    let mut blueprint = blueprint(Objective::Gan { saturating: false }, Optimizer::Sgd);
    blueprint.model.discriminator = match smooth {
        true => vec![linear(2, 7), Layer::Activation(Activation::Tanh), linear(7, 1)],
        false => vec![linear(2, 1)],
    };
    blueprint.penalties = vec![penalty];
    let mut members = members(&blueprint, if fused { 2 } else { 1 });
    for (k, member) in members.iter_mut().enumerate() {
        let parameters = [("w", [0.7, 2.0]), ("c", [0.2, 0.4]), ("p", [3.0, 6.0])];
        parameters.into_iter().for_each(|(name, values)| member.parameters.set(name, values[k]));
    }
    let mut game = Game::new(&blueprint, members, real(), exact(fused));
    game.real_and_fake(3, 5);
    game
}

fn parameter(name: &str) -> Amount {
    Amount::Parameter(name.into())
}

/// For a batch of real samples and a draw of noise.
fn round(batch: u64) -> Round {
    Round { batch, draw: 5 }
}

fn forms() -> [Form; 4] {
    [
        Form::HalfSquare { half_square: parameter("w") },
        Form::Distance { distance: parameter("w"), target: Amount::Number(1.0) },
        Form::Excess { excess: parameter("w"), target: parameter("c") },
        Form::Power { power: parameter("w"), exponent: parameter("p") },
    ]
}

fn value(game: &mut Game) -> Vec<f64> {
    let seeds = game.seeds.clone();
    let points = game.penalised_points(&game.x, round(0));
    let net = &mut game.discriminators[0].net;
    let _ = net.grads.zero_();
    to_f64(&penalty::add(net, &points[0], 5, &seeds))
}

/// Compares the gradient of each penalty with differences of its values, for each member with its own numbers.
#[test]
fn gradients_of_penalties_match_their_values() {
    let _guard = tch::no_grad_guard();
    for (at, form) in At::ALL.into_iter().flat_map(|at| forms().map(|form| (at, form))) {
        let mut game = penalised(Penalty { at, form: form.clone(), every: 1 }, true, true);
        value(&mut game);
        let gradients = game.discriminators[0].net.grads.copy();
        for weight in [0, 3, 14, 20, 30] {
            const STEP: f64 = 1e-5;
            let shift =
                |game: &Game, by: f64| drop(game.discriminators[0].net.weights.narrow(1, weight, 1).g_add_scalar_(by));
            shift(&game, STEP);
            let above = value(&mut game);
            shift(&game, -2.0 * STEP);
            let below = value(&mut game);
            shift(&game, STEP);
            for k in 0..2 {
                let expected = (above[k] - below[k]) / (2.0 * STEP);
                let found = gradients.double_value(&[k as i64, weight]);
                let close = (found - expected).abs() < 1e-6 * expected.abs().max(1e-2);
                assert!(close, "{at:?} {form:?} {weight} {k}: {found} {expected}");
            }
        }
    }
}

/// The forms by definition, with slopes from differences of logits.
#[test]
fn values_of_penalties_match_their_definitions() {
    let _guard = tch::no_grad_guard();
    for (at, form) in At::ALL.into_iter().flat_map(|at| forms().map(|form| (at, form))) {
        let mut game = penalised(Penalty { at, form: form.clone(), every: 4 }, false, true);
        let found = value(&mut game)[0];
        let x = game.penalised_points(&game.x, round(0)).remove(0).x;
        let batch = game.rows;
        let (real, fake) = (game.x.narrow(0, 0, batch).copy(), game.x.narrow(0, batch, batch).copy());
        match at {
            At::Real => assert!(x.equal(&real)),
            At::Fake => assert!(x.equal(&fake)),
            At::Both => assert!(x.equal(&Tensor::cat(&[&real, &fake], 0))),
            At::Between => {
                // One mixing share per sample, the same for both coordinates.
                let share = (&x - &fake) / (&real - &fake);
                let apart = f64::try_from((share.select(1, 0) - share.select(1, 1)).abs().max()).unwrap();
                let (low, high) = (f64::try_from(share.min()).unwrap(), f64::try_from(share.max()).unwrap());
                assert!(apart < 1e-6 && low >= 0.0 && high < 1.0 && high - low > 0.3, "{share:?}");
            }
            At::Around => {
                let std = real.std(true);
                let noise = (&x - &real) / (std * 0.5);
                let (low, high) = (f64::try_from(noise.min()).unwrap(), f64::try_from(noise.max()).unwrap());
                assert!(low >= 0.0 && high < 1.0 && high - low > 0.5, "{noise:?}");
            }
        }
        let d = |x: &Tensor| game.discriminators[0].net.evaluate(0, x).view([-1]);
        let slope = |axis: i64| {
            let step = Tensor::zeros([1, 2], (Kind::Double, Device::Cpu));
            let _ = step.narrow(1, axis, 1).fill_(1e-6);
            (d(&(&x + &step)) - d(&(&x - &step))) / 2e-6
        };
        let length = to_f64(&(slope(0).square() + slope(1).square()).sqrt());
        let (w, c, p) = (0.7, 0.2, 3.0f64);
        let each = |r: &f64| match form {
            Form::HalfSquare { .. } => 0.5 * r * r,
            Form::Distance { .. } => (r - 1.0).powi(2),
            Form::Excess { .. } => (r - c).max(0.0).powi(2),
            Form::Power { .. } => r.powf(p),
        };
        // In every fourth move, with factor 4.
        let expected = 4.0 * w * length.iter().map(each).sum::<f64>() / length.len() as f64;
        assert!((found - expected).abs() < 1e-6 * expected.max(1e-2), "{at:?} {form:?}: {found} {expected}");
        let due: Vec<bool> = (0..9).map(|batch| !game.penalised_points(&game.x, round(batch)).is_empty()).collect();
        assert_eq!(due, [true, false, false, false, true, false, false, false, true]);
    }
}

/// A slope of 0 has no direction, but must not give NaN.
#[test]
fn a_discriminator_without_a_slope_has_a_finite_gradient() {
    let _guard = tch::no_grad_guard();
    for form in forms() {
        let mut game = penalised(Penalty { at: At::Between, form: form.clone(), every: 1 }, false, false);
        let _ = game.discriminators[0].net.weights.zero_();
        let found = value(&mut game)[0];
        let expected = if matches!(form, Form::Distance { .. }) { 0.7 } else { 0.0 };
        assert!((found - expected).abs() < 1e-4, "{form:?}: {found}");
        assert!(to_f64(&game.discriminators[0].net.grads).iter().all(|gradient| gradient.is_finite()), "{form:?}");
    }
}
