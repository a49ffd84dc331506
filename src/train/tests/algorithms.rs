//! Players move as in the algorithms of their papers ([`super::papers`]), on the right noise and real samples.

use super::papers::Algorithm;
use super::written::{self, Written};
use super::*;
use crate::game::Role;
use crate::trace::Series;
use sweep_tensor::host::to_f64;
use tch::Tensor;

/// Smooth networks with batch normalisation, so results depend on which samples are in a batch together.
pub(super) struct Boxed;

const TANH: Layer = Layer::Activation(Activation::Tanh);

fn normed(inputs: u32, width: u32, outputs: u32) -> Vec<Layer> {
    vec![linear(inputs, width), Layer::BatchNorm { features: width }, TANH, linear(width, outputs)]
}

impl Architecture for Boxed {
    fn generator(&self) -> Vec<Layer> {
        normed(2, 5, 2)
    }

    fn discriminator(&self, pack: u32) -> Vec<Layer> {
        normed(2 * pack, 4, 1)
    }

    fn autoencoder(&self, pack: u32) -> Vec<Layer> {
        normed(2 * pack, 2, 2 * pack)
    }

    fn encoder(&self, outputs: u32) -> Vec<Layer> {
        normed(2, 4, outputs)
    }

    fn denoiser(&self, features: u32) -> Vec<Layer> {
        vec![linear(features, 3), TANH, linear(3, features)]
    }
}

pub(super) const RATES: [(&str, f64); 4] =
    [("lr_generator", 0.05), ("lr_discriminator", 0.03), ("momentum", 0.0), ("clip", 0.5)];

/// The objectives, with settings in which all their parts occur within a few steps.
pub(super) fn objectives() -> impl Iterator<Item = Objective> {
    let small = |objective| match objective {
        Objective::Mgan { .. } => Objective::Mgan { generators: 3 },
        Objective::Unrolled { .. } => Objective::Unrolled { steps: 3 },
        other => other,
    };
    let more = [Objective::Gan { saturating: true }, Objective::ImprovedGan { feature_matching: true }];
    Objective::ALL.into_iter().map(small).chain(more)
}

/// A small job with networks of [`Boxed`], trained with plain gradient descent.
pub(super) fn boxed(objective: Objective, pack: u32) -> BuiltIn {
    let mut blueprint = blueprint(objective, Optimizer::Sgd);
    let wanted = Wanted::of(objective, pack, [3, 2]);
    blueprint.model = wanted.networks(&Boxed, (2, NoiseDistribution::Normal), Init::Normal { std: 0.8 }).unwrap();
    blueprint.train.batch = 24;
    blueprint
}

/// The losses of one step whose moves `paper` has all made: of the discriminators together in their last round, and of
/// the generator.
pub(super) fn losses_of(paper: &Algorithm) -> [f64; 2] {
    let last = |role: Role| paper.moves.iter().rposition(|(movers, _)| movers.contains(&role));
    // Two players that move together have one loss.
    let of_d: std::collections::BTreeSet<usize> = (0..3).map(Role::Discriminator).filter_map(last).collect();
    // MDGAN has moves with and without the encoder.
    let last_of_g = |with: bool| {
        paper
            .moves
            .iter()
            .rfind(|(movers, _)| movers.contains(&Role::Generator) && movers.contains(&Role::Encoder) == with)
            .map(|(_, loss)| *loss)
    };
    let of_g = [true, false].into_iter().filter_map(last_of_g);
    // An empty sum is −0.
    [of_d.into_iter().map(|at| paper.moves[at].1).sum(), of_g.sum::<f64>() + 0.0]
}

