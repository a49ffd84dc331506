//! What figures say, without how they look.

use serde::Serialize;

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Its name for programs and files, of letters, digits, `-` and `_`; no other of the document has it.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The score that it is of, where it is of one.
    pub score: Option<&'static str>,
    /// Whether a first look has it: it is of no score, or of one that the report ranks by.
    pub first: bool,
    /// Whether a terminal shows it, too.
    pub small: bool,
    /// What has to be said beside it.
    pub notes: Vec<String>,
    /// The data.
    pub plot: Plot,
}

/// The kinds of figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plot {
    /// Lines over steps, budgets or scores, with bands, and single runs behind.
    Curves(Curves),
    /// A value for each pair of two swept keys' values.
    HeatMap(HeatMap),
    /// How the values of a score lie, a row for each variant.
    Distribution(Distribution),
    /// Values with intervals.
    Intervals(Intervals),
    /// Many keys at once: a line for each cell.
    Parallel(Parallel),
    /// A score against each swept key.
    Slices(Slices),
    /// Generated points over the modes.
    Scatter(Scatter),
    /// Sample sheets of the cells.
    Gallery(Gallery),
    /// What each slot did when.
    Timeline(Timeline),
}

/// One axis of numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// What is measured along it.
    pub label: String,
    /// How.
    pub kind: Kind,
}

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Evenly.
    Linear,
    /// By their logarithms, where all of them are above 0.
    Log,
    /// Evenly, and all of it: from 0 to 1.
    Share,
}

/// Lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curves {
    /// Along the bottom.
    pub x: Axis,
    /// Along the side.
    pub y: Axis,
    /// Whether a line keeps its value up to the next point.
    pub stepped: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Whose it is.
    pub name: String,
    /// The place of its variant.
    pub variant: usize,
    /// The place of its colour.
    pub series: usize,
    /// In the order of x.
    pub points: Vec<Point>,
    /// x, and from where to where.
    pub band: Vec<(f64, f64, f64)>,
    /// The runs behind it.
    pub singles: Vec<Single>,
}

/// One point of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Along the bottom.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// Of how many runs.
    pub n: usize,
}

/// One run behind a line, or one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Single {
    /// Which one.
    #[serde(flatten)]
    pub of: Of,
    /// The beginning of its job's id.
    pub job: String,
    /// x and y.
    pub points: Vec<(f64, f64)>,
}

/// What is drawn thinly behind a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// A run of this seed.
    Seed(u64),
    /// A cell: `alpha 0.1, beta 0.05`.
    Cell(String),
}

impl Of {
    /// In words.
    pub(crate) fn words(&self) -> String {
        match self {
            Of::Seed(seed) => format!("seed {seed}"),
            Of::Cell(cell) => cell.clone(),
        }
    }
}

/// A value for each pair of two swept keys' values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeatMap {
    /// The key that goes down, and its values.
    pub down: Along,
    /// The key that goes across, and its values.
    pub across: Along,
    /// What the numbers are: `mean mode_score`.
    pub value: String,
    /// Whether more is better.
    pub higher: bool,
    /// Row by row.
    pub cells: Vec<Vec<Cell>>,
}

impl HeatMap {
    /// The smallest and the largest mean; none where there is no finite one.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let mean = |cell: &Cell| match cell {
            Cell::Value { mean, .. } => Some(*mean).filter(|mean| mean.is_finite()),
            Cell::Lost(_) | Cell::Open(_) | Cell::Stopped(_) | Cell::None => None,
        };
        let ends = self.cells.iter().flatten().filter_map(mean).map(|mean| (mean, mean));
        ends.reduce(|(low, high), (mean, _)| (low.min(mean), high.max(mean)))
    }

    /// How good a mean is among those from `low` to `high`, from 0, the worst, to 1; of one alone, neither.
    pub(crate) fn share(&self, (low, high): (f64, f64), mean: f64) -> f64 {
        let share = if high > low { mean / (high - low) - low / (high - low) } else { 0.5 };
        if self.higher { share } else { 1.0 - share }
    }
}

/// The values of a key, in their order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Along {
    /// The key.
    pub key: String,
    /// Its values as people write them.
    pub values: Vec<String>,
}

/// One cell of a heat map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Its finite scores.
    Value {
        /// Their mean.
        mean: f64,
        /// Their sample standard deviation, of two and more.
        std: Option<f64>,
        /// How many.
        n: usize,
        /// Of how many jobs.
        of: usize,
    },
    /// All that is known of its jobs is that so many came to nothing.
    Lost(usize),
    /// Its jobs failed, were cancelled, or have not ended: there is no score of so many.
    Open(usize),
    /// It was stopped early, at this step.
    Stopped(u64),
    /// The sweep has no such cell.
    None,
}

