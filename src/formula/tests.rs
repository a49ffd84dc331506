use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::ast::{Expr, Function, Kind, Operator, Place, Row};
use super::evaluate::evaluate;
use super::parse::Names;
use super::program::Program;
use super::rewrite::stable;
use super::terms::{Of, Term, terms};

pub(super) fn parse(text: &str) -> Expr {
    Names::new(1, None).parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"))
}

/// Parses a formula with the helpers of (α_D, α_G)-GANs.
pub(super) fn with_helpers(text: &str) -> Expr {
    let mut names = Names::new(1, None);
    names.helper("l(u, a)", "u * exprel(-(1 - 1/a) * u)", 1).unwrap();
    names.parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"))
}

/// The logits of each row and the value of each parameter.
#[derive(Clone)]
struct Given {
    rows: BTreeMap<Row, Vec<f64>>,
    parameters: BTreeMap<String, f64>,
}

/// The value of a formula as written, by the definitions, in float64.
enum Plain {
    Scalar(f64),
    Row(Vec<f64>),
}

fn plain(expr: &Expr, given: &Given) -> Plain {
    let map = |x: Plain, f: &dyn Fn(f64) -> f64| match x {
        Plain::Scalar(x) => Plain::Scalar(f(x)),
        Plain::Row(row) => Plain::Row(row.into_iter().map(f).collect()),
    };
    let pair = |a: Plain, b: Plain, f: &dyn Fn(f64, f64) -> f64| match (a, b) {
        (Plain::Scalar(a), Plain::Scalar(b)) => Plain::Scalar(f(a, b)),
        (Plain::Row(a), Plain::Scalar(b)) => Plain::Row(a.into_iter().map(|a| f(a, b)).collect()),
        (Plain::Scalar(a), Plain::Row(b)) => Plain::Row(b.into_iter().map(|b| f(a, b)).collect()),
        (Plain::Row(a), Plain::Row(b)) => Plain::Row(a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect()),
    };
    let reduce = |x: Plain, f: &dyn Fn(&[f64]) -> f64| match x {
        Plain::Scalar(_) => panic!("a scalar has no samples"),
        Plain::Row(row) => Plain::Scalar(f(&row)),
    };
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    match &expr.kind {
        Kind::Number(x) => Plain::Scalar(*x),
        Kind::Parameter(name) => Plain::Scalar(given.parameters[&**name]),
        Kind::Row(row) => Plain::Row(given.rows[row].clone()),
        Kind::Neg(x) => map(plain(x, given), &|x| -x),
        Kind::Binary(operator, a, b) => {
            let f: &dyn Fn(f64, f64) -> f64 = match operator {
                Operator::Add => &|a, b| a + b,
                Operator::Sub => &|a, b| a - b,
                Operator::Mul => &|a, b| a * b,
                Operator::Div => &|a, b| a / b,
                Operator::Pow => &f64::powf,
            };
            pair(plain(a, given), plain(b, given), f)
        }
        Kind::Call(function, arguments) => {
            let x = plain(&arguments[0], given);
            let second = || plain(&arguments[1], given);
            match function {
                Function::Softplus => map(x, &|x| x.exp().ln_1p()),
                Function::LogSoftplus => map(x, &|x| x.exp().ln_1p().ln()),
                Function::Sigmoid => map(x, &|x| 1.0 / (1.0 + (-x).exp())),
                Function::LogSigmoid => map(x, &|x| (1.0 / (1.0 + (-x).exp())).ln()),
                Function::Tanh => map(x, &f64::tanh),
                Function::Exp => map(x, &f64::exp),
                Function::Expm1 => map(x, &f64::exp_m1),
                Function::Exprel => map(x, &|x| if x == 0.0 { 1.0 } else { x.exp_m1() / x }),
                Function::Log => map(x, &f64::ln),
                Function::Log1p => map(x, &f64::ln_1p),
                Function::Sqrt => map(x, &f64::sqrt),
                Function::Square => map(x, &|x| x * x),
                Function::Abs => map(x, &f64::abs),
                Function::Relu => map(x, &|x| x.max(0.0)),
                Function::Min => pair(x, second(), &f64::min),
                Function::Max => pair(x, second(), &f64::max),
                Function::Clamp => {
                    let low = pair(x, plain(&arguments[2], given), &f64::min);
                    pair(low, second(), &f64::max)
                }
                Function::Detach => x,
                Function::Mean => reduce(x, &mean),
                Function::LogMeanExp => reduce(x, &|x| mean(&x.iter().map(|x| x.exp()).collect::<Vec<_>>()).ln()),
                Function::Std => reduce(x, &|x| {
                    let squares: f64 = x.iter().map(|v| (v - mean(x)).powi(2)).sum();
                    (squares / (x.len() as f64 - 1.0)).sqrt()
                }),
            }
        }
    }
}