/// Losses of the discriminators together and of the generator, in the fifth step with two rounds of the discriminators
/// per step. [`Algorithm`] computes them and counts the draws itself: the first noise of a member is draw 0, the next
/// is draw 1, and so on.
const LOSSES: [(&str, [f64; 2]); 31] = [
    ("gan", [1.4560331793843309, 0.7382768628254356]),
    ("d2gan", [1.841557942097414, -0.8254147129684946]),
    ("lsgan", [0.34146970955020983, 0.17183844845367194]),
    ("wgan", [-0.011493050553339781, 0.0033177159228485464]),
    ("wgan_gp", [0.06641575761492233, -0.0009881865794744333]),
    ("wgan_div", [0.009404711876787222, -0.01953156512806548]),
    ("dragan", [1.6884572879633368, 0.7502858383901431]),
    ("bgan", [1.4518507950532025, 0.13660913094920554]),
    ("hinge", [1.5813027085672835, 0.038807156348186995]),
    ("rpgan", [0.7456880981569229, 0.7705814073554035]),
    ("ragan", [0.7285395205974253, 0.7593356850545884]),
    ("unrolled", [1.455331746293536, -1.4339016703729834]),
    ("reg_gan", [1.458345758799731, 1.2727141048984572]),
    ("mdgan", [2.968178193180168, 1.3002063909400392]),
    ("dfm", [1.4558091951155374, 0.9149161492669472]),
    ("d2gan_dfm", [1.8462737688027338, -0.641162896105675]),
    ("improved_gan", [2.207725061791188, 1.4352238722248778]),
    ("began", [0.8521820097497484, 0.5425504069204239]),
    ("magan", [3.767212613418052, 0.44333712187880675]),
    ("ali", [1.6540024727973792, 1.6383142225275795]),
    ("veegan", [1.6361948562293196, 0.29412065354308625]),
    ("mgan", [1.9764271604538663, 1.3817962541762858]),
    ("gan, saturating", [1.4562437150887302, -0.7131325555845426]),
    ("improved_gan, feature_matching", [2.221859532908365, 0.08523536930885017]),
    ("alpha-GAN", [2.065042139548578, 0.6588954442339139]),
    ("labels", [1.4527007017805706, 0.6827692439498518]),
    ("targets", [0.7093523074024706, 0.07278587440677049]),
    ("GMAN, mean", [4.340181860018464, 0.7284164928820975]),
    ("GMAN, softmax", [4.341800034131759, 0.727924698619552]),
    ("two games", [1.9892548098051954, 0.3862524232097798]),
    ("held", [1.4553282375721104, -0.17739589065491163]),
];

#[test]
fn losses_after_five_steps_never_change() {
    let mut found = Vec::new();
    for (name, objective, written) in games() {
        let mut blueprint = boxed(objective, 1);
        blueprint.train.d_steps = 2;
        let members = vec![player(&blueprint, written.as_ref(), &[])];
        let mut trainer = Trainer::new(&blueprint, members, real(), exact(false));
        trainer.trace();
        let mut paper = {
            let _guard = tch::no_grad_guard();
            Algorithm::of(&mut trainer, &blueprint).playing(written)
        };
        assert_eq!(trainer.advance(5), []);
        let last = trainer.points().into_values().next().unwrap().pop().unwrap();
        for t in 0..5 {
            paper.moves.clear();
            paper.step(t);
        }
        found.push((name, [Series::LossD, Series::LossG].map(|loss| last.values[&loss]), losses_of(&paper)));
    }
    let names: Vec<&str> = LOSSES.iter().map(|(name, _)| *name).collect();
    assert_eq!(found.iter().map(|(name, ..)| *name).collect::<Vec<_>>(), names);
    for ((name, found, paper), (_, pinned)) in found.into_iter().zip(LOSSES) {
        for ((found, paper), pinned) in found.into_iter().zip(paper).zip(pinned) {
            let near = |x: f64| (x - pinned).abs() < 1e-9 * pinned.abs().max(1.0);
            assert!(near(paper), "{name}: by the paper {paper:?}, pinned {pinned}");
            assert!(near(found), "{name}: {found:?}, pinned {pinned}");
        }
    }
}

#[test]
fn players_move_as_in_the_algorithms_of_their_papers() {
    let alternating = (1, Moves::Alternating, true);
    let together = (1, Moves::Simultaneous, true);
    for (pack, rounds, moves) in [
        (1, 1, alternating),
        (1, 3, alternating),
        (2, 2, alternating),
        (1, 1, (3, Moves::Alternating, true)),
        (1, 2, (2, Moves::Alternating, false)),
        (1, 1, together),
        (1, 2, (2, Moves::Simultaneous, false)),
    ] {
        for (_, objective, written) in games() {
            let mut blueprint = boxed(objective, pack);
            let train = &mut blueprint.train;
            (train.d_steps, (train.g_steps, train.moves, train.fresh_noise)) = (rounds, moves);
            moves_as_written(&blueprint, written, &[]);
        }
    }
}

