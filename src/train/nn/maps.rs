//! Between features and maps: the same numbers in another order, since a feature vector lies channel by channel, and maps lie as
//! convolutions want them: `[N, H, W, C]` for one member, `[N, K, C, H, W]` for K members.

use tch::Tensor;

use super::{Layer, Need, Pass, Saved, View};

/// Channels, height and width.
#[derive(Clone, Copy, Debug)]
struct Shape([i64; 3]);

impl Shape {
    fn new(maps: u32, side: u32) -> Self {
        Shape([maps, side, side].map(i64::from))
    }

    /// Maps from features `[N, F]` or `[K, N, F]`.
    fn maps(self, features: &Tensor) -> Tensor {
        let split = features.unflatten(-1, self.0);
        match features.dim() {
            2 => split.permute([0, 2, 3, 1]).contiguous(),
            _ => split.transpose(0, 1).contiguous(),
        }
    }

    /// Features from maps.
    fn features(maps: &Tensor) -> Tensor {
        match maps.dim() {
            4 => maps.permute([0, 3, 1, 2]).flatten(1, -1).contiguous(),
            _ => maps.transpose(0, 1).flatten(2, -1).contiguous(),
        }
    }
}

/// Takes features as maps.
#[derive(Debug)]
pub struct Unflatten(Shape);

impl Unflatten {
    /// Maps of this shape.
    pub fn new(maps: u32, side: u32) -> Self {
        Unflatten(Shape::new(maps, side))
    }
}

impl Layer for Unflatten {
    fn forward(&self, _view: &View, x: &Tensor, _pass: &Pass, _saved: &mut Saved) -> Tensor {
        self.0.maps(x)
    }

    fn traced(&self, _host: bool, _weights: &[Tensor], x: &Tensor, _pass: &Pass) -> Tensor {
        self.0.maps(x)
    }

    fn backward(&self, _view: &View, dy: Tensor, need: Need, _saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| Shape::features(&dy))
    }
}

/// Takes maps as features.
#[derive(Debug)]
pub struct Flatten(Shape);

impl Flatten {
    /// Maps of this shape.
    pub fn new(maps: u32, side: u32) -> Self {
        Flatten(Shape::new(maps, side))
    }
}

impl Layer for Flatten {
    fn forward(&self, _view: &View, x: &Tensor, _pass: &Pass, _saved: &mut Saved) -> Tensor {
        Shape::features(x)
    }

    fn traced(&self, _host: bool, _weights: &[Tensor], x: &Tensor, _pass: &Pass) -> Tensor {
        Shape::features(x)
    }

    fn backward(&self, _view: &View, dy: Tensor, need: Need, _saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| self.0.maps(&dy))
    }
}
