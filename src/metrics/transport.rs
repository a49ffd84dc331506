//! Optimal transport with Euclidean costs: moves mass spread evenly over n points to m others, also evenly, with the
//! least mean distance.
//!
//! With g = gcd(n, m), each row has m/g units and each column takes n/g, which makes both sides even. If both sides
//! have equally many points, this is a pairing. The algorithm is Bertsekas' auction with ε-scaling ("The auction
//! algorithm: a distributed relaxation method for the assignment problem", Annals of OR 14, 1988; with units: Bertsekas
//! & Castañon, "The auction algorithm for the transportation problem", Annals of OR 20, 1989). Rows bid for the units
//! of columns, many at once. A bid raises the price of a unit by at least ε, and a column's price is that of its
//! cheapest unit. When all units are placed, the mean distance is at most ε above the optimum.
//!
//! There are two reasons for this algorithm. In the plane it needs no cost matrix: distances are computed on demand,
//! and n = 10,000 takes a few MB. (In more dimensions there is a matrix of 8 n m bytes.) And unlike shortest augmenting
//! paths, it does not slow down when many rows are almost equal, as with a collapsed generator.
//!
//! The prices prove how close to the optimum a plan is. The proof may be too weak if a few distances are so much larger
//! than the others that ε and the rounding of prices matter. Then distances are cut at the cost of the whole plan,
//! because no better plan uses a larger one.

use super::costs::Costs;

/// Columns that a row remembers from its last scan of all columns.
const KEPT: usize = 32;
/// Factor by which ε falls from phase to phase.
const FALL: f64 = 6.0;
/// ε of the last phase, relative to the diameter.
const LAST: f64 = 1e-13;
/// A smaller ε for the last phase, relative to the mean distance (and its minimum, relative to the diameter), if the
/// first was not small enough.
const FINER: f64 = 1e-12;
const FINEST: f64 = 4.0 * f64::EPSILON;
/// How far above the optimum the cost of a plan may be, relative to itself, according to its prices.
const TOLERANCE: f64 = 1e-10;
/// Marks a unit that no row holds.
const NONE: u32 = u32::MAX;

/// Units that go from a row to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// The source.
    pub row: u32,
    /// The target.
    pub column: u32,
    /// The number of units.
    pub units: u32,
}

/// A transport plan, with the prices that prove that it is optimal.
#[derive(Debug)]
pub struct Plan {
    /// Sorted by row, then by column.
    pub flows: Vec<Flow>,
    /// The sum of the distances over all units.
    pub total: f64,
    /// The number of units.
    pub units: u64,
    /// The price of each column (dual variables).
    pub prices: Vec<f64>,
}

/// Finds the optimal plan from rows to columns. All distances, and their sum over all units, must be finite.
pub fn transport(costs: &impl Costs) -> Plan {
    let diameter = costs.diameter();
    let (mut most, mut last) = (diameter, diameter * LAST);
    let (mut best, mut doubt) = Auction::new(costs, f64::INFINITY).run(most, last);
    while best.total > 0.0 && doubt > TOLERANCE * best.total {
        let cut = most.min(best.total);
        let finer = (best.total / best.units as f64 * FINER).max(cut * FINEST);
        // This is as close as float64 allows.
        if cut >= 0.5 * most && finer >= 0.5 * last {
            break;
        }
        (most, last) = (cut, finer);
        let (plan, left) = Auction::new(costs, cut).run(most, last);
        // A plan keeps its cost, whatever its prices prove, so keep the better one.
        if plan.total <= best.total {
            (best, doubt) = (plan, left);
        }
    }
    best
}

/// The price of a unit, the row that holds it, and the number of such units.
#[derive(Clone, Copy, Debug)]
struct Held {
    price: f64,
    row: u32,
    units: u32,
}

struct Auction<'a, C> {
    costs: &'a C,
    /// Larger distances count as this one.
    cut: f64,
    /// The price of each column's cheapest unit.
    prices: Vec<f64>,
    /// The units of each column, cheapest first.
    held: Vec<Vec<Held>>,
    /// Units of each row that are not placed yet.
    left: Vec<u32>,
    /// The columns that were cheapest for each row at its last full scan, with their distances: `[n, kept]`.
    kept: usize,
    kept_columns: Vec<u32>,
    kept_distances: Vec<f64>,
    /// A lower bound on distance plus price of all other columns. It stays valid because prices only rise.
    bounds: Vec<f64>,
    scratch: Vec<f64>,
}

impl<'a, C: Costs> Auction<'a, C> {
    fn new(costs: &'a C, cut: f64) -> Self {
        let (n, m) = (costs.rows(), costs.columns());
        let common = gcd(n, m);
        let kept = KEPT.min(m);
        let free = Held { price: 0.0, row: NONE, units: (n / common) as u32 };
        Auction {
            costs,
            cut,
            prices: vec![0.0; m],
            held: vec![vec![free]; m],
            left: vec![(m / common) as u32; n],
            kept,
            kept_columns: vec![0; n * kept],
            kept_distances: vec![f64::INFINITY; n * kept],
            bounds: vec![f64::NEG_INFINITY; n],
            scratch: vec![0.0; m],
        }
    }