/// Checks that five steps with `more` parameters give the same weights as the paper's algorithm.
pub(super) fn moves_as_in_its_paper(blueprint: &BuiltIn, more: &[(&str, f64)]) {
    moves_as_written(blueprint, None, more);
}

/// The games of all objectives with their names; those in sweep files have their losses, too.
fn games() -> impl Iterator<Item = (&'static str, Objective, Option<Written>)> {
    let of_papers = objectives().map(|objective| {
        let name = match objective {
            Objective::Gan { saturating: true } => "gan, saturating",
            Objective::ImprovedGan { feature_matching: true } => "improved_gan, feature_matching",
            other => other.name(),
        };
        (name, objective, None)
    });
    of_papers.chain(written::all().into_iter().map(|written| (written.name, written.objective(), Some(written))))
}

/// A member with learning rates for plain gradient descent; for a game in a sweep file, also with labels and targets.
fn player(blueprint: &BuiltIn, written: Option<&Written>, more: &[(&str, f64)]) -> Member {
    let mut member = members(blueprint, 1).remove(0);
    if let Some(written) = written {
        let (_, parameters) = written.job("train: {steps: 8}");
        parameters.iter().for_each(|(name, value)| member.parameters.set(name, value.clone()));
    }
    RATES.iter().chain(more).for_each(|&(parameter, value)| member.parameters.set(parameter, value));
    member
}

/// As [`moves_as_in_its_paper`], also for games in sweep files.
fn moves_as_written(blueprint: &BuiltIn, written: Option<Written>, more: &[(&str, f64)]) {
    let members = vec![player(blueprint, written.as_ref(), more)];
    let mut trainer = Trainer::new(blueprint, members, real(), exact(false));
    let mut paper = {
        let _guard = tch::no_grad_guard();
        Algorithm::of(&mut trainer, blueprint).playing(written)
    };
    const STEPS: u64 = 5;
    assert_eq!(trainer.advance(STEPS), []);
    let before: Vec<_> = paper.players.iter().map(|(_, _, weights)| weights[0].1.copy()).collect();
    (0..STEPS).for_each(|t| paper.step(t));
    let case = format!("{:?}, packs of {}, {:?}", blueprint.objective, blueprint.model.pack, blueprint.train);
    for ((role, _, weights), before) in paper.players.iter().zip(before) {
        let found = trainer.games[0].player(*role).net.named(0);
        let moved = distance(&to_f64(&before), &to_f64(&weights[0].1));
        assert!(moved > 1e-4, "{case}: {role:?} moves by {moved}");
        for (name, expected) in weights {
            let found = &found.iter().find(|(own, _)| own == name).unwrap().1;
            let scale = f64::try_from(expected.abs().max()).unwrap().max(0.1);
            let error = f64::try_from((found - expected).abs().max()).unwrap() / scale;
            assert!(error < 1e-9, "{case}: {role:?} {name}: {error}");
        }
    }
}

/// The losses of the discriminator and the generator for logits of real and generated samples, as in their papers.
pub(super) fn of_pairs(objective: Objective, margin: f64, real: &Tensor, fake: &Tensor) -> [Tensor; 2] {
    let mean = |x: Tensor| x.mean(Kind::Double);
    // −log σ(d).
    let cross = |d: Tensor| mean(-d.sigmoid().log());
    // The logit of a sample minus the mean logit of the others.
    let apart = |a: &Tensor, b: &Tensor| a - b.mean(Kind::Double);
    match objective {
        Objective::LSGAN => {
            [mean((real - 1.0).square()) / 2.0 + mean(fake.square()) / 2.0, mean((fake - 1.0).square()) / 2.0]
        }
        Objective::HINGE => {
            [mean((-real + margin).clamp_min(0.0)) + mean((fake + margin).clamp_min(0.0)), -mean(fake.shallow_clone())]
        }
        Objective::RPGAN => [cross(real - fake), cross(fake - real)],
        Objective::RAGAN => [
            (cross(apart(real, fake)) + cross(-apart(fake, real))) / 2.0,
            (cross(apart(fake, real)) + cross(-apart(real, fake))) / 2.0,
        ],
        other => panic!("{other:?} has no losses of pairs"),
    }
}