fn value(expr: &Expr, given: &Given) -> f64 {
    match plain(expr, given) {
        Plain::Scalar(x) => x,
        Plain::Row(_) => panic!("a row: {expr}"),
    }
}

/// Computes value and derivatives with the program, in float64.
fn computed(expr: &Expr, given: &Given) -> (f64, BTreeMap<Row, Vec<f64>>) {
    let program = Program::new(&stable(expr)).unwrap();
    let rows: Vec<&[f64]> = program.rows.iter().map(|row| &given.rows[row][..]).collect();
    let parameters: Vec<f64> = program.parameters.iter().map(|name| given.parameters[&**name]).collect();
    let mut slopes: Vec<Vec<f64>> = rows.iter().map(|row| vec![0.0; row.len()]).collect();
    let value =
        evaluate(&program, &parameters, &rows, &mut slopes.iter_mut().map(|row| &mut row[..]).collect::<Vec<_>>());
    (value, program.rows.iter().copied().zip(slopes).collect())
}

/// Checks value and derivatives against the definitions and their central differences.
fn agrees(expr: &Expr, given: &Given) -> Result<(), String> {
    let (found, slopes) = computed(expr, given);
    let exact = value(expr, given);
    let close = |a: f64, b: f64, tolerance: f64| (a - b).abs() <= tolerance * b.abs().max(1.0);
    if !close(found, exact, 1e-9) {
        return Err(format!("{expr}: {found} against {exact}"));
    }
    for (row, slopes) in slopes {
        for (i, slope) in slopes.into_iter().enumerate() {
            let moved = |step: f64| {
                let mut given = given.clone();
                given.rows.get_mut(&row).unwrap()[i] += step;
                value(expr, &given)
            };
            let difference = |h: f64| (moved(h) - moved(-h)) / (2.0 * h);
            // Richardson extrapolation removes the error of order h².
            let expected = (4.0 * difference(5e-4) - difference(1e-3)) / 3.0;
            if !close(slope, expected, 1e-5) {
                return Err(format!("{expr}: slope {slope} against {expected} at {i} of {row:?}"));
            }
        }
    }
    Ok(())
}

const REAL: Row = Row { discriminator: 0, real: true };
const FAKE: Row = Row { discriminator: 0, real: false };

fn given(real: &[f64], fake: &[f64], parameters: &[(&str, f64)]) -> Given {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    Given { rows: [(REAL, real.to_vec()), (FAKE, fake.to_vec())].into(), parameters }
}

