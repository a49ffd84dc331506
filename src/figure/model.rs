//! What figures contain, independent of how they look.

use serde::Serialize;

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Its unique name for programs and files, made of letters, digits, `-` and `_`.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The score that it shows, if it shows one.
    pub score: Option<&'static str>,
    /// Whether it belongs in an overview: it shows no score, or one that the report ranks by.
    pub first: bool,
    /// Whether terminals show it, too.
    pub small: bool,
    /// Notes to show with it.
    pub notes: Vec<String>,
    /// The data.
    pub plot: Plot,
}

/// The kinds of figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plot {
    /// Lines over steps, budgets or scores, with bands, and single runs behind them.
    Curves(Curves),
    /// A value for each combination of two swept keys.
    HeatMap(HeatMap),
    /// The distribution of a score, with a row per variant.
    Distribution(Distribution),
    /// Values with intervals.
    Intervals(Intervals),
    /// Many keys at once, with a line per cell.
    Parallel(Parallel),
    /// A score against each swept key.
    Slices(Slices),
    /// Generated points over the modes.
    Scatter(Scatter),
    /// Sample sheets of the cells.
    Gallery(Gallery),
    /// What each slot did, and when.
    Timeline(Timeline),
}

/// A numeric axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// Its scale.
    pub kind: Kind,
}

/// The scale of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Linear.
    Linear,
    /// Logarithmic, if all values are above 0.
    Log,
    /// Linear, and always from 0 to 1.
    Share,
}

/// Lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curves {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Whether a line keeps its value up to the next point.
    pub stepped: bool,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The name of its variant.
    pub name: String,
    /// The index of its variant.
    pub variant: usize,
    /// The index of its colour.
    pub series: usize,
    /// Ordered by x.
    pub points: Vec<Point>,
    /// x, lower end, upper end.
    pub band: Vec<(f64, f64, f64)>,
    /// The single runs behind it.
    pub singles: Vec<Single>,
}

/// One point of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The horizontal position.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// The number of runs it summarises.
    pub n: usize,
}

/// One run, or one cell, drawn behind a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Single {
    /// Which run or cell it is.
    #[serde(flatten)]
    pub of: SingleOf,
    /// The start of its job's id.
    pub job: String,
    /// x and y of each point.
    pub points: Vec<(f64, f64)>,
}

/// What a thin line behind a line shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SingleOf {
    /// The run with this seed.
    Seed(u64),
    /// A cell: `alpha 0.1, beta 0.05`.
    Cell(String),
}

impl SingleOf {
    /// Describes it in words.
    pub(crate) fn words(&self) -> String {
        match self {
            SingleOf::Seed(seed) => format!("seed {seed}"),
            SingleOf::Cell(cell) => cell.clone(),
        }
    }
}

/// A value for each combination of two swept keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeatMap {
    /// The key of the rows, and its values.
    pub down: KeyValues,
    /// The key of the columns, and its values.
    pub across: KeyValues,
    /// What the numbers are, such as `mean mode_score`.
    pub value: String,
    /// Whether higher is better.
    pub higher: bool,
    /// Row by row.
    pub cells: Vec<Vec<Cell>>,
}

impl HeatMap {
    /// Returns the smallest and the largest mean. `None` if no mean is finite.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let mean = |cell: &Cell| match cell {
            Cell::Value { mean, .. } => Some(*mean).filter(|mean| mean.is_finite()),
            Cell::Lost(_) | Cell::Open(_) | Cell::Stopped(_) | Cell::None => None,
        };
        let ends = self.cells.iter().flatten().filter_map(mean).map(|mean| (mean, mean));
        ends.reduce(|(low, high), (mean, _)| (low.min(mean), high.max(mean)))
    }

    /// Returns how good a mean is in the range from `low` to `high`, from 0 (worst) to 1. If the range is a single
    /// value, returns 0.5.
    pub(crate) fn share(&self, (low, high): (f64, f64), mean: f64) -> f64 {
        let share = if high > low { mean / (high - low) - low / (high - low) } else { 0.5 };
        if self.higher { share } else { 1.0 - share }
    }
}

/// A key and its values, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyValues {
    /// The key.
    pub key: String,
    /// Its values, as shown to readers.
    pub values: Vec<String>,
}

/// One cell of a heat map.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// It has finite scores.
    Value {
        /// Their mean.
        mean: f64,
        /// Their sample standard deviation, if there are at least two.
        std: Option<f64>,
        /// The number of finite scores.
        n: usize,
        /// The number of jobs.
        of: usize,
    },
    /// This many of its jobs are lost (diverged, collapsed or without a finite score), and no other has a score.
    Lost(usize),
    /// None of this many jobs has a score: they failed, were cancelled, or have not ended.
    Open(usize),
    /// It was stopped early at this step.
    Stopped(u64),
    /// The sweep does not contain this cell.
    None,
}

