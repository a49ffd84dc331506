//! Minibatch discrimination (Salimans et al., "Improved techniques for training GANs", NIPS 2016, section 3.2):
//! features that measure how close a sample is to the others of its batch. Only samples of the same batch and member
//! are compared.

use tch::{Kind, Tensor};

use super::{Given, Layer, Need, Pass, Saved, Variable, View};
use crate::kernel::minibatch;
use sweep_spec::arch::Init;
use sweep_tensor::host::{Number, values, values_mut};
use sweep_tensor::product::Factor::{Plain, Transposed};
use sweep_tensor::product::{add_product, product};

/// oᵢ = Σⱼ exp(−‖mᵢ − mⱼ‖₁) + b for each kernel, over the other samples j of the batch, with mᵢ = T xᵢ; T `[kernels ·
/// dims, in]`, b `[kernels]`. The output is `[x, o]`.
#[derive(Debug)]
pub(super) struct MinibatchDiscrimination {
    features: i64,
    kernels: i64,
    dims: i64,
}

/// The input, m, o with work space for the output, and the gradients of m and of the input.
const X: usize = 0;
const M: usize = 1;
const Y: usize = 2;
const DM: usize = 3;
const DX: usize = 4;

impl MinibatchDiscrimination {
    /// Adds `kernels` features to `features`.
    pub(super) fn new(features: u32, kernels: u32, dims: u32) -> Self {
        let [features, kernels, dims] = [features, kernels, dims].map(i64::from);
        MinibatchDiscrimination { features, kernels, dims }
    }

    /// mᵢ − mⱼ within each batch, `[.., groups, N, N, kernels, dims]`.
    fn differences(&self, m: &Tensor) -> Tensor {
        let m = m.unflatten(-1, [self.kernels, self.dims]);
        m.unsqueeze(-3) - m.unsqueeze(-4)
    }

    /// exp(−‖mᵢ − mⱼ‖₁), `[.., groups, N, N, kernels]`.
    fn nearness(&self, differences: &Tensor) -> Tensor {
        (-differences.abs().sum_dim_intlist([-1].as_slice(), false, None::<Kind>)).exp()
    }

    /// `[x, o]` from m `[.., groups, N, kernels · dims]`.
    fn compare(&self, x: &Tensor, m: &Tensor, bias: &Tensor) -> Tensor {
        let near = self.nearness(&self.differences(m)).sum_dim_intlist([-2].as_slice(), false, None::<Kind>);
        // Each sample is at distance 0 from itself, which adds 1.
        let o = near.flatten(-3, -2) - 1.0 + bias.unsqueeze(-2);
        Tensor::cat(&[x, &o], -1)
    }

    /// The gradient of m on any device, given that of o, `[.., groups, N, kernels]`.
    fn compare_backward(&self, m: &Tensor, d: &Tensor) -> Tensor {
        let differences = self.differences(m);
        // Each pair counts for both of its samples.
        let both = d.unsqueeze(-2) + d.unsqueeze(-3);
        let slope = (self.nearness(&differences) * both).unsqueeze(-1) * differences.sign();
        -slope.sum_dim_intlist([-3].as_slice(), false, None::<Kind>).flatten(-2, -1)
    }

    fn host_forward<T: Number>(&self, view: &View, x: &Tensor, groups: i64, saved: &mut Saved) -> Tensor {
        let (n, long, wide) = (x.size()[0], self.kernels * self.dims, self.features + self.kernels);
        let m = saved.room(M, &[groups, n / groups, long], x);
        let m = product(m.view([n, long]), Plain(x), Transposed(&view.weights[0]));
        let mut y = saved.room(Y, &[n, wide], x);
        y.narrow(1, 0, self.features).copy_(x);
        let batches = values::<T>(&m).chunks_exact(m.numel() / groups as usize);
        let each = y.numel() / groups as usize;
        for (m, y) in batches.zip(values_mut::<T>(&mut y).chunks_exact_mut(each)) {
            minibatch::forward(m, values(&view.weights[1]), [self.kernels as usize, self.dims as usize], y);
        }
        y
    }

    fn host_backward<T: Number>(&self, dy: &Tensor, saved: &mut Saved) -> Tensor {
        let m = saved.kept(M).shallow_clone();
        let mut dm = saved.room(DM, &m.size(), dy);
        let groups = m.size()[0] as usize;
        let batches = values::<T>(&m).chunks_exact(m.numel() / groups);
        let batches = batches.zip(values::<T>(dy).chunks_exact(dy.numel() / groups));
        for ((m, dy), dm) in batches.zip(values_mut::<T>(&mut dm).chunks_exact_mut(m.numel() / groups)) {
            minibatch::backward(m, dy, [self.kernels as usize, self.dims as usize], dm);
        }
        dm
    }
}

impl Layer for MinibatchDiscrimination {
    fn shapes(&self) -> Vec<Variable> {
        // Each kernel has a length of about 1, as with the authors' weight normalisation, so it can tell samples apart.
        let init = Init::Normal { std: 1.0 / ((self.features * self.dims) as f64).sqrt() };
        vec![
            Variable::drawn("weight", vec![self.kernels * self.dims, self.features], Some(init)),
            Variable::filled("bias", vec![self.kernels], 0.0),
        ]
    }

    fn forward(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
        let _ = saved.keep(X, x.shallow_clone());
        if view.host {
            return match x.kind() {
                Kind::Double => self.host_forward::<f64>(view, x, pass.groups, saved),
                _ => self.host_forward::<f32>(view, x, pass.groups, saved),
            };
        }
        let m = view.matmul(x, &view.weights[0].transpose(-1, -2)).unflatten(-2, [pass.groups, -1]);
        self.compare(x, &saved.keep(M, m), &view.weights[1])
    }

    fn traced(&self, given: &Given, x: &Tensor, pass: &Pass) -> Tensor {
        let m = x.matmul(&given.weights[0].transpose(-1, -2)).unflatten(-2, [pass.groups, -1]);
        self.compare(x, &m, &given.weights[1])
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let d = dy.narrow(-1, self.features, self.kernels);
        let dm = match (view.host, dy.kind()) {
            (true, Kind::Double) => self.host_backward::<f64>(&dy, saved).flatten(0, 1),
            (true, _) => self.host_backward::<f32>(&dy, saved).flatten(0, 1),
            (false, _) => {
                let m = saved.kept(M);
                let groups = m.size()[m.dim() - 3];
                self.compare_backward(m, &d.unflatten(-2, [groups, -1])).flatten(-3, -2)
            }
        };
        let (x, w) = (saved.kept(X), &view.weights[0]);
        if need.weights {
            let (dw, db) = (&view.grads[0], &view.grads[1]);
            let _ = d.sum_intlist_out(db, [-2].as_slice(), false, None::<Kind>);
            match view.host {
                true => drop(product(dw.tr(), Transposed(x), Plain(&dm))),
                false => view.matmul_to(&dw.transpose(-1, -2), &x.transpose(-1, -2), &dm),
            }
        }
        need.input.then(|| {
            let straight = dy.narrow(-1, 0, self.features);
            match view.host {
                true => {
                    let mut dx = saved.room(DX, &[dy.size()[0], self.features], &dy);
                    dx.copy_(&straight);
                    add_product(dx, Plain(&dm), Plain(w))
                }
                false => straight + view.matmul(&dm, w),
            }
        })
    }
}
