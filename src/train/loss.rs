//! Losses as formulas on logits: sums of means, over a member's samples, of functions of one logit each,
//!
//! L = Σᵢ cᵢ · E fᵢ(d),
//!
//! with a coefficient cᵢ of each member's own. An objective writes the formula with operators; value and gradient follow from the
//! derivatives of the functions, so nothing needs to be recorded. Every f is in a form that neither overflows nor loses its gradient
//! in float32.

use std::ops::{Add, Mul, Neg, Sub};

use tch::{Kind, Tensor};

use super::kernel::terms;
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
#[derive(Clone, Copy, Debug, PartialEq)]
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
        target: f64,
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
pub struct Loss(Vec<Term>);

/// A function of the logits of each sample, `[K, N]`, to be averaged by [`mean`].
#[derive(Clone, Debug)]
pub struct PerSample(Term);

/// The mean over the samples of each member: `[K, N]` -> `[K]`.
pub fn mean(x: PerSample) -> Loss {
    Loss(vec![x.0])
}

/// log(1 + eᵈ) = −log(1 − σ(d)), and softplus(−d) = −log σ(d).
pub fn softplus(d: Logits) -> PerSample {
    PerSample::of(Function::Softplus, d)
}

/// log log(1 + eᵈ): the logarithm of a softplus head.
pub fn log_softplus(d: Logits) -> PerSample {
    PerSample::of(Function::LogSoftplus, d)
}

/// d itself.
pub fn logit(d: Logits) -> PerSample {
    PerSample::of(Function::Identity, d)
}

