//! Parameters that change from step to step: how optimisers use them, and that a training step uses the values of that
//! step.

use super::written;
use super::*;
use crate::checkpoint::Renamed;
use crate::net::Net;
use crate::optim::Optimizer as Stepper;
use std::f64::consts::PI;
use sweep_spec::amount::Amount;
use sweep_spec::id::CohortId;
use sweep_spec::keys::train::LR_GENERATOR;
use sweep_spec::penalty::{At, Form, Penalty};
use sweep_spec::schedule::{Course, Schedule};
use sweep_tensor::host::to_f64;
use tch::Tensor;

const STEPS: u64 = 6;

/// The schedules of the members, in turn; one ends after training.
const COURSES: [Course; 4] = [
    Course::Linear { start: 0, end: STEPS },
    Course::Cosine { start: 1, end: 5 },
    Course::Step { start: 3 },
    Course::Linear { start: 2, end: 2 * STEPS },
];

/// How far a schedule has progressed at step `t`.
fn gone(course: Course, t: u64) -> f64 {
    let t = t as f64;
    match course {
        Course::Linear { start, end } => ((t - start as f64) / (end - start) as f64).clamp(0.0, 1.0),
        Course::Cosine { start, end } => {
            let f = ((t - start as f64) / (end - start) as f64).clamp(0.0, 1.0);
            (1.0 - (PI * f).cos()) / 2.0
        }
        Course::Step { start } => f64::from(u8::from(t >= start as f64)),
    }
}

/// Member `k`, with a different schedule for each parameter, and the same member with constants as at step `t`.
fn changing(member: &Member, k: usize) -> (Member, impl Fn(u64) -> Member + use<>) {
    let mut given = member.parameters.clone();
    // For some members only, so others have none.
    if k % 3 != 1 {
        let average = if k == 3 { ("ema_half_life", 40.0) } else { ("ema", 0.6) };
        for (name, value) in [
            ("weight_decay", 0.5),
            ("clip_gradient", 0.8),
            average,
            ("epsilon", 1e-4),
            ("mode_seeking", 0.3),
            ("real_label", 0.95),
            ("fake_label", 0.1),
            ("real_target", 0.9),
            ("fake_target", -0.5),
            ("generator_target", 0.6),
        ] {
            given.set(name, value);
        }
    }
    // The second has only constants.
    let course = move |i: usize| (k != 1).then(|| COURSES[(i + k) % COURSES.len()]);
    let of = member.clone();
    let fixed = {
        let (of, given) = (of.clone(), given.clone());
        move |t: u64| {
            let at = |(i, (name, value)): (usize, (&str, &Plain))| {
                let from = value.number().unwrap();
                let share = course(i).map_or(0.0, |course| gone(course, t));
                (name.to_owned(), from * (1.0 - 0.4 * share))
            };
            Member { parameters: given.iter().enumerate().map(at).collect(), ..of.clone() }
        }
    };
    let plan = |(i, (name, value)): (usize, (&str, &Plain))| {
        let from = value.number().unwrap();
        let plan = course(i).map(|course| Plain::from(Schedule { from, to: from * 0.6, course }));
        (name.to_owned(), plan.unwrap_or(value.clone()))
    };
    (Member { parameters: given.iter().enumerate().map(plan).collect(), ..of }, fixed)
}

