use super::bounds;
use super::game::{Game, Loss, Whose};
use super::lint;
use super::parse::Names;
use super::program::Program;
use super::pulls::{Rest, rest};
use super::rewrite::stable;
use super::tests::{parse, with_helpers};

/// Returns the linter's findings about a game, in words.
fn findings(discriminator: &str, generator: &str, parameters: &[(&str, f64)], bounded: bool) -> Vec<String> {
    of_several(1, discriminator, generator, parameters, bounded)
}

/// The same for a game with several discriminators.
fn of_several(
    discriminators: usize,
    discriminator: &str,
    generator: &str,
    parameters: &[(&str, f64)],
    bounded: bool,
) -> Vec<String> {
    let written = [discriminator, generator].map(|formula| match discriminators {
        1 => with_helpers(formula),
        _ => Names::new(discriminators, None).parse(formula).unwrap(),
    });
    let programs: Vec<Program> = written.iter().map(|formula| Program::new(&stable(formula)).unwrap()).collect();
    let loss = |i: usize| Loss { written: &written[i], program: &programs[i] };
    let game = Game { discriminators, discriminator: loss(0), generator: loss(1), bounded };
    let mut found = lint::form(&game);
    if found.iter().all(|finding| !finding.fatal) {
        found.extend(lint::values(&game, false, |name| parameters.iter().find(|(known, _)| *known == name).unwrap().1));
    }
    let word = |fatal| if fatal { "mistake" } else { "warning" };
    let whose = |whose| if whose == Whose::Discriminator { "D" } else { "G" };
    found.iter().map(|f| format!("{} {}: {}{}", word(f.fatal), whose(f.whose), f.what.message, f.values)).collect()
}

