//! Writing: turns the rows of a statement into the response's JSON, straight into its buffer.

mod aggregate;
mod cell;
mod changes;
mod connection;
mod entities;
mod json;
pub(crate) mod record;
pub(crate) mod values;

pub use cell::{cell_decimal, cell_items, cell_json, cell_text};

use crate::layout::{DeniedId, Entry, Form, Key, ObjectLayout, RootLayout, ValueLayout};
use crate::params::Bound;
use record::{Columns, Elements, NoColumns, Record, read_record};
use terrane_graphql::{GraphqlError, PathSegment};
use values::{write_array, write_value};

/// Rows of a statement, one at a time, with columns in Postgres' binary format.
pub trait RowSource {
    /// Go to the next row (at first: to the first). False when there is none.
    fn advance(&mut self) -> bool;
    /// A column of the current row; null is `None`.
    fn column(&self, index: usize) -> Option<&[u8]>;
}

/// Why rows cannot be written: they are not what the statement promises. Internal: the client sees a masked error.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    /// A binary value ends too early.
    #[error("a value from the database is shorter than its type")]
    Truncated,
    /// A text is not UTF-8.
    #[error("a text from the database is not UTF-8")]
    NotText,
    /// A row is missing, or a column that cannot be null is.
    #[error("the database answered with other rows than the statement asks for: {0}")]
    Unexpected(&'static str),
}

/// Where the writer is in the response, for the paths of errors.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At<'s> {
    Key(&'s str),
    Index(usize),
}

/// Writes one response.
pub(crate) struct Writer<'s> {
    pub(crate) bound: &'s Bound,
    denied: &'s [String],
    seen: Vec<bool>,
    path: Vec<At<'s>>,
    errors: Vec<GraphqlError>,
    /// How many of them are about values that are not of their shape.
    shape_errors: usize,
}

struct Current<'r>(&'r dyn RowSource);

impl Columns for Current<'_> {
    fn column(&self, index: usize) -> Option<&[u8]> {
        self.0.column(index)
    }
}

impl<'s> Writer<'s> {
    pub(crate) fn new(bound: &'s Bound, denied: &'s [String]) -> Self {
        Self { bound, denied, seen: vec![false; denied.len()], path: Vec::new(), errors: Vec::new(), shape_errors: 0 }
    }

