//! Rows: turns the bytes of `DataRow` messages into rows whose columns are slices of them.

use crate::message::bounds;
use bytes::Bytes;
use terrane_query::RowSource;

/// The rows of a statement, in Postgres's binary form, as they came.
#[derive(Debug, Default)]
pub struct Rows {
    bytes: Bytes,
    /// Where the next message begins.
    next: usize,
    /// Start and length of each column of the current row; a null has no start.
    columns: Vec<(u32, u32)>,
    /// Rows so far.
    count: u64,
}

const NULL: u32 = u32::MAX;

impl Rows {
    /// Rows from the messages of one answer; others than `DataRow` are passed over.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, next: 0, columns: Vec::new(), count: 0 }
    }

    /// The size of the answer in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many rows were read so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there was no answer to ask for.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Read the columns of the row whose message body is at `at`. The lengths were checked by nobody yet.
    fn read(&mut self, at: usize, end: usize) -> Option<()> {
        let bytes = self.bytes.get(..end)?;
        let count = u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?);
        let mut at = at + 2;
        self.columns.clear();
        for _ in 0..count {
            let length = i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
            at += 4;
            match usize::try_from(length) {
                Err(_) => self.columns.push((NULL, 0)),
                Ok(length) => {
                    bytes.get(at..at + length)?;
                    self.columns.push((u32::try_from(at).ok()?, u32::try_from(length).ok()?));
                    at += length;
                }
            }
        }
        Some(())
    }
}

impl RowSource for Rows {
    fn advance(&mut self) -> bool {
        loop {
            let Ok(Some((tag, end))) = bounds(&self.bytes, self.next) else { return false };
            let body = self.next + 5;
            self.next = end;
            if tag == b'D' {
                self.count += 1;
                return self.read(body, end).is_some();
            }
        }
    }

    fn column(&self, index: usize) -> Option<&[u8]> {
        let (start, length) = *self.columns.get(index)?;
        if start == NULL {
            return None;
        }
        self.bytes.get(start as usize..(start + length) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = (columns.len() as u16).to_be_bytes().to_vec();
        for column in columns {
            body.extend(column.map_or(-1i32, |c| c.len() as i32).to_be_bytes());
            body.extend(column.unwrap_or_default());
        }
        let mut message = vec![b'D'];
        message.extend((body.len() as u32 + 4).to_be_bytes());
        message.extend(body);
        message
    }

    #[test]
    fn walks_over_rows_and_other_messages() {
        let mut bytes = vec![b'2', 0, 0, 0, 4];
        bytes.extend(row(&[Some(b"ab"), None, Some(b"")]));
        bytes.extend([b'N', 0, 0, 0, 5, 0]);
        bytes.extend(row(&[Some(b"c")]));
        let mut rows = Rows::new(bytes.into());
        assert!(rows.advance());
        assert_eq!((rows.column(0), rows.column(1), rows.column(2)), (Some(&b"ab"[..]), None, Some(&b""[..])));
        assert!(rows.advance());
        assert_eq!((rows.column(0), rows.column(1)), (Some(&b"c"[..]), None));
        assert!(!rows.advance());
    }

    #[test]
    fn a_lying_length_ends_the_rows() {
        let mut bytes = row(&[Some(b"abc")]);
        bytes[10] = 200;
        assert!(!Rows::new(bytes.into()).advance());
    }
}
