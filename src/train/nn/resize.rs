//! Resizing maps: nearest-neighbour upsampling, average pooling, and sums of whole maps.

use tch::{Kind, Tensor};

use super::{Given, Layer, Need, Pass, Saved, View};

/// The dimension of height; width follows: `[N, H, W, C]` for one member on the CPU, otherwise `[N, K, C, H, W]`.
fn height(maps: &Tensor) -> i64 {
    if maps.dim() == 5 { 3 } else { 1 }
}

/// Repeats each pixel as a square of `factor` pixels per side.
fn spread(maps: &Tensor, factor: i64) -> Tensor {
    let at = height(maps);
    let apart = maps.unsqueeze(at + 1).unsqueeze(at + 3);
    let mut shape = apart.size();
    (shape[at as usize + 1], shape[at as usize + 3]) = (factor, factor);
    apart.expand(shape.as_slice(), false).contiguous().flatten(at + 2, at + 3).flatten(at, at + 1)
}

/// Sums each square of `factor` pixels per side.
fn gather(maps: &Tensor, factor: i64) -> Tensor {
    let at = height(maps);
    let apart = maps.unflatten(at + 1, [-1, factor]).unflatten(at, [-1, factor]);
    apart.sum_dim_intlist([at + 1, at + 3].as_slice(), false, None::<Kind>).contiguous()
}

/// Nearest-neighbour upsampling.
#[derive(Debug)]
pub(super) struct Upsample(i64);

impl Upsample {
    /// Makes maps `factor` times as high and as wide.
    pub(super) fn new(factor: u32) -> Self {
        Upsample(factor.into())
    }
}

impl Layer for Upsample {
    fn forward(&self, _view: &View, x: &Tensor, _pass: &Pass, _saved: &mut Saved) -> Tensor {
        spread(x, self.0)
    }

    fn traced(&self, _given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        spread(x, self.0)
    }

    fn backward(&self, _view: &View, dy: Tensor, need: Need, _saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| gather(&dy, self.0))
    }
}

/// Average pooling over squares that do not overlap.
#[derive(Debug)]
pub(super) struct AvgPool(i64);

impl AvgPool {
    /// For squares of `factor` pixels per side.
    pub(super) fn new(factor: u32) -> Self {
        AvgPool(factor.into())
    }

    fn share(&self) -> f64 {
        1.0 / (self.0 * self.0) as f64
    }
}

impl Layer for AvgPool {
    fn forward(&self, _view: &View, x: &Tensor, _pass: &Pass, _saved: &mut Saved) -> Tensor {
        gather(x, self.0) * self.share()
    }

    fn traced(&self, _given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        gather(x, self.0) * self.share()
    }

    fn backward(&self, _view: &View, dy: Tensor, need: Need, _saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| spread(&(dy * self.share()), self.0))
    }
}

/// The sum of each map, as a feature.
#[derive(Debug)]
pub(super) struct SumPool(i64);

impl SumPool {
    /// For maps of `side` pixels per side.
    pub(super) fn new(side: u32) -> Self {
        SumPool(side.into())
    }

    /// `[N, C]`, or `[K, N, C]`.
    fn sums(x: &Tensor) -> Tensor {
        let at = height(x);
        let sums = x.sum_dim_intlist([at, at + 1].as_slice(), false, None::<Kind>);
        if x.dim() == 5 { sums.transpose(0, 1).contiguous() } else { sums }
    }
}

impl Layer for SumPool {
    fn forward(&self, _view: &View, x: &Tensor, _pass: &Pass, _saved: &mut Saved) -> Tensor {
        SumPool::sums(x)
    }

    fn traced(&self, _given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        SumPool::sums(x)
    }

    fn backward(&self, _view: &View, dy: Tensor, need: Need, _saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| match dy.size()[..] {
            [k, n, c] => {
                let maps = dy.transpose(0, 1).unsqueeze(-1).unsqueeze(-1);
                maps.expand([n, k, c, self.0, self.0], false).contiguous()
            }
            [n, c] => dy.unsqueeze(1).unsqueeze(1).expand([n, self.0, self.0, c], false).contiguous(),
            _ => unreachable!("features are [N, F] or [K, N, F]"),
        })
    }
}
