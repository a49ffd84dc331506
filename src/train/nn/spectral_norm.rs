//! Spectral normalisation (Miyato et al. 2018): a layer with weights w/σ, where σ is the largest singular value of w as
//! a matrix.
//!
//! σ = uᵀ w v for unit vectors u and v that approximate the singular vectors: v ← wᵀu/‖wᵀu‖, u ← wv/‖wv‖, once in each
//! pass in training. They are constants in the gradient (equation 12 of the paper). They do not change in evaluation,
//! in passes under autograd, and in passes that running statistics don't follow.

use tch::{Kind, Tensor};

use super::{Given, Layer, Need, Pass, Saved, Variable, View};

/// A layer whose `weight` (a matrix or kernels) is computed from `weight_orig`, with u and v in `weight_u` and
/// `weight_v`, as named in PyTorch.
pub(super) struct SpectralNorm {
    inner: Box<dyn Layer>,
    /// The shape of w of the inner layer.
    shape: Vec<i64>,
    transposed: bool,
    /// The number of matrices stacked in w, each with its own norm.
    parts: i64,
}

/// Iterations before the first pass, as in PyTorch's parametrisation.
const FIRST: usize = 15;
/// The smallest length to divide a vector by, as in PyTorch.
const EPSILON: f64 = 1e-12;

/// Slots that the inner layer does not use: w/σ, its gradient, σ, u and v.
const W: usize = 8;
const DW: usize = 9;
const SIGMA: usize = 10;
const U: usize = 11;
const V: usize = 12;

impl SpectralNorm {
    /// For a layer with `[outputs, ..]` weights, `[inputs, outputs, ..]` if `transposed`, with `parts` stacked
    /// matrices.
    pub(super) fn new(inner: Box<dyn Layer>, transposed: bool, parts: u32) -> Self {
        let shape = inner.shapes().remove(0).shape;
        SpectralNorm { inner, shape, transposed, parts: parts.into() }
    }

    /// Rows and columns of all parts of the matrix.
    fn sizes(&self) -> [i64; 2] {
        let rows = self.shape[usize::from(self.transposed)];
        [rows, self.shape.iter().product::<i64>() / rows]
    }

    /// w as matrices, `[.., parts, rows, columns]`.
    fn matrix(&self, w: &Tensor) -> Tensor {
        let w = match self.shape.len() {
            4 if self.transposed => w.transpose(-4, -3).flatten(-3, -1),
            4 => w.flatten(-3, -1),
            _ => w.shallow_clone(),
        };
        w.unflatten(-2, [self.parts, -1])
    }

    /// The reverse of [`SpectralNorm::matrix`].
    fn weight(&self, matrix: &Tensor) -> Tensor {
        let matrix = matrix.flatten(-3, -2);
        match self.shape[..] {
            [inputs, _, height, width] if self.transposed => {
                matrix.unflatten(-1, [inputs, height, width]).transpose(-4, -3)
            }
            [_, inputs, height, width] => matrix.unflatten(-1, [inputs, height, width]),
            _ => matrix,
        }
    }

    /// One number per part, `[.., parts, 1, 1]`, in a shape that broadcasts over w.
    fn beside(&self, each: &Tensor) -> Tensor {
        match self.shape.len() {
            4 => each.unsqueeze(-1),
            _ => each.repeat_interleave_self_int(self.sizes()[0] / self.parts, -2, None).flatten(-3, -2),
        }
    }

    /// u or v from a buffer, as columns `[.., parts, rows, 1]`.
    fn columns(&self, buffer: &Tensor) -> Tensor {
        buffer.unflatten(-1, [self.parts, -1]).unsqueeze(-1)
    }

    /// One power iteration from u.
    fn iterate(&self, matrix: &Tensor, u: &Tensor) -> (Tensor, Tensor) {
        let v = unit(&matrix.transpose(-1, -2).matmul(u));
        (unit(&matrix.matmul(&v)), v)
    }

    /// The estimate of σ from u and v, `[.., parts, 1, 1]`.
    fn sigma(matrix: &Tensor, u: &Tensor, v: &Tensor) -> Tensor {
        u.transpose(-1, -2).matmul(&matrix.matmul(v))
    }

