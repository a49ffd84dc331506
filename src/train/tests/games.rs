//! Games on logits only: in sweep files with their own parameters, and built-in ones with theirs.

use super::*;
use crate::trace::Series;
use sweep_spec::sweep::Sweep;
use sweep_tensor::host::to_f64;

/// The first job of a file with this objective.
fn job(objective: &str) -> (BuiltIn, Parameters) {
    let text = format!(
        "sweep: s\ndataset: gaussians\ntrain: {{steps: 8, batch: 24, lr: 0.05, optimizer: sgd}}\n\
         model: {{generator: [5], discriminator: [4], noise: 3, discriminator_norm: batch, init: {{normal: \
         0.8}}}}\n{objective}\n"
    );
    let expansion = Sweep::parse("f", &text).and_then(|sweep| sweep.expand());
    let job = expansion.unwrap_or_else(|errors| panic!("{errors}")).entries.remove(0).job;
    (job.blueprint.built_in().unwrap().clone(), job.parameters)
}

fn trainer((blueprint, parameters): &(BuiltIn, Parameters)) -> Trainer {
    let id = members(blueprint, 1)[0].id;
    let member = Member { id, parameters: parameters.clone(), seed: 10 };
    let mut trainer = Trainer::new(blueprint, vec![member], real(), exact(false));
    trainer.trace();
    trainer
}

/// The weights after some steps, and the losses of each step.
fn trained(objective: &str) -> (Vec<f64>, Vec<[f64; 2]>) {
    let mut trainer = trainer(&job(objective));
    assert_eq!(trainer.advance(6), []);
    let points = trainer.points().into_values().next().unwrap();
    let losses = points.iter().map(|point| [Series::LossD, Series::LossG].map(|loss| point.values[&loss])).collect();
    (numbers(&mut trainer, 0), losses)
}

/// Built-in games and the same games in a sweep file train to the same bits.
#[test]
fn a_game_by_name_and_the_same_written_out_have_the_same_bits() {
    let gan = "discriminator: mean(softplus(-real)) + mean(softplus(fake))";
    let wasserstein = "discriminator: mean(fake) - mean(real), generator: -mean(fake)";
    for (name, written) in [
        ("gan", format!("objective: {{{gan}, generator: mean(softplus(-fake))}}")),
        (
            "gan",
            "objective: {discriminator: -mean(log(sigmoid(real))) - mean(log(1 - sigmoid(fake))), \
             generator: -mean(log(sigmoid(fake)))}"
                .to_owned(),
        ),
        ("gan\nsaturating: true", format!("objective: {{{gan}, generator: mean(log(1 - sigmoid(fake)))}}")),
        (
            "d2gan\nalpha: 0.2\nbeta: 0.1",
            "objective: {discriminators: 2, \
             discriminator: -(alpha * mean(log_softplus(real1)) - mean(softplus(fake1))) \
             - (beta * mean(log_softplus(fake2)) - mean(softplus(real2))), \
             generator: beta * mean(log_softplus(fake2)) - mean(softplus(fake1)), \
             parameters: {alpha: 0.2, beta: 0.1}}"
                .to_owned(),
        ),
        (
            "lsgan",
            "objective: {discriminator: 0.5 * mean((real - 1)^2) + 0.5 * mean(fake^2), \
             generator: 0.5 * mean((fake - 1)^2)}"
                .to_owned(),
        ),
        (
            "hinge\nmargin: 0.7",
            "objective: {discriminator: mean(relu(m - real)) + mean(relu(m + fake)), \
             generator: -mean(fake), parameters: {m: 0.7}}"
                .to_owned(),
        ),
        (
            "rpgan",
            "objective: {discriminator: mean(softplus(fake - real)), \
             generator: mean(softplus(real - fake))}"
                .to_owned(),
        ),
        (
            "ragan",
            "objective: \
             {discriminator: (mean(softplus(-(real - mean(fake)))) + mean(softplus(fake - mean(real)))) / 2, \
             generator: (mean(softplus(-(fake - mean(real)))) + mean(softplus(real - mean(fake)))) / 2}"
                .to_owned(),
        ),
        ("bgan", format!("objective: {{{gan}, generator: 0.5 * mean(fake^2)}}")),
        ("wgan\ntrain: {d_steps: 5}", format!("objective: {{{wasserstein}, clip: 0.01}}\ntrain: {{d_steps: 5}}")),
        (
            "wgan_gp\ngradient_penalty: 2\nmodel: {discriminator_norm: none}",
            format!(
                "objective: {{{wasserstein}}}\ntrain: {{d_steps: 5}}\nmodel: {{discriminator_norm: none}}\n\
                 penalties: [{{at: between, distance: 2}}]"
            ),
        ),
        (
            "wgan_div\ngradient_penalty: 1e-3\nmodel: {discriminator_norm: none}",
            format!(
                "objective: {{{wasserstein}}}\ntrain: {{d_steps: 5}}\nmodel: {{discriminator_norm: none}}\n\
                 penalties: [{{at: both, power: w, exponent: 6}}]\nw: 1e-3"
            ),
        ),
        (
            "dragan\nmodel: {discriminator_norm: none}",
            format!(
                "objective: {{{gan}, generator: mean(softplus(-fake))}}\nmodel: {{discriminator_norm: none}}\n\
                 penalties: [{{at: around, distance: 10}}]"
            ),
        ),
        (
            "gan\npenalties: [{at: around, distance: 10}]",
            "objective: dragan\nmodel: {discriminator_norm: batch}".to_owned(),
        ),
    ] {
        let variant = |objective: &str| {
            let lines: Vec<&str> = objective.lines().collect();
            // A variant's settings override those of the file.
            format!("variants:\n  - name: v\n    {}", lines.join("\n    "))
        };
        let (by_name, written) = (trained(&variant(&format!("objective: {name}"))), trained(&variant(&written)));
        assert!(same(&by_name.0, &written.0) && by_name.1 == written.1, "{name}: {:?} {:?}", by_name.1, written.1);
    }
}