/// The distribution of a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// The score.
    pub x: Axis,
    /// The edges of the bins, ascending.
    pub edges: Vec<f64>,
    /// The rows.
    pub rows: Vec<Spread>,
}

/// The values of one variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The name of its variant.
    pub name: String,
    /// The index of its variant.
    pub variant: usize,
    /// The finite values.
    pub dots: Vec<Dot>,
    /// Number of jobs that diverged, collapsed, or have no finite score.
    pub lost: usize,
}

/// One value and its job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dot {
    /// The value.
    pub value: f64,
    /// What it belongs to.
    pub of: String,
}

/// Values with intervals, in panels. Panels may have different rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Intervals {
    /// The panels, from top to bottom.
    pub panels: Vec<Panel>,
}

/// Rows that share a scale from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Panel {
    /// What the values are.
    pub title: String,
    /// The value that means no difference.
    pub reference: Option<f64>,
    /// What 0 means, and what 1 means.
    pub ends: Option<(String, String)>,
    /// Whether the values are rates, to be shown in percent.
    pub percent: bool,
    /// The rows.
    pub rows: Vec<Interval>,
}

/// One value with its interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// What it belongs to.
    pub name: String,
    /// The index of its variant.
    pub variant: usize,
    /// From 0 to 1.
    pub value: f64,
    /// Its confidence interval. `None` if too little is known.
    pub interval: Option<(f64, f64)>,
    /// A short remark: `p = 0.008`, `2 of 36`.
    pub said: String,
}

/// Many keys at once.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parallel {
    /// The keys, then the score.
    pub axes: Vec<KeyAxis>,
    /// Whether a higher score is better.
    pub higher: bool,
    /// For each cell: its name, and its value on each axis. For an axis with levels, the value is the index of a level.
    /// `None` if the cell does not have the key.
    pub lines: Vec<(String, Vec<Option<f64>>)>,
}

/// One axis of a parallel plot, or of a slice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyAxis {
    /// The key.
    pub label: String,
    /// The scale of a numeric key. Unused if there are levels.
    pub kind: Kind,
    /// The values of a key that is not numeric, in order. Empty for a numeric key.
    pub levels: Vec<String>,
}

/// A score against each swept key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slices {
    /// The score.
    pub y: Axis,
    /// One panel per key.
    pub slices: Vec<Slice>,
}

/// A score against one key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    /// The key.
    pub x: KeyAxis,
    /// Variant, value of the key (for levels, the index), score, and the name of the job.
    pub dots: Vec<(usize, f64, f64, String)>,
}

/// Generated points over the modes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scatter {
    /// The modes.
    pub centres: Vec<[f64; 2]>,
    /// The distance from a mode within which a sample is of high quality. 0 if there are no modes.
    pub radius: f64,
    /// One panel per run shown.
    pub panels: Vec<Points>,
}

/// The points of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Points {
    /// Which run.
    pub title: String,
    /// The index of its variant.
    pub variant: usize,
    /// The path relative to the home directory of an .npy file of shape `[n, d]`. The first two columns are drawn.
    pub path: String,
}

/// Sample sheets, all drawn from the same noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gallery {
    /// What the rows are.
    pub down: KeyValues,
    /// What the columns are.
    pub across: KeyValues,
    /// What tells apart several sheets of the same place, such as seeds. A picture shows the first one.
    pub layers: Vec<String>,
    /// The sheets.
    pub sheets: Vec<Sheet>,
}

/// One sample sheet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sheet {
    /// The row and the column.
    pub place: (usize, usize),
    /// The index of its layer.
    pub layer: usize,
    /// What it shows.
    pub name: String,
    /// The index of its variant.
    pub variant: usize,
    /// The id of its job.
    pub job: String,
    /// The PNG of each step: the step, and the path relative to the home directory.
    pub steps: Vec<(u64, String)>,
}

/// What each slot did, and when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// The slots.
    pub slots: Vec<String>,
    /// When the first attempt started, in seconds since the Unix epoch.
    pub from: f64,
    /// The attempts.
    pub bars: Vec<Bar>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// The index of its slot.
    pub slot: usize,
    /// Start, in seconds since [`Timeline::from`].
    pub from: f64,
    /// End, in seconds since [`Timeline::from`]. For a running attempt, the latest time known.
    pub to: Option<f64>,
    /// How it ended.
    pub end: End,
    /// What it trained.
    pub name: String,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It is still running.
    Running,
    /// All its jobs ended.
    Finished,
    /// It was stopped, and will be continued later.
    Stopped,
    /// It failed before its end.
    Failed,
}
