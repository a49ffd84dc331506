use crate::blueprint::Blueprint;
use crate::expand::Expansion;
use crate::job::Job;
use crate::keys::Usual;
use crate::objective::Objective;
use crate::sweep::Sweep;

/// Returns a minimal file with `rest` added.
fn file(rest: &str) -> String {
    format!("sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\n{rest}\n")
}

pub(super) fn expand(rest: &str) -> Expansion {
    let expansion = Sweep::parse("f", &file(rest)).and_then(|sweep| sweep.expand());
    expansion.unwrap_or_else(|errors| panic!("{rest}\n{errors}"))
}

/// Returns the mistakes, one per line.
pub(super) fn mistakes(rest: &str) -> String {
    match Sweep::parse("f", &file(rest)).and_then(|sweep| sweep.expand()) {
        Ok(expansion) => panic!("{rest}: {} jobs", expansion.entries.len()),
        Err(errors) => errors.to_string(),
    }
}

const ALPHA_GAN: &str = "
variants:
  - name: alpha-GAN
    objective:
      discriminator: mean(l(softplus(-real), alpha_d)) + mean(l(softplus(fake), alpha_d))     # both are minimised
      generator: mean(l(softplus(-fake), alpha_g))
      where: {l(u, a): u * exprel(-(1 - 1/a) * u)}         # helpers
      parameters: {alpha_d: 1, alpha_g: {default: 1, above: 0}}
    grid: {alpha_d: [0.3, 0.5, 1, 2], alpha_g: [0.9, 1, 1.2]}";