/// Losses of many papers as they would be written: value and derivatives at four settings of their parameters.
#[test]
fn losses_of_papers_have_the_right_slopes() {
    let losses = [
        "-mean(log(sigmoid(real))) - mean(log(1 - sigmoid(fake)))",
        "mean(softplus(-real)) + mean(softplus(fake))",
        "-(a * mean(log_softplus(real)) - mean(softplus(fake)))",
        "0.5 * mean((real - 1)^2) + 0.5 * mean(fake^2)",
        "mean(relu(1 - real)) + mean(relu(1 + fake))",
        "mean(softplus(fake - real))",
        "(mean(softplus(-(real - mean(fake)))) + mean(softplus(fake - mean(real)))) / 2",
        "mean((real - mean(fake) - 1)^2) + mean((fake - mean(real) + 1)^2)",
        "-mean(real) + mean(exp(fake - 1))",
        "mean(exp(-real)) + mean(fake - 1)",
        "-mean(real) + mean(fake^2 / 4 + fake)",
        "mean(expm1(-real)) + mean(expm1(fake))",
        "-0.5 * mean(tanh(real)) + 0.5 * mean(tanh(fake))",
        "mean(l(softplus(-real), a)) + mean(l(softplus(fake), a))",
        "log_mean_exp(-b * real) / b + log_mean_exp(b * fake) / b",
        "abs(1 / (a - 3) * log(mean(sigmoid(-fake)^(a - 3))) + log(2)) + mean(real)",
        "mean(abs(sigmoid(fake) - 0.6)^k) + mean(real)",
        "0.9 * mean(softplus(-real)) + 0.1 * mean(softplus(real)) + mean(softplus(fake))",
        "mean(fake) - mean(real) + b * (mean(real)^2 + mean(fake)^2)",
        "(mean(real) - mean(fake)) / sqrt(0.5 * mean(square(real)) + 0.5 * mean(square(fake)))",
        "std(fake) - std(real) + mean(real * fake)",
        "mean(max(real, fake)) + mean(min(real, a)) + mean(clamp(fake, -0.5, 1))",
        "mean(log1p(exp(real))) + mean(log(1 + exp(-fake))) + mean(sqrt(sigmoid(real)))",
        "mean(log(sigmoid(real) / (1 - sigmoid(real)))) + mean(log(softplus(fake) * sigmoid(fake)^a))",
        "detach(mean(fake)) * mean(real) - mean(detach(real) * fake)",
        "-2^-a * mean(real) - mean(-fake)^2 + a^b^k",
    ];
    let real = [0.31, -1.7, 2.4, 0.05, -0.4];
    let fake = [-0.2, 1.3, -2.2, 0.77, 3.1];
    for text in losses {
        for (a, b, k) in [(0.2, 0.7, 1.5), (0.7, -0.3, 2.0), (1.0, 1.5, 2.5), (2.5, 0.4, 3.0)] {
            let written = with_helpers(text);
            // A detached part has no derivative, but a difference of the whole would include it.
            if text.contains("detach") {
                continue;
            }
            agrees(&written, &given(&real, &fake, &[("a", a), ("b", b), ("k", k)])).unwrap();
        }
    }
    let (_, slopes) = computed(&parse("detach(mean(fake)) * mean(real)"), &given(&real, &fake, &[]));
    assert!(slopes[&FAKE].iter().all(|slope| *slope == 0.0) && slopes[&REAL].iter().all(|slope| *slope != 0.0));
}

fn any_row() -> impl Strategy<Value = Expr> {
    let at = |kind| Expr { kind, place: Place { source: 0, span: 0..0 } };
    let leaf = prop_oneof![
        3 => prop_oneof![Just(REAL), Just(FAKE)].prop_map(move |row| at(Kind::Row(row))),
        1 => (-20i32..20).prop_map(move |x| at(Kind::Number(f64::from(x.abs()) / 8.0))),
        1 => prop_oneof![Just("a"), Just("b")].prop_map(move |name| at(Kind::Parameter(name.into()))),
    ];
    leaf.prop_recursive(5, 30, 2, move |inner| {
        let smooth = prop_oneof![
            Just(Function::Softplus),
            Just(Function::Sigmoid),
            Just(Function::LogSigmoid),
            Just(Function::Tanh),
            Just(Function::Exprel),
            Just(Function::Square),
        ];
        let operator = prop_oneof![Just(Operator::Add), Just(Operator::Sub), Just(Operator::Mul)];
        prop_oneof![
            inner.clone().prop_map(move |x| at(Kind::Neg(Box::new(x)))),
            (operator, inner.clone(), inner.clone()).prop_map(move |(o, a, b)| at(Kind::Binary(
                o,
                Box::new(a),
                Box::new(b)
            ))),
            (smooth, inner.clone()).prop_map(move |(f, x)| at(Kind::Call(f, vec![x]))),
            inner.prop_map(move |x| {
                // Bounded, so that nothing overflows.
                let bound = at(Kind::Call(Function::Tanh, vec![x]));
                at(Kind::Call(Function::Exp, vec![bound]))
            }),
        ]
    })
}

