//! Wang, Cully, Chang & Demiris, "MAGAN: margin adaptation for generative adversarial networks", 2017. The critic D is
//! an auto-encoder.

use tch::{Kind, Tensor};

use super::{Game, Losses};
use crate::game::Role;
use crate::play::{Latent, Play, mean};

/// One step of algorithm 1, with the energy ‖v − D(v)‖² of a sample v.
///
/// For two epochs of `epoch` steps only the critic learns, to encode real samples; their mean energy in the second
/// epoch is the first margin m. After that, the critic descends E_x D(x) + E_z max(0, m − D(G(z))), and the generator,
/// with fresh noise, descends E_z D(G(z)). At the end of an epoch with mean energies S of real and S' of generated
/// samples, m falls to S if S < m, S < S' and S' is above that of the epoch before.
pub(super) fn step(game: &mut Game, t: u64, epoch: u32) -> Losses {
    let epoch = u64::from(epoch);
    let (rounds, answers) = (game.d_steps as f64, game.g_steps as f64);
    let ends = (t + 1).is_multiple_of(epoch);
    if t < 2 * epoch {
        let discriminator = game.each_round(t, |game, round| {
            game.play(round, |play| {
                let x = play.real();
                let [energies] = energies(play, [&x]);
                play.note(0, Some(&energies), None);
                let loss = mean(&energies);
                keep(play.kept("real"), &(&loss / rounds));
                play.descend(&loss, &[Role::Discriminator(0)])
            })
        });
        if ends {
            let real = game.kept("real").copy();
            *game.kept("margin") = real / epoch as f64;
            let _ = game.kept("real").zero_();
        }
        let nothing = game.kept("margin").zeros_like();
        let generator = game.value(nothing);
        return Losses { discriminator, generator };
    }

    let margin = game.kept("margin").copy();
    let discriminator = game.each_round(t, |game, round| {
        game.play(round, |play| {
            let (x, z) = (play.real(), play.noise());
            let [fake] = play.generator([Latent::Noise(&z)]);
            let [real, fake] = energies(play, [&x, &fake]);
            play.note(0, Some(&real), Some(&fake));
            keep(play.kept("real"), &(mean(&real) / rounds));
            let loss = mean(&real) + mean(&(margin.unsqueeze(-1) - fake).relu());
            play.descend(&loss, &[Role::Discriminator(0)])
        })
    });
    let generator = game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let z = play.noise();
            let [fake] = play.generator([Latent::Noise(&z)]);
            let [energies] = energies(play, [&fake]);
            let loss = mean(&energies);
            keep(play.kept("fake"), &(&loss / answers));
            play.descend(&loss, &[Role::Generator])
        })
    });
    if ends {
        adapt(game, epoch);
    }
    Losses { discriminator, generator }
}

/// Lowers the margin if the conditions hold, and starts the sums of the next epoch.
fn adapt(game: &mut Game, epoch: u64) {
    let [margin, real, fake, before] = ["margin", "real", "fake", "fake_before"].map(|name| game.kept(name).copy());
    let mean = &real / epoch as f64;
    let falls = mean.less_tensor(&margin).logical_and(&real.less_tensor(&fake)).logical_and(&before.less_tensor(&fake));
    *game.kept("margin") = mean.where_self(&falls, &margin);
    *game.kept("fake_before") = fake;
    for name in ["real", "fake"] {
        let _ = game.kept(name).zero_();
    }
}

/// Adds `loss` to a sum over the steps of an epoch.
fn keep(sum: &mut Tensor, loss: &Tensor) {
    let _ = sum.g_add_(&loss.detach());
}

/// ‖v − D(v)‖² of each sample of each batch, `[K, rows]`.
fn energies<const B: usize>(play: &mut Play, batches: [&Tensor; B]) -> [Tensor; B] {
    let decoded = play.discriminator(0, batches);
    let energy = |i: usize| {
        let squares = (play.pack(batches[i]) - &decoded[i].output).square();
        squares.sum_dim_intlist([-1].as_slice(), false, None::<Kind>)
    };
    std::array::from_fn(energy)
}
