use super::*;
use sweep_formula::parse::Names;
use sweep_spec::objective::rules;

const D: Logits = Logits { discriminator: 0, batch: 0, negative: false };

/// A formula on `real` (batch 0) and `fake` (batch 1) of one discriminator, with parameters a and b of two members.
fn formula(text: &str) -> Loss {
    let written = Names::new(1, None).parse(text).unwrap();
    let loss: &'static rules::Loss = Box::leak(Box::new(rules::Loss::new(&written).unwrap()));
    let column = |name: &str| Column(if name == "a" { vec![0.5, 2.0] } else { vec![1.0, -3.0] });
    Loss::new(loss, column, |row| Logits::of(0, usize::from(!row.real)))
}

fn host(loss: &Loss, logits: &[Tensor], batches: usize) -> (Vec<f64>, Vec<Tensor>) {
    let (PerMember::Host(value), grads) = loss.evaluate(logits, batches, true) else { panic!("a CPU") };
    (value, grads)
}

fn device(loss: &Loss, logits: &[Tensor], batches: usize) -> (Vec<f64>, Vec<Tensor>) {
    let grads: Vec<Tensor> = logits.iter().map(Tensor::zeros_like).collect();
    (to_f64(&loss.on_device(logits, batches, &grads)), grads)
}

#[test]
fn functions_and_their_slopes_are_exact_everywhere() {
    let x: Vec<f64> = (-300..=120).map(|i| f64::from(i) * 0.5).collect();
    let softplus_of = |x: f64| if x > 30.0 { x } else { x.exp().ln_1p() };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let exact = |i: usize, x: f64| match i {
        0 => (softplus_of(x), sigmoid(x)),
        1 => (softplus_of(-x), -sigmoid(-x)),
        3 => (-x, -1.0),
        4 => ((-x - 1.5).powi(2), 2.0 * (x + 1.5)),
        5 => (x + 7.0, 1.0),
        _ if x < -30.0 => (x, 1.0),
        _ => (softplus_of(x).ln(), sigmoid(x) / softplus_of(x)),
    };
    let formulas: [Loss; 6] = [
        mean(softplus(D)).into(),
        mean(softplus(-D)).into(),
        mean(log_softplus(D)).into(),
        formula("-mean(real)"),
        formula("mean((-real - 1.5)^2)"),
        formula("mean(real + 7)"),
    ];
    for (kind, tolerance) in [(Kind::Double, 1e-9), (Kind::Float, 1e-6)] {
        // Each x is a member with one sample, so every value is checked.
        let logits = [Tensor::from_slice(&x).unsqueeze(1).to_kind(kind)];
        for (i, loss) in formulas.iter().enumerate() {
            assert!(matches!(loss, Loss::Terms(_)), "{i}");
            for (values, grads) in [host(loss, &logits, 1), device(loss, &logits, 1)] {
                for ((&x, value), slope) in x.iter().zip(values).zip(to_f64(&grads[0])) {
                    let (y, dy) = exact(i, x);
                    let close = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs().max(1e-3);
                    assert!(close(value, y), "{kind:?} {i} at {x}: {value} against {y}");
                    assert!(close(slope, dy), "{kind:?} {i} at {x}: slope {slope} against {dy}");
                }
            }
        }
    }
}

