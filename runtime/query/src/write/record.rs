//! Records: turns Postgres' binary form of records and arrays into slices of their parts.

use super::WriteError;
use smallvec::SmallVec;

/// Columns of a row or record, in binary form; null is `None`.
pub(crate) trait Columns {
    fn column(&self, index: usize) -> Option<&[u8]>;
}

/// The row of what needs no rows.
pub(crate) struct NoColumns;

impl Columns for NoColumns {
    fn column(&self, _: usize) -> Option<&[u8]> {
        None
    }
}

/// A decoded record: where in its bytes the columns are. One is used for all records of an array, one after the other.
#[derive(Default)]
pub(crate) struct Record<'b> {
    bytes: &'b [u8],
    /// Start and length; a null has no start.
    parts: SmallVec<[(u32, u32); 8]>,
}

const NULL: u32 = u32::MAX;

impl<'b> Record<'b> {
    /// Read a record: its count of columns, and of each its type's oid, length and bytes (`record_send`).
    pub(crate) fn read(&mut self, bytes: &'b [u8]) -> Result<(), WriteError> {
        let int = |at: usize| {
            let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or(WriteError::Truncated)?;
            Ok(i32::from_be_bytes(four))
        };
        let count = int(0)?;
        let mut at = 4;
        self.bytes = bytes;
        self.parts.clear();
        for _ in 0..count {
            let length = int(at + 4)?;
            at += 8;
            let Ok(length) = usize::try_from(length) else {
                self.parts.push((NULL, 0));
                continue;
            };
            let start = u32::try_from(at).map_err(|_| WriteError::Truncated)?;
            at += length;
            if at > bytes.len() {
                return Err(WriteError::Truncated);
            }
            self.parts.push((start, length as u32));
        }
        Ok(())
    }
}

impl Columns for Record<'_> {
    fn column(&self, index: usize) -> Option<&[u8]> {
        let (start, length) = *self.parts.get(index)?;
        if start == NULL {
            return None;
        }
        self.bytes.get(start as usize..(start + length) as usize)
    }
}

/// A cursor over bytes in network order.
pub(crate) struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'b [u8], WriteError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(WriteError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WriteError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(WriteError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, WriteError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, WriteError> {
        self.array().map(i16::from_be_bytes)
    }

    /// A length and so many bytes; a negative length is null.
    pub(crate) fn value(&mut self) -> Result<Option<&'b [u8]>, WriteError> {
        match usize::try_from(self.i32()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// A record of its own.
pub(crate) fn read_record(bytes: &[u8]) -> Result<Record<'_>, WriteError> {
    let mut record = Record::default();
    record.read(bytes)?;
    Ok(record)
}

/// The elements of an array, flattened (`array_send`).
pub(crate) struct Elements<'b> {
    reader: Reader<'b>,
    left: usize,
}

impl<'b> Elements<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Result<Self, WriteError> {
        let mut reader = Reader::new(bytes);
        let dimensions = reader.i32()?;
        reader.i32()?;
        reader.i32()?;
        let mut left = usize::from(dimensions > 0);
        for _ in 0..dimensions {
            let length = usize::try_from(reader.i32()?).map_err(|_| WriteError::Truncated)?;
            reader.i32()?;
            left = left.checked_mul(length).ok_or(WriteError::Truncated)?;
        }
        Ok(Self { reader, left })
    }
}

impl<'b> Iterator for Elements<'b> {
    type Item = Result<Option<&'b [u8]>, WriteError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(self.reader.value())
    }
}
