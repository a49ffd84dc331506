use super::bounds;
use super::lint::{self, Game, Loss, Whose};
use super::program::Program;
use super::rewrite::stable;
use super::tests::{parse, with_helpers};

/// What the linter says of a game: its findings in words.
fn findings(discriminator: &str, generator: &str, parameters: &[(&str, f64)], bounded: bool) -> Vec<String> {
    let written = [with_helpers(discriminator), with_helpers(generator)];
    let programs: Vec<Program> = written.iter().map(|formula| Program::new(&stable(formula)).unwrap()).collect();
    let loss = |i: usize| Loss { written: &written[i], program: &programs[i] };
    let game = Game { discriminators: 1, discriminator: loss(0), generator: loss(1), bounded };
    let mut found = lint::form(&game);
    if found.iter().all(|finding| !finding.fatal) {
        found.extend(lint::values(&game, false, |name| parameters.iter().find(|(known, _)| *known == name).unwrap().1));
    }
    let word = |fatal| if fatal { "mistake" } else { "warning" };
    let whose = |whose| if whose == Whose::Discriminator { "D" } else { "G" };
    found.iter().map(|f| format!("{} {}: {}", word(f.fatal), whose(f.whose), f.what.message)).collect()
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
        ("mean(l(softplus(-real), a)) + mean(l(softplus(fake), a))", "mean(l(softplus(-fake), a))"),
    ] {
        for a in [0.5, 1.0, 3.0] {
            let found = findings(discriminator, generator, &[("a", a)], false);
            let found: Vec<_> = found.iter().filter(|found| found.starts_with("mistake")).collect();
            assert!(found.is_empty(), "{discriminator} and {generator}: {found:?}");
        }
    }
    assert_eq!(findings(d, "mean(softplus(-fake))", &[], false), [""; 0]);
    assert_eq!(findings("mean(fake) - mean(real)", "-mean(fake)", &[], true), [""; 0]);
}

#[test]
fn the_linter_finds_what_is_wrong() {
    let d = "mean(softplus(-real)) + mean(softplus(fake))";
    for (discriminator, generator, says) in [
        (d, "mean(softplus(fake))", "mistake G: the generator helps the discriminator"),
        (d, "mean(softplus(-real))", "mistake G: `fake` is not in the generator's loss"),
        (d, "mean(detach(fake))", "mistake G: its slope is 0"),
        ("mean(softplus(-real)) + mean(softplus(detach(fake)))", "mean(softplus(-fake))", "mistake D: its slope is 0"),
        ("mean(softplus(fake))", "mean(softplus(-fake))", "mistake D: `real` is not in the discriminator's loss"),
        ("mean(softplus(-real))", "mean(softplus(-fake))", "mistake D: `fake` is not in the discriminator's loss"),
        (
            "mean(fake) - mean(real)",
            "-mean(fake)",
            "warning D: the discriminator's best logit of a sample is not finite",
        ),
        (
            "mean(softplus(-real)) + mean(softplus(-(1 - fake)))",
            "mean(softplus(1 - fake))",
            "warning G: `1 - fake` under `softplus`: `fake` is a logit, not a probability",
        ),
        ("mean(softplus(-real)) - mean(log(1 - tanh(fake)))", "-mean(fake)", "mistake D: this is no finite number"),
        (d, "-mean(log(fake))", "mistake G: this is no finite number in float32 where `fake` is 0"),
    ] {
        let found = findings(discriminator, generator, &[], false);
        assert!(found.iter().any(|found| found.starts_with(says)), "{discriminator} and {generator}: {found:?}");
    }
    let found = findings(d, "a * mean(softplus(-fake))", &[("a", -1.0)], false);
    assert!(found[0].ends_with("the same way, with a = -1"), "{found:?}");
}

#[test]
fn logarithms_of_what_may_be_0_are_doubted() {
    let doubts = |text: &str| {
        let bounds = |name: &str| if name == "a" { (0.0, 5.0) } else { (1.0, 2.0) };
        bounds::doubts(&stable(&parse(text)), &bounds).len()
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
