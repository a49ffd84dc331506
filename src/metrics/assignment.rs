//! Euclidean assignment: the pairing of n points with n points that has the least sum of distances.
//!
//! Bertsekas' auction algorithm with ε-scaling ("The auction algorithm: a distributed relaxation method for the assignment
//! problem", Annals of OR 14, 1988). Rows bid for columns; a bid raises a column's price by at least ε. When every row has a
//! column, the mean distance is at most ε above the optimum; the last ε is 1e-13 of the diameter of the points, so the result is
//! exact to the rounding of float64. Two properties decide for it: in the plane it needs no cost matrix (distances are computed when
//! needed, n = 10,000 takes a few MB; in more dimensions there is one, of 8 n² bytes), and it does not slow down where shortest
//! augmenting paths do, on rows that are almost the same, as those of a collapsed generator are.

use multiversion::multiversion;

use super::rows::{Rows, distances};

/// Columns that a row remembers from its last look at all of them.
const KEPT: usize = 32;
/// By how much ε falls from phase to phase.
const FALL: f64 = 6.0;
/// ε of the last phase, as a share of the diameter.
const LAST: f64 = 1e-13;
/// No row, no column.
const NONE: u32 = u32::MAX;

/// How far rows are from columns.
pub trait Costs {
    /// How many rows there are, and columns.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The distance of a row from a column.
    fn distance(&self, row: usize, column: usize) -> f64;
    /// At least every distance, and not much more than the largest.
    fn diameter(&self) -> f64;
    /// The distance of `row` from each column, plus the column's price.
    fn net(&self, row: usize, prices: &[f64], costs: &mut [f64]);
}

/// Points in the plane, by coordinate.
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

    /// Smallest and largest coordinate along both axes: `[x, y]`.
    fn bounds(&self) -> [[f64; 2]; 2] {
        [&self.x, &self.y].map(|values| {
            values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &v| [low.min(v), high.max(v)])
        })
    }
}

/// Distances in the plane, computed when needed.
#[derive(Clone, Debug)]
pub struct Plane {
    rows: Points,
    columns: Points,
}

impl Plane {
    /// Between points of two coordinates.
    pub fn new(rows: &Rows, columns: &Rows) -> Self {
        assert!(rows.width() == 2 && columns.width() == 2, "points of the plane");
        assert_eq!(rows.len(), columns.len(), "as many rows as columns");
        Plane { rows: Points::new(rows), columns: Points::new(columns) }
    }
}

impl Costs for Plane {
    fn len(&self) -> usize {
        self.rows.x.len()
    }

    fn distance(&self, row: usize, column: usize) -> f64 {
        let (dx, dy) = (self.rows.x[row] - self.columns.x[column], self.rows.y[row] - self.columns.y[column]);
        (dx * dx + dy * dy).sqrt()
    }

    /// The diagonal of the smallest box around both sets.
    fn diameter(&self) -> f64 {
        let [a, b] = [self.rows.bounds(), self.columns.bounds()];
        let side = |axis: usize| (a[axis][1].max(b[axis][1]) - a[axis][0].min(b[axis][0])).max(0.0);
        (side(0) * side(0) + side(1) * side(1)).sqrt()
    }

    fn net(&self, row: usize, prices: &[f64], costs: &mut [f64]) {
        net_of_plane(self.rows.x[row], self.rows.y[row], &self.columns.x, &self.columns.y, prices, costs);
    }
}

/// Distances in any number of dimensions, computed once.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// `[n, n]`
    distances: Vec<f64>,
    n: usize,
}

impl Matrix {
    /// Between points of as many coordinates.
    pub fn new(rows: &Rows, columns: &Rows) -> Self {
        assert_eq!(rows.len(), columns.len(), "as many rows as columns");
        Matrix { distances: distances(rows, columns), n: rows.len() }
    }
}

impl Costs for Matrix {
    fn len(&self) -> usize {
        self.n
    }

    fn distance(&self, row: usize, column: usize) -> f64 {
        self.distances[row * self.n + column]
    }

    fn diameter(&self) -> f64 {
        self.distances.iter().copied().fold(0.0, f64::max)
    }

    fn net(&self, row: usize, prices: &[f64], costs: &mut [f64]) {
        let distances = &self.distances[row * self.n..(row + 1) * self.n];
        for ((cost, distance), price) in costs.iter_mut().zip(distances).zip(prices) {
            *cost = distance + price;
        }
    }
}

/// A pairing, with the prices that show that it is the best.
#[derive(Debug)]
pub struct Pairing {
    /// The column of each row.
    pub columns: Vec<u32>,
    /// The sum of the distances of all pairs.
    pub total: f64,
    /// The price of each column (dual variables).
    pub prices: Vec<f64>,
}

/// Pairs rows with columns; all distances are finite.
pub fn assign(costs: &impl Costs) -> Pairing {
    let mut auction = Auction::new(costs);
    let diameter = costs.diameter();
    let last = diameter * LAST;
    let mut epsilon = diameter / FALL;
    // Where all points are one, every pairing is the best, and one phase finds one.
    loop {
        auction.phase(epsilon.max(f64::MIN_POSITIVE));
        if epsilon <= last {
            break;
        }
        epsilon = (epsilon / FALL).max(last);
    }
    let total = auction.column_of.iter().enumerate().map(|(row, &column)| costs.distance(row, column as usize)).sum();
    Pairing { columns: auction.column_of, total, prices: auction.prices }
}

