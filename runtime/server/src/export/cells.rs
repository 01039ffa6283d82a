//! Cells: turns a column's type into how it is selected and read, and a row into plain values.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use terrane_manifest::{Field, PgType};

/// What a column's values are, once they are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; numerics, times, UUIDs and JSON travel as text too.
    Text,
    /// Whole numbers.
    Int,
    /// Doubles.
    Float,
    /// Truth values.
    Bool,
    /// Days.
    Date,
    /// Points in time.
    Timestamp,
}

/// A column of an export.
#[derive(Debug, Clone)]
pub struct Column {
    /// Name in the file: the contract's.
    pub name: String,
    /// Its values or, for a list, its items.
    pub kind: Kind,
    /// Whether it is a list.
    pub list: bool,
    /// The type it is cast to in SQL.
    pub cast: &'static str,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A double.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A day.
    Date(NaiveDate),
    /// A point in time.
    Timestamp(DateTime<Utc>),
    /// A list.
    List(Vec<Cell>),
}

impl Column {
    /// The column of a contract's field.
    pub fn of(field: &Field) -> Self {
        use PgType as P;
        let (kind, cast, casts) = match field.physical.base {
            P::Int2 | P::Int4 | P::Int8 => (Kind::Int, "::bigint", "::bigint[]"),
            P::Float4 | P::Float8 => (Kind::Float, "::double precision", "::double precision[]"),
            P::Bool => (Kind::Bool, "::boolean", "::boolean[]"),
            P::Date => (Kind::Date, "::date", "::date[]"),
            P::Timestamp => (Kind::Timestamp, "::timestamp AT TIME ZONE 'UTC'", "::timestamptz[]"),
            P::Timestamptz => (Kind::Timestamp, "::timestamptz", "::timestamptz[]"),
            P::Text | P::Varchar | P::Char | P::Numeric | P::Time | P::Uuid | P::Json | P::Jsonb => {
                (Kind::Text, "::text", "::text[]")
            }
        };
        let list = field.physical.array;
        Self { name: field.name.clone(), kind, list, cast: if list { casts } else { cast } }
    }

    /// Read the value at `index`.
    pub fn read(&self, row: &PgRow, index: usize) -> Result<Cell, sqlx::Error> {
        match (self.kind, self.list) {
            (Kind::Text, false) => one(row, index, Cell::Text),
            (Kind::Int, false) => one(row, index, Cell::Int),
            (Kind::Float, false) => one(row, index, Cell::Float),
            (Kind::Bool, false) => one(row, index, Cell::Bool),
            (Kind::Date, false) => one(row, index, Cell::Date),
            (Kind::Timestamp, false) => one(row, index, Cell::Timestamp),
            (Kind::Text, true) => many(row, index, Cell::Text),
            (Kind::Int, true) => many(row, index, Cell::Int),
            (Kind::Float, true) => many(row, index, Cell::Float),
            (Kind::Bool, true) => many(row, index, Cell::Bool),
            (Kind::Date, true) => many(row, index, Cell::Date),
            (Kind::Timestamp, true) => many(row, index, Cell::Timestamp),
        }
    }
}

fn one<'r, T>(row: &'r PgRow, index: usize, cell: impl Fn(T) -> Cell) -> Result<Cell, sqlx::Error>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    Ok(row.try_get::<Option<T>, _>(index)?.map_or(Cell::Null, cell))
}

fn many<'r, T>(row: &'r PgRow, index: usize, cell: impl Fn(T) -> Cell) -> Result<Cell, sqlx::Error>
where
    Vec<Option<T>>: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let items = row.try_get::<Option<Vec<Option<T>>>, _>(index)?;
    Ok(items
        .map_or(Cell::Null, |items| Cell::List(items.into_iter().map(|item| item.map_or(Cell::Null, &cell)).collect())))
}

/// ISO 8601 with microseconds where there are any, in UTC.
pub fn timestamp(at: &DateTime<Utc>) -> String {
    let naive: NaiveDateTime = at.naive_utc();
    format!("{}Z", naive.format("%Y-%m-%dT%H:%M:%S%.f"))
}