    /// Places all units, lowering ε from a share of `most` to `last`. Also returns by how much the sum of distances may
    /// be above the optimum.
    fn run(mut self, most: f64, last: f64) -> (Plan, f64) {
        let mut epsilon = most / FALL;
        // If all points are equal, every plan is optimal, and one phase finds one.
        loop {
            self.phase(epsilon.max(f64::MIN_POSITIVE));
            if epsilon <= last {
                break;
            }
            epsilon = (epsilon / FALL).max(last);
        }
        self.plan()
    }

    fn plan(mut self) -> (Plan, f64) {
        let mut flows: Vec<Flow> = Vec::new();
        for (column, held) in self.held.iter().enumerate() {
            flows.extend(held.iter().map(|&Held { row, units, .. }| Flow { row, column: column as u32, units }));
        }
        flows.sort_unstable();
        let (mut total, mut units, mut doubt) = (0.0, 0, 0.0);
        let (mut row, mut best) = (NONE, 0.0);
        for flow in &flows {
            if flow.row != row {
                row = flow.row;
                best = self.look(row as usize).1;
            }
            let weight = f64::from(flow.units);
            let distance = self.costs.distance(flow.row as usize, flow.column as usize);
            total += weight * distance;
            units += u64::from(flow.units);
            // What a unit could save elsewhere, plus what rounding hides.
            let slack = (distance + self.prices[flow.column as usize] - best).max(0.0);
            doubt += weight * (slack + f64::EPSILON * best);
        }
        (Plan { flows, total, units, prices: self.prices }, doubt)
    }

    fn distance(&self, row: usize, column: usize) -> f64 {
        self.costs.distance(row, column).min(self.cut)
    }

    /// Bids until every unit has a column whose distance plus price is within `epsilon` of the cheapest for its row.
    fn phase(&mut self, epsilon: f64) {
        let cheapest: Vec<f64> = (0..self.left.len()).map(|row| self.look(row).1).collect();
        for column in 0..self.held.len() {
            let price = self.prices[column];
            let mut held = std::mem::take(&mut self.held[column]);
            for unit in &mut held {
                // Reset the price of free units: the former price means nothing to the next buyer. Otherwise a free
                // unit with a high price from a lost bidding war would only sell once all others cost as much.
                unit.price = price;
                let row = unit.row as usize;
                if unit.row != NONE && self.distance(row, column) + price > cheapest[row] + epsilon {
                    unit.row = NONE;
                    self.left[row] += unit.units;
                }
            }
            held.sort_unstable_by_key(|unit| unit.row);
            held.dedup_by(|one, kept| {
                let same = one.row == kept.row;
                kept.units += if same { one.units } else { 0 };
                same
            });
            self.held[column] = held;
        }
        let mut waiting: Vec<u32> = (0..self.left.len() as u32).filter(|&row| self.left[row as usize] > 0).collect();
        while let Some(row) = waiting.pop() {
            while self.left[row as usize] > 0 {
                let (column, best, second) = self.look(row as usize);
                let price = self.prices[column];
                // If rounding left a price unchanged, two rows could outbid each other forever.
                let bid = (price + (second - best + epsilon)).max(price.next_up());
                self.buy(row, column, bid, &mut waiting);
            }
        }
    }

    /// Gives `row` the units that it still needs from the units of `column` cheaper than `bid`, cheapest first, at the
    /// price `bid`.
    fn buy(&mut self, row: u32, column: usize, bid: f64, waiting: &mut Vec<u32>) {
        let held = &mut self.held[column];
        let (mut wanted, mut got, mut gone) = (self.left[row as usize], 0, 0);
        while let Some(unit) = held.get_mut(gone).filter(|unit| wanted > 0 && unit.price < bid) {
            let taken = if unit.row == row { unit.units } else { unit.units.min(wanted) };
            if unit.row != row {
                wanted -= taken;
                if unit.row != NONE {
                    let loser = &mut self.left[unit.row as usize];
                    if *loser == 0 {
                        waiting.push(unit.row);
                    }
                    *loser += taken;
                }
            }
            got += taken;
            unit.units -= taken;
            gone += usize::from(unit.units == 0);
        }
        self.left[row as usize] = wanted;
        let new = Held { price: bid, row, units: got };
        let place = held.partition_point(|unit| unit.price < bid);
        // Reuse the place of the unit that is gone.
        if gone == 1 && place == 1 {
            held[0] = new;
        } else {
            held.insert(place, new);
            held.drain(..gone);
        }
        self.prices[column] = held[0].price;
    }

    /// Returns the cheapest column for `row`, its distance plus price, and a lower bound on that of every other column.
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
                // Using the bound instead of a larger second-best value only makes the bid smaller than it could be.
                let second = second.min(self.bounds[row]);
                // A single column has no rival.
                return (column, best, if second.is_finite() { second } else { best });
            }
            self.survey(row);
        }
    }

    /// Scans all columns for `row` and keeps the cheapest.
    fn survey(&mut self, row: usize) {
        self.costs.net(row, self.cut, &self.prices, &mut self.scratch);
        let costs = &self.scratch;
        let m = costs.len();
        let mut cheapest = [(f64::INFINITY, 0u32); KEPT + 1];
        let size = if self.kept < m { self.kept + 1 } else { self.kept };
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
            self.kept_distances[row * self.kept + k] = self.distance(row, column as usize);
        }
        self.bounds[row] = if self.kept < m { cheapest[self.kept].0 } else { f64::INFINITY };
    }
}

/// Returns the greatest common divisor.
pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
