//! Export: turns a dataset's rows into a streamed file, with memory that does not grow with the dataset.

mod cells;
mod json;
mod parquet;
mod stream;
mod text;

pub use stream::open;

use cells::{Cell, Column};

/// Formats by their file endings.
pub const FORMATS: [&str; 4] = ["csv", "json", "ndjson", "parquet"];

/// A file format of the output port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 with a header; lists are JSON.
    Csv,
    /// One array of objects.
    Json,
    /// One object a line.
    Ndjson,
    /// Apache Parquet, zstd-compressed.
    Parquet,
}

impl Format {
    /// By a file's ending.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Some(match ending {
            "csv" => Self::Csv,
            "json" => Self::Json,
            "ndjson" => Self::Ndjson,
            "parquet" => Self::Parquet,
            _ => return None,
        })
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// Turns rows into bytes of one format. What is in `out` after a call is sent and taken away.
trait Encoder: Send {
    /// What comes before the first row.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String>;
    /// One row.
    fn row(&mut self, cells: Vec<Cell>, out: &mut Vec<u8>) -> Result<(), String>;
    /// What comes after the last row.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String>;
}

fn encoder(format: Format, columns: Vec<Column>) -> Result<Box<dyn Encoder>, String> {
    Ok(match format {
        Format::Csv => Box::new(text::Csv::new(columns)),
        Format::Json => Box::new(json::Json::new(columns, true)),
        Format::Ndjson => Box::new(json::Json::new(columns, false)),
        Format::Parquet => Box::new(parquet::Parquet::new(&columns)?),
    })
}
