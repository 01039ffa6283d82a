//! Bound values: turns them into parameters of the database library, for statements that are not the data port's.

use sqlx::postgres::PgArguments;
use sqlx::{Postgres, query::Query};
use terrane_query::Bind;

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
