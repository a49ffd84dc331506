//! A sequence of layers: those of a network, or of a part of one.

use tch::Tensor;

use super::{Given, Layer, Need, Pass, Saved, Start, Variable, View};

/// Layers, each of which takes the output of the one before.
#[derive(Default)]
pub struct Chain {
    links: Vec<Link>,
}

/// A layer with its position.
struct Link {
    /// Prefix of the names of its tensors.
    name: String,
    /// The network's stream of random numbers for its initial weights.
    stream: u64,
    layer: Box<dyn Layer>,
    /// Its number of tensors: weights and buffers.
    counts: (usize, usize),
}

impl Chain {
    /// Adds a layer, named by its number among the layers that are saved.
    pub fn push(&mut self, number: usize, stream: u64, layer: Box<dyn Layer>) {
        let counts = (layer.shapes().len(), layer.buffers().len());
        self.links.push(Link { name: format!("{number}."), stream, layer, counts });
    }

    /// Number of tensors of all layers: weights and buffers.
    pub fn counts(&self) -> (usize, usize) {
        self.links.iter().fold((0, 0), |(weights, buffers), link| (weights + link.counts.0, buffers + link.counts.1))
    }

    /// Trainable tensors of one member, as [`Layer::shapes`], with names that begin with the layer's.
    pub fn shapes(&self) -> Vec<Variable> {
        self.all(|layer| layer.shapes())
    }

    /// Tensors of one member that are kept but not trained, as [`Layer::buffers`].
    pub fn buffers(&self) -> Vec<Variable> {
        self.all(|layer| layer.buffers())
    }

    fn all(&self, of: impl Fn(&dyn Layer) -> Vec<Variable>) -> Vec<Variable> {
        let named = |link: &Link, mut variable: Variable| {
            variable.name.insert_str(0, &link.name);
            if let Start::Drawn { stream: stream @ None, .. } = &mut variable.start {
                *stream = Some(link.stream);
            }
            variable
        };
        self.links.iter().flat_map(|link| of(&*link.layer).into_iter().map(move |one| named(link, one))).collect()
    }

    /// Splits a view of all layers into one for each layer.
    pub fn split(&self, view: &View) -> Vec<View> {
        let (mut weights, mut buffers) = (0, 0);
        let clones =
            |all: &[Tensor], first, count| all[first..first + count].iter().map(Tensor::shallow_clone).collect();
        let part = |link: &Link| {
            let (w, b) = link.counts;
            let part = View {
                weights: clones(&view.weights, weights, w),
                grads: clones(&view.grads, weights, w),
                buffers: clones(&view.buffers, buffers, b),
                host: view.host,
                precision: view.precision,
            };
            (weights, buffers) = (weights + w, buffers + b);
            part
        };
        self.links.iter().map(part).collect()
    }

    /// As [`Layer::start`].
    pub fn start(&self, views: &[View]) {
        self.links.iter().zip(views).for_each(|(link, view)| link.layer.start(view));
    }

    /// As [`Layer::forward`]: returns the output and the input of the last layer.
    pub fn forward(&self, views: &[View], x: &Tensor, pass: &Pass, saved: &mut Vec<Saved>) -> (Tensor, Tensor) {
        saved.resize_with(self.links.len(), Saved::default);
        let layers = self.links.iter().zip(views).zip(saved);
        let start = (x.shallow_clone(), x.shallow_clone());
        layers.fold(start, |(x, _), ((link, view), saved)| (link.layer.forward(view, &x, pass, saved), x))
    }

    /// As [`Layer::traced`].
    pub fn traced(&self, given: &Given, x: &Tensor, pass: &Pass) -> Tensor {
        let mut rest = (given.weights, given.buffers);
        self.links.iter().fold(x.shallow_clone(), |x, link| {
            let ((weights, w), (buffers, b)) = (rest.0.split_at(link.counts.0), rest.1.split_at(link.counts.1));
            rest = (w, b);
            link.layer.traced(&Given { weights, buffers, host: given.host }, &x, pass)
        })
    }

    /// As [`Layer::backward`], with an additional gradient for the input of the last layer.
    pub fn backward(
        &self,
        views: &[View],
        dy: Tensor,
        dfeatures: Option<&Tensor>,
        need: Need,
        saved: &mut [Saved],
    ) -> Option<Tensor> {
        // Nothing below the first trained layer needs a gradient.
        let first = self.links.iter().position(|link| link.counts.0 > 0).unwrap_or(self.links.len());
        let mut layers = self.links.iter().zip(views).zip(saved).enumerate().rev();
        layers.try_fold(dy, |dy, (i, ((link, view), saved))| {
            let need = Need { weights: need.weights, input: need.input || i > first };
            let mut dx = link.layer.backward(view, dy, need, saved)?;
            match dfeatures {
                Some(more) if i + 1 == self.links.len() => Some(dx.g_add_(more)),
                _ => Some(dx),
            }
        })
    }
}