fn logits() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-3.0..3.0f64, 4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_written_back_reads_as_the_same(row in any_row()) {
        let text = row.to_string();
        // A sign in front of a number belongs to the number.
        prop_assert_eq!(parse(&text).to_string(), text.clone());
        let two = Names::new(1, None).parse(&text).unwrap();
        prop_assert_eq!(stable(&two).to_string(), stable(&stable(&two)).to_string(), "{}", text);
    }

    #[test]
    fn value_and_slopes_are_those_of_the_definitions(
        row in any_row(), real in logits(), fake in logits(), a in 0.2..2.0f64, b in -1.0..1.0f64
    ) {
        let place = row.place.clone();
        if row.has_rows() {
            let given = given(&real, &fake, &[("a", a), ("b", b)]);
            let loss = Expr { kind: Kind::Call(Function::Mean, vec![row]), place };
            let size = value(&loss, &given).abs();
            if let (true, Err(error)) = (size < 1e4, agrees(&loss, &given)) {
                // Differences of numbers that cancel say little.
                prop_assert!(largest(&loss, &given) > 1e3, "{}", error);
            }
        }
    }

    #[test]
    fn no_text_panics(text in "[a-z0-9+*/^(), .−-]{0,60}") {
        let mut names = Names::new(2, Some(vec!["a".into()]));
        let _ = names.helper("l(x)", &text, 1);
        if let Ok(formula) = names.parse(&text) {
            let _ = Program::new(&stable(&formula));
        }
    }
}

/// Returns the largest intermediate number.
fn largest(expr: &Expr, given: &Given) -> f64 {
    let mut most = 0.0f64;
    expr.walk(&mut |part| match plain(part, given) {
        Plain::Scalar(x) => most = most.max(x.abs()),
        Plain::Row(row) => row.iter().for_each(|x| most = most.max(x.abs())),
    });
    most
}

#[test]
fn stable_forms_are_found() {
    for (written, expected) in [
        ("log(sigmoid(real))", "-softplus(-real)"),
        ("log(sigmoid(-real))", "-softplus(real)"),
        ("log_sigmoid(real - 1)", "-softplus(-(real - 1))"),
        ("log(1 - sigmoid(fake))", "-softplus(fake)"),
        ("log(1 + -sigmoid(fake))", "-softplus(fake)"),
        ("log1p(-sigmoid(fake))", "-softplus(fake)"),
        ("-log(sigmoid(real))", "softplus(-real)"),
        ("log(softplus(real))", "log_softplus(real)"),
        ("log(exp(real))", "real"),
        ("log(1 + exp(real))", "softplus(real)"),
        ("log1p(exp(real))", "softplus(real)"),
        ("log(mean(exp(real)))", "log_mean_exp(real)"),
        ("log(mean(exp(a * real)))", "log_mean_exp(a * real)"),
        ("log(sigmoid(real) / (1 - sigmoid(real)))", "-softplus(-real) + softplus(real)"),
        ("log(1 / sigmoid(real))", "softplus(-real)"),
        ("sigmoid(real)^a", "exp(-a * softplus(-real))"),
        ("(1 - sigmoid(real))^2", "exp(-2 * softplus(real))"),
        ("sqrt(sigmoid(real))", "exp(-0.5 * softplus(-real))"),
        ("log(sigmoid(real)^a)", "-a * softplus(-real)"),
        ("exp(real) - 1", "expm1(real)"),
        ("real^2", "square(real)"),
        ("real^1", "real"),
        ("--real", "real"),
        ("a - -real", "a + real"),
        ("mean(-real)", "-mean(real)"),
        ("-mean(log(sigmoid(real)))", "mean(softplus(-real))"),
        ("clamp(real, -1, 2)", "max(min(real, 2), -1)"),
        ("log(real)", "log(real)"),
        ("log(1 + sigmoid(real))", "log(1 + sigmoid(real))"),
    ] {
        assert_eq!(stable(&parse(written)).to_string(), expected, "{written}");
    }
}

#[test]
fn operators_bind_as_they_do_everywhere() {
    for (written, expected) in [
        ("-a^2", -9.0),
        ("2^a^0", 2.0),
        ("2^-a", 0.125),
        ("6 / 2 * a", 9.0),
        ("6 - 2 - a", 1.0),
        ("-(a - 1) * 2", -4.0),
        ("a * -2", -6.0),
        (".5e1 + 1E-1 * 10", 6.0),
        ("a − 1", 2.0),
    ] {
        assert_eq!(value(&parse(written), &given(&[], &[], &[("a", 3.0)])), expected, "{written}");
        let text = parse(written).to_string();
        assert_eq!(value(&parse(&text), &given(&[], &[], &[("a", 3.0)])), expected, "{text}");
    }
}

