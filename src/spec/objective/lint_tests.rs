//! Messages about the losses in a sweep file, before anything is trained.

use super::tests::{expand, mistakes};
use crate::sweep::Sweep;

/// A problem at many values is reported once; if many discriminators play the same game, for one of them.
#[test]
fn a_fault_of_many_values_is_said_once() {
    let text = "objective: {discriminator: mean(softplus(-real)) + w * mean(softplus(fake)), \
        generator: mean(softplus(-fake)), parameters: {w: 1}}\n\
        grid: {w: [-1, -2, -3, 4]}";
    let found = mistakes(text);
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("in the same direction, with w = -1, and with 2 other values"), "{found}");
    let many = "objective: {discriminators: 8, combine: {softmax: s}, \
        discriminator: mean(softplus(-real)) + mean(softplus(fake)), \
        generator: mean(softplus(fake)), parameters: {s: 1}}\n\
        grid: {s: [1, 2]}";
    let found = mistakes(many);
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("the generator helps the discriminator"), "{found}");
    // A widely swept loss does not keep another from being linted.
    let wide = "variants: \
        [{name: a, objective: {discriminator: mean(softplus(-real)) + w * mean(softplus(fake)), \
        generator: mean(softplus(-fake)), parameters: {w: 1}}, random: {count: 1200, w: {min: 1, max: 2}}}, \
        {name: b, objective: {discriminator: mean(softplus(-real)) + mean(softplus(fake)), \
        generator: mean(softplus(fake))}}]";
    let found = mistakes(wide);
    assert!(found.contains("variants[1].objective.generator: the generator helps"), "{found}");
    // Not finite at a different logit for each value, in two variants that get the objective from the file.
    let text = "objective: {discriminator: mean(softplus(-real)) + mean(exp(w * fake)), \
        generator: mean(softplus(-fake)), parameters: {w: 1}}\n\
        grid: {w: [5, 6, 7, 8]}\n\
        variants: [{name: a}, {name: b, train: {lr: 1e-3}}]";
    let found = mistakes(text);
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("if `fake` is 18, with w = 5, and with 3 other values"), "{found}");
}

/// Labels and targets of built-in objectives can make a game unwinnable too.
#[test]
fn aims_that_help_the_other_side_are_mistakes() {
    for (text, says) in [
        (
            "objective: lsgan\nreal_target: 0\nfake_target: 1\ngenerator_target: 1",
            "f:5:14: real_target: the generator helps the discriminator",
        ),
        ("objective: lsgan\nfake_target: 1", "the discriminator does not tell samples apart"),
        ("objective: gan\nreal_label: 0\nfake_label: 1", "the generator helps the discriminator"),
        ("objective: gan\ngrid: {real_label: [0.9, 0.5], fake_label: [0.1, 0.5]}", "does not tell samples apart"),
    ] {
        let found = mistakes(text);
        assert!(found.contains(says) && found.lines().count() == 1, "{text}\n{found}");
    }
    // The same numbers under other names, and one that changes.
    let found = mistakes(
        "objective: lsgan\nvariants: [{name: a, real_target: 3}, {name: b, fake_target: 3, generator_target: 3}]",
    );
    assert!(found.lines().count() == 1 && found.contains("the generator helps"), "{found}");
    for text in [
        "objective: lsgan\nfake_target: 1\nreal_target: {from: 2, to: 1.5, shape: linear}",
        "objective: lsgan\nreal_target: 1\nfake_target: -1\ngenerator_target: 0",
        "objective: gan\ngrid: {real_label: [0.7, 0.9, 1], fake_label: [0, 0.1, 0.3]}",
        "objective: gan\nsaturating: true\nreal_label: 0.9",
        "objective: lsgan\ngrid: {generator_target: [0.5, 1]}",
    ] {
        assert_eq!(expand(text).warnings, [""; 0], "{text}");
    }
}

#[test]
fn spectral_normalisation_bounds_a_critic() {
    let critic = "objective: {discriminator: mean(fake) - mean(real), generator: -mean(fake)}\nmodel: \
        {discriminator_norm: NORM}";
    let warned = |norm: &str| expand(&critic.replace("NORM", norm)).warnings.len();
    assert_eq!((warned("spectral"), warned("none")), (0, 1));
    // In every layer with weights.
    let layers = |last: &str| {
        expand(&critic.replace(
            "{discriminator_norm: NORM}",
            &format!("{{discriminator: [{{linear: 4}}, spectral_norm, relu, {{linear: 1}}{last}]}}"),
        ))
        .warnings
        .len()
    };
    assert_eq!((layers(", spectral_norm"), layers("")), (0, 1));
}

/// A warning about a loss may explain a mistake.
#[test]
fn warnings_of_a_loss_come_with_its_mistakes() {
    let text = "sweep: s\ndataset: gaussians\ntrain: {steps: 9}\nclip: 1\nobjective: \
        {discriminator: mean(softplus(-real)) + mean(softplus(1 - fake)), generator: mean(softplus(-fake))}";
    let errors = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap_err();
    assert!(errors.to_string().contains("the discriminator does not tell samples apart"), "{errors}");
    let [warning] = &errors.warnings[..] else { panic!("{:?}", errors.warnings) };
    assert!(warning.contains("in `softplus(1 - fake)`, `fake` is a logit, not a probability"), "{warning}");
}
