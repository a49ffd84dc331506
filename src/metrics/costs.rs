//! Distances between points, for optimal transport.

use multiversion::multiversion;

use super::rows::{Rows, distances};

/// Distances between rows and columns.
pub trait Costs {
    /// Returns the number of rows.
    fn rows(&self) -> usize;
    /// Returns the number of columns.
    fn columns(&self) -> usize;
    /// Returns the distance from a row to a column.
    fn distance(&self, row: usize, column: usize) -> f64;
    /// Returns a bound that is at least every distance, and not much more than the largest.
    fn diameter(&self) -> f64;
    /// Fills `costs` with the distance from `row` to each column, at most `cut`, plus the column's price.
    fn net(&self, row: usize, cut: f64, prices: &[f64], costs: &mut [f64]);
}

/// Points in the plane, one vector per coordinate.
#[derive(Clone, Debug)]
struct Points {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Points {
    fn new(rows: &Rows) -> Self {
        let pairs = rows.values().chunks_exact(2);
        Points { x: pairs.clone().map(|p| p[0]).collect(), y: pairs.map(|p| p[1]).collect() }
    }

    /// Returns the smallest and the largest coordinate along both axes: `[x, y]`.
    fn bounds(&self) -> [[f64; 2]; 2] {
        [&self.x, &self.y].map(|values| {
            values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &v| [low.min(v), high.max(v)])
        })
    }
}

/// Distances in the plane, computed on demand.
#[derive(Clone, Debug)]
pub struct Plane {
    rows: Points,
    columns: Points,
}

impl Plane {
    /// Returns the distances between points with two coordinates. `None` if squared distances would overflow or
    /// underflow.
    pub fn new(rows: &Rows, columns: &Rows) -> Option<Self> {
        assert!(rows.width() == 2 && columns.width() == 2, "points of the plane");
        let well = rows.has_safe_squares() && columns.has_safe_squares();
        well.then(|| Plane { rows: Points::new(rows), columns: Points::new(columns) })
    }
}

impl Costs for Plane {
    fn rows(&self) -> usize {
        self.rows.x.len()
    }

    fn columns(&self) -> usize {
        self.columns.x.len()
    }

    fn distance(&self, row: usize, column: usize) -> f64 {
        let (dx, dy) = (self.rows.x[row] - self.columns.x[column], self.rows.y[row] - self.columns.y[column]);
        (dx * dx + dy * dy).sqrt()
    }

    /// Returns the diagonal of the smallest box around both sets.
    fn diameter(&self) -> f64 {
        let [a, b] = [self.rows.bounds(), self.columns.bounds()];
        let side = |axis: usize| (a[axis][1].max(b[axis][1]) - a[axis][0].min(b[axis][0])).max(0.0);
        (side(0) * side(0) + side(1) * side(1)).sqrt()
    }

    fn net(&self, row: usize, cut: f64, prices: &[f64], costs: &mut [f64]) {
        net_of_plane([self.rows.x[row], self.rows.y[row]], &self.columns.x, &self.columns.y, cut, prices, costs);
    }
}

/// Distances in any number of dimensions, computed in advance.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// `[n, m]`
    distances: Vec<f64>,
    columns: usize,
}

impl Matrix {
    /// Computes the distances between points with equally many coordinates.
    pub fn new(rows: &Rows, columns: &Rows) -> Self {
        Matrix { distances: distances(rows, columns), columns: columns.len() }
    }
}

impl Costs for Matrix {
    fn rows(&self) -> usize {
        self.distances.len() / self.columns
    }

    fn columns(&self) -> usize {
        self.columns
    }

    fn distance(&self, row: usize, column: usize) -> f64 {
        self.distances[row * self.columns + column]
    }

    fn diameter(&self) -> f64 {
        self.distances.iter().copied().fold(0.0, f64::max)
    }

    fn net(&self, row: usize, cut: f64, prices: &[f64], costs: &mut [f64]) {
        let distances = &self.distances[row * self.columns..(row + 1) * self.columns];
        for ((cost, distance), price) in costs.iter_mut().zip(distances).zip(prices) {
            *cost = (if *distance < cut { *distance } else { cut }) + price;
        }
    }
}

/// Computes the distance from a point to each column, cut, plus the column's price. Without fused multiply-add, so
/// every processor gives the same bits.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn net_of_plane([x, y]: [f64; 2], xs: &[f64], ys: &[f64], cut: f64, prices: &[f64], costs: &mut [f64]) {
    for (((cost, &cx), &cy), &price) in costs.iter_mut().zip(xs).zip(ys).zip(prices) {
        let (dx, dy) = (x - cx, y - cy);
        let distance = (dx * dx + dy * dy).sqrt();
        *cost = (if distance < cut { distance } else { cut }) + price;
    }
}