/// The ends of the functions' domains, and where they would lose their derivative in float32.
#[test]
fn extremes_are_what_they_should_be() {
    let single = |text: &str, x: f32| {
        let program = Program::new(&stable(&parse(text))).unwrap();
        let mut slope = [0.0f32];
        let value = evaluate(&program, &[], &[&[x]], &mut [&mut slope]);
        (value, f64::from(slope[0]))
    };
    let close = |(a, b): (f64, f64), (c, d): (f64, f64)| {
        let near = |a: f64, b: f64| a == b || (a - b).abs() <= 2e-6 * b.abs() || a.is_nan() && b.is_nan();
        near(a, c) && near(b, d)
    };
    let infinity = f64::INFINITY;
    for (text, x, expected) in [
        ("mean(log(sigmoid(real)))", -90.0, (-90.0, 1.0)),
        ("mean(log(1 - sigmoid(real)))", 90.0, (-90.0, -1.0)),
        ("mean(log(softplus(real)))", -200.0, (-200.0, 1.0)),
        ("mean(sigmoid(real))", 40.0, (1.0, (-40f64).exp())),
        ("mean(tanh(real))", 20.0, (1.0, 4.0 * (-40f64).exp())),
        ("mean(exp(real))", 200.0, (infinity, infinity)),
        ("mean(expm1(real))", 200.0, (infinity, infinity)),
        ("mean(expm1(real))", 1e-6, (1e-6, 1.0)),
        ("mean(exprel(real))", 0.0, (1.0, 0.5)),
        ("mean(exprel(real))", 1e-4, (1.000_05, 0.5 + 1e-4 / 3.0)),
        ("mean(exprel(real))", -1000.0, (1e-3, 1e-6)),
        ("mean(log(real))", 0.0, (-infinity, infinity)),
        ("mean(log(real))", -1.0, (f64::NAN, -1.0)),
        ("mean(log(real))", 1e-40, (f64::from(1e-40f32).ln(), infinity)),
        ("mean(log1p(real))", 1e30, (1e30f64.ln(), 1e-30)),
        ("mean(log1p(real))", -0.5, (0.5f64.ln(), 2.0)),
        ("mean(real^3)", -2.0, (-8.0, 12.0)),
        ("mean(real^0.5)", -2.0, (f64::NAN, f64::NAN)),
        ("mean(abs(real)^1.5)", 4.0, (8.0, 3.0)),
        ("mean(abs(real)^0)", 0.0, (1.0, 0.0)),
        ("mean(abs(real))", 0.0, (0.0, 0.0)),
        ("mean(relu(real))", 0.0, (0.0, 0.0)),
        ("mean(max(real, 0))", 0.0, (0.0, 0.5)),
        ("log_mean_exp(real)", 5000.0, (5000.0, 1.0)),
        ("mean(relu(real))", f32::NAN, (f64::NAN, 0.0)),
        ("mean(min(real, 1))", f32::NAN, (f64::NAN, 0.0)),
    ] {
        let found = single(text, x);
        assert!(close(found, expected), "{text} at {x}: {found:?}, not {expected:?}");
    }
}

#[test]
fn sums_of_means_become_terms() {
    let one = |text: &str| terms(&stable(&parse(text)));
    let d2gan = "-(a * mean(log_softplus(real)) - mean(softplus(fake))) - b / 2 * mean(-fake)";
    let found = one(d2gan).unwrap();
    let value = |name: &str| if name == "a" { 3.0 } else { 5.0 };
    let shown: Vec<(f64, &Of, bool)> = found
        .iter()
        .map(|term| match term {
            Term::Mean { coefficient, of, negative, .. } => (coefficient.value(value), of, *negative),
            Term::Constant(_) => panic!("no constant"),
        })
        .collect();
    assert_eq!(shown[..2], [(-3.0, &Of::LogSoftplus, false), (1.0, &Of::Softplus, false)]);
    assert_eq!(shown[2], (2.5, &Of::Identity, false));
    let Some(Term::Constant(c)) = one("mean(real - 3) * 2").unwrap().pop() else { panic!("a constant") };
    assert_eq!(c.value(value), -6.0);
    for text in ["0.5 * mean((real - a)^2)", "mean(square(1 - fake) / 2)", "mean((a + real)^2)", "mean(real^2)"] {
        let found = one(text).unwrap();
        let Term::Mean { of: Of::Squared { target }, negative, coefficient, .. } = &found[0] else { panic!("{text}") };
        let expected = match text {
            "0.5 * mean((real - a)^2)" => (0.5, 3.0, false),
            "mean(square(1 - fake) / 2)" => (0.5, -1.0, true),
            "mean((a + real)^2)" => (1.0, -3.0, false),
            _ => (1.0, 0.0, false),
        };
        assert_eq!((coefficient.value(value), target.value(value), *negative), expected, "{text}");
    }
    for text in ["mean(real * fake)", "mean(real)^2", "mean(softplus(fake - real))", "mean(relu(real))", "std(real)"] {
        assert!(one(text).is_none(), "{text}");
    }
}

