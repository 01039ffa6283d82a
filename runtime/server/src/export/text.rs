//! CSV: turns rows into delimited text (RFC 4180). No value is an empty field; an empty text is `""`.

use super::cells::{Cell, Column, timestamp};
use super::{Encoder, json};

/// The CSV encoder.
pub struct Csv {
    columns: Vec<Column>,
}

impl Csv {
    /// An encoder for these columns.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns }
    }
}

impl Encoder for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            field(&column.name, out);
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn row(&mut self, cells: Vec<Cell>, out: &mut Vec<u8>) -> Result<(), String> {
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            match cell {
                Cell::Null => {}
                Cell::Text(text) => field(text, out),
                Cell::Date(day) => field(&day.to_string(), out),
                Cell::Timestamp(at) => field(&timestamp(at), out),
                Cell::Int(_) | Cell::Float(_) | Cell::Bool(_) => json::write(cell, out),
                Cell::List(_) => {
                    let mut text = Vec::new();
                    json::write(cell, &mut text);
                    field(&String::from_utf8_lossy(&text), out);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), String> {
        Ok(())
    }
}

fn field(text: &str, out: &mut Vec<u8>) {
    let quoted = text.is_empty() || text.bytes().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n'));
    if !quoted {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_quotes_are_quoted_and_nothing_is_not_empty_text() {
        let mut out = Vec::new();
        let cells = vec![
            Cell::Null,
            Cell::Text(String::new()),
            Cell::Text("a,\"b\"\n".to_owned()),
            Cell::List(vec![Cell::Text("x".to_owned()), Cell::Null]),
        ];
        Csv::new(Vec::new()).row(cells, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), ",\"\",\"a,\"\"b\"\"\n\",\"[\"\"x\"\",null]\"\r\n");
    }
}