struct Auction<'a, C> {
    costs: &'a C,
    prices: Vec<f64>,
    column_of: Vec<u32>,
    row_of: Vec<u32>,
    /// The columns that were cheapest for each row when it last looked at all, with their distances: `[n, kept]`.
    kept: usize,
    kept_columns: Vec<u32>,
    kept_distances: Vec<f64>,
    /// Below what distance plus price no other column was then, nor ever will be, as prices only rise.
    bounds: Vec<f64>,
    scratch: Vec<f64>,
}

impl<'a, C: Costs> Auction<'a, C> {
    fn new(costs: &'a C) -> Self {
        let n = costs.len();
        let kept = KEPT.min(n);
        Auction {
            costs,
            prices: vec![0.0; n],
            column_of: vec![NONE; n],
            row_of: vec![NONE; n],
            kept,
            kept_columns: vec![0; n * kept],
            kept_distances: vec![f64::INFINITY; n * kept],
            bounds: vec![f64::NEG_INFINITY; n],
            scratch: vec![0.0; n],
        }
    }

    /// Bids until every row has a column that is, with its price, within `epsilon` of the row's cheapest.
    fn phase(&mut self, epsilon: f64) {
        let mut waiting = std::collections::VecDeque::new();
        for row in 0..self.column_of.len() {
            let column = self.column_of[row];
            let happy = column != NONE && {
                let (_, best, _) = self.look(row);
                self.costs.distance(row, column as usize) + self.prices[column as usize] <= best + epsilon
            };
            if !happy {
                if column != NONE {
                    self.row_of[column as usize] = NONE;
                    self.column_of[row] = NONE;
                }
                waiting.push_back(row as u32);
            }
        }
        while let Some(row) = waiting.pop_back() {
            let (column, best, second) = self.look(row as usize);
            let price = self.prices[column];
            // A price that rounding keeps where it is would let two rows outbid each other for ever.
            self.prices[column] = (price + (second - best + epsilon)).max(price.next_up());
            let loser = std::mem::replace(&mut self.row_of[column], row);
            self.column_of[row as usize] = column as u32;
            if loser != NONE {
                self.column_of[loser as usize] = NONE;
                waiting.push_back(loser);
            }
        }
    }

    /// The cheapest column for `row`, its distance plus price, and at most that of every other column.
    fn look(&mut self, row: usize) -> (usize, f64, f64) {
        loop {
            let kept = row * self.kept..(row + 1) * self.kept;
            let (mut column, mut best, mut second) = (0, f64::INFINITY, f64::INFINITY);
            for (&candidate, distance) in self.kept_columns[kept.clone()].iter().zip(&self.kept_distances[kept]) {
                let cost = distance + self.prices[candidate as usize];
                if cost < best {
                    (column, best, second) = (candidate as usize, cost, best);
                } else if cost < second {
                    second = cost;
                }
            }
            if best <= self.bounds[row] {
                // Using the bound in place of a second best that is above it only makes a bid smaller than it could be.
                let second = second.min(self.bounds[row]);
                // A single column has no rival.
                return (column, best, if second.is_finite() { second } else { best });
            }
            self.survey(row);
        }
    }

    /// Looks at all columns for `row` and keeps the cheapest.
    fn survey(&mut self, row: usize) {
        self.costs.net(row, &self.prices, &mut self.scratch);
        let costs = &self.scratch;
        let n = costs.len();
        let mut cheapest = [(f64::INFINITY, 0u32); KEPT + 1];
        let size = if self.kept < n { self.kept + 1 } else { self.kept };
        let cheapest = &mut cheapest[..size];
        let mut worst = f64::INFINITY;
        for (block, costs) in costs.chunks(16).enumerate() {
            if costs.iter().fold(false, |any, &cost| any | (cost < worst)) {
                for (offset, &cost) in costs.iter().enumerate() {
                    if cost < worst {
                        let mut place = size - 1;
                        while place > 0 && cheapest[place - 1].0 > cost {
                            cheapest[place] = cheapest[place - 1];
                            place -= 1;
                        }
                        cheapest[place] = (cost, (block * 16 + offset) as u32);
                        worst = cheapest[size - 1].0;
                    }
                }
            }
        }
        for (k, &(_, column)) in cheapest[..self.kept].iter().enumerate() {
            self.kept_columns[row * self.kept + k] = column;
            self.kept_distances[row * self.kept + k] = self.costs.distance(row, column as usize);
        }
        self.bounds[row] = if self.kept < n { cheapest[self.kept].0 } else { f64::INFINITY };
    }
}

/// The distance of (x, y) to each column plus the column's price. No fused multiply-add: the same bits on every processor.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn net_of_plane(x: f64, y: f64, xs: &[f64], ys: &[f64], prices: &[f64], costs: &mut [f64]) {
    for (((cost, &cx), &cy), &price) in costs.iter_mut().zip(xs).zip(ys).zip(prices) {
        let (dx, dy) = (x - cx, y - cy);
        *cost = (dx * dx + dy * dy).sqrt() + price;
    }
}