/// (d − target)².
pub fn squared(d: Logits, target: f64) -> PerSample {
    PerSample::of(Function::Squared { target }, d)
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

impl Mul<PerSample> for f64 {
    type Output = PerSample;

    fn mul(self, mut x: PerSample) -> PerSample {
        x.0.coefficient.1 *= self;
        x
    }
}

impl Neg for Loss {
    type Output = Loss;

    fn neg(mut self) -> Loss {
        self.0.iter_mut().for_each(|term| term.coefficient.1 = -term.coefficient.1);
        self
    }
}

impl Add for Loss {
    type Output = Loss;

    fn add(mut self, other: Loss) -> Loss {
        self.0.extend(other.0);
        self
    }
}

impl Sub for Loss {
    type Output = Loss;

    fn sub(self, other: Loss) -> Loss {
        self + -other
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
    /// The value for `logits`, one tensor `[K, batches · N]` a discriminator, and the gradients with respect to them, of the same
    /// shapes. The losses are summed over K, so that each member's gradient is that of its own loss.
    pub fn evaluate(&self, logits: &[Tensor], batches: usize) -> (Value, Vec<Tensor>) {
        let mut grads: Vec<Tensor> = logits.iter().map(Tensor::zeros_like).collect();
        let value = match (logits[0].device(), logits[0].kind()) {
            (tch::Device::Cpu, Kind::Double) => Value::Host(self.on_host::<f64>(logits, batches, &mut grads)),
            (tch::Device::Cpu, _) => Value::Host(self.on_host::<f32>(logits, batches, &mut grads)),
            _ => Value::Device(self.on_device(logits, batches, Some(&grads))),
        };
        (value, grads)
    }

    /// The value, by operations that autograd follows as often as it is asked to.
    pub fn traced(&self, logits: &[Tensor], batches: usize) -> Tensor {
        self.on_device(logits, batches, None)
    }

    fn on_host<T: Number>(&self, logits: &[Tensor], batches: usize, grads: &mut [Tensor]) -> Vec<f64> {
        let members = logits[0].size()[0] as usize;
        let n = logits[0].numel() / members / batches;
        let mut losses = vec![0.0; members];
        for term in &self.0 {
            let (x, grad) = (values::<T>(&logits[term.of.discriminator]), &mut grads[term.of.discriminator]);
            let grad = values_mut::<T>(grad);
            for (k, loss) in losses.iter_mut().enumerate() {
                let first = (k * batches + term.of.batch) * n;
                let (x, grad) = (&x[first..first + n], &mut grad[first..first + n]);
                let (c, sign) = (term.coefficient(k) / n as f64, term.sign());
                *loss += match term.function {
                    Function::Softplus => terms::softplus(x, sign, c, grad),
                    Function::LogSoftplus => terms::log_softplus(x, sign, c, grad),
                    Function::Identity => terms::identity(x, sign, c, grad),
                    Function::Squared { target } => terms::squared(x, sign, target, c, grad),
                };
            }
        }
        losses
    }

    /// The same by libtorch's operations, on any device.
    fn on_device(&self, logits: &[Tensor], batches: usize, grads: Option<&[Tensor]>) -> Tensor {
        let members = logits[0].size()[0];
        let n = logits[0].size()[1] / batches as i64;
        let options = (logits[0].kind(), logits[0].device());
        let losses = Tensor::zeros([members], options);
        // All coefficients in one copy that waits for nothing.
        let coefficient = |term: &Term, k| term.coefficient(k) / n as f64;
        let columns: Vec<f64> =
            self.0.iter().flat_map(|term| (0..members as usize).map(move |k| coefficient(term, k))).collect();
        let columns = upload(&columns, &[self.0.len() as i64, members, 1], options);
        self.0.iter().enumerate().fold(losses, |losses, (i, term)| {
            let part = |tensors: &[Tensor]| tensors[term.of.discriminator].narrow(1, term.of.batch as i64 * n, n);
            let x = part(logits) * term.sign();
            let c = columns.get(i as i64);
            let (value, slope) = match term.function {
                Function::Softplus => (x.softplus(), x.sigmoid()),
                Function::LogSoftplus => log_softplus_and_slope(&x),
                Function::Identity => (x.shallow_clone(), x.ones_like()),
                Function::Squared { target } => ((&x - target).square(), (&x - target) * 2.0),
            };
            if let Some(grads) = grads {
                let _ = part(grads).g_add_(&(slope * &c * term.sign()));
            }
            losses + (value * c).sum_dim_intlist([1].as_slice(), false, None::<Kind>)
        })
    }
}

impl Term {
    fn sign(&self) -> f64 {
        if self.of.negative { -1.0 } else { 1.0 }
    }

    fn coefficient(&self, k: usize) -> f64 {
        self.coefficient.0.as_ref().map_or(1.0, |column| column.0[k]) * self.coefficient.1
    }
}

/// log log(1 + eˣ) and its derivative. For very negative x, where softplus(x) is 0 in float32, by the series x − eˣ/2.
fn log_softplus_and_slope(x: &Tensor) -> (Tensor, Tensor) {
    let (near, low) = (x.clamp_min(terms::SEAM), x.clamp_max(terms::SEAM));
    let softplus = near.softplus();
    let tail = low.exp() * 0.5;
    let is_near = x.ge(terms::SEAM);
    let value = softplus.log().where_self(&is_near, &(low - &tail));
    // NaN is not near, and low − tail is NaN for it.
    let slope = (near.sigmoid() / softplus).where_self(&is_near, &(tail.ones_like() - tail));
    (value, slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Logits = Logits { discriminator: 0, batch: 0, negative: false };

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
            _ if x < -30.0 => (x, 1.0),
            _ => (softplus_of(x).ln(), sigmoid(x) / softplus_of(x)),
        };
        let formulas = [softplus(D), softplus(-D), log_softplus(D), logit(-D), squared(-D, 1.5)];
        for (kind, tolerance) in [(Kind::Double, 1e-9), (Kind::Float, 1e-6)] {
            // Each x is a member with one sample, so that every value is seen.
            let logits = Tensor::from_slice(&x).unsqueeze(1).to_kind(kind);
            for (i, loss) in formulas.iter().cloned().map(mean).enumerate() {
                let (Value::Host(value), grads) = loss.evaluate(&[logits.shallow_clone()], 1) else { panic!("a CPU") };
                let slopes = logits.zeros_like();
                let again = loss.on_device(&[logits.shallow_clone()], 1, Some(&[slopes.shallow_clone()]));
                for (values, grad) in [(value, &grads[0]), (to_f64(&again), &slopes)] {
                    for ((&x, value), slope) in x.iter().zip(values).zip(to_f64(grad)) {
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
        let loss = -(mean(&column * softplus(D)) - mean(log_softplus(fake)));
        let logits = [
            Tensor::from_slice(&[0.0, 1.0, 9.0, 9.0, 2.0, 3.0, 9.0, 9.0f64]).view([2, 4]),
            Tensor::zeros([2, 4], (Kind::Double, tch::Device::Cpu)),
        ];
        let (Value::Host(value), grads) = loss.evaluate(&logits, 2) else { panic!("a CPU") };
        let sp = |x: f64| x.exp().ln_1p();
        let rest = sp(0.0).ln();
        let expected = [rest - 0.5 * (sp(0.0) + sp(1.0)) / 2.0, rest - 2.0 * (sp(2.0) + sp(3.0)) / 2.0];
        assert!(value.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{value:?} {expected:?}");
        let slope = 0.5 / sp(0.0) / 2.0;
        let expected = [0.0, 0.0, slope, slope, 0.0, 0.0, slope, slope];
        assert!(to_f64(&grads[1]).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", grads[1]);
        assert_eq!(to_f64(&grads[0])[2..4], [0.0, 0.0]);
        let device = loss.on_device(&logits, 2, Some(&[logits[0].zeros_like(), logits[1].zeros_like()]));
        assert!(to_f64(&device).iter().zip(&value).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn a_logit_that_is_not_a_number_makes_the_loss_so() {
        let logits = Tensor::from_slice(&[1.0f32, f32::NAN]).view([1, 2]);
        for f in [softplus(D), softplus(-D), log_softplus(D), logit(D), squared(D, 1.0)] {
            let loss = mean(f);
            let (Value::Host(value), _) = loss.evaluate(&[logits.shallow_clone()], 1) else { panic!("a CPU") };
            assert!(value[0].is_nan());
            let device = loss.on_device(&[logits.shallow_clone()], 1, Some(&[logits.zeros_like()]));
            assert!(to_f64(&device)[0].is_nan());
        }
    }
}
