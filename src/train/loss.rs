//! Losses on logits. Most are sums of means, over a member's samples, of functions of one logit each,
//!
//! L = Σᵢ cᵢ · E fᵢ(d),
//!
//! with a coefficient cᵢ of each member's own. An objective in Rust writes such a loss with operators; value and gradient follow from the
//! derivatives of the functions, so nothing needs to be recorded. A formula ([`sweep_formula`]) that is such a sum becomes one, and has
//! the same bits; any other is evaluated operation by operation. Every f is in a form that neither overflows nor loses its gradient in
//! float32.

use std::ops::{Add, Mul, Neg, Sub};

use tch::{Kind, Tensor};

use super::formula;
use sweep_formula::ast::Row;
use sweep_formula::evaluate::evaluate;
use sweep_formula::kernel;
use sweep_formula::program::Program;
use sweep_formula::terms::{self, Of};
use sweep_spec::objective;
use sweep_tensor::host::{Number, to_f64, values, values_mut};
use sweep_tensor::transfer::upload;

/// One discriminator's logits of one batch of N samples: names them in a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logits {
    /// Which discriminator, counted from 0.
    pub discriminator: usize,
    /// Which of the batches that it saw one after another, counted from 0.
    pub batch: usize,
    /// Whether −d stands for d.
    pub negative: bool,
}

impl Logits {
    /// The logits that `discriminator` gives to `batch`.
    pub fn of(discriminator: usize, batch: usize) -> Self {
        Logits { discriminator, batch, negative: false }
    }
}

impl Neg for Logits {
    type Output = Logits;

    fn neg(self) -> Logits {
        Logits { negative: !self.negative, ..self }
    }
}

/// A coefficient of each member's own, `[K]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Column(pub Vec<f64>);

/// A function of one logit.
#[derive(Clone, Debug, PartialEq)]
enum Function {
    /// log(1 + eᵈ).
    Softplus,
    /// log log(1 + eᵈ).
    LogSoftplus,
    /// d.
    Identity,
    /// (d − target)².
    Squared {
        /// What d should be.
        target: Column,
    },
}

#[derive(Clone, Debug)]
struct Term {
    /// The column, if any, and a number that all members share.
    coefficient: (Option<Column>, f64),
    function: Function,
    of: Logits,
}

/// A loss `[K]`.
#[derive(Clone, Debug)]
pub enum Loss {
    /// A sum of means.
    Terms(Terms),
    /// Any formula.
    Formula {
        /// Its operations.
        program: &'static Program,
        /// The values of its parameters, each with one a member.
        parameters: Vec<Vec<f64>>,
        /// The logits of each of its rows.
        rows: Vec<Logits>,
    },
}

/// A sum of c · mean f(±d), and of numbers of each member.
#[derive(Clone, Debug)]
pub struct Terms {
    terms: Vec<Term>,
    constants: Vec<Column>,
}

/// A function of the logits of each sample, `[K, N]`, to be averaged by [`mean`].
#[derive(Clone, Debug)]
pub struct PerSample(Term);

/// The mean over the samples of each member: `[K, N]` -> `[K]`.
pub fn mean(x: PerSample) -> Terms {
    Terms { terms: vec![x.0], constants: Vec::new() }
}

/// log(1 + eᵈ) = −log(1 − σ(d)), and softplus(−d) = −log σ(d).
pub fn softplus(d: Logits) -> PerSample {
    PerSample::of(Function::Softplus, d)
}

/// log log(1 + eᵈ): the logarithm of a softplus head.
pub fn log_softplus(d: Logits) -> PerSample {
    PerSample::of(Function::LogSoftplus, d)
}

impl PerSample {
    fn of(function: Function, of: Logits) -> Self {
        PerSample(Term { coefficient: (None, 1.0), function, of })
    }
}

impl Mul<PerSample> for &Column {
    type Output = PerSample;

    fn mul(self, mut x: PerSample) -> PerSample {
        let product = match x.0.coefficient.0 {
            None => self.clone(),
            Some(other) => Column(self.0.iter().zip(other.0).map(|(a, b)| a * b).collect()),
        };
        x.0.coefficient.0 = Some(product);
        x
    }
}

impl Neg for Terms {
    type Output = Terms;

    fn neg(mut self) -> Terms {
        self.terms.iter_mut().for_each(|term| term.coefficient.1 = -term.coefficient.1);
        self.constants.iter_mut().flat_map(|constant| &mut constant.0).for_each(|x| *x = -*x);
        self
    }
}

impl Add for Terms {
    type Output = Terms;

