//! A member of a cohort equals its solo run: in values, whatever its neighbours do, through interruption, and both
//! fused and one by one.

use super::written;
use super::*;
use crate::checkpoint::{Progress, Renamed, Source};
use crate::error::CheckpointError;
use sweep_spec::amount::Amount;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::penalty::{At, Form, Penalty};

fn cases() -> impl Iterator<Item = BuiltIn> {
    // All cases would take many minutes on a GPU, which is slow for such small networks.
    every_case().step_by(if device() == Device::Cpu { 1 } else { 5 })
}

fn every_case() -> impl Iterator<Item = BuiltIn> {
    let more = [Objective::Gan { saturating: true }, Objective::ImprovedGan { feature_matching: true }];
    let digits = |objective| BuiltIn {
        objective,
        model: conv_model(&narrow(Design::Dcgan, 4, 1, 28), objective),
        ..convolutional()
    };
    Objective::ALL
        .into_iter()
        .chain(more)
        .flat_map(|objective| Optimizer::ALL.map(|optimizer| blueprint(objective, optimizer)))
        .chain(Objective::ALL.map(packed))
        .chain(
            [Objective::Ali, Objective::Veegan, Objective::Began, Objective::Dfm, Objective::RegGan, Objective::Mdgan]
                .map(digits),
        )
        .chain([convolutional(), BuiltIn { model: maps_of_every_kind(), ..convolutional() }])
        .chain(reordered())
        .chain(written_games())
        .chain([Objective::D2GAN, Objective::WGAN_GP, Objective::Unrolled { steps: 2 }].map(|objective| BuiltIn {
            objective,
            model: layers_within_layers(),
            ..convolutional()
        }))
        .chain(reordered().take(1).map(|case| BuiltIn { model: layers_within_layers(), ..convolutional_as(&case) }))
}

/// Convolutional networks, trained as `case`.
fn convolutional_as(case: &BuiltIn) -> BuiltIn {
    BuiltIn {
        objective: case.objective,
        train: case.train.clone(),
        penalties: case.penalties.clone(),
        ..convolutional()
    }
}

/// Every objective with a different order of moves, and a penalty if it can have one, with each optimiser in turn.
fn reordered() -> impl Iterator<Item = BuiltIn> {
    Objective::ALL.into_iter().zip(Optimizer::ALL.into_iter().cycle()).enumerate().map(|(i, (objective, optimizer))| {
        let mut blueprint = blueprint(objective, optimizer);
        let train = &mut blueprint.train;
        (train.g_steps, train.moves, train.fresh_noise) = (2, Moves::Simultaneous, i.is_multiple_of(2));
        if objective.takes_penalties() {
            blueprint.penalties = vec![penalty(i)];
        }
        blueprint
    })
}

/// Penalties of all forms and at all points, in each of the discriminators' moves or in every second or third.
fn penalty(i: usize) -> Penalty {
    let of = |name: &str| Amount::Parameter(name.into());
    let (weight, target) = (of("gradient_penalty"), of("penalty_target"));
    let form = match i % 4 {
        0 => Form::HalfSquare { half_square: weight },
        1 => Form::Distance { distance: weight, target },
        2 => Form::Excess { excess: weight, target },
        _ => Form::Power { power: weight, exponent: of("penalty_power") },
    };
    Penalty { at: At::ALL[i % At::ALL.len()], form, every: 1 + i as u32 % 3 }
}

/// Games in sweep files, in the usual and another order of moves, with a penalty, and with each optimiser in turn.
fn written_games() -> impl Iterator<Item = BuiltIn> {
    let games = written::all().into_iter().zip(Optimizer::ALL.into_iter().cycle()).enumerate();
    games.flat_map(|(i, (written, optimizer))| {
        let usual = blueprint(written.objective(), optimizer);
        let mut other = usual.clone();
        let train = &mut other.train;
        (train.g_steps, train.moves, train.fresh_noise) = (2, Moves::Simultaneous, i.is_multiple_of(2));
        other.penalties = vec![penalty(i + 1)];
        [usual, other]
    })
}