/// Compares SGD with momentum, Adam, RMSprop and optimistic Adam, weight by weight, with a loop in float64: lr falls to
/// 0, and other coefficients change, too.
#[test]
fn optimisers_take_the_coefficients_of_each_step() {
    let _guard = tch::no_grad_guard();
    let (layers, seeds) = ([linear(3, 4), linear(4, 2)], [0, 1, 2]);
    let plan = |k: usize| {
        let cosine = Course::Cosine { start: k as u64, end: STEPS };
        let of = |from: f64, to: f64, course| Plain::from(Schedule { from, to, course });
        let all: Parameters = [
            ("lr_generator", of(0.1 + k as f64, 0.0, Course::Linear { start: 0, end: STEPS - 1 })),
            ("adam_beta1", of(0.9, 0.3, cosine)),
            ("adam_beta2", of(0.99, 0.5, cosine)),
            ("rmsprop_decay", of(0.5, 0.9, cosine)),
            ("momentum", of(0.9, 0.1, cosine)),
            ("epsilon", of(1e-3, 1e-6, Course::Step { start: 2 })),
            ("weight_decay", of(0.0, 0.2, Course::Step { start: 3 })),
        ]
        .into_iter()
        .collect();
        all
    };
    let gradient = |t: u64, k: usize, i: usize| ((t as f64 * 1.7 + k as f64 * 0.9 + i as f64 * 0.31).sin()) * 2.0;
    for rule in Optimizer::ALL {
        for fused in [false, true] {
            for alone in if fused { vec![vec![0, 1, 2]] } else { vec![vec![0], vec![1], vec![2]] } {
                let parameters: Vec<Parameters> = alone.iter().map(|&k| plan(k)).collect();
                let own: Vec<u64> = alone.iter().map(|&k| seeds[k]).collect();
                let mut net = Net::new(&layers, Init::Normal { std: 0.5 }, 0, &own, exact(fused));
                let refs: Vec<&Parameters> = parameters.iter().collect();
                let mut stepper = Stepper::new(rule, &net, &LR_GENERATOR, &refs, exact(fused));
                let count = net.weights.numel() / alone.len();
                let mut expected: Vec<Vec<f64>> =
                    (0..alone.len()).map(|row| to_f64(&net.weights.get(row as i64))).collect();
                let mut moments = vec![vec![[0.0f64; 3]; count]; alone.len()];
                for t in 0..STEPS {
                    for (row, &k) in alone.iter().enumerate() {
                        let linear = 1.0 - (t as f64 / (STEPS - 1) as f64).min(1.0);
                        let cosine = gone(Course::Cosine { start: k as u64, end: STEPS }, t);
                        let between = |from: f64, to: f64| from * (1.0 - cosine) + to * cosine;
                        let lr = (0.1 + k as f64) * linear;
                        let (b1, b2, decay) = (between(0.9, 0.3), between(0.99, 0.5), between(0.5, 0.9));
                        let (momentum, epsilon) = (between(0.9, 0.1), if t < 2 { 1e-3 } else { 1e-6 });
                        let shrink = if t < 3 { 1.0 } else { 1.0 - lr * 0.2 };
                        let n = (t + 1) as i32;
                        for (i, p) in expected[row].iter_mut().enumerate() {
                            let (g, [m, v, last]) = (gradient(t, k, i), &mut moments[row][i]);
                            *p *= shrink;
                            match rule {
                                Optimizer::Sgd => {
                                    *m = momentum * *m + g;
                                    *p -= lr * *m;
                                }
                                Optimizer::Rmsprop => {
                                    *v = decay * *v + (1.0 - decay) * g * g;
                                    *p -= lr * g / (v.sqrt() + epsilon);
                                }
                                Optimizer::Adam | Optimizer::OptimisticAdam => {
                                    *m = b1 * *m + (1.0 - b1) * g;
                                    *v = b2 * *v + (1.0 - b2) * g * g;
                                    let (mean, square) = (*m / (1.0 - b1.powi(n)), *v / (1.0 - b2.powi(n)));
                                    let direction = mean / (square.sqrt() + epsilon);
                                    *p -= match rule {
                                        Optimizer::OptimisticAdam => lr * (2.0 * direction - *last),
                                        _ => lr * direction,
                                    };
                                    *last = direction;
                                }
                            }
                        }
                    }
                    let grads: Vec<f64> =
                        alone.iter().flat_map(|&k| (0..count).map(move |i| gradient(t, k, i))).collect();
                    net.grads.copy_(&Tensor::from_slice(&grads).view_as(&net.grads));
                    stepper.begin(t);
                    // Looking ahead uses the same coefficients.
                    let (ahead, _) = stepper.look_ahead(&net.weights, &stepper.ahead(), &net.grads, 0);
                    stepper.step(&mut net);
                    for (row, expected) in expected.iter().enumerate() {
                        for found in [&net.weights, &ahead] {
                            let error = distance(&to_f64(&found.get(row as i64)), expected);
                            assert!(error < 1e-12, "{rule:?} fused: {fused} {alone:?} step {t}: {error}");
                        }
                    }
                }
            }
        }
    }
}

/// Each objective with an optimiser, in turn.
fn cases() -> impl Iterator<Item = BuiltIn> {
    let optimizers = Optimizer::ALL.into_iter().cycle();
    let written = written::all().map(|written| written.objective());
    Objective::ALL.into_iter().chain(written).zip(optimizers).enumerate().map(|(i, (objective, optimizer))| {
        let mut blueprint = blueprint(objective, optimizer);
        if i.is_multiple_of(3) && objective.takes_penalties() {
            let form = Form::Excess {
                excess: Amount::Parameter("gradient_penalty".into()),
                target: Amount::Parameter("penalty_target".into()),
            };
            blueprint.penalties = vec![Penalty { at: At::ALL[i % At::ALL.len()], form, every: 1 + i as u32 % 2 }];
        }
        if i.is_multiple_of(2) {
            (blueprint.train.g_steps, blueprint.train.moves) = (2, Moves::Simultaneous);
        }
        blueprint
    })
}