#[test]
fn the_linter_has_nothing_to_say_of_losses_that_are_right() {
    let d = "mean(softplus(-real)) + mean(softplus(fake))";
    for (discriminator, generator) in [
        (d, "mean(softplus(-fake))"),
        (d, "-mean(softplus(fake))"),
        (d, "0.5 * mean(fake^2)"),
        ("0.5 * mean((real - 1)^2) + 0.5 * mean(fake^2)", "0.5 * mean((fake - 1)^2)"),
        ("mean(relu(1 - real)) + mean(relu(1 + fake))", "-mean(fake)"),
        ("mean(softplus(fake - real))", "mean(softplus(real - fake))"),
        (
            "(mean(softplus(-(real - mean(fake)))) + mean(softplus(fake - mean(real)))) / 2",
            "(mean(softplus(-(fake - mean(real)))) + mean(softplus(real - mean(fake)))) / 2",
        ),
        ("-mean(real) + mean(exp(fake - 1))", "-mean(exp(fake - 1))"),
        // Targets close to each other: the players oppose each other only in between.
        ("0.5 * mean((real - 1)^2) + 0.5 * mean(fake^2)", "0.5 * mean((fake - 0.1)^2)"),
        ("0.5 * mean((real - 0.9)^2) + 0.5 * mean((fake - 0.6)^2)", "0.5 * mean((fake - 0.9)^2)"),
        // Each player moves logits that the other leaves alone.
        ("mean(relu(-real)) + mean(relu(fake))", "-mean(fake)"),
        ("mean(relu(-1 - real)) + mean(relu(fake - 1))", "-mean(fake)"),
        ("mean(relu(1 - real)) + mean(relu(1 + fake))", "mean(relu(-1 - fake))"),
        // A function of the mean of all samples, on which one sample has little effect.
        (d, "abs(1 / (0.5 - 1) * log(mean((1 - sigmoid(fake))^(0.5 - 1))) + log(2))"),
        (d, "abs(mean(softplus(fake)) - log(2))"),
        (d, "relu(mean(real) - mean(fake) - 5)"),
        ("mean(abs(real)) + mean(relu(0.3 - abs(fake)))", "mean(abs(fake))"),
        ("mean(relu(real)) + mean(relu(1 - relu(fake)))", "mean(relu(fake))"),
        // Between neighbouring points, and far out.
        ("0.5 * mean((real - 3.1)^2) + 0.5 * mean((fake - 3.4)^2)", "0.5 * mean((fake - 3.1)^2)"),
        ("0.5 * mean((real - 0.005)^2) + 0.5 * mean(fake^2)", "0.5 * mean((fake - 0.005)^2)"),
        ("0.5 * mean((real - 25)^2) + 0.5 * mean((fake - 30)^2)", "0.5 * mean((fake - 25)^2)"),
        // Hinges that end at different places.
        ("mean(relu(1 - real)) + mean(relu(3 + fake))", "-mean(fake)"),
        ("mean(relu(1 - real)^2) + mean(relu(40 + fake))", "-mean(fake)"),
    ] {
        let found = findings(discriminator, generator, &[], false);
        assert!(found.is_empty(), "{discriminator} and {generator}: {found:?}");
    }
    for a in [0.5, 1.0, 3.0] {
        let d = "mean(l(softplus(-real), a)) + mean(l(softplus(fake), a))";
        assert_eq!(findings(d, "mean(l(softplus(-fake), a))", &[("a", a)], false), [""; 0], "{a}");
    }
    assert_eq!(rest(&[-1.0, -0.5, 0.0, 0.5, 1.0]), Rest::Here);
    assert_eq!(rest(&[0.0, 0.0, 0.5, 1.0]), Rest::Here, "a floor on the left");
    assert_eq!(rest(&[0.0, 1e-9, 0.5, 1.0]), Rest::Beyond, "it fades away to the left");
    assert_eq!(rest(&[1.0, 1.0]), Rest::Beyond);
    assert_eq!(rest(&[1.0, 0.0, -1.0]), Rest::OnBothSides);
    assert_eq!(rest(&[0.0, 0.0]), Rest::Here);
    assert_eq!(rest(&[]), Rest::Here);
    assert_eq!(findings(d, "mean(softplus(-fake))", &[], false), [""; 0]);
    assert_eq!(findings("mean(fake) - mean(real)", "-mean(fake)", &[], true), [""; 0]);
    // The best logit of a sample that is real twice as often as generated is log(2) / 0.01, which is far out.
    let flat = "mean(softplus(-0.01 * real)) + mean(softplus(0.01 * fake))";
    assert_eq!(findings(flat, "mean(softplus(-fake))", &[], false), [""; 0]);
    let margin = "mean(softplus(margin - real)) + mean(softplus(margin + fake))";
    assert_eq!(findings(margin, "-mean(fake)", &[("margin", 1.0)], false), [""; 0]);
}