#[test]
fn a_file_writes_its_own_objective_and_sweeps_its_parameters() {
    let expansion = expand(ALPHA_GAN);
    assert_eq!((expansion.entries.len(), expansion.warnings.as_slice()), (12, &[] as &[String]));
    let ids: std::collections::BTreeSet<_> = expansion.entries.iter().map(|entry| entry.job.blueprint.id()).collect();
    assert_eq!(ids.len(), 1, "all train in one cohort");
    let job = &expansion.entries[4].job;
    assert_eq!((job.parameters.number("alpha_d"), job.parameters.number("alpha_g")), (Some(0.5), Some(1.0)));
    let axes: Vec<String> = expansion.entries[4].axes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(axes, ["alpha_d=0.5", "alpha_g=1"]);
    // A worker reads back the same.
    let json = serde_json::to_string(job).unwrap();
    assert!(
        json.contains(r#""generator":"mean(softplus(-fake) * exprel(-(1 - 1 / alpha_g) * softplus(-fake)))""#),
        "{json}"
    );
    let again: Job = serde_json::from_str(&json).unwrap();
    assert_eq!((&again, again.id()), (job, job.id()));
    let summary = &expansion.variants[0];
    assert_eq!(summary.objectives.iter().copied().collect::<Vec<_>>(), ["formula"]);
}

/// Different spellings give the same job; another order of additions gives another job.
#[test]
fn spelling_is_no_part_of_a_job() {
    let id = |discriminator: &str, rest: &str| {
        let text = format!("objective: {{discriminator: {discriminator}, generator: mean(softplus(-fake)){rest}}}");
        expand(&text).entries[0].id
    };
    let plain = id("mean(softplus(-real)) + mean(softplus(fake))", "");
    for same in [
        "-mean(log(sigmoid(real))) - mean(log(1 - sigmoid(fake)))",
        "(mean( softplus(-(real)) )+mean(softplus(fake)))",
        "\"mean(softplus(-real)) + mean(softplus(fake))\"",
    ] {
        assert_eq!(id(same, ""), plain, "{same}");
    }
    assert_eq!(id("h(-real) + h(fake)", ", where: {h(x): mean(softplus(x))}"), plain);
    assert_ne!(id("mean(softplus(fake)) + mean(softplus(-real))", ""), plain);
    // The default is not part of a job that sets a value.
    let with = |usual: &str, set: &str| {
        let text = format!(
            "objective: {{discriminator: w * mean(softplus(-real)) + mean(softplus(fake)), generator: \
            mean(softplus(-fake)), parameters: {{w: {usual}}}}}{set}"
        );
        expand(&text).entries[0].id
    };
    assert_eq!(with("1", "\nw: 2"), with("{default: 2, above: 0}", ""));
}

/// Entries that YAML splits at the commas of calls, and formulas over several lines.
#[test]
fn formulas_are_read_in_every_style_of_yaml() {
    for objective in [
        "{discriminator: mean(max(-real, 0)) + mean(max(fake, 0)), generator: mean(softplus(-fake))}",
        "{discriminator: h(-real, 0) + h(fake, 0), where: {h(x, y): mean(max(x, y))}, \
        generator: mean(softplus(-fake))}",
        "\n  generator: >-\n    mean(\n      softplus(-fake)\n    )\n  discriminator: |\n    mean(max(-real, 0)) \
        +\n    mean(max(fake, 0))",
        "\n  generator: mean(softplus(\n    -fake))\n  discriminator: 'mean(max(-real, 0)) + mean(max(fake, 0))'",
    ] {
        let ids: Vec<_> = expand(&format!("objective: {objective}")).entries.iter().map(|entry| entry.id).collect();
        let first = expand(
            "objective: \
            {discriminator: \"mean(max(-real, 0)) + mean(max(fake, 0))\", generator: mean(softplus(-fake))}",
        );
        assert_eq!(ids, [first.entries[0].id], "{objective}");
    }
}

#[test]
fn what_is_wrong_with_a_formula_is_said_where_it_stands() {
    let mut wrong = String::new();
    let with = |d: &str, g: &str, rest: &str| format!("objective:\n  discriminator: {d}\n  generator: {g}\n{rest}");
    let (d, g) = ("mean(softplus(-real)) + mean(softplus(fake))", "mean(softplus(-fake))");
    for (text, says) in [
        (
            with("mean(softplus(-reel)) + mean(fake)", g, ""),
            "f:5:33: objective.discriminator: `reel` is neither logits",
        ),
        (with(d, "mean(softplus(-fake)", ""), "f:6:14: objective.generator: a `(` without its `)`"),
        (with(d, "softplus(-fake)", ""), "f:6:14: objective.generator: a loss must be one number"),
        (with(d, "mean(softplus(fake))", ""), "f:6:14: objective.generator: the generator helps the discriminator"),
        (with(d, "mean(softplus(-real))", ""), "f:6:14: objective.generator: `fake` is not in the generator's loss"),
        (
            with("mean(softplus(-real))", g, ""),
            "f:5:18: objective.discriminator: `fake` is not in the discriminator's loss",
        ),
        (with(d, ">\n    mean(softplus(\n      -fak))", ""), "f:8:8: objective.generator: `fak` is neither logits"),
        (with(d, "'mean(softplus(-fak))'", ""), "f:6:30: objective.generator: `fak` is neither logits"),
        (
            with(d, "h(fake)", "  where: {h(x): mean(softplus(-y))}"),
            "f:7:32: objective.where.h(x): `y` is neither logits nor a parameter",
        ),
        (
            with(d, "h(fake, 1)", "  where: {h(x): mean(softplus(-x))}"),
            "f:6:14: objective.generator: `h` takes 1 argument",
        ),
        (with(d, g, "  where: {h: real}"), "f:7:11: objective.where.h: `h` is not the head of a helper"),
        (with(d, g, "  parameters: {c: 1}"), "no formula uses the parameter `c`"),
        (
            with(d, "c * mean(softplus(-fake))", "  parameters: {c: x}"),
            "f:7:19: objective.parameters.c: expected a number",
        ),
        (
            with(d, "c * mean(softplus(-fake))", "  parameters: {c: {default: -1, above: 0}}"),
            "f:7:19: objective.parameters.c: expected a number above 0, found the default -1",
        ),
        (with(d, "c * mean(softplus(-fake))", "  parameters: {c: 1}\nc: 0"), "the gradient is 0"),
        (
            with(d, "c * mean(softplus(-fake))", "  parameters: {c: {default: 1, from: 0, above: 0}}"),
            "f:7:41: objective.parameters.c.above: a parameter has only one lower bound, and this is a second one",
        ),
        (
            with(d, "mean(softplus(-fake)) - std(fake)", "model: {pack: 4}\ntrain: {batch: 4}"),
            "f:7:15: model.pack: `std` in the objective needs at least 2 logits, but a batch has 1",
        ),
        (with(d, g, "  combine: mean"), "there is only one discriminator, so there are no losses to combine"),
        (
            with(d, "c * mean(softplus(-fake))", "  parameters: {c: {default: 1, above: 0}}\nc: -2"),
            "f:8:4: c: expected a number above 0, found -2",
        ),
        (with(d, "lr * mean(softplus(-fake))", "  parameters: {lr: 1}"), "`lr` is a built-in key"),
        (with(d, "mean(saturating * fake)", "  parameters: {saturating: 1}"), "that is not a number"),
        (
            with(d, "mean(log(fake))", ""),
            "f:6:19: objective.generator: this is not finite in float32 for logits between -2.4 and 1.9",
        ),
        (with(d, g, "  loss: 1"), "f:7:3: objective.loss: `loss` is not a key of an objective"),
        ("objective: {generator: mean(softplus(-fake))}".to_owned(), "`discriminator` has no formula"),
        (with(d, g, "  discriminators: 2"), "with 2 discriminators, each has its own: `real1` to `real2`"),
        (with(d, g, "  discriminators: 99"), "expected a whole number from 1 to 8"),
        (with(d, g, "  combine: max"), "expected a way to combine several losses, found `max`"),
        (with(d, g, "  clip: 0"), "expected a number above 0, or the name of a parameter, found `0`"),
        ("objective: [gan]".to_owned(), "expected an objective"),
        (with(d, g, "grid: {alpha_d: [1]}"), "`alpha_d` is not a key that a job has"),
    ] {
        let found = mistakes(&text);
        let says = if says == "the gradient is 0" {
            "its gradient is 0 at all logits of generated samples, with c = 0"
        } else {
            says
        };
        if !found.contains(says) {
            wrong.push_str(&format!("{text}\nEXPECTED {says}\n{found}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let of = |d: &str, g: &str, rest: &str| {
        expand(&format!("objective:\n  discriminator: {d}\n  generator: {g}\n{rest}")).warnings
    };
    let (d, g) = ("mean(softplus(-real)) + mean(softplus(fake))", "mean(softplus(-fake))");
    assert_eq!(of(d, g, ""), [""; 0]);
    let found = of("-mean(log_sigmoid(real)) - mean(log_sigmoid(1 - fake))", "-mean(log_sigmoid(fake))", "");
    assert!(
        found.len() == 1 && found[0].starts_with("f:5:50: objective.discriminator: in `log_sigmoid(1 - fake)`"),
        "{found:?}"
    );
    let wasserstein = ("mean(fake) - mean(real)", "-mean(fake)");
    let found = of(wasserstein.0, wasserstein.1, "");
    assert!(
        found.len() == 1
            && found[0].contains("the loss of the discriminator falls without end as a logit grows or shrinks"),
        "{found:?}"
    );
    assert_eq!(of(wasserstein.0, wasserstein.1, "  clip: 0.01"), [""; 0]);
    assert_eq!(of(wasserstein.0, wasserstein.1, "penalties: [{at: between, distance: 10}]"), [""; 0]);
    let of_weight = |gamma: &str| {
        of(wasserstein.0, wasserstein.1, &format!("penalties: [{{at: between, distance: gamma}}]\ngamma: {gamma}"))
    };
    assert_eq!(of_weight("{from: 0, to: 10, shape: linear}"), [""; 0]);
    assert_eq!(of_weight("0").len(), 1);
    let found = of(d, "-mean(log(0.01 * sigmoid(fake) + 0.01 * sigmoid(-fake) * sigmoid(fake)))", "");
    assert!(found.len() == 1 && found[0].contains("the argument of this logarithm can be 0"), "{found:?}");
}

#[test]
fn weights_are_clipped_to_a_bound_above_0() {
    let of = |usual: &str, rest: &str| {
        let loss = "discriminator: mean(fake) - mean(real), generator: -mean(fake)";
        mistakes(&format!("objective: {{{loss}, clip: c, parameters: {{c: {usual}}}}}\n{rest}"))
    };
    for (usual, rest, says) in [
        ("0", "", "objective.clip: expected a number above 0, found c's default 0"),
        ("0.1", "c: -1", "c: expected a number above 0, found -1"),
        ("{default: 0.1, from: -1, up_to: 1}", "grid: {c: [0.1, 0]}", "expected a number in (0, 1], found 0"),
        ("0.1", "c: {from: 0.1, to: -0.1, shape: linear}", "expected a number above 0, found -0.1"),
    ] {
        let found = of(usual, rest);
        assert!(found.contains(says), "{usual}, {rest}: {found}");
    }
}

#[test]
fn a_value_is_looked_at_even_where_a_schedule_has_it_too() {
    let text = "objective:\n  discriminator: mean(softplus(-real)) + mean(softplus(fake))\n  generator: c * \
        mean(softplus(-fake))\n  \
                parameters: {c: {default: 1, from: 0}}\ngrid: {c: [SWEPT]}";
    for swept in ["{from: 0, to: 1, shape: linear}, 0", "0, {from: 0, to: 1, shape: linear}"] {
        let found = mistakes(&text.replace("SWEPT", swept));
        assert!(found.contains("its gradient is 0 at all logits of generated samples, with c = 0"), "{swept}: {found}");
    }
}

#[test]
fn what_is_written_in_the_wrong_place_is_told_where_it_goes() {
    let of = |of_real: &str, rest: &str, below: &str| {
        format!(
            "objective: {{discriminator: \"{of_real} + mean(softplus(fake))\", generator: \
            mean(softplus(-fake)){rest}}}\n{below}"
        )
    };
    let (plain, helped) = ("mean(softplus(-real))", "mean(l(-real))");
    for (text, says) in [
        (of(helped, ", where: {\"l(u, u)\": softplus(u)}", ""), "`l` has the argument `u` twice"),
        (of(helped, ", where: {\"l()\": 2}", ""), "the helper `l` has no argument"),
        (of(helped, ", where: {l(u): softplus(u), l(v): v}", ""), "`l` is already a function (rename the helper)"),
        (of(plain, ", where: {l(u): softplus(u)}", ""), "no formula calls the helper `l`"),
        (of(plain, ", where: {l(u): softplus(u), k(u): l(u)}", ""), "no formula calls the helper `k`"),
        (
            of("mean(a * softplus(-real))", ", parameters: {a: {from: 1, to: 2, shape: linear}}", ""),
            "set the schedule next to the objective",
        ),
        (
            of("mean(seeds * softplus(-real))", ", parameters: {seeds: 1}", ""),
            "`seeds` already has a meaning in sweep files",
        ),
        (
            of("mean(count * softplus(-real))", ", parameters: {count: 1}", ""),
            "`count` already has a meaning in sweep files",
        ),
        (
            of(plain, "", "penalties: [{at: real, half_square: {from: 1, to: 0, shape: linear}}]"),
            "give the schedule a name",
        ),
        (of(plain, "", "penalties: [{at: real, half_square: model}]"), "`model` already has a meaning in sweep files"),
        (of(plain, "", "score: {weights: both}"), "to sweep several values, write `grid: {weights: […]}`"),
        (of(plain, "", "score: {weights: [ema, raw]}"), "to sweep several values, write `grid: {weights: […]}`"),
        (of(plain, "", "model: {dropout: [0, 0.5]}"), "to sweep several values, write `grid: {dropout: […]}`"),
    ] {
        let found = mistakes(&text);
        assert!(found.contains(says), "{text}\n{found}");
    }
    let of_two = "objective: {discriminators: 2, combine: mean, \
        discriminator: mean(softplus(-real1)) + mean(softplus(fake)), generator: mean(softplus(-fake))}";
    for (text, says) in [
        (of(plain, ", parameters: {w: 1}", ""), "f:4:123: objective.parameters: no formula uses the parameter `w`"),
        (of(plain, ", clip: c", ""), "objective.clip: the parameter `c` is not declared"),
        (of_two.to_owned(), "with `combine`, all play the same game, so formulas use `real` and `fake`"),
        (of_two.replace("combine: mean, ", "").replace("fake)", "fake3)"), "for this many, set `discriminators: 3`"),
        (
            of(helped, ", where: {l(u): k(u), k(u): softplus(u)}", ""),
            "a helper may only call those above it, and `k` is below",
        ),
        (of(helped, ", where: {l(u): l(u)}", ""), "a helper cannot call itself"),
        (of(plain, "", "where: {l(u): u}"), "it belongs inside the objective: `objective: {…, where: …}`"),
        (of(plain, ", penalties: []", ""), "`penalties` is not a key of an objective (it belongs next to `objective`)"),
        (
            of(plain, ", clip: {from: 1, to: 0.1, shape: linear}", ""),
            "give the schedule a name: `clip: c` here, `c: 0.1` in `parameters`",
        ),
        (
            of("mean(w * softplus(-real))", ", parameters: {w: {default: 1, above: 2, below: 0}}", ""),
            "there is no number between the bounds 2 and 0",
        ),
        (of(plain, "", "").replace("mean(softplus(-fake))}", "[mean(fake)]}"), "expected a formula, found the list"),
        (of(plain, "", "").replace("generator:", "generater:"), "did you mean `generator`?"),
        (of("mean(softplus(-x))", "", ""), "known names are real, fake; declare others"),
        (of("(1 + mean(y)) * mean(softplus(-real))", "", ""), "f:4:39: objective.discriminator: `y` is neither logits"),
        (
            of("mean(softplus(-real)) + mean(softplus(", "", "").replace("softplus( + mean(softplus(fake))", ""),
            "the formula ends here",
        ),
    ] {
        let found = mistakes(&text);
        assert!(found.contains(says), "{text}\n{found}");
    }
    let misspelt = mistakes(&of(plain, "", "").replace("generator:", "generater:"));
    assert_eq!(misspelt.lines().count(), 1, "{misspelt}");
    let twice = mistakes(&of(helped, ", where: {l(u): softplus(u), l(u): u}", ""));
    assert_eq!(twice.lines().count(), 1, "{twice}");
    let below = |text: &str| expand(&of(plain, "", text)).warnings.join("\n");
    assert!(below("clip: 0.1").contains("for formulas, set it inside `objective: {…}`"));
}

#[test]
fn several_discriminators_play_one_game() {
    let text = |combine: &str| {
        format!(
            "objective: {{discriminator: mean(softplus(-real)) + mean(softplus(fake)), generator: \
            mean(softplus(-fake)), discriminators: 3, combine: {combine}, parameters: {{lambda: 1}}}}"
        )
    };
    let found = mistakes(&text("mean"));
    assert!(found.contains("no formula uses the parameter `lambda`"), "{found}");
    let text = text("{softmax: lambda}");
    let job = expand(&text).entries.remove(0).job;
    let Blueprint::BuiltIn(blueprint) = &*job.blueprint else { panic!() };
    assert_eq!(blueprint.objective.declares().discriminators, 3);
    let rules = blueprint.objective.rules().unwrap();
    assert_eq!((rules.discriminator.program.rows.len(), rules.generator.program.rows.len()), (6, 3));
    let again: Job = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
    assert_eq!(again.id(), job.id());
}

#[test]
fn penalties_stand_beside_any_objective() {
    let expansion =
        expand("objective: gan\npenalties: [{at: real, half_square: gamma}]\ngrid: {gamma: [0, 0.01, 0.1, 1]}");
    assert_eq!((expansion.entries.len(), expansion.warnings.len()), (4, 0));
    let job = &expansion.entries[1].job;
    assert_eq!(job.parameters.number("gamma"), Some(0.01));
    let json = serde_json::to_string(job).unwrap();
    assert!(json.contains(r#""penalties":[{"at":"real","half_square":"gamma"}]"#), "{json}");
    assert_eq!(serde_json::from_str::<Job>(&json).unwrap(), *job);
    // Penalties are not part of jobs without them.
    assert!(!serde_json::to_string(&expand("objective: gan").entries[0].job).unwrap().contains("penalties"));
    let all = "objective: hinge_free\n".replace("hinge_free", "lsgan")
        + "penalties: [{at: both, power: 2, exponent: p}, {at: around, excess: 1, target: c, every: 4}, \
            {at: between, distance: 10, target: 0}]\np: 6\nc: 1";
    let job = expand(&all).entries.remove(0).job;
    assert_eq!(serde_json::from_str::<Job>(&serde_json::to_string(&job).unwrap()).unwrap(), job);
    for (text, says) in [
        ("penalties: {at: real}", "expected a list of penalties"),
        ("penalties: [{half_square: 1}]", "`at` is missing"),
        ("penalties: [{at: real}]", "the penalty has no form"),
        ("penalties: [{at: nowhere, half_square: 1}]", "`nowhere` is not"),
        ("penalties: [{at: real, half_square: 1, target: 2}]", "`half_square` has no `target`"),
        ("penalties: [{at: real, half_square: 1, distance: 2}]", "a penalty has only one form"),
        ("penalties: [{at: real, power: 1}]", "`exponent` is missing"),
        ("penalties: [{at: real, power: 1, exponent: 1}]", "expected a number in [2, 100], or the name of a parameter"),
        ("penalties: [{at: real, half_square: -1}]", "expected a number of at least 0, or the name of a parameter"),
        ("penalties: [{at: real, half_square: gamma}]", "penalties: a penalty needs `gamma`, which is not set"),
        (
            "penalties: [{at: real, half_square: gamma}]\ngamma: -1",
            "f:6:8: gamma: expected a number of at least 0, found -1",
        ),
        ("penalties: [{at: real, half_square: batch}]", "`batch` is a built-in key"),
    ] {
        let found = mistakes(&format!("objective: gan\n{text}"));
        assert!(found.contains(says), "{text}\n{found}");
    }
    for objective in ["ali", "veegan", "mgan", "mdgan", "reg_gan"] {
        let found = expand(&format!("objective: {objective}\npenalties: [{{at: between, distance: gamma}}]\ngamma: 3"));
        assert_eq!(found.entries[0].job.parameters.number("gamma"), Some(3.0), "{objective}");
    }
    let found = mistakes("objective: began\npenalties: [{at: real, half_square: 1}]");
    assert!(
        found.contains("the critic of `began` outputs a sample, not a logit, so there is no gradient to penalise"),
        "{found}"
    );
}

/// Each built-in game written as formulas in a file has the same terms, and so exactly the same results.
#[test]
fn the_programs_own_games_can_be_written_in_a_file() {
    for objective in Objective::ALL {
        let (Some(rules), Some(written)) = (objective.rules(), objective.losses()) else { continue };
        let declared: Vec<String> = objective
            .declares()
            .parameters
            .iter()
            .filter(|known| {
                let of = |loss: &super::rules::Loss| loss.formula.parameters().iter().any(|name| **name == *known.name);
                of(&rules.discriminator) || of(&rules.generator)
            })
            .map(|known| match known.usual {
                Usual::Number(usual) => format!("{}: {usual}", known.name),
                _ => format!("{}: 1", known.name),
            })
            .collect();
        let text = format!(
            "objective: {{discriminator: \"{}\", generator: \"{}\", discriminators: {}, parameters: {{{}}}}}",
            written.discriminator,
            written.generator,
            rules.discriminators,
            declared.join(", ")
        );
        let job = expand(&text).entries.remove(0).job;
        let own = job.blueprint.built_in().unwrap().objective.rules().unwrap();
        assert_eq!(own.discriminator.terms, rules.discriminator.terms, "{}", objective.name());
        assert_eq!(own.generator.terms, rules.generator.terms, "{}", objective.name());
        let programs = [&own.discriminator, &own.generator].map(|loss| &loss.program.operations);
        let expected = [&rules.discriminator, &rules.generator].map(|loss| &loss.program.operations);
        assert_eq!(programs, expected, "{}", objective.name());
    }
}

/// A job without mode seeking is the same as before mode seeking existed, and trains together with jobs that have it.
#[test]
fn modes_are_sought_where_a_file_says_so() {
    let plain = expand("objective: gan").entries.remove(0);
    let swept = expand("objective: gan\ngrid: {mode_seeking: [0, 0.5, 1]}");
    assert_eq!((swept.entries.len(), swept.warnings.len()), (3, 0));
    assert_eq!((swept.entries[0].id, &swept.entries[0].job), (plain.id, &plain.job));
    let weights = swept.entries.iter().map(|entry| entry.job.parameters.number("mode_seeking"));
    assert_eq!(weights.collect::<Vec<_>>(), [None, Some(0.5), Some(1.0)]);
    assert!(swept.entries.iter().all(|entry| entry.job.blueprint == plain.job.blueprint));
    for objective in Objective::ALL {
        let (name, more) = (objective.name(), "alpha: 1\nbeta: 1\ntrain: {steps: 9000}");
        let more = if objective.declares().parameter("alpha").is_some() { more } else { "train: {steps: 9000}" };
        let text = format!("sweep: s\ndataset: gaussians\nobjective: {name}\n{more}\nmode_seeking: 0.1\n");
        let job = Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap().entries.remove(0).job;
        assert_eq!(job.parameters.number("mode_seeking"), Some(0.1), "{name}");
    }
    let found = mistakes("objective: gan\nmode_seeking: -1");
    assert!(found.contains("mode_seeking: expected a number of at least 0, found `-1`"), "{found}");
}

/// Algorithm 1 of Srivastava et al.: all gradients at the same weights, on the same samples.
#[test]
fn veegan_moves_as_in_its_paper_unless_said_otherwise() {
    use crate::moves::Moves;
    let train = |rest: &str| {
        let job = expand(&format!("objective: veegan\n{rest}")).entries.remove(0).job;
        let train = job.blueprint.built_in().unwrap().train.clone();
        (train.moves, train.fresh_noise, job.parameters.number("noise_reconstruction"))
    };
    assert_eq!(train(""), (Moves::Simultaneous, false, Some(1.0)));
    assert_eq!(train("grid: {moves: [alternating], fresh_noise: [true]}"), (Moves::Alternating, true, Some(1.0)));
}
