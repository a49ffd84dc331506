//! The document: what a report says, without how it looks.

use sweep_figure::Figure;
use sweep_spec::metric::{Measure, Unit};
use sweep_wire::status::Status;

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is about.
    pub title: String,
    /// What it says, in order.
    pub blocks: Vec<Block>,
}

impl Document {
    /// Puts what `edit` makes of them in the place of all sentences.
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
    /// Begins the part about one sweep.
    Section(String),
    /// What may be said of a comparison: what readers come for.
    Verdict(String),
    /// A sentence or several.
    Paragraph(String),
    /// A table.
    Table(Table),
    /// A figure, as data.
    Figure(Figure),
    /// Every job, for those who want to know more of one.
    Jobs(Jobs),
}

/// The jobs of a sweep with all there is to know of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Jobs {
    /// The scores, in the order in which each job has them.
    pub scores: Vec<Measure>,
    /// The jobs, by variant.
    pub rows: Vec<Job>,
}

/// One job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The beginning of its id.
    pub id: String,
    /// The place of its variant, and its name.
    pub variant: (usize, String),
    /// Its values of the swept keys: `alpha 0.1, beta 0.05`.
    pub cell: String,
    /// Its seed.
    pub seed: u64,
    /// Its objective and its data set, where they are known.
    pub of: Option<(&'static str, &'static str)>,
    /// Where it stands.
    pub status: Status,
    /// Why it failed or diverged.
    pub message: String,
    /// Steps done, and planned where that is known.
    pub step: (u64, Option<u64>),
    /// Its share of its cohort's training time, once it is done.
    pub seconds: Option<f64>,
    /// Its scores at the step that is shown.
    pub scores: Vec<Option<f64>>,
    /// Its scores by step.
    pub curves: Vec<Vec<(u64, f64)>>,
    /// The attempts at its cohorts, in words.
    pub attempts: Vec<String>,
}

/// A table. Every row has a cell for each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name for programs: `scores`, `cells`, ….
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// How many of the first columns name the row.
    pub keys: usize,
    /// The first column changes slowly: a renderer may make its values headings.
    pub grouped: bool,
    /// The numbers of a column are of one kind, and so have the same decimals for people.
    pub alike: bool,
    /// How much of a [`Cell::Mean`] people see; programs get all of it.
    pub means: Means,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// What has to be said beside the numbers.
    pub notes: Vec<String>,
}

/// How a mean is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// `8.12 ± 0.30`
    WithStd,
    /// `8.12`, where every cell has all its values, as many as the others, and the title says how many.
    Alone,
    /// `8.12 (3)`, or `8.12 (3 of 4)` where not all jobs have a value.
    WithN,
}

/// One cell of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing to show.
    Empty,
    /// Words.
    Text(String),
    /// How many.
    Count(usize),
    /// A value; may be infinite.
    Number(f64),
    /// The mean of n values, with their sample standard deviation where n > 1.
    Mean {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: Option<f64>,
        /// How many values.
        n: usize,
        /// How many jobs there are; those without a finite value are left out of the mean.
        of: usize,
    },
    /// How many of so many jobs a row is of.
    Part {
        /// How many have a finite value.
        count: usize,
        /// How many there are.
        of: usize,
    },
    /// So many of so many.
    Share {
        /// How many are meant.
        count: usize,
        /// How many there are.
        of: usize,
    },
    /// So many of so many, of which people see the percentage alone.
    Percentage {
        /// How many are meant.
        count: usize,
        /// How many there are; at least one.
        of: usize,
    },
    /// So many of so many, with an interval of the rate behind them.
    Rate {
        /// How many are meant.
        count: usize,
        /// How many there are; at least one.
        of: usize,
        /// The lower end, from 0 to 1.
        low: f64,
        /// The upper end, from 0 to 1.
        high: f64,
    },
    /// From one value to another.
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
    /// One value of a metric: whole numbers of modes have no decimals.
    pub fn value(metric: Measure, value: f64) -> Cell {
        let whole = metric.unit() == Unit::Modes && value.fract() == 0.0 && value >= 0.0;
        if whole { Cell::Count(value as usize) } else { Cell::Number(value) }
    }

    /// Whether it stands at the right of its column.
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
    /// An empty table.
    pub fn new(name: &'static str, title: impl Into<String>, keys: usize, columns: &[&str]) -> Table {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        let (title, rows, notes) = (title.into(), Vec::new(), Vec::new());
        Table { name, title, keys, grouped: false, alike: true, means: Means::WithStd, columns, rows, notes }
    }

    /// Whether a column is one of numbers.
    pub fn is_numeric(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row[column].is_numeric())
    }
}