/// Members that differ in every parameter; with another order of moves, also in optional parameters.
fn members(blueprint: &BuiltIn, count: usize) -> Vec<Member> {
    let mut members = super::members(blueprint, count);
    // The gradient of a bias before batch normalisation is only rounding error. With the usual ε, Adam turns it into a
    // step in a direction that differs between any two ways of computing it. VEEGAN has two networks with such biases
    // in a row; its error scales as 1/ε, and is 1e-14 with SGD.
    let epsilon = match (blueprint.objective, blueprint.train.generator) {
        (Objective::Veegan, _) => Some(1e-4),
        (_, Optimizer::OptimisticAdam) => Some(1e-6),
        _ => None,
    };
    if let Some(epsilon) = epsilon {
        members.iter_mut().for_each(|member| member.parameters.set("epsilon", epsilon));
    }
    members.iter_mut().enumerate().for_each(|(i, member)| written::labelled(member, i, count));
    if blueprint.train.moves == Moves::Simultaneous {
        for (i, member) in members.iter_mut().enumerate() {
            let x = i as f64 / count as f64;
            member.parameters.set("epsilon", epsilon.unwrap_or(1e-6) * (1.0 + x));
            // Each is missing in one member.
            for (of, parameter, value) in
                [(0, "weight_decay", 1.0 + x), (1, "clip_gradient", 0.02 + x / 10.0), (0, "mode_seeking", 0.2 + x)]
            {
                if i % 3 != of {
                    member.parameters.set(parameter, value);
                }
            }
            let (average, value) = if i % 3 == 2 { ("ema_half_life", 40.0) } else { ("ema", 0.5 + x / 4.0) };
            if i != 3 {
                member.parameters.set(average, value);
            }
            if i % 3 == 1 {
                member.parameters.set("ema_start", 2.0);
                member.parameters.set("adam_beta1", -0.3);
            }
        }
    }
    members
}

/// Computed one by one, it has the bits of its solo run: see the next test.
#[test]
fn fused_or_not_a_member_equals_its_solo_run() {
    for blueprint in cases() {
        let members = members(&blueprint, 4);
        let mut at_once = trained(&blueprint, members.clone(), exact(true), 5);
        let mut one_by_one = trained(&blueprint, members.clone(), exact(false), 5);
        for (k, member) in members.iter().enumerate() {
            let mut solo = trained(&blueprint, vec![member.clone()], exact(true), 5);
            let found = numbers(&mut at_once, k);
            let errors = [distance(&found, &numbers(&mut solo, 0)), distance(&found, &numbers(&mut one_by_one, k))];
            assert!(
                errors.iter().all(|error| *error < 1e-9),
                "{:?} member {k}: {errors:?}, {:?}",
                blueprint.objective,
                blueprint.train
            );
        }
    }
}

#[test]
fn on_the_cpu_a_member_has_the_bits_of_its_solo_run() {
    for mut blueprint in cases() {
        // Not a whole number of vectors, if possible.
        if blueprint.model.pack == 1 && !matches!(blueprint.objective, Objective::Mgan { .. }) {
            blueprint.train.batch = 37;
        }
        let members = members(&blueprint, 5);
        let mut cohort = trained(&blueprint, members.clone(), single(false), 5);
        for (k, member) in members.iter().enumerate() {
            let mut solo = trained(&blueprint, vec![member.clone()], single(false), 5);
            assert!(same(&numbers(&mut cohort, k), &numbers(&mut solo, 0)), "{:?} member {k}", blueprint.objective);
        }
    }
}

#[test]
fn neighbours_and_order_change_nothing() {
    let blueprint = blueprint(Objective::D2GAN, Optimizer::Adam);
    let members = members(&blueprint, 4);
    let mut cohort = trained(&blueprint, members.clone(), single(false), 5);
    let mut reversed = members.clone();
    reversed.reverse();
    reversed[0].parameters.set("alpha", 0.77);
    let mut other = trained(&blueprint, reversed, single(false), 5);
    for k in 0..3 {
        assert!(same(&numbers(&mut cohort, k), &numbers(&mut other, 3 - k)));
    }
    assert!(!same(&numbers(&mut cohort, 3), &numbers(&mut other, 0)), "α must matter");
}