    fn add(mut self, other: Terms) -> Terms {
        self.terms.extend(other.terms);
        self.constants.extend(other.constants);
        self
    }
}

impl Sub for Terms {
    type Output = Terms;

    fn sub(self, other: Terms) -> Terms {
        self + -other
    }
}

impl From<Terms> for Loss {
    fn from(terms: Terms) -> Self {
        Loss::Terms(terms)
    }
}

/// The losses of K members.
#[derive(Debug)]
pub enum Value {
    /// On the CPU.
    Host(Vec<f64>),
    /// `[K]` on a GPU, whose queue goes on while nobody looks.
    Device(Tensor),
}

impl Value {
    /// With `more`, `[K]`, added.
    pub fn plus(self, more: &Tensor) -> Self {
        match self {
            Value::Host(values) => Value::Host(values.iter().zip(to_f64(more)).map(|(a, b)| a + b).collect()),
            Value::Device(tensor) => Value::Device(tensor + more),
        }
    }

    /// The same, of which both may be kept.
    pub fn share(&self) -> Self {
        match self {
            Value::Host(values) => Value::Host(values.clone()),
            Value::Device(tensor) => Value::Device(tensor.shallow_clone()),
        }
    }

    /// As a tensor `[K]`.
    pub fn tensor(self) -> Tensor {
        match self {
            Value::Host(values) => Tensor::from_slice(&values),
            Value::Device(tensor) => tensor,
        }
    }
}

impl Loss {
    /// That of a game, for members whose parameters `column` gives, where `logits` says which logits each of its rows are.
    pub fn new(
        loss: &'static objective::rules::Loss,
        column: impl Fn(&str) -> Column,
        logits: impl Fn(Row) -> Logits,
    ) -> Self {
        let Some(sum) = &loss.terms else {
            let parameters = loss.program.parameters.iter().map(|name| column(name).0).collect();
            let rows = loss.program.rows.iter().map(|row| logits(*row)).collect();
            return Loss::Formula { program: &loss.program, parameters, rows };
        };
        let columns: Vec<(&str, Column)> = loss.program.parameters.iter().map(|name| (&**name, column(name))).collect();
        let of_members = |coefficient: &terms::Coefficient| {
            let of = |k: Option<usize>| {
                coefficient.value(|name| {
                    let found = columns.iter().find(|(known, _)| *known == name);
                    found.zip(k).map_or(f64::NAN, |((_, column), k)| column.0[k])
                })
            };
            match columns.first() {
                Some((_, first)) => Column((0..first.0.len()).map(|k| of(Some(k))).collect()),
                // Nothing in it differs between members.
                None => Column(vec![of(None)]),
            }
        };
        let mut all = Terms { terms: Vec::with_capacity(sum.len()), constants: Vec::new() };
        for term in sum {
            match term {
                terms::Term::Constant(constant) => all.constants.push(of_members(constant)),
                terms::Term::Mean { coefficient, of, row, negative } => {
                    let function = match of {
                        Of::Softplus => Function::Softplus,
                        Of::LogSoftplus => Function::LogSoftplus,
                        Of::Identity => Function::Identity,
                        Of::Squared { target } => Function::Squared { target: of_members(target) },
                    };
                    let of = Logits { negative: *negative, ..logits(*row) };
                    let coefficient = of_members(coefficient);
                    // A term that no member has, such as that of a label that is 0.
                    if coefficient.0.iter().any(|c| *c != 0.0) {
                        all.terms.push(Term { coefficient: (Some(coefficient), 1.0), function, of });
                    }
                }
            }
        }
        Loss::Terms(all)
    }

    /// The value for `logits`, one tensor `[K, batches · N]` a discriminator, and the gradients with respect to them, of the same
    /// shapes. The losses are summed over K, so that each member's gradient is that of its own loss.
    pub fn evaluate(&self, logits: &[Tensor], batches: usize) -> (Value, Vec<Tensor>) {
        let mut grads: Vec<Tensor> = logits.iter().map(Tensor::zeros_like).collect();
        let value = match (logits[0].device(), logits[0].kind()) {
            (tch::Device::Cpu, Kind::Double) => Value::Host(self.on_host::<f64>(logits, batches, &mut grads)),
            (tch::Device::Cpu, _) => Value::Host(self.on_host::<f32>(logits, batches, &mut grads)),
            _ => Value::Device(self.on_device(logits, batches, &grads)),
        };
        (value, grads)
    }