#[test]
fn the_linter_finds_what_is_wrong() {
    let d = "mean(softplus(-real)) + mean(softplus(fake))";
    for (discriminator, generator, says) in [
        (d, "mean(softplus(fake))", "mistake G: the generator helps the discriminator"),
        (d, "mean(softplus(-real))", "mistake G: `fake` is not in the generator's loss"),
        (d, "mean(detach(fake))", "mistake G: its gradient is 0"),
        (
            "mean(softplus(-real)) + mean(softplus(detach(fake)))",
            "mean(softplus(-fake))",
            "mistake D: its gradient is 0",
        ),
        ("mean(softplus(fake))", "mean(softplus(-fake))", "mistake D: `real` is not in the discriminator's loss"),
        ("mean(softplus(-real))", "mean(softplus(-fake))", "mistake D: `fake` is not in the discriminator's loss"),
        (
            "mean(fake) - mean(real)",
            "-mean(fake)",
            "warning D: the loss of the discriminator falls without end as a logit grows or shrinks",
        ),
        // Bounded, but it grows forever.
        (
            "mean(tanh(fake)) - mean(tanh(real))",
            "-mean(fake)",
            "warning D: the loss of the discriminator falls without end as a logit grows or shrinks",
        ),
        (
            "mean(softplus(-real)) + mean(softplus(-(1 - fake)))",
            "mean(softplus(1 - fake))",
            "warning G: in `softplus(1 - fake)`, `fake` is a logit, not a probability",
        ),
        ("mean(softplus(-real)) - mean(log(1 - tanh(fake)))", "-mean(fake)", "mistake D: this is not finite"),
        (d, "-mean(log(fake))", "mistake G: this is not finite in float32 for logits between -2.4 and 1.9"),
    ] {
        let found = findings(discriminator, generator, &[], false);
        assert!(found.iter().any(|found| found.starts_with(says)), "{discriminator} and {generator}: {found:?}");
    }
    // As papers print them, to be maximised.
    let ascended = "mean(log(sigmoid(real))) + mean(log(1 - sigmoid(fake)))";
    let found = findings(ascended, "mean(log(sigmoid(fake)))", &[], false);
    assert!(found.iter().any(|found| found.contains("should it be maximised?")), "{found:?}");
    let found = findings("mean(relu(real)) / (a - 1) + mean(relu(-fake))", "-mean(fake)", &[("a", 1.0)], false);
    assert_eq!(found, ["mistake D: this is not finite whatever the logits, with a = 1"]);
    let found = findings(d, "mean(exp(3 * (real - fake)))", &[], false);
    assert!(found[0].contains("if logits of real samples are "), "{found:?}");
    let found = findings(d, "a * mean(softplus(-fake))", &[("a", -1.0)], false);
    assert!(found[0].ends_with("in the same direction, with a = -1"), "{found:?}");
}

#[test]
fn logits_taken_for_probabilities_are_found() {
    let d = "mean(softplus(-real)) + mean(softplus(fake))";
    for wrong in [
        "mean(softplus(1 - fake))",
        "mean(softplus(-(1 - fake)))",
        "mean(log_sigmoid(1 - fake))",
        "mean(log_sigmoid(-fake + 1))",
        "mean(log_sigmoid(1 - 1*fake))",
        "mean(log(max(1 - fake, 1e-7)))",
        "mean(log(1 - fake + 1e-8))",
        "mean(log(clamp(1 - fake, 1e-7, 1)))",
        "mean(log1p(-fake))",
        "mean(log(sigmoid(1 - (fake - mean(real)))))",
        "mean(log(1 - detach(fake)))",
    ] {
        for (of_discriminator, of_generator) in
            [(d.to_owned() + " - " + wrong, "-mean(fake)".to_owned()), (d.to_owned(), wrong.to_owned())]
        {
            let found = findings(&of_discriminator, &of_generator, &[], false);
            let found: Vec<_> = found.iter().filter(|found| found.contains("is a logit, not a probability")).collect();
            assert_eq!(found.len(), 1, "{of_discriminator} and {of_generator}");
            assert!(found[0].starts_with("warning"), "{found:?}");
        }
    }
    for right in [
        "mean(softplus(-fake))",
        "mean((1 - fake)^2)",
        "mean(relu(1 - fake))",
        "mean(log(1 - sigmoid(fake)))",
        "mean(softplus(2 - fake))",
        "mean(exp(fake - 1))",
        "mean(softplus(1 + fake))",
        "mean(softplus(1 - (real - fake)))",
    ] {
        let found = findings(d, right, &[], false);
        assert!(!found.iter().any(|found| found.contains("logit, not")), "{right}: {found:?}");
    }
    // The generator is not blamed for a mistake in the discriminator's loss.
    let found = findings("mean(softplus(-real)) + mean(softplus(1 - fake))", "mean(softplus(-fake))", &[], false);
    assert_eq!(
        found,
        [
            "warning D: in `softplus(1 - fake)`, `fake` is a logit, not a probability",
            "mistake D: the discriminator does not tell samples apart: it moves the logits of real and generated ones \
            in the same direction",
        ]
    );
}