    /// Write every root field: `root` is called with its response key and the JSON after it.
    pub(crate) fn write(
        mut self,
        form: &'s Form,
        rows: &mut dyn RowSource,
        out: &mut Vec<u8>,
        mut root: impl FnMut(&'s Key, &mut Vec<u8>),
    ) -> Result<Vec<GraphqlError>, WriteError> {
        match form {
            Form::Row { key, object } => {
                self.path.push(At::Key(key));
                if rows.advance() {
                    self.object(out, object, &Current(rows))?;
                } else {
                    out.extend_from_slice(b"null");
                }
                root(key, out);
            }
            Form::Rows { key, connection } => {
                self.path.push(At::Key(key));
                self.connection(out, connection, &NoColumns, |writer, each| {
                    while rows.advance() {
                        if !each(writer, &Current(rows))? {
                            break;
                        }
                    }
                    Ok(())
                })?;
                root(key, out);
            }
            Form::EntityRows { key, root: index, groups, group } => {
                self.path.push(At::Key(key));
                self.entity_rows(out, *index, groups, *group, rows)?;
                root(key, out);
            }
            Form::Changes { key, members } => {
                self.path.push(At::Key(key));
                self.changes(out, members, rows)?;
                root(key, out);
            }
            Form::Nothing(entries) => self.roots(out, entries, &NoColumns, root)?,
            Form::Record(entries) => {
                if !rows.advance() {
                    return Err(WriteError::Unexpected("no row"));
                }
                self.roots(out, entries, &Current(rows), root)?;
            }
        }
        Ok(self.errors)
    }

    fn roots(
        &mut self,
        out: &mut Vec<u8>,
        entries: &'s [Entry<RootLayout>],
        columns: &dyn Columns,
        mut root: impl FnMut(&'s Key, &mut Vec<u8>),
    ) -> Result<(), WriteError> {
        for entry in entries {
            self.path.push(At::Key(&entry.key));
            match &entry.value {
                RootLayout::Value(value) => self.value(out, value, columns)?,
                RootLayout::Entities { root, groups } => self.entity_columns(out, *root, groups, columns)?,
            }
            self.path.pop();
            root(&entry.key, out);
        }
        Ok(())
    }

    pub(crate) fn object(
        &mut self,
        out: &mut Vec<u8>,
        layout: &'s ObjectLayout,
        columns: &dyn Columns,
    ) -> Result<(), WriteError> {
        out.push(b'{');
        for (index, member) in layout.members.iter().enumerate() {
            member.key.write(out, index == 0);
            match &member.value {
                // the common case, without the bookkeeping of paths
                ValueLayout::Scalar { column, pg, array: false } => match columns.column(*column) {
                    Some(bytes) => write_value(out, bytes, *pg)?,
                    None => out.extend_from_slice(b"null"),
                },
                value => {
                    self.path.push(At::Key(&member.key));
                    self.value(out, value, columns)?;
                    self.path.pop();
                }
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn value(&mut self, out: &mut Vec<u8>, layout: &'s ValueLayout, columns: &dyn Columns) -> Result<(), WriteError> {
        match layout {
            ValueLayout::Scalar { column, pg, array } => match columns.column(*column) {
                Some(bytes) if *array => write_array(out, bytes, *pg),
                Some(bytes) => write_value(out, bytes, *pg),
                None => null(out),
            },
            ValueLayout::Json { column, pg, array, list, object } => match columns.column(*column) {
                Some(bytes) => self.json_column(out, bytes, (*pg, *array, *list), object),
                None => null(out),
            },
            ValueLayout::Constant(json) => {
                out.extend_from_slice(json);
                Ok(())
            }
            ValueLayout::Count { column } => aggregate::count(out, columns.column(*column)),
            ValueLayout::Denied(id) => {
                self.forbid(*id);
                null(out)
            }
            ValueLayout::Inline { object, presence } => {
                if presence.iter().any(|column| columns.column(*column).is_none()) {
                    return null(out);
                }
                self.object(out, object, columns)
            }
            ValueLayout::Record { column, object } => match columns.column(*column) {
                Some(bytes) => self.object(out, object, &read_record(bytes)?),
                None => null(out),
            },
            ValueLayout::List { column, object, presence } => {
                if presence.is_some_and(|p| columns.column(p).is_none()) {
                    return null(out);
                }
                self.list(out, columns.column(*column), object)
            }
            ValueLayout::Connection(connection) => {
                let array = connection.rows.and_then(|column| columns.column(column));
                self.connection_array(out, connection, columns, array)
            }
        }
    }

    pub(crate) fn list(
        &mut self,
        out: &mut Vec<u8>,
        array: Option<&[u8]>,
        object: &'s ObjectLayout,
    ) -> Result<(), WriteError> {
        out.push(b'[');
        if let Some(bytes) = array {
            let mut record = Record::default();
            for (index, item) in Elements::new(bytes)?.enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                record.read(item?.ok_or(WriteError::Unexpected("a null record"))?)?;
                self.path.push(At::Index(index));
                self.object(out, object, &record)?;
                self.path.pop();
            }
        }
        out.push(b']');
        Ok(())
    }

    /// Report a denied selection once, at its first place: with many rows the same answer would repeat for each.
    pub(crate) fn forbid(&mut self, id: DeniedId) {
        if std::mem::replace(&mut self.seen[id.0], true) {
            return;
        }
        let label = &self.denied[id.0];
        let message = format!("these roles may not read `{label}`; leave it out or ask for access");
        let mut error = GraphqlError::new("FORBIDDEN", message).at_path(self.segments());
        error.extensions.insert("field".to_owned(), label.clone().into());
        self.errors.push(error);
    }

    fn segments(&self) -> Vec<PathSegment> {
        let segment = |at: &At<'_>| match at {
            At::Key(key) => PathSegment::Key((*key).to_owned()),
            At::Index(index) => PathSegment::Index(*index),
        };
        self.path.iter().map(segment).collect()
    }
}

pub(crate) fn null(out: &mut Vec<u8>) -> Result<(), WriteError> {
    out.extend_from_slice(b"null");
    Ok(())
}
