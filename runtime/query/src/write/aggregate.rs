//! Aggregates: turns the figures of a list, of all its rows and of their groups, into JSON.

use super::record::{Columns, NoColumns, read_record};
use super::{At, WriteError, Writer};
use crate::layout::{ConnectionLayout, ObjectLayout};
use terrane_graphql::json::write_i64;

/// Append a count, which is a JSON number.
pub(super) fn count(out: &mut Vec<u8>, bytes: Option<&[u8]>) -> Result<(), WriteError> {
    let bytes = bytes.and_then(|b| b.try_into().ok()).ok_or(WriteError::Truncated)?;
    write_i64(out, i64::from_be_bytes(bytes));
    Ok(())
}

impl<'s> Writer<'s> {
    /// Write the figures of all rows, which are a record in `outer`, the row that the list is in.
    pub(super) fn aggregate(
        &mut self,
        out: &mut Vec<u8>,
        layout: &'s ConnectionLayout,
        key: &'s str,
        object: &'s ObjectLayout,
        outer: &dyn Columns,
    ) -> Result<(), WriteError> {
        self.path.push(At::Key(key));
        match layout.aggregate {
            Some(column) => {
                let bytes = outer.column(column).ok_or(WriteError::Unexpected("no aggregates"))?;
                self.object(out, object, &read_record(bytes)?)?;
            }
            // nothing of it needs rows
            None => self.object(out, object, &NoColumns)?,
        }
        self.path.pop();
        Ok(())
    }

    /// Write the groups, which are an array of records in a column of `outer`.
    pub(super) fn groups(
        &mut self,
        out: &mut Vec<u8>,
        column: usize,
        key: &'s str,
        object: &'s ObjectLayout,
        outer: &dyn Columns,
    ) -> Result<(), WriteError> {
        self.path.push(At::Key(key));
        self.list(out, outer.column(column), object)?;
        self.path.pop();
        Ok(())
    }
}