#[test]
fn each_discriminator_is_judged_by_itself() {
    let d = "mean(softplus(-real1)) + mean(softplus(fake1)) + mean(softplus(-real2)) + mean(softplus(fake2))";
    let of = |d: &str, g: &str| of_several(2, d, g, &[], false);
    assert_eq!(of(d, "mean(softplus(-fake1)) + mean(softplus(-fake2))"), [""; 0]);
    assert_eq!(
        of(d, "mean(softplus(-fake1)) + mean(softplus(fake2))"),
        ["mistake G: the generator helps discriminator 2: both move the logits of generated samples in the same \
            direction"]
    );
    assert_eq!(
        of(d, "mean(softplus(-fake1))"),
        ["warning G: `fake2` is not in the generator's loss, so that discriminator has no effect on it"]
    );
    assert_eq!(of(d, "mean(softplus(-fake1)) + 0 * mean(fake2)"), ["warning G: the loss does not change with `fake2`"]);
    assert_eq!(
        of(d, "0 * mean(softplus(-fake1)) + 0 * mean(fake2)"),
        ["mistake G: its gradient is 0 at all logits of generated samples"]
    );
    let blind =
        "mean(softplus(-real1)) + mean(softplus(fake1)) + mean(softplus(-detach(real2))) + mean(softplus(fake2))";
    assert!(
        of(blind, "mean(softplus(-fake1)) + mean(softplus(-fake2))")
            .contains(&"warning D: the loss does not change with `real2`".to_owned())
    );
    let wasserstein = "mean(softplus(-real1)) + mean(softplus(fake1)) + mean(fake2) - mean(real2)";
    let found = of(wasserstein, "mean(softplus(-fake1)) - mean(fake2)");
    assert!(found.len() == 1 && found[0].contains("the loss of discriminator 2 falls without end"), "{found:?}");
    let alike = "mean(softplus(-real1)) + mean(softplus(fake1)) + mean(softplus(-real2)) + mean(softplus(-fake2))";
    let says = "mistake D: discriminator 2 does not tell samples apart";
    let found = of(alike, "mean(softplus(-fake1)) + mean(softplus(-fake2))");
    assert!(found.iter().any(|found| found.starts_with(says)), "{found:?}");
    let found = findings("mean(softplus(-detach(real))) + mean(softplus(fake))", "mean(softplus(-fake))", &[], false);
    assert!(found.contains(&"mistake D: its gradient is 0 at all logits of real samples".to_owned()), "{found:?}");
}

#[test]
fn logarithms_of_what_may_be_0_are_doubted() {
    let doubts = |text: &str| {
        let bounds = |name: &str| if name == "a" { (0.0, 5.0) } else { (1.0, 2.0) };
        bounds::zero_warnings(&stable(&parse(text)), &bounds).len()
    };
    for (text, expected) in [
        ("mean(log(sigmoid(real)))", 0),
        ("mean(log(real))", 1),
        ("mean(log(sigmoid(real) + sigmoid(fake)))", 1),
        ("mean(log(sigmoid(real) + 1e-7))", 0),
        ("mean(log(clamp(sigmoid(real), 1e-7, 1)))", 0),
        ("mean(log(1 + square(real)))", 0),
        ("mean(log(a + square(real)))", 1),
        ("mean(log(b + square(real)))", 0),
        ("mean(log(2 + tanh(real)))", 0),
        ("mean(log(1 + tanh(real)))", 1),
        ("mean(log1p(square(real)))", 0),
        ("mean(log1p(real))", 1),
        ("mean(sigmoid(real)^-0.5)", 0),
        ("mean(softplus(real)^-0.5)", 1),
        ("mean(real^3)", 0),
        ("mean(abs(real)^a)", 1),
        ("mean(abs(real)^1.5)", 0),
        ("mean(abs(real)^b)", 0),
        ("mean(log(1 + real^4))", 0),
        ("mean(log((1 + square(real))^b))", 0),
        ("log(a) * mean(real)", 0),
    ] {
        assert_eq!(doubts(text), expected, "{text}");
    }
}