/// Members of one cohort with their own parameters equal their solo runs, even if one has a loss that is not finite;
/// continuing from a checkpoint changes no bit.
#[test]
fn members_of_a_formula_game_equal_their_solo_runs() {
    let objective = "objective: {discriminator: \"mean(l(softplus(-real), a)) + mean(l(softplus(fake), a))\", \
        generator: \"mean(l(softplus(fake - real), a)) - std(fake)\", \
        where: {l(u, a): u * exprel(-(1 - 1/a) * u)}, parameters: {a: 1}}\n\
        penalties: [{at: real, half_square: gamma}, {at: around, excess: 1, every: 2}]\n\
        gamma: 1";
    let (mut blueprint, parameters) = job(objective);
    blueprint.train.generator = Optimizer::Adam;
    blueprint.train.discriminator = Optimizer::Adam;
    let all: Vec<Member> = members(&blueprint, 3)
        .into_iter()
        .enumerate()
        .map(|(k, mut member)| {
            parameters.iter().for_each(|(name, value)| member.parameters.set(name, value.clone()));
            for (name, value) in [("a", [0.4, f64::NAN, 3.0][k]), ("gamma", [0.5, 1.0, 2.0][k])] {
                member.parameters.set(name, value);
            }
            for (name, value) in
                [("adam_beta1", 0.5), ("adam_beta2", 0.9), ("lr_generator", 1e-3), ("lr_discriminator", 1e-3)]
            {
                member.parameters.set(name, value);
            }
            member
        })
        .collect();
    for fused in [false, true] {
        let mut together = Trainer::new(&blueprint, all.clone(), real(), exact(fused));
        let ended = together.advance(4);
        assert_eq!(ended.len(), 1, "the second one diverges");
        for (at, k) in [(0, 0), (1, 2)] {
            let mut alone = Trainer::new(&blueprint, vec![all[k].clone()], real(), exact(false));
            assert_eq!(alone.advance(4), []);
            let (one, all) = (numbers(&mut alone, 0), numbers(&mut together, at));
            if fused {
                assert!(distance(&one, &all) < 1e-9, "{k}: {}", distance(&one, &all));
            } else {
                assert!(same(&one, &all), "{k}");
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let cohort = sweep_spec::id::CohortId::of(b"formulas");
    let alone = || Trainer::new(&blueprint, vec![all[2].clone()], real(), single(false));
    let (mut whole, mut before, mut after) = (alone(), alone(), alone());
    whole.advance(7);
    before.advance(3);
    before.save(&path, None, cohort, 0.0, 0).unwrap();
    after.load(&path, cohort, &Default::default()).unwrap();
    after.advance(4);
    assert!(same(&numbers(&mut whole, 0), &numbers(&mut after, 0)));
    assert!(to_f64(&whole.games[0].generator.net.weights).iter().all(|weight| weight.is_finite()));
}
