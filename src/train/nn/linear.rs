//! y = f(x Wᵀ + b).

use tch::{Kind, Tensor};

use super::activation::{activate, deactivate, traced};
use super::{Given, Layer, Need, Pass, Saved, Variable, View};
use crate::kernel::dense;
use sweep_spec::arch::Activation;
use sweep_tensor::host::{values, values_mut};
use sweep_tensor::product::Factor::{Plain, Transposed};
use sweep_tensor::product::product;

/// A fully connected layer followed by the activation f; W `[out, in]`, b `[out]`, as in PyTorch. In memory, it is Wᵀ.
#[derive(Debug)]
pub(super) struct Linear {
    inputs: i64,
    outputs: i64,
    activation: Option<Activation>,
}

/// The input, the output, and the gradient of the input.
const X: usize = 0;
const Y: usize = 1;
const DX: usize = 2;

impl Linear {
    /// From `inputs` to `outputs` features.
    pub(super) fn new(inputs: u32, outputs: u32, activation: Option<Activation>) -> Self {
        Linear { inputs: inputs.into(), outputs: outputs.into(), activation }
    }

    /// The N of one member's input.
    fn rows(&self, x: &Tensor) -> i64 {
        x.numel() as i64 / self.inputs
    }
}

impl Layer for Linear {
    fn shapes(&self) -> Vec<Variable> {
        vec![
            Variable::drawn("weight", vec![self.outputs, self.inputs], None),
            Variable::filled("bias", vec![self.outputs], 0.0),
        ]
    }

    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let (w, b) = (&view.weights[0], &view.weights[1]);
        let _ = saved.keep(X, x.shallow_clone());
        let y = match view.host {
            true => product(saved.room(Y, &[self.rows(x), self.outputs], x), Plain(x), Transposed(w)),
            false => view.matmul(x, &w.transpose(-1, -2)),
        };
        let y = activate(y, Some(b), self.activation, view.host);
        saved.keep(Y, y)
    }

    fn traced(&self, given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        let (w, b) = (&given.weights[0], &given.weights[1]);
        traced(&(x.matmul(&w.transpose(-1, -2)) + b.unsqueeze(-2)), self.activation)
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let dy = deactivate(dy, saved.kept(Y), self.activation, view.host);
        let x = saved.kept(X);
        let (dw, db) = (&view.grads[0], &view.grads[1]);
        if need.weights && view.host {
            column_sums(&dy, db);
            let _ = product(dw.tr(), Transposed(x), Plain(&dy));
        } else if need.weights {
            let _ = dy.sum_intlist_out(db, [-2].as_slice(), false, None::<Kind>);
            view.matmul_to(&dw.transpose(-1, -2), &x.transpose(-1, -2), &dy);
        }
        need.input.then(|| match view.host {
            true => {
                let room = saved.room(DX, &[self.rows(saved.kept(X)), self.inputs], &dy);
                product(room, Plain(&dy), Plain(&view.weights[0]))
            }
            false => view.matmul(&dy, &view.weights[0]),
        })
    }
}

/// Writes the sums of the columns of `x` `[.., F]` to `sums` `[F]`, in CPU memory.
pub(super) fn column_sums(x: &Tensor, sums: &Tensor) {
    let mut sums = sums.shallow_clone();
    match x.kind() {
        Kind::Double => dense::column_sums::<f64>(values(x), values_mut(&mut sums)),
        _ => dense::column_sums::<f32>(values(x), values_mut(&mut sums)),
    }
}
