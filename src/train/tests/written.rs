//! Games in sweep files, or with labels and targets from sweep files: each as in the file, with its losses as plain
//! operations on logits. Tests for built-in objectives also run with these.

use super::papers::{Algorithm, D, G, Round};
use super::*;
use crate::game::Role;
use sweep_spec::sweep::Sweep;
use tch::Tensor;

/// Computes losses from parameter values and each discriminator's logits of real and generated samples.
type Losses = fn(&dyn Fn(&str) -> f64, &[[Tensor; 2]]) -> [Tensor; 2];

/// A game.
pub(super) struct Written {
    pub name: &'static str,
    text: &'static str,
    /// The losses of the discriminators together, and of the generator.
    pub losses: Losses,
    /// The parameter that bounds the discriminators' weights.
    pub clip: Option<&'static str>,
}

const GAN: &str =
    "discriminator: mean(softplus(-real)) + mean(softplus(fake)), generator: mean(softplus(-fake)), discriminators: 3";

/// All of them.
pub(super) fn all() -> [Written; 7] {
    let of = |name, text, losses| Written { name, text, losses, clip: None };
    [
        of(
            "alpha-GAN",
            "objective: {discriminator: \"mean(l(softplus(-real), alpha_d)) + mean(l(softplus(fake), alpha_d))\", \
             generator: \"mean(l(softplus(-fake), alpha_g))\", \
             where: {l(u, a): u * exprel(-(1 - 1/a) * u)}, parameters: {alpha_d: 0.5, alpha_g: 1.2}}",
            |p, said| {
                let [real, fake] = &said[0];
                let d = of_alpha(&real.sigmoid(), p("alpha_d")) + of_alpha(&not(fake), p("alpha_d"));
                [d, of_alpha(&fake.sigmoid(), p("alpha_g"))]
            },
        ),
        of("labels", "objective: gan\nreal_label: 0.9\nfake_label: 0.2", |p, said| {
            let [real, fake] = &said[0];
            [cross(real, p("real_label")) + cross(fake, p("fake_label")), cross(fake, 1.0)]
        }),
        of("targets", "objective: lsgan\nreal_target: 0.9\nfake_target: -0.7\ngenerator_target: 0.4", |p, said| {
            let squared = |d: &Tensor, target: &str| mean(&(d - p(target)).square()) / 2.0;
            let [real, fake] = &said[0];
            [squared(real, "real_target") + squared(fake, "fake_target"), squared(fake, "generator_target")]
        }),
        of("GMAN, mean", "objective: {GAN, combine: mean}", |_, said| gman(0.0, said)),
        of(
            "GMAN, softmax",
            "objective: {GAN, combine: {softmax: softness}, parameters: {softness: 1.5}}",
            |p, said| gman(p("softness"), said),
        ),
        Written {
            clip: Some("bound"),
            ..of(
                "two games",
                "objective: {discriminators: 2, clip: bound, parameters: {edge: 1, share: 0.5, bound: 0.5}, \
                 discriminator: mean(relu(edge - real1)) + mean(relu(edge + fake1)) + log_mean_exp(fake2) - \
                 mean(real2), \
                 generator: share * mean(softplus(real1 - fake1)) + log_mean_exp(real2 - fake2)}",
                |p, said| {
                    let ([real1, fake1], [real2, fake2]) = (&said[0], &said[1]);
                    let hinge = |x: Tensor| mean(&(x + p("edge")).clamp_min(0.0));
                    let d = hinge(-real1) + hinge(fake1.shallow_clone()) + mean(&fake2.exp()).log() - mean(real2);
                    [d, cross(&(fake1 - real1), 1.0) * p("share") + mean(&(real2 - fake2).exp()).log()]
                },
            )
        },
        of(
            "held",
            "objective: {discriminator: mean(softplus(-real)) + mean(softplus(fake)), \
             generator: share * mean(detach(sigmoid(fake)) * softplus(-fake)) - std(fake), parameters: {share: 1}}",
            |p, said| {
                let [real, fake] = &said[0];
                let weighed = fake.sigmoid().detach() * fake.sigmoid().log() * -p("share");
                [cross(real, 1.0) + cross(fake, 0.0), mean(&weighed) - fake.std(true)]
            },
        ),
    ]
}

