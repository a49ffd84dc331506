//! Euclidean transport: how to carry what lies evenly on n points to m others, evenly too, over the least mean distance.
//!
//! Each row has as many units as make it even with gcd(n, m) = g: m/g, and each column takes n/g; with as many on both sides this is a
//! pairing. Bertsekas' auction algorithm with ε-scaling ("The auction algorithm: a distributed relaxation method for the assignment
//! problem", Annals of OR 14, 1988; with units: Bertsekas & Castañon, "The auction algorithm for the transportation problem", Annals of
//! OR 20, 1989). Rows bid for the units of columns, many at once; a bid raises the price of a unit by at least ε, and a column's price
//! is that of its cheapest unit. When all units are carried, the mean distance is at most ε above the optimum. Two properties decide for
//! it: in the plane it needs no cost matrix (distances are computed when needed, n = 10,000 takes a few MB; in more dimensions there is
//! one, of 8 n m bytes), and it does not slow down where shortest augmenting paths do, on rows that are almost the same, as those of a
//! collapsed generator are.
//!
//! The prices prove how near the optimum a plan is. Where that is not near enough, since a few distances are so much larger than the
//! others that ε and the rounding of prices are as large as these, distances are cut at the cost of the whole plan: no better plan uses
//! one beyond it.

use super::costs::Costs;

/// Columns that a row remembers from its last look at all of them.
const KEPT: usize = 32;
/// By how much ε falls from phase to phase.
const FALL: f64 = 6.0;
/// ε of the last phase, as a share of the diameter.
const LAST: f64 = 1e-13;
/// The same as a share of the mean distance, and of the diameter at least, where the first was not small enough.
const FINER: f64 = 1e-12;
const FINEST: f64 = 4.0 * f64::EPSILON;
/// By how much of itself the cost of a plan may be above the optimum, by what its prices prove.
const TOLERANCE: f64 = 1e-10;
/// No row.
const NONE: u32 = u32::MAX;

/// Units that go from a row to a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// From where.
    pub row: u32,
    /// To where.
    pub column: u32,
    /// How many.
    pub units: u32,
}

/// What goes where, with the prices that show that it is the best.
#[derive(Debug)]
pub struct Plan {
    /// By row, then by column.
    pub flows: Vec<Flow>,
    /// The distance that all units go.
    pub total: f64,
    /// How many units there are.
    pub units: u64,
    /// The price of each column (dual variables).
    pub prices: Vec<f64>,
}

/// Carries rows to columns; all distances, and their sum over all units, are finite.
pub fn transport(costs: &impl Costs) -> Plan {
    let diameter = costs.diameter();
    let (mut most, mut last) = (diameter, diameter * LAST);
    let (mut best, mut doubt) = Auction::new(costs, f64::INFINITY).run(most, last);
    while best.total > 0.0 && doubt > TOLERANCE * best.total {
        let cut = most.min(best.total);
        let finer = (best.total / best.units as f64 * FINER).max(cut * FINEST);
        // As near as float64 comes.
        if cut >= 0.5 * most && finer >= 0.5 * last {
            break;
        }
        (most, last) = (cut, finer);
        let (plan, left) = Auction::new(costs, cut).run(most, last);
        // A plan is as good as it was, whatever is known of it.
        if plan.total <= best.total {
            (best, doubt) = (plan, left);
        }
    }
    best
}

/// A unit's price, who has it, and how many such there are.
#[derive(Clone, Copy, Debug)]
struct Held {
    price: f64,
    row: u32,
    units: u32,
}

struct Auction<'a, C> {
    costs: &'a C,
    /// No distance counts for more.
    cut: f64,
    /// Of each column: that of its cheapest unit.
    prices: Vec<f64>,
    /// The units of each column, the cheapest first.
    held: Vec<Vec<Held>>,
    /// Units of each row that have no column yet.
    left: Vec<u32>,
    /// The columns that were cheapest for each row when it last looked at all, with their distances: `[n, kept]`.
    kept: usize,
    kept_columns: Vec<u32>,
    kept_distances: Vec<f64>,
    /// Below what distance plus price no other column was then, nor ever will be, as prices only rise.
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

    /// Carries all units, with ε from a share of `most` down to `last`; and by how much the sum of distances may be above the optimum.
    fn run(mut self, most: f64, last: f64) -> (Plan, f64) {
        let mut epsilon = most / FALL;
        // Where all points are one, every plan is the best, and one phase finds one.
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
            // What a unit could save elsewhere, and what rounding hides.
            let slack = (distance + self.prices[flow.column as usize] - best).max(0.0);
            doubt += weight * (slack + f64::EPSILON * best);
        }
        (Plan { flows, total, units, prices: self.prices }, doubt)
    }

    fn distance(&self, row: usize, column: usize) -> f64 {
        self.costs.distance(row, column).min(self.cut)
    }

    /// Bids until every unit has a column that is, with its price, within `epsilon` of the cheapest for its row.
    fn phase(&mut self, epsilon: f64) {
        let cheapest: Vec<f64> = (0..self.left.len()).map(|row| self.look(row).1).collect();
        for column in 0..self.held.len() {
            let price = self.prices[column];
            let mut held = std::mem::take(&mut self.held[column]);
            for unit in &mut held {
                // What a unit once cost means nothing to whoever takes it from now on: a free one at the price of a lost fight would be
                // sold when all others cost as much.
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
                // A price that rounding keeps where it is would let two rows outbid each other for ever.
                let bid = (price + (second - best + epsilon)).max(price.next_up());
                self.buy(row, column, bid, &mut waiting);
            }
        }
    }

    /// Gives `row` what it still has to carry of the units of `column` that are cheaper than `bid`, the cheapest first, for that price.
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
        // The place of one that is gone is free.
        if gone == 1 && place == 1 {
            held[0] = new;
        } else {
            held.insert(place, new);
            held.drain(..gone);
        }
        self.prices[column] = held[0].price;
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

/// The greatest common divisor.
pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
