//! Export: turns a dataset's rows into a streamed file, with memory that does not grow with the dataset.

mod arrow;
mod column;
mod file;
mod ipc;
mod json;
mod packing;
mod parquet;
mod rows;
mod stream;
mod text;

pub use file::{File, FileRequest};
pub use packing::Packing;
pub use stream::Opened;

use column::Column;

/// A file format of the output port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 4180 with a header; lists are JSON.
    Csv,
    /// One array of objects.
    Json,
    /// One object a line.
    Ndjson,
    /// Apache Parquet, zstd-compressed.
    Parquet,
    /// Apache Arrow's IPC stream, zstd-compressed.
    Arrow,
}

impl Format {
    /// All, the default first.
    pub const ALL: [Self; 5] = [Self::Csv, Self::Json, Self::Ndjson, Self::Parquet, Self::Arrow];

    /// The file's ending.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// By a file's ending.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.ending() == ending)
    }

    /// The media type, with its parameters.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// The media type without parameters.
    pub fn media_type(self) -> &'static str {
        self.content_type().split(';').next().unwrap_or_default()
    }

    /// Whether the whole file may be compressed; the others are compressed inside.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Json | Self::Ndjson)
    }
}

/// A row's columns in Postgres' binary form; null is `None`.
trait Cells {
    fn cell(&self, index: usize) -> Option<&[u8]>;
}

/// Turns rows into bytes of one format. What is in `out` after a call is sent and taken away.
trait Encoder: Send {
    /// What comes before the first row.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String>;
    /// One row.
    fn row(&mut self, row: &dyn Cells, out: &mut Vec<u8>) -> Result<(), String>;
    /// What comes after the last row.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String>;
}

fn encoder(format: Format, columns: Vec<Column>, bom: bool) -> Result<Box<dyn Encoder>, String> {
    Ok(match format {
        Format::Csv => Box::new(text::Csv::new(columns, bom)),
        Format::Json => Box::new(json::Json::new(columns, true)),
        Format::Ndjson => Box::new(json::Json::new(columns, false)),
        Format::Parquet => Box::new(parquet::Parquet::new(columns)?),
        Format::Arrow => Box::new(ipc::Ipc::new(columns)?),
    })
}