#[test]
fn a_member_that_diverges_leaves_the_others_as_they_are() {
    for (case, blueprint) in cases().enumerate() {
        // In a cycle of four, the number of optimisers, breaks the generator or a discriminator.
        let (at, of_generator) = (case % 3, (case / 4).is_multiple_of(2));
        let others: Vec<usize> = (0..3).filter(|k| *k != at).collect();
        for fused in [false, true] {
            let mut sick = members(&blueprint, 3);
            let mut healthy = trained(&blueprint, sick.clone(), single(fused), 6);
            sick[at].parameters.set(if of_generator { "lr_generator" } else { "lr_discriminator" }, f64::INFINITY);
            let ids: Vec<_> = sick.iter().map(|member| member.id).collect();
            let mut cohort = Trainer::new(&blueprint, sick, real(), single(fused));
            // The first step in which the generator moves, and the first with a loss that depends on that move.
            let (moves, shows) = match blueprint.objective {
                _ if !of_generator => (6, 1),
                Objective::Magan { epoch } if blueprint.train.g_steps > 1 => (6, 2 * u64::from(epoch) + 1),
                Objective::Magan { epoch } => (2 * u64::from(epoch) + 1, 2 * u64::from(epoch) + 2),
                // It moves twice in a step, so the first step shows it.
                Objective::Mdgan => (6, 1),
                _ if blueprint.train.g_steps > 1 => (6, 1),
                _ => (1, 2),
            };
            let mut diverged = cohort.advance(moves);
            if diverged.is_empty() {
                assert_eq!(cohort.healthy(), [0, 1, 2].map(|k| k != at), "{:?}", blueprint.objective);
                diverged = cohort.advance(6 - moves);
            }
            assert_eq!(diverged.iter().map(|d| d.job).collect::<Vec<_>>(), [ids[at]], "{:?}", blueprint.objective);
            // Members that are computed at once are checked at the end of the steps.
            assert_eq!(diverged[0].step, if single(fused).fused { 6 } else { shows }, "{:?}", blueprint.objective);
            assert!(diverged[0].message.contains("loss is"), "{}", diverged[0].message);
            assert_eq!(
                cohort.members().iter().map(|member| member.id).collect::<Vec<_>>(),
                [ids[others[0]], ids[others[1]]]
            );
            for (k, &was) in others.iter().enumerate() {
                assert!(
                    same(&numbers(&mut cohort, k), &numbers(&mut healthy, was)),
                    "{:?} fused: {fused}",
                    blueprint.objective
                );
            }
        }
    }
}

#[test]
fn dropping_a_member_leaves_the_others_as_they_are() {
    for fused in [false, true] {
        let blueprint = blueprint(Objective::D2GAN, Optimizer::Adam);
        let mut whole = trained(&blueprint, members(&blueprint, 3), exact(fused), 6);
        let mut cut = trained(&blueprint, members(&blueprint, 3), exact(fused), 3);
        cut.retain(&[0, 2]);
        assert_eq!(cut.advance(3), []);
        for (k, was) in [(0, 0), (1, 2)] {
            assert!(distance(&numbers(&mut cut, k), &numbers(&mut whole, was)) < 1e-12);
        }
    }
}