#[test]
fn mistakes_say_where_and_what() {
    let mut names = Names::new(1, Some(vec!["alpha".into()]));
    names.helper("l(u)", "u * alpha", 1).unwrap();
    for (text, place, says) in [
        ("mean(softplus(reel))", 14..18, "`reel` is neither logits nor a parameter"),
        ("mean(softplus(real1))", 14..19, "`real1` is neither logits nor a parameter"),
        ("mean(soft(real))", 5..15, "`soft` is not a function"),
        ("mean(real", 0..9, "a `(` without its `)`"),
        ("mean(real))", 10..11, "a `)` without its `(`"),
        ("2 mean(real)", 2..6, "expected an operator or the end of the formula"),
        ("mean(real) +", 11..12, "the formula ends"),
        ("mean(real) ** 2", 12..13, "`**` is not an operator"),
        ("mean(real, fake)", 0..16, "takes 1 argument, but has 2 here"),
        ("l(real, fake)", 0..13, "takes 1 argument, but has 2 here"),
        ("mean(real) @ 2", 11..12, "`@` is not allowed"),
        ("1.2.3", 0..5, "`1.2.3` is not a number"),
        ("mean(softplus)", 5..13, "is a function: its arguments are missing"),
        ("", 0..0, "the formula is empty"),
        ("real", 0..4, "a loss must be one number"),
        ("mean(alpha)", 5..10, "`mean` works on the samples of a batch, but this is one number"),
        ("(1 + reel) * mean(real)", 5..9, "`reel` is neither logits nor a parameter"),
        ("2^mean(real)", 2..12, "an exponent must be a number or a parameter"),
        ("mean(sigmoid(fake)^real)", 19..23, "an exponent must be a number or a parameter"),
    ] {
        let mistake = names.parse(text).and_then(|formula| Program::new(&stable(&formula))).unwrap_err();
        assert!(mistake.message.contains(says), "{text}: {mistake:?}");
        assert_eq!((mistake.place.source, mistake.place.span), (0, place), "{text}: {}", mistake.message);
    }
    for head in ["l", "l(", "2l(x)", "l(x, x)", "mean(x)", "m(real)", "m()"] {
        assert!(names.helper(head, "1", 2).is_err(), "{head}");
    }
    names.helper("shadows(alpha)", "alpha^2", 2).unwrap();
    assert_eq!(names.parse("shadows(3)").unwrap().to_string(), "3^2");
    assert!(names.helper("m(x)", "x + y", 2).unwrap_err().message.contains("`y`"));
    let many = format!("mean(real{})", " + real".repeat(2000));
    assert!(names.parse(&many).unwrap_err().message.contains("at most"));
    let deep = format!("{}real{}", "(".repeat(300), ")".repeat(300));
    assert!(names.parse(&deep).unwrap_err().message.contains("deep"));
    for i in 1..5 {
        let of = if i == 1 { "l".to_owned() } else { format!("h{}", i - 1) };
        names.helper(&format!("h{i}(x)"), &format!("{of}(x) + {of}(x)"), i).unwrap();
    }
    assert!(names.parse("h4(h4(mean(real)))").unwrap_err().message.contains("parts"));
}

#[test]
fn parts_that_are_equal_are_computed_once() {
    let program =
        Program::new(&stable(&parse("mean(softplus(real) * softplus(real)) + mean(softplus(real))"))).unwrap();
    let softplus = |operation: &&super::program::Operation| {
        matches!(operation, super::program::Operation::Unary(super::program::Unary::Softplus, _))
    };
    assert_eq!(program.operations.iter().filter(softplus).count(), 1);
    let parameters: Vec<Arc<str>> = parse("b * mean(real) + a").parameters();
    assert_eq!(parameters.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
}