/// For all parameters of all objectives: training with schedules equals training that continues, step by step, with
/// other constants.
#[test]
fn a_step_has_the_parameters_of_that_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let id = CohortId::of(b"a cohort");
    for blueprint in cases() {
        for fused in [false, true] {
            let (plans, fixed): (Vec<_>, Vec<_>) =
                members(&blueprint, 4).iter().enumerate().map(|(k, member)| changing(member, k)).unzip();
            let mut found = trained(&blueprint, plans, exact(fused), STEPS);
            let at = |t: u64| fixed.iter().map(|member| member(t)).collect::<Vec<_>>();
            let mut expected = Trainer::new(&blueprint, at(0), real(), exact(fused));
            for t in 0..STEPS {
                if t > 0 {
                    expected.save(&path, None, id, 0.0, 0).unwrap();
                    expected = Trainer::new(&blueprint, at(t), real(), exact(fused));
                    expected.load(&path, id, &Renamed::new()).unwrap();
                }
                assert_eq!(expected.advance(1), []);
            }
            let mut constant = trained(&blueprint, at(0), exact(fused), STEPS);
            for k in 0..4 {
                let numbers = [&mut found, &mut expected, &mut constant].map(|trainer| numbers(trainer, k));
                let error = distance(&numbers[0], &numbers[1]);
                assert!(error < 1e-9, "{:?} fused: {fused} member {k}: {error}", blueprint.objective);
                assert_eq!(distance(&numbers[0], &numbers[2]) < 1e-6, k == 1, "{:?} {k}", blueprint.objective);
            }
        }
    }
}

#[test]
fn members_with_schedules_equal_their_solo_runs_and_resume() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let id = CohortId::of(b"a cohort");
    for blueprint in cases() {
        let plans: Vec<Member> =
            members(&blueprint, 5).iter().enumerate().map(|(k, member)| changing(member, k).0).collect();
        let mut whole = trained(&blueprint, plans.clone(), single(false), STEPS);
        let mut first = trained(&blueprint, plans.clone(), single(false), 3);
        first.save(&path, None, id, 0.0, 0).unwrap();
        let mut second = Trainer::new(&blueprint, plans.clone(), real(), single(false));
        second.load(&path, id, &Renamed::new()).unwrap();
        assert_eq!(second.advance(STEPS - 3), []);
        for (k, plan) in plans.iter().enumerate() {
            let mut solo = trained(&blueprint, vec![plan.clone()], single(false), STEPS);
            let [whole, second] = [&mut whole, &mut second].map(|trainer| numbers(trainer, k));
            assert!(same(&whole, &numbers(&mut solo, 0)), "{:?} member {k}", blueprint.objective);
            assert!(same(&whole, &second), "{:?} member {k}", blueprint.objective);
        }
        // If fused, some of them end.
        let mut whole = trained(&blueprint, plans.clone(), exact(true), STEPS);
        let mut part = trained(&blueprint, plans, exact(true), 3);
        part.retain(&[0, 3, 4]);
        assert_eq!(part.advance(STEPS - 3), []);
        for (k, was) in [0, 3, 4].into_iter().enumerate() {
            let error = distance(&numbers(&mut part, k), &numbers(&mut whole, was));
            assert!(error < 1e-9, "{:?} member {was}: {error}", blueprint.objective);
        }
    }
}

/// An average whose pace is 0 at first is still an average.
#[test]
fn an_average_may_begin_with_nothing() {
    let blueprint = blueprint(Objective::D2GAN, Optimizer::Sgd);
    let course = Course::Linear { start: 1, end: 4 };
    for fused in [false, true] {
        let mut member = members(&blueprint, 1).remove(0);
        member.parameters.set("ema", Schedule { from: 0.0, to: 0.75, course });
        let mut trainer = Trainer::new(&blueprint, vec![member], real(), exact(fused));
        let mut expected = to_f64(&trainer.games[0].generator.net.weights);
        for (t, lambda) in [0.0, 0.0, 0.25, 0.5, 0.75, 0.75].into_iter().enumerate() {
            assert_eq!(trainer.advance(1), []);
            let game = &trainer.games[0];
            let weights = to_f64(&game.generator.net.weights);
            expected.iter_mut().zip(&weights).for_each(|(mean, x)| *mean = lambda * *mean + (1.0 - lambda) * x);
            let error = distance(&to_f64(game.average(0).unwrap()), &expected);
            assert!(error < 1e-14, "fused: {fused} step {t}: {error}");
        }
    }
}
