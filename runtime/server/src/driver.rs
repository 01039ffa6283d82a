//! The driver: turns bound values into parameters of the database driver, and its rows into what the data port reads.

use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Postgres, query::Query};
use terrane_query::{Bind, RowSource};

/// Bind all values in order.
pub fn bind_all<'q>(mut query: Query<'q, Postgres, PgArguments>, binds: &[Bind]) -> Query<'q, Postgres, PgArguments> {
    for bind in binds {
        query = match bind {
            Bind::Text(value) => query.bind(value.clone()),
            Bind::Int8(value) => query.bind(*value),
            Bind::Float8(value) => query.bind(*value),
            Bind::Bool(value) => query.bind(*value),
            Bind::TextArray(values) => query.bind(values.clone()),
            Bind::Int8Array(values) => query.bind(values.clone()),
            Bind::Float8Array(values) => query.bind(values.clone()),
            Bind::BoolArray(values) => query.bind(values.clone()),
        };
    }
    query
}

/// Rows of a statement, in Postgres's binary form.
pub struct Rows {
    rows: Vec<PgRow>,
    /// One past the current row.
    next: usize,
}

impl Rows {
    /// Before the first of `rows`.
    pub fn new(rows: Vec<PgRow>) -> Self {
        Self { rows, next: 0 }
    }
}

impl RowSource for Rows {
    fn advance(&mut self) -> bool {
        if self.next >= self.rows.len() {
            return false;
        }
        self.next += 1;
        true
    }

    fn column(&self, index: usize) -> Option<&[u8]> {
        let row = self.rows.get(self.next.checked_sub(1)?)?;
        // the layout was made for this statement, so the column is there; what is not there reads as null
        row.try_get_raw(index).ok()?.as_bytes().ok()
    }
}
