//! Results for other programs: tables of text or Parquet, and runs of TensorBoard, MLflow and Weights & Biases.
//!
//! A [`Run`] is one job that a sweep asks for, as all formats have it. An [`Exporter`] takes the runs one by one, so
//! that a large sweep takes little memory; each format is one file here, and [`exporter`] is the list of them. Whatever
//! is written is there whole or not at all, and the same results give the same bytes.

mod error;
mod mlflow;
#[cfg(feature = "parquet")]
mod parquet;
mod places;
mod protobuf;
mod run;
mod tables;
mod tensorboard;
mod wandb;

use std::path::Path;

pub use error::ExportError;
use mlflow::Mlflow;
pub use run::{Point, Run};
use sweep_store::Outline;
use tables::Tables;
use tensorboard::TensorBoard;
use wandb::Offline;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tables as comma-separated values.
    Csv,
    /// The same tables as Parquet.
    Parquet,
    /// Event files.
    TensorBoard,
    /// Runs on a tracking server.
    Mlflow,
    /// Offline runs of Weights & Biases.
    WandbOffline,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was written.
    Written,
    /// An earlier export has left it as it is.
    Same,
    /// Nothing is known of it yet, and the format has no place for that.
    NotBegun,
}

/// Where runs go.
pub trait Exporter {
    /// Another sweep begins, whose runs come next.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    fn sweep(&mut self, outline: &Outline) -> Result<(), ExportError>;

    /// One run of it.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    fn run(&mut self, run: &Run) -> Result<Done, ExportError>;

    /// All have come.
    ///
    /// # Errors
    ///
    /// Where what is kept until the end cannot be written.
    fn finish(self: Box<Self>) -> Result<(), ExportError>;
}

/// Where runs of these sweeps go: to `out`, a folder or the address of a server.
///
/// # Errors
///
/// Nothing can be written there, or this program was built without the format.
pub fn exporter(format: Format, out: &Path, sweeps: &[Outline]) -> Result<Box<dyn Exporter>, ExportError> {
    Ok(match format {
        Format::Csv => Box::new(Tables::csv(out, sweeps)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(Tables::parquet(out, sweeps)?),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => return Err(ExportError::NotBuilt),
        Format::TensorBoard => Box::new(TensorBoard::new(out)?),
        Format::Mlflow => Box::new(Mlflow::connect(&out.to_string_lossy())?),
        Format::WandbOffline => Box::new(Offline::new(out)?),
    })
}
