//! Recorded losses: match the papers' formulas, belong to the right member, and have no effect on training.

use std::collections::BTreeMap;

use tch::Tensor;

use super::algorithms::{RATES, boxed, losses_of, objectives};
use super::papers::{Algorithm, Round};
use super::*;
use crate::game::Role;
use crate::trace::{Point, Series};
use sweep_spec::id::JobId;

const G: Role = Role::Generator;
const D: Role = Role::Discriminator(0);
const D2: Role = Role::Discriminator(1);

/// A trainer that records losses for the whole blueprint, in calls of a few steps each.
fn traced(
    blueprint: &BuiltIn,
    members: Vec<Member>,
    setup: Setup,
    turns: &[u64],
) -> (Trainer, BTreeMap<JobId, Vec<Point>>) {
    let mut trainer = Trainer::new(blueprint, members, real(), setup);
    trainer.trace();
    turns.iter().for_each(|&steps| assert_eq!(trainer.advance(steps), []));
    let points = trainer.points();
    assert!(trainer.points().is_empty(), "they are given once");
    (trainer, points)
}

/// The bits of all numbers.
fn bits(points: &[Point]) -> Vec<(u64, Vec<(Series, u64)>)> {
    let of = |point: &Point| point.values.iter().map(|(series, value)| (*series, value.to_bits())).collect();
    points.iter().map(|point| (point.step, of(point))).collect()
}

fn blueprints() -> impl Iterator<Item = BuiltIn> {
    let written = written::all().map(|written| written.objective());
    let all = objectives().chain(written).map(|objective| blueprint(objective, Optimizer::Adam));
    all.chain(Objective::ALL.map(packed))
}

