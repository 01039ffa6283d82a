//! Entities: turns rows found by key into the list of `_entities`, in the order of the representations.

use super::record::{Columns, Elements, Record};
use super::{At, Current, RowSource, WriteError, Writer, null};
use crate::layout::EntityGroup;
use std::ops::Range;

/// Entities of one group, written aside: where each position's object is.
struct Written {
    ranges: Vec<Option<Range<usize>>>,
    /// The representation of each position.
    places: Vec<usize>,
}

impl<'s> Writer<'s> {
    /// Write `_entities` from the statement's rows, which are those of group `queried`.
    pub(super) fn entity_rows(
        &mut self,
        out: &mut Vec<u8>,
        root: usize,
        groups: &'s [EntityGroup],
        queried: usize,
        rows: &mut dyn RowSource,
    ) -> Result<(), WriteError> {
        let mut aside = Vec::new();
        let mut written = self.places(root, groups);
        while rows.advance() {
            self.entity(&mut aside, &groups[queried], &mut written[queried], &Current(rows))?;
        }
        self.entities(out, root, groups, &written, &aside, Some(queried))
    }

    /// Write `_entities` from arrays of records, one for each group.
    pub(super) fn entity_columns(
        &mut self,
        out: &mut Vec<u8>,
        root: usize,
        groups: &'s [EntityGroup],
        columns: &dyn Columns,
    ) -> Result<(), WriteError> {
        let mut aside = Vec::new();
        let mut written = self.places(root, groups);
        for (group, written) in groups.iter().zip(&mut written) {
            let Some(array) = group.column.and_then(|column| columns.column(column)) else { continue };
            let mut record = Record::default();
            for item in Elements::new(array)? {
                record.read(item?.ok_or(WriteError::Unexpected("a null record"))?)?;
                self.entity(&mut aside, group, written, &record)?;
            }
        }
        self.entities(out, root, groups, &written, &aside, None)
    }

    fn places(&self, root: usize, groups: &[EntityGroup]) -> Vec<Written> {
        let slots = &self.bound.entities[root];
        let mut written: Vec<Written> = groups
            .iter()
            .zip(&slots.counts)
            .map(|(_, count)| Written { ranges: vec![None; *count], places: Vec::with_capacity(*count) })
            .collect();
        for (place, (group, _)) in slots.slots.iter().enumerate() {
            written[*group].places.push(place);
        }
        written
    }

    fn entity(
        &mut self,
        aside: &mut Vec<u8>,
        group: &'s EntityGroup,
        written: &mut Written,
        columns: &dyn Columns,
    ) -> Result<(), WriteError> {
        let ordinal: [u8; 8] =
            columns.column(0).and_then(|b| b.try_into().ok()).ok_or(WriteError::Unexpected("no position"))?;
        let position = usize::try_from(i64::from_be_bytes(ordinal) - 1).unwrap_or(usize::MAX);
        let place = *written.places.get(position).ok_or(WriteError::Unexpected("an unknown position"))?;
        let start = aside.len();
        self.path.push(At::Index(place));
        self.object(aside, &group.object, columns)?;
        self.path.pop();
        written.ranges[position] = Some(start..aside.len());
        Ok(())
    }

    fn entities(
        &mut self,
        out: &mut Vec<u8>,
        root: usize,
        groups: &'s [EntityGroup],
        written: &[Written],
        aside: &[u8],
        queried: Option<usize>,
    ) -> Result<(), WriteError> {
        let bound = self.bound;
        out.push(b'[');
        for (place, (group, position)) in bound.entities[root].slots.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            let layout = &groups[*group];
            if let Some(id) = layout.denied {
                self.path.push(At::Index(place));
                self.forbid(id);
                self.path.pop();
                null(out)?;
            } else if layout.column.is_none() && queried != Some(*group) {
                // nothing of this type is selected
                out.extend_from_slice(b"{}");
            } else {
                match &written[*group].ranges[*position] {
                    Some(range) => out.extend_from_slice(&aside[range.clone()]),
                    None => null(out)?,
                }
            }
        }
        out.push(b']');
        Ok(())
    }
}
