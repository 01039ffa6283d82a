//! Parquet: turns rows into column chunks, one row group per batch of rows.

use super::Encoder;
use super::cells::{Cell, Column, Kind};
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder, make_builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::sync::Arc;

/// Rows of a row group.
const GROUP: usize = 65_536;

/// The Parquet encoder.
pub struct Parquet {
    schema: Arc<Schema>,
    builders: Vec<Box<dyn ArrayBuilder>>,
    rows: usize,
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl Parquet {
    /// An encoder for these columns.
    pub fn new(columns: &[Column]) -> Result<Self, String> {
        let fields: Vec<Field> = columns.iter().map(|c| Field::new(&c.name, data_type(c), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(|e| e.to_string())?;
        let builders = schema.fields().iter().map(|f| make_builder(f.data_type(), 1024)).collect();
        Ok(Self { schema, builders, rows: 0, writer: Some(writer) })
    }

    /// Write the gathered rows as a row group, and take what the writer has made.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let Some(writer) = self.writer.as_mut() else { return Ok(()) };
        if self.rows > 0 {
            let arrays: Vec<ArrayRef> = self.builders.iter_mut().map(|b| b.finish()).collect();
            let batch = RecordBatch::try_new(self.schema.clone(), arrays).map_err(|e| e.to_string())?;
            writer.write(&batch).and_then(|()| writer.flush()).map_err(|e| e.to_string())?;
            self.rows = 0;
        }
        out.append(writer.inner_mut());
        Ok(())
    }
}

impl Encoder for Parquet {
    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), String> {
        Ok(())
    }

    fn row(&mut self, cells: Vec<Cell>, out: &mut Vec<u8>) -> Result<(), String> {
        for (builder, (cell, field)) in self.builders.iter_mut().zip(cells.into_iter().zip(self.schema.fields())) {
            append(builder.as_mut(), field.data_type(), cell)?;
        }
        self.rows += 1;
        if self.rows >= GROUP { self.flush(out) } else { Ok(()) }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        self.flush(out)?;
        if let Some(writer) = self.writer.take() {
            out.append(&mut writer.into_inner().map_err(|e| e.to_string())?);
        }
        Ok(())
    }
}

fn data_type(column: &Column) -> DataType {
    let item = match column.kind {
        Kind::Text => DataType::Utf8,
        Kind::Int => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Bool => DataType::Boolean,
        Kind::Date => DataType::Date32,
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    };
    if column.list { DataType::List(Arc::new(Field::new_list_field(item, true))) } else { item }
}

fn append(builder: &mut dyn ArrayBuilder, of: &DataType, cell: Cell) -> Result<(), String> {
    let any = builder.as_any_mut();
    match of {
        DataType::List(item) => {
            let list = any.downcast_mut::<ListBuilder<Box<dyn ArrayBuilder>>>().ok_or("no list builder")?;
            let Cell::List(items) = cell else {
                list.append(false);
                return Ok(());
            };
            for cell in items {
                append(list.values().as_mut(), item.data_type(), cell)?;
            }
            list.append(true);
        }
        DataType::Utf8 => {
            let builder = any.downcast_mut::<StringBuilder>().ok_or("no text builder")?;
            builder.append_option(if let Cell::Text(text) = cell { Some(text) } else { None });
        }
        DataType::Int64 => {
            let builder = any.downcast_mut::<Int64Builder>().ok_or("no integer builder")?;
            builder.append_option(if let Cell::Int(value) = cell { Some(value) } else { None });
        }
        DataType::Float64 => {
            let builder = any.downcast_mut::<Float64Builder>().ok_or("no float builder")?;
            builder.append_option(if let Cell::Float(value) = cell { Some(value) } else { None });
        }
        DataType::Boolean => {
            let builder = any.downcast_mut::<BooleanBuilder>().ok_or("no boolean builder")?;
            builder.append_option(if let Cell::Bool(value) = cell { Some(value) } else { None });
        }
        DataType::Date32 => {
            let builder = any.downcast_mut::<Date32Builder>().ok_or("no date builder")?;
            builder.append_option(if let Cell::Date(day) = cell { days(day) } else { None });
        }
        _ => {
            let builder = any.downcast_mut::<TimestampMicrosecondBuilder>().ok_or("no timestamp builder")?;
            builder.append_option(if let Cell::Timestamp(at) = cell { Some(at.timestamp_micros()) } else { None });
        }
    }
    Ok(())
}

/// Days since 1970-01-01.
fn days(day: NaiveDate) -> Option<i32> {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1)?;
    i32::try_from((day - epoch).num_days()).ok()
}