/// How the values of a score lie.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// The score.
    pub x: Axis,
    /// The edges of the bins, ascending.
    pub edges: Vec<f64>,
    /// A row each.
    pub rows: Vec<Spread>,
}

/// The values of one variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Whose.
    pub name: String,
    /// The place of its variant.
    pub variant: usize,
    /// The finite values.
    pub dots: Vec<Dot>,
    /// How many jobs diverged, collapsed, or have no finite score.
    pub lost: usize,
}

/// One value with what it is of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dot {
    /// The value.
    pub value: f64,
    /// Of what.
    pub of: String,
}

/// Values with intervals, in panels that have the same rows or others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Intervals {
    /// One below the other.
    pub panels: Vec<Panel>,
}

/// Rows on one scale from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Panel {
    /// What the values are.
    pub title: String,
    /// A value that stands for no difference.
    pub reference: Option<f64>,
    /// What lies towards 0, and towards 1.
    pub ends: Option<(String, String)>,
    /// Whether the values are rates, which people read in percent.
    pub percent: bool,
    /// The rows.
    pub rows: Vec<Interval>,
}

/// One value with its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Of what.
    pub name: String,
    /// The place of its variant.
    pub variant: usize,
    /// From 0 to 1.
    pub value: f64,
    /// From where to where, in which so many are right; none where too little is known.
    pub interval: Option<(f64, f64)>,
    /// What else there is to say: `p = 0.008`, `2 of 36`.
    pub said: String,
}

/// Many keys at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parallel {
    /// The keys, then the score.
    pub axes: Vec<Thread>,
    /// Whether more of the score is better.
    pub higher: bool,
    /// For each cell its name, and a value on each axis: of levels the place of one; none where the cell does not have the key.
    pub lines: Vec<(String, Vec<Option<f64>>)>,
}

/// One axis of many.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Thread {
    /// The key.
    pub label: String,
    /// Numbers, or none where there are levels.
    pub kind: Kind,
    /// What is no number, in its order.
    pub levels: Vec<String>,
}

/// A score against each swept key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slices {
    /// The score.
    pub y: Axis,
    /// One for each key.
    pub slices: Vec<Slice>,
}

/// A score against one key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    /// The key.
    pub x: Thread,
    /// Variant, value of the key (of levels the place of one), score, and of what it is.
    pub dots: Vec<(usize, f64, f64, String)>,
}

/// Generated points over the modes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scatter {
    /// The modes.
    pub centres: Vec<[f64; 2]>,
    /// The radius within which a sample is of high quality; 0 where there are no modes.
    pub radius: f64,
    /// One for each run that is shown.
    pub panels: Vec<Points>,
}

/// The points of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Points {
    /// Which run.
    pub title: String,
    /// The place of its variant.
    pub variant: usize,
    /// Where they are kept, relative to the home directory: an .npy of `[n, d]`, of whose columns the first two are drawn.
    pub path: String,
}

/// Sample sheets, all drawn from the same noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gallery {
    /// What goes down.
    pub down: Along,
    /// What goes across.
    pub across: Along,
    /// What of each place there may be several of: seeds. A picture has the first of them.
    pub layers: Vec<String>,
    /// The sheets.
    pub sheets: Vec<Sheet>,
}

/// One sample sheet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sheet {
    /// The row and the column.
    pub place: (usize, usize),
    /// The place of its layer.
    pub layer: usize,
    /// What it is of.
    pub name: String,
    /// The place of its variant.
    pub variant: usize,
    /// Its job's id.
    pub job: String,
    /// The PNG of each step, relative to the home directory, by step.
    pub steps: Vec<(u64, String)>,
}

/// What each slot did when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// The slots.
    pub slots: Vec<String>,
    /// When the first attempt began, in seconds since the Unix epoch.
    pub from: f64,
    /// The attempts.
    pub bars: Vec<Bar>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// The place of its slot.
    pub slot: usize,
    /// Seconds since [`Timeline::from`].
    pub from: f64,
    /// The same; of one that runs as far as is known.
    pub to: Option<f64>,
    /// How it ended.
    pub end: End,
    /// What it is of.
    pub name: String,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It runs.
    Running,
    /// All its jobs came to their end.
    Finished,
    /// It was stopped, and goes on later.
    Stopped,
    /// It did not come to its end.
    Failed,
}