#[test]
fn resuming_from_a_checkpoint_is_bit_exact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let id = CohortId::of(b"a cohort");
    for (case, blueprint) in cases().enumerate() {
        let members = members(&blueprint, 3);
        // Some of them also fused.
        if case.is_multiple_of(3) {
            let mut whole = trained(&blueprint, members.clone(), single(true), 5);
            let mut first = trained(&blueprint, members.clone(), single(true), 3);
            first.save(&path, Some(&path.with_extension("previous")), id, 1.25, 0).unwrap();
            let mut second = Trainer::new(&blueprint, members.clone(), real(), single(true));
            second.load(&path, id, &Renamed::new()).unwrap();
            assert_eq!(second.advance(2), []);
            for k in 0..3 {
                let numbers = [&mut second, &mut whole].map(|trainer| numbers(trainer, k));
                assert!(same(&numbers[0], &numbers[1]), "{:?} at once", blueprint.objective);
            }
        }
        let mut whole = trained(&blueprint, members.clone(), single(false), 7);
        let mut first = trained(&blueprint, members.clone(), single(false), 3);
        let before = first.sample(1, Weights::Ema, &Stream::new(1, Purpose::Score, 3), 20);
        first.save(&path, Some(&path.with_extension("previous")), id, 1.25, 0).unwrap();
        let mut second = Trainer::new(&blueprint, members.clone(), real(), single(false));
        assert_eq!(second.load(&path, id, &Renamed::new()).unwrap(), Progress { step: 3, seconds: 1.25, scored: 0 });
        assert_eq!(second.steps(), 3);
        assert_eq!(second.sample(1, Weights::Ema, &Stream::new(1, Purpose::Score, 3), 20), before);
        assert_eq!(second.advance(4), []);
        for k in 0..3 {
            assert!(same(&numbers(&mut second, k), &numbers(&mut whole, k)), "{:?}", blueprint.objective);
        }

        // The same jobs, under other names than in the file.
        let today = |k: u64| JobId::of(&[k as u8]);
        let named = (0..).zip(&members).map(|(k, member)| Member { id: today(k), ..member.clone() }).collect();
        let mut renamed = Trainer::new(&blueprint, named, real(), single(false));
        assert!(renamed.load(&path, id, &Renamed::new()).is_err(), "without a map of renamed jobs");
        let names: Renamed = (0..).zip(&members).map(|(k, member)| (member.id, today(k))).collect();
        renamed.load(&path, id, &names).unwrap();
        assert_eq!(renamed.advance(4), []);
        assert!(same(&numbers(&mut renamed, 2), &numbers(&mut whole, 2)));

        // Members that had ended stay dropped.
        first.retain(&[0, 2]);
        first.save(&path, Some(&path.with_extension("previous")), id, 1.25, 0).unwrap();
        let mut third = Trainer::new(&blueprint, members.clone(), real(), single(false));
        third.load(&path, id, &Renamed::new()).unwrap();
        assert_eq!(third.members().iter().map(|m| m.id).collect::<Vec<_>>(), [members[0].id, members[2].id]);
        assert_eq!(third.advance(4), []);
        assert!(same(&numbers(&mut third, 1), &numbers(&mut whole, 2)));
    }
}

#[test]
fn a_part_resumes_from_the_checkpoint_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let id = CohortId::of(b"the whole");
    for blueprint in cases() {
        for fused in [false, true] {
            let members = members(&blueprint, 3);
            let mut whole = trained(&blueprint, members.clone(), exact(fused), 3);
            whole.save(&path, Some(&path.with_extension("previous")), id, 1.25, 2).unwrap();
            assert_eq!(whole.advance(2), []);
            for (range, scored) in [(1..3, 1), (0..1, 1), (2..3, 0)] {
                let mut part = Trainer::new(&blueprint, members[range.clone()].to_vec(), real(), exact(fused));
                assert!(part.load(&path, id, &Renamed::new()).is_err(), "the checkpoint holds others");
                assert_eq!(
                    part.load_parts(&[Source { path: &path, cohort: id }], &[], &Renamed::new()).unwrap(),
                    Progress { step: 3, seconds: 1.25, scored }
                );
                assert_eq!(part.advance(2), []);
                for (k, was) in range.enumerate() {
                    let (part, whole) = (numbers(&mut part, k), numbers(&mut whole, was));
                    let well = if fused { distance(&part, &whole) < 1e-9 } else { same(&part, &whole) };
                    assert!(well, "{:?}, fused: {fused}", blueprint.objective);
                }
            }
            // No member may be missing.
            let mut rest = trained(&blueprint, members[1..].to_vec(), exact(fused), 1);
            rest.save(&path, Some(&path.with_extension("previous")), id, 0.0, 0).unwrap();
            let sources = [Source { path: &path, cohort: id }];
            let error = whole.load_parts(&sources, &[], &Renamed::new()).unwrap_err().to_string();
            assert!(error.contains(&format!("does not hold job {}", members[0].id)), "{error}");
            assert_eq!(whole.steps(), 5, "all is as it was");
        }
    }
}