    fn set(view: &View, u: &Tensor, v: &Tensor) {
        for (buffer, column) in view.buffers.iter().zip([u, v]) {
            let mut buffer = buffer.shallow_clone();
            buffer.copy_(&column.squeeze_dim(-1).flatten(-2, -1));
        }
    }

    /// The view of the inner layer, with weights `w` and space for their gradients.
    fn within(&self, view: &View, w: Tensor, dw: Tensor) -> View {
        let with = |first: Tensor, rest: &[Tensor]| {
            let rest = rest.iter().skip(1).map(Tensor::shallow_clone);
            std::iter::once(first).chain(rest).collect()
        };
        View {
            weights: with(w, &view.weights),
            grads: with(dw, &view.grads),
            buffers: Vec::new(),
            host: view.host,
            precision: view.precision,
        }
    }
}

/// Normalises columns to length 1.
fn unit(columns: &Tensor) -> Tensor {
    let lengths = columns.square().sum_dim_intlist([-2].as_slice(), true, None::<Kind>).sqrt();
    columns / lengths.clamp_min(EPSILON)
}

impl Layer for SpectralNorm {
    fn shapes(&self) -> Vec<Variable> {
        let mut shapes = self.inner.shapes();
        shapes[0].name = "weight_orig".to_owned();
        shapes
    }

    fn buffers(&self) -> Vec<Variable> {
        let [rows, columns] = self.sizes();
        vec![
            Variable::filled("weight_u", vec![rows], 1.0),
            Variable::filled("weight_v", vec![columns * self.parts], 0.0),
        ]
    }

    fn start(&self, view: &View) {
        let matrix = self.matrix(&view.weights[0]);
        let mut u = self.columns(&view.buffers[0]);
        for _ in 0..FIRST {
            let (next, v) = self.iterate(&matrix, &u);
            SpectralNorm::set(view, &next, &v);
            u = next;
        }
    }

    fn forward(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
        let w = &view.weights[0];
        let matrix = self.matrix(w);
        let [u, v] = [0, 1].map(|i| self.columns(&view.buffers[i]));
        let follows = pass.training && (0..pass.groups).any(|group| !pass.untracked.contains(&group));
        let (u, v) = if follows { self.iterate(&matrix, &u) } else { (u, v) };
        if follows {
            SpectralNorm::set(view, &u, &v);
        }
        let sigma = saved.keep(SIGMA, SpectralNorm::sigma(&matrix, &u, &v));
        let _ = (saved.keep(U, u), saved.keep(V, v));
        let w = saved.keep(W, w / self.beside(&sigma));
        // The same memory layout as w.
        let dw = saved.keep(DW, w.empty_like());
        self.inner.forward(&self.within(view, w, dw), x, pass, saved)
    }

    fn traced(&self, given: &Given, x: &Tensor, pass: &Pass) -> Tensor {
        let w = &given.weights[0];
        let [u, v] = [0, 1].map(|i| self.columns(&given.buffers[i]));
        let sigma = SpectralNorm::sigma(&self.matrix(w), &u, &v);
        let rest = given.weights.iter().skip(1).map(Tensor::shallow_clone);
        let weights: Vec<Tensor> = std::iter::once(w / self.beside(&sigma)).chain(rest).collect();
        self.inner.traced(&Given { weights: &weights, buffers: &[], ..*given }, x, pass)
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let [w, dw, sigma, u, v] = [W, DW, SIGMA, U, V].map(|slot| saved.kept(slot).shallow_clone());
        let dx = self.inner.backward(&self.within(view, w.shallow_clone(), dw.shallow_clone()), dy, need, saved);
        if need.weights {
            // With W = w/σ: dw = (dW − (dW · W) u vᵀ)/σ.
            let along = self.matrix(&(&dw * &w)).sum_dim_intlist([-2, -1].as_slice(), true, None::<Kind>);
            let turned = self.weight(&(along * u.matmul(&v.transpose(-1, -2))));
            view.grads[0].shallow_clone().copy_(&((dw - turned) / self.beside(&sigma)));
        }
        dx
    }
}