    /// The value, by operations that autograd follows as often as it is asked to.
    pub fn traced(&self, logits: &[Tensor], batches: usize) -> Tensor {
        match self {
            Loss::Terms(terms) => terms.on_device(logits, batches, None),
            Loss::Formula { program, parameters, rows } => {
                let n = logits[0].size()[1] / batches as i64;
                let part = |of: &Logits| logits[of.discriminator].narrow(1, of.batch as i64 * n, n);
                formula::traced(program, parameters, &rows.iter().map(part).collect::<Vec<_>>())
            }
        }
    }

    fn on_host<T: Number>(&self, logits: &[Tensor], batches: usize, grads: &mut [Tensor]) -> Vec<f64> {
        match self {
            Loss::Terms(terms) => terms.on_host::<T>(logits, batches, grads),
            Loss::Formula { program, parameters, rows } => {
                let members = logits[0].size()[0] as usize;
                let n = logits[0].numel() / members / batches;
                let member = |k: usize| {
                    let first = |of: &Logits| (k * batches + of.batch) * n;
                    let values = rows.iter().map(|of| &values::<T>(&logits[of.discriminator])[first(of)..][..n]);
                    let mut slopes = vec![vec![T::of(0.0); n]; rows.len()];
                    let parameters: Vec<f64> = parameters.iter().map(|column| column[k]).collect();
                    let mut views: Vec<&mut [T]> = slopes.iter_mut().map(|row| &mut row[..]).collect();
                    let value = evaluate(program, &parameters, &values.collect::<Vec<_>>(), &mut views);
                    for (of, slopes) in rows.iter().zip(slopes) {
                        values_mut::<T>(&mut grads[of.discriminator])[first(of)..][..n].copy_from_slice(&slopes);
                    }
                    value
                };
                (0..members).map(member).collect()
            }
        }
    }

    /// The same by libtorch's operations, on any device; adds to `grads`.
    fn on_device(&self, logits: &[Tensor], batches: usize, grads: &[Tensor]) -> Tensor {
        match self {
            Loss::Terms(terms) => terms.on_device(logits, batches, Some(grads)),
            Loss::Formula { .. } => tch::with_grad(|| {
                let leaves: Vec<Tensor> = logits.iter().map(|x| x.detach().set_requires_grad(true)).collect();
                let loss = self.traced(&leaves, batches);
                // A discriminator that the formula does not name has no slope.
                let touched = (loss.sum(loss.kind()) + leaves.iter().map(|x| x.sum(x.kind()) * 0.0).sum::<Tensor>(),);
                let slopes = Tensor::run_backward(&[touched.0], &leaves, false, false);
                tch::no_grad(|| {
                    grads.iter().zip(slopes).for_each(|(grad, slope)| drop(grad.shallow_clone().g_add_(&slope)))
                });
                loss.detach()
            }),
        }
    }
}

impl Terms {
    fn on_host<T: Number>(&self, logits: &[Tensor], batches: usize, grads: &mut [Tensor]) -> Vec<f64> {
        let members = logits[0].size()[0] as usize;
        let n = logits[0].numel() / members / batches;
        let mut losses = vec![0.0; members];
        for term in &self.terms {
            let (x, grad) = (values::<T>(&logits[term.of.discriminator]), &mut grads[term.of.discriminator]);
            let grad = values_mut::<T>(grad);
            for (k, loss) in losses.iter_mut().enumerate() {
                let first = (k * batches + term.of.batch) * n;
                let (x, grad) = (&x[first..first + n], &mut grad[first..first + n]);
                let (c, sign) = (term.coefficient(k) / n as f64, term.sign());
                *loss += match &term.function {
                    Function::Softplus => kernel::softplus(x, sign, c, grad),
                    Function::LogSoftplus => kernel::log_softplus(x, sign, c, grad),
                    Function::Identity => kernel::identity(x, sign, c, grad),
                    Function::Squared { target } => kernel::squared(x, sign, target.of(k), c, grad),
                };
            }
        }
        for constant in &self.constants {
            losses.iter_mut().enumerate().for_each(|(k, loss)| *loss += constant.of(k));
        }
        losses
    }

