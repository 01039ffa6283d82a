//! JSON: turns rows into an array of objects, or into one object a line.

use super::column::Column;
use super::{Cells, Encoder};
use terrane_graphql::json::write_str;
use terrane_query::cell_json;

/// The JSON and NDJSON encoder.
pub struct Json {
    columns: Vec<Column>,
    /// Before each value: `{"name":` or `,"name":`.
    keys: Vec<Vec<u8>>,
    array: bool,
    first: bool,
}

impl Json {
    /// An encoder for these columns: one array, or one object a line.
    pub fn new(columns: Vec<Column>, array: bool) -> Self {
        let key = |(i, column): (usize, &Column)| {
            let mut key = vec![if i == 0 { b'{' } else { b',' }];
            write_str(&mut key, &column.name);
            key.push(b':');
            key
        };
        let keys = columns.iter().enumerate().map(key).collect();
        Self { columns, keys, array, first: true }
    }
}

impl Encoder for Json {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        if self.array {
            out.push(b'[');
        }
        Ok(())
    }

    fn row(&mut self, row: &dyn Cells, out: &mut Vec<u8>) -> Result<(), String> {
        if self.array {
            out.extend_from_slice(if self.first { b"\n" } else { b",\n" });
        }
        self.first = false;
        for (i, (column, key)) in self.columns.iter().zip(&self.keys).enumerate() {
            out.extend_from_slice(key);
            match row.cell(i) {
                Some(bytes) => cell_json(out, bytes, column.pg, column.list).map_err(|e| e.to_string())?,
                None => out.extend_from_slice(b"null"),
            }
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
