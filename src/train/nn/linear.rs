//! y = x Wᵀ + b.

use tch::Tensor;

use super::{Layer, Need, Pass, Saved, Shape, View};

/// A fully connected layer; W `[out, in]`, b `[out]`, as in PyTorch.
#[derive(Debug)]
pub struct Linear {
    inputs: i64,
    outputs: i64,
}

impl Linear {
    /// From `inputs` to `outputs` features.
    pub fn new(inputs: u32, outputs: u32) -> Self {
        Linear { inputs: inputs.into(), outputs: outputs.into() }
    }
}

impl Layer for Linear {
    fn shapes(&self) -> Vec<Shape> {
        vec![("weight", vec![self.outputs, self.inputs]), ("bias", vec![self.outputs])]
    }

    fn forward(&self, view: &View, x: Tensor, _pass: &Pass) -> (Tensor, Saved) {
        let (w, b) = (&view.weights[0], &view.weights[1]);
        let y = match x.dim() {
            2 => b.addmm(&x, &w.tr()),
            _ => b.unsqueeze(1).baddbmm(&x, &w.transpose(1, 2), 1.0, 1.0),
        };
        (y, vec![x])
    }

    fn backward(&self, view: &View, mut saved: Saved, dy: Tensor, need: Need) -> Option<Tensor> {
        let x = saved.pop().expect("forward saved x");
        if need.weights {
            let (dw, db) = (&view.grads[0], &view.grads[1]);
            let _ = dy.sum_intlist_out(db, [-2].as_slice(), false, None::<tch::Kind>);
            let _ = match x.dim() {
                2 => dy.tr().mm_out(dw, &x),
                _ => dy.transpose(1, 2).bmm_out(dw, &x),
            };
        }
        need.input.then(|| dy.matmul(&view.weights[0]))
    }
}
