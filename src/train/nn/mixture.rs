//! A fully connected layer for each of several generators (Hoang et al. 2018), which take turns over the samples.

use tch::{Kind, Tensor};

use super::{Given, Layer, Need, Pass, Saved, Variable, View};

/// yₙ = xₙ W_gᵀ + b_g with g = ⌊n / run⌋ mod generators; W `[generators · out, in]`, b `[generators · out]`.
#[derive(Debug)]
pub(super) struct Mixture {
    inputs: i64,
    outputs: i64,
    generators: i64,
    run: i64,
}

/// The input, split by generator.
const X: usize = 0;

impl Mixture {
    /// From `inputs` to `outputs` features, with `run` consecutive samples for each generator.
    pub(super) fn new(inputs: u32, outputs: u32, generators: u32, run: u32) -> Self {
        let [inputs, outputs, generators, run] = [inputs, outputs, generators, run].map(i64::from);
        Mixture { inputs, outputs, generators, run }
    }

    /// Splits `[.., N, F]` into `[.., generators, M, F]`; N is padded to whole turns.
    fn part(&self, x: &Tensor) -> Tensor {
        let n = x.size()[x.dim() - 2];
        let missing = (-n).rem_euclid(self.generators * self.run);
        let filled = if missing > 0 { x.constant_pad_nd([0, 0, 0, missing]) } else { x.shallow_clone() };
        filled.unflatten(-2, [-1, self.generators, self.run]).transpose(-4, -3).flatten(-3, -2)
    }

    /// The reverse, to N samples.
    fn join(&self, parts: &Tensor, n: i64) -> Tensor {
        let all = parts.unflatten(-2, [-1, self.run]).transpose(-4, -3).flatten(-4, -2);
        all.narrow(-2, 0, n).contiguous()
    }

    /// W as `[.., generators, in, out]`.
    fn matrices(&self, w: &Tensor) -> Tensor {
        w.transpose(-1, -2).unflatten(-1, [self.generators, self.outputs]).movedim_int(-2, -3)
    }

    fn apply(&self, weights: &[Tensor], parts: &Tensor) -> Tensor {
        let bias = weights[1].unflatten(-1, [self.generators, self.outputs]).unsqueeze(-2);
        parts.matmul(&self.matrices(&weights[0])) + bias
    }
}

impl Layer for Mixture {
    fn shapes(&self) -> Vec<Variable> {
        let outputs = self.generators * self.outputs;
        vec![Variable::drawn("weight", vec![outputs, self.inputs], None), Variable::filled("bias", vec![outputs], 0.0)]
    }

    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let parts = saved.keep(X, self.part(x));
        self.join(&self.apply(&view.weights, &parts), x.size()[x.dim() - 2])
    }

    fn traced(&self, given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        self.join(&self.apply(given.weights, &self.part(x)), x.size()[x.dim() - 2])
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let (x, parts) = (saved.kept(X), self.part(&dy));
        if need.weights {
            // Padding adds nothing.
            let dw = x.transpose(-1, -2).matmul(&parts);
            self.matrices(&view.grads[0]).copy_(&dw);
            let db = parts.sum_dim_intlist([-2].as_slice(), false, None::<Kind>);
            view.grads[1].unflatten(-1, [self.generators, self.outputs]).copy_(&db);
        }
        need.input.then(|| {
            let dx = parts.matmul(&self.matrices(&view.weights[0]).transpose(-1, -2));
            self.join(&dx, dy.size()[dy.dim() - 2])
        })
    }
}
