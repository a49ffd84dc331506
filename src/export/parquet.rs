//! Tables as Parquet. Each field may be null; NaN is a number.

use std::io;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::tables::{Cell, Column, Kind, Sheet};
use sweep_system::whole::{NewFile, Survives};

/// Rows that are written together: so many are kept in memory.
const ROWS: usize = 1 << 16;

/// A table under way.
pub(crate) struct Parquet {
    writer: SerializedFileWriter<NewFile>,
    columns: Vec<Values>,
    rows: usize,
}

/// Values of a column that are not written yet, and which rows have one.
enum Values {
    Text(Vec<ByteArray>, Vec<i16>),
    Whole(Vec<i64>, Vec<i16>),
    Real(Vec<f64>, Vec<i16>),
}

impl Parquet {
    pub(crate) fn new(file: NewFile, columns: &[Column]) -> io::Result<Self> {
        let field = |column: &Column| {
            let physical = match column.kind {
                Kind::Text => Physical::BYTE_ARRAY,
                Kind::Whole => Physical::INT64,
                Kind::Real => Physical::DOUBLE,
            };
            let text = (column.kind == Kind::Text).then_some(LogicalType::String);
            let field = Type::primitive_type_builder(&column.name, physical);
            field.with_repetition(Repetition::OPTIONAL).with_logical_type(text).build().map(Arc::new)
        };
        let fields = columns.iter().map(field).collect::<Result<_, _>>().map_err(error)?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build().map_err(error)?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("sweep ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(error)?;
        let values = |column: &Column| match column.kind {
            Kind::Text => Values::Text(Vec::new(), Vec::new()),
            Kind::Whole => Values::Whole(Vec::new(), Vec::new()),
            Kind::Real => Values::Real(Vec::new(), Vec::new()),
        };
        Ok(Parquet { writer, columns: columns.iter().map(values).collect(), rows: 0 })
    }

    /// Writes what is kept.
    fn write(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            match column {
                Values::Text(values, levels) => write::<ByteArrayType>(&mut group, values, levels)?,
                Values::Whole(values, levels) => write::<Int64Type>(&mut group, values, levels)?,
                Values::Real(values, levels) => write::<DoubleType>(&mut group, values, levels)?,
            }
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

/// Writes the next column of a group, and forgets its values.
fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, NewFile>,
    values: &mut Vec<T::T>,
    levels: &mut Vec<i16>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("a column too many".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, Some(levels), None)?;
    values.clear();
    levels.clear();
    column.close()
}

impl Sheet for Parquet {
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            let levels = match (column, cell) {
                (Values::Text(values, levels), Cell::Text(text)) => {
                    values.push(text.as_bytes().to_vec().into());
                    levels.push(1);
                    continue;
                }
                (Values::Whole(values, levels), Cell::Whole(whole)) => {
                    values.push(*whole);
                    levels.push(1);
                    continue;
                }
                (Values::Real(values, levels), Cell::Real(real)) => {
                    values.push(*real);
                    levels.push(1);
                    continue;
                }
                (Values::Text(_, levels) | Values::Whole(_, levels) | Values::Real(_, levels), _) => levels,
            };
            levels.push(0);
        }
        self.rows += 1;
        if self.rows == ROWS { self.write().map_err(error) } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.write().map_err(error)?;
        self.writer.into_inner().map_err(error)?.put(Survives::Kill)
    }
}

/// The error of the file itself, where it is one.
fn error(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
