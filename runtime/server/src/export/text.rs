//! CSV: turns rows into delimited text (RFC 4180). No value is an empty field; an empty text is `""`.

use super::column::Column;
use super::{Cells, Encoder};
use terrane_manifest::PgType;
use terrane_query::{cell_json, cell_text};

/// Bytes that Excel takes for the mark of UTF-8.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// The CSV encoder.
pub struct Csv {
    columns: Vec<Column>,
    bom: bool,
    scratch: Vec<u8>,
}

impl Csv {
    /// An encoder for these columns; `bom` puts the mark of UTF-8 in front.
    pub fn new(columns: Vec<Column>, bom: bool) -> Self {
        Self { columns, bom, scratch: Vec::new() }
    }
}

impl Encoder for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        if self.bom {
            out.extend_from_slice(BOM);
        }
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            field(column.name.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn row(&mut self, row: &dyn Cells, out: &mut Vec<u8>) -> Result<(), String> {
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            let Some(bytes) = row.cell(i) else { continue };
            if column.list {
                self.scratch.clear();
                cell_json(&mut self.scratch, bytes, column.pg, true).map_err(|e| e.to_string())?;
                field(&self.scratch, out);
                continue;
            }
            match column.pg {
                PgType::Text | PgType::Varchar => field(bytes, out),
                PgType::Char | PgType::Json | PgType::Jsonb => {
                    self.scratch.clear();
                    cell_text(&mut self.scratch, bytes, column.pg).map_err(|e| e.to_string())?;
                    field(&self.scratch, out);
                }
                // the text of the others has nothing that needs quotes
                other => cell_text(out, bytes, other).map_err(|e| e.to_string())?,
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), String> {
        Ok(())
    }
}

fn field(text: &[u8], out: &mut Vec<u8>) {
    let quoted = text.is_empty() || text.iter().any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n'));
    if !quoted {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(Vec<Option<Vec<u8>>>);

    impl Cells for Row {
        fn cell(&self, index: usize) -> Option<&[u8]> {
            self.0[index].as_deref()
        }
    }

    fn column(list: bool) -> Column {
        Column { name: "n".to_owned(), pg: PgType::Text, list, decimal: None }
    }

    #[test]
    fn separators_and_quotes_are_quoted_and_nothing_is_not_empty_text() {
        let list = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, b'x', 255, 255, 255, 255];
        let row = Row(vec![None, Some(Vec::new()), Some(b"a,\"b\"\n".to_vec()), Some(list.to_vec())]);
        let columns = vec![column(false), column(false), column(false), column(true)];
        let mut out = Vec::new();
        let mut csv = Csv::new(columns, true);
        csv.begin(&mut out).unwrap();
        csv.row(&row, &mut out).unwrap();
        let expected = "\u{feff}n,n,n,n\r\n,\"\",\"a,\"\"b\"\"\n\",\"[\"\"x\"\",null]\"\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
