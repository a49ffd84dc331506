//! Evaluates formulas with libtorch's operations, on any device, differentiable as often as needed.

use tch::{Kind, Tensor};

use sweep_formula::kernel::SEAM;
use sweep_formula::program::{Binary, Operation, Program, Reduction, Unary};
use sweep_tensor::transfer::upload;

/// Returns the loss `[K]` of K members. `parameters` has one value per member for each parameter of the program, and
/// `rows` the logits `[K, N]` of each of its rows.
pub fn traced(program: &Program, parameters: &[Vec<f64>], rows: &[Tensor]) -> Tensor {
    let (members, options) = (rows[0].size()[0], (rows[0].kind(), rows[0].device()));
    let mut held: Vec<Tensor> = Vec::with_capacity(program.operations.len());
    for operation in &program.operations {
        let value = match *operation {
            Operation::Number(x) => Tensor::full([1, 1], x, options),
            Operation::Parameter(at) => upload(&parameters[at], &[members, 1], options),
            Operation::Row(at) => rows[at].shallow_clone(),
            Operation::Unary(f, x) => unary(f, &held[x]),
            Operation::Binary(f, a, b) => binary(f, &held[a], &held[b]),
            Operation::Reduce(f, x) => reduced(f, &held[x]),
        };
        held.push(value);
    }
    let loss = held.pop().unwrap_or_else(|| unreachable!("a loss has operations"));
    // A loss without logits or parameters is the same for all members.
    loss.expand([members, 1], true).squeeze_dim(1)
}

fn unary(f: Unary, x: &Tensor) -> Tensor {
    match f {
        Unary::Neg => -x,
        Unary::Softplus => x.softplus(),
        Unary::LogSoftplus => log_softplus(x),
        Unary::Sigmoid => x.sigmoid(),
        Unary::Tanh => x.tanh(),
        Unary::Exp => x.exp(),
        Unary::Expm1 => x.expm1(),
        Unary::Exprel => exprel(x),
        Unary::Log => x.log(),
        Unary::Log1p => x.log1p(),
        Unary::Sqrt => x.sqrt(),
        Unary::Square => x.square(),
        Unary::Abs => x.abs(),
        Unary::Relu => x.relu(),
        Unary::Detach => x.detach(),
    }
}

fn binary(f: Binary, a: &Tensor, b: &Tensor) -> Tensor {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.pow(b),
        Binary::Min => a.minimum(b),
        Binary::Max => a.maximum(b),
    }
}

fn reduced(f: Reduction, x: &Tensor) -> Tensor {
    match f {
        Reduction::Mean => x.mean_dim([1].as_slice(), true, None::<Kind>),
        Reduction::LogMeanExp => x.logsumexp([1].as_slice(), true) - (x.size()[1] as f64).ln(),
        Reduction::Std => x.std_dim([1].as_slice(), true, true),
    }
}

/// log log(1 + eˣ). For very negative x, where softplus(x) is 0 in float32, it uses the series x − eˣ/2.
pub fn log_softplus(x: &Tensor) -> Tensor {
    let (near, low) = (x.clamp_min(SEAM), x.clamp_max(SEAM));
    let series = &low - low.exp() * 0.5;
    // NaN is not near, and the series of NaN is NaN.
    near.softplus().log().where_self(&x.ge(SEAM), &series)
}

/// (eˣ − 1) / x. Near 0 it uses the series, so that second derivatives are right, too.
fn exprel(x: &Tensor) -> Tensor {
    const NEAR: f64 = 0.5;
    let is_near = x.abs().lt(NEAR);
    let near = x.clamp(-NEAR, NEAR);
    // Σ xⁿ / (n + 1)!, from the last term to the first.
    let series = (1..=12).rev().fold(near.zeros_like(), |sum, n| {
        let factorial: f64 = (1..=n).map(f64::from).product();
        sum * &near + 1.0 / factorial
    });
    let far = x.where_self(&is_near.logical_not(), &x.ones_like());
    series.where_self(&is_near, &(far.expm1() / &far))
}
