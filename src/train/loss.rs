//! Losses on logits. Most are sums of means, over a member's samples, of functions of one logit each,
//!
//! L = Σᵢ cᵢ · E fᵢ(d),
//!
//! where each member has its own coefficient cᵢ. An objective in Rust writes such a loss with operators. Value and
//! gradient follow from the derivatives of the functions, so nothing needs to be recorded. A formula
//! ([`sweep_formula`]) of this form is turned into such a sum and gives the same bits; any other is evaluated operation
//! by operation. Every f has a form that neither overflows nor loses its gradient in float32.

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

/// The logits of one discriminator for one batch of N samples, as a name in a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logits {
    /// Number of the discriminator, counted from 0.
    pub discriminator: usize,
    /// Number of the batch in the order in which the discriminator was called, counted from 0.
    pub batch: usize,
    /// Whether this means −d instead of d.
    pub negative: bool,
}

impl Logits {
    /// The logits of `discriminator` for `batch`.
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

/// A coefficient for each member, `[K]`.
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
        /// The target of d.
        target: Column,
    },
}

#[derive(Clone, Debug)]
struct Term {
    /// The column, if any, and a factor that all members share.
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
        /// The values of its parameters, one per member each.
        parameters: Vec<Vec<f64>>,
        /// The logits of each of its rows.
        rows: Vec<Logits>,
    },
}

/// A sum of c · mean f(±d), plus numbers of each member.
#[derive(Clone, Debug)]
pub struct Terms {
    terms: Vec<Term>,
    constants: Vec<Column>,
}

/// A function of the logits of each sample, `[K, N]`, which [`mean`] averages.
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

/// One number per member, for example their losses.
#[derive(Debug)]
pub enum PerMember {
    /// Of members that are computed one by one, on the CPU.
    Host(Vec<f64>),
    /// `[K]` of members that are computed at once, on a GPU; its queue continues until the values are read.
    Device(Tensor),
}

impl PerMember {
    /// Adds `more`, `[K]`.
    pub fn plus(self, more: &Tensor) -> Self {
        match self {
            PerMember::Host(values) => PerMember::Host(values.iter().zip(to_f64(more)).map(|(a, b)| a + b).collect()),
            PerMember::Device(tensor) => PerMember::Device(tensor + more),
        }
    }

    /// A copy. On a GPU it shares memory.
    pub fn share(&self) -> Self {
        match self {
            PerMember::Host(values) => PerMember::Host(values.clone()),
            PerMember::Device(tensor) => PerMember::Device(tensor.shallow_clone()),
        }
    }

    /// As a tensor `[K]`.
    pub fn tensor(self) -> Tensor {
        match self {
            PerMember::Host(values) => Tensor::from_slice(&values),
            PerMember::Device(tensor) => tensor,
        }
    }
}

impl Loss {
    /// The loss of a game. `column` has the members' parameters; `logits` says which logits belong to each row.
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
                // It is the same for all members.
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
                    // No member has the term, for example because of a label of 0.
                    if coefficient.0.iter().any(|c| *c != 0.0) {
                        all.terms.push(Term { coefficient: (Some(coefficient), 1.0), function, of });
                    }
                }
            }
        }
        Loss::Terms(all)
    }

    /// Returns the loss for `logits`, one tensor `[K, batches · N]` per discriminator, and the gradients with respect
    /// to them, in the same shapes. Uses loops over the numbers on the `host`, otherwise libtorch's operations. The
    /// losses are summed over K, so each member's gradient is that of its own loss.
    pub fn evaluate(&self, logits: &[Tensor], batches: usize, host: bool) -> (PerMember, Vec<Tensor>) {
        let mut grads: Vec<Tensor> = logits.iter().map(Tensor::zeros_like).collect();
        let value = match (host, logits[0].kind()) {
            (true, Kind::Double) => PerMember::Host(self.on_host::<f64>(logits, batches, &mut grads)),
            (true, _) => PerMember::Host(self.on_host::<f32>(logits, batches, &mut grads)),
            (false, _) => PerMember::Device(self.on_device(logits, batches, &grads)),
        };
        (value, grads)
    }

    /// Returns the loss, computed with operations that autograd can differentiate repeatedly.
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

    /// The same with libtorch's operations, on any device; adds to `grads`.
    fn on_device(&self, logits: &[Tensor], batches: usize, grads: &[Tensor]) -> Tensor {
        match self {
            Loss::Terms(terms) => terms.on_device(logits, batches, Some(grads)),
            Loss::Formula { .. } => tch::with_grad(|| {
                let leaves: Vec<Tensor> = logits.iter().map(|x| x.detach().set_requires_grad(true)).collect();
                let loss = self.traced(&leaves, batches);
                // A discriminator that the formula does not use has a zero gradient.
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

    /// The same with libtorch's operations, on any device.
    fn on_device(&self, logits: &[Tensor], batches: usize, grads: Option<&[Tensor]>) -> Tensor {
        let members = logits[0].size()[0];
        let n = logits[0].size()[1] / batches as i64;
        let options = (logits[0].kind(), logits[0].device());
        let losses = Tensor::zeros([members], options);
        // All coefficients and targets, in one copy without waiting.
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
    /// The number of member k; a shared one is stored once.
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
mod tests;
