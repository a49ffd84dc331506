//! Residual blocks (He et al. 2016).

use tch::Tensor;

use super::chain::Chain;
use super::{Given, Layer, Need, Pass, Saved, Variable, View};

/// y = body(x) + shortcut(x). The names of the weights are those of an `nn.Sequential` of the body's layers with a
/// nested one called `shortcut`: `0.weight`, `shortcut.0.weight`.
pub(super) struct Residual {
    body: Chain,
    /// If it has no layers, it is x itself.
    shortcut: Chain,
}

/// The output, and the gradient of the output for the shortcut.
const Y: usize = 0;
const DY: usize = 1;

/// Prefix of the names of the shortcut's tensors.
const SHORTCUT: &str = "shortcut.";

impl Residual {
    /// With these layers.
    pub(super) fn new(body: Chain, shortcut: Chain) -> Self {
        Residual { body, shortcut }
    }

    /// Views of the body's layers and of the shortcut's.
    fn split(&self, view: &View) -> [Vec<View>; 2] {
        let (weights, buffers) = self.body.counts();
        let clones = |tensors: &[Tensor]| tensors.iter().map(Tensor::shallow_clone).collect();
        let part = |weights: &dyn Fn(&[Tensor]) -> Vec<Tensor>, buffers: Vec<Tensor>| View {
            weights: weights(&view.weights),
            grads: weights(&view.grads),
            buffers,
            host: view.host,
            precision: view.precision,
        };
        let body = part(&|all| clones(&all[..weights]), clones(&view.buffers[..buffers]));
        let shortcut = part(&|all| clones(&all[weights..]), clones(&view.buffers[buffers..]));
        [self.body.split(&body), self.shortcut.split(&shortcut)]
    }
}

/// The body's tensors and, under their own names, the shortcut's.
fn joined(body: Vec<Variable>, shortcut: Vec<Variable>) -> Vec<Variable> {
    let named = |mut variable: Variable| {
        variable.name.insert_str(0, SHORTCUT);
        variable
    };
    body.into_iter().chain(shortcut.into_iter().map(named)).collect()
}

impl Layer for Residual {
    fn shapes(&self) -> Vec<Variable> {
        joined(self.body.shapes(), self.shortcut.shapes())
    }

    fn buffers(&self) -> Vec<Variable> {
        joined(self.body.buffers(), self.shortcut.buffers())
    }

    fn start(&self, view: &View) {
        let [body, shortcut] = self.split(view);
        self.body.start(&body);
        self.shortcut.start(&shortcut);
    }

    fn forward(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
        let [body, shortcut] = self.split(view);
        let [within, beside] = &mut saved.within;
        let (long, _) = self.body.forward(&body, x, pass, within);
        let (short, _) = self.shortcut.forward(&shortcut, x, pass, beside);
        long.add_out(&saved.room(Y, &long.size(), &long), &short)
    }

    fn traced(&self, given: &Given, x: &Tensor, pass: &Pass) -> Tensor {
        let (weights, buffers) = self.body.counts();
        let (body, shortcut) = (given.weights.split_at(weights), given.buffers.split_at(buffers));
        let [body, shortcut] = [(body.0, shortcut.0), (body.1, shortcut.1)].map(|(weights, buffers)| Given {
            weights,
            buffers,
            host: given.host,
        });
        self.body.traced(&body, x, pass) + self.shortcut.traced(&shortcut, x, pass)
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let [body, shortcut] = self.split(view);
        // Layers may overwrite their input.
        let mut short = saved.room(DY, &dy.size(), &dy);
        short.copy_(&dy);
        let [within, beside] = &mut saved.within;
        let long = self.body.backward(&body, dy, None, need, within);
        let short = self.shortcut.backward(&shortcut, short, None, need, beside);
        need.input.then(|| {
            let (mut long, short) = (long.expect("asked for"), short.expect("asked for"));
            long.g_add_(&short)
        })
    }
}