#[test]
fn members_of_several_cohorts_resume_together() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one", "two", "three"].map(|name| folder.path().join(name));
    let ids = ["one", "two", "three"].map(|name| CohortId::of(name.as_bytes()));
    let sources = || paths.iter().zip(ids).map(|(path, cohort)| Source { path, cohort }).collect::<Vec<_>>();
    for blueprint in cases().step_by(20) {
        for fused in [false, true] {
            let members = members(&blueprint, 6);
            // Two of the first three have ended since, and one of the others is in its own cohort.
            let cohorts = [&members[..3], &members[3..5], &members[5..]];
            for (at, (of, seconds)) in cohorts.iter().zip([1.0, 2.0, 6.0]).enumerate() {
                let mut trainer = trained(&blueprint, of.to_vec(), exact(fused), 3);
                trainer.save(&paths[at], None, ids[at], seconds, if at == 1 { 1 } else { of.len() }).unwrap();
            }
            let left = [4, 1, 5, 3].map(|at: usize| members[at].clone());
            let mut together = Trainer::new(&blueprint, left.to_vec(), real(), exact(fused));
            let progress = together.load_parts(&sources(), &[], &Renamed::new()).unwrap();
            assert_eq!(progress, Progress { step: 3, seconds: (1.0 + 2.0 + 6.0 + 2.0) / 4.0, scored: 0 });
            assert_eq!(together.advance(2), []);
            let mut whole = trained(&blueprint, members.clone(), exact(fused), 5);
            for (k, member) in left.iter().enumerate() {
                let was = members.iter().position(|other| other.id == member.id).unwrap();
                let (found, expected) = (numbers(&mut together, k), numbers(&mut whole, was));
                let well = if fused { distance(&found, &expected) < 1e-9 } else { same(&found, &expected) };
                assert!(well, "{:?}, fused: {fused}", blueprint.objective);
            }
            let mut first =
                Trainer::new(&blueprint, [3, 1, 4].map(|at: usize| members[at].clone()).to_vec(), real(), exact(fused));
            assert_eq!(first.load_parts(&sources(), &[], &Renamed::new()).unwrap().scored, 2, "the first two");

            // A checkpoint that is not needed may be missing or damaged.
            let mut few = Trainer::new(&blueprint, left[..3].to_vec(), real(), exact(fused));
            assert_eq!(few.load_parts(&sources()[..2], &[members[5].id], &Renamed::new()).unwrap().step, 3);
            assert_eq!(
                few.members().iter().map(|member| member.id).collect::<Vec<_>>(),
                [members[4].id, members[1].id]
            );
            let mut alone = Trainer::new(&blueprint, left[..2].to_vec(), real(), exact(fused));
            let none = folder.path().join("none");
            let more = [&[Source { path: &none, cohort: ids[0] }], &sources()[..]].concat();
            assert_eq!(alone.load_parts(&more, &[], &Renamed::new()).unwrap().step, 3);

            // First one of another step, then none with the last member.
            let error = |found: Result<Progress, CheckpointError>| found.unwrap_err().to_string();
            let found = error(together.load_parts(&sources()[..2], &[], &Renamed::new()));
            assert!(found.contains(&format!("two: does not hold job {}", members[5].id)), "{found}");
            let mut ahead = trained(&blueprint, cohorts[2].to_vec(), exact(fused), 4);
            ahead.save(&paths[2], None, ids[2], 0.0, 0).unwrap();
            let found = error(together.load_parts(&sources(), &[], &Renamed::new()));
            assert!(found.contains("three: is of step 4, but ") && found.contains("one is of step 3"), "{found}");
            assert_eq!(together.steps(), 5, "all is as it was");
        }
    }
}

#[test]
fn a_damaged_checkpoint_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let id = CohortId::of(b"a cohort");
    let blueprint = blueprint(Objective::D2GAN, Optimizer::Adam);
    let mut trainer = trained(&blueprint, members(&blueprint, 2), single(false), 1);
    trainer.save(&path, Some(&path.with_extension("previous")), id, 0.0, 1).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(trainer.load(&path, CohortId::of(b"another"), &Renamed::new()).is_err());
    for cut in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(trainer.load(&path, id, &Renamed::new()).is_err(), "cut at {cut}");
    }
    for at in (whole.len() / 2..whole.len()).step_by(997) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        std::fs::write(&path, &flipped).unwrap();
        assert!(trainer.load(&path, id, &Renamed::new()).is_err(), "bit flipped at {at}");
    }
    std::fs::write(&path, &whole).unwrap();
    trainer.load(&path, id, &Renamed::new()).unwrap();
}
