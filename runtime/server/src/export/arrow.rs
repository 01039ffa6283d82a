//! Arrow: turns rows into record batches of typed columns.

use super::Cells;
use super::column::Column;
use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder, Float64Builder, Int16Builder,
    Int32Builder, Int64Builder, ListBuilder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
    make_builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use std::sync::Arc;
use terrane_manifest::PgType;
use terrane_query::{cell_decimal, cell_items, cell_text};

/// A batch has at most so many rows …
const MOST_ROWS: usize = 65_536;
/// … and is closed when its values take this many bytes in the database's form.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Days and microseconds from 1970 to Postgres' epoch, 2000.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 10_957 * 86_400_000_000;

/// Gathers rows.
pub struct Batches {
    columns: Vec<Column>,
    schema: Arc<Schema>,
    builders: Vec<Box<dyn ArrayBuilder>>,
    rows: usize,
    bytes: usize,
    scratch: Vec<u8>,
}

impl Batches {
    /// For these columns; each is nullable, so that a file's types do not depend on who reads.
    pub fn new(columns: Vec<Column>) -> Self {
        let fields: Vec<Field> = columns.iter().map(|c| Field::new(&c.name, c.arrow_type(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let builders = schema.fields().iter().map(|f| make_builder(f.data_type(), 1024)).collect();
        Self { columns, schema, builders, rows: 0, bytes: 0, scratch: Vec::new() }
    }

    /// Their schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Add a row; says whether the batch is full.
    pub fn push(&mut self, row: &dyn Cells) -> Result<bool, String> {
        for (i, builder) in self.builders.iter_mut().enumerate() {
            let (column, cell) = (&self.columns[i], row.cell(i));
            self.bytes += cell.map_or(0, <[u8]>::len);
            append(builder.as_mut(), self.schema.field(i).data_type(), column, cell, &mut self.scratch)?;
        }
        self.rows += 1;
        Ok(self.rows >= MOST_ROWS || self.bytes >= MOST_BYTES)
    }

    /// The rows so far, if any.
    pub fn take(&mut self) -> Result<Option<RecordBatch>, String> {
        if self.rows == 0 {
            return Ok(None);
        }
        (self.rows, self.bytes) = (0, 0);
        let arrays: Vec<ArrayRef> = self.builders.iter_mut().map(|b| b.finish()).collect();
        RecordBatch::try_new(self.schema.clone(), arrays).map(Some).map_err(|e| e.to_string())
    }
}

fn append(
    builder: &mut dyn ArrayBuilder,
    of: &DataType,
    column: &Column,
    cell: Option<&[u8]>,
    scratch: &mut Vec<u8>,
) -> Result<(), String> {
    let any = builder.as_any_mut();
    let wrong = || format!("column `{}` has a value that is no {of}", column.name);
    match of {
        DataType::List(item) => {
            let list = any.downcast_mut::<ListBuilder<Box<dyn ArrayBuilder>>>().ok_or_else(wrong)?;
            let Some(bytes) = cell else {
                list.append(false);
                return Ok(());
            };
            for cell in cell_items(bytes).map_err(|e| e.to_string())? {
                append(list.values().as_mut(), item.data_type(), column, cell.map_err(|e| e.to_string())?, scratch)?;
            }
            list.append(true);
        }
        DataType::Utf8 => {
            let builder = any.downcast_mut::<StringBuilder>().ok_or_else(wrong)?;
            match cell {
                None => builder.append_null(),
                Some(bytes) if matches!(column.pg, PgType::Text | PgType::Varchar) => {
                    builder.append_value(std::str::from_utf8(bytes).map_err(|_| wrong())?);
                }
                Some(bytes) => {
                    scratch.clear();
                    cell_text(scratch, bytes, column.pg).map_err(|e| e.to_string())?;
                    builder.append_value(std::str::from_utf8(scratch).map_err(|_| wrong())?);
                }
            }
        }
        DataType::Decimal128(_, scale) => {
            let decimal = |bytes| cell_decimal(bytes, u32::from(scale.unsigned_abs())).map_err(|e| e.to_string());
            let value = cell.map(decimal).transpose()?.flatten();
            any.downcast_mut::<Decimal128Builder>().ok_or_else(wrong)?.append_option(value);
        }
        _ => append_fixed(builder, of, cell).ok_or_else(wrong)?,
    }
    Ok(())
}

/// A value of fixed width; what is no value of the file's type there (an infinite date) is null.
fn append_fixed(builder: &mut dyn ArrayBuilder, of: &DataType, cell: Option<&[u8]>) -> Option<()> {
    let any = builder.as_any_mut();
    match of {
        DataType::Int16 => any.downcast_mut::<Int16Builder>()?.append_option(fixed(cell)?.map(i16::from_be_bytes)),
        DataType::Int32 => any.downcast_mut::<Int32Builder>()?.append_option(fixed(cell)?.map(i32::from_be_bytes)),
        DataType::Int64 => any.downcast_mut::<Int64Builder>()?.append_option(fixed(cell)?.map(i64::from_be_bytes)),
        DataType::Float32 => any.downcast_mut::<Float32Builder>()?.append_option(fixed(cell)?.map(f32::from_be_bytes)),
        DataType::Float64 => any.downcast_mut::<Float64Builder>()?.append_option(fixed(cell)?.map(f64::from_be_bytes)),
        DataType::Boolean => {
            any.downcast_mut::<BooleanBuilder>()?.append_option(fixed::<1>(cell)?.map(|b| b[0] != 0));
        }
        DataType::Date32 => {
            let days = fixed(cell)?.map(i32::from_be_bytes).filter(|d| *d != i32::MAX && *d != i32::MIN);
            any.downcast_mut::<Date32Builder>()?.append_option(days.and_then(|d| d.checked_add(EPOCH_DAYS)));
        }
        DataType::Time64(_) => {
            any.downcast_mut::<Time64MicrosecondBuilder>()?.append_option(fixed(cell)?.map(i64::from_be_bytes));
        }
        DataType::Timestamp(_, _) => {
            let micros = fixed(cell)?.map(i64::from_be_bytes).filter(|m| *m != i64::MAX && *m != i64::MIN);
            let micros = micros.and_then(|m| m.checked_add(EPOCH_MICROS));
            any.downcast_mut::<TimestampMicrosecondBuilder>()?.append_option(micros);
        }
        _ => return None,
    }
    Some(())
}

/// `None` where there is a value of another width.
fn fixed<const N: usize>(cell: Option<&[u8]>) -> Option<Option<[u8; N]>> {
    match cell {
        None => Some(None),
        Some(bytes) => bytes.try_into().ok().map(Some),
    }
}
