//! JSON: turns rows into an array of objects, or into one object a line.

use super::Encoder;
use super::cells::{Cell, Column, timestamp};
use terrane_graphql::json::{write_bool, write_f64, write_i64, write_str};

/// The JSON and NDJSON encoder.
pub struct Json {
    columns: Vec<Column>,
    array: bool,
    first: bool,
}

impl Json {
    /// An encoder for these columns: one array, or one object a line.
    pub fn new(columns: Vec<Column>, array: bool) -> Self {
        Self { columns, array, first: true }
    }
}

impl Encoder for Json {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        if self.array {
            out.push(b'[');
        }
        Ok(())
    }

    fn row(&mut self, cells: Vec<Cell>, out: &mut Vec<u8>) -> Result<(), String> {
        if self.array {
            out.extend_from_slice(if self.first { b"\n" } else { b",\n" });
        }
        self.first = false;
        for (i, (column, cell)) in self.columns.iter().zip(&cells).enumerate() {
            out.push(if i == 0 { b'{' } else { b',' });
            write_str(out, &column.name);
            out.push(b':');
            write(cell, out);
        }
        out.push(b'}');
        if !self.array {
            out.push(b'\n');
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        if self.array {
            out.extend_from_slice(b"\n]\n");
        }
        Ok(())
    }
}

/// One value as JSON.
pub fn write(cell: &Cell, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Text(text) => write_str(out, text),
        Cell::Int(value) => write_i64(out, *value),
        Cell::Float(value) => write_f64(out, *value),
        Cell::Bool(value) => write_bool(out, *value),
        Cell::Date(day) => write_str(out, &day.to_string()),
        Cell::Timestamp(at) => write_str(out, &timestamp(at)),
        Cell::List(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
    }
}
