//! Divergence: members whose losses or weights are not finite.

use tch::{Kind, Tensor};

use super::game::{Game, Member};
use super::loss::PerMember;
use super::objectives::Losses;
use sweep_spec::id::JobId;
use sweep_tensor::host;

/// A member whose loss became NaN or infinite.
#[derive(Clone, Debug, PartialEq)]
pub struct Diverged {
    /// The member.
    pub job: JobId,
    /// The step of that loss. On a GPU, the end of the steps in which it was noticed.
    pub step: u64,
    /// Which loss.
    pub message: String,
}

/// Checks the losses of one game, step by step.
#[derive(Default)]
pub struct Watch {
    /// For each member, the step and message of its first loss that is not finite.
    found: Vec<Option<(u64, String)>>,
    /// `[K, 2]`, sums of the losses of members that are computed at once. A sum stays not finite once a loss was.
    /// Reading each loss would stall a GPU's queue.
    sums: Option<Tensor>,
}

impl Watch {
    /// Checks the losses of the step that ends at `step`.
    pub fn look(&mut self, step: u64, losses: Losses) {
        match (losses.discriminator, losses.generator) {
            (PerMember::Host(d), PerMember::Host(g)) => self.note(step, d.into_iter().zip(g)),
            (d, g) => {
                let both = Tensor::stack(&[d.tensor(), g.tensor()], 1);
                self.sums = Some(match self.sums.take() {
                    Some(mut sums) => sums.g_add_(&both),
                    None => both,
                });
            }
        }
    }

    fn note(&mut self, step: u64, losses: impl Iterator<Item = (f64, f64)>) {
        for (k, (d, g)) in losses.enumerate() {
            if self.found.len() <= k {
                self.found.push(None);
            }
            let said = |name, value: f64| (!value.is_finite()).then(|| (step, format!("the {name} loss is {value}")));
            if self.found[k].is_none() {
                self.found[k] = said("discriminator", d).or_else(|| said("generator", g));
            }
        }
    }

    /// Whether every member has diverged.
    pub fn all_diverged(&self) -> bool {
        !self.found.is_empty() && self.found.iter().all(Option::is_some)
    }

    /// For each of `members`, whether it has diverged by `step`.
    pub fn close(mut self, step: u64, members: &[Member]) -> Vec<Option<Diverged>> {
        if let Some(sums) = self.sums.take() {
            self.note(step, host::to_f64(&sums).chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        self.found.resize(members.len(), None);
        let diverged = |(found, member): (Option<(u64, String)>, &Member)| {
            found.map(|(step, message)| Diverged { job: member.id, step, message })
        };
        self.found.into_iter().zip(members).map(diverged).collect()
    }
}

/// Whether all weights of each member of `game` are finite.
pub fn is_finite(game: &mut Game) -> Vec<bool> {
    let players = game.players();
    let finite = players.iter().map(|(_, player)| player.net.weights.isfinite().all_dim(1, false));
    let all = finite.reduce(|a, b| a.logical_and(&b)).expect("a game has players");
    host::to_f64(&all.to_kind(Kind::Double)).iter().map(|&flag| flag == 1.0).collect()
}
