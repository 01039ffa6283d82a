//! Parquet: turns rows into column chunks, one row group per batch of rows.

use super::arrow::Batches;
use super::column::Column;
use super::{Cells, Encoder};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// The Parquet encoder.
pub struct Parquet {
    batches: Batches,
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl Parquet {
    /// An encoder for these columns.
    pub fn new(columns: Vec<Column>) -> Result<Self, String> {
        let batches = Batches::new(columns);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("terrane ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), batches.schema().clone(), Some(properties));
        Ok(Self { batches, writer: Some(writer.map_err(|e| e.to_string())?) })
    }

    /// Write the gathered rows as a row group, and take what the writer has made.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(writer) = self.writer.as_mut() else { return Ok(()) };
        if let Some(batch) = self.batches.take()? {
            writer.write(&batch).and_then(|()| writer.flush()).map_err(|e| e.to_string())?;
        }
        out.append(writer.inner_mut());
        Ok(())
    }
}

impl Encoder for Parquet {
    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), String> {
        Ok(())
    }

    fn row(&mut self, row: &dyn Cells, out: &mut Vec<u8>) -> Result<(), String> {
        if self.batches.push(row)? { self.flush(out) } else { Ok(()) }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.flush(out)?;
        if let Some(writer) = self.writer.take() {
            out.append(&mut writer.into_inner().map_err(|e| e.to_string())?);
        }
        Ok(())
    }
}