fn mean(x: &Tensor) -> Tensor {
    x.mean(Kind::Double)
}

/// 1 − σ(d).
fn not(d: &Tensor) -> Tensor {
    d.sigmoid() * -1.0 + 1.0
}

/// The cross entropy of σ(d) with a label.
fn cross(d: &Tensor, label: f64) -> Tensor {
    mean(&d.sigmoid().log()) * -label - mean(&not(d).log()) * (1.0 - label)
}

/// α/(α − 1) (1 − p^((α − 1)/α)), and −log p at α = 1.
fn of_alpha(p: &Tensor, a: f64) -> Tensor {
    match a {
        1.0 => -mean(&p.log()),
        a => mean(&((p.pow_tensor_scalar((a - 1.0) / a) * -1.0 + 1.0) * (a / (a - 1.0)))),
    }
}

/// The generator's losses weighted by a softmax of λ times themselves, differentiable as well.
fn gman(lambda: f64, said: &[[Tensor; 2]]) -> [Tensor; 2] {
    let d = said.iter().map(|[real, fake]| cross(real, 1.0) + cross(fake, 0.0)).reduce(|a, b| a + b).unwrap();
    let each = Tensor::stack(&said.iter().map(|[_, fake]| cross(fake, 1.0)).collect::<Vec<_>>(), 0);
    let weights = (&each * lambda).softmax(0, Kind::Double);
    [d, (weights * each).sum(Kind::Double)]
}

impl Written {
    /// Its text in a sweep file.
    pub(super) fn text(&self) -> String {
        self.text.replace("{GAN,", &format!("{{{GAN},"))
    }

    /// The first job of a sweep file with it, below `above`.
    pub(super) fn job(&self, above: &str) -> (BuiltIn, Parameters) {
        let text = format!("sweep: s\ndataset: gaussians\n{above}\n{}\n", self.text());
        let expansion = Sweep::parse("f", &text).and_then(|sweep| sweep.expand());
        let job = expansion.unwrap_or_else(|errors| panic!("{errors}")).entries.remove(0).job;
        (job.blueprint.built_in().unwrap().clone(), job.parameters)
    }

    /// The game.
    pub(super) fn objective(&self) -> Objective {
        self.job("train: {steps: 8}").0.objective
    }
}

/// Labels and targets of member `i` of `count`; each is missing in some members, which use the default.
pub(super) fn labelled(member: &mut Member, i: usize, count: usize) {
    let x = i as f64 / count as f64;
    let all = [
        (0, "real_label", 0.95 - x / 4.0),
        (1, "fake_label", 0.05 + x / 4.0),
        (2, "real_target", 0.9 + x),
        (0, "fake_target", -0.8 * x),
        (1, "generator_target", 0.4 + x / 2.0),
    ];
    for (_, name, value) in all.into_iter().filter(|(of, ..)| i % 3 != *of) {
        member.parameters.set(name, value);
    }
}

impl Algorithm {
    /// A game in a sweep file.
    pub(super) fn play_written(&mut self, written: &Written, rounds: Vec<Round>, answers: Vec<Round>) {
        let parameters = self.parameters.clone();
        let value = |name: &str| parameters.number(name).unwrap();
        let roles = self.players.iter().map(|(role, ..)| *role);
        let discriminators: Vec<Role> = roles.filter(|role| matches!(role, Role::Discriminator(_))).collect();
        let moves = rounds.into_iter().map(|round| (round, D)).chain(answers.into_iter().map(|round| (round, G)));
        for ((x, z, _), mover) in moves {
            let fake = self.net(G, &z);
            let said: Vec<[Tensor; 2]> =
                discriminators.iter().map(|role| [&x, &fake].map(|v| self.net(*role, v).view([-1]))).collect();
            let [d, g] = (written.losses)(&value, &said);
            if mover == G {
                self.descend(&g, &[G]);
                continue;
            }
            self.descend(&d, &discriminators);
            let Some(c) = written.clip.map(value) else { continue };
            for role in &discriminators {
                for (_, leaf) in self.stepped(*role) {
                    *leaf = leaf.detach().clamp(-c, c).set_requires_grad(true);
                }
            }
        }
    }
}
