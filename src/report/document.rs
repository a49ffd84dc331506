//! The document: the content of a report, independent of its format.

use sweep_figure::Figure;
use sweep_spec::metric::{Measure, Unit};
use sweep_wire::status::Status;

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// Its content, in order.
    pub blocks: Vec<Block>,
}

impl Document {
    /// Replaces every sentence with the result of `edit`.
    pub fn edit_sentences(&mut self, edit: impl Fn(&str) -> String) {
        for block in &mut self.blocks {
            match block {
                Block::Section(_) => {}
                Block::Verdict(paragraph) | Block::Paragraph(paragraph) => *paragraph = edit(paragraph),
                Block::Jobs(_) => {}
                Block::Table(table) => table.notes.iter_mut().for_each(|note| *note = edit(note)),
                Block::Figure(figure) => figure.notes.iter_mut().for_each(|note| *note = edit(note)),
            }
        }
    }
}

/// One piece of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Starts the part about one sweep.
    Section(String),
    /// The verdict on a comparison, which is what readers come for.
    Verdict(String),
    /// One or more sentences.
    Paragraph(String),
    /// A table.
    Table(Table),
    /// A figure, as data.
    Figure(Figure),
    /// Every job, in detail.
    Jobs(Jobs),
}

/// The jobs of a sweep, in detail.
#[derive(Clone, Debug, PartialEq)]
pub struct Jobs {
    /// The scores, in the order of each job's values.
    pub scores: Vec<Measure>,
    /// The jobs, by variant.
    pub rows: Vec<Job>,
}

/// One job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The beginning of its id.
    pub id: String,
    /// The position and the name of its variant.
    pub variant: (usize, String),
    /// Its values of the swept keys: `alpha 0.1, beta 0.05`.
    pub cell: String,
    /// Its seed.
    pub seed: u64,
    /// Its objective and its data set, if known.
    pub of: Option<(&'static str, &'static str)>,
    /// Its status.
    pub status: Status,
    /// Why it failed or diverged.
    pub message: String,
    /// Steps done, and steps planned if known.
    pub step: (u64, Option<u64>),
    /// Its share of its cohort's training time, once it is done; in seconds.
    pub seconds: Option<f64>,
    /// Its scores at the step shown.
    pub scores: Vec<Option<f64>>,
    /// Its scores by step.
    pub curves: Vec<Vec<(u64, f64)>>,
    /// The attempts at its cohorts, in words.
    pub attempts: Vec<String>,
}

/// A table. Each row has one cell per column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name for programs: `scores`, `cells`, ….
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// How many leading columns name the row.
    pub keys: usize,
    /// Whether rows are sorted by the first column, so a renderer may turn its values into headings.
    pub grouped: bool,
    /// Whether the numbers of a column are of one kind, so people see them with the same decimals.
    pub alike: bool,
    /// How much of a [`Cell::Mean`] is shown to people; programs get all of it.
    pub means: Means,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// Notes on the numbers.
    pub notes: Vec<String>,
}

/// How a mean is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// `8.12 ± 0.30`
    WithStd,
    /// `8.12`: each cell has all its values, every cell the same number, which the title gives.
    Alone,
    /// `8.12 (3)`, or `8.12 (3 of 4)` if some jobs have no value.
    WithN,
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing to show.
    Empty,
    /// Words.
    Text(String),
    /// A count.
    Count(usize),
    /// A value, possibly infinite.
    Number(f64),
    /// The mean of n values, with their sample standard deviation if n > 1.
    Mean {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: Option<f64>,
        /// How many values.
        n: usize,
        /// How many jobs there are. Jobs without a finite value are left out of the mean.
        of: usize,
    },
    /// How many jobs of how many a row covers.
    Part {
        /// How many have a finite value.
        count: usize,
        /// How many there are.
        of: usize,
    },
    /// A count out of a total, shown with its percentage.
    Share {
        /// The count.
        count: usize,
        /// How many there are.
        of: usize,
    },
    /// A count out of a total; people see only the percentage.
    Percentage {
        /// The count.
        count: usize,
        /// The total, at least one.
        of: usize,
    },
    /// A count out of a total, with an interval of the rate.
    Rate {
        /// The count.
        count: usize,
        /// The total, at least one.
        of: usize,
        /// The lower end, from 0 to 1.
        low: f64,
        /// The upper end, from 0 to 1.
        high: f64,
    },
    /// A range.
    Interval {
        /// The lower end.
        low: f64,
        /// The upper end.
        high: f64,
    },
    /// A probability.
    Probability(f64),
}

impl Cell {
    /// Returns the cell for a value of a metric. Whole numbers of modes have no decimals.
    pub fn value(metric: Measure, value: f64) -> Cell {
        let whole = metric.unit() == Unit::Modes && value.fract() == 0.0 && value >= 0.0;
        if whole { Cell::Count(value as usize) } else { Cell::Number(value) }
    }

    /// Whether it is right-aligned.
    pub fn is_numeric(&self) -> bool {
        match self {
            Cell::Empty | Cell::Text(_) => false,
            Cell::Count(_)
            | Cell::Number(_)
            | Cell::Mean { .. }
            | Cell::Part { .. }
            | Cell::Share { .. }
            | Cell::Percentage { .. }
            | Cell::Rate { .. }
            | Cell::Interval { .. }
            | Cell::Probability(_) => true,
        }
    }
}

impl Table {
    /// Creates an empty table.
    pub fn new(name: &'static str, title: impl Into<String>, keys: usize, columns: &[&str]) -> Table {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        let (title, rows, notes) = (title.into(), Vec::new(), Vec::new());
        Table { name, title, keys, grouped: false, alike: true, means: Means::WithStd, columns, rows, notes }
    }

    /// Whether a column has numbers.
    pub fn is_numeric(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row[column].is_numeric())
    }
}