#[test]
fn a_formula_is_the_sum_of_its_terms_with_each_members_coefficients() {
    let fake = Logits::of(1, 1);
    let column = Column(vec![0.5, 2.0]);
    let loss = Loss::from(-(mean(&column * softplus(D)) - mean(log_softplus(fake))));
    let logits = [
        Tensor::from_slice(&[0.0, 1.0, 9.0, 9.0, 2.0, 3.0, 9.0, 9.0f64]).view([2, 4]),
        Tensor::zeros([2, 4], (Kind::Double, tch::Device::Cpu)),
    ];
    let (value, grads) = host(&loss, &logits, 2);
    let sp = |x: f64| x.exp().ln_1p();
    let rest = sp(0.0).ln();
    let expected = [rest - 0.5 * (sp(0.0) + sp(1.0)) / 2.0, rest - 2.0 * (sp(2.0) + sp(3.0)) / 2.0];
    assert!(value.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{value:?} {expected:?}");
    let slope = 0.5 / sp(0.0) / 2.0;
    let expected = [0.0, 0.0, slope, slope, 0.0, 0.0, slope, slope];
    assert!(to_f64(&grads[1]).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", grads[1]);
    assert_eq!(to_f64(&grads[0])[2..4], [0.0, 0.0]);
    let (again, _) = device(&loss, &logits, 2);
    assert!(again.iter().zip(&value).all(|(a, b)| (a - b).abs() < 1e-12));
}

/// The loops over rows agree with libtorch's operations and autograd; each member has its own parameters.
#[test]
fn any_formula_has_the_value_and_the_slopes_of_libtorch() {
    for text in [
        "mean(softplus(fake - real))",
        "(mean(softplus(-(real - mean(fake)))) + mean(softplus(fake - mean(real)))) / 2",
        "mean(softplus(-real) * exprel(-(1 - 1/a) * softplus(-real))) + b * mean(relu(1 + fake))",
        "log_mean_exp(a * real) / a - std(fake) * b + mean(sigmoid(real)^a)",
        "mean(abs(tanh(fake) - 0.3)^1.5) + mean(max(real, b) * min(fake, a))",
        "mean(log(1e-3 + square(real))) + mean(expm1(a * fake)) / exp(b) + mean(detach(fake) * real)",
        "mean(sqrt(1 + real^2)) + mean(log1p(fake^4)) + log(mean(fake)^2 + 1) - a^b",
        "mean(clamp(real, -0.5, a)) + mean(exprel(fake)) + mean(log_softplus(real) * exp(-fake))",
    ] {
        let loss = formula(text);
        assert!(matches!(loss, Loss::Formula { .. }), "{text}");
        for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 2e-5)] {
            let logits = [Tensor::randn([2, 12], (kind, tch::Device::Cpu)) * 2.0];
            let ((a, da), (b, db)) = (host(&loss, &logits, 2), device(&loss, &logits, 2));
            let close =
                |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(1.0));
            assert!(close(&a, &b), "{text} {kind:?}: {a:?} {b:?}");
            assert!(close(&to_f64(&da[0]), &to_f64(&db[0])), "{text} {kind:?}: {:?} {:?}", da[0], db[0]);
        }
    }
}

/// Second derivatives, which penalties and unrolled discriminators need, agree with differences of first derivatives.
#[test]
fn formulas_are_differentiable_twice() {
    for text in ["mean(exprel(real))", "mean(log_softplus(real))", "mean(softplus(real)^1.5)", "std(real)"] {
        let loss = formula(text);
        let x = Tensor::from_slice(&[-20.0f64, -2.0, -0.51, -0.49, -1e-3, 1e-3, 0.2, 0.51, 3.0, 1.4, 0.0, 2.0])
            .view([2, 6]);
        let slopes = |x: &Tensor| host(&loss, &[Tensor::cat(&[x, x], 1)], 2).1.remove(0).narrow(1, 0, 6).copy();
        let weights = Tensor::from_slice(&[1.0, -2.0, 0.5, 3.0, -1.0, 2.0f64]);
        let leaf = x.copy().set_requires_grad(true);
        let value = loss.traced(&[Tensor::cat(&[&leaf, &leaf.detach()], 1)], 2);
        let first = Tensor::run_backward(&[value.sum(Kind::Double)], &[&leaf], true, true).remove(0);
        let second = Tensor::run_backward(&[(first * &weights).sum(Kind::Double)], &[&leaf], false, false).remove(0);
        for at in 0..12 {
            let step = |by: f64| {
                let moved = x.copy();
                let _ = moved.view([-1]).narrow(0, at, 1).g_add_scalar_(by);
                to_f64(&(slopes(&moved) * &weights).sum_dim_intlist([1].as_slice(), false, None::<Kind>))
            };
            let member = (at / 6) as usize;
            let expected = (step(1e-5)[member] - step(-1e-5)[member]) / 2e-5;
            let found = to_f64(&second)[at as usize];
            assert!((found - expected).abs() < 1e-6 * expected.abs().max(0.1), "{text} {at}: {found} {expected}");
        }
    }
}

#[test]
fn a_nan_logit_makes_the_loss_nan() {
    let logits = [Tensor::from_slice(&[1.0f32, f32::NAN, 1.0, 1.0]).view([1, 4])];
    let of = [mean(softplus(D)), mean(softplus(-D)), mean(log_softplus(D))].map(Loss::from);
    let more = ["mean(real)", "mean((real - 1)^2)", "mean(relu(real))", "log_mean_exp(real)", "mean(max(real, 3))"];
    for loss in of.into_iter().chain(more.map(formula)) {
        assert!(host(&loss, &logits, 2).0[0].is_nan() && device(&loss, &logits, 2).0[0].is_nan(), "{loss:?}");
    }
}
