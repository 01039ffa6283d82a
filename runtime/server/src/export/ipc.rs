//! Arrow IPC: turns rows into the stream form of Arrow, one message per batch of rows.

use super::arrow::Batches;
use super::column::Column;
use super::{Cells, Encoder};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};

/// The Arrow encoder.
pub struct Ipc {
    batches: Batches,
    writer: StreamWriter<Vec<u8>>,
}

impl Ipc {
    /// An encoder for these columns.
    pub fn new(columns: Vec<Column>) -> Result<Self, String> {
        let batches = Batches::new(columns);
        let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD));
        let options = options.map_err(|e| e.to_string())?;
        let writer = StreamWriter::try_new_with_options(Vec::new(), batches.schema(), options);
        Ok(Self { batches, writer: writer.map_err(|e| e.to_string())? })
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        if let Some(batch) = self.batches.take()? {
            self.writer.write(&batch).map_err(|e| e.to_string())?;
        }
        out.append(self.writer.get_mut());
        Ok(())
    }
}

impl Encoder for Ipc {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.flush(out)
    }

    fn row(&mut self, row: &dyn Cells, out: &mut Vec<u8>) -> Result<(), String> {
        if self.batches.push(row)? { self.flush(out) } else { Ok(()) }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.flush(out)?;
        self.writer.finish().map_err(|e| e.to_string())?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}
