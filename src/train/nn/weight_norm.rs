//! Weight normalisation (Salimans & Kingma 2016): a layer with weights w = g v/‖v‖, where each output feature or map
//! has its own length g and direction v.

use tch::{Kind, Tensor};

use super::{Given, Layer, Need, Pass, Saved, Variable, View};

/// A layer whose `weight` (a matrix or kernels) is computed from `weight_g` and `weight_v`, as named in PyTorch.
/// Initially ‖w‖ = ‖v‖, as in PyTorch.
pub(super) struct WeightNorm {
    inner: Box<dyn Layer>,
    /// The dimensions of v over which its norm is taken, counted from the end.
    along: &'static [i64],
}

/// Slots that the inner layer does not use: w, its gradient, v/‖v‖ and ‖v‖.
const W: usize = 8;
const DW: usize = 9;
const DIRECTION: usize = 10;
const LENGTH: usize = 11;

impl WeightNorm {
    /// For a layer with `[outputs, ..]` weights; `[inputs, outputs, ..]` if `transposed`.
    pub(super) fn new(inner: Box<dyn Layer>, transposed: bool) -> Self {
        let along: &[i64] = match (inner.shapes()[0].shape.len(), transposed) {
            (4, true) => &[-4, -2, -1],
            (4, false) => &[-3, -2, -1],
            _ => &[-1],
        };
        WeightNorm { inner, along }
    }

    /// ‖v‖, in the shape of v with size 1 along the dimensions of the norm.
    fn lengths(&self, v: &Tensor) -> Tensor {
        self.sums(&v.square()).sqrt()
    }

    fn sums(&self, v: &Tensor) -> Tensor {
        v.sum_dim_intlist(self.along, true, None::<Kind>)
    }

    /// The view of the inner layer, with weights `w` and space for their gradients.
    fn within(&self, view: &View, w: Tensor, dw: Tensor) -> View {
        let with = |first: Tensor, rest: &[Tensor]| {
            let rest = rest.iter().skip(2).map(Tensor::shallow_clone);
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

impl Layer for WeightNorm {
    fn shapes(&self) -> Vec<Variable> {
        let mut shapes = self.inner.shapes();
        let direction = Variable { name: "weight_v".to_owned(), ..shapes.remove(0) };
        let outputs = match self.along {
            [-4, ..] => direction.shape[1],
            _ => direction.shape[0],
        };
        [Variable::filled("weight_g", vec![outputs], 0.0), direction].into_iter().chain(shapes).collect()
    }

    fn start(&self, view: &View) {
        let (mut g, v) = (view.weights[0].shallow_clone(), &view.weights[1]);
        g.copy_(&self.lengths(v).reshape(g.size()));
    }

    fn forward(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
        let (g, v) = (&view.weights[0], &view.weights[1]);
        let lengths = saved.keep(LENGTH, self.lengths(v));
        let direction = saved.keep(DIRECTION, v / &lengths);
        let w = saved.keep(W, direction * g.reshape(lengths.size()));
        // The same memory layout as w.
        let dw = saved.keep(DW, w.empty_like());
        self.inner.forward(&self.within(view, w, dw), x, pass, saved)
    }

    fn traced(&self, given: &Given, x: &Tensor, pass: &Pass) -> Tensor {
        let (g, v) = (&given.weights[0], &given.weights[1]);
        let lengths = self.lengths(v);
        let w = v / &lengths * g.reshape(lengths.size());
        let rest = given.weights.iter().skip(2).map(Tensor::shallow_clone);
        let weights: Vec<Tensor> = std::iter::once(w).chain(rest).collect();
        self.inner.traced(&Given { weights: &weights, ..*given }, x, pass)
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let [w, dw, direction, lengths] = [W, DW, DIRECTION, LENGTH].map(|slot| saved.kept(slot).shallow_clone());
        let dx = self.inner.backward(&self.within(view, w, dw.shallow_clone()), dy, need, saved);
        if need.weights {
            // dg = dw · v/‖v‖; dv = g/‖v‖ (dw − dg v/‖v‖).
            let dlengths = self.sums(&(&dw * &direction));
            let (mut dg, mut dv) = (view.grads[0].shallow_clone(), view.grads[1].shallow_clone());
            dg.copy_(&dlengths.reshape(dg.size()));
            let scale = view.weights[0].reshape(lengths.size()) / &lengths;
            dv.copy_(&((dw - direction * dlengths) * scale));
        }
        dx
    }
}