#[test]
fn recording_losses_changes_no_bit_of_training() {
    for blueprint in blueprints() {
        let (mut kept, points) = traced(&blueprint, members(&blueprint, 3), single(false), &[5]);
        let mut plain = trained(&blueprint, members(&blueprint, 3), single(false), 5);
        assert!(plain.points().is_empty());
        for (k, member) in plain.members().iter().enumerate() {
            assert!(same(&numbers(&mut kept, k), &numbers(&mut plain, k)), "{:?}", blueprint.objective);
            assert_eq!(points[&member.id].iter().map(|point| point.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        }
    }
}

#[test]
fn a_members_losses_are_those_of_its_solo_run_whatever_the_turns() {
    for blueprint in blueprints() {
        let members = members(&blueprint, 3);
        let (_, cohort) = traced(&blueprint, members.clone(), single(false), &[5]);
        let (_, exactly) = traced(&blueprint, members.clone(), exact(false), &[5]);
        let (_, at_once) = traced(&blueprint, members.clone(), exact(true), &[2, 3]);
        for member in members {
            let (_, solo) = traced(&blueprint, vec![member.clone()], single(false), &[1, 2, 2]);
            assert_eq!(bits(&cohort[&member.id]), bits(&solo[&member.id]), "{:?}", blueprint.objective);
            for (one, other) in exactly[&member.id].iter().zip(&at_once[&member.id]) {
                assert!(one.values.keys().eq(other.values.keys()));
                let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
                assert!(one.values.values().zip(other.values.values()).all(near), "{:?}", blueprint.objective);
            }
        }
    }
}

#[test]
fn a_long_training_keeps_few_steps() {
    let mut blueprint = blueprint(Objective::LSGAN, Optimizer::Adam);
    (blueprint.train.steps, blueprint.train.batch) = (300, 4);
    let (_, points) = traced(&blueprint, members(&blueprint, 1), single(false), &[7, 293]);
    let steps: Vec<u64> = points.values().flatten().map(|point| point.step).collect();
    assert_eq!(steps, (1..=150).map(|i| 2 * i).collect::<Vec<u64>>());
}

#[test]
fn losses_end_with_the_first_that_is_not_finite() {
    for fused in [false, true] {
        let blueprint = blueprint(Objective::Gan { saturating: false }, Optimizer::Sgd);
        let mut sick = members(&blueprint, 2);
        sick[0].parameters.set("lr_generator", f64::INFINITY);
        let (ill, well) = (sick[0].id, sick[1].id);
        let mut trainer = Trainer::new(&blueprint, sick, real(), single(fused));
        trainer.trace();
        assert_eq!(trainer.advance(5).len(), 1);
        let points = trainer.points();
        assert_eq!((points[&ill].len(), points[&well].len()), (2, 5), "fused: {fused}");
        assert!(points[&ill][1].values[&Series::LossD].is_nan() && points[&ill][0].values[&Series::LossD].is_finite());
    }
}

/// The discriminators' mean outputs for real and generated samples before their first move in a step that starts with
/// these batches, with plain operations on the weights. Without MDGAN's second one, which moves later.
fn said(paper: &Algorithm, objective: Objective, (x, z, draw): &Round) -> Vec<(Series, f64)> {
    let mean = |x: Tensor| x.mean(Kind::Double).double_value(&[]);
    let fake = paper.net(G, z);
    let plain = |role: Role| [mean(paper.net(role, x)), mean(paper.net(role, &fake))];
    let first = match objective {
        Objective::Began => [x, &fake].map(|v| mean((paper.packed(v) - paper.net(D, v)).abs())),
        Objective::Magan { .. } => [x, &fake].map(|v| mean(paper.energies(v))),
        Objective::Ali => paper.joint(x, z, *draw).map(mean),
        Objective::Veegan => paper.shown(D, x, z, *draw).map(|pairs| mean(paper.net(D, &pairs))),
        Objective::Mgan { .. } => [x, &fake].map(|v| mean(paper.net(D, v).narrow(1, 0, 1))),
        Objective::Mdgan => [mean(paper.net(D, x)), mean(paper.net(D, &paper.net(G, &paper.net(Role::Encoder, x))))],
        Objective::Gan { .. }
        | Objective::D2ganDfm
        | Objective::Unrolled { .. }
        | Objective::RegGan
        | Objective::Dfm
        | Objective::ImprovedGan { .. }
        | Objective::Game(_)
        | Objective::Formula(_) => plain(D),
    };
    let mut all = vec![(Series::OutputReal, first[0]), (Series::OutputFake, first[1])];
    if matches!(objective, Objective::D2GAN | Objective::D2ganDfm) {
        let second = plain(D2);
        all.extend([(Series::OutputReal2, second[0]), (Series::OutputFake2, second[1])]);
    }
    all
}

#[test]
fn losses_and_outputs_are_those_of_the_papers_formulas() {
    for (objective, pack, rounds) in
        objectives().flat_map(|objective| [(objective, 1, 1), (objective, 2, 1), (objective, 1, 3)])
    {
        let mut blueprint = boxed(objective, pack);
        blueprint.train.d_steps = rounds;
        let mut members = members(&blueprint, 1);
        RATES.iter().for_each(|&(parameter, value)| members[0].parameters.set(parameter, value));
        let mut trainer = Trainer::new(&blueprint, members, real(), exact(false));
        trainer.trace();
        let mut paper = {
            let _guard = tch::no_grad_guard();
            Algorithm::of(&mut trainer, &blueprint)
        };
        assert_eq!(trainer.advance(3), []);
        let points = trainer.points().into_values().next().unwrap();
        assert_eq!(points.len(), 3);
        for (t, Point { step, values }) in (0..).zip(points) {
            assert_eq!(step, t + 1);
            let used = paper.used;
            let round = paper.round(1);
            // With several rounds the last is recorded, and players have moved before it.
            let mut expected = if rounds == 1 { said(&paper, blueprint.objective, &round) } else { Vec::new() };
            paper.used = used;
            paper.moves.clear();
            paper.step(t);
            expected.extend([Series::LossD, Series::LossG].into_iter().zip(losses_of(&paper)));
            // MAGAN's critic gets only real samples at first.
            let learns = matches!(objective, Objective::Magan { .. }) && t < 2;
            for (series, expected) in expected {
                let found = values.get(&series).copied();
                if learns && series == Series::OutputFake {
                    assert_eq!(found, None);
                    continue;
                }
                let near = found.is_some_and(|found| (found - expected).abs() < 1e-9 * expected.abs().max(1.0));
                assert!(
                    near,
                    "{objective:?}, packs of {pack}, {rounds} rounds, step {step}: {series:?} {found:?} {expected}"
                );
            }
            let discriminators = blueprint.objective.declares().discriminators;
            assert_eq!(values.len(), 2 + 2 * discriminators - usize::from(learns), "{objective:?} {values:?}");
        }
    }
}
