//! Conversion between feature vectors and maps. The numbers are the same in another order: a feature vector is channel
//! by channel, and maps have the layout of convolutions: `[N, H, W, C]` for one member, `[N, K, C, H, W]` for K
//! members.

use tch::{Kind, Tensor};

use super::{Given, Layer, Need, Pass, Saved, View};

/// Channels, height and width.
#[derive(Clone, Copy, Debug)]
struct Shape([i64; 3]);

impl Shape {
    fn new(maps: u32, side: u32) -> Self {
        Shape([maps, side, side].map(i64::from))
    }

    /// Converts features `[N, F]` or `[K, N, F]` to maps.
    fn maps(self, features: &Tensor) -> Tensor {
        let split = features.unflatten(-1, self.0);
        match features.dim() {
            2 => split.permute([0, 2, 3, 1]).contiguous(),
            _ => split.transpose(0, 1).contiguous(),
        }
    }

    /// Converts maps to features.
    fn features(maps: &Tensor) -> Tensor {
        match maps.dim() {
            4 => maps.permute([0, 3, 1, 2]).flatten(1, -1).contiguous(),
            _ => maps.transpose(0, 1).flatten(2, -1).contiguous(),
        }
    }
}

/// Converts features to maps; each extra feature becomes a map with one value everywhere.
#[derive(Debug)]
pub(super) struct Unflatten {
    shape: Shape,
    beside: i64,
}

impl Unflatten {
    /// For maps of this shape and `beside` extra features.
    pub(super) fn new(maps: u32, side: u32, beside: u32) -> Self {
        Unflatten { shape: Shape::new(maps, side), beside: beside.into() }
    }

    fn maps(&self, x: &Tensor) -> Tensor {
        let [maps, height, width] = self.shape.0;
        if self.beside == 0 {
            return self.shape.maps(x);
        }
        let own = x.narrow(-1, 0, maps * height * width);
        let beside =
            x.narrow(-1, maps * height * width, self.beside).repeat_interleave_self_int(height * width, -1, None);
        Shape([maps + self.beside, height, width]).maps(&Tensor::cat(&[own, beside], -1))
    }
}

impl Layer for Unflatten {
    fn forward(&self, _view: &View, x: &Tensor, _pass: &Pass, _saved: &mut Saved) -> Tensor {
        self.maps(x)
    }

    fn traced(&self, _given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        self.maps(x)
    }

    fn backward(&self, _view: &View, dy: Tensor, need: Need, _saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| {
            let dy = Shape::features(&dy);
            if self.beside == 0 {
                return dy;
            }
            let [maps, height, width] = self.shape.0;
            let own = dy.narrow(-1, 0, maps * height * width);
            let beside = dy.narrow(-1, maps * height * width, self.beside * height * width);
            let beside = beside.unflatten(-1, [self.beside, -1]).sum_dim_intlist([-1].as_slice(), false, None::<Kind>);
            Tensor::cat(&[own, beside], -1)
        })
    }
}

/// Converts maps to features.
#[derive(Debug)]
pub(super) struct Flatten(Shape);

impl Flatten {
    /// For maps of this shape.
    pub(super) fn new(maps: u32, side: u32) -> Self {
        Flatten(Shape::new(maps, side))
    }
}

impl Layer for Flatten {
    fn forward(&self, _view: &View, x: &Tensor, _pass: &Pass, _saved: &mut Saved) -> Tensor {
        Shape::features(x)
    }

    fn traced(&self, _given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        Shape::features(x)
    }

    fn backward(&self, _view: &View, dy: Tensor, need: Need, _saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| self.0.maps(&dy))
    }
}