    /// The same by libtorch's operations, on any device.
    fn on_device(&self, logits: &[Tensor], batches: usize, grads: Option<&[Tensor]>) -> Tensor {
        let members = logits[0].size()[0];
        let n = logits[0].size()[1] / batches as i64;
        let options = (logits[0].kind(), logits[0].device());
        let losses = Tensor::zeros([members], options);
        // All coefficients, and what each target is, in one copy that waits for nothing.
        let numbers = |term: &Term, k: usize| {
            let target = match &term.function {
                Function::Squared { target } => target.of(k),
                Function::Softplus | Function::LogSoftplus | Function::Identity => 0.0,
            };
            [term.coefficient(k) / n as f64, target]
        };
        let rows: Vec<[f64; 2]> =
            self.terms.iter().flat_map(|term| (0..members as usize).map(move |k| numbers(term, k))).collect();
        let columns: Vec<f64> = (0..2).flat_map(|i| rows.iter().map(move |row| row[i])).collect();
        let columns = upload(&columns, &[2, self.terms.len() as i64, members, 1], options);
        let losses = self.terms.iter().enumerate().fold(losses, |losses, (i, term)| {
            let part = |tensors: &[Tensor]| tensors[term.of.discriminator].narrow(1, term.of.batch as i64 * n, n);
            let x = part(logits) * term.sign();
            let [c, target] = [0, 1].map(|which| columns.get(which).get(i as i64));
            let (value, slope) = match &term.function {
                Function::Softplus => (x.softplus(), x.sigmoid()),
                Function::LogSoftplus => log_softplus_and_slope(&x),
                Function::Identity => (x.shallow_clone(), x.ones_like()),
                Function::Squared { .. } => ((&x - &target).square(), (&x - &target) * 2.0),
            };
            if let Some(grads) = grads {
                let _ = part(grads).g_add_(&(slope * &c * term.sign()));
            }
            losses + (value * c).sum_dim_intlist([1].as_slice(), false, None::<Kind>)
        });
        self.constants.iter().fold(losses, |losses, constant| {
            let all: Vec<f64> = (0..members as usize).map(|k| constant.of(k)).collect();
            losses + upload(&all, &[members], options)
        })
    }
}

impl Column {
    /// Its number of member k; one that all share stands there once.
    fn of(&self, k: usize) -> f64 {
        self.0[k.min(self.0.len() - 1)]
    }
}

impl Term {
    fn sign(&self) -> f64 {
        if self.of.negative { -1.0 } else { 1.0 }
    }

    fn coefficient(&self, k: usize) -> f64 {
        self.coefficient.0.as_ref().map_or(1.0, |column| column.of(k)) * self.coefficient.1
    }
}

/// log log(1 + eˣ) and its derivative.
fn log_softplus_and_slope(x: &Tensor) -> (Tensor, Tensor) {
    let near = x.clamp_min(kernel::SEAM);
    let tail = x.clamp_max(kernel::SEAM).exp() * 0.5;
    let slope = (near.sigmoid() / near.softplus()).where_self(&x.ge(kernel::SEAM), &(tail.ones_like() - tail));
    (formula::log_softplus(x), slope)
}
#[cfg(test)]
mod tests {
    use super::*;
    use sweep_formula::parse::Names;
    use sweep_spec::objective::rules;

    const D: Logits = Logits { discriminator: 0, batch: 0, negative: false };

    /// A formula on `real` of one discriminator, batch 0, and `fake`, batch 1; parameters a and b of two members.
    fn formula(text: &str) -> Loss {
        let written = Names::new(1, None).parse(text).unwrap();
        let loss: &'static rules::Loss = Box::leak(Box::new(rules::Loss::new(&written).unwrap()));
        let column = |name: &str| Column(if name == "a" { vec![0.5, 2.0] } else { vec![1.0, -3.0] });
        Loss::new(loss, column, |row| Logits::of(0, usize::from(!row.real)))
    }

    fn host(loss: &Loss, logits: &[Tensor], batches: usize) -> (Vec<f64>, Vec<Tensor>) {
        let (Value::Host(value), grads) = loss.evaluate(logits, batches) else { panic!("a CPU") };
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
            // Each x is a member with one sample, so that every value is seen.
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

    /// The loops over rows against libtorch's operations and its autograd, each member with its own parameters.
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

    /// Slopes of slopes, which penalties and discriminators that look ahead need, against differences of slopes.
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
            let second =
                Tensor::run_backward(&[(first * &weights).sum(Kind::Double)], &[&leaf], false, false).remove(0);
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
    fn a_logit_that_is_not_a_number_makes_the_loss_so() {
        let logits = [Tensor::from_slice(&[1.0f32, f32::NAN, 1.0, 1.0]).view([1, 4])];
        let of = [mean(softplus(D)), mean(softplus(-D)), mean(log_softplus(D))].map(Loss::from);
        let more = ["mean(real)", "mean((real - 1)^2)", "mean(relu(real))", "log_mean_exp(real)", "mean(max(real, 3))"];
        for loss in of.into_iter().chain(more.map(formula)) {
            assert!(host(&loss, &logits, 2).0[0].is_nan() && device(&loss, &logits, 2).0[0].is_nan(), "{loss:?}");
        }
    }
}
